/** Errors that mean the same on every operating system. */
import type { AbandonedCall } from "../../ffi/system_thread.ts";
import { ImagingError, NO_ANSWER, ReadError, WriteError } from "../core/errors.ts";

/** The disk was unplugged, or its medium taken out, while it was read. */
export function wentAway(name: string, error: ReadError): ReadError {
  return new ReadError(
    `cannot read ${name} at byte ${error.offset}: the device went away`,
    error.offset,
    {
      cause: error,
      osCode: "ENODEV",
      hint: "plug it in again, then run the same command to go on",
    },
  );
}

/** A read was given up, since nothing came. */
export function noAnswer(name: string, offset: number, cause: AbandonedCall): ReadError {
  const message = `cannot read ${name} at byte ${offset}: no answer (${NO_ANSWER})`;
  return new ReadError(message, offset, { cause, osCode: NO_ANSWER });
}

/** What was opened again under a name is not what it was before. */
export function anotherDevice(name: string): ImagingError {
  return new ImagingError("environment", `${name} is not the device any more that it was`);
}

/** Somebody writes behind the end of a device of `size` bytes. */
export function tooLarge(name: string, size: number): WriteError {
  return new WriteError(
    `cannot write to ${name}: what comes is larger than its ${size} bytes`,
    size,
    { hint: "choose a larger target" },
  );
}

/** Where a lock is to be made, there is something else. */
export function noLock(path: string): ImagingError {
  return new ImagingError("environment", `cannot lock ${path}: that is something else`, {
    hint: "move it away, or choose another name",
  });
}
