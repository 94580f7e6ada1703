/** Disks on macOS 12 and later: raw devices through open, pread, pwrite and ioctl. */
import { LibcThread, prepareLibcThread } from "../../ffi/libc_thread.ts";
import { MACOS_PATHS } from "../core/path.ts";
import type { DeviceBackend, FileAccess } from "./device.ts";
import { listMacosDisks, locateMacos, macosQueries } from "./macos_disks.ts";
import { macosComputer } from "./macos_host.ts";
import { openMacosSink } from "./macos_sink.ts";
import { type MacosAccess, openMacosSource } from "./macos_source.ts";
import { macosSystem } from "./macos_system.ts";
import { unmountMacos } from "./macos_unmount.ts";
import { PosixFiles } from "./posix_files.ts";
import { POSIX_HOST } from "./posix_host.ts";

const access: MacosAccess = {
  queries: macosQueries,
  startThread: () => new LibcThread(),
};

/** macOS. */
export const macosBackend: DeviceBackend = {
  os: "darwin",
  host: {
    ...POSIX_HOST,
    paths: MACOS_PATHS,
    title: "macOS",
    exampleDisk: "/dev/disk4",
    computer: () => macosComputer(),
  },
  list: () => listMacosDisks(),
  locate: (path) => locateMacos(path),
  prepare: prepareLibcThread,
  openSource: (path, options = {}) => openMacosSource(path, options, access),
  openSink: (path) => openMacosSink(path, access),
  openFiles: (): FileAccess => new PosixFiles(macosSystem, () => new LibcThread()),
  unmount: (claims) => unmountMacos(claims),
};
