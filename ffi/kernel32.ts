/**
 * kernel32.dll of Windows: the functions that sectorshot calls. Beside each parameter
 * stands its C type, from Microsoft's documentation of fileapi.h, ioapiset.h, memoryapi.h,
 * winbase.h, processthreadsapi.h, sysinfoapi.h and consoleapi.h. BOOL is an int; HANDLE is a pointer,
 * carried as a number since it points at nothing.
 */
export const KERNEL32_SYMBOLS = {
  /** LPVOID VirtualAlloc(LPVOID address, SIZE_T size, DWORD type, DWORD protection); */
  VirtualAlloc: {
    parameters: [
      /* LPVOID */ "pointer",
      /* SIZE_T */ "usize",
      /* DWORD */ "u32",
      /* DWORD */ "u32",
    ],
    result: "pointer",
  },
  /** BOOL VirtualFree(LPVOID address, SIZE_T size, DWORD type); */
  VirtualFree: {
    parameters: [/* LPVOID */ "pointer", /* SIZE_T */ "usize", /* DWORD */ "u32"],
    result: "i32",
  },
  /** DWORD FormatMessageW(DWORD, LPCVOID, DWORD id, DWORD language, LPWSTR, DWORD, va_list *); */
  FormatMessageW: {
    parameters: [
      /* DWORD flags */ "u32",
      /* LPCVOID source */ "pointer",
      /* DWORD id */ "u32",
      /* DWORD language */ "u32",
      /* LPWSTR */ "buffer",
      /* DWORD characters */ "u32",
      /* va_list * */ "pointer",
    ],
    result: "u32",
  },
  /** UINT GetSystemWindowsDirectoryW(LPWSTR, UINT characters); */
  GetSystemWindowsDirectoryW: {
    parameters: [/* LPWSTR */ "buffer", /* UINT */ "u32"],
    result: "u32",
  },
  /** BOOL GetComputerNameExW(COMPUTER_NAME_FORMAT, LPWSTR, LPDWORD characters); */
  GetComputerNameExW: {
    parameters: [
      /* COMPUTER_NAME_FORMAT */ "u32",
      /* LPWSTR */ "buffer",
      /* LPDWORD */ "buffer",
    ],
    result: "i32",
  },
  /** DWORD GetCurrentDirectoryW(DWORD characters, LPWSTR); */
  GetCurrentDirectoryW: {
    parameters: [/* DWORD */ "u32", /* LPWSTR */ "buffer"],
    result: "u32",
  },
  /** DWORD GetFullPathNameW(LPCWSTR, DWORD characters, LPWSTR, LPWSTR *filePart); */
  GetFullPathNameW: {
    parameters: [
      /* LPCWSTR */ "buffer",
      /* DWORD */ "u32",
      /* LPWSTR */ "buffer",
      /* LPWSTR * */ "pointer",
    ],
    result: "u32",
  },
  /** BOOL GetVolumePathNameW(LPCWSTR file, LPWSTR mountPoint, DWORD characters); */
  GetVolumePathNameW: {
    parameters: [/* LPCWSTR */ "buffer", /* LPWSTR */ "buffer", /* DWORD */ "u32"],
    result: "i32",
  },
  /** BOOL GetVolumeNameForVolumeMountPointW(LPCWSTR, LPWSTR volumeName, DWORD characters); */
  GetVolumeNameForVolumeMountPointW: {
    parameters: [/* LPCWSTR */ "buffer", /* LPWSTR */ "buffer", /* DWORD */ "u32"],
    result: "i32",
  },
  /** HANDLE FindFirstVolumeW(LPWSTR volumeName, DWORD characters); */
  FindFirstVolumeW: {
    parameters: [/* LPWSTR */ "buffer", /* DWORD */ "u32"],
    result: "u64",
  },
  /** BOOL FindNextVolumeW(HANDLE, LPWSTR volumeName, DWORD characters); */
  FindNextVolumeW: {
    parameters: [/* HANDLE */ "u64", /* LPWSTR */ "buffer", /* DWORD */ "u32"],
    result: "i32",
  },
  /** BOOL FindVolumeClose(HANDLE); */
  FindVolumeClose: { parameters: [/* HANDLE */ "u64"], result: "i32" },
  /** BOOL GetVolumePathNamesForVolumeNameW(LPCWSTR, LPWCH names, DWORD, PDWORD needed); */
  GetVolumePathNamesForVolumeNameW: {
    parameters: [
      /* LPCWSTR */ "buffer",
      /* LPWCH */ "buffer",
      /* DWORD */ "u32",
      /* PDWORD */ "buffer",
    ],
    result: "i32",
  },
  /** DWORD GetLogicalDrives(void): bit 0 is A: */
  GetLogicalDrives: { parameters: [], result: "u32" },
  /** UINT GetDriveTypeW(LPCWSTR root); */
  GetDriveTypeW: { parameters: [/* LPCWSTR */ "buffer"], result: "u32" },
  /** HANDLE GetStdHandle(DWORD which); */
  GetStdHandle: { parameters: [/* DWORD */ "u32"], result: "u64" },
  /** BOOL GetConsoleMode(HANDLE, LPDWORD mode); */
  GetConsoleMode: {
    parameters: [/* HANDLE */ "u64", /* LPDWORD */ "buffer"],
    result: "i32",
  },
  /** BOOL SetConsoleMode(HANDLE, DWORD mode); */
  SetConsoleMode: { parameters: [/* HANDLE */ "u64", /* DWORD */ "u32"], result: "i32" },
  /** DWORD GetConsoleProcessList(LPDWORD processes, DWORD count); */
  GetConsoleProcessList: {
    parameters: [/* LPDWORD */ "buffer", /* DWORD */ "u32"],
    result: "u32",
  },
  /** LPWSTR GetCommandLineW(void); */
  GetCommandLineW: { parameters: [], result: "pointer" },
  /** HANDLE GetCurrentProcess(void); */
  GetCurrentProcess: { parameters: [], result: "u64" },
  /** DWORD WaitForSingleObject(HANDLE, DWORD milliseconds); */
  WaitForSingleObject: {
    parameters: [/* HANDLE */ "u64", /* DWORD */ "u32"],
    result: "u32",
    nonblocking: true,
  },
  /** BOOL GetExitCodeProcess(HANDLE, LPDWORD code); */
  GetExitCodeProcess: {
    parameters: [/* HANDLE */ "u64", /* LPDWORD */ "buffer"],
    result: "i32",
  },
  /** BOOL CloseHandle(HANDLE); */
  CloseHandle: { parameters: [/* HANDLE */ "u64"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The opened library. */
export type Kernel32 = Deno.DynamicLibrary<typeof KERNEL32_SYMBOLS>["symbols"];

let opened: Kernel32 | undefined;

/** kernel32.dll of this process, opened at the first call. */
export function kernel32(): Kernel32 {
  opened ??= Deno.dlopen("kernel32.dll", KERNEL32_SYMBOLS).symbols;
  return opened;
}
