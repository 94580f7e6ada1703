import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { lz4 as packLz4, snappy as packSnappy } from "./aff4_packing.ts";
import { mixedChunks } from "./aff4_images.ts";
import type { Bytes } from "../../src/core/block.ts";
import { unpackLz4 } from "../../src/core/lz4_block.ts";
import { unpackSnappy } from "../../src/formats/aff4/snappy.ts";
import { fillSymbolic, symbolicStream } from "../../src/formats/aff4/symbolic.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { run, seededNumbers } from "../volumes/image_tools.ts";

const bytesOf = (...values: readonly number[]): Bytes => Uint8Array.from(values);
const ascii = (text: string): number[] => [...Buffer.from(text, "latin1")];

Deno.test("snappy: elements as their description has them", () => {
  // Literals of 1, of 60 and more; "a literal and an overlapping copy" as in its section 2.
  assertEquals(unpackSnappy(bytesOf(0), 10), bytesOf());
  assertEquals(unpackSnappy(bytesOf(1, 0, 65), 10), bytesOf(65));
  const xababab = bytesOf(7, 2 << 2, ...ascii("xab"), 1 | (4 - 4) << 2, 2);
  assertEquals(unpackSnappy(xababab, 7), bytesOf(...ascii("xababab")));
  const copy2 = bytesOf(5, 0, 65, 2 | 3 << 2, 1, 0);
  assertEquals(unpackSnappy(copy2, 5), bytesOf(...ascii("AAAAA")));
  const copy4 = bytesOf(5, 0, 65, 3 | 3 << 2, 1, 0, 0, 0);
  assertEquals(unpackSnappy(copy4, 5), bytesOf(...ascii("AAAAA")));
  for (const [bytes, tag] of [[1, 60], [2, 61], [3, 62], [4, 63]] as const) {
    const length = [99, 0, 0, 0].slice(0, bytes);
    const literal = bytesOf(100, tag << 2, ...length, ...Array<number>(100).fill(7));
    assertEquals(unpackSnappy(literal, 100), new Uint8Array(100).fill(7));
  }
});

Deno.test("snappy: what contradicts itself is nothing", () => {
  const wrong: Readonly<Record<string, readonly number[]>> = {
    "no length": [],
    "a length without end": [0x80, 0x80, 0x80, 0x80, 0x80, 1],
    "a length that is cut": [0x80],
    "longer than allowed": [101, 0, 65],
    "shorter than it says": [2, 0, 65],
    "longer than it says": [1, 1 << 2, 65, 66],
    "literals that are cut": [3, 2 << 2, 65],
    "a length of literals that is cut": [100, 61 << 2, 1],
    "a copy of nothing": [5, 0, 65, 1, 0],
    "a copy from before the beginning": [5, 0, 65, 1, 2],
    "a copy that is cut": [5, 0, 65, 2 | 3 << 2, 1],
    "a copy beyond the end": [4, 0, 65, 2 | 3 << 2, 1, 0],
    "a distance of 4 GiB": [5, 0, 65, 3 | 3 << 2, 255, 255, 255, 255],
    "literals of 4 GiB": [5, 63 << 2, 255, 255, 255, 255, 65],
  };
  for (const [what, bytes] of Object.entries(wrong)) {
    assertEquals(unpackSnappy(bytesOf(...bytes), 100), undefined, what);
  }
});

Deno.test("lz4: sequences as their description has them, and what contradicts them", () => {
  const abab = bytesOf(2 << 4 | 0, ...ascii("ab"), 2, 0, 5 << 4, ...ascii("abcde"));
  assertEquals(unpackLz4(abab, 11), bytesOf(...ascii("ababababcde")));
  const long = bytesOf(15 << 4, 255, 30, ...Array<number>(300).fill(9));
  assertEquals(unpackLz4(long, 300), new Uint8Array(300).fill(9));
  assertEquals(unpackLz4(bytesOf(0), 10), bytesOf());
  const wrong: Readonly<Record<string, readonly number[]>> = {
    nothing: [],
    "literals that are cut": [3 << 4, 65],
    "a length that is cut": [15 << 4, 255],
    "a match without literals behind it": [1 << 4, 65, 1, 0],
    "a match of nothing": [1 << 4, 65, 0, 0, 0],
    "a match from before the beginning": [1 << 4, 65, 2, 0, 0],
    "a match beyond the end": [1 << 4 | 15, 65, 1, 0, 255, 0, 0],
    "more literals than allowed": [15 << 4, 100, ...Array<number>(115).fill(1)],
    "a distance that is cut": [1 << 4, 65, 1],
  };
  for (const [what, bytes] of Object.entries(wrong)) {
    assertEquals(unpackLz4(bytesOf(...bytes), 100), undefined, what);
  }
});

Deno.test("snappy and lz4: what was packed comes out, of any length", () => {
  for (let length = 0; length < 400; length++) {
    const content = mixedChunks(length, 64, length);
    for (const [pack, unpack] of [[packSnappy, unpackSnappy], [packLz4, unpackLz4]] as const) {
      const packed = new Uint8Array(pack(content));
      assertBytes(unpack(packed, length) ?? bytesOf(1), content, `${length} bytes`);
      if (length > 0) assertEquals(unpack(packed, length - 1), undefined);
    }
  }
  const content = mixedChunks(100_000, 3000);
  assertBytes(unpackSnappy(new Uint8Array(packSnappy(content)), 100_000) ?? content, content);
  assertBytes(unpackLz4(new Uint8Array(packLz4(content)), 100_000) ?? content, content);
});

Deno.test("snappy and lz4: whatever the bytes, nothing or at most what is allowed", () => {
  const next = seededNumbers(601);
  for (let round = 0; round < 20_000; round++) {
    const bytes = Uint8Array.from({ length: next(40) }, () => next(next(2) === 0 ? 256 : 20));
    const most = next(300);
    for (const unpack of [unpackSnappy, unpackLz4]) {
      assert((unpack(bytes, most)?.length ?? 0) <= most);
    }
  }
});

Deno.test({
  name: "lz4: blocks of the program lz4 are unpacked",
  ignore: needs("lz4"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    for (const level of ["-1", "-9"]) {
      const content = mixedChunks(60_000, 5000);
      const path = await folder.write("content", content);
      await run("lz4", ["-q", "-f", level, "-B4", "--no-frame-crc", path, `${path}.lz4`]);
      const frame = await Deno.readFile(`${path}.lz4`);
      const view = new DataView(frame.buffer);
      // Magic number, two bytes of flags, a checksum of them; then the length of the block.
      const start = 7 + ((frame[4] ?? 0) & 8);
      const block = frame.subarray(start + 4, start + 4 + view.getUint32(start, true));
      assert(block.length < content.length);
      assertBytes(unpackLz4(block, content.length) ?? block, content, level);
    }
  },
});

Deno.test("symbolic streams: zeros, one byte, and texts that begin anew each MiB", () => {
  const read = (name: string, offset: number, length: number): string => {
    const stream = symbolicStream(`http://aff4.org/Schema#${name}`);
    const bytes = patternBytes(length);
    if (stream !== undefined) fillSymbolic(stream, offset, bytes);
    return Buffer.from(bytes).toString("latin1");
  };
  assertEquals(read("Zero", 5, 3), "\0\0\0");
  assertEquals(read("SymbolicStream61", 5, 3), "aaa");
  assertEquals(read("SymbolicStreamFF", 0, 2), "\xff\xff");
  assertEquals(read("SymbolicStreamff", 0, 2), "\xff\xff");
  assertEquals(read("UnknownData", 0, 10), "UNKNOWNUNK");
  assertEquals(read("UnreadableData", 3, 16), "EADABLEDATAUNREA");
  const MIB = 1024 * 1024;
  // 1 MiB is 149796 times 7, and 4 more; 74898 times 14, and 4 more.
  assertEquals(read("UnknownData", MIB - 5, 12), "NUNKNUNKNOWN");
  assertEquals(read("UnreadableData", 3 * MIB - 4, 8), "UNREUNRE");
  assertEquals(read("UnknownData", 2 * MIB - 1, 3 * MIB).slice(-3), "UNK".slice(0, 3));
  for (const name of ["SymbolicStream6", "SymbolicStreamGG", "zero", "Image", ""]) {
    assertEquals(symbolicStream(`http://aff4.org/Schema#${name}`), undefined);
  }
  assertEquals(symbolicStream("aff4:Zero"), undefined);
});
