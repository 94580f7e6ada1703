/** shell32.dll of Windows. Source: Microsoft's documentation of shellapi.h. */
export const SHELL32_SYMBOLS = {
  /** BOOL ShellExecuteExW(SHELLEXECUTEINFOW *); */
  ShellExecuteExW: { parameters: [/* SHELLEXECUTEINFOW * */ "buffer"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The opened library. */
export type Shell32 = Deno.DynamicLibrary<typeof SHELL32_SYMBOLS>["symbols"];

let opened: Shell32 | undefined;

/** shell32.dll of this process, opened at the first call. */
export function shell32(): Shell32 {
  opened ??= Deno.dlopen("shell32.dll", SHELL32_SYMBOLS).symbols;
  return opened;
}
