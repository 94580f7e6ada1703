/** Reading and writing a file descriptor of Linux, aligned as direct access wants it. */
import type { LibcThread } from "../../ffi/libc_thread.ts";
import * as linux from "../../ffi/linux.ts";
import { addressOf, allocateAligned, PAGE_BYTES } from "../../ffi/memory.ts";
import { OsError } from "../../ffi/os_error.ts";
import { cString } from "../../ffi/strings.ts";
import type { Bytes } from "../core/block.ts";
import { ImagingError, ReadError, WriteError } from "../core/errors.ts";

/** "permission denied (EACCES)" becomes an error that says what was tried, and what to do. */
export function environmentError(tried: string, cause: unknown): ImagingError {
  if (!(cause instanceof OsError)) throw cause;
  return new ImagingError("environment", `${tried}: ${cause.message}`, {
    cause,
    osCode: cause.code,
    hint: HINTS[cause.code],
  });
}

const HINTS: Readonly<Record<string, string>> = {
  EACCES: "run it with sudo",
  EPERM: "run it with sudo; if you did, a policy of this system forbids it",
  ENOENT: "check the name; `sectorshot list` shows the disks of this machine",
  ENOMEDIUM: "put a card or disc into the drive",
  EBUSY: "unmount it, or close the program that uses it",
  EROFS: "the medium or its file system is read-only; look for a lock switch",
  ENOSPC: "free some room, or choose another folder, then run the same command again",
  EDQUOT: "the quota is used up: choose another folder, then run the same command again",
  EFBIG: "the file system does not take files of this size: choose another one",
};

/** Opens a path on the thread. */
export function openDescriptor(
  thread: LibcThread,
  path: string,
  flags: number,
): Promise<number> {
  return thread.call("open", cString(path), flags | linux.O_CLOEXEC, 0o644);
}

/**
 * A request that answers a number of 4 or 8 bytes.
 *
 * @throws {OsError}
 */
export async function ioctlNumber(
  thread: LibcThread,
  descriptor: number,
  request: number,
  bytes: 4 | 8,
): Promise<number> {
  using memory = allocateAligned(8);
  await thread.call("ioctl", descriptor, BigInt(request), memory.address);
  const view = new DataView(memory.bytes.buffer);
  return bytes === 4 ? view.getUint32(0, true) : Number(view.getBigUint64(0, true));
}

/**
 * Transfers with pread or pwrite until everything is through, or the end of the
 * medium. Answers the bytes transferred.
 *
 * @throws {OsError} with nothing said about the bytes before the failure.
 */
async function transfer(
  thread: LibcThread,
  call: "pread" | "pwrite",
  descriptor: number,
  address: bigint,
  length: number,
  offset: number,
): Promise<number> {
  let done = 0;
  while (done < length) {
    const count = await thread.call(
      call,
      descriptor,
      address + BigInt(done),
      BigInt(length - done),
      BigInt(offset + done),
    );
    if (count === 0) break;
    done += count;
  }
  return done;
}

/** Are offset, length and memory multiples of the alignment? */
function isAligned(offset: number, bytes: Bytes, alignment: number): boolean {
  return alignment === 1 ||
    (offset % alignment === 0 && bytes.length % alignment === 0 &&
      addressOf(bytes) % BigInt(PAGE_BYTES) === 0n);
}

/** Where a transfer goes: an open file and what its alignment must be. */
export interface Channel {
  readonly thread: LibcThread;
  readonly descriptor: number;
  /** For messages. */
  readonly name: string;
  /** Bytes; 1 where the kernel does not care. */
  readonly alignment: number;
}

/**
 * Reads until `into` is full or the file ends; what is not aligned goes through
 * aligned memory.
 *
 * @throws {ReadError}
 */
export async function readChannel(
  channel: Channel,
  offset: number,
  into: Bytes,
): Promise<number> {
  const { thread, descriptor, alignment } = channel;
  try {
    if (isAligned(offset, into, alignment)) {
      return await transfer(thread, "pread", descriptor, addressOf(into), into.length, offset);
    }
    const start = offset - offset % alignment;
    const end = Math.ceil((offset + into.length) / alignment) * alignment;
    using memory = allocateAligned(end - start);
    const count = await transfer(
      thread,
      "pread",
      descriptor,
      memory.address,
      end - start,
      start,
    );
    const wanted = memory.bytes.subarray(
      offset - start,
      Math.min(count, offset - start + into.length),
    );
    into.set(wanted);
    return wanted.length;
  } catch (cause) {
    if (!(cause instanceof OsError)) throw cause;
    throw new ReadError(
      `cannot read ${channel.name} at byte ${offset}: ${cause.message}`,
      offset,
      { cause, osCode: cause.code, hint: HINTS[cause.code] },
    );
  }
}

/**
 * Writes all bytes. A last sector that is not whole is completed with zeros.
 *
 * @throws {WriteError}
 */
export async function writeChannel(
  channel: Channel,
  offset: number,
  bytes: Bytes,
): Promise<void> {
  const { thread, descriptor, alignment, name } = channel;
  const write = async (address: bigint, length: number, at: number): Promise<void> => {
    const count = await transfer(thread, "pwrite", descriptor, address, length, at);
    if (count !== length) {
      throw new WriteError(
        `cannot write to ${name} at byte ${at + count}: the medium ends there`,
        at + count,
      );
    }
  };
  try {
    if (offset % alignment !== 0) {
      throw new RangeError(`Cannot write to ${name} at byte ${offset}: not on a sector`);
    }
    if (isAligned(offset, bytes, alignment)) {
      await write(addressOf(bytes), bytes.length, offset);
      return;
    }
    const length = Math.ceil(bytes.length / alignment) * alignment;
    using memory = allocateAligned(length);
    memory.bytes.set(bytes);
    memory.bytes.fill(0, bytes.length);
    await write(memory.address, length, offset);
  } catch (cause) {
    if (!(cause instanceof OsError)) throw cause;
    throw new WriteError(
      `cannot write to ${name} at byte ${offset}: ${cause.message}`,
      offset,
      {
        cause,
        osCode: cause.code,
        hint: HINTS[cause.code],
      },
    );
  }
}

/**
 * Closes the descriptor. What an error would say here cannot matter: what had to be
 * durable was flushed before, and the descriptor is gone in any case.
 */
export async function closeChannel(
  { thread, descriptor }: Pick<Channel, "thread" | "descriptor">,
): Promise<void> {
  try {
    await thread.call("close", descriptor);
  } catch (error) {
    if (!(error instanceof OsError)) throw error;
  }
}

/**
 * Waits until the medium has everything.
 *
 * @throws {WriteError} when it lost something.
 */
export async function flushChannel(channel: Channel): Promise<void> {
  try {
    await channel.thread.call("fsync", channel.descriptor);
  } catch (cause) {
    if (!(cause instanceof OsError)) throw cause;
    throw new WriteError(
      `cannot flush ${channel.name}: ${cause.message}; what was written may be lost`,
      0,
      { cause, osCode: cause.code, hint: HINTS[cause.code] },
    );
  }
}
