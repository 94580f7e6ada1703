/** Reading disks and files on macOS. */
import type { LibcCalls } from "../../ffi/libc_thread.ts";
import * as macos from "../../ffi/macos.ts";
import { OsError } from "../../ffi/os_error.ts";
import type { BlockSource } from "../core/block.ts";
import type { ReadError } from "../core/errors.ts";
import type { OpenSourceOptions } from "./device.ts";
import { anotherDevice } from "./device_errors.ts";
import { type MacosQueries, mediumNumberOf, rawPathOf } from "./macos_disks.ts";
import { deviceIdOf } from "./macos_diskutil.ts";
import { diskGeometry, macosDiskSystem, macosSystem } from "./macos_system.ts";
import { type Channel, closeChannel, environmentError, openDescriptor } from "./posix_io.ts";
import { PosixSource, type PosixTraits } from "./posix_source.ts";

/** What opening takes. */
export interface MacosAccess {
  readonly queries: MacosQueries;
  /** A thread for one device or file, which ends with it. */
  startThread(): LibcCalls;
}

/**
 * The disk or partition that a path names: "disk4s1". Undefined for anything else.
 *
 * @throws {OsError}
 */
export function deviceAt(path: string, queries: MacosQueries): string | undefined {
  const { kind } = queries.stat(path);
  const isNode = kind === "block" || kind === "character";
  return isNode ? deviceIdOf(queries.realPath(path)) : undefined;
}

/**
 * Opens a disk, a partition or a file, read-only.
 *
 * A disk is always opened by its raw node /dev/rdisk4, also where the person named the
 * block device /dev/disk4: the raw one passes every cache by, and is several times as
 * fast. Names and messages keep what the person wrote.
 *
 * @throws {ImagingError}
 */
export async function openMacosSource(
  path: string,
  options: OpenSourceOptions,
  { queries, startThread }: MacosAccess,
): Promise<BlockSource> {
  const thread = startThread();
  try {
    const device = deviceAt(path, queries);
    return device === undefined
      ? await openFile(thread, path, options.direct ?? false, queries)
      : await openDisk(thread, { name: path, device, queries, ownsThread: true, startThread });
  } catch (cause) {
    thread[Symbol.dispose]();
    throw cause instanceof OsError
      ? environmentError(macosSystem, `cannot open ${path}`, cause)
      : cause;
  }
}

/** A disk that is to be read. */
export interface DiskToRead {
  /** As the person named it. */
  readonly name: string;
  /** "disk4s1" */
  readonly device: string;
  readonly queries: MacosQueries;
  /** Does the thread end with the source? */
  readonly ownsThread: boolean;
  /** Starts a further one for the source. */
  readonly startThread?: (() => LibcCalls) | undefined;
}

/**
 * Opens the raw node of a disk on a thread.
 *
 * @throws {OsError}
 */
export async function openDisk(thread: LibcCalls, disk: DiskToRead): Promise<BlockSource> {
  const { ownsThread, startThread } = disk;
  const { channel, size, sectorSize, number } = await openRaw(thread, disk);
  const traits = { size, sectorSize, isDevice: true, ownsThread, startThread };
  return new MacosSource(channel, { ...traits, disk, number });
}

/** An open disk, and how to know it again. */
interface RawDisk {
  readonly channel: Channel;
  /** Bytes. */
  readonly size: number;
  readonly sectorSize: number;
  /** As in {@linkcode mediumNumberOf}. */
  readonly number: string | undefined;
}

async function openRaw(
  thread: LibcCalls,
  { name, device, queries }: DiskToRead,
): Promise<RawDisk> {
  const raw = rawPathOf(device);
  const descriptor = await openDescriptor(macosSystem, thread, raw, macos.O_RDONLY);
  try {
    await thread.call("fcntl", descriptor, macos.F_NOCACHE, 1n);
    const { size, sectorSize, maxBytes } = await diskGeometry(thread, descriptor, "read");
    const system = macosDiskSystem;
    const channel = { system, thread, descriptor, name, alignment: sectorSize, maxBytes };
    return { channel, size, sectorSize, number: mediumNumberOf(device, queries) };
  } catch (error) {
    await closeChannel({ thread, descriptor });
    throw error;
  }
}

async function openFile(
  thread: LibcCalls,
  path: string,
  direct: boolean,
  queries: MacosQueries,
): Promise<BlockSource> {
  const descriptor = await openDescriptor(macosSystem, thread, path, macos.O_RDONLY);
  try {
    const { size } = queries.stat(path);
    if (direct) {
      await thread.call("fcntl", descriptor, macos.F_NOCACHE, 1n);
      await dropFileCache(thread, descriptor, size);
    }
    return new MacosSource(
      { system: macosSystem, thread, descriptor, name: path, alignment: 1 },
      {
        size,
        sectorSize: 512,
        isDevice: false,
        disk: undefined,
        number: undefined,
        ownsThread: true,
      },
    );
  } catch (error) {
    await closeChannel({ thread, descriptor });
    throw error;
  }
}

/** Bytes of a file that are looked at together: address space costs nothing, up to a point. */
const WINDOW_BYTES = 1024 ** 3;

/**
 * F_NOCACHE keeps reads from filling the cache, but what is in it already is served from
 * there. So the kernel is made to forget the file first, by msync(2) on a mapping of it:
 * MS_INVALIDATE drops the pages, and MS_SYNC writes first what somebody has changed.
 */
async function dropFileCache(
  thread: LibcCalls,
  descriptor: number,
  size: number,
): Promise<void> {
  await thread.call("fsync", descriptor);
  try {
    for (let start = 0; start < size; start += WINDOW_BYTES) {
      const length = Math.min(WINDOW_BYTES, size - start);
      await dropWindow(thread, descriptor, BigInt(start), BigInt(length));
    }
  } catch (error) {
    // A file system that cannot map files keeps no pages of them either.
    if (!(error instanceof OsError)) throw error;
  }
}

async function dropWindow(
  thread: LibcCalls,
  descriptor: number,
  start: bigint,
  length: bigint,
): Promise<void> {
  const flags = macos.MAP_SHARED;
  const mapped = await thread.call(
    "mmap",
    0n,
    length,
    macos.PROT_READ,
    flags,
    descriptor,
    start,
  );
  try {
    await thread.call("msync", BigInt(mapped), length, macos.MS_SYNC | macos.MS_INVALIDATE);
  } finally {
    await thread.call("munmap", BigInt(mapped), length);
  }
}

/** What is known of an opened source. */
interface MacosTraits extends PosixTraits {
  /** Undefined for a file. */
  readonly disk: DiskToRead | undefined;
  readonly number: string | undefined;
}

class MacosSource extends PosixSource {
  readonly #disk: DiskToRead | undefined;
  readonly #number: string | undefined;

  constructor(channel: Channel, traits: MacosTraits) {
    super(channel, traits);
    this.#disk = traits.disk;
    this.#number = traits.number;
  }

  protected override async openAgain(thread: LibcCalls): Promise<Channel> {
    if (this.#disk === undefined) throw new Error(`${this.name} is a file`);
    const { channel, size, sectorSize, number } = await openRaw(thread, this.#disk);
    const isSame = size === this.size && sectorSize === this.sectorSize &&
      number === this.#number;
    if (isSame) return channel;
    await closeChannel(channel);
    throw anotherDevice(this.name);
  }

  /**
   * A disk that was unplugged can answer EIO like a bad sector, and go on telling its
   * size; but the kernel takes its node away.
   */
  protected override async isGone(error: ReadError): Promise<boolean> {
    const disk = this.#disk;
    if (disk === undefined) return false;
    if (error.osCode === "ENXIO" || error.osCode === "ENODEV") return true;
    const { thread, descriptor } = this.channel;
    try {
      const { size } = await diskGeometry(thread, descriptor, "read");
      if (size !== this.size) return true;
      disk.queries.stat(rawPathOf(disk.device));
      return false;
    } catch (cause) {
      if (!(cause instanceof OsError)) throw cause;
      return true;
    }
  }
}
