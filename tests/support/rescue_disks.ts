/** Failing disks that can be read again and again, and what a rescue of them must bring. */
import { assert, assertEquals } from "@std/assert";
import { type ByteRange, NbdDisk } from "./bad_disk.ts";
import { LoopDevice } from "./loop_device.ts";
import { patternBytes } from "./pattern.ts";
import { run, tryRun } from "./run_cli.ts";
import { exists, type TemporaryFolder, waitUntil } from "./temporary.ts";

/** The tools of this file, for `needs`. */
export const RESCUE_DISK_TOOLS = [
  "root",
  "losetup",
  "nbdkit",
  "nbdfuse",
  "fusermount3",
  "ddrescuelog",
] as const;

/** What is wrong with a disk. */
export const FAULTS = ["scattered", "dead", "clusters"] as const;

/** One of {@linkcode FAULTS}. */
export type Fault = typeof FAULTS[number];

/** Random numbers from 0 to 1, the same ones for the same seed. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/**
 * Sectors of 512 bytes that fail, as areas; the same ones for the same seed. None is where
 * {@linkcode diskContent} is zero, nor behind that.
 */
export function faultyPlaces(fault: Fault, size: number, seed = 1): ByteRange[] {
  const random = randomNumbers(seed);
  const sectors = Math.floor(size * 0.7 / 512);
  const bad = new Set<number>();
  const add = (first: number, count: number): void => {
    for (let sector = first; sector < Math.min(sectors, first + count); sector++) {
      bad.add(sector);
    }
  };
  if (fault === "scattered") {
    for (let i = 0; i < 8; i++) add(Math.floor(random() * sectors), 1);
  } else if (fault === "dead") {
    // Neither its beginning nor its end is that of a block.
    add(Math.floor(sectors * 0.4) + 3, Math.floor(sectors * 0.08) + 1);
  } else {
    for (let i = 0; i < 3; i++) {
      const start = Math.floor(random() * (sectors - 256));
      for (let j = 0; j < 5; j++) {
        add(start + Math.floor(random() * 200), 1 + Math.floor(random() * 16));
      }
    }
  }
  return areasOf([...bad].sort((a, b) => a - b));
}

/** Ascending numbers of sectors, as areas. */
export function areasOf(sectors: readonly number[]): ByteRange[] {
  const areas: { offset: number; length: number }[] = [];
  for (const sector of sectors) {
    const last = areas.at(-1);
    if (last !== undefined && last.offset + last.length === sector * 512) last.length += 512;
    else areas.push({ offset: sector * 512, length: 512 });
  }
  return areas;
}

/** What of it fails where the page cache of the loop device's file rounds to 4 KiB. */
export function roundedToPages(areas: readonly ByteRange[]): ByteRange[] {
  const sectors = new Set<number>();
  for (const { offset, length } of areas) {
    const end = Math.ceil((offset + length) / 4096) * 8;
    for (let at = Math.floor(offset / 4096) * 8; at < end; at++) sectors.add(at);
  }
  return areasOf([...sectors].sort((a, b) => a - b));
}

/** Sum of the lengths. */
export function bytesOf(areas: readonly ByteRange[]): number {
  return areas.reduce((sum, { length }) => sum + length, 0);
}

/** Numbered sectors, and a stretch of zeros near the end. */
export function diskContent(size: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = patternBytes(size, { seed });
  const start = Math.floor(size * 0.75 / 4096) * 4096;
  return bytes.fill(0, start, start + Math.floor(size / 8 / 4096) * 4096);
}

/** The bytes with zeros in these places. */
export function withZerosAt(
  bytes: Uint8Array<ArrayBuffer>,
  areas: readonly ByteRange[],
): Uint8Array<ArrayBuffer> {
  const copy = bytes.slice();
  for (const { offset, length } of areas) copy.fill(0, offset, offset + length);
  return copy;
}

/** How a failing disk behaves. */
export interface FailingFileOptions {
  /** Past the page cache: sectors of 512 bytes fail, not pages. */
  readonly direct?: boolean;
  /** What each request costs. */
  readonly delayMilliseconds?: number;
}

/** The arguments of nbdkit for a disk with unreadable places, which a map names. */
async function nbdkitArguments(
  folder: TemporaryFolder,
  file: string,
  bad: readonly ByteRange[],
  { delayMilliseconds = 0 }: FailingFileOptions,
): Promise<string[]> {
  const { size } = await Deno.stat(file);
  const map = await folder.write(`${crypto.randomUUID()}.faults`, faultMap(size, bad));
  return [
    "--filter=delay",
    "--filter=ddrescue",
    "file",
    file,
    `ddrescue-mapfile=${map}`,
    `rdelay=${delayMilliseconds}ms`,
  ];
}

/** A map as nbdkit's filter reads it. */
function faultMap(size: number, bad: readonly ByteRange[]): string {
  const hex = (value: number): string => `0x${value.toString(16).toUpperCase()}`;
  const lines = ["# made by a test", "0x0 + 1"];
  let at = 0;
  for (const { offset, length } of [...bad, { offset: size, length: 0 }]) {
    if (offset > at) lines.push(`${hex(at)} ${hex(offset - at)} +`);
    if (length > 0) lines.push(`${hex(offset)} ${hex(length)} -`);
    at = offset + length;
  }
  return `${lines.join("\n")}\n`;
}

/** A device with the content of a file, of which these places cannot be read. */
export async function failingDisk(
  folder: TemporaryFolder,
  file: string,
  bad: readonly ByteRange[],
  options: FailingFileOptions = {},
): Promise<NbdDisk> {
  const args = await nbdkitArguments(folder, file, bad, options);
  return await NbdDisk.create(folder, args, { direct: options.direct ?? false });
}

/**
 * A disk whose first MiB ends with a bad sector, and on which one read hangs while a file is
 * there.
 */
export async function hangingDisk(
  folder: TemporaryFolder,
  bytes: Uint8Array<ArrayBuffer>,
  hangsAt: number,
  trigger: string,
): Promise<NbdDisk> {
  const file = await folder.write(`hangs_${crypto.randomUUID()}`, bytes);
  const bad = 1024 * 1024 - 512;
  const read = `dd if='${file}' bs=64K iflag=skip_bytes,count_bytes,fullblock status=none ` +
    "skip=$4 count=$3";
  const pread = `end=$(($4 + $3)); ` +
    `if [ $4 -le ${bad} ] && [ $end -gt ${bad} ]; then echo EIO bad >&2; exit 1; fi; ` +
    `if [ -e '${trigger}' ] && [ $4 -le ${hangsAt} ] && [ $end -gt ${hangsAt} ]; ` +
    `then sleep 4; fi; ${read}`;
  const args = ["eval", `get_size=echo ${bytes.length}`, `pread=${pread}`];
  return await NbdDisk.create(folder, args, { direct: true });
}

/** A failing disk that can be pulled out and put in again; its path stays the same. */
export class PluggedDisk implements AsyncDisposable {
  /** As one below /dev/disk/by-id: a link to the device, and nothing while it is away. */
  readonly path: string;
  readonly #folder: TemporaryFolder;
  readonly #bad: readonly ByteRange[];
  readonly #options: FailingFileOptions;
  #plugged: { fuse: Deno.ChildProcess; mountPoint: string; loop: LoopDevice } | undefined;

  constructor(
    folder: TemporaryFolder,
    bad: readonly ByteRange[],
    options: FailingFileOptions = {},
  ) {
    this.path = folder.file(`by-id-${crypto.randomUUID().slice(0, 8)}`);
    this.#folder = folder;
    this.#bad = bad;
    this.#options = options;
  }

  /** Puts a disk with the content of this file in. */
  async plugIn(file: string): Promise<void> {
    const mountPoint = await this.#folder.folder(`nbd_${crypto.randomUUID()}`);
    const args = await nbdkitArguments(this.#folder, file, this.#bad, this.#options);
    const fuse = new Deno.Command("nbdfuse", {
      args: [`${mountPoint}/disk`, "--command", "nbdkit", "-s", "--exit-with-parent", ...args],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    try {
      await waitUntil("nbdfuse shows its file", () => exists(`${mountPoint}/disk`));
      const loop = await LoopDevice.create(`${mountPoint}/disk`, {
        direct: this.#options.direct ?? false,
      });
      this.#plugged = { fuse, mountPoint, loop };
    } catch (error) {
      fuse.kill("SIGKILL");
      await fuse.status;
      await tryRun("fusermount3", ["-u", "-z", mountPoint]);
      throw error;
    }
    await Deno.symlink(this.#plugged.loop.path, this.path);
  }

  /** Pulls it out: every read fails, and its size is 0, as the kernel leaves such a disk. */
  async pull(): Promise<void> {
    if (this.#plugged === undefined) throw new Error("There is no disk to pull out");
    const { fuse, loop } = this.#plugged;
    await Deno.remove(this.path);
    fuse.kill("SIGKILL");
    await fuse.status;
    // The kernel remembers the size of the file for a second.
    await waitUntil("the disk has no size", async () => {
      await run("losetup", ["--set-capacity", loop.path]);
      return await run("blockdev", ["--getsize64", loop.path]) === "0\n";
    });
  }

  /** Cleans up behind a disk that was pulled out. */
  async forget(): Promise<void> {
    if (this.#plugged === undefined) return;
    const { fuse, mountPoint, loop } = this.#plugged;
    this.#plugged = undefined;
    await Deno.remove(this.path).catch(() => {});
    await loop[Symbol.asyncDispose]();
    await tryRun("fusermount3", ["-u", "-z", mountPoint]);
    await fuse.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.forget();
  }
}

/** The areas of these states in a map, as ddrescuelog reads it. */
export async function areasInMap(map: string, states: string): Promise<ByteRange[]> {
  const list = await run("ddrescuelog", ["-b512", `--list-blocks=${states}`, map]);
  return areasOf(list.split("\n").filter((line) => line !== "").map(Number));
}

/** Proves that ddrescuelog takes the map, and that it covers the medium. */
export async function assertMapIsValid(map: string, size: number): Promise<void> {
  const { code, stdout, stderr } = await tryRun("ddrescuelog", ["-t", map]);
  assertEquals(code, 0, stderr);
  const all = await areasInMap(map, "?*/-+");
  assertEquals(all, [{ offset: 0, length: size }], stdout);
}

/** Proves that what a map calls rescued is in the image as it is on the disk. */
export async function assertMapIsHonest(
  image: string,
  map: string,
  content: Uint8Array<ArrayBuffer>,
  story = "",
): Promise<number> {
  const rescued = await areasInMap(map, "+");
  const bytes = await exists(image) ? await Deno.readFile(image) : new Uint8Array(0);
  for (const { offset, length } of rescued) {
    const ours = bytes.subarray(offset, offset + length);
    assertEquals(ours.length, length, `${story}: the image ends before ${offset + length}`);
    const theirs = content.subarray(offset, offset + length);
    const at = ours.findIndex((byte, index) => byte !== theirs[index]);
    assert(at < 0, `${story}: the map calls ${offset + at} rescued, and it is not`);
  }
  return bytesOf(rescued);
}
