/**
 * Reading and writing in whole sectors of aligned memory, as direct access to disks wants
 * it, whatever the caller's bytes are like.
 */
import { addressOf, allocateAligned, type NativeMemory, PAGE_BYTES } from "../../ffi/memory.ts";
import { OsError } from "../../ffi/os_error.ts";
import { AbandonedCall } from "../../ffi/system_thread.ts";
import type { Bytes } from "../core/block.ts";
import { ReadError, WriteError } from "../core/errors.ts";

/** An open file or device. */
export interface AlignedIo {
  /** For messages. */
  readonly name: string;
  /** Bytes of which offsets and lengths must be multiples; 1 where nobody cares. */
  readonly alignment: number;
  /** Bytes of the longest request that the device takes; absent where there is no limit. */
  readonly maxBytes?: number | undefined;
  /** What to do about an error of the system. */
  hintFor(code: string): string | undefined;
  /**
   * One request; answers the bytes transferred: 0 at the end.
   *
   * @throws {OsError}
   */
  transfer(
    direction: "read" | "write",
    address: bigint,
    length: number,
    offset: number,
  ): Promise<number>;
}

/** Are offset, length and memory multiples of the alignment? */
function isAligned(offset: number, bytes: Bytes, alignment: number): boolean {
  return alignment === 1 ||
    (offset % alignment === 0 && bytes.length % alignment === 0 &&
      addressOf(bytes) % BigInt(PAGE_BYTES) === 0n);
}

/**
 * Transfers until everything is through, or the end of the medium. Answers the bytes
 * transferred.
 *
 * @throws {OsError} with nothing said about the bytes before the failure.
 */
async function transferAll(
  io: AlignedIo,
  direction: "read" | "write",
  address: bigint,
  length: number,
  offset: number,
): Promise<number> {
  const { maxBytes = Infinity } = io;
  let done = 0;
  while (done < length) {
    const count = await io.transfer(
      direction,
      address + BigInt(done),
      Math.min(length - done, maxBytes),
      offset + done,
    );
    done += count;
    // Behind a part of a sector there is nothing: the file ended within it.
    if (count === 0 || count % io.alignment !== 0) break;
  }
  return done;
}

/**
 * Reads until `into` is full or the medium ends; what is not aligned goes through
 * aligned memory.
 *
 * @throws {ReadError}
 */
export async function readAligned(io: AlignedIo, offset: number, into: Bytes): Promise<number> {
  const { alignment } = io;
  try {
    if (isAligned(offset, into, alignment)) {
      return await transferAll(io, "read", addressOf(into), into.length, offset);
    }
    const start = offset - offset % alignment;
    const end = Math.ceil((offset + into.length) / alignment) * alignment;
    return await withMemory(end - start, async (memory) => {
      const count = await transferAll(io, "read", memory.address, end - start, start);
      const wanted = memory.bytes.subarray(
        offset - start,
        Math.min(count, offset - start + into.length),
      );
      into.set(wanted);
      return wanted.length;
    });
  } catch (cause) {
    if (!(cause instanceof OsError)) throw cause;
    throw readError(io, offset, cause);
  }
}

/**
 * Lends memory to a call; what it holds is anything. It is freed behind the call, or when the
 * system has returned from one that was given up.
 */
export async function withMemory<Result>(
  length: number,
  use: (memory: NativeMemory) => Promise<Result>,
): Promise<Result> {
  const memory = allocateAligned(length);
  let inUse: Promise<void> | undefined;
  try {
    return await use(memory);
  } catch (error) {
    if (error instanceof AbandonedCall) inUse = error.returned;
    throw error;
  } finally {
    if (inUse === undefined) memory[Symbol.dispose]();
    else inUse.then(() => memory[Symbol.dispose]());
  }
}

/** A read that began at `offset` failed. */
export function readError(
  { name, hintFor }: Pick<AlignedIo, "name" | "hintFor">,
  offset: number,
  cause: OsError,
): ReadError {
  return new ReadError(`cannot read ${name} at byte ${offset}: ${cause.message}`, offset, {
    cause,
    osCode: cause.code,
    hint: hintFor(cause.code),
  });
}

/**
 * Writes all bytes. A last sector that is not whole is completed with zeros.
 *
 * @throws {WriteError}
 */
export async function writeAligned(io: AlignedIo, offset: number, bytes: Bytes): Promise<void> {
  const { alignment, name } = io;
  const write = async (address: bigint, length: number): Promise<void> => {
    const count = await transferAll(io, "write", address, length, offset);
    if (count !== length) {
      throw new WriteError(
        `cannot write to ${name} at byte ${offset + count}: the medium ends there`,
        offset + count,
      );
    }
  };
  try {
    if (offset % alignment !== 0) {
      throw new RangeError(`Cannot write to ${name} at byte ${offset}: not on a sector`);
    }
    if (isAligned(offset, bytes, alignment)) {
      await write(addressOf(bytes), bytes.length);
      return;
    }
    const length = Math.ceil(bytes.length / alignment) * alignment;
    using memory = allocateAligned(length);
    memory.bytes.set(bytes);
    memory.bytes.fill(0, bytes.length);
    await write(memory.address, length);
  } catch (cause) {
    if (!(cause instanceof OsError)) throw cause;
    throw new WriteError(
      `cannot write to ${name} at byte ${offset}: ${cause.message}`,
      offset,
      { cause, osCode: cause.code, hint: io.hintFor(cause.code) },
    );
  }
}
