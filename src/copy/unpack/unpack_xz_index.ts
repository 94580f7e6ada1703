/** The index of an xz stream: .xz file format 1.2.1, 4, https://tukaani.org/xz/xz-file-format.txt */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import type { Decoding, PackedInput } from "./unpack_flow.ts";
import { XzNumber } from "./unpack_xz_numbers.ts";

const FIELD = "xz index";

/** Sizes of blocks. Only a digest of them is kept: there may be any number. */
export class BlockRecords {
  readonly #hash = createHash("sha256");
  count = 0;

  add(unpaddedBytes: number, contentBytes: number): void {
    this.count++;
    this.#hash.update(`${unpaddedBytes} ${contentBytes};`);
  }

  /** A digest of all of them; nothing can be added any more. */
  digest(): string {
    return this.#hash.digest("hex");
  }
}

/**
 * Reads an index behind the byte that announces it. Answers how long it is with that byte.
 *
 * @throws {FormatError} when it is damaged, or not the index of these blocks.
 */
export function* readIndex(input: PackedInput, blocks: BlockRecords): Decoding<number> {
  const index = new IndexReader(input);
  const records = new BlockRecords();
  const count = yield* index.number("Number of Records");
  if (count !== blocks.count) throw damaged(index.start, "Number of Records");
  while (records.count < count) {
    const unpaddedBytes = yield* index.number("Unpadded Size");
    records.add(unpaddedBytes, yield* index.number("Uncompressed Size"));
  }
  if (records.digest() !== blocks.digest()) throw damaged(index.start, "List of Records");
  while (index.length % 4 !== 0) {
    if ((yield* index.byte()) !== 0) throw damaged(index.start, "Index Padding");
  }
  const crc = viewOf(yield* input.bytes(4, FIELD)).getUint32(0, true);
  if (crc !== index.crc) throw damaged(index.start, "CRC32");
  return index.length;
}

/** Reads an index and forms its CRC-32. */
class IndexReader {
  readonly #input: PackedInput;
  readonly start: number;
  crc: number;

  constructor(input: PackedInput) {
    this.#input = input;
    this.start = input.offset - 1;
    this.crc = crc32(Uint8Array.of(0));
  }

  get length(): number {
    return this.#input.offset - this.start;
  }

  *byte(): Decoding<number> {
    const bytes = yield* this.#input.bytes(1, FIELD);
    this.crc = crc32(bytes, this.crc);
    return bytes[0] ?? 0;
  }

  *number(field: string): Decoding<number> {
    const number = new XzNumber(field, this.#input.offset);
    for (;;) {
      const value = number.take(yield* this.byte());
      if (value !== undefined) return value;
    }
  }
}

function damaged(offset: number, field: string): FormatError {
  return new FormatError(
    `the xz stream is damaged at byte ${offset}: its index does not fit its blocks`,
    offset,
    field,
  );
}
