/** Prefix codes of bzip2: canonical, of 1 to 20 bits. */

/** The longest code. */
export const MOST_CODE_BITS = 20;

/** Codes up to this length are looked up at once. */
export const QUICK_BITS = 10;

/** A table of codes, for one block. */
export interface CodeTable {
  /** By the next ten bits: symbol * 32 + length of its code; 0 where the code is longer. */
  readonly quick: Uint16Array;
  /** By length: the first code of the next length, in bits of this length; codes are below. */
  readonly limits: Int32Array;
  /** By length: what to add to a code for its place in `symbols`. */
  readonly places: Int32Array;
  /** Symbols in the order of their codes. */
  readonly symbols: Uint16Array;
}

/**
 * The table for symbols with codes of these lengths (1 to 20); undefined when there are more
 * codes than bits can tell apart.
 */
export function makeCodeTable(lengths: Uint8Array): CodeTable | undefined {
  const symbols = new Uint16Array(lengths.length);
  const limits = new Int32Array(MOST_CODE_BITS + 1);
  const places = new Int32Array(MOST_CODE_BITS + 1);
  const quick = new Uint16Array(1 << QUICK_BITS);
  let code = 0;
  let place = 0;
  for (let length = 1; length <= MOST_CODE_BITS; length++) {
    code *= 2;
    places[length] = place - code;
    for (const [symbol, its] of lengths.entries()) {
      if (its !== length) continue;
      symbols[place++] = symbol;
      if (length <= QUICK_BITS) {
        const first = code << (QUICK_BITS - length);
        quick.fill(symbol * 32 + length, first, first + (1 << (QUICK_BITS - length)));
      }
      code++;
    }
    limits[length] = code;
    if (code > 2 ** length) return undefined;
  }
  return { quick, limits, places, symbols };
}
