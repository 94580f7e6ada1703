/** VirtualAlloc and VirtualFree: Microsoft, memoryapi.h; RtlCompareMemory: wdm.h. */
import { kernel32 } from "./kernel32.ts";
import type { MemoryCalls } from "./memory.ts";
import { ntdll } from "./ntdll.ts";
import { windowsError } from "./windows_error.ts";

const MEM_COMMIT_RESERVE = 0x3000;
const MEM_RELEASE = 0x8000;
const PAGE_READWRITE = 4;
const ERROR_NOT_ENOUGH_MEMORY = 8;

/** Memory on Windows. */
export const windowsMemory: MemoryCalls = {
  allocate(length: number): bigint {
    const size = BigInt(length);
    const pointer = kernel32().VirtualAlloc(null, size, MEM_COMMIT_RESERVE, PAGE_READWRITE);
    const address = Deno.UnsafePointer.value(pointer);
    if (address === 0n) throw windowsError("VirtualAlloc", ERROR_NOT_ENOUGH_MEMORY);
    return address;
  },
  free(address: bigint): void {
    kernel32().VirtualFree(Deno.UnsafePointer.create(address), 0n, MEM_RELEASE);
  },
  equal(a: Uint8Array<ArrayBuffer>, b: Uint8Array<ArrayBuffer>, length: number): boolean {
    return ntdll().RtlCompareMemory(a, b, BigInt(length)) === BigInt(length);
  },
};
