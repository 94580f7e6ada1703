import type { BlockSource, Bytes } from "../../core/block.ts";
import { readBytes } from "../../core/bytes.ts";
import { ReadError } from "../../core/errors.ts";
import type { ImageFolder } from "../image_format.ts";

/** So many segment files are open at a time, beside the first: there can be thousands. */
const MAX_OPEN = 16;

/** A segment file that is open. */
interface OpenSegment {
  readonly source: Promise<BlockSource>;
  /** Reads that are under way. */
  users: number;
}

/**
 * The segment files of an image, counted from 0. They are opened when they are read, and
 * closed when others are needed more.
 */
export class SegmentFiles implements AsyncDisposable {
  readonly #first: BlockSource;
  readonly #folder: ImageFolder | undefined;
  readonly #names: string[];
  readonly #sizes: number[];
  /** All but the first; the one used least recently comes first. */
  readonly #open = new Map<number, OpenSegment>();

  /** Closing this closes `first`, too. */
  constructor(first: BlockSource, folder: ImageFolder | undefined) {
    this.#first = first;
    this.#folder = folder;
    this.#names = [folder?.name ?? first.name];
    this.#sizes = [first.size];
  }

  /** In their order, as they are called in their folder. */
  get names(): readonly string[] {
    return this.#names;
  }

  nameOf(segment: number): string {
    return this.#names[segment] ?? "";
  }

  sizeOf(segment: number): number {
    return this.#sizes[segment] ?? 0;
  }

  /** Takes the file of this name as the next segment; false when there is none. */
  async add(name: string): Promise<boolean> {
    const source = await this.#folder?.open(name);
    if (source === undefined) return false;
    this.#open.set(this.#names.length, { source: Promise.resolve(source), users: 0 });
    this.#names.push(name);
    this.#sizes.push(source.size);
    await this.#closeSpare();
    return true;
  }

  /** Is there such a file in the folder? */
  async has(name: string): Promise<boolean> {
    const source = await this.#folder?.open(name);
    await source?.[Symbol.asyncDispose]();
    return source !== undefined;
  }

  /**
   * Reads a piece of a segment; fewer bytes where the file ends.
   *
   * @throws {ReadError} when it does not deliver, or is gone.
   */
  async read(
    segment: number,
    offset: number,
    length: number,
    memory?: (length: number) => Bytes,
  ): Promise<Bytes> {
    if (segment === 0) return await readBytes(this.#first, offset, length, memory);
    const open = this.#use(segment);
    try {
      return await readBytes(await open.source, offset, length, memory);
    } finally {
      open.users--;
      await this.#closeSpare();
    }
  }

  /** The segment, which is not closed while it has users. */
  #use(segment: number): OpenSegment {
    const open = this.#open.get(segment) ?? { source: this.#reopen(segment), users: 0 };
    this.#open.delete(segment);
    this.#open.set(segment, open);
    open.users++;
    return open;
  }

  async #reopen(segment: number): Promise<BlockSource> {
    const name = this.nameOf(segment);
    try {
      const source = await this.#folder?.open(name);
      if (source === undefined) throw new ReadError(`${name} is not there any more`, 0);
      if (source.size === this.sizeOf(segment)) return source;
      await source[Symbol.asyncDispose]();
      throw new ReadError(`${name} was changed while it was read`, 0);
    } catch (error) {
      this.#open.delete(segment);
      throw error;
    }
  }

  async #closeSpare(): Promise<void> {
    for (const [segment, { source, users }] of this.#open) {
      if (this.#open.size <= MAX_OPEN) return;
      if (users > 0) continue;
      this.#open.delete(segment);
      await (await source)[Symbol.asyncDispose]();
    }
  }

  /** Closes all but the first, which is the caller's again. */
  async release(): Promise<void> {
    const sources = [...this.#open.values()].map(({ source }) => source);
    this.#open.clear();
    for (const opened of await Promise.allSettled(sources)) {
      if (opened.status === "fulfilled") await opened.value[Symbol.asyncDispose]();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
    await this.#first[Symbol.asyncDispose]();
  }
}
