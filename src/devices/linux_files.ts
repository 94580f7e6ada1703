/** Ordinary files on Linux. */
import { LibcThread } from "../../ffi/libc_thread.ts";
import * as linux from "../../ffi/linux.ts";
import { OsError } from "../../ffi/os_error.ts";
import { cString } from "../../ffi/strings.ts";
import { statPath } from "../../ffi/system_files.ts";
import type { Bytes } from "../core/block.ts";
import { ImagingError } from "../core/errors.ts";
import { folderOf } from "../core/path.ts";
import type { FileAccess, ImageFile } from "./device.ts";
import {
  type Channel,
  closeChannel,
  environmentError,
  flushChannel,
  openDescriptor,
  readChannel,
  writeChannel,
} from "./linux_io.ts";

/** Small files are read whole up to this many bytes. */
const READ_LIMIT = 256 * 1024 * 1024;

function isOsError(error: unknown, ...codes: string[]): boolean {
  return error instanceof OsError && codes.includes(error.code);
}

/** Where a file is written before it gets its name. */
function temporaryOf(path: string): string {
  return `${path}.tmp`;
}

/** Files through one thread: its calls are made in the order in which they were asked for. */
export class LinuxFiles implements FileAccess {
  #thread: LibcThread | undefined;

  get #calls(): LibcThread {
    return this.#thread ??= new LibcThread();
  }

  async openImage(path: string): Promise<ImageFile> {
    const thread = this.#calls;
    let descriptor: number;
    try {
      descriptor = await openDescriptor(thread, path, linux.O_RDWR | linux.O_CREAT);
    } catch (cause) {
      const error = environmentError(`cannot create ${path}`, cause);
      if (error.osCode !== "ENOENT" && error.osCode !== "EACCES") throw error;
      throw new ImagingError("environment", error.message, {
        cause,
        osCode: error.osCode,
        hint: error.osCode === "ENOENT"
          ? `make the folder ${folderOf(path)} first`
          : `choose a folder that you may write to`,
      });
    }
    try {
      await thread.call("flock", descriptor, linux.LOCK_EX | linux.LOCK_NB);
      return new LinuxImageFile(
        { thread, descriptor, name: path, alignment: 1 },
        statPath(path).size,
      );
    } catch (cause) {
      await closeChannel({ thread, descriptor });
      if (isOsError(cause, "EAGAIN")) {
        throw new ImagingError(
          "environment",
          `cannot write ${path}: another run is writing it`,
          {
            cause,
            hint: "wait for it to end, or stop it",
          },
        );
      }
      throw environmentError(`cannot lock ${path}`, cause);
    }
  }

  async read(path: string, limit = READ_LIMIT): Promise<Bytes | undefined> {
    const thread = this.#calls;
    let descriptor: number;
    try {
      descriptor = await openDescriptor(thread, path, linux.O_RDONLY);
    } catch (cause) {
      if (isOsError(cause, "ENOENT", "ENOTDIR")) return undefined;
      throw environmentError(`cannot open ${path}`, cause);
    }
    try {
      const size = statPath(path).size;
      if (size > limit) {
        throw new ImagingError(
          "environment",
          `cannot read ${path}: ${size} bytes are too many`,
        );
      }
      const content = new Uint8Array(size);
      const channel: Channel = { thread, descriptor, name: path, alignment: 1 };
      return content.subarray(0, await readChannel(channel, 0, content));
    } finally {
      await closeChannel({ thread, descriptor });
    }
  }

  async writeAtomically(path: string, content: Uint8Array): Promise<void> {
    const thread = this.#calls;
    const temporary = temporaryOf(path);
    const flags = linux.O_WRONLY | linux.O_CREAT | linux.O_TRUNC;
    let descriptor: number;
    try {
      descriptor = await openDescriptor(thread, temporary, flags);
    } catch (cause) {
      throw environmentError(`cannot create ${temporary}`, cause);
    }
    try {
      const channel: Channel = { thread, descriptor, name: temporary, alignment: 1 };
      await writeChannel(channel, 0, new Uint8Array(content));
      await flushChannel(channel);
    } catch (error) {
      await closeChannel({ thread, descriptor });
      await this.remove(temporary).catch(() => {}); // The first error tells more.
      throw error;
    }
    await closeChannel({ thread, descriptor });
    await this.rename(temporary, path, true);
  }

  async rename(from: string, to: string, replace: boolean): Promise<void> {
    const thread = this.#calls;
    try {
      if (replace) await thread.call("rename", cString(from), cString(to));
      else await this.#renameNew(from, to);
    } catch (cause) {
      if (isOsError(cause, "EEXIST")) {
        throw new ImagingError(
          "environment",
          `cannot name the result ${to}: it exists by now`,
          {
            cause,
            hint: `the complete image is ${from}: move it yourself`,
          },
        );
      }
      throw environmentError(`cannot rename ${from} to ${to}`, cause);
    }
    await this.#syncFolder(folderOf(to));
  }

  /** Not every file system knows RENAME_NOREPLACE; there the look before is all there is. */
  async #renameNew(from: string, to: string): Promise<void> {
    const thread = this.#calls;
    try {
      const here = linux.AT_FDCWD;
      const flag = linux.RENAME_NOREPLACE;
      await thread.call("renameat2", here, cString(from), here, cString(to), flag);
    } catch (error) {
      if (!isOsError(error, "EINVAL", "ENOSYS")) throw error;
      let exists = true;
      try {
        statPath(to, false);
      } catch (missing) {
        if (!isOsError(missing, "ENOENT")) throw missing;
        exists = false;
      }
      if (exists) throw new OsError("rename", 17);
      await thread.call("rename", cString(from), cString(to));
    }
  }

  async remove(path: string): Promise<void> {
    for (const each of [path, temporaryOf(path)]) {
      try {
        await this.#calls.call("unlink", cString(each));
      } catch (cause) {
        if (isOsError(cause, "ENOENT")) continue;
        throw environmentError(`cannot remove ${each}`, cause);
      }
    }
  }

  /** A new name is durable only when its folder is. */
  async #syncFolder(folder: string): Promise<void> {
    const thread = this.#calls;
    try {
      const flags = linux.O_RDONLY | linux.O_DIRECTORY;
      const descriptor = await openDescriptor(thread, folder, flags);
      try {
        await thread.call("fsync", descriptor);
      } finally {
        await closeChannel({ thread, descriptor });
      }
    } catch (cause) {
      // A folder that may be written but not read cannot be opened to be synced, and
      // some network file systems do not sync folders: the rename itself was done.
      if (!isOsError(cause, "EACCES", "EINVAL")) {
        throw environmentError(`cannot flush the folder ${folder}`, cause);
      }
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#thread?.[Symbol.dispose]();
    return Promise.resolve();
  }
}

class LinuxImageFile implements ImageFile {
  readonly name: string;
  readonly sectorSize = 512;
  readonly #channel: Channel;
  #initialSize: number;

  constructor(channel: Channel, initialSize: number) {
    this.name = channel.name;
    this.#channel = channel;
    this.#initialSize = initialSize;
  }

  get initialSize(): number {
    return this.#initialSize;
  }

  writeAt(offset: number, bytes: Bytes): Promise<void> {
    return writeChannel(this.#channel, offset, bytes);
  }

  flush(): Promise<void> {
    return flushChannel(this.#channel);
  }

  async setSize(bytes: number): Promise<void> {
    const { thread, descriptor } = this.#channel;
    this.#initialSize = Math.min(this.#initialSize, bytes);
    try {
      await thread.call("ftruncate", descriptor, BigInt(bytes));
    } catch (cause) {
      throw environmentError(`cannot make ${this.name} ${bytes} bytes long`, cause);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeChannel(this.#channel);
  }
}
