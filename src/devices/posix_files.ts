/** Ordinary files on Linux and macOS. */
import type { LibcCalls } from "../../ffi/libc_thread.ts";
import { OsError } from "../../ffi/os_error.ts";
import { cString } from "../../ffi/strings.ts";
import type { Bytes } from "../core/block.ts";
import { ImagingError } from "../core/errors.ts";
import { POSIX_PATHS } from "../core/path.ts";
import type { FileAccess, ImageFile } from "./device.ts";
import { noLock } from "./device_errors.ts";
import {
  type Channel,
  closeChannel,
  environmentError,
  flushChannel,
  openDescriptor,
  type PosixSystem,
  readChannel,
  writeChannel,
} from "./posix_io.ts";

/** Operations of flock(2): the same numbers on both systems. */
const LOCK_EX = 2;
const LOCK_NB = 4;

/** How often a lock is tried for that others remove just then. */
const LOCK_ATTEMPTS = 10;

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
export class PosixFiles implements FileAccess {
  readonly #system: PosixSystem;
  readonly #startThread: () => LibcCalls;
  #thread: LibcCalls | undefined;

  /** The thread is started when it is needed, and ended with the files. */
  constructor(system: PosixSystem, startThread: () => LibcCalls) {
    this.#system = system;
    this.#startThread = startThread;
  }

  get #calls(): LibcCalls {
    return this.#thread ??= this.#startThread();
  }

  async openImage(path: string): Promise<ImageFile> {
    const system = this.#system;
    const thread = this.#calls;
    const descriptor = await this.#openOrMake(path);
    try {
      await thread.call("flock", descriptor, LOCK_EX | LOCK_NB);
      return new PosixImageFile(
        { system, thread, descriptor, name: path, alignment: 1 },
        system.sizeOf(path),
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
      throw environmentError(system, `cannot lock ${path}`, cause);
    }
  }

  /** Opens a file for writing; makes it where there is none. */
  async #openOrMake(path: string): Promise<number> {
    const system = this.#system;
    const flags = system.flags.readWrite | system.flags.create;
    try {
      return await openDescriptor(system, this.#calls, path, flags);
    } catch (cause) {
      const error = environmentError(system, `cannot create ${path}`, cause);
      if (error.osCode !== "ENOENT" && error.osCode !== "EACCES") throw error;
      throw new ImagingError("environment", error.message, {
        cause,
        osCode: error.osCode,
        hint: error.osCode === "ENOENT"
          ? `make the folder ${POSIX_PATHS.folderOf(path)} first`
          : `choose a folder that you may write to`,
      });
    }
  }

  async lock(path: string): Promise<AsyncDisposable | undefined> {
    const thread = this.#calls;
    for (let attempt = 0; attempt < LOCK_ATTEMPTS; attempt++) {
      this.#checkLockFile(path);
      const descriptor = await this.#openOrMake(path);
      try {
        await thread.call("flock", descriptor, LOCK_EX | LOCK_NB);
        if (this.#isNamed(descriptor, path)) return this.#heldLock(descriptor, path);
      } catch (cause) {
        await closeChannel({ thread, descriptor });
        if (isOsError(cause, "EAGAIN")) return undefined;
        throw environmentError(this.#system, `cannot lock ${path}`, cause);
      }
      await closeChannel({ thread, descriptor });
    }
    throw new ImagingError("environment", `cannot lock ${path}: others keep replacing it`);
  }

  /** Nothing but an empty file is taken for a lock: all else is somebody's. */
  #checkLockFile(path: string): void {
    let status;
    try {
      status = this.#system.statusOf(path);
    } catch (cause) {
      // Whatever else is wrong, opening it says so.
      if (isOsError(cause, "ENOENT", "ENOTDIR", "EACCES")) return;
      throw environmentError(this.#system, `cannot lock ${path}`, cause);
    }
    if (status.kind !== "file" || status.size > 0) throw noLock(path);
  }

  /** The one that had it may have removed it between our opening and locking it. */
  #isNamed(descriptor: number, path: string): boolean {
    const ours = this.#system.statusOf(descriptor);
    try {
      const named = this.#system.statusOf(path);
      return named.inode === ours.inode && named.dev === ours.dev;
    } catch (error) {
      if (isOsError(error, "ENOENT")) return false;
      throw error;
    }
  }

  #heldLock(descriptor: number, path: string): AsyncDisposable {
    const thread = this.#calls;
    return {
      [Symbol.asyncDispose]: async (): Promise<void> => {
        try {
          // Removed while it is locked: so nobody else's is.
          if (this.#isNamed(descriptor, path)) await thread.call("unlink", cString(path));
        } catch (error) {
          // What stays is taken over by the next one.
          if (!(error instanceof OsError)) throw error;
        }
        await closeChannel({ thread, descriptor });
      },
    };
  }

  async read(path: string, limit = READ_LIMIT): Promise<Bytes | undefined> {
    const system = this.#system;
    const thread = this.#calls;
    let descriptor: number;
    try {
      descriptor = await openDescriptor(system, thread, path, system.flags.read);
    } catch (cause) {
      if (isOsError(cause, "ENOENT", "ENOTDIR")) return undefined;
      throw environmentError(system, `cannot open ${path}`, cause);
    }
    try {
      const size = system.sizeOf(path);
      if (size > limit) {
        throw new ImagingError(
          "environment",
          `cannot read ${path}: ${size} bytes are too many`,
        );
      }
      const content = new Uint8Array(size);
      const channel: Channel = { system, thread, descriptor, name: path, alignment: 1 };
      return content.subarray(0, await readChannel(channel, 0, content));
    } finally {
      await closeChannel({ thread, descriptor });
    }
  }

  async writeAtomically(path: string, content: Uint8Array): Promise<void> {
    const system = this.#system;
    const thread = this.#calls;
    const temporary = temporaryOf(path);
    const flags = system.flags.write | system.flags.create | system.flags.truncate;
    let descriptor: number;
    try {
      descriptor = await openDescriptor(system, thread, temporary, flags);
    } catch (cause) {
      throw environmentError(system, `cannot create ${temporary}`, cause);
    }
    try {
      const channel: Channel = { system, thread, descriptor, name: temporary, alignment: 1 };
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
    const system = this.#system;
    const thread = this.#calls;
    try {
      if (replace) await thread.call("rename", cString(from), cString(to));
      else await system.renameNew(thread, from, to);
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
      throw environmentError(system, `cannot rename ${from} to ${to}`, cause);
    }
    await this.#syncFolder(POSIX_PATHS.folderOf(to));
  }

  async remove(path: string): Promise<void> {
    const system = this.#system;
    for (const each of [path, temporaryOf(path)]) {
      try {
        await this.#calls.call("unlink", cString(each));
      } catch (cause) {
        if (isOsError(cause, "ENOENT")) continue;
        throw environmentError(system, `cannot remove ${each}`, cause);
      }
    }
  }

  /** A new name is durable only when its folder is. */
  async #syncFolder(folder: string): Promise<void> {
    const system = this.#system;
    const thread = this.#calls;
    try {
      const flags = system.flags.read | system.flags.directory;
      const descriptor = await openDescriptor(system, thread, folder, flags);
      try {
        await system.flush(thread, descriptor);
      } finally {
        await closeChannel({ thread, descriptor });
      }
    } catch (cause) {
      // A folder that may be written but not read cannot be opened to be synced, and
      // some network file systems do not sync folders: the rename itself was done.
      if (!isOsError(cause, "EACCES", "EINVAL", "ENOTSUP")) {
        throw environmentError(system, `cannot flush the folder ${folder}`, cause);
      }
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#thread?.[Symbol.dispose]();
    return Promise.resolve();
  }
}

class PosixImageFile implements ImageFile {
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
    const { system, thread, descriptor } = this.#channel;
    this.#initialSize = Math.min(this.#initialSize, bytes);
    try {
      await thread.call("ftruncate", descriptor, BigInt(bytes));
    } catch (cause) {
      throw environmentError(system, `cannot make ${this.name} ${bytes} bytes long`, cause);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeChannel(this.#channel);
  }
}
