/** Disks on Linux: block devices through open, pread, pwrite and ioctl. */
import { type LibcCalls, LibcThread, prepareLibcThread } from "../../ffi/libc_thread.ts";
import * as linux from "../../ffi/linux.ts";
import { errnoError } from "../../ffi/libc.ts";
import { allocateAligned } from "../../ffi/memory.ts";
import { OsError } from "../../ffi/os_error.ts";
import { cString, fromCString } from "../../ffi/strings.ts";
import { readSystemFile, statPath } from "../../ffi/system_files.ts";
import type { BlockSource, Bytes } from "../core/block.ts";
import { type Finding, ImagingError, ReadError } from "../core/errors.ts";
import type { Range } from "../core/range.ts";
import type {
  DeviceBackend,
  DeviceClaim,
  DeviceInfo,
  DeviceSink,
  FileAccess,
  Location,
  OpenSourceOptions,
} from "./device.ts";
import { anotherDevice } from "./device_errors.ts";
import { OpenedSink } from "./opened_device.ts";
import { listLinuxDisks, locateLinux } from "./linux_disks.ts";
import { linuxComputer } from "./linux_host.ts";
import { parseMountInfo } from "./linux_mounts.ts";
import { linuxSystem } from "./linux_system.ts";
import { POSIX_HOST } from "./posix_host.ts";
import { PosixFiles } from "./posix_files.ts";
import {
  type Channel,
  closeChannel,
  environmentError,
  flushChannel,
  ioctlNumber,
  openDescriptor,
  writeChannel,
} from "./posix_io.ts";
import { PosixSource, type PosixTraits } from "./posix_source.ts";

const EROFS = 30;

/** Direct access to a regular file goes by the blocks of its file system's disk. */
const FILE_ALIGNMENT = 4096;

/** Linux. */
export const linuxBackend: DeviceBackend = {
  os: "linux",
  host: {
    ...POSIX_HOST,
    title: "Linux",
    exampleDisk: "/dev/sdb",
    computer: () => linuxComputer(),
  },
  list(): Promise<DeviceInfo[]> {
    return Promise.resolve(listLinuxDisks());
  },
  locate(path: string): Promise<Location> {
    return Promise.resolve(locateLinux(path));
  },
  prepare: prepareLibcThread,
  openSource,
  openSink,
  openFiles(): FileAccess {
    return new PosixFiles(linuxSystem, () => new LibcThread());
  },
  unmount,
};

async function openSource(
  path: string,
  options: OpenSourceOptions = {},
): Promise<BlockSource> {
  const thread = new LibcThread();
  try {
    const isDevice = kindOf(path) === "block";
    return await openOnThread(
      thread,
      path,
      { direct: options.direct ?? isDevice, isDevice },
      true,
    );
  } catch (cause) {
    thread[Symbol.dispose]();
    throw cause instanceof OsError
      ? environmentError(linuxSystem, `cannot open ${path}`, cause)
      : cause;
  }
}

/** What is opened, and how. */
interface OpenTraits {
  readonly direct: boolean;
  readonly isDevice: boolean;
}

/** Opens a source whose calls are made on this thread. */
async function openOnThread(
  thread: LibcCalls,
  path: string,
  { direct, isDevice }: OpenTraits,
  ownsThread: boolean,
): Promise<LinuxSource> {
  const opened = await openForReading(thread, path, direct);
  const { descriptor } = opened;
  const size = isDevice
    ? await ioctlNumber(thread, descriptor, linux.BLKGETSIZE64, 8)
    : statPath(path).size;
  const sectorSize = isDevice ? await ioctlNumber(thread, descriptor, linux.BLKSSZGET, 4) : 512;
  if (direct && !opened.direct) await dropCaches(thread, descriptor, isDevice);
  const alignment = !opened.direct ? 1 : isDevice ? sectorSize : FILE_ALIGNMENT;
  const channel = { system: linuxSystem, thread, descriptor, name: path, alignment };
  const startThread = (): LibcCalls => new LibcThread();
  const number = isDevice ? await deviceNumber(thread, descriptor, path) : undefined;
  const traits = { size, sectorSize, isDevice, ownsThread, startThread };
  return new LinuxSource(channel, { ...traits, number, direct });
}

/** Tells a device from every other one that is open, and its medium from the one before. */
async function deviceNumber(
  thread: LibcCalls,
  descriptor: number,
  path: string,
): Promise<string> {
  return `${statPath(path).rdev} ${await mediumNumberOf(thread, descriptor) ?? ""}`;
}

function kindOf(path: string): string {
  return statPath(path).kind;
}

/** Direct where it works; where the file system does not know it, through the cache. */
async function openForReading(
  thread: LibcCalls,
  path: string,
  direct: boolean,
): Promise<{ descriptor: number; direct: boolean }> {
  if (direct) {
    try {
      const flags = linux.O_RDONLY | linux.O_DIRECT;
      return {
        descriptor: await openDescriptor(linuxSystem, thread, path, flags),
        direct: true,
      };
    } catch (error) {
      if (!(error instanceof OsError && error.code === "EINVAL")) throw error;
    }
  }
  return {
    descriptor: await openDescriptor(linuxSystem, thread, path, linux.O_RDONLY),
    direct: false,
  };
}

/** Without direct access: make the kernel forget, so that reads come from the medium. */
async function dropCaches(
  thread: LibcCalls,
  descriptor: number,
  isDevice: boolean,
): Promise<void> {
  await thread.call("fsync", descriptor);
  await thread.call("posix_fadvise", descriptor, 0n, 0n, linux.POSIX_FADV_DONTNEED);
  if (isDevice) await thread.call("ioctl", descriptor, BigInt(linux.BLKFLSBUF), 0n);
}

/** What is known of an opened source. */
interface LinuxTraits extends PosixTraits {
  /** Undefined for a file. */
  readonly number: string | undefined;
  /** Is it to be read past the caches? */
  readonly direct: boolean;
}

/** Below this, asking for holes costs more than reading them. */
const HOLE_BYTES = 64 * 1024;

class LinuxSource extends PosixSource {
  readonly #traits: LinuxTraits;
  /** Can it have holes, as far as is known? */
  #hasHoles: boolean;
  /** Several reads are refused at once; the descriptor is changed once. */
  #leaving: Promise<void> | undefined;

  constructor(channel: Channel, traits: LinuxTraits) {
    super(channel, traits);
    this.#traits = traits;
    this.#hasHoles = !traits.isDevice;
  }

  /** Is all of this a hole of the file? Then it need not be read. */
  async #isHole(offset: number, length: number): Promise<boolean> {
    if (!this.#hasHoles || length < HOLE_BYTES) return false;
    const { thread, descriptor } = this.channel;
    try {
      const data = await thread.call("lseek", descriptor, BigInt(offset), linux.SEEK_DATA);
      return data >= offset + length;
    } catch (error) {
      if (!(error instanceof OsError)) throw error;
      if (error.code !== "ENXIO") {
        // The file system knows no holes.
        this.#hasHoles = false;
        return false;
      }
      // No data follows: a hole, unless the file was cut meanwhile.
      return await thread.call("lseek", descriptor, 0n, linux.SEEK_END) >= offset + length;
    }
  }

  protected override async transfer(offset: number, into: Bytes): Promise<number> {
    if (await this.#isHole(offset, into.length)) {
      into.fill(0);
      return into.length;
    }
    const { alignment } = this.channel;
    try {
      return await super.transfer(offset, into);
    } catch (error) {
      const isRefused = error instanceof ReadError && error.osCode === "EINVAL" &&
        alignment > 1;
      if (!isRefused) throw error;
      await (this.#leaving ??= this.#leaveDirect());
      return await this.transfer(offset, into);
    }
  }

  /** Some file systems accept O_DIRECT when opening and refuse it when reading. */
  async #leaveDirect(): Promise<void> {
    const { thread, descriptor, name } = this.channel;
    try {
      const plain = await openDescriptor(linuxSystem, thread, name, linux.O_RDONLY);
      await dropCaches(thread, plain, this.#traits.isDevice);
      this.channel = { system: linuxSystem, thread, name, descriptor: plain, alignment: 1 };
    } catch (cause) {
      throw environmentError(linuxSystem, `cannot open ${name} without direct access`, cause);
    }
    await closeChannel({ thread, descriptor });
  }

  /** An unplugged disk answers EIO like a bad sector, but its size is gone. */
  protected override async isGone(): Promise<boolean> {
    if (!this.#traits.isDevice) return false;
    const { thread, descriptor } = this.channel;
    try {
      return await ioctlNumber(thread, descriptor, linux.BLKGETSIZE64, 8) !== this.size;
    } catch (error) {
      if (!(error instanceof OsError)) throw error;
      return true;
    }
  }

  protected override async openAgain(thread: LibcCalls, before: number): Promise<Channel> {
    const { name } = this.channel;
    const { direct, sectorSize } = this.#traits;
    const opened = await openForReading(thread, name, direct);
    const { descriptor } = opened;
    try {
      await this.#checkSame(thread, before, descriptor);
      if (direct && !opened.direct) await dropCaches(thread, descriptor, true);
    } catch (error) {
      await closeChannel({ thread, descriptor });
      throw error;
    }
    this.#leaving = undefined;
    const alignment = opened.direct ? sectorSize : 1;
    return { system: linuxSystem, thread, descriptor, name, alignment };
  }

  /** A disk that was unplugged has no size; another one has another number. */
  async #checkSame(thread: LibcCalls, before: number, now: number): Promise<void> {
    const { name } = this.channel;
    for (const descriptor of [before, now]) {
      const size = await ioctlNumber(thread, descriptor, linux.BLKGETSIZE64, 8);
      if (size !== this.size) throw anotherDevice(name);
    }
    const sectorSize = await ioctlNumber(thread, now, linux.BLKSSZGET, 4);
    const number = await deviceNumber(thread, now, name);
    if (sectorSize !== this.sectorSize || number !== this.#traits.number) {
      throw anotherDevice(name);
    }
  }
}

async function openSink(path: string): Promise<DeviceSink> {
  const thread = new LibcThread();
  let descriptor: number | undefined;
  try {
    if (kindOf(path) !== "block") {
      throw new ImagingError("usage", `cannot write to ${path}: it is not a disk`, {
        hint: "`sectorshot list` shows the disks of this machine",
      });
    }
    // Without O_CREAT: a disk that went away must not become a file under /dev.
    // O_EXCL on a block device: fails with EBUSY while anything else has claimed it.
    const flags = linux.O_RDWR | linux.O_EXCL | linux.O_DIRECT;
    descriptor = await openDescriptor(linuxSystem, thread, path, flags);
    const size = await ioctlNumber(thread, descriptor, linux.BLKGETSIZE64, 8);
    const sectorSize = await ioctlNumber(thread, descriptor, linux.BLKSSZGET, 4);
    if (await ioctlNumber(thread, descriptor, linux.BLKROGET, 4) !== 0) {
      throw errnoError("open", EROFS);
    }
    const channel = {
      system: linuxSystem,
      thread,
      descriptor,
      name: path,
      alignment: sectorSize,
    };
    return new LinuxSink(channel, size, await mediumNumberOf(thread, descriptor));
  } catch (cause) {
    if (descriptor !== undefined) await closeChannel({ thread, descriptor });
    thread[Symbol.dispose]();
    throw cause instanceof OsError
      ? environmentError(linuxSystem, `cannot open ${path} for writing`, cause)
      : cause;
  }
}

/** Linux 5.15 and later. */
async function mediumNumberOf(
  thread: LibcCalls,
  descriptor: number,
): Promise<string | undefined> {
  try {
    return String(await ioctlNumber(thread, descriptor, linux.BLKGETDISKSEQ, 8));
  } catch (error) {
    if (error instanceof OsError && error.code === "ENOTTY") return undefined;
    throw error;
  }
}

class LinuxSink extends OpenedSink implements DeviceSink {
  readonly #channel: Channel;

  constructor(channel: Channel, size: number, mediumNumber: string | undefined) {
    super({ name: channel.name, size, sectorSize: channel.alignment }, mediumNumber);
    this.#channel = channel;
  }

  protected override transfer(offset: number, bytes: Bytes): Promise<void> {
    return writeChannel(this.#channel, offset, bytes);
  }

  writeZeros(range: Range): Promise<boolean> {
    return this.#change(linux.BLKZEROOUT, range);
  }

  discard(range: Range): Promise<boolean> {
    return this.#change(linux.BLKDISCARD, range);
  }

  /**
   * Asks the kernel to change a range. When it does not, whatever the reason, nothing is
   * lost: the bytes are written then, and that tells.
   */
  async #change(request: number, { offset, length }: Range): Promise<boolean> {
    const { thread, descriptor, alignment } = this.#channel;
    const isWhole = offset % alignment === 0 && length % alignment === 0;
    if (!isWhole || offset + length > this.size) return false;
    using memory = allocateAligned(16);
    const view = new DataView(memory.bytes.buffer);
    view.setBigUint64(0, BigInt(offset), true);
    view.setBigUint64(8, BigInt(length), true);
    try {
      await thread.call("ioctl", descriptor, BigInt(request), memory.address);
      return true;
    } catch (error) {
      if (!(error instanceof OsError)) throw error;
      return false;
    }
  }

  flush(): Promise<void> {
    return flushChannel(this.#channel);
  }

  async reread(): Promise<BlockSource> {
    const { thread, name } = this.#channel;
    try {
      return await openOnThread(thread, name, { direct: true, isDevice: true }, false);
    } catch (cause) {
      throw environmentError(linuxSystem, `cannot open ${name} to verify it`, cause);
    }
  }

  async announce(): Promise<Finding[]> {
    const { thread, descriptor, name } = this.#channel;
    try {
      await thread.call("ioctl", descriptor, BigInt(linux.BLKRRPART), 0n);
      return [];
    } catch (error) {
      if (!(error instanceof OsError)) throw error;
      const message = error.code === "EINVAL"
        ? `the kernel looks for no partitions on ${name} (EINVAL)`
        : `the kernel did not read the new partition table of ${name} (${error.code}): ` +
          "unplug it and plug it in again before you use it here";
      return [{ level: "note", message }];
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { thread, descriptor } = this.#channel;
    await closeChannel({ thread, descriptor });
    thread[Symbol.dispose]();
  }
}

/**
 * umount2 takes a place, not a device: what is mounted there last is what it unmounts, and
 * that may be another disk.
 *
 * @throws {ImagingError} when it is.
 */
function checkTopmost(device: string, where: string): void {
  const mounts = parseMountInfo(fromCString(readSystemFile("/proc/self/mountinfo")));
  const top = mounts.findLast(({ mountPoint }) => mountPoint === where);
  // A btrfs of several disks has an anonymous number, and one of them as its source.
  const isOurs = top === undefined || top.source === device ||
    top.number === statPath(device).rdev || top.fileSystem === "btrfs";
  if (isOurs) return;
  throw new ImagingError(
    "environment",
    `cannot unmount ${device} from ${where}: ${top.source} is mounted over it`,
    { hint: `unmount ${top.source} first, if it may go` },
  );
}

async function unmount(claims: readonly DeviceClaim[]): Promise<void> {
  using thread = new LibcThread();
  // Deepest first: what is mounted below another mount point must go before it.
  const mounts = claims.filter((claim) => claim.kind === "mounted")
    .toSorted((a, b) => b.where.length - a.where.length);
  for (const { device, where } of mounts) {
    checkTopmost(device, where);
    try {
      await thread.call("umount2", cString(where), 0);
    } catch (cause) {
      // Not mounted any more: two disks of one btrfs share a mount point.
      if (cause instanceof OsError && cause.code === "EINVAL") continue;
      const error = environmentError(
        linuxSystem,
        `cannot unmount ${device} from ${where}`,
        cause,
      );
      throw new ImagingError("environment", error.message, {
        cause,
        osCode: error.osCode,
        hint: error.osCode === "EBUSY"
          ? `close the programs and terminals that use ${where}, then try again`
          : error.hint,
      });
    }
  }
}
