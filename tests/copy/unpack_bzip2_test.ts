import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Bytes } from "../../src/core/block.ts";
import { patternBytes } from "../support/pattern.ts";
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

/** Blocks of -1 end at 100,000 bytes, less 19; runs are counted from 4 to 259. */
const SIZES = [0, 1, 3, 4, 5, 99_980, 99_981, 99_982, 100_000, 1_000_000];

const COMMANDS = [
  "bzip2 -c",
  "bzip2 -1 -c",
  "bzip2 -5 -c",
  "pbzip2 -c -p2 -b1",
  "lbzip2 -c -n2",
];

for (const command of COMMANDS) {
  Deno.test(`bzip2: what ${command} writes`, {
    ignore: needs(command.split(" ", 1)[0] ?? ""),
  }, async () => {
    for (const size of SIZES) {
      const content = diskContent(size, size);
      const packed = await pipeThrough(command.split(" "), content);
      await assertUnpacks("bzip2", packed, content, `${command}, ${size} bytes`);
    }
  });
}

Deno.test("bzip2: runs of every length, and contents of one byte, of two, of all", {
  ignore: needs("bzip2"),
}, async () => {
  const runs = Array.from({ length: 600 }, (_, index) => {
    return new Uint8Array(1 + index % 300).fill(index * 7);
  });
  const contents: Bytes[] = [
    joined(...runs),
    new Uint8Array(10_000_000),
    new Uint8Array(300_000).fill(255),
    Uint8Array.from({ length: 300_000 }, (_, index) => index & 1),
    Uint8Array.from({ length: 300_000 }, (_, index) => index & 255),
    patternBytes(950_000),
  ];
  for (const content of contents) {
    await assertUnpacks("bzip2", await pipeThrough(["bzip2", "-c"], content), content);
  }
});

Deno.test("bzip2: streams follow each other, of any block size, empty ones too", {
  ignore: needs("bzip2"),
}, async () => {
  const parts = [
    diskContent(70_000, 1),
    new Uint8Array(),
    diskContent(1, 2),
    diskContent(9, 3),
  ];
  const streams = await Promise.all(
    parts.map((part, index) => pipeThrough(["bzip2", "-c", `-${index + 1}`], part)),
  );
  await assertUnpacks("bzip2", joined(...streams), joined(...parts));
});

Deno.test("bzip2: what is wrong is told", { ignore: needs("bzip2") }, async () => {
  const stream = await pipeThrough(["bzip2", "-c"], diskContent(1000, 4));
  const cases: [at: number, value: number, message: string][] = [
    [0, 0, "this is no bzip2 stream"],
    [3, 0x30, "this is no bzip2 stream"],
    [4, 0, "there is no block"],
    [10, (stream[10] ?? 0) ^ 1, "the CRC of a block is wrong"],
    [14, (stream[14] ?? 0) | 0x80, "randomised"],
    [stream.length - 2, (stream.at(-2) ?? 0) ^ 1, "the CRC of all its blocks is wrong"],
  ];
  for (const [at, value, message] of cases) {
    const wrong = stream.slice();
    wrong[at] = value;
    assertStringIncludes((await unpackError("bzip2", wrong)).message, message);
  }
});

Deno.test("bzip2: a block of a larger size than its stream says is refused", {
  ignore: needs("bzip2"),
}, async () => {
  const stream = await pipeThrough(["bzip2", "-9", "-c"], patternBytes(150_000));
  stream[3] = 0x31;
  assertStringIncludes((await unpackError("bzip2", stream)).message, "block size");
});

Deno.test("bzip2: what else follows is an error, and where", {
  ignore: needs("bzip2"),
}, async () => {
  const stream = await pipeThrough(["bzip2", "-c"], diskContent(500));
  for (const tail of [[0], [0, 0, 0, 0, 0], [0x42, 0x5a], [0x42, 0x5a, 0x68, 0x30], [0x0a]]) {
    const error = await unpackError("bzip2", joined(stream, Uint8Array.from(tail)));
    assertEquals(error.offset, stream.length);
    assertStringIncludes(error.message, "something else follows");
  }
});

Deno.test(
  "bzip2: a stream that is cut never ends well",
  { ignore: needs("bzip2") },
  async () => {
    const one = await pipeThrough(["bzip2", "-c"], diskContent(900, 3));
    await assertCutsFail("bzip2", joined(one, one), [one.length]);
    const empty = await pipeThrough(["bzip2", "-c"], new Uint8Array());
    await assertCutsFail("bzip2", empty);
  },
);

Deno.test("bzip2: a changed byte is seen, but where nothing depends on it", {
  ignore: needs("bzip2"),
}, async () => {
  const content = diskContent(500, 12);
  const stream = await pipeThrough(["bzip2", "-c"], content);
  // The block size (any is large enough), and the bits that fill the last byte. Of codes of
  // larger blocks some lengths would not matter, either: what they stand for is not used.
  const unseen = await unseenChanges("bzip2", stream, content);
  assertEquals(unseen, [3, stream.length - 1]);
});
