/**
 * What is mounted, and what the system swaps to.
 *
 * Sources: proc_pid_mountinfo(5) and proc_swaps(5); escapes as in
 * fs/seq_file.c, mangle_path; overlay's options as in
 * Documentation/filesystems/overlayfs.rst.
 */
import { FormatError } from "../core/errors.ts";

/** One mount of this process's view of the file system. */
export interface Mount {
  /**
   * "major:minor" of the file system. Major 0 is anonymous: it says nothing about
   * the disk beneath (btrfs, overlay, FUSE, network …).
   */
  readonly number: string;
  readonly mountPoint: string;
  /** "ext4" */
  readonly fileSystem: string;
  /** "/dev/sda2", "overlay", "pool/dataset": whatever the file system calls it. */
  readonly source: string;
  /** Options of the file system itself, separated by commas. */
  readonly options: string;
}

/** One swap area. */
export interface Swap {
  readonly path: string;
  readonly kind: "partition" | "file";
}

/**
 * The lines of /proc/PID/mountinfo, in their order: of two mounts at the same place
 * the later one is on top.
 *
 * @throws {FormatError} when a line has not the promised fields.
 */
export function parseMountInfo(text: string): Mount[] {
  // id parent major:minor root mount-point options [optional …] - type source super-options
  return linesOf(text).map((line, index) => {
    const fields = line.split(" ");
    const dash = fields.indexOf("-", 6);
    const [, , number, , mountPoint] = fields;
    const [fileSystem, source, options] = dash < 0 ? [] : fields.slice(dash + 1);
    if (
      mountPoint === undefined || fileSystem === undefined || source === undefined ||
      number === undefined || !/^\d+:\d+$/.test(number)
    ) {
      throw new FormatError(`mountinfo line ${index + 1} is odd: ${line}`, index + 1, "mount");
    }
    return {
      number,
      mountPoint: unescapeOctal(mountPoint),
      fileSystem,
      source: unescapeOctal(source),
      options: unescapeOctal(options ?? ""),
    };
  });
}

/**
 * The lines of /proc/swaps, without the title line.
 *
 * @throws {FormatError} when a line has not the promised fields.
 */
export function parseSwaps(text: string): Swap[] {
  return linesOf(text).slice(1).map((line, index) => {
    const [path, kind] = line.split(/\s+/);
    if (path === undefined || (kind !== "partition" && kind !== "file")) {
      throw new FormatError(`swaps line ${index + 2} is odd: ${line}`, index + 2, "Type");
    }
    return { path: unescapeOctal(path), kind };
  });
}

function linesOf(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

/** "\040" is a blank: three octal digits after a backslash are one ASCII character. */
export function unescapeOctal(text: string): string {
  return text.replace(
    /\\([0-7]{3})/g,
    (_, octal: string) => String.fromCharCode(parseInt(octal, 8)),
  );
}

/** The mount that an absolute path without symbolic links lies in. */
export function mountHolding(mounts: readonly Mount[], path: string): Mount | undefined {
  let best: Mount | undefined;
  for (const mount of mounts) {
    const deeper = mount.mountPoint.length >= (best?.mountPoint.length ?? 0);
    if (deeper && isBelow(path, mount.mountPoint)) best = mount;
  }
  return best;
}

function isBelow(path: string, directory: string): boolean {
  return path === directory ||
    path.startsWith(directory.endsWith("/") ? directory : `${directory}/`);
}

/** The directories that an overlay mount is made of; empty for any other mount. */
export function overlayLayers(mount: Mount): string[] {
  if (mount.fileSystem !== "overlay") return [];
  // In values, "\:" and "\," are a colon and a comma that separate nothing.
  return mount.options.split(/(?<!\\),/).flatMap((option) => {
    const [, name, value] = /^(lowerdir\+?|datadir\+|upperdir|workdir)=(.*)$/.exec(option) ??
      [];
    if (value === undefined) return [];
    const layers = name === "lowerdir" ? value.split(/(?<!\\):+/) : [value];
    return layers.map((layer) => layer.replace(/\\(.)/g, "$1"));
  }).filter((layer) => layer.startsWith("/"));
}
