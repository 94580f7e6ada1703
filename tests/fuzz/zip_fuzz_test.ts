import { Buffer } from "node:buffer";
import { crc32, deflateRawSync } from "node:zlib";
import { assert } from "@std/assert";
import type { Bytes } from "../../src/core/block.ts";
import { ImagingError } from "../../src/core/errors.ts";
import { archiveContent } from "../formats/zip_tools.ts";
import { patternBytes } from "../support/pattern.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

/** A round takes a fraction of a millisecond. `SECTORSHOT_FUZZ=1000000` for a night. */
const ROUNDS = Number(Deno.env.get("SECTORSHOT_FUZZ") ?? 4000);

type Next = (limit: number) => number;

const NASTY = [0, 1, 2, 21, 22, 30, 46, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];

/** Mostly the number itself. */
function maybeNasty(next: Next, value: number, most: number): number {
  if (next(60) > 0) return value;
  const nasty = next(2) === 0 ? NASTY[next(NASTY.length)] ?? 0 : value + next(5) - 2;
  return Math.min(Math.max(0, nasty), most);
}

/** Little-endian fields; each can be a number that breaks counting. */
function record(
  next: Next,
  signature: string,
  fields: readonly [bytes: number, value: number][],
): Buffer {
  const parts = [Buffer.from(`PK${signature}`, "latin1")];
  for (const [bytes, value] of fields) {
    const field = Buffer.alloc(bytes);
    if (bytes === 8) field.writeBigUInt64LE(BigInt(maybeNasty(next, value, 2 ** 53)));
    else field.writeUIntLE(maybeNasty(next, value, 2 ** (8 * bytes) - 1), 0, bytes);
    parts.push(field);
  }
  return Buffer.concat(parts);
}

/** An entry, and the content that is right for it. */
interface Entry {
  readonly local: Buffer;
  readonly directory: (offset: number) => Buffer;
}

const ONES = 0xffff_ffff;

function entryOf(next: Next, name: string, content: Bytes): Entry {
  const method = next(3) === 0 ? 0 : 8;
  const packed = method === 0 ? Buffer.from(content) : deflateRawSync(content);
  const isZip64 = next(3) === 0;
  const isLater = next(4) === 0;
  const flags = (isLater ? 8 : 0) | (next(50) === 0 ? 1 << next(16) : 0);
  const [size, packedSize] = isZip64 ? [ONES, ONES] : [content.length, packed.length];
  const extra = isZip64
    ? Buffer.concat([
      Buffer.from([1, 0, next(50) === 0 ? next(30) : 16, 0]),
      record(next, "", [[8, content.length], [8, packed.length]]).subarray(2),
    ])
    : Buffer.alloc(next(20) === 0 ? next(9) : 0, next(3));
  const sum = crc32(content);
  const shared = (isLocal: boolean): [number, number][] => [
    [2, isZip64 ? 45 : 20],
    [2, flags],
    [2, method],
    [4, 0x2100_0000],
    [4, isLocal && isLater ? 0 : sum],
    [4, isLocal && isLater && !isZip64 ? 0 : packedSize],
    [4, isLocal && isLater && !isZip64 ? 0 : size],
    [2, name.length],
    [2, extra.length],
  ];
  const tail = Buffer.concat([Buffer.from(name, "latin1"), extra]);
  const descriptor = isLater
    ? record(next, "\x07\x08", [[4, sum], [4, packed.length], [4, content.length]])
    : Buffer.alloc(0);
  return {
    local: Buffer.concat([record(next, "\x03\x04", shared(true)), tail, packed, descriptor]),
    directory: (offset) =>
      Buffer.concat([
        record(next, "\x01\x02", [[2, 20], ...shared(false), [2, 0], [2, 0], [2, 0], [4, 0], [
          4,
          offset,
        ]]),
        tail,
      ]),
  };
}

/** An archive, most of which makes sense. */
function archiveOf(next: Next, content: Bytes): Bytes {
  const names = [
    ["card.img"],
    ["a.txt", "card.img"],
    ["x/", "x/y.iso"],
    ["a.img", "b.img"],
    [],
  ];
  const entries = (names[next(20) < 12 ? 0 : next(names.length)] ?? [])
    .map((name) =>
      entryOf(next, name, /img|iso/.test(name) ? content : new Uint8Array(next(9)))
    );
  const offsets: number[] = [];
  let end = 0;
  for (const { local } of entries) {
    offsets.push(end);
    end += local.length;
  }
  const directory = Buffer.concat(
    entries.map((entry, index) => entry.directory(offsets[index] ?? 0)),
  );
  const isZip64 = next(3) === 0;
  const count = entries.length;
  const start = end + directory.length;
  const zip64 = isZip64
    ? Buffer.concat([
      record(next, "\x06\x06", [[8, 44], [2, 45], [2, 45], [4, 0], [4, 0], [8, count], [
        8,
        count,
      ], [
        8,
        directory.length,
      ], [8, end]]),
      record(next, "\x06\x07", [[4, 0], [8, start], [4, 1]]),
    ])
    : Buffer.alloc(0);
  const comment = Buffer.from("PK\x05\x06 is a comment".slice(0, next(25)), "latin1");
  const last = record(next, "\x05\x06", [
    [2, 0],
    [2, 0],
    [2, count],
    [2, count],
    [
      4,
      isZip64 ? ONES : directory.length,
    ],
    [4, isZip64 ? ONES : end],
    [2, comment.length],
  ]);
  const parts = [...entries.map(({ local }) => local), directory, zip64, last, comment];
  return new Uint8Array(Buffer.concat(parts));
}

/** Changes some bytes, or cuts. */
function spoiled(next: Next, bytes: Bytes): Bytes {
  const copy = bytes.slice(0, next(20) === 0 ? next(bytes.length + 1) : bytes.length);
  for (let changes = next(4) === 0 ? next(4) : 0; changes > 0 && copy.length > 0; changes--) {
    copy[next(copy.length)] = next(256);
  }
  return copy;
}

Deno.test("whatever a ZIP archive says, its image is right, or it is an ImagingError", async () => {
  const next = seededNumbers(97);
  const counts = { refused: 0, read: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const content = patternBytes(next(3000), { seed: round }).fill(7, 0, next(1000));
    try {
      const result = await archiveContent(spoiled(next, archiveOf(next, content)));
      if (result instanceof ImagingError) counts.refused++;
      else {
        // A checksum of 32 bits stands for all of it; nothing that is read may be other bytes.
        assert(Buffer.compare(result, content) === 0, "other bytes");
        counts.read++;
      }
    } catch (error) {
      throw new Error(`round ${round}`, { cause: error });
    }
  }
  for (const [name, count] of Object.entries(counts)) {
    assert(ROUNDS < 1000 || count > ROUNDS / 20, `only ${count} ${name} of ${ROUNDS}`);
  }
});
