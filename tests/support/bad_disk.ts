/**
 * Block devices that misbehave: nbdkit makes the fault, nbdfuse a file of it, losetup
 * a device. The kernel itself answers EIO then.
 */
import { LoopDevice, type LoopOptions } from "./loop_device.ts";
import { run } from "./run_cli.ts";
import { exists, type TemporaryFolder, waitUntil } from "./temporary.ts";

/** The tools of this file, for `needs`. */
export const BAD_DISK_TOOLS = ["root", "losetup", "nbdkit", "nbdfuse", "fusermount3"] as const;

/** A range of bytes. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** A device with nbdkit behind it. */
export class NbdDisk implements AsyncDisposable {
  /** "/dev/loop7" */
  readonly path: string;
  readonly #loop: LoopDevice;
  readonly #file: FuseFile;

  private constructor(loop: LoopDevice, file: FuseFile) {
    this.path = loop.path;
    this.#loop = loop;
    this.#file = file;
  }

  /** `args` are those of nbdkit: filters, plugin, parameters. */
  static async create(
    folder: TemporaryFolder,
    args: readonly string[],
    options: LoopOptions = {},
  ): Promise<NbdDisk> {
    const file = await FuseFile.create(folder, args);
    try {
      return new NbdDisk(await LoopDevice.create(file.path, options), file);
    } catch (error) {
      await file[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Pulls it out: from now on everything fails. */
  async vanish(): Promise<void> {
    await this.#file.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loop[Symbol.asyncDispose]();
    await this.#file[Symbol.asyncDispose]();
  }
}

/** The file that nbdfuse shows. */
class FuseFile implements AsyncDisposable {
  readonly path: string;
  readonly #folder: string;
  readonly #child: Deno.ChildProcess;

  private constructor(folder: string, child: Deno.ChildProcess) {
    this.path = `${folder}/disk`;
    this.#folder = folder;
    this.#child = child;
  }

  static async create(
    folder: TemporaryFolder,
    args: readonly string[],
  ): Promise<FuseFile> {
    const mountPoint = await folder.folder(`nbd_${crypto.randomUUID()}`);
    const child = new Deno.Command("nbdfuse", {
      args: [`${mountPoint}/disk`, "--command", "nbdkit", "-s", "--exit-with-parent", ...args],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const file = new FuseFile(mountPoint, child);
    try {
      await waitUntil("nbdfuse shows its file", () => exists(file.path));
      return file;
    } catch (error) {
      await file.kill();
      throw error;
    }
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run("fusermount3", ["-u", "-z", this.#folder]);
    await this.#child.status;
  }
}

/**
 * A disk that holds `content`, but of which these ranges cannot be read. The page
 * cache of the loop device's file rounds them to 4 KiB: name such ranges.
 */
export async function badDisk(
  folder: TemporaryFolder,
  content: Uint8Array,
  bad: readonly ByteRange[],
  options: LoopOptions = {},
): Promise<NbdDisk> {
  const file = await folder.write(`bad_${crypto.randomUUID()}.img`, content);
  const map = await folder.write(
    `${file.slice(folder.path.length + 1)}.badmap`,
    [
      "# made by a test",
      "0x0 + 1",
      ...mapLines(content.length, bad),
      "",
    ].join("\n"),
  );
  return await NbdDisk.create(
    folder,
    ["--filter=ddrescue", "file", file, `ddrescue-mapfile=${map}`],
    options,
  );
}

function mapLines(size: number, bad: readonly ByteRange[]): string[] {
  const hex = (value: number): string => `0x${value.toString(16).toUpperCase()}`;
  const lines: string[] = [];
  let at = 0;
  for (const { offset, length } of [...bad, { offset: size, length: 0 }]) {
    if (offset > at) lines.push(`${hex(at)} ${hex(offset - at)} +`);
    if (length > 0) lines.push(`${hex(offset)} ${hex(length)} -`);
    at = offset + length;
  }
  return lines;
}

/** What a disk does instead of what it should: lines of shell for nbdkit's eval plugin. */
export interface DiskScripts {
  /** `$FILE` is the content, `$3` the bytes, `$4` the offset; the data is on stdin. */
  readonly pwrite?: string;
  readonly flush?: string;
}

/** Writes as a disk should. */
export const HONEST_PWRITE =
  'dd of="$FILE" bs=1M iflag=fullblock oflag=seek_bytes conv=notrunc status=none seek=$4';

/** A disk with a will of its own. Its page cache is out of the way: what it says counts. */
export async function scriptedDisk(
  folder: TemporaryFolder,
  content: Uint8Array,
  scripts: DiskScripts,
): Promise<NbdDisk> {
  const file = await folder.write(`scripted_${crypto.randomUUID()}.img`, content);
  const { pwrite = HONEST_PWRITE, flush = "exit 0" } = scripts;
  const pread =
    'dd if="$FILE" bs=1M iflag=skip_bytes,count_bytes,fullblock status=none skip=$4 count=$3';
  return await NbdDisk.create(folder, [
    "eval",
    `get_size=echo ${content.length}`,
    "can_write=exit 0",
    "can_flush=exit 0",
    `pread=FILE='${file}'; ${pread}`,
    `pwrite=FILE='${file}'; ${pwrite}`,
    `flush=${flush}`,
  ], { direct: true });
}
