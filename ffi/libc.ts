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
  return errnoView().getInt32();
}

let view: Deno.UnsafePointerView | undefined;

/**
 * This thread's errno; it stays at its place. Looked for before the first call: to ask for it
 * behind a call that failed could run the garbage collector, whose own system calls leave
 * another number there.
 */
function errnoView(): Deno.UnsafePointerView {
  if (view !== undefined) return view;
  const location = isMacos ? macosLibc().__error() : linuxLibc().__errno_location();
  if (location === null) throw new Error("The C library has no errno");
  return view = new Deno.UnsafePointerView(location);
}

/** How often a failing call is repeated until its errno can be believed. */
const MOST_ATTEMPTS = 10;

/**
 * Makes a call that changes nothing when it fails, and answers what it did; a failure is
 * believed when two in a row have the same errno. Between a call and the look at errno the
 * runtime may wait for a lock of its own, which leaves EAGAIN there: seen on busy machines.
 *
 * @throws {OsError}
 */
export function believed<Result>(
  call: string,
  run: () => Result,
  isFailure: (result: Result) => boolean,
): Result {
  errnoView();
  let before: number | undefined;
  for (let attempt = 1;; attempt++) {
    const result = run();
    if (!isFailure(result)) return result;
    const errno = lastErrno();
    if (errno === before || attempt === MOST_ATTEMPTS) throw errnoError(call, errno);
    before = errno;
  }
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
  errnoView();
  const types = parametersOf(call);
  const placed = isMacos ? macosArguments(call, args) : args;
  const values = placed.map((value, index) =>
    types[index] === "pointer" ? Deno.UnsafePointer.create(value as bigint) : value
  );
  const library: Readonly<Record<string, unknown>> = isMacos ? macosLibc() : linuxLibc();
  const run = library[call] as (...values: unknown[]) => number | bigint;
  return Number(run(...values));
}
