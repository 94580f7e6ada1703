import { assertEquals, assertStringIncludes } from "@std/assert";
import { makeDecoder } from "../../src/copy/unpack/unpack_decoders.ts";
import type { Bytes } from "../../src/core/block.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import {
  assertCutsFail,
  assertUnpacks,
  diskContent,
  joined,
  pipeThrough,
  unpackError,
  unpackWith,
  unseenChanges,
} from "./unpack_tools.ts";

/** Blocks end at 128 KiB, sizes change their form at 256 and 65792. */
const SIZES = [0, 1, 255, 256, 65791, 65792, 131072, 131073, 1_000_000];

const COMMANDS = [
  "zstd -c",
  "zstd -c --fast=5",
  "zstd -c -1",
  "zstd -c -19",
  "zstd -c --ultra -22",
  "zstd -c --no-check",
  "zstd -c --long=27",
  "zstd -c --long=31",
  "zstd -c -T2 -B32768",
  "zstd -c --rsyncable",
  "zstd -c --no-compress-literals",
];

/** Commands that take long to begin: they get the largest contents only. */
const SLOW = /-22|--long=31|-19/;

for (const command of COMMANDS) {
  Deno.test(`zstd: what ${command} writes`, { ignore: needs("zstd") }, async () => {
    for (const size of SLOW.test(command) ? SIZES.slice(-2) : SIZES) {
      const content = diskContent(size, size);
      const packed = await pipeThrough(command.split(" "), content);
      await assertUnpacks("zstd", packed, content, `${command}, ${size} bytes`);
    }
  });
}

/** Packed from a file: the frame tells how much it holds. */
async function packedFile(content: Bytes, ...args: string[]): Promise<Bytes> {
  await using folder = await TemporaryFolder.create();
  const path = await folder.write("content", content);
  return await pipeThrough(["zstd", "-c", ...args, path], new Uint8Array());
}

Deno.test("zstd: frames that tell their size, in all its forms", {
  ignore: needs("zstd"),
}, async () => {
  for (const size of SIZES) {
    const content = diskContent(size, size);
    await assertUnpacks("zstd", await packedFile(content), content);
    await assertUnpacks("zstd", await packedFile(content, "--no-content-size"), content);
  }
});

/** A frame to be skipped. */
function skippable(kind: number, length: number): Bytes {
  const frame = patternBytes(8 + length);
  frame.set([
    0x50 + kind,
    0x2a,
    0x4d,
    0x18,
    length & 0xff,
    length >>> 8 & 0xff,
    length >>> 16,
    0,
  ]);
  return frame;
}

Deno.test("zstd: frames follow each other, with others to be skipped between them", {
  ignore: needs("zstd"),
}, async () => {
  const parts = [diskContent(70_000, 1), new Uint8Array(), diskContent(5, 2)];
  const frames = await Promise.all(parts.map((part) => pipeThrough(["zstd", "-c"], part)));
  const whole = joined(...parts);
  await assertUnpacks("zstd", joined(...frames), whole);
  const mixed = joined(
    skippable(0, 0),
    ...frames.flatMap((frame, index) => [frame, skippable(15 - index, 70_000 * index)]),
  );
  assertBytes(await pipeThrough(["zstd", "-dc"], mixed), whole);
  await assertUnpacks("zstd", mixed, whole);
  await assertUnpacks("zstd", skippable(3, 12), new Uint8Array());
});

Deno.test("zstd: a window of 128 MiB is used, and one of 2 GiB", {
  ignore: needs("zstd"),
}, async () => {
  const block = patternBytes(1_000_000);
  for (const long of [27, 31]) {
    // The second copy is 40 MB behind the first: further than any usual window.
    const content = joined(block, new Uint8Array(40_000_000), block);
    const packed = await pipeThrough(["zstd", "-c", `--long=${long}`], content);
    assertEquals(packed.length < 1_100_000, true, "the window was not used");
    const decoder = await makeDecoder("zstd");
    assertBytes(unpackWith(decoder, packed, { roomBytes: 1 << 20 }), content);
  }
});

Deno.test("zstd: too large a window, a dictionary, reserved bits are told by name", {
  ignore: needs("zstd"),
}, async () => {
  const frame = await pipeThrough(["zstd", "-c"], diskContent(100));
  const cases: [at: number, value: number, message: string][] = [
    // An exponent of 22 stands for 4 GiB, 21 with a mantissa of 1 for a little over 2 GiB.
    [5, 22 << 3, "needs a window of 4294967296 bytes"],
    [5, 21 << 3 | 1, "needs a window of 2415919104 bytes"],
    [4, (frame[4] ?? 0) | 8, "a reserved bit is set"],
    [4, (frame[4] ?? 0) | 3, "needs a dictionary"],
    [6, (frame[6] ?? 0) | 6, "a block's type is unknown"],
    [8, 0x7f, "a block is too large"],
    [0, 0, "this is no zstd stream"],
  ];
  for (const [at, value, message] of cases) {
    const wrong = frame.slice();
    wrong[at] = value;
    assertStringIncludes((await unpackError("zstd", wrong)).message, message);
  }
});

Deno.test("zstd: a frame that needs a dictionary", { ignore: needs("zstd") }, async () => {
  await using folder = await TemporaryFolder.create();
  const dictionary = await folder.write("words", diskContent(20_000));
  const packed = await pipeThrough(["zstd", "-c", "-D", dictionary], diskContent(3000));
  // A raw dictionary has no number: what it lacks is seen as damage.
  await unpackError("zstd", packed);
});

Deno.test("zstd: what else follows is an error, and where", {
  ignore: needs("zstd"),
}, async () => {
  const frame = await pipeThrough(["zstd", "-c"], diskContent(500));
  for (const tail of [[0, 0, 0, 0], [1, 2, 3, 4, 5], [0x28, 0xb5, 0x2f, 0xfc]]) {
    const error = await unpackError("zstd", joined(frame, Uint8Array.from(tail)));
    assertEquals(error.offset, frame.length);
    assertStringIncludes(error.message, "something else follows");
  }
  const error = await unpackError("zstd", joined(frame, new Uint8Array(2)));
  assertEquals(error.offset, frame.length + 2);
});

Deno.test("zstd: a stream that is cut never ends well", { ignore: needs("zstd") }, async () => {
  const content = diskContent(900, 3);
  await assertCutsFail("zstd", await pipeThrough(["zstd", "-c"], content));
  await assertCutsFail("zstd", await packedFile(content, "--no-check"));
  const frame = await packedFile(content);
  const frames = joined(frame, skippable(1, 5), frame);
  await assertCutsFail("zstd", frames, [frame.length, frame.length + 13]);
});

Deno.test("zstd: a changed byte is seen, but where nothing depends on it", {
  ignore: needs("zstd"),
}, async () => {
  // Noise: runs could be copied from here or from there.
  const content = patternBytes(512).slice(8);
  const frame = await pipeThrough(["zstd", "-c"], content);
  // The window may be any other one that is large enough.
  assertEquals(await unseenChanges("zstd", frame, content), [5]);
  assertEquals(await unseenChanges("zstd", await packedFile(content), content), []);
});
