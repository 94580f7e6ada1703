/**
 * A list of the digests of windows: pieces of a medium of one size, so that a difference has
 * a place. The idea is that of dcfldd (hashwindow=, hashlog=):
 * https://github.com/resurrecting-open-source-projects/dcfldd/blob/master/man/dcfldd.txt
 * The form is our own:
 *
 * ```
 * # program: sectorshot 1.0
 * # source: /dev/sdb
 * # size: 3000001                (unknown for a stream)
 * # algorithms: md5 sha256       (in this order for each window)
 * # window: 1048576
 * 0 1048575 md5 HEX              (first byte, last byte, algorithm, digest)
 * 0 1048575 sha256 HEX
 * 1048576 2097151 md5 HEX
 * # end: 3000001                 (bytes in all; missing where the list was cut)
 * ```
 *
 * The last byte belongs to the window: dcfldd writes the one behind it, `0 - 1048576`. What
 * is no such line and begins with # counts for nothing.
 */
import { Buffer } from "node:buffer";
import { toHex } from "../core/bytes.ts";
import { FormatError } from "../core/errors.ts";
import { printable } from "../core/text.ts";
import type { HashAlgorithm } from "./hash_algorithm.ts";
import { findHash } from "./registry.ts";

/** Windows are whole sectors of this many bytes. */
export const WINDOW_GRAIN_BYTES = 512;

/** A path in the head can be long; nothing else is. */
const MAX_LINE_BYTES = 32 * 1024;

/** How much of a damaged line is shown. */
const SHOWN_CHARACTERS = 60;

const LINE_FEED = 0x0a;

/** A digest of a window. */
export interface WindowDigest {
  /** "sha256" */
  readonly algorithm: string;
  /** Lower-case hexadecimal. */
  readonly hex: string;
}

/** A piece of a medium. */
export interface HashWindow {
  /** First byte. */
  readonly first: number;
  /** Last byte; it belongs to the window. */
  readonly last: number;
  /** In the order of the algorithms. */
  readonly digests: readonly WindowDigest[];
}

/** What stands at the top. */
export interface WindowFileHead {
  /** Name and version. */
  readonly program: string;
  readonly source: string;
  /** Bytes; Infinity for a stream. */
  readonly size: number;
  /** "md5", "sha256" */
  readonly algorithms: readonly string[];
  /** Bytes of every window but the last, which may be shorter. */
  readonly windowBytes: number;
}

/** A list in memory. */
export interface WindowFile {
  readonly head: WindowFileHead;
  readonly algorithms: readonly HashAlgorithm[];
  /** Bytes that the windows cover, from the first byte of the medium on. */
  readonly coveredBytes: number;
  readonly windowCount: number;
  /** Has the list its end? If not it was cut, or its run was interrupted. */
  readonly complete: boolean;
  /** The window of this number, from 0. Not for others. */
  window(index: number): HashWindow;
}

/** The top of a list. */
export function formatWindowHead(head: WindowFileHead): string {
  const size = Number.isFinite(head.size) ? head.size : "unknown";
  return [
    `# program: ${printable(head.program)}`,
    `# source: ${printable(head.source)}`,
    `# size: ${size}`,
    `# algorithms: ${head.algorithms.join(" ")}`,
    `# window: ${head.windowBytes}`,
    "# first byte, last byte (of the window), algorithm, digest:",
    "",
  ].join("\n");
}

/** The lines of a window. */
export function formatWindow({ first, last, digests }: HashWindow): string {
  return digests.map(({ algorithm, hex }) => `${first} ${last} ${algorithm} ${hex}\n`).join("");
}

/** The end of a list that is complete. */
export function formatWindowEnd(coveredBytes: number): string {
  return `# end: ${coveredBytes}\n`;
}

/**
 * Reads a list. `name` is what errors call it.
 *
 * @throws {FormatError} naming the line (1-based) that breaks the rules.
 */
export function parseWindowFile(content: string | Uint8Array, name: string): WindowFile {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const decoder = new TextDecoder();
  const parser = new WindowParser(name);
  for (let start = 0; start < bytes.length;) {
    const feed = bytes.indexOf(LINE_FEED, start);
    const end = feed < 0 ? bytes.length : feed;
    if (end - start > MAX_LINE_BYTES) parser.refuseLongLine();
    parser.addLine(decoder.decode(bytes.subarray(start, end)).trim());
    start = end + 1;
  }
  return parser.result();
}

class WindowParser {
  readonly #name: string;
  readonly #fields = new Map<string, string>();
  #line = 0;
  /** Set with the first window. */
  #windows: Windows | undefined;
  #isEnded = false;

  constructor(name: string) {
    this.#name = name;
  }

  addLine(line: string): void {
    this.#line++;
    if (line === "") return;
    const [, key, value = ""] = /^#\s*(\w+):\s*(.*)$/s.exec(line) ?? [];
    if (this.#isEnded) throw this.#refusal("end", "something stands behind the end");
    if (key === "end") this.#end(value);
    else if (!line.startsWith("#")) this.#addWindow(line);
    else if (key !== undefined) this.#fields.set(key, value);
  }

  refuseLongLine(): never {
    this.#line++;
    throw this.#refusal("line", "it is too long");
  }

  result(): WindowFile {
    const windows = this.#windows ??= this.#begin();
    if (windows.isBroken) {
      throw this.#refusal("algorithm", "the list ends before all digests of its last window");
    }
    return windows.asFile(this.#isEnded);
  }

  #addWindow(line: string): void {
    const windows = this.#windows ??= this.#begin();
    const [, first, last, algorithm = "", hex = ""] =
      /^(\d{1,16})\s+(\d{1,16})\s+(\w+)\s+([0-9a-fA-F]+)$/.exec(line) ?? [];
    if (first === undefined || last === undefined) {
      const shown = printable(line.slice(0, SHOWN_CHARACTERS));
      throw this.#refusal("window", `not "first last algorithm digest": "${shown}"`);
    }
    const problem = windows.add(Number(first), Number(last), algorithm, hex);
    if (problem !== undefined) throw this.#refusal("window", problem);
  }

  #end(value: string): void {
    const { coveredBytes, isBroken } = this.#windows ??= this.#begin();
    if (!isBroken && value === String(coveredBytes)) this.#isEnded = true;
    else throw this.#refusal("end", `the windows before it cover ${coveredBytes} bytes`);
  }

  /** The head is complete. */
  #begin(): Windows {
    const windowBytes = this.#number("window");
    if (windowBytes === 0 || windowBytes % WINDOW_GRAIN_BYTES !== 0) {
      throw this.#refusal("window", `a window has ${windowBytes} bytes`);
    }
    const ids = this.#field("algorithms").split(/\s+/);
    const algorithms = ids.map((id) => {
      const found = findHash(id);
      if (found !== undefined) return found;
      throw this.#refusal("algorithms", `unknown algorithm "${printable(id)}"`);
    });
    if (new Set(ids).size < ids.length) {
      throw this.#refusal("algorithms", "an algorithm stands there twice");
    }
    const size = this.#field("size") === "unknown" ? Infinity : this.#number("size");
    const head = {
      program: this.#fields.get("program") ?? "",
      source: this.#fields.get("source") ?? "",
      size,
      algorithms: ids,
      windowBytes,
    };
    return new Windows(head, algorithms);
  }

  #field(key: string): string {
    const value = this.#fields.get(key);
    if (value !== undefined) return value;
    throw this.#refusal(key, `there is no line "# ${key}:" before it`);
  }

  #number(key: string): number {
    const value = this.#field(key);
    const number = Number(value);
    if (/^\d{1,16}$/.test(value) && Number.isSafeInteger(number)) return number;
    const shown = printable(value.slice(0, SHOWN_CHARACTERS));
    throw this.#refusal(key, `no number of bytes: "${shown}"`);
  }

  #refusal(field: string, reason: string): FormatError {
    const line = Math.max(1, this.#line);
    return new FormatError(
      `cannot use the hash windows ${this.#name}: line ${line}: ${reason}`,
      line,
      field,
      { hint: "it is damaged or no list of hash windows; look at it" },
    );
  }
}

/** Windows one behind the other; their digests are kept as bytes. */
class Windows {
  readonly #head: WindowFileHead;
  readonly #algorithms: readonly HashAlgorithm[];
  /** Bytes of all digests of a window. */
  readonly #recordBytes: number;
  #digests = new Uint8Array(4096);
  #digestBytes = 0;
  #count = 0;
  /** Which algorithm comes next, and how the window ends that it is for. */
  #next = 0;
  #last = -1;

  constructor(head: WindowFileHead, algorithms: readonly HashAlgorithm[]) {
    this.#head = head;
    this.#algorithms = algorithms;
    this.#recordBytes = algorithms.reduce((sum, { digestBytes }) => sum + digestBytes, 0);
  }

  get coveredBytes(): number {
    return this.#last + 1;
  }

  /** Has the last window not yet all of its digests? */
  get isBroken(): boolean {
    return this.#next > 0;
  }

  /** Takes the next line; answers what is wrong with it. */
  add(first: number, last: number, algorithm: string, hex: string): string | undefined {
    const { windowBytes } = this.#head;
    const expected = this.#algorithms[this.#next];
    const start = this.#count * windowBytes;
    if (first !== start) return `a window begins at ${start}, not at ${first}`;
    if (last < first || last - first >= windowBytes || !Number.isSafeInteger(last + 1)) {
      return `a window of ${windowBytes} bytes at ${first} cannot end with ${last}`;
    }
    if (this.#next > 0 && last !== this.#last) {
      return `the same window ended with ${this.#last}`;
    }
    if (this.#next === 0 && this.coveredBytes !== start) return "the window before it is short";
    if (algorithm !== expected?.id) return `the digest of ${expected?.id} comes here`;
    if (hex.length !== expected.digestBytes * 2) {
      return `a digest of ${algorithm} has ${expected.digestBytes * 2} digits`;
    }
    this.#keep(hex);
    this.#last = last;
    this.#next = (this.#next + 1) % this.#algorithms.length;
    if (this.#next === 0) this.#count++;
    return undefined;
  }

  asFile(complete: boolean): WindowFile {
    return {
      head: this.#head,
      algorithms: this.#algorithms,
      coveredBytes: this.coveredBytes,
      windowCount: this.#count,
      complete,
      window: (index) => this.#window(index),
    };
  }

  #window(index: number): HashWindow {
    const first = index * this.#head.windowBytes;
    const last = Math.min(first + this.#head.windowBytes, this.coveredBytes) - 1;
    let at = index * this.#recordBytes;
    const digests = this.#algorithms.map(({ id, digestBytes }) => {
      at += digestBytes;
      return { algorithm: id, hex: toHex(this.#digests.subarray(at - digestBytes, at)) };
    });
    return { first, last, digests };
  }

  /** Its memory is at most twice that of the digests, which are shorter than their text. */
  #keep(hex: string): void {
    const digest = Buffer.from(hex, "hex");
    if (this.#digestBytes + digest.length > this.#digests.length) {
      const larger = new Uint8Array(this.#digests.length * 2);
      larger.set(this.#digests);
      this.#digests = larger;
    }
    this.#digests.set(digest, this.#digestBytes);
    this.#digestBytes += digest.length;
  }
}
