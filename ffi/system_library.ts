/** Libraries that a system may have: used where they are there, done without elsewhere. */

/** The functions of an opened library. */
export type LibrarySymbols<Symbols extends Deno.ForeignLibraryInterface> = Deno.DynamicLibrary<
  Symbols
>["symbols"];

/**
 * Opens a library of Linux by its soname, for the calling thread; undefined on other systems,
 * where it is missing or lacks a function, and where this program may not use it. Nobody is
 * asked for that permission.
 */
export function openLinuxLibrary<const Symbols extends Deno.ForeignLibraryInterface>(
  library: string,
  symbols: Symbols,
): LibrarySymbols<Symbols> | undefined {
  if (Deno.build.os !== "linux") return undefined;
  const { state } = Deno.permissions.querySync({ name: "ffi", path: library });
  if (state !== "granted") return undefined;
  try {
    return Deno.dlopen(library, symbols).symbols;
  } catch {
    return undefined;
  }
}
