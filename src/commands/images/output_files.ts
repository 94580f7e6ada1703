import type { Bytes } from "../../core/block.ts";
import type { FileAccess, ImageFile } from "../../devices/device.ts";
import type { ImageOutput } from "../../formats/image_format.ts";
import { OpenFiles } from "../media/open_files.ts";

/** Files that are open at once, beside the first. */
const OPEN_FILES = 16;

/**
 * The files that an image is written into. There can be thousands, more than a system lets
 * a program open: those that were not used lately are flushed and closed, and are opened
 * again where there is more to write. The first stays open: its lock keeps other runs away.
 */
export class OutputFiles implements AsyncDisposable {
  readonly #files: OpenFiles<ImageFile>;
  #first: string | undefined;

  /** `sparse`: will zeros be left out? */
  constructor(access: FileAccess, sparse: boolean) {
    this.#files = new OpenFiles({
      open: (path) => access.openImage(path, sparse),
      limit: OPEN_FILES,
      beforeClosing: (file) => file.flush(),
      isPinned: (path) => path === this.#first,
    });
  }

  /**
   * Makes a file, or takes the one that is there, which the caller empties first.
   *
   * @throws {ImagingError} when it cannot be made, or another run has it, or one that was
   * to be closed could not be flushed.
   */
  async create(path: string): Promise<ImageOutput> {
    this.#first ??= path;
    await this.#files.use(path, () => Promise.resolve());
    return new OutputFile(this.#files, path);
  }

  /** Closes the files; they stay. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#files[Symbol.asyncDispose]();
  }
}

/** One of the files. */
class OutputFile implements ImageOutput {
  readonly name: string;
  readonly sectorSize = 512;
  readonly initialSize = 0;
  readonly #files: OpenFiles<ImageFile>;

  constructor(files: OpenFiles<ImageFile>, path: string) {
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
