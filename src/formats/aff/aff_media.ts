import type { BlockSource, Bytes } from "../../core/block.ts";
import { DamageError } from "../../core/errors.ts";
import type { PageReader } from "./page_reader.ts";

/** Pages that are kept for the next read; one more is in the making. */
const KEPT_PAGES = 2;

/** What the medium is like. */
export interface AffMediaOptions {
  readonly file: BlockSource;
  readonly reader: PageReader;
  readonly size: number;
  readonly sectorSize: number;
  readonly pageBytes: number;
}

/** The medium inside an AFF file. Pages are unpacked one at a time, whoever asks. */
export class AffMedia implements BlockSource {
  readonly name: string;
  readonly size: number;
  readonly sectorSize: number;
  readonly #options: AffMediaOptions;
  /** In the order of their last use. */
  readonly #pages = new Map<number, Promise<Bytes | DamageError>>();
  /** Settles when the page in the making is there. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: AffMediaOptions) {
    this.name = options.file.name;
    this.size = options.size;
    this.sectorSize = options.sectorSize;
    this.#options = options;
  }

  /** See {@linkcode BlockSource.readAt}. @throws {DamageError} for the page that is damaged. */
  async readAt(offset: number, into: Bytes): Promise<number> {
    const { pageBytes } = this.#options;
    const length = Math.max(0, Math.min(into.length, this.size - offset));
    for (let done = 0; done < length;) {
      const at = offset + done;
      const number = Math.floor(at / pageBytes);
      const page = await this.#page(number);
      if (page instanceof DamageError) throw page;
      const start = at - number * pageBytes;
      const piece = page.subarray(start, start + length - done);
      into.set(piece, done);
      done += piece.length;
    }
    return length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#pages.clear();
    await this.#options.file[Symbol.asyncDispose]();
  }

  #page(number: number): Promise<Bytes | DamageError> {
    const page = this.#pages.get(number) ?? this.#load(number);
    this.#pages.delete(number);
    this.#pages.set(number, page);
    for (const oldest of this.#pages.keys()) {
      if (this.#pages.size <= KEPT_PAGES) break;
      this.#pages.delete(oldest);
    }
    return page;
  }

  #load(number: number): Promise<Bytes | DamageError> {
    const { reader, pageBytes } = this.#options;
    const offset = number * pageBytes;
    const range = { offset, length: Math.min(pageBytes, this.size - offset) };
    const page = this.#turn.then(() => reader.read(number, range));
    this.#turn = page.catch(() => {
      // The file may be readable the next time.
      if (this.#pages.get(number) === page) this.#pages.delete(number);
    });
    return page;
  }
}
