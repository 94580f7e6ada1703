/** The failing devices that rescues are measured on: 1 GiB each, the same every time. */
import { endOf, type Range } from "../../src/core/range.ts";
import { FailingDisk } from "../support/failing_disk.ts";
import type { TemporaryFolder } from "../support/temporary.ts";
import { benchFaults } from "../rescue/simulated_drive.ts";

/** What is wrong with a device. */
export const DISK_KINDS = ["healthy", "scattered", "dead", "clusters"] as const;

/** One of {@linkcode DISK_KINDS}. */
export type DiskKind = typeof DISK_KINDS[number];

/** For people. */
export const DISK_TITLES: Readonly<Record<DiskKind, string>> = {
  healthy: "no bad sector",
  scattered: "200 scattered bad sectors",
  dead: "a dead area",
  clusters: "40 clusters of 4-64 bad sectors",
};

/** How the devices are made. */
export interface DiskSettings {
  readonly kind: DiskKind;
  readonly failureMilliseconds: number;
  /** Bytes of the dead area. */
  readonly deadBytes: number;
  /** Past the page cache of the file below: 512 bytes fail together, not 4096. */
  readonly direct: boolean;
  /** Bytes: 512 or 4096. */
  readonly sectorSize: number;
}

/** A device of the bench and what can be read of it. */
export interface BenchDisk {
  readonly disk: FailingDisk;
  readonly size: number;
  /** Places that fail, as the device below the cache has them. */
  readonly bad: readonly Range[];
  /** Bytes that can be read through the device. */
  readonly readableBytes: number;
  /** The file that holds what should be read. */
  readonly content: string;
  /** Bytes. */
  readonly sectorSize: number;
}

/** Makes one; `content` is shared by all. */
export async function makeBenchDisk(
  folder: TemporaryFolder,
  content: string,
  { kind, failureMilliseconds, deadBytes, direct, sectorSize }: DiskSettings,
): Promise<BenchDisk> {
  const size = 2 ** 30;
  const bad = kind === "healthy" ? [] : benchFaults(kind, 512, 1, deadBytes).bad;
  const disk = await FailingDisk.create(
    folder,
    { file: content, bad, failureMilliseconds },
    { direct, sectorSize },
  );
  const lost = kind === "healthy"
    ? []
    : direct && sectorSize === 512
    ? bad
    : benchFaults(kind, 4096, 1, deadBytes).bad;
  const lostBytes = lost.reduce((sum, range) => sum + range.length, 0);
  return { disk, size, bad, readableBytes: size - lostBytes, content, sectorSize };
}

/** Writes the content: no block of it is zero, so that nothing of an image is a hole. */
export async function writeContent(path: string, size: number): Promise<void> {
  const piece = new Uint32Array(256 * 1024);
  using file = await Deno.open(path, { write: true, create: true });
  for (let at = 0; at < size; at += piece.byteLength) {
    for (let i = 0; i < piece.length; i++) {
      piece[i] = Math.imul(at / 4 + i + 1, 0x9e3779b1) | 1;
    }
    await writeAll(file, new Uint8Array(piece.buffer));
  }
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}

/** Do both files hold the same bytes in these ranges? */
export async function holdSame(
  a: string,
  b: string,
  ranges: readonly Range[],
): Promise<boolean> {
  using left = await Deno.open(a);
  using right = await Deno.open(b);
  const pieces = [new Uint8Array(4 * 2 ** 20), new Uint8Array(4 * 2 ** 20)] as const;
  for (const range of ranges) {
    for (let at = range.offset; at < endOf(range); at += pieces[0].length) {
      const length = Math.min(pieces[0].length, endOf(range) - at);
      for (const [index, file] of [left, right].entries()) {
        const piece = pieces[index === 0 ? 0 : 1];
        await file.seek(at, Deno.SeekMode.Start);
        for (let done = 0; done < length;) {
          const count = await file.read(piece.subarray(done, length));
          if (count === null) return false;
          done += count;
        }
      }
      for (let i = 0; i < length; i++) if (pieces[0][i] !== pieces[1][i]) return false;
    }
  }
  return true;
}
