/** The C library of the system that this runs on: Linux or macOS. */
import { LINUX_ERRORS } from "./linux_errors.ts";
import { LINUX_SYMBOLS, linuxLibc } from "./linux_libc.ts";
import { MACOS_ERRORS } from "./macos_errors.ts";
import { MACOS_SYMBOLS, macosArguments, macosLibc } from "./macos_libc.ts";
import { OsError } from "./os_error.ts";
import type { POSIX_SYMBOLS } from "./posix_symbols.ts";

/** A function of one of the C libraries. */
export type LibcCall = keyof typeof LINUX_SYMBOLS | keyof typeof MACOS_SYMBOLS;

/** An argument; memory travels as an address in a bigint. */
export type LibcArgument = number | bigint | Uint8Array;

/** What both C libraries have. */
export type PosixLibc = Deno.DynamicLibrary<typeof POSIX_SYMBOLS>["symbols"];

const isMacos = Deno.build.os === "darwin";

/** The C library of this process, opened at the first call. */
export function libc(): PosixLibc {
  return isMacos ? macosLibc() : linuxLibc();
}

/**
 * The calling thread's `errno`. Right only when it is read straight after a
 * synchronous call that failed, on the same thread.
 */
export function lastErrno(): number {
  const location = isMacos ? macosLibc().__error() : linuxLibc().__errno_location();
  return location === null ? 0 : new Deno.UnsafePointerView(location).getInt32();
}

/** The error of a call that failed with this `errno`. */
export function errnoError(call: string, errno: number): OsError {
  return OsError.named(call, errno, isMacos ? MACOS_ERRORS : LINUX_ERRORS);
}

/** Types of a function's parameters, as the table has them. */
function parametersOf(call: LibcCall): readonly string[] {
  const table: Readonly<Record<string, { parameters: readonly string[] } | undefined>> = isMacos
    ? MACOS_SYMBOLS
    : LINUX_SYMBOLS;
  const found = table[call];
  if (found === undefined) throw new TypeError(`The C library here has no ${call}`);
  return found.parameters;
}

/**
 * Calls a function by its name. Blocks the calling thread while the function does.
 *
 * @throws {TypeError} for a function that this system does not have, or wrong arguments.
 */
export function callLibc(call: LibcCall, args: readonly LibcArgument[]): number {
  const types = parametersOf(call);
  const placed = isMacos ? macosArguments(call, args) : args;
  const values = placed.map((value, index) =>
    types[index] === "pointer" ? Deno.UnsafePointer.create(value as bigint) : value
  );
  const library: Readonly<Record<string, unknown>> = isMacos ? macosLibc() : linuxLibc();
  const run = library[call] as (...values: unknown[]) => number | bigint;
  return Number(run(...values));
}
