/** Writing disks on macOS. */
import type { LibcCalls } from "../../ffi/libc_thread.ts";
import * as macos from "../../ffi/macos.ts";
import { OsError } from "../../ffi/os_error.ts";
import type { BlockSource, Bytes } from "../core/block.ts";
import { type Finding, ImagingError } from "../core/errors.ts";
import { printable } from "../core/text.ts";
import type { DeviceSink } from "./device.ts";
import { OpenedSink } from "./opened_device.ts";
import { locateMacos, type MacosQueries, mediumNumberOf, rawPathOf } from "./macos_disks.ts";
import { wholeOf } from "./macos_diskutil.ts";
import { deviceAt, type MacosAccess, openDisk } from "./macos_source.ts";
import { diskGeometry, isMacosError, macosDiskSystem, macosError } from "./macos_system.ts";
import {
  type Channel,
  closeChannel,
  environmentError,
  flushChannel,
  ioctlNumber,
  openDescriptor,
  writeChannel,
} from "./posix_io.ts";
import { claimsOn } from "./safety.ts";

const EROFS = 30;

/**
 * Opens the raw node of a disk or partition for writing (see {@linkcode openMacosSource}),
 * and for nobody else: the kernel answers EBUSY while anything on it is mounted, and
 * the lock keeps out programs that ask for it as well.
 *
 * @throws {ImagingError}
 */
export async function openMacosSink(
  path: string,
  { queries, startThread }: MacosAccess,
): Promise<DeviceSink> {
  const thread = startThread();
  try {
    const device = deviceAt(path, queries);
    if (device === undefined) {
      throw new ImagingError("usage", `cannot write to ${path}: it is not a disk`, {
        hint: "`sectorshot list` shows the disks of this machine",
      });
    }
    return await openRawSink(thread, path, device, queries);
  } catch (cause) {
    thread[Symbol.dispose]();
    throw cause instanceof OsError ? await openError(path, cause, queries) : cause;
  }
}

async function openRawSink(
  thread: LibcCalls,
  path: string,
  device: string,
  queries: MacosQueries,
): Promise<DeviceSink> {
  const descriptor = await openLocked(thread, rawPathOf(device));
  try {
    await thread.call("fcntl", descriptor, macos.F_NOCACHE, 1n);
    const { size, sectorSize, maxBytes } = await diskGeometry(thread, descriptor, "write");
    if (!await isWritable(thread, descriptor)) throw macosError("open", EROFS);
    const channel: Channel = {
      system: macosDiskSystem,
      thread,
      descriptor,
      name: path,
      alignment: sectorSize,
      maxBytes,
    };
    const mediumNumber = mediumNumberOf(wholeOf(device), queries);
    return new MacosSink(channel, { device, size, mediumNumber, queries });
  } catch (error) {
    await closeChannel({ thread, descriptor });
    throw error;
  }
}

/** Without O_CREAT: a disk that went away must not become a file under /dev. */
async function openLocked(thread: LibcCalls, raw: string): Promise<number> {
  const flags = macos.O_RDWR | macos.O_NONBLOCK;
  try {
    return await openDescriptor(macosDiskSystem, thread, raw, flags | macos.O_EXLOCK);
  } catch (error) {
    // Without locks it is the kernel alone that keeps others out: whoever mounts.
    if (!isMacosError(error, "ENOTSUP", "EOPNOTSUPP")) throw error;
    return await openDescriptor(macosDiskSystem, thread, raw, flags);
  }
}

async function isWritable(thread: LibcCalls, descriptor: number): Promise<boolean> {
  return await ioctlNumber(thread, descriptor, macos.DKIOCISWRITABLE, 4) !== 0;
}

/** For a disk that is in use: by what. */
async function openError(
  path: string,
  cause: OsError,
  queries: MacosQueries,
): Promise<ImagingError> {
  const error = environmentError(macosDiskSystem, `cannot open ${path} for writing`, cause);
  if (cause.code !== "EBUSY") return error;
  const users = await usersOf(path, queries);
  if (users.length === 0) return error;
  return new ImagingError("environment", `${error.message}: ${users.join(", ")}`, {
    cause,
    osCode: error.osCode,
    hint: error.hint,
  });
}

async function usersOf(path: string, queries: MacosQueries): Promise<string[]> {
  try {
    const location = await locateMacos(path, queries);
    if (location.kind !== "device") return [];
    return claimsOn(location).map(({ kind, device, where }) =>
      `${device} is ${kind === "mounted" ? "mounted at" : "in use by"} ${printable(where)}`
    );
  } catch (error) {
    // That it is in use is worth more than why nobody can tell by what.
    if (error instanceof ImagingError) return [];
    throw error;
  }
}

/** What is known of an opened sink. */
interface SinkTraits {
  /** "disk4s1" */
  readonly device: string;
  /** Bytes. */
  readonly size: number;
  readonly mediumNumber: string | undefined;
  readonly queries: MacosQueries;
}

class MacosSink extends OpenedSink implements DeviceSink {
  readonly #channel: Channel;
  readonly #traits: SinkTraits;

  constructor(channel: Channel, traits: SinkTraits) {
    const { size, mediumNumber } = traits;
    super({ name: channel.name, size, sectorSize: channel.alignment }, mediumNumber);
    this.#channel = channel;
    this.#traits = traits;
  }

  protected override transfer(offset: number, bytes: Bytes): Promise<void> {
    return writeChannel(this.#channel, offset, bytes);
  }

  flush(): Promise<void> {
    return flushChannel(this.#channel);
  }

  async reread(): Promise<BlockSource> {
    const { thread, name } = this.#channel;
    const { device, queries } = this.#traits;
    try {
      return await openDisk(thread, { name, device, queries, ownsThread: false });
    } catch (cause) {
      throw environmentError(macosDiskSystem, `cannot open ${name} to verify it`, cause);
    }
  }

  /**
   * Nothing is to be done: the kernel looks for partitions anew when the descriptor that
   * could write is closed (IOStorageFamily's IOMedia.cpp, handleClose), and close waits
   * until it has found them (IOMediaBSDClient.cpp, dkclose). Then macOS mounts what it
   * knows.
   */
  announce(): Promise<Finding[]> {
    return Promise.resolve([]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { thread, descriptor } = this.#channel;
    await closeChannel({ thread, descriptor });
    thread[Symbol.dispose]();
  }
}
