/**
 * Reading and writing file descriptors of Linux and macOS, aligned as direct access wants
 * it, and what differs between the two.
 */
import { errnoError } from "../../ffi/libc.ts";
import type { LibcCalls } from "../../ffi/libc_thread.ts";
import { addressOf } from "../../ffi/memory.ts";
import { OsError } from "../../ffi/os_error.ts";
import {
  doneReads,
  isBegun,
  type SeriesRead,
  type SeriesReply,
  seriesState,
  stopSeries,
} from "../../ffi/read_series.ts";
import { cString } from "../../ffi/strings.ts";
import type { FileStatus } from "../../ffi/system_files.ts";
import { AbandonedCall } from "../../ffi/system_thread.ts";
import type { Bytes, PlacedRead, SeriesOutcome } from "../core/block.ts";
import { ImagingError, type ReadError, WriteError } from "../core/errors.ts";
import {
  type AlignedIo,
  readAligned,
  readError,
  withMemory,
  writeAligned,
} from "./aligned_io.ts";
import { noAnswer } from "./device_errors.ts";

/** What Linux and macOS do not have in common. */
export interface PosixSystem {
  /** Flags of open(2). */
  readonly flags: {
    readonly read: number;
    readonly write: number;
    readonly readWrite: number;
    readonly create: number;
    readonly truncate: number;
    readonly directory: number;
    readonly closeOnExec: number;
  };
  /** What to do about an error, by its name. */
  readonly hints: Readonly<Record<string, string>>;
  /** Bytes of a regular file. */
  sizeOf(path: string): number;
  /**
   * What a path names, be it a link, or what a descriptor stands for.
   *
   * @throws {OsError} ENOENT …
   */
  statusOf(named: string | number): FileStatus;
  /**
   * Waits until the medium has all of a file.
   *
   * @throws {OsError}
   */
  flush(thread: LibcCalls, descriptor: number): Promise<unknown>;
  /**
   * Renames; an existing file of the new name is not replaced.
   *
   * @throws {OsError} EEXIST
   */
  renameNew(thread: LibcCalls, from: string, to: string): Promise<unknown>;
}

/** What to do about errors that mean the same on both. */
export const COMMON_HINTS: Readonly<Record<string, string>> = {
  EACCES: "run it with sudo",
  ENOENT: "check the name; `sectorshot list` shows the disks of this machine",
  EROFS: "the medium or its file system is read-only; look for a lock switch",
  ENOSPC: "free some room, or choose another folder, then run the same command again",
  EDQUOT: "the quota is used up: choose another folder, then run the same command again",
  EFBIG: "the file system does not take files of this size: choose another one",
};

/** "permission denied (EACCES)" becomes an error that says what was tried, and what to do. */
export function environmentError(
  { hints }: PosixSystem,
  tried: string,
  cause: unknown,
): ImagingError {
  if (!(cause instanceof OsError)) throw cause;
  return new ImagingError("environment", `${tried}: ${cause.message}`, {
    cause,
    osCode: cause.code,
    hint: hints[cause.code],
  });
}

/** Opens a path on the thread. */
export function openDescriptor(
  system: PosixSystem,
  thread: LibcCalls,
  path: string,
  flags: number,
): Promise<number> {
  return thread.call("open", cString(path), flags | system.flags.closeOnExec, 0o644);
}

/**
 * A request that answers a number of 4 or 8 bytes.
 *
 * @throws {OsError}
 */
export async function ioctlNumber(
  thread: LibcCalls,
  descriptor: number,
  request: number,
  bytes: 4 | 8,
): Promise<number> {
  return await withMemory(8, async (memory) => {
    await thread.call("ioctl", descriptor, BigInt(request), memory.address);
    const view = new DataView(memory.bytes.buffer);
    return bytes === 4 ? view.getUint32(0, true) : Number(view.getBigUint64(0, true));
  });
}

/** Where a transfer goes: an open file and what its alignment must be. */
export interface Channel {
  readonly system: PosixSystem;
  readonly thread: LibcCalls;
  readonly descriptor: number;
  /** For messages. */
  readonly name: string;
  /** Bytes; 1 where the kernel does not care. */
  readonly alignment: number;
  /** Bytes of the longest request that the device takes; absent where there is no limit. */
  readonly maxBytes?: number | undefined;
}

/** A channel as what reads and writes aligned memory. */
function alignedIo({ system, thread, descriptor, ...channel }: Channel): AlignedIo {
  const { name, alignment, maxBytes } = channel;
  return {
    name,
    alignment,
    maxBytes,
    hintFor: (code) => system.hints[code],
    transfer: (direction, address, length, offset) =>
      thread.call(
        direction === "read" ? "pread" : "pwrite",
        descriptor,
        address,
        BigInt(length),
        BigInt(offset),
      ),
  };
}

/**
 * Reads until `into` is full or the file ends.
 *
 * @throws {ReadError}
 */
export function readChannel(channel: Channel, offset: number, into: Bytes): Promise<number> {
  return readAligned(alignedIo(channel), offset, into);
}

/** A series ends behind a read that took so long, and after so long in all. */
const SERIES_LIMITS = { each: 20, all: 100 };

/**
 * Reads places one after the other, as far as that is aligned and brings all bytes; on
 * all `threads` at once. When they are given up together, the reads that hang have failed,
 * with an {@linkcode AbandonedCall} as the cause.
 */
export async function readChannelSeries(
  channel: Channel,
  threads: readonly LibcCalls[],
  reads: readonly PlacedRead[],
): Promise<SeriesOutcome> {
  const { descriptor, alignment } = channel;
  const series = alignedReads(channel, reads);
  const state = seriesState(series.length);
  let abandoned: AbandonedCall | undefined;
  const replies = await Promise.all(threads.map(async (thread): Promise<SeriesReply> => {
    try {
      return await thread.readSeries(descriptor, series, state, SERIES_LIMITS, alignment);
    } catch (error) {
      if (!(error instanceof AbandonedCall)) throw error;
      abandoned = error;
      stopSeries(state);
      return { done: doneReads(state), failed: undefined };
    }
  }));
  const done = new Map(replies.flatMap((reply) => reply.done));
  const failed = replies.flatMap((reply) => reply.failed ?? []);
  const milliseconds: number[] = [];
  for (let index = 0; done.has(index); index++) milliseconds.push(done.get(index) ?? 0);
  const errorAt = (index: number): ReadError | undefined => {
    const errno = failed.find((each) => each.index === index)?.errno;
    const cause = errno === undefined ? undefined : errnoError("pread", errno);
    const isHung = isBegun(state, index) && !done.has(index);
    if (cause === undefined && abandoned !== undefined && isHung) {
      return noAnswer(channel.name, series[index]?.offset ?? 0, abandoned);
    }
    // The request was not as the file system wants it: readAt knows what to do.
    if (cause === undefined || cause.code === "EINVAL") return undefined;
    return readError(alignedIo(channel), series[index]?.offset ?? 0, cause);
  };
  const error = errorAt(milliseconds.length);
  if (error === undefined) return { milliseconds, error };
  const behind = new Map<number, number | ReadError>();
  for (let index = milliseconds.length + 1; index < series.length; index++) {
    const outcome = done.get(index) ?? errorAt(index);
    if (outcome !== undefined) behind.set(index, outcome);
  }
  return { milliseconds, error, behind };
}

/** The first reads, as far as they need no detour. */
function alignedReads(
  { alignment, maxBytes = Infinity }: Channel,
  reads: readonly PlacedRead[],
): SeriesRead[] {
  const series: SeriesRead[] = [];
  for (const { offset, into } of reads) {
    const address = addressOf(into);
    const { length } = into;
    const isAligned = address % BigInt(alignment) === 0n && offset % alignment === 0 &&
      length % alignment === 0;
    if (!isAligned || length > maxBytes) break;
    series.push({ address, length, offset });
  }
  return series;
}

/**
 * Writes all bytes. A last sector that is not whole is completed with zeros.
 *
 * @throws {WriteError}
 */
export function writeChannel(channel: Channel, offset: number, bytes: Bytes): Promise<void> {
  return writeAligned(alignedIo(channel), offset, bytes);
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
    await channel.system.flush(channel.thread, channel.descriptor);
  } catch (cause) {
    if (!(cause instanceof OsError)) throw cause;
    throw new WriteError(
      `cannot flush ${channel.name}: ${cause.message}; what was written may be lost`,
      0,
      { cause, osCode: cause.code, hint: channel.system.hints[cause.code] },
    );
  }
}
