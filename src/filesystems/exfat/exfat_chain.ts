/** exFAT specification, sections 4 and 5, https://learn.microsoft.com/en-us/windows/win32/fileio/exfat-specification */
import type { BlockSource, Bytes } from "../../core/block.ts";
import { viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import { piecesOf, type Range } from "../../core/range.ts";
import { appendRange, readAll } from "../used_ranges.ts";
import type { ExfatBootSector } from "./exfat_boot_sector.ts";

// FAT (section 4.1): an entry of 32 bits for each cluster.
//   FatEntry[0]  the media byte, F8h, and ones above it
//   FatEntry[1]  FFFFFFFFh
//   FatEntry[n]  2 …: the next cluster; FFFFFFF7h: bad; FFFFFFFFh: the last one
const FIRST_ENTRY = 0xfffffff8;
const LAST_CLUSTER = 0xffffffff;
const ENTRY_BYTES = 4;
const WINDOW_ENTRIES = 1024;
/** At most 4 MiB. */
const MAX_WINDOWS = 1024;
const PIECE_BYTES = 1024 * 1024;

/** The clusters of an exFAT volume, and the FAT that chains them. */
export class ExfatClusters {
  readonly #volume: BlockSource;
  readonly #boot: ExfatBootSector;
  /** Parts of the FAT, by the number of their first entry. */
  readonly #windows = new Map<number, DataView>();

  constructor(volume: BlockSource, boot: ExfatBootSector) {
    this.#volume = volume;
    this.#boot = boot;
  }

  /** @throws {FormatError} when the first entries are not those of a FAT. */
  async checkFirstEntries(): Promise<void> {
    const { FatOffset, sectorBytes } = this.#boot;
    const first = await this.#entry(0);
    const second = await this.#entry(1);
    if (first === FIRST_ENTRY && second === LAST_CLUSTER) return;
    throw new FormatError("its FAT begins oddly", FatOffset * sectorBytes, "FatEntry[0]");
  }

  /**
   * Where a chain of clusters is, in its order; neighbours are joined. A chain that goes
   * in a circle has more than `maxClusters`.
   *
   * @throws {FormatError} when it leaves the volume, or does not end before.
   * @throws {ReadError} when the medium does not deliver.
   */
  async chain(first: number, maxClusters: number, what: string): Promise<Range[]> {
    const { clusterBytes } = this.#boot;
    const runs: { offset: number; length: number }[] = [];
    let count = 0;
    await this.follow(first, what, (cluster) => {
      if (++count > maxClusters) {
        throw this.#error(cluster, `its ${what} has no end after ${maxClusters} clusters`);
      }
      appendRange(runs, this.place(cluster), clusterBytes);
    });
    return runs;
  }

  /**
   * Calls `visit` with each cluster of a chain, in its order. It must throw when there are
   * too many: a chain can go in a circle.
   *
   * @throws {FormatError} when it leaves the volume.
   * @throws {ReadError} when the medium does not deliver.
   */
  async follow(
    first: number,
    what: string,
    visit: (cluster: number) => void,
  ): Promise<void> {
    for (let cluster = first; cluster !== LAST_CLUSTER;) {
      if (cluster < 2 || cluster > this.#boot.ClusterCount + 1) {
        throw this.#error(cluster, `its ${what} leads to cluster ${cluster}`);
      }
      visit(cluster);
      // Waiting, even for nothing, takes longer than everything else here.
      cluster = this.#loaded(cluster) ?? await this.#entry(cluster);
    }
  }

  /** Byte offset of a cluster. */
  place(cluster: number): number {
    const { ClusterHeapOffset, clusterBytes, sectorBytes } = this.#boot;
    return ClusterHeapOffset * sectorBytes + (cluster - 2) * clusterBytes;
  }

  /** The first `length` bytes of a chain, in pieces of at most 1 MiB. */
  async *read(runs: readonly Range[], length: number, what: string): AsyncGenerator<Bytes> {
    let left = length;
    for (const piece of piecesOf(runs, PIECE_BYTES)) {
      if (left <= 0) return;
      const bytes = Math.min(left, piece.length);
      yield await readAll(this.#volume, piece.offset, bytes, what);
      left -= bytes;
    }
  }

  #loaded(index: number): number | undefined {
    const at = index % WINDOW_ENTRIES;
    return this.#windows.get(index - at)?.getUint32(at * ENTRY_BYTES, true);
  }

  async #entry(index: number): Promise<number> {
    const { FatOffset, ClusterCount, sectorBytes } = this.#boot;
    const at = index % WINDOW_ENTRIES;
    const start = index - at;
    const bytes = await readAll(
      this.#volume,
      FatOffset * sectorBytes + start * ENTRY_BYTES,
      Math.min(WINDOW_ENTRIES, ClusterCount + 2 - start) * ENTRY_BYTES,
      "FAT",
    );
    const [oldest] = this.#windows.keys();
    if (oldest !== undefined && this.#windows.size >= MAX_WINDOWS) {
      this.#windows.delete(oldest);
    }
    this.#windows.set(start, viewOf(bytes));
    return viewOf(bytes).getUint32(at * ENTRY_BYTES, true);
  }

  #error(cluster: number, message: string): FormatError {
    const { FatOffset, sectorBytes } = this.#boot;
    const offset = FatOffset * sectorBytes + cluster * ENTRY_BYTES;
    return new FormatError(message, offset, `FatEntry[${cluster}]`);
  }
}
