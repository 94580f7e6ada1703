/**
 * Native memory: page-aligned, at a fixed address, so that O_DIRECT takes it
 * and every worker can look at it through its pointer without a copy.
 */
import { posixMemory } from "./posix_memory.ts";
import { windowsMemory } from "./windows_memory.ts";

/** Smallest alignment that direct device access accepts everywhere. */
export const PAGE_BYTES = 4096;

/** What memory takes of an operating system. */
export interface MemoryCalls {
  /**
   * Page-aligned memory of that many bytes (not 0); answers its address.
   *
   * @throws {OsError} when the system has none left.
   */
  allocate(length: number): bigint;
  free(address: bigint): void;
  /** Do both begin with the same `length` bytes? */
  equal(a: Uint8Array<ArrayBuffer>, b: Uint8Array<ArrayBuffer>, length: number): boolean;
}

const calls: MemoryCalls = Deno.build.os === "windows" ? windowsMemory : posixMemory;

/** A block of native memory. Its owner frees it, once nobody looks at it. */
export interface NativeMemory extends Disposable {
  /** Address of the first byte. */
  readonly address: bigint;
  /** The memory itself; invalid after it was freed. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Page-aligned memory of `length` bytes; what it holds is anything.
 *
 * @throws {OsError} when the system has none left.
 */
export function allocateAligned(length: number): NativeMemory {
  const address = calls.allocate(Math.max(length, 1));
  return {
    address,
    bytes: nativeBytes(address, length),
    [Symbol.dispose](): void {
      calls.free(address);
    },
  };
}

/** The memory at an address that another thread allocated. No copy is made. */
export function nativeBytes(
  address: bigint,
  length: number,
): Uint8Array<ArrayBuffer> {
  const pointer = Deno.UnsafePointer.create(address);
  if (pointer === null) {
    throw new TypeError("Cannot look at memory: the address is 0");
  }
  return new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(pointer, length));
}

/** The address of the first byte. The caller keeps `bytes` alive while it is used. */
export function addressOf(bytes: Uint8Array<ArrayBuffer>): bigint {
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
}

/** Are both byte for byte the same? By the system's own comparison. */
export function equalBytes(
  a: Uint8Array<ArrayBuffer>,
  b: Uint8Array<ArrayBuffer>,
): boolean {
  return a.length === b.length &&
    (a.length === 0 || calls.equal(a, b, a.length));
}

const zeros = new Uint8Array(64 * 1024);

/** Is every byte zero? Costs next to nothing where the first bytes are not. */
export function isZero(bytes: Uint8Array<ArrayBuffer>): boolean {
  for (let start = 0; start < bytes.length; start += zeros.length) {
    const piece = bytes.subarray(start, start + zeros.length);
    if (!calls.equal(piece, zeros, piece.length)) return false;
  }
  return true;
}
