/** Ordinary files on Windows. */
import {
  FILE_STANDARD_INFORMATION,
  fileDispositionInformation,
  fileEndOfFileInformation,
  fileStandardInformation,
  fileZeroDataInformation,
} from "../../ffi/layouts.ts";
import { OsError } from "../../ffi/os_error.ts";
import type { OpenOptions } from "../../ffi/windows_calls.ts";
import * as windows from "../../ffi/windows_numbers.ts";
import type { WindowsCalls } from "../../ffi/windows_thread.ts";
import type { Bytes } from "../core/block.ts";
import { ImagingError } from "../core/errors.ts";
import { WINDOWS_PATHS } from "../core/path.ts";
import type { FileAccess, ImageFile } from "./device.ts";
import { noLock } from "./device_errors.ts";
import {
  closeHandle,
  control,
  flushChannel,
  isWindowsError,
  OPENINGS,
  readChannel,
  type WindowsChannel,
  windowsFailure,
  writeChannel,
} from "./windows_io.ts";
import { type Clock, type Patience, patiently, REAL_CLOCK } from "./windows_patience.ts";

/** Small files are read whole up to this many bytes. */
const READ_LIMIT = 256 * 1024 * 1024;

const { FILE_INFORMATION_CLASS } = windows;

/** An image: others may read it, and we rename it while it is open; nobody else writes. */
const IMAGE_OPENING: OpenOptions = {
  access: windows.GENERIC_READ | windows.GENERIC_WRITE | windows.SYNCHRONIZE,
  share: windows.FILE_SHARE_READ | windows.FILE_SHARE_DELETE,
  disposition: windows.FILE_OPEN_IF,
  options: windows.FILE_SYNCHRONOUS_IO_NONALERT | windows.FILE_NON_DIRECTORY_FILE,
};

const REPLACING_OPENING: OpenOptions = {
  ...IMAGE_OPENING,
  disposition: windows.FILE_OVERWRITE_IF,
};

/** An image's opening, with the right to remove: who has it shuts out whoever wants the same. */
const LOCK_OPENING: OpenOptions = {
  ...IMAGE_OPENING,
  access: IMAGE_OPENING.access | windows.DELETE,
};

/** To rename or remove; written through, so that the new name is durable. */
const NAMING_OPENING: OpenOptions = {
  ...OPENINGS.query,
  access: windows.DELETE | windows.FILE_READ_ATTRIBUTES | windows.SYNCHRONIZE,
  options: windows.FILE_SYNCHRONOUS_IO_NONALERT | windows.FILE_NON_DIRECTORY_FILE |
    windows.FILE_WRITE_THROUGH | windows.FILE_OPEN_REPARSE_POINT,
};

/** Three seconds in all: a read of hours must not end because a scanner was curious. */
const NAMING: Patience = {
  attempts: 7,
  firstWaitMilliseconds: 50,
  isPassing: ({ code }) =>
    ["ERROR_ACCESS_DENIED", "ERROR_SHARING_VIOLATION", "ERROR_LOCK_VIOLATION"].includes(code),
};

/** One that is just being removed is gone soon. */
const LOCKING: Patience = {
  ...NAMING,
  isPassing: ({ code }) => code === "ERROR_ACCESS_DENIED",
};

/** Errors of a name that is not there. */
const MISSING = ["ERROR_FILE_NOT_FOUND", "ERROR_PATH_NOT_FOUND"];

/** Errors of file systems that have no holes. */
const NOT_SPARSE = [
  "ERROR_INVALID_FUNCTION",
  "ERROR_NOT_SUPPORTED",
  "ERROR_INVALID_PARAMETER",
];

/** Where a file is written before it gets its name. */
function temporaryOf(path: string): string {
  return `${path}.tmp`;
}

/** Bytes of an open file. */
export async function sizeOfFile(calls: WindowsCalls, handle: bigint): Promise<number> {
  const answer = await calls.call(
    "queryInformation",
    handle,
    FILE_STANDARD_INFORMATION.bytes,
    FILE_INFORMATION_CLASS.FileStandardInformation,
  );
  return fileStandardInformation(answer).size;
}

/** Files through one thread: its calls are made in the order in which they were asked for. */
export class WindowsFiles implements FileAccess {
  readonly #startThread: () => WindowsCalls;
  readonly #elevated: () => boolean;
  #thread: WindowsCalls | undefined;

  readonly #clock: Clock;

  /** The thread is started when it is needed, and ended with the files. */
  constructor(
    startThread: () => WindowsCalls,
    elevated: () => boolean,
    clock: Clock = REAL_CLOCK,
  ) {
    this.#clock = clock;
    this.#startThread = startThread;
    this.#elevated = elevated;
  }

  get #calls(): WindowsCalls {
    return this.#thread ??= this.#startThread();
  }

  async openImage(path: string, sparse = true): Promise<ImageFile> {
    const channel = await this.#open(path, IMAGE_OPENING);
    const { calls, handle } = channel;
    try {
      const isSparse = sparse && await becomeSparse(calls, handle);
      return new WindowsImageFile(channel, await sizeOfFile(calls, handle), isSparse);
    } catch (cause) {
      await closeHandle(calls, handle);
      throw this.#failure(`cannot open ${path}`, cause);
    }
  }

  async lock(path: string): Promise<AsyncDisposable | undefined> {
    let channel: WindowsChannel;
    try {
      channel = await this.#open(path, LOCK_OPENING, LOCKING);
    } catch (error) {
      if (!(error instanceof ImagingError)) throw error;
      if (error.osCode === "ERROR_SHARING_VIOLATION") return undefined;
      throw error;
    }
    const { calls, handle } = channel;
    try {
      if (await sizeOfFile(calls, handle) > 0) throw noLock(path);
      return heldLock(calls, handle);
    } catch (cause) {
      await closeHandle(calls, handle);
      throw this.#failure(`cannot lock ${path}`, cause);
    }
  }

  async read(path: string, limit = READ_LIMIT): Promise<Bytes | undefined> {
    const calls = this.#calls;
    let handle: bigint;
    try {
      handle = await calls.call("open", path, OPENINGS.read);
    } catch (cause) {
      if (isWindowsError(cause, ...MISSING)) return undefined;
      throw this.#failure(`cannot open ${path}`, cause);
    }
    try {
      const size = await sizeOfFile(calls, handle);
      if (size > limit) {
        throw new ImagingError(
          "environment",
          `cannot read ${path}: ${size} bytes are too many`,
        );
      }
      const content = new Uint8Array(size);
      return content.subarray(0, await readChannel(this.#channel(path, handle), 0, content));
    } finally {
      await closeHandle(calls, handle);
    }
  }

  async writeAtomically(path: string, content: Uint8Array): Promise<void> {
    const temporary = temporaryOf(path);
    const channel = await this.#open(temporary, REPLACING_OPENING, NAMING);
    try {
      await writeChannel(channel, 0, new Uint8Array(content));
      await flushChannel(channel);
    } catch (error) {
      await closeHandle(channel.calls, channel.handle);
      await this.remove(temporary).catch(() => {}); // The first error tells more.
      throw error;
    }
    await closeHandle(channel.calls, channel.handle);
    await this.rename(temporary, path, true);
  }

  async rename(from: string, to: string, replace: boolean): Promise<void> {
    const calls = this.#calls;
    let handle: bigint | undefined;
    try {
      handle = await this.#patiently(() => calls.call("open", from, NAMING_OPENING));
      const opened = handle;
      await this.#patiently(() => calls.call("rename", opened, to, replace));
    } catch (cause) {
      if (isWindowsError(cause, "ERROR_ALREADY_EXISTS", "ERROR_FILE_EXISTS")) {
        throw new ImagingError(
          "environment",
          `cannot name the result ${to}: it exists by now`,
          { cause, hint: `the complete image is ${from}: move it yourself` },
        );
      }
      throw this.#failure(`cannot rename ${from} to ${to}`, cause);
    } finally {
      if (handle !== undefined) await closeHandle(calls, handle);
    }
  }

  async remove(path: string): Promise<void> {
    const calls = this.#calls;
    for (const each of [path, temporaryOf(path)]) {
      let handle: bigint | undefined;
      try {
        handle = await this.#patiently(() => calls.call("open", each, NAMING_OPENING));
        await calls.call(
          "setInformation",
          handle,
          fileDispositionInformation(true),
          FILE_INFORMATION_CLASS.FileDispositionInformation,
        );
      } catch (cause) {
        if (isWindowsError(cause, ...MISSING)) continue;
        throw this.#failure(`cannot remove ${each}`, cause);
      } finally {
        if (handle !== undefined) await closeHandle(calls, handle);
      }
    }
  }

  async #open(
    path: string,
    opening: OpenOptions,
    patience?: Patience,
  ): Promise<WindowsChannel> {
    const attempt = (): Promise<bigint> => this.#calls.call("open", path, opening);
    try {
      const handle = patience === undefined
        ? await attempt()
        : await patiently(patience, this.#clock, attempt);
      return this.#channel(path, handle);
    } catch (cause) {
      if (isWindowsError(cause, "ERROR_SHARING_VIOLATION")) {
        throw new ImagingError(
          "environment",
          `cannot write ${path}: another run is writing it`,
          { cause, osCode: "ERROR_SHARING_VIOLATION", hint: "wait for it to end, or stop it" },
        );
      }
      const error = this.#failure(`cannot create ${path}`, cause);
      if (error.osCode !== "ERROR_PATH_NOT_FOUND") throw error;
      throw new ImagingError("environment", error.message, {
        cause,
        osCode: error.osCode,
        hint: `make the folder ${WINDOWS_PATHS.folderOf(path)} first`,
      });
    }
  }

  /** Whoever looks at a file that was just made, or keeps it open, lets go soon. */
  #patiently<Result>(attempt: () => Promise<Result>): Promise<Result> {
    return patiently(NAMING, this.#clock, attempt);
  }

  #channel(name: string, handle: bigint): WindowsChannel {
    const elevated = this.#elevated();
    return { calls: this.#calls, handle, name, alignment: 1, attempt: "file", elevated };
  }

  #failure(tried: string, cause: unknown): ImagingError {
    return windowsFailure(tried, cause, "file", this.#elevated());
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#thread?.[Symbol.dispose]();
    return Promise.resolve();
  }
}

/** The file goes with its handle; nobody can open it in between. */
function heldLock(calls: WindowsCalls, handle: bigint): AsyncDisposable {
  return {
    async [Symbol.asyncDispose](): Promise<void> {
      try {
        await calls.call(
          "setInformation",
          handle,
          fileDispositionInformation(true),
          FILE_INFORMATION_CLASS.FileDispositionInformation,
        );
      } catch (error) {
        // What stays is taken over by the next one.
        if (!(error instanceof OsError)) throw error;
      }
      await closeHandle(calls, handle);
    },
  };
}

/** Lets a file have holes; false where its file system knows none. */
async function becomeSparse(calls: WindowsCalls, handle: bigint): Promise<boolean> {
  try {
    await control(calls, handle, windows.FSCTL_SET_SPARSE);
    return true;
  } catch (error) {
    if (!isWindowsError(error, ...NOT_SPARSE)) throw error;
    return false;
  }
}

class WindowsImageFile implements ImageFile {
  readonly name: string;
  readonly sectorSize = 512;
  readonly #channel: WindowsChannel;
  readonly #isSparse: boolean;
  #initialSize: number;
  /** Where the file ends now. */
  #end: number;

  constructor(channel: WindowsChannel, initialSize: number, isSparse: boolean) {
    this.name = channel.name;
    this.#channel = channel;
    this.#isSparse = isSparse;
    this.#initialSize = initialSize;
    this.#end = initialSize;
  }

  get initialSize(): number {
    return this.#initialSize;
  }

  async writeAt(offset: number, bytes: Bytes): Promise<void> {
    // All of it is asked for at once: what is asked for later must not come between.
    const calls = offset > this.#end ? this.#leaveHole(offset) : [];
    this.#end = Math.max(this.#end, offset + bytes.length);
    await Promise.all([...calls, writeChannel(this.#channel, offset, bytes)]);
  }

  flush(): Promise<void> {
    return flushChannel(this.#channel);
  }

  async setSize(bytes: number): Promise<void> {
    this.#initialSize = Math.min(this.#initialSize, bytes);
    const calls = bytes > this.#end ? this.#leaveHole(bytes) : [this.#setEnd(bytes)];
    this.#end = bytes;
    await Promise.all(calls);
  }

  /** Extends the file by zeros that take no room, where its file system can do that. */
  #leaveHole(end: number): Promise<void>[] {
    const start = this.#end;
    this.#end = end;
    const extended = this.#setEnd(end);
    return this.#isSparse ? [extended, this.#punchHole(start, end)] : [extended];
  }

  /** The bytes from `start` to `end` become zeros that take no room. */
  async #punchHole(start: number, end: number): Promise<void> {
    const { calls, handle } = this.#channel;
    try {
      const hole = fileZeroDataInformation(start, end);
      await calls.call("control", handle, windows.FSCTL_SET_ZERO_DATA, hole, 0);
    } catch (error) {
      // What a file is extended by reads as zeros anyway; it may take room then.
      if (!isWindowsError(error, ...NOT_SPARSE)) throw this.#failure(error, end);
    }
  }

  async #setEnd(bytes: number): Promise<void> {
    const { calls, handle } = this.#channel;
    try {
      await calls.call(
        "setInformation",
        handle,
        fileEndOfFileInformation(bytes),
        FILE_INFORMATION_CLASS.FileEndOfFileInformation,
      );
    } catch (cause) {
      throw this.#failure(cause, bytes);
    }
  }

  #failure(cause: unknown, bytes: number): unknown {
    if (!(cause instanceof OsError)) return cause;
    const { name, attempt, elevated } = this.#channel;
    return windowsFailure(`cannot make ${name} ${bytes} bytes long`, cause, attempt, elevated);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeHandle(this.#channel.calls, this.#channel.handle);
  }
}
