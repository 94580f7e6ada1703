/** `--hash-window`: digests of pieces, in a list beside the image: IMAGE.windows. */
import { WindowHashConsumer } from "../../copy/window_hash_consumer.ts";
import { ImagingError } from "../../core/errors.ts";
import type { FileAccess, ImageFile } from "../../devices/device.ts";
import type { HashAlgorithm } from "../../hashes/hash_algorithm.ts";
import {
  formatWindow,
  formatWindowEnd,
  formatWindowHead,
  WINDOW_GRAIN_BYTES,
  type WindowFileHead,
} from "../../hashes/window_file.ts";
import { bytesOption, type Invocation, valueOf } from "../command.ts";

/** Text that is written at once. */
const BUFFER_CHARACTERS = 256 * 1024;

/** Where the list of an image is. */
export function windowListPath(imagePath: string): string {
  return `${imagePath}.windows`;
}

/**
 * Bytes of a window; undefined when there are to be none.
 *
 * @throws {ImagingError} `usage`
 */
export function hashWindowOption(
  invocation: Invocation,
  algorithms: readonly HashAlgorithm[],
): number | undefined {
  const bytes = bytesOption(invocation, "hash-window", WINDOW_GRAIN_BYTES);
  if (bytes === undefined) return undefined;
  const text = valueOf(invocation, "hash-window");
  if (bytes === 0 || bytes % WINDOW_GRAIN_BYTES !== 0) {
    throw new ImagingError("usage", `cannot use --hash-window ${text}`, {
      hint: `give a multiple of ${WINDOW_GRAIN_BYTES} bytes, such as 1M`,
    });
  }
  if (algorithms.length > 0) return bytes;
  throw new ImagingError("usage", "cannot use --hash-window together with --hash none", {
    hint: "name a hash",
  });
}

/** A list that grows while the medium is read; it gets its name when it is complete. */
export class WindowList implements AsyncDisposable {
  readonly consumer: WindowHashConsumer;
  readonly #files: FileAccess;
  readonly #file: ImageFile;
  readonly #path: string;
  #text: string;
  /** Bytes of the file so far. */
  #at = 0;
  /** Bytes of the medium so far. */
  #covered = 0;

  private constructor(
    files: FileAccess,
    file: ImageFile,
    path: string,
    head: WindowFileHead,
    algorithms: readonly HashAlgorithm[],
  ) {
    this.#files = files;
    this.#file = file;
    this.#path = path;
    this.#text = formatWindowHead(head);
    this.consumer = new WindowHashConsumer({
      algorithms,
      windowBytes: head.windowBytes,
      onWindow: async (window) => {
        this.#text += formatWindow(window);
        this.#covered = window.last + 1;
        if (this.#text.length >= BUFFER_CHARACTERS) await this.#write();
      },
    });
  }

  /** Begins the list of an image. */
  static async begin(
    files: FileAccess,
    path: string,
    head: Omit<WindowFileHead, "algorithms">,
    algorithms: readonly HashAlgorithm[],
  ): Promise<WindowList> {
    const file = await files.openImage(`${path}.part`);
    await file.setSize(0);
    const ids = algorithms.map(({ id }) => id);
    return new WindowList(files, file, path, { ...head, algorithms: ids }, algorithms);
  }

  /** The medium was read whole: the list is complete. */
  async complete(replace: boolean): Promise<void> {
    this.#text += formatWindowEnd(this.#covered);
    await this.#write();
    await this.#file.flush();
    await this.#files.rename(`${this.#path}.part`, this.#path, replace);
  }

  async #write(): Promise<void> {
    const bytes = new TextEncoder().encode(this.#text);
    this.#text = "";
    await this.#file.writeAt(this.#at, bytes);
    this.#at += bytes.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file[Symbol.asyncDispose]();
  }
}
