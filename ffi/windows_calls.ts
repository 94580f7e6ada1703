/**
 * What sectorshot asks of Windows: calls that can block, for a thread of their own
 * (windows_worker.ts). Files, devices and volumes are opened and used through ntdll, whose
 * functions return how they ended; kernel32 is asked for names only.
 *
 * Every call throws an {@linkcode OsError} with the Win32 number of the error.
 */
import { kernel32 } from "./kernel32.ts";
import {
  fileRenameInformation,
  fromWide,
  IO_STATUS_BLOCK,
  ioStatus,
  OBJECT_ATTRIBUTES,
  objectAttributes,
  splitMultiString,
  UNICODE_STRING,
  unicodeString,
  viewOf,
  wideString,
} from "./layouts.ts";
import { addressOf } from "./memory.ts";
import { ntdll } from "./ntdll.ts";
import { statusError, windowsError } from "./windows_error.ts";
import {
  FILE_ATTRIBUTE_NORMAL,
  FILE_DEVICE_FILE_SYSTEM,
  FILE_INFORMATION_CLASS,
  INVALID_HANDLE_VALUE,
  OBJ_CASE_INSENSITIVE,
} from "./windows_numbers.ts";

/** How something is opened: the numbers of NtCreateFile. */
export interface OpenOptions {
  readonly access: number;
  readonly share: number;
  readonly disposition: number;
  readonly options: number;
}

/** A volume, as Windows lists them. */
export interface VolumeName {
  /** "\\?\Volume{GUID}", without the closing backslash. */
  readonly name: string;
  /** Where it is mounted: "E:\", "C:\mnt\card\". */
  readonly paths: readonly string[];
}

const STATUS_END_OF_FILE = 0xc0000011;
const STATUS_BEYOND_VDL = 0xc0000432;
/** From here on a status is a failure or a warning with half an answer. */
const FIRST_FAILURE = 0x80000000;
const ERROR_BAD_PATHNAME = 161;
/** Characters of the longest path, with its closing NUL. */
const PATH_CHARACTERS = 32768;

function check(call: string, status: number): void {
  if (status >= FIRST_FAILURE) throw statusError(call, status);
}

/** A text that a function of kernel32 writes; undefined when it answers 0. */
function wideAnswer(ask: (buffer: Uint8Array<ArrayBuffer>) => number): string | undefined {
  const buffer = new Uint8Array(PATH_CHARACTERS * 2);
  return ask(buffer) === 0 ? undefined : fromWide(buffer);
}

/** Absolute, with backslashes, as Windows understands the path. */
function fullPath(path: string): string {
  const full = wideAnswer((buffer) =>
    kernel32().GetFullPathNameW(wideString(path), PATH_CHARACTERS, buffer, null)
  );
  if (full === undefined) throw windowsError("GetFullPathNameW", ERROR_BAD_PATHNAME);
  return full;
}

/**
 * The path as the kernel names it (Microsoft, "Naming Files, Paths, and Namespaces";
 * "File path formats on Windows systems"): without a limit to its length.
 */
function kernelPath(path: string): string {
  // What is behind \\?\ is taken as it is.
  if (path.startsWith("\\\\?\\")) return `\\??\\${path.slice(4)}`;
  const full = fullPath(path);
  if (/^\\\\[.?]\\/.test(full)) return `\\??\\${full.slice(4)}`;
  return full.startsWith("\\\\") ? `\\??\\UNC\\${full.slice(2)}` : `\\??\\${full}`;
}

/** OBJECT_ATTRIBUTES that name a path, in one buffer with what they point to. */
function objectNamed(path: string): Uint8Array<ArrayBuffer> {
  const text = wideString(kernelPath(path));
  const nameAt = OBJECT_ATTRIBUTES.bytes;
  const textAt = nameAt + UNICODE_STRING.bytes;
  const bytes = new Uint8Array(textAt + text.length);
  const address = addressOf(bytes);
  bytes.set(objectAttributes(address + BigInt(nameAt), OBJ_CASE_INSENSITIVE));
  bytes.set(unicodeString(address + BigInt(textAt), text.length), nameAt);
  bytes.set(text, textAt);
  return bytes;
}

/** Opens or makes something; answers its handle. */
function open(path: string, { access, share, disposition, options }: OpenOptions): bigint {
  const handle = new Uint8Array(8);
  const status = ntdll().NtCreateFile(
    handle,
    access >>> 0, // The highest bit is GENERIC_READ.
    objectNamed(path),
    new Uint8Array(IO_STATUS_BLOCK.bytes),
    null,
    FILE_ATTRIBUTE_NORMAL,
    share,
    disposition,
    options,
    null,
    0,
  );
  check("NtCreateFile", status);
  return viewOf(handle).getBigUint64(0, true);
}

/** Gives a handle back. */
function close(handle: bigint): void {
  check("NtClose", ntdll().NtClose(handle));
}

/** A LARGE_INTEGER. */
function largeInteger(value: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8);
  viewOf(bytes).setBigInt64(0, BigInt(value), true);
  return bytes;
}

/** Reads or writes memory; answers the bytes transferred, 0 behind the end of what is read. */
function transfer(
  call: "NtReadFile" | "NtWriteFile",
  handle: bigint,
  address: bigint,
  length: number,
  offset: number,
): number {
  const block = new Uint8Array(IO_STATUS_BLOCK.bytes);
  const memory = Deno.UnsafePointer.create(address);
  const place = largeInteger(offset);
  const status = ntdll()[call](
    handle,
    0n,
    null,
    null,
    block,
    memory,
    length,
    place,
    null,
  );
  const isRead = call === "NtReadFile";
  if (isRead && (status === STATUS_END_OF_FILE || status === STATUS_BEYOND_VDL)) return 0;
  check(call, status);
  return ioStatus(block).information;
}

/** Reads into memory; answers the bytes read: fewer than `length` only at the end. */
function read(handle: bigint, address: bigint, length: number, offset: number): number {
  return transfer("NtReadFile", handle, address, length, offset);
}

/** Writes from memory; answers the bytes written. */
function write(handle: bigint, address: bigint, length: number, offset: number): number {
  return transfer("NtWriteFile", handle, address, length, offset);
}

/** A control code with its question; answers what came back, at most `outputBytes`. */
function control(
  handle: bigint,
  code: number,
  input: Uint8Array<ArrayBuffer> | null,
  outputBytes: number,
): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(IO_STATUS_BLOCK.bytes);
  const output = new Uint8Array(outputBytes);
  const isFileSystem = code >>> 16 === FILE_DEVICE_FILE_SYSTEM;
  const name = isFileSystem ? "NtFsControlFile" : "NtDeviceIoControlFile";
  const status = ntdll()[name](
    handle,
    0n,
    null,
    null,
    block,
    code,
    input,
    input?.length ?? 0,
    outputBytes === 0 ? null : output,
    outputBytes,
  );
  check(name, status);
  return output.subarray(0, Math.min(outputBytes, ioStatus(block).information));
}

/** Waits until the medium has everything. */
function flush(handle: bigint): void {
  const block = new Uint8Array(IO_STATUS_BLOCK.bytes);
  check("NtFlushBuffersFile", ntdll().NtFlushBuffersFile(handle, block));
}

/** Changes something about a file: FILE_INFORMATION_CLASS. */
function setInformation(
  handle: bigint,
  information: Uint8Array<ArrayBuffer>,
  kind: number,
): void {
  const block = new Uint8Array(IO_STATUS_BLOCK.bytes);
  const { length } = information;
  const status = ntdll().NtSetInformationFile(handle, block, information, length, kind);
  check("NtSetInformationFile", status);
}

/** Gives an open file another name. */
function rename(handle: bigint, to: string, replace: boolean): void {
  const information = fileRenameInformation(kernelPath(to), replace);
  setInformation(handle, information, FILE_INFORMATION_CLASS.FileRenameInformation);
}

/** Asks something about a file: FILE_INFORMATION_CLASS. */
function queryInformation(
  handle: bigint,
  bytes: number,
  kind: number,
): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(IO_STATUS_BLOCK.bytes);
  const answer = new Uint8Array(bytes);
  const status = ntdll().NtQueryInformationFile(handle, block, answer, bytes, kind);
  check("NtQueryInformationFile", status);
  return answer;
}

/** Asks something about the volume of a file: FS_INFORMATION_CLASS. */
function queryVolume(handle: bigint, bytes: number, kind: number): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(IO_STATUS_BLOCK.bytes);
  const answer = new Uint8Array(bytes);
  const status = ntdll().NtQueryVolumeInformationFile(handle, block, answer, bytes, kind);
  check("NtQueryVolumeInformationFile", status);
  return answer;
}

/** Every volume of the machine, whether it has a letter or not. */
function volumes(): VolumeName[] {
  const names: VolumeName[] = [];
  const buffer = new Uint8Array(PATH_CHARACTERS * 2);
  const search = kernel32().FindFirstVolumeW(buffer, PATH_CHARACTERS);
  if (BigInt(search) === INVALID_HANDLE_VALUE) return names;
  do {
    const name = fromWide(buffer);
    names.push({ name: name.replace(/\\$/, ""), paths: pathsOf(name) });
  } while (kernel32().FindNextVolumeW(search, buffer, PATH_CHARACTERS) !== 0);
  kernel32().FindVolumeClose(search);
  return names;
}

function pathsOf(volume: string): string[] {
  const buffer = new Uint8Array(PATH_CHARACTERS * 2);
  const done = kernel32().GetVolumePathNamesForVolumeNameW(
    wideString(volume),
    buffer,
    PATH_CHARACTERS,
    new Uint8Array(4),
  );
  return done === 0 ? [] : splitMultiString(buffer);
}

/** The name of the volume that holds a file or folder; undefined for a network's. */
function volumeOf(path: string): string | undefined {
  const mountPoint = wideAnswer((buffer) =>
    kernel32().GetVolumePathNameW(wideString(path), buffer, PATH_CHARACTERS)
  );
  if (mountPoint === undefined) return undefined;
  return wideAnswer((buffer) =>
    kernel32().GetVolumeNameForVolumeMountPointW(
      wideString(mountPoint),
      buffer,
      PATH_CHARACTERS,
    )
  )?.replace(/\\$/, "");
}

/** The folder that Windows itself lives in: "C:\Windows". */
function windowsDirectory(): string | undefined {
  return wideAnswer((buffer) => kernel32().GetSystemWindowsDirectoryW(buffer, PATH_CHARACTERS));
}

/** SYSTEM_INFORMATION_CLASS, SystemSystemPartitionInformation: a UNICODE_STRING. */
const SYSTEM_PARTITION_INFORMATION = 98;

/**
 * The partition that the machine starts from ("\\Device\\HarddiskVolume1"), which can lie on
 * another disk than Windows; undefined where the system does not tell.
 */
function systemPartition(): string | undefined {
  const answer = new Uint8Array(UNICODE_STRING.bytes + PATH_CHARACTERS);
  const status = ntdll().NtQuerySystemInformation(
    SYSTEM_PARTITION_INFORMATION,
    answer,
    answer.length,
    new Uint8Array(4),
  );
  if (status !== 0) return undefined;
  // The text lies behind the structure in the same buffer.
  const view = viewOf(answer);
  const start = Number(view.getBigUint64(UNICODE_STRING.Buffer, true) - addressOf(answer));
  const length = view.getUint16(UNICODE_STRING.Length, true);
  if (start < UNICODE_STRING.bytes || start + length > answer.length) return undefined;
  return fromWide(answer.subarray(start, start + length)) || undefined;
}

/** What stands behind "E:\": DRIVE_REMOVABLE, DRIVE_REMOTE … */
function driveType(root: string): number {
  return kernel32().GetDriveTypeW(wideString(root));
}

/** Every call, by its name. */
export const WINDOWS_CALLS = {
  open,
  close,
  read,
  write,
  control,
  flush,
  setInformation,
  rename,
  queryInformation,
  queryVolume,
  fullPath,
  volumes,
  volumeOf,
  windowsDirectory,
  systemPartition,
  driveType,
} as const;

/** The name of a call. */
export type WindowsCall = keyof typeof WINDOWS_CALLS;
