/** What compressed images have in common: checksums put together, notes, the row of pieces. */
import { crc32 } from "node:zlib";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { makeChunk } from "../../src/copy/run_copy.ts";
import type { Bytes } from "../../src/core/block.ts";
import { ImagingError } from "../../src/core/errors.ts";
import { createGzip } from "../../src/formats/gzip/gzip_writer.ts";
import { formatNotes, parseNotes } from "../../src/formats/pieces/content_notes.ts";
import { Crc32Sum } from "../../src/formats/pieces/crc32.ts";
import { PieceTable } from "../../src/formats/pieces/piece_table.ts";
import { createZip } from "../../src/formats/zip/zip_writer.ts";
import { createZstd } from "../../src/formats/zstd/zstd_writer.ts";
import { MemoryOutput } from "../support/image_output.ts";
import { patternBytes } from "../support/pattern.ts";
import { seededNumbers } from "../volumes/image_tools.ts";
import { type CreateImage, KIB, mixedBytes, POOL, writeImage } from "./piece_images.ts";

Deno.test("the CRC-32 of parts is that of the whole", () => {
  const next = seededNumbers(41);
  for (let round = 0; round < 300; round++) {
    const bytes = patternBytes(next(5000), { seed: round });
    const sum = new Crc32Sum();
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + next(round % 2 === 0 ? 2000 : 3));
      sum.add(crc32(part), part.length);
      at += part.length;
    }
    assertEquals(sum.value, crc32(bytes));
  }
});

Deno.test("the CRC-32 of 8 GiB of zeros, in parts of any length", () => {
  const zeros = new Uint8Array(16 * 1024 * KIB);
  let expected = 0;
  const sum = new Crc32Sum();
  for (let round = 0; round < 64; round++) expected = crc32(zeros, expected);
  sum.add(expected, 64 * zeros.length);
  // 1 GiB eight times over, as one part and as eight.
  let whole = expected;
  for (let round = 64; round < 512; round++) whole = crc32(zeros, whole);
  for (let round = 1; round < 8; round++) sum.add(expected, 64 * zeros.length);
  assertEquals(sum.value, whole);
  const other = new Crc32Sum();
  other.add(crc32(Uint8Array.of(1, 2, 3)), 3);
  other.add(whole, 512 * zeros.length);
  let last = crc32(Uint8Array.of(1, 2, 3));
  for (let round = 0; round < 512; round++) last = crc32(zeros, last);
  assertEquals(other.value, last);
});

Deno.test("notes are read as they are written, and nothing else is", () => {
  const notes = {
    size: 31_914_983_424,
    digests: [{ algorithm: "sha256", hex: "ab".repeat(32) }, { algorithm: "md5", hex: "00" }],
  };
  const text = formatNotes(notes);
  assertEquals(parseNotes(text), notes);
  assertEquals(parseNotes(formatNotes({ size: 0, digests: [] })), { size: 0, digests: [] });
  const bad = [
    "",
    "a comment",
    text.slice(1),
    text.slice(0, -1),
    `${text}more`,
    text.replace("bytes: ", "bytes: -"),
    text.replace("31914983424", "99999999999999999"),
    text.replace("sha256", "SHA\x1b"),
    text.replace("abab", "xyxy"),
    formatNotes({ size: 1, digests: Array(200).fill(notes.digests[0]) }),
  ];
  for (const each of bad) assertEquals(parseNotes(each), undefined, each);
});

Deno.test("a table finds the piece of each byte, whatever has no content", () => {
  const contents = [0, 5, 0, 0, 3, 1, 0];
  const table = new PieceTable(contents, [9, 1, 2, 3, 4, 5, 6]);
  assertEquals([table.count, table.contentBytes], [7, 9]);
  const expected = [1, 1, 1, 1, 1, 4, 4, 4, 5, 7, 7];
  assertEquals(expected.map((_, offset) => table.find(offset)), expected);
  assertEquals(table.content(4), { offset: 5, length: 3 });
  assertEquals(table.stored(4), { offset: 15, length: 4 });
});

const CREATE: Readonly<Record<string, CreateImage>> = {
  gzip: createGzip,
  zstd: createZstd,
  zip: createZip,
};

for (const [name, create] of Object.entries(CREATE)) {
  Deno.test(`${name}: the file is the same, however the flow is cut and whatever is slow`, async () => {
    const pieceBytes = 64 * KIB;
    const content = mixedBytes(9 * pieceBytes + 1, 42);
    const expected = await writeImage(create, content, { pieceBytes });
    const next = seededNumbers(43);
    for (const chunkBytes of [1000, pieceBytes - 1, pieceBytes, pieceBytes + 1, 200_000]) {
      const delay = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, next(3)));
      const output = new MemoryOutput(chunkBytes > 1000 ? { delay } : {});
      const file = await writeImage(create, content, { pieceBytes, chunkBytes, output });
      assertEquals(file, expected, `${chunkBytes}`);
    }
  });

  Deno.test(`${name}: what fails, fails everything behind it, and nothing is looked at any more`, async () => {
    for (const place of ["write", "packing"] as const) {
      const cause = new ImagingError("environment", `no more ${place}`);
      let [isBroken, working] = [false, 0];
      const output = new MemoryOutput();
      const writeAt = output.writeAt.bind(output);
      output.writeAt = (offset, bytes) =>
        isBroken && place === "write" ? Promise.reject(cause) : writeAt(offset, bytes);
      const slow = async <Result>(work: () => Promise<Result>): Promise<Result> => {
        working++;
        await new Promise((resolve) => setTimeout(resolve, 5));
        working--;
        if (isBroken && place === "packing") throw cause;
        return await work();
      };
      const zlib = {
        deflate: POOL.deflate.bind(POOL),
        inflate: POOL.inflate.bind(POOL),
        unpack: POOL.unpack.bind(POOL),
        checksums: POOL.checksums.bind(POOL),
        pack: (bytes: Bytes, pieceBytes: number, form: Parameters<typeof POOL.pack>[2]) =>
          slow(() => POOL.pack(bytes, pieceBytes, form)),
      };
      const plan = { size: 40 * KIB, sparse: true, zlib };
      const writer = await create(output, plan, 2 * KIB);
      const consume = (at: number): Promise<void> =>
        writer.consume(makeChunk(at * KIB, patternBytes(4 * KIB, { seed: at + 1 })));
      await consume(0);
      isBroken = true;
      const results = await Promise.allSettled([consume(4), consume(8), consume(12)]);
      assertEquals(working, 0);
      for (const result of results) {
        assertEquals(result, { status: "rejected", reason: cause }, place);
      }
      isBroken = false;
      assertEquals(await assertRejects(() => consume(16)), cause);
      assertEquals(await assertRejects(() => writer.finish()), cause);
      await writer.abort(cause);
    }
  });

  Deno.test(`${name}: chunks come in order; after a cancellation nothing more is written`, async () => {
    const output = new MemoryOutput();
    const writer = await create(output, { size: 40 * KIB, sparse: true, zlib: POOL }, 2 * KIB);
    await writer.consume(makeChunk(0, patternBytes(4 * KIB)));
    await assertRejects(
      () => writer.consume(makeChunk(5 * KIB, new Uint8Array(KIB))),
      Error,
      "got",
    );
    const length = output.content.length;
    const cause = new ImagingError("cancelled", "cancelled");
    await writer.abort(cause);
    const late = writer.consume(makeChunk(4 * KIB, patternBytes(4 * KIB)));
    assertEquals(await assertRejects(() => late), cause);
    assertEquals(output.content.length, length);
    assert(length > 0);
  });
}
