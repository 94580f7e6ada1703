/**
 * Native memory: page-aligned, at a fixed address, so that O_DIRECT takes it
 * and every worker can look at it through its pointer without a copy.
 */
import { libc } from "./libc.ts";
import { OsError } from "./os_error.ts";

/** Smallest alignment that direct device access accepts everywhere. */
export const PAGE_BYTES = 4096;

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
 * @throws {OsError} ENOMEM when the system has none left.
 */
export function allocateAligned(length: number): NativeMemory {
  const out = new BigUint64Array(1);
  const error = libc().posix_memalign(
    new Uint8Array(out.buffer),
    BigInt(PAGE_BYTES),
    BigInt(Math.max(length, 1)),
  );
  const address = out[0] ?? 0n;
  if (error !== 0 || address === 0n) {
    throw new OsError("posix_memalign", error || 12);
  }
  return {
    address,
    bytes: nativeBytes(address, length),
    [Symbol.dispose](): void {
      libc().free(Deno.UnsafePointer.create(address));
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

/** Are both byte for byte the same? By the C library's memcmp. */
export function equalBytes(
  a: Uint8Array<ArrayBuffer>,
  b: Uint8Array<ArrayBuffer>,
): boolean {
  return a.length === b.length &&
    (a.length === 0 || libc().memcmp(a, b, BigInt(a.length)) === 0);
}

const zeros = new Uint8Array(64 * 1024);

/** Is every byte zero? Costs next to nothing where the first bytes are not. */
export function isZero(bytes: Uint8Array<ArrayBuffer>): boolean {
  for (let start = 0; start < bytes.length; start += zeros.length) {
    const piece = bytes.subarray(start, start + zeros.length);
    if (libc().memcmp(piece, zeros, BigInt(piece.length)) !== 0) return false;
  }
  return true;
}
