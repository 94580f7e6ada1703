/** The Mac of the samples, for what asks about disks and files. */
import { MACOS_ERRORS } from "../../../ffi/macos_errors.ts";
import type { FileSystemStatus } from "../../../ffi/macos_files.ts";
import { OsError } from "../../../ffi/os_error.ts";
import type { FileStatus } from "../../../ffi/system_files.ts";
import type { MacosQueries } from "../../../src/devices/macos_disks.ts";
import type { DiskutilAnswer } from "../../../src/devices/macos_diskutil.ts";

const read = new Map<string, string>();

/** The content of a sample. */
export function sample(name: string): string {
  const known = read.get(name);
  if (known !== undefined) return known;
  const text = Deno.readTextFileSync(new URL(`${name}.plist`, import.meta.url));
  read.set(name, text);
  return text;
}

/** An error as macOS answers it. */
export function macosFailure(call: string, code: string): OsError {
  const number = Object.entries(MACOS_ERRORS).find(([, [name]]) => name === code)?.[0];
  if (number === undefined) throw new Error(`macOS has no error ${code}`);
  return OsError.named(call, Number(number), MACOS_ERRORS);
}

/** Something that a path names. */
interface SampleFile {
  readonly kind: FileStatus["kind"];
  readonly inode: bigint;
  readonly size?: number;
  /** Where a symbolic link leads. */
  readonly target?: string;
  /** An error instead. */
  readonly error?: string;
}

const ROOT: FileSystemStatus = { type: "apfs", mountPoint: "/", source: "/dev/disk3s1s1" };

/** A Mac whose answers a test can change. */
export class SampleMac implements MacosQueries {
  /** What diskutil was asked, in order. */
  readonly asked: string[] = [];
  /** Answers other than those of the samples, by the arguments. */
  readonly answers = new Map<string, DiskutilAnswer>();
  readonly files = new Map<string, SampleFile>([
    ["/", { kind: "directory", inode: 2n }],
    ["/dev", { kind: "directory", inode: 301n }],
    ["/dev/null", { kind: "character", inode: 302n }],
    ["/dev/disk4", { kind: "block", inode: 640n }],
    ["/dev/rdisk4", { kind: "character", inode: 641n }],
    ["/dev/disk4s1", { kind: "block", inode: 642n }],
    ["/dev/rdisk4s1", { kind: "character", inode: 643n }],
    ["/dev/disk3s5", { kind: "block", inode: 612n }],
    ["/dev/rdisk7", { kind: "character", inode: 671n }],
    ["/dev/disk7s2", { kind: "block", inode: 674n }],
    ["/dev/disk99", { kind: "block", inode: 999n }],
    ["/card", { kind: "block", inode: 640n, target: "/dev/disk4" }],
  ]);
  /** File systems by the path that they are mounted at. */
  readonly fileSystems = new Map<string, FileSystemStatus>([
    ["/", ROOT],
    ["/dev", { type: "devfs", mountPoint: "/dev", source: "devfs" }],
  ]);

  /** Answers an argument list as `diskutil` would. */
  diskutil = (args: readonly string[]): Promise<DiskutilAnswer> => {
    const line = args.join(" ");
    this.asked.push(line);
    const own = this.answers.get(line);
    if (own !== undefined) return Promise.resolve(own);
    const name = {
      "list -plist": "list",
      "appleRAID list -plist": "raid",
    }[line] ?? line.replace(/^info -plist /, "info_");
    try {
      return Promise.resolve({ code: 0, stdout: sample(name), stderr: "" });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      return Promise.resolve({ code: 1, stdout: sample("info_error"), stderr: "" });
    }
  };

  #file(call: string, path: string): SampleFile {
    const file = this.files.get(path);
    if (file?.error !== undefined) throw macosFailure(call, file.error);
    if (file === undefined) throw macosFailure(call, "ENOENT");
    return file;
  }

  stat(path: string): FileStatus {
    const { kind, inode, size = 0 } = this.#file("stat", path);
    const dev = this.fileSystem(path).type === "devfs" ? "5:1" : "1:17";
    return { kind, size, inode, dev, rdev: "1:4", permissions: 0o640 };
  }

  realPath(path: string): string {
    return this.#file("realpath", path).target ?? path;
  }

  fileSystem(path: string): FileSystemStatus {
    const target = this.files.get(path)?.target ?? path;
    const holding = [...this.fileSystems].filter(([place]) =>
      target === place || target.startsWith(place === "/" ? "/" : `${place}/`)
    );
    return holding.toSorted(([a], [b]) => b.length - a.length)[0]?.[1] ?? ROOT;
  }
}
