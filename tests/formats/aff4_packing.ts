/** Packs chunks as the formats have it, and not as the code that is tested reads them. */
import { Buffer } from "node:buffer";
import { deflateRawSync, deflateSync } from "node:zlib";

/** A method to pack chunks: its address, and what it does. */
export interface Packer {
  readonly address: string | undefined;
  readonly pack: (chunk: Uint8Array) => Uint8Array;
}

/** By name. */
export const PACKERS = {
  stored: { address: undefined, pack: (chunk) => chunk },
  deflate: {
    address: "https://tools.ietf.org/html/rfc1951",
    pack: (chunk) => deflateRawSync(chunk),
  },
  zlib: {
    address: "https://www.ietf.org/rfc/rfc1950.txt",
    pack: (chunk) => deflateSync(chunk),
  },
  snappy: { address: "http://code.google.com/p/snappy/", pack: snappy },
  lz4: { address: "https://code.google.com/p/lz4/", pack: lz4 },
} as const satisfies Record<string, Packer>;

export type PackerName = keyof typeof PACKERS;

/** A part of what is packed: literals, or a copy. */
type Part =
  | { readonly literals: Uint8Array }
  | { readonly distance: number; readonly count: number };

/** Literals and copies, each copy of the longest match that a table of four bytes finds. */
function* partsOf(content: Uint8Array, tail: number): Generator<Part> {
  const seen = new Map<number, number>();
  const view = new DataView(content.buffer, content.byteOffset, content.length);
  let start = 0;
  for (let at = 0; at + 4 <= content.length - tail;) {
    const word = view.getUint32(at);
    const from = seen.get(word);
    seen.set(word, at);
    if (from === undefined || at - from > 0xffff) {
      at++;
      continue;
    }
    let count = 4;
    while (
      at + count < content.length - tail && content[from + count] === content[at + count]
    ) {
      count++;
    }
    yield { literals: content.subarray(start, at) };
    yield { distance: at - from, count };
    at += count;
    start = at;
  }
  yield { literals: content.subarray(start) };
}

/** https://github.com/google/snappy/blob/main/format_description.txt: every kind of element. */
export function snappy(content: Uint8Array): Uint8Array {
  const out: number[] = [];
  let length = content.length;
  for (; length >= 128; length = Math.floor(length / 128)) out.push(length % 128 + 128);
  out.push(length);
  let turn = 0;
  for (const part of partsOf(content, 0)) {
    if ("literals" in part) {
      const { literals } = part;
      if (literals.length === 0) continue;
      const less = literals.length - 1;
      if (less < 60) out.push(less << 2);
      else if (less < 256) out.push(60 << 2, less);
      else out.push(61 << 2, less & 255, less >> 8);
      for (const byte of literals) out.push(byte);
      continue;
    }
    const { distance } = part;
    for (let { count } = part; count > 0;) {
      if (count >= 4 && count <= 11 && distance < 2048) {
        out.push(1 | (count - 4) << 2 | (distance >> 8) << 5, distance & 255);
        break;
      }
      const now = Math.min(count, 64);
      const isLong = turn++ % 3 === 0;
      out.push((isLong ? 3 : 2) | (now - 1) << 2, distance & 255, distance >> 8);
      if (isLong) out.push(0, 0);
      count -= now;
    }
  }
  return Uint8Array.from(out);
}

/** https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md: the last five are literals. */
export function lz4(content: Uint8Array): Uint8Array {
  const parts = [...partsOf(content, Math.min(content.length, 12))];
  const out: Buffer[] = [];
  const more = (length: number): number[] => {
    if (length < 15) return [];
    const rest = length - 15;
    return [...Array<number>(Math.floor(rest / 255)).fill(255), rest % 255];
  };
  for (let index = 0; index < parts.length; index += 2) {
    const [first, copy] = [parts[index], parts[index + 1]];
    const literals = first !== undefined && "literals" in first
      ? first.literals
      : new Uint8Array();
    const isCopy = copy !== undefined && "distance" in copy;
    const match = isCopy ? copy.count - 4 : 0;
    out.push(
      Buffer.from([Math.min(15, literals.length) << 4 | Math.min(15, match)]),
      Buffer.from(more(literals.length)),
      Buffer.from(literals),
    );
    if (isCopy) {
      out.push(Buffer.from([copy.distance & 255, copy.distance >> 8, ...more(match)]));
    }
  }
  return Buffer.concat(out);
}
