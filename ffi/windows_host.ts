/**
 * How a program lives with people on Windows: its console, its rights, its command line.
 * These calls don't block, but for waiting for another program, which is done on a thread
 * of the runtime.
 */
import { kernel32 } from "./kernel32.ts";
import {
  fromWide,
  isElevated as isTokenElevated,
  osVersion,
  osVersionInfo,
  shellExecuteInfo,
  SHELLEXECUTEINFOW,
  shellExecuteProcess,
  TOKEN_ELEVATION,
  viewOf,
  wideString,
} from "./layouts.ts";
import { addressOf } from "./memory.ts";
import { ntdll } from "./ntdll.ts";
import { shell32 } from "./shell32.ts";
import { windowsError } from "./windows_error.ts";
import {
  ComputerNamePhysicalDnsHostname,
  ENABLE_VIRTUAL_TERMINAL_PROCESSING,
  INFINITE,
  SEE_MASK_NOASYNC,
  SEE_MASK_NOCLOSEPROCESS,
  STD_ERROR_HANDLE,
  SW_SHOWNORMAL,
  TOKEN_INFORMATION_CLASS,
  TOKEN_QUERY,
} from "./windows_numbers.ts";

const ERROR_CANCELLED = 1223;
/** What ShellExecuteExW leaves in hInstApp: when the person says no, this. */
const SE_ERR_ACCESSDENIED = 5;
/** Numbers above this are no errors. */
const SE_ERR_LAST = 32;
const PATH_CHARACTERS = 32768;
/** Characters of the longest name of a computer: MAX_COMPUTERNAME_LENGTH is less. */
const NAME_CHARACTERS = 1024;

/**
 * Does the console behind stderr understand escape sequences? Switches them on where it
 * can; consoles before Windows 10 cannot.
 */
export function prepareConsole(): boolean {
  const handle = BigInt(kernel32().GetStdHandle(STD_ERROR_HANDLE));
  const mode = new Uint8Array(4);
  if (kernel32().GetConsoleMode(handle, mode) === 0) return false;
  const flags = viewOf(mode).getUint32(0, true);
  if ((flags & ENABLE_VIRTUAL_TERMINAL_PROCESSING) !== 0) return true;
  return kernel32().SetConsoleMode(handle, flags | ENABLE_VIRTUAL_TERMINAL_PROCESSING) !== 0;
}

/** Is this the only program in its console, so that the window closes with it? */
export function ownsConsole(): boolean {
  return kernel32().GetConsoleProcessList(new Uint8Array(8), 2) === 1;
}

/**
 * The name of this computer, as the network knows it; of the node itself where it is one of a
 * cluster. Undefined where it has none.
 */
export function computerName(): string | undefined {
  const name = new Uint8Array(NAME_CHARACTERS * 2);
  const length = new Uint8Array(4);
  viewOf(length).setUint32(0, NAME_CHARACTERS, true);
  const done = kernel32().GetComputerNameExW(ComputerNamePhysicalDnsHostname, name, length);
  return done === 0 ? undefined : fromWide(name) || undefined;
}

/**
 * "10.0.22631": what the system is, whatever the program was made for. Undefined where it does
 * not say.
 */
export function systemVersion(): string | undefined {
  const bytes = osVersionInfo();
  return ntdll().RtlGetVersion(bytes) === 0 ? osVersion(bytes) : undefined;
}

/** Does this program run with the rights of an administrator? */
export function isElevated(): boolean {
  const handle = new Uint8Array(8);
  const process = kernel32().GetCurrentProcess();
  if (ntdll().NtOpenProcessToken(process, TOKEN_QUERY, handle) !== 0) return false;
  const token = viewOf(handle).getBigUint64(0, true);
  const answer = new Uint8Array(TOKEN_ELEVATION.bytes);
  const status = ntdll().NtQueryInformationToken(
    token,
    TOKEN_INFORMATION_CLASS.TokenElevation,
    answer,
    answer.length,
    new Uint8Array(4),
  );
  ntdll().NtClose(token);
  return status === 0 && isTokenElevated(answer);
}

/** The command line as it was given, the program's own name included. */
export function commandLine(): string {
  const pointer = kernel32().GetCommandLineW();
  if (pointer === null) return "";
  const view = new Deno.UnsafePointerView(pointer);
  let text = "";
  for (let at = 0; at < PATH_CHARACTERS * 2; at += 2) {
    const unit = view.getUint16(at);
    if (unit === 0) break;
    text += String.fromCharCode(unit);
  }
  return text;
}

/**
 * A command line without the program's name, each character as it was typed.
 *
 * Microsoft, "Parsing C command-line arguments": the name ends at the first blank outside
 * of quotation marks, and a backslash means nothing special in it.
 */
export function argumentsOf(line: string): string {
  let quoted = false;
  let end = 0;
  for (; end < line.length; end++) {
    const character = line[end];
    if (character === '"') quoted = !quoted;
    else if (!quoted && (character === " " || character === "\t")) break;
  }
  return line.slice(end).trimStart();
}

function currentDirectory(): string {
  const buffer = new Uint8Array(PATH_CHARACTERS * 2);
  kernel32().GetCurrentDirectoryW(PATH_CHARACTERS, buffer);
  return fromWide(buffer);
}

/**
 * Starts a program with the rights of an administrator, in the current folder; the system
 * asks the person. Answers its exit code when it has ended.
 *
 * @throws {OsError} ERROR_CANCELLED when the person says no.
 */
export async function runElevated(program: string, parameters: string): Promise<number> {
  const texts = ["runas", program, parameters, currentDirectory()].map(wideString);
  // One buffer for the structure and all that it points to: they live as long as the call.
  const total = texts.reduce(
    (sum, text) => sum + text.length,
    SHELLEXECUTEINFOW.bytes as number,
  );
  const bytes = new Uint8Array(total);
  let at: number = SHELLEXECUTEINFOW.bytes;
  const [verb = 0n, file = 0n, rest = 0n, directory = 0n] = texts.map((text) => {
    bytes.set(text, at);
    at += text.length;
    return addressOf(bytes) + BigInt(at - text.length);
  });
  bytes.set(shellExecuteInfo({
    mask: SEE_MASK_NOCLOSEPROCESS | SEE_MASK_NOASYNC,
    verb,
    file,
    parameters: rest,
    directory,
    show: SW_SHOWNORMAL,
  }));
  const done = shell32().ShellExecuteExW(bytes);
  const process = shellExecuteProcess(bytes);
  if (done === 0 || process === 0n) {
    const answer = Number(viewOf(bytes).getBigUint64(SHELLEXECUTEINFOW.hInstApp, true));
    const isRefused = answer === SE_ERR_ACCESSDENIED || answer > SE_ERR_LAST;
    throw windowsError("ShellExecuteExW", isRefused ? ERROR_CANCELLED : answer);
  }
  await kernel32().WaitForSingleObject(process, INFINITE);
  const code = new Uint8Array(4);
  kernel32().GetExitCodeProcess(process, code);
  kernel32().CloseHandle(process);
  return viewOf(code).getUint32(0, true);
}
