/** Windows' error numbers, with their names and the system's own words. */
import { kernel32 } from "./kernel32.ts";
import { ntdll } from "./ntdll.ts";
import { OsError } from "./os_error.ts";
import { fromWide } from "./layouts.ts";
import { statusName, windowsErrorName, windowsErrorText } from "./windows_error_names.ts";

const FORMAT_MESSAGE_FROM_SYSTEM = 0x1000;
const FORMAT_MESSAGE_IGNORE_INSERTS = 0x200;
const TEXT_CHARACTERS = 512;

/** The system's words for an error, without the full stop; undefined where it has none. */
function systemText(number: number): string | undefined {
  if (Deno.build.os !== "windows") return undefined;
  const buffer = new Uint8Array(TEXT_CHARACTERS * 2);
  const length = kernel32().FormatMessageW(
    FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS,
    null,
    number,
    0,
    buffer,
    TEXT_CHARACTERS,
    null,
  );
  const text = fromWide(buffer.subarray(0, length * 2)).replace(/\s+/g, " ").trim();
  return text.replace(/\.$/, "") || undefined;
}

/** What RtlNtStatusToDosError answers for a status that it does not know. */
const ERROR_MR_MID_NOT_FOUND = 317;
/** Numbers from here on are no Win32 errors: an NTSTATUS of the severity "error". */
const FIRST_ERROR_STATUS = 0xc0000000;

/**
 * The error of a call that failed with this Win32 error number, or with a status that
 * stands for none.
 */
export function windowsError(call: string, number: number): OsError {
  if (number >= FIRST_ERROR_STATUS) {
    return new OsError(call, number, statusName(number), "the system refuses");
  }
  const text = systemText(number) ?? windowsErrorText(number);
  return new OsError(call, number, windowsErrorName(number), text);
}

/** The error of a call that answered this NTSTATUS. */
export function statusError(call: string, status: number): OsError {
  const number = ntdll().RtlNtStatusToDosError(status);
  return windowsError(call, number === ERROR_MR_MID_NOT_FOUND ? status : number);
}
