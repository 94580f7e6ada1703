/**
 * ntdll.dll of Windows: the functions that sectorshot calls. Beside each parameter stands
 * its C type, from Microsoft's documentation of winternl.h and of the kernel's Zw functions
 * of the same names (ntifs.h, wdm.h).
 *
 * These are what CreateFileW, ReadFile, WriteFile and DeviceIoControl call, and they answer
 * an NTSTATUS. The last error of those lives in the thread and can be overwritten before
 * it is read by another call; what a function returns cannot. (An OVERLAPPED tells the
 * status only of requests that began: what the system refuses at once leaves it untouched.)
 */
export const NTDLL_SYMBOLS = {
  /** NTSTATUS NtCreateFile(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES, PIO_STATUS_BLOCK, …); */
  NtCreateFile: {
    parameters: [
      /* PHANDLE */ "buffer",
      /* ACCESS_MASK */ "u32",
      /* POBJECT_ATTRIBUTES */ "buffer",
      /* PIO_STATUS_BLOCK */ "buffer",
      /* PLARGE_INTEGER allocation */ "pointer",
      /* ULONG attributes */ "u32",
      /* ULONG share */ "u32",
      /* ULONG disposition */ "u32",
      /* ULONG options */ "u32",
      /* PVOID extended attributes */ "pointer",
      /* ULONG length */ "u32",
    ],
    result: "u32",
  },
  /** NTSTATUS RtlGetVersion(PRTL_OSVERSIONINFOW); */
  RtlGetVersion: { parameters: [/* PRTL_OSVERSIONINFOW */ "buffer"], result: "u32" },
  /** NTSTATUS NtClose(HANDLE); */
  NtClose: { parameters: [/* HANDLE */ "u64"], result: "u32" },
  /** NTSTATUS NtReadFile(HANDLE, HANDLE event, PIO_APC_ROUTINE, PVOID, PIO_STATUS_BLOCK, …); */
  NtReadFile: {
    parameters: [
      /* HANDLE */ "u64",
      /* HANDLE event */ "u64",
      /* PIO_APC_ROUTINE */ "pointer",
      /* PVOID */ "pointer",
      /* PIO_STATUS_BLOCK */ "buffer",
      /* PVOID */ "pointer",
      /* ULONG length */ "u32",
      /* PLARGE_INTEGER offset */ "buffer",
      /* PULONG key */ "pointer",
    ],
    result: "u32",
  },
  /** NTSTATUS NtWriteFile(HANDLE, HANDLE event, PIO_APC_ROUTINE, PVOID, PIO_STATUS_BLOCK, …); */
  NtWriteFile: {
    parameters: [
      /* HANDLE */ "u64",
      /* HANDLE event */ "u64",
      /* PIO_APC_ROUTINE */ "pointer",
      /* PVOID */ "pointer",
      /* PIO_STATUS_BLOCK */ "buffer",
      /* PVOID */ "pointer",
      /* ULONG length */ "u32",
      /* PLARGE_INTEGER offset */ "buffer",
      /* PULONG key */ "pointer",
    ],
    result: "u32",
  },
  /** NTSTATUS NtDeviceIoControlFile(HANDLE, HANDLE event, PIO_APC_ROUTINE, PVOID, PIO_STATUS_BLOCK, …); */
  NtDeviceIoControlFile: {
    parameters: [
      /* HANDLE */ "u64",
      /* HANDLE event */ "u64",
      /* PIO_APC_ROUTINE */ "pointer",
      /* PVOID */ "pointer",
      /* PIO_STATUS_BLOCK */ "buffer",
      /* ULONG code */ "u32",
      /* PVOID input */ "buffer",
      /* ULONG length */ "u32",
      /* PVOID output */ "buffer",
      /* ULONG length */ "u32",
    ],
    result: "u32",
  },
  /** NTSTATUS NtFsControlFile(HANDLE, HANDLE event, PIO_APC_ROUTINE, PVOID, PIO_STATUS_BLOCK, …); */
  NtFsControlFile: {
    parameters: [
      /* HANDLE */ "u64",
      /* HANDLE event */ "u64",
      /* PIO_APC_ROUTINE */ "pointer",
      /* PVOID */ "pointer",
      /* PIO_STATUS_BLOCK */ "buffer",
      /* ULONG code */ "u32",
      /* PVOID input */ "buffer",
      /* ULONG length */ "u32",
      /* PVOID output */ "buffer",
      /* ULONG length */ "u32",
    ],
    result: "u32",
  },
  /** NTSTATUS NtFlushBuffersFile(HANDLE, PIO_STATUS_BLOCK); */
  NtFlushBuffersFile: {
    parameters: [/* HANDLE */ "u64", /* PIO_STATUS_BLOCK */ "buffer"],
    result: "u32",
  },
  /** NTSTATUS NtSetInformationFile(HANDLE, PIO_STATUS_BLOCK, PVOID, ULONG, FILE_INFORMATION_CLASS); */
  NtSetInformationFile: {
    parameters: [
      /* HANDLE */ "u64",
      /* PIO_STATUS_BLOCK */ "buffer",
      /* PVOID */ "buffer",
      /* ULONG length */ "u32",
      /* FILE_INFORMATION_CLASS */ "i32",
    ],
    result: "u32",
  },
  /** NTSTATUS NtQueryInformationFile(HANDLE, PIO_STATUS_BLOCK, PVOID, ULONG, FILE_INFORMATION_CLASS); */
  NtQueryInformationFile: {
    parameters: [
      /* HANDLE */ "u64",
      /* PIO_STATUS_BLOCK */ "buffer",
      /* PVOID */ "buffer",
      /* ULONG length */ "u32",
      /* FILE_INFORMATION_CLASS */ "i32",
    ],
    result: "u32",
  },
  /** NTSTATUS NtQueryVolumeInformationFile(HANDLE, PIO_STATUS_BLOCK, PVOID, ULONG, FS_INFORMATION_CLASS); */
  NtQueryVolumeInformationFile: {
    parameters: [
      /* HANDLE */ "u64",
      /* PIO_STATUS_BLOCK */ "buffer",
      /* PVOID */ "buffer",
      /* ULONG length */ "u32",
      /* FS_INFORMATION_CLASS */ "i32",
    ],
    result: "u32",
  },
  /** NTSTATUS NtOpenProcessToken(HANDLE process, ACCESS_MASK, PHANDLE token); */
  NtOpenProcessToken: {
    parameters: [/* HANDLE */ "u64", /* ACCESS_MASK */ "u32", /* PHANDLE */ "buffer"],
    result: "u32",
  },
  /** NTSTATUS NtQueryInformationToken(HANDLE, TOKEN_INFORMATION_CLASS, PVOID, ULONG, PULONG); */
  NtQueryInformationToken: {
    parameters: [
      /* HANDLE */ "u64",
      /* TOKEN_INFORMATION_CLASS */ "i32",
      /* PVOID */ "buffer",
      /* ULONG length */ "u32",
      /* PULONG returned */ "buffer",
    ],
    result: "u32",
  },
  /** NTSTATUS NtQuerySystemInformation(SYSTEM_INFORMATION_CLASS, PVOID, ULONG, PULONG); */
  NtQuerySystemInformation: {
    parameters: [
      /* SYSTEM_INFORMATION_CLASS */ "i32",
      /* PVOID */ "buffer",
      /* ULONG length */ "u32",
      /* PULONG returned */ "buffer",
    ],
    result: "u32",
  },
  /** ULONG RtlNtStatusToDosError(NTSTATUS); */
  RtlNtStatusToDosError: { parameters: [/* NTSTATUS */ "u32"], result: "u32" },
  /** SIZE_T RtlCompareMemory(const VOID *, const VOID *, SIZE_T): how many bytes agree. */
  RtlCompareMemory: {
    parameters: [
      /* const VOID * */ "buffer",
      /* const VOID * */ "buffer",
      /* SIZE_T */ "usize",
    ],
    result: "usize",
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** The opened library. */
export type Ntdll = Deno.DynamicLibrary<typeof NTDLL_SYMBOLS>["symbols"];

let opened: Ntdll | undefined;

/** ntdll.dll of this process, opened at the first call. */
export function ntdll(): Ntdll {
  opened ??= Deno.dlopen("ntdll.dll", NTDLL_SYMBOLS).symbols;
  return opened;
}
