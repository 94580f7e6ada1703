/** Disks on Windows. */
import {
  argumentsOf,
  commandLine,
  computerName,
  isElevated,
  ownsConsole,
  prepareConsole,
  runElevated,
  systemVersion,
} from "../../ffi/windows_host.ts";
import { OsError } from "../../ffi/os_error.ts";
import {
  prepareWindowsThread,
  type WindowsCalls,
  WindowsThread,
} from "../../ffi/windows_thread.ts";
import type { BlockSource } from "../core/block.ts";
import { ImagingError } from "../core/errors.ts";
import { WINDOWS_PATHS } from "../core/path.ts";
import type {
  DeviceBackend,
  DeviceSink,
  FileAccess,
  Host,
  OpenSourceOptions,
} from "./device.ts";
import { listWindowsDisks, locateWindows } from "./windows_disks.ts";
import { WindowsFiles } from "./windows_files.ts";
import { windowsFailure } from "./windows_io.ts";
import { openWindowsSink } from "./windows_sink.ts";
import { openWindowsSource } from "./windows_source.ts";

const windowsHost: Host = {
  title: "Windows",
  paths: WINDOWS_PATHS,
  exampleDisk: "\\\\.\\PhysicalDrive1",
  // Ctrl-C and Ctrl-Break.
  stopSignals: ["SIGINT", "SIGBREAK"],
  prepareTerminal: prepareConsole,
  ownsTerminal: ownsConsole,
  computer: () => ({ name: computerName(), release: systemVersion() }),
  elevate,
};

/** Windows 10 and later, x64 and arm64. */
export const windowsBackend: DeviceBackend = {
  os: "windows",
  host: windowsHost,
  prepare: prepareWindowsThread,
  openFiles(): FileAccess {
    return new WindowsFiles(() => new WindowsThread(), isElevated);
  },
  list: () => onThread(listWindowsDisks),
  locate: (path) => onThread((calls) => locateWindows(calls, path, isElevated())),
  openSource,
  openSink,
  // Volumes are locked and dismounted when their disk is opened for writing.
  unmount: () => Promise.resolve(),
};

/** Asks on a thread that ends with the answer. */
async function onThread<Result>(
  ask: (calls: WindowsCalls) => Promise<Result>,
): Promise<Result> {
  using thread = new WindowsThread();
  return await ask(thread);
}

async function openSource(
  path: string,
  options: OpenSourceOptions = {},
): Promise<BlockSource> {
  const thread = new WindowsThread();
  try {
    return await openWindowsSource(
      thread,
      path,
      options,
      isElevated(),
      () => new WindowsThread(),
    );
  } catch (cause) {
    thread[Symbol.dispose]();
    throw cause instanceof OsError
      ? windowsFailure(`cannot open ${path}`, cause, "disk", isElevated())
      : cause;
  }
}

async function openSink(path: string): Promise<DeviceSink> {
  const thread = new WindowsThread();
  try {
    return await openWindowsSink(thread, path, isElevated());
  } catch (cause) {
    thread[Symbol.dispose]();
    throw cause instanceof OsError
      ? windowsFailure(`cannot open ${path} for writing`, cause, "disk", isElevated())
      : cause;
  }
}

async function elevate(): Promise<number | undefined> {
  if (isElevated()) return undefined;
  try {
    return await runElevated(Deno.execPath(), argumentsOf(commandLine()));
  } catch (cause) {
    if (!(cause instanceof OsError)) throw cause;
    throw new ImagingError("environment", `cannot get the rights: ${cause.message}`, {
      cause,
      osCode: cause.code,
      hint: "say yes when Windows asks, or use an account that may administer this machine",
    });
  }
}
