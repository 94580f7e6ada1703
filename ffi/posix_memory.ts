import { errnoError, libc } from "./libc.ts";
import type { MemoryCalls } from "./memory.ts";

const PAGE_BYTES = 4096n;
const ENOMEM = 12;

/** Memory on Linux and macOS. */
export const posixMemory: MemoryCalls = {
  allocate(length: number): bigint {
    const out = new BigUint64Array(1);
    const memory = new Uint8Array(out.buffer);
    const error = libc().posix_memalign(memory, PAGE_BYTES, BigInt(length));
    const address = out[0] ?? 0n;
    if (error !== 0 || address === 0n) throw errnoError("posix_memalign", error || ENOMEM);
    return address;
  },
  free(address: bigint): void {
    libc().free(Deno.UnsafePointer.create(address));
  },
  equal(a: Uint8Array<ArrayBuffer>, b: Uint8Array<ArrayBuffer>, length: number): boolean {
    return libc().memcmp(a, b, BigInt(length)) === 0;
  },
};
