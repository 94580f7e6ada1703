/**
 * A block of bzip2, as described in "BZIP2 Format Specification" by Joe Tsai,
 * https://github.com/dsnet/compress/blob/master/doc/bzip2-format.pdf
 *
 * ```
 * randomised (1 bit), place of the first byte (24), which of 16 ranges of bytes occur (16),
 * which bytes of each such range (16 each), number of tables (3), number of selectors (15),
 * selectors (unary, moved to front), lengths of each table's codes (5 bits, then steps),
 * symbols: 50 with the table of each selector, up to the one that ends the block
 * ```
 */
import { FormatError } from "../../core/errors.ts";
import type { BitWindow } from "./unpack_bzip2_bits.ts";
import {
  type CodeTable,
  makeCodeTable,
  MOST_CODE_BITS,
  QUICK_BITS,
} from "./unpack_bzip2_codes.ts";

/** Symbols that are coded with the same table. */
const GROUP_SYMBOLS = 50;

/** A block takes at most this much: 20 bits for each of its symbols, and its tables. */
export const MOST_BLOCK_BYTES = Math.ceil((900_000 + GROUP_SYMBOLS) * MOST_CODE_BITS / 8) +
  64 * 1024;

/** What the head of a block tells. */
interface BlockHead {
  readonly first: number;
  /** The bytes that occur. */
  readonly bytes: Uint8Array;
  readonly tables: readonly CodeTable[];
  /** A table for each group. */
  readonly selectors: Uint8Array;
}

/** A block whose bytes are there, but still sorted. */
export class SortedBlock {
  /** In the low eight bits the bytes in their order of sorting. */
  #links = new Uint32Array();
  #capacity = 0;
  #length = 0;

  /**
   * Reads a block behind its magic number and checksum, of at most `capacity` bytes. It
   * takes the place of the one before.
   *
   * @throws {FormatError} when it is damaged or cut.
   */
  read(bits: BitWindow, capacity: number): BlockBytes {
    const head = readHead(bits);
    if (this.#links.length < capacity) this.#links = new Uint32Array(capacity);
    this.#capacity = capacity;
    this.#length = 0;
    this.#readSymbols(bits, head);
    if (head.first >= this.#length) throw damaged(bits, "origPtr");
    this.#link();
    return new BlockBytes(this.#links, head.first, this.#length);
  }

  #readSymbols(bits: BitWindow, { bytes, tables, selectors }: BlockHead): void {
    const order = bytes.slice();
    const end = bytes.length + 1;
    let run = 0;
    let weight = 1;
    for (const selector of selectors) {
      const table = tables[selector];
      if (table === undefined) break;
      for (let left = GROUP_SYMBOLS; left > 0; left--) {
        const symbol = readSymbol(bits, table);
        if (symbol <= 1) {
          // Digits of the length of a run, in the base 2 but with the digits 1 and 2.
          run += weight << symbol;
          weight *= 2;
          if (run > this.#capacity) throw damaged(bits, "run length");
          continue;
        }
        if (run > 0) this.#add(bits, order[0] ?? 0, run);
        run = 0;
        weight = 1;
        if (symbol === end) return;
        this.#add(bits, moveToFront(order, symbol - 1), 1);
      }
    }
    throw damaged(bits, "selectors");
  }

  #add(bits: BitWindow, byte: number, count: number): void {
    const end = this.#length + count;
    if (end > this.#capacity) throw damaged(bits, "block size");
    if (count === 1) this.#links[this.#length] = byte;
    else this.#links.fill(byte, this.#length, end);
    this.#length = end;
  }

  /** Puts into the high bits of each place where the byte behind that one lies. */
  #link(): void {
    const links = this.#links;
    const length = this.#length;
    const next = new Uint32Array(257);
    for (let at = 0; at < length; at++) {
      const after = ((links[at] ?? 0) & 0xff) + 1;
      next[after] = (next[after] ?? 0) + 1;
    }
    for (let byte = 1; byte < 257; byte++) {
      next[byte] = (next[byte] ?? 0) + (next[byte - 1] ?? 0);
    }
    for (let at = 0; at < length; at++) {
      const byte = (links[at] ?? 0) & 0xff;
      const place = next[byte] ?? 0;
      next[byte] = place + 1;
      links[place] = (links[place] ?? 0) | at << 8;
    }
  }
}

/** The bytes of a block in their own order, and runs of them as long as they were. */
export class BlockBytes {
  readonly #links: Uint32Array;
  #link: number;
  #left: number;
  #last = -1;
  /** How often the last byte came, 4 at most: then its count follows. */
  #same = 0;
  /** How often it still has to be repeated. */
  #repeats = 0;

  constructor(links: Uint32Array, first: number, length: number) {
    this.#links = links;
    this.#link = links[first] ?? 0;
    this.#left = length;
  }

  /** Takes the next bytes, as many as there is room for; answers how many: 0 at the end. */
  take(room: Uint8Array): number {
    const links = this.#links;
    let link = this.#link;
    let last = this.#last;
    let same = this.#same;
    let at = 0;
    while (at < room.length) {
      if (this.#repeats > 0) {
        const end = Math.min(at + this.#repeats, room.length);
        room.fill(last, at, end);
        this.#repeats -= end - at;
        at = end;
        continue;
      }
      if (this.#left === 0) break;
      this.#left--;
      link = links[link >>> 8] ?? 0;
      const byte = link & 0xff;
      if (same === 4) {
        this.#repeats = byte;
        same = 0;
        continue;
      }
      same = byte === last ? same + 1 : 1;
      last = byte;
      room[at++] = byte;
    }
    this.#link = link;
    this.#last = last;
    this.#same = same;
    return at;
  }
}

/** Takes the byte at that place of the order, and moves it to the front. */
function moveToFront(order: Uint8Array, place: number): number {
  const byte = order[place] ?? 0;
  if (place > 16) order.copyWithin(1, 0, place);
  else for (let at = place; at > 0; at--) order[at] = order[at - 1] ?? 0;
  order[0] = byte;
  return byte;
}

function readSymbol(bits: BitWindow, { quick, limits, places, symbols }: CodeTable): number {
  let { word, count } = bits;
  while (count < MOST_CODE_BITS && bits.at < bits.length) {
    word = word << 8 | (bits.bytes[bits.at++] ?? 0);
    count += 8;
  }
  bits.word = word;
  // Behind the end of the file there are zeros; taking them is an error below.
  const missing = Math.max(0, MOST_CODE_BITS - count);
  const next = (word << missing) >>> (count + missing - MOST_CODE_BITS) &
    (1 << MOST_CODE_BITS) - 1;
  const entry = quick[next >>> (MOST_CODE_BITS - QUICK_BITS)] ?? 0;
  let length = entry & 31;
  let symbol = entry >>> 5;
  if (entry === 0) {
    length = QUICK_BITS + 1;
    while (
      length <= MOST_CODE_BITS && next >>> (MOST_CODE_BITS - length) >= (limits[length] ?? 0)
    ) length++;
    if (length > MOST_CODE_BITS) throw damaged(bits, "code");
    symbol = symbols[(next >>> (MOST_CODE_BITS - length)) + (places[length] ?? 0)] ?? 0;
  }
  bits.count = count - length;
  if (bits.count < 0) throw bits.truncated();
  return symbol;
}

function readHead(bits: BitWindow): BlockHead {
  if (bits.bits(1) !== 0) {
    throw new FormatError(
      "the bzip2 stream is randomised, as versions before 1.0 did it",
      bits.offset,
      "randomised",
      { hint: "unpack it with bzip2" },
    );
  }
  const first = bits.bits(24);
  const bytes = readBytesUsed(bits);
  const tableCount = bits.bits(3);
  const selectorCount = bits.bits(15);
  if (bytes.length === 0) throw damaged(bits, "symbol map");
  if (tableCount < 2 || tableCount > 6) throw damaged(bits, "number of tables");
  const selectors = readSelectors(bits, tableCount, selectorCount);
  const tables = Array.from({ length: tableCount }, () => readTable(bits, bytes.length + 2));
  return { first, bytes, tables, selectors };
}

function readBytesUsed(bits: BitWindow): Uint8Array {
  const ranges = bits.bits(16);
  const used: number[] = [];
  for (let range = 0; range < 16; range++) {
    if ((ranges & 0x8000 >>> range) === 0) continue;
    const map = bits.bits(16);
    for (let low = 0; low < 16; low++) {
      if ((map & 0x8000 >>> low) !== 0) used.push(range * 16 + low);
    }
  }
  return Uint8Array.from(used);
}

function readSelectors(bits: BitWindow, tableCount: number, count: number): Uint8Array {
  const order = Uint8Array.from({ length: tableCount }, (_, index) => index);
  const selectors = new Uint8Array(count);
  for (let index = 0; index < count; index++) {
    let place = 0;
    while (bits.bits(1) === 1) place++;
    if (place >= tableCount) throw damaged(bits, "selector");
    selectors[index] = moveToFront(order, place);
  }
  return selectors;
}

function readTable(bits: BitWindow, symbolCount: number): CodeTable {
  const lengths = new Uint8Array(symbolCount);
  let length = bits.bits(5);
  for (let symbol = 0; symbol < symbolCount; symbol++) {
    for (;;) {
      if (length < 1 || length > MOST_CODE_BITS) throw damaged(bits, "code length");
      if (bits.bits(1) === 0) break;
      length += bits.bits(1) === 0 ? 1 : -1;
    }
    lengths[symbol] = length;
  }
  const table = makeCodeTable(lengths);
  if (table === undefined) throw damaged(bits, "code lengths");
  return table;
}

function damaged(bits: BitWindow, field: string): FormatError {
  const { offset } = bits;
  return new FormatError(
    `the bzip2 stream is damaged at byte ${offset}: its ${field} makes no sense`,
    offset,
    field,
  );
}
