import type { Bytes } from "../core/block.ts";
import type { FileAccess, ImageFile } from "../devices/device.ts";
import type { ImageOutput } from "../formats/image_format.ts";

/** Files that are open at once, beside the first. */
const OPEN_FILES = 16;

/** A file that is open now. */
interface OpenFile {
  readonly file: Promise<ImageFile>;
  /** Calls under way. */
  users: number;
}

/**
 * The files that an image is written into. There can be thousands, more than a system lets
 * a program open: those that were not used lately are flushed and closed, and are opened
 * again where there is more to write. The first stays open: its lock keeps other runs away.
 */
export class OutputFiles implements AsyncDisposable {
  readonly #access: FileAccess;
  readonly #sparse: boolean;
  #first: string | undefined;
  /** By path; the one used last comes last. */
  readonly #open = new Map<string, OpenFile>();

  constructor(access: FileAccess, sparse: boolean) {
    this.#access = access;
    this.#sparse = sparse;
  }

  /**
   * Makes a file, or takes the one that is there, which the caller empties first.
   *
   * @throws {ImagingError} when it cannot be made, or another run has it, or one that was
   * to be closed could not be flushed.
   */
  async create(path: string): Promise<ImageOutput> {
    this.#first ??= path;
    await this.use(path, () => Promise.resolve());
    return new OutputFile(this, path);
  }

  /** Does something with a file, which stays open meanwhile. */
  async use<Result>(
    path: string,
    work: (file: ImageFile) => Promise<Result>,
  ): Promise<Result> {
    const open = this.#open.get(path) ??
      { file: this.#access.openImage(path, this.#sparse), users: 0 };
    this.#open.delete(path);
    this.#open.set(path, open);
    open.users++;
    try {
      return await work(await this.#opened(path, open));
    } finally {
      open.users--;
      await this.#closeSpare();
    }
  }

  async #opened(path: string, { file }: OpenFile): Promise<ImageFile> {
    try {
      return await file;
    } catch (error) {
      this.#open.delete(path);
      throw error;
    }
  }

  async #closeSpare(): Promise<void> {
    for (const [path, { file, users }] of this.#open) {
      if (this.#open.size <= OPEN_FILES + 1) return;
      if (users > 0 || path === this.#first) continue;
      this.#open.delete(path);
      await using closing = await file;
      await closing.flush();
    }
  }

  /** Closes the files; they stay. */
  async [Symbol.asyncDispose](): Promise<void> {
    const files = [...this.#open.values()].map(({ file }) => file);
    this.#open.clear();
    for (const opened of await Promise.allSettled(files)) {
      if (opened.status === "fulfilled") await opened.value[Symbol.asyncDispose]();
    }
  }
}

/** One of the files. */
class OutputFile implements ImageOutput {
  readonly name: string;
  readonly sectorSize = 512;
  readonly initialSize = 0;
  readonly #files: OutputFiles;

  constructor(files: OutputFiles, path: string) {
    this.#files = files;
    this.name = path;
  }

  async writeAt(offset: number, bytes: Bytes): Promise<void> {
    await this.#files.use(this.name, (file) => file.writeAt(offset, bytes));
  }

  async flush(): Promise<void> {
    await this.#files.use(this.name, (file) => file.flush());
  }

  async setSize(bytes: number): Promise<void> {
    await this.#files.use(this.name, (file) => file.setSize(bytes));
  }

  /** It is closed with the others. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}
