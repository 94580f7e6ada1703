/** FAT specification 1.03, section "FAT Data Structure", https://download.microsoft.com/download/1/6/1/161ba512-40e2-4cc9-843a-923143f3456c/fatgen103.doc */
import type { BlockSource } from "../../core/block.ts";
import { viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import type { Range } from "../../core/range.ts";
import { appendRange, readAll } from "../used_ranges.ts";
import type { FatBootSector } from "./fat_boot_sector.ts";
import { activeFat, ENTRY_BITS } from "./fat_checks.ts";
import { entryAt, MARKS } from "./fat_entry.ts";

/** Whole sectors of every kind of entry, 6 to 16 KiB. */
const WINDOW_ENTRIES = 4096;
/** At most 4 MiB. */
const MAX_WINDOWS = 256;

/** Follows chains of clusters in the active FAT. */
export class FatChains {
  readonly #volume: BlockSource;
  readonly #boot: FatBootSector;
  /** By the number of the first entry. */
  readonly #windows = new Map<number, DataView>();

  constructor(volume: BlockSource, boot: FatBootSector) {
    this.#volume = volume;
    this.#boot = boot;
  }

  /**
   * Where a chain is, in its order; neighbours are joined. `visit` is called with each
   * cluster: it throws where the chain may not go on.
   *
   * @throws {FormatError} when it leads to something that is no cluster of a file.
   * @throws {ReadError} when the medium does not deliver.
   */
  async runs(first: number, visit: (cluster: number) => void): Promise<Range[]> {
    const { clusters, clusterBytes, dataOffset, kind } = this.#boot;
    const runs: { offset: number; length: number }[] = [];
    for (let cluster = first; cluster < MARKS[kind].last;) {
      if (cluster < 2 || cluster > clusters + 1) {
        throw this.#error(cluster, `a directory goes on in cluster ${cluster}`);
      }
      visit(cluster);
      appendRange(runs, dataOffset + (cluster - 2) * clusterBytes, clusterBytes);
      cluster = await this.#next(cluster);
    }
    return runs;
  }

  async #next(cluster: number): Promise<number> {
    const { kind } = this.#boot;
    const start = cluster - cluster % WINDOW_ENTRIES;
    const window = this.#windows.get(start) ?? await this.#load(start);
    return entryAt(window, cluster - start, kind) & MARKS[kind].mask;
  }

  async #load(start: number): Promise<DataView> {
    const { fatOffset, fatBytes, clusters, kind } = this.#boot;
    const entries = Math.min(WINDOW_ENTRIES, clusters + 2 - start);
    const window = viewOf(
      await readAll(
        this.#volume,
        fatOffset + activeFat(this.#boot) * fatBytes + start * ENTRY_BITS[kind] / 8,
        Math.ceil(entries * ENTRY_BITS[kind] / 8),
        "FAT",
      ),
    );
    const [oldest] = this.#windows.keys();
    if (oldest !== undefined && this.#windows.size >= MAX_WINDOWS) {
      this.#windows.delete(oldest);
    }
    this.#windows.set(start, window);
    return window;
  }

  #error(cluster: number, message: string): FormatError {
    const { fatOffset, kind } = this.#boot;
    const offset = fatOffset + Math.floor(cluster * ENTRY_BITS[kind] / 8);
    return new FormatError(message, offset, `FAT[${cluster}]`);
  }
}
