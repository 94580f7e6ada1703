import { assertEquals, assertStringIncludes } from "@std/assert";
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
  unseenChanges,
} from "./unpack_tools.ts";

const SIZES = [0, 1, 12, 13, 65535, 65536, 65537, 262145, 5_000_000];

const COMMANDS = [
  "lz4 -c",
  "lz4 -c -9",
  "lz4 -c -12",
  "lz4 -c --fast=9",
  "lz4 -c -B4",
  "lz4 -c -B5 -BX",
  "lz4 -c -B6 -BD",
  "lz4 -c -B7 -BD -BX",
  "lz4 -c -B4 -BD -9",
  "lz4 -c --no-frame-crc",
  "lz4 -c -B4 -BI --no-frame-crc -BX",
];

for (const command of COMMANDS) {
  Deno.test(`lz4: what ${command} writes`, { ignore: needs("lz4") }, async () => {
    for (const size of SIZES) {
      // A fault of lz4 1.9.4: it has no room for this one.
      if (size === 65535 && command.includes("-B4")) continue;
      const content = diskContent(size, size);
      const packed = await packedFile(content, ...command.split(" ").slice(2));
      await assertUnpacks("lz4", packed, content, `${command}, ${size} bytes`);
    }
  });
}

/** Packed from a file: the frame tells how much it holds. */
async function packedFile(content: Bytes, ...args: string[]): Promise<Bytes> {
  await using folder = await TemporaryFolder.create();
  const path = await folder.write("content", content);
  return await pipeThrough(["lz4", "-c", ...args, path], new Uint8Array());
}

Deno.test("lz4: frames that tell their size", { ignore: needs("lz4") }, async () => {
  for (const size of SIZES) {
    const content = diskContent(size, size);
    await assertUnpacks("lz4", await packedFile(content, "--content-size"), content);
  }
});

/** A frame to be skipped. */
function skippable(kind: number, length: number): Bytes {
  const frame = patternBytes(8 + length);
  frame.set([0x50 + kind, 0x2a, 0x4d, 0x18, length & 0xff, length >>> 8, 0, 0]);
  return frame;
}

Deno.test("lz4: frames follow each other, with others to be skipped between them", {
  ignore: needs("lz4"),
}, async () => {
  const parts = [diskContent(170_000, 1), new Uint8Array(), diskContent(5, 2)];
  const args = [["-B4", "-BD"], ["-B7"], ["-B5", "-BX"]];
  const frames = await Promise.all(
    parts.map((part, index) => pipeThrough(["lz4", "-c", ...args[index] ?? []], part)),
  );
  const whole = joined(...parts);
  const mixed = joined(
    skippable(0, 0),
    ...frames.flatMap((frame, index) => [frame, skippable(15 - index, 30_000 * index)]),
  );
  assertBytes(await pipeThrough(["lz4", "-dc"], mixed), whole);
  await assertUnpacks("lz4", mixed, whole);
});

Deno.test("lz4: what cannot be read is told by name", { ignore: needs("lz4") }, async () => {
  const content = diskContent(1000);
  const legacy = await unpackError("lz4", await pipeThrough(["lz4", "-l", "-c"], content));
  assertStringIncludes(legacy.message, "legacy lz4");
  // lz4 -D does not say which dictionary it was: what it lacks is seen as damage.
  await using folder = await TemporaryFolder.create();
  const dictionary = await folder.write("words", diskContent(20_000));
  await unpackError("lz4", await pipeThrough(["lz4", "-c", "-D", dictionary], content));
  const frame = await pipeThrough(["lz4", "-c"], content);
  const cases: [at: number, value: number, message: string][] = [
    [0, 0, "this is no lz4 stream"],
    [4, (frame[4] ?? 0) | 0x80, "version is unknown"],
    [4, (frame[4] ?? 0) | 0x02, "a reserved bit is set"],
    [5, 0x30, "block size is unknown"],
    [6, (frame[6] ?? 0) ^ 1, "checksum of its header is wrong"],
    [frame.length - 1, (frame.at(-1) ?? 0) ^ 1, "checksum of its content is wrong"],
  ];
  for (const [at, value, message] of cases) {
    const wrong = frame.slice();
    wrong[at] = value;
    assertStringIncludes((await unpackError("lz4", wrong)).message, message);
  }
});

Deno.test(
  "lz4: what else follows is an error, and where",
  { ignore: needs("lz4") },
  async () => {
    const frame = await pipeThrough(["lz4", "-c"], diskContent(500));
    const legacy = await pipeThrough(["lz4", "-l", "-c"], diskContent(500));
    for (
      const tail of [Uint8Array.of(0, 0, 0, 0), Uint8Array.of(4, 0x22, 0x4d, 0x19), legacy]
    ) {
      const error = await unpackError("lz4", joined(frame, tail));
      assertEquals(error.offset, frame.length);
    }
  },
);

Deno.test("lz4: a stream that is cut never ends well", { ignore: needs("lz4") }, async () => {
  const content = diskContent(900, 3);
  for (const args of [[], ["-BX"], ["--no-frame-crc"]]) {
    await assertCutsFail("lz4", await pipeThrough(["lz4", "-c", ...args], content));
  }
  const frame = await packedFile(content, "--content-size");
  const frames = joined(frame, skippable(1, 5), frame);
  await assertCutsFail("lz4", frames, [frame.length, frame.length + 13]);
});

Deno.test("lz4: a frame that says which dictionary it needs", async () => {
  // FLG with the flag, BD, number, checksum of these; from the specification.
  const { xxhash32 } = await import("hash-wasm");
  const descriptor = Uint8Array.of(0x61, 0x40, 1, 0, 0, 0);
  const checksum = parseInt((await xxhash32(descriptor)).slice(4, 6), 16);
  const frame = joined(Uint8Array.of(4, 0x22, 0x4d, 0x18), descriptor, Uint8Array.of(checksum));
  const error = await unpackError("lz4", joined(frame, new Uint8Array(4)));
  assertStringIncludes(error.message, "needs a dictionary");
});

Deno.test("lz4: a changed byte is seen: all are under a checksum", {
  ignore: needs("lz4"),
}, async () => {
  // Noise: runs could be copied from here or from there.
  const content = patternBytes(512).slice(8);
  for (const args of [[], ["-BX"], ["-BD", "-B4"]]) {
    const frame = await packedFile(content, ...args);
    assertEquals(await unseenChanges("lz4", frame, content), [], args.join(" "));
  }
});
