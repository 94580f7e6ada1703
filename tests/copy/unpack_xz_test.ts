import { assertEquals, assertStringIncludes } from "@std/assert";
import { crc32 } from "node:zlib";
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

/** Stored chunks end at 64 KiB, packed ones at 2 MiB. */
const SIZES = [0, 1, 65535, 65536, 65537, 1_000_000, 2_097_153];

const COMMANDS = [
  "xz -c",
  "xz -c -0",
  "xz -c -9e",
  "xz -c --check=none",
  "xz -c --check=crc32",
  "xz -c --check=crc64",
  "xz -c --check=sha256",
  "xz -c -T2 --block-size=100000",
  "xz -c -T1 --block-size=100000",
  "xz -c --flush-timeout=1 --block-list=1000,70000,0",
  "xz -c --lzma2=preset=1,lc=0,lp=4,pb=0",
  "xz -c --lzma2=preset=1,lc=4,lp=0,pb=4,dict=4KiB",
  "7z a -si -so -txz dummy",
];

/** Commands that take long to begin: they get the largest contents only. */
const SLOW = /-9e|7z|check=none|check=crc32/;

for (const command of COMMANDS) {
  Deno.test(`xz: what ${command} writes`, {
    ignore: needs(command.split(" ", 1)[0] ?? ""),
  }, async () => {
    for (const size of SLOW.test(command) ? SIZES.slice(-2) : SIZES) {
      const content = diskContent(size, size);
      const packed = await pipeThrough(command.split(" "), content);
      await assertUnpacks("xz", packed, content, `${command}, ${size} bytes`);
    }
  });
}

Deno.test("xz: streams follow each other, with any check, and zeros between them", {
  ignore: needs("xz"),
}, async () => {
  const parts = [
    diskContent(70_000, 1),
    new Uint8Array(),
    diskContent(1, 2),
    diskContent(9, 3),
  ];
  const checks = ["none", "crc32", "sha256", "crc64"];
  const streams = await Promise.all(
    parts.map((part, index) => pipeThrough(["xz", "-c", `--check=${checks[index]}`], part)),
  );
  const padded = joined(
    ...streams.flatMap((stream, index) => [stream, new Uint8Array(4000 * index)]),
  );
  await assertUnpacks("xz", joined(...streams), joined(...parts));
  await assertUnpacks("xz", padded, joined(...parts));
  const odd = await unpackError("xz", joined(padded, new Uint8Array(2)));
  assertStringIncludes(odd.message, "no whole words");
  const between = joined(streams[0] ?? padded, new Uint8Array(3), padded);
  assertStringIncludes((await unpackError("xz", between)).message, "something else follows");
});

Deno.test("xz: filters, large dictionaries and other formats are refused by name", {
  ignore: needs("xz"),
}, async () => {
  const content = diskContent(1000);
  const cases: [args: string, message: string][] = [
    ["--x86 --lzma2", "the filter x86 BCJ"],
    ["--arm64 --lzma2", "the filter ARM64 BCJ"],
    ["--delta=dist=4 --lzma2", "the filter Delta"],
    ["--lzma2=dict=65MiB", "needs a dictionary of 100663296 bytes"],
    ["--lzma2=dict=1536MiB", "needs a dictionary of 1610612736 bytes"],
    ["--format=lzma", "this is no xz stream"],
  ];
  for (const [args, message] of cases) {
    const packed = await pipeThrough(["xz", "-c", ...args.split(" ")], content);
    assertStringIncludes((await unpackError("xz", packed)).message, message);
  }
});

Deno.test("xz: the largest dictionary that is possible is used", {
  ignore: needs("xz"),
}, async () => {
  const block = patternBytes(300_000);
  const content = joined(block, new Uint8Array(60_000_000), block);
  const packed = await pipeThrough(["xz", "-c", "--lzma2=preset=1,dict=64MiB"], content);
  assertEquals(packed.length < 350_000, true, "the dictionary was not used");
  await assertUnpacks("xz", packed, content);
});

Deno.test("xz: what is wrong is told by its place", { ignore: needs("xz") }, async () => {
  const stream = await pipeThrough(["xz", "-c"], patternBytes(997));
  const end = stream.length;
  const cases: [at: number, message: string][] = [
    [0, "this is no xz stream"],
    [7, "the CRC of its header is wrong"],
    [14, "the CRC of a block's header is wrong"],
    [24, "a chunk makes no sense"],
    [100, "the CRC-64 of a block is wrong"],
    [end - 2, "its footer does not fit its header"],
    [end - 8, "the CRC of its footer is wrong"],
    [end - 14, "its index does not fit its blocks"],
  ];
  for (const [at, message] of cases) {
    const wrong = stream.slice();
    wrong[at] = (wrong[at] ?? 0) ^ 0x10;
    assertStringIncludes((await unpackError("xz", wrong)).message, message);
  }
});

/** The stream with another index, whose CRC is right. */
function withIndex(stream: Bytes, change: (index: Bytes) => void): Bytes {
  const changed = stream.slice();
  const view = new DataView(changed.buffer);
  const length = (view.getUint32(changed.length - 8, true) + 1) * 4;
  const index = changed.subarray(changed.length - 12 - length, changed.length - 12);
  change(index);
  const at = changed.length - 16;
  view.setUint32(at, crc32(index.subarray(0, length - 4)), true);
  return changed;
}

Deno.test("xz: an index that tells of other blocks is seen, though its CRC is right", {
  ignore: needs("xz"),
}, async () => {
  const stream = await pipeThrough(["xz", "-c"], patternBytes(997));
  await assertUnpacks("xz", withIndex(stream, () => {}), patternBytes(997));
  for (const at of [1, 2, 3, 4, 5]) {
    const wrong = withIndex(stream, (index) => index[at] = (index[at] ?? 0) ^ 1);
    assertStringIncludes((await unpackError("xz", wrong)).message, "its index does not fit");
  }
});

Deno.test("xz: a stream that is cut never ends well", { ignore: needs("xz") }, async () => {
  const content = diskContent(900, 3);
  const one = await pipeThrough(["xz", "-c"], content);
  const padding = new Uint8Array(4);
  await assertCutsFail("xz", joined(one, padding, one), [one.length, one.length + 4]);
  const blocks = ["xz", "-c", "-T2", "--block-size=300", "--check=none"];
  await assertCutsFail("xz", await pipeThrough(blocks, content));
});

Deno.test("xz: a changed byte is seen: all are under a checksum", {
  ignore: needs("xz"),
}, async () => {
  // Noise is stored, the other one is packed.
  const [noise, text] = [patternBytes(512).slice(8), diskContent(700, 3)];
  for (const check of ["crc32", "crc64", "sha256"]) {
    for (const content of [noise, text]) {
      const stream = await pipeThrough(["xz", "-c", `--check=${check}`], content);
      assertEquals(await unseenChanges("xz", stream, content), [], check);
    }
  }
});
