/** FAT specification 1.03, section "FAT Data Structure", https://download.microsoft.com/download/1/6/1/161ba512-40e2-4cc9-843a-923143f3456c/fatgen103.doc */
import { Buffer } from "node:buffer";
import type { BlockSource, Bytes } from "../../core/block.ts";
import { viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import { piecesOf } from "../../core/range.ts";
import { readAll } from "../used_ranges.ts";
import { ClusterSet } from "./cluster_set.ts";
import type { FatBootSector } from "./fat_boot_sector.ts";
import { activeFat, ENTRY_BITS, isMirrored } from "./fat_checks.ts";
import { entryAt, MARKS } from "./fat_entry.ts";

/** Whole entries of every kind, and whole sectors, in less than 1 MiB. */
const PIECE_BYTES = 3 * 2 ** 18;

/** What the FATs say of the clusters. */
export interface FatClusters {
  /** Those that must be copied. */
  readonly copied: ClusterSet;
  /** Those that the FAT in use gives to a file, or calls bad: the ones that can be read. */
  readonly allocated: ClusterSet;
}

/**
 * Reads which clusters are in use. These are all whose entry is not zero. Bad clusters are
 * among them: a mark is no proof that nothing is there. Where FATs may differ because only
 * one is active, what another one marks is copied, too: some systems do not know of active
 * FATs.
 *
 * At most 128 MiB while it works.
 *
 * @throws {FormatError} when FATs that should be the same differ, the volume is unclean,
 * an entry is impossible, or a file goes on in a cluster that is free.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function readFatClusters(
  volume: BlockSource,
  boot: FatBootSector,
): Promise<FatClusters> {
  const map = new ClusterMap(boot);
  const active = activeFat(boot);
  const length = Math.ceil((boot.clusters + 2) * ENTRY_BITS[boot.kind] / 8);
  for (const piece of piecesOf([{ offset: 0, length }], PIECE_BYTES)) {
    const entry = piece.offset * 8 / ENTRY_BITS[boot.kind];
    let first: Bytes | undefined;
    for (let index = 0; index < boot.BPB_NumFATs; index++) {
      const offset = boot.fatOffset + index * boot.fatBytes + piece.offset;
      const bytes = await readAll(volume, offset, piece.length, "FAT");
      if (first === undefined || !isMirrored(boot)) map.add(bytes, entry, index === active);
      else if (Buffer.compare(first, bytes) !== 0) {
        throw new FormatError("its copies of the FAT are not the same", offset, "FAT");
      }
      first ??= bytes;
    }
  }
  return map.finish();
}

/** Which clusters have an entry, and which ones entries lead to. */
class ClusterMap {
  readonly #boot: FatBootSector;
  readonly #allocated: ClusterSet;
  readonly #reached: ClusterSet;
  /** What is copied beside; mostly there is nothing of the kind. */
  #others: ClusterSet | undefined;

  constructor(boot: FatBootSector) {
    this.#boot = boot;
    this.#allocated = new ClusterSet(boot.clusters);
    this.#reached = new ClusterSet(boot.clusters);
    if (boot.kind === "fat32") this.#reached.add(boot.BPB_RootClus);
  }

  /** Takes entries of a FAT; the first of them belongs to this cluster. */
  add(bytes: Bytes, firstCluster: number, isActive: boolean): void {
    const { kind, clusters } = this.#boot;
    const view = viewOf(bytes);
    const count = Math.min(
      Math.floor(bytes.length * 8 / ENTRY_BITS[kind]),
      clusters + 2 - firstCluster,
    );
    for (let index = 0; index < count; index++) {
      const entry = entryAt(view, index, kind);
      if (firstCluster + index >= 2) this.#take(firstCluster + index, entry, isActive);
      else this.#checkReserved(index, entry & MARKS[kind].mask);
    }
  }

  /** @throws {FormatError} when a file goes on in a free cluster. */
  finish(): FatClusters {
    const cluster = this.#reached.firstMissingIn(this.#allocated);
    if (cluster !== undefined) {
      throw this.#error(
        cluster,
        `a file or directory goes on in cluster ${cluster}, a free one`,
      );
    }
    const allocated = this.#allocated;
    return { allocated, copied: this.#others?.with(allocated) ?? allocated };
  }

  #take(cluster: number, entry: number, isActive: boolean): void {
    if (entry === 0) return;
    const { mask, bad } = MARKS[this.#boot.kind];
    const next = entry & mask;
    if (next !== 0 && next < bad && (next < 2 || next > this.#boot.clusters + 1)) {
      throw this.#error(cluster, `the FAT leads from cluster ${cluster} to ${next}`);
    }
    // FAT32: with nothing but reserved bits it is free. Copying it is no loss.
    if (next === 0 || !isActive) {
      this.#others ??= new ClusterSet(this.#boot.clusters);
      this.#others.add(cluster);
      return;
    }
    this.#allocated.add(cluster);
    if (next < bad) this.#reached.add(next);
  }

  #checkReserved(index: number, value: number): void {
    const { mask, last, clean } = MARKS[this.#boot.kind];
    if (index === 0 && value !== (mask & ~0xff | this.#boot.BPB_Media)) {
      throw this.#error(0, "its FAT does not begin with the media byte of the boot sector");
    }
    if (index === 1 && (value & clean) !== clean) {
      throw this.#error(1, "it was not unmounted cleanly, or had disk errors");
    }
    if (index === 1 && value < last) throw this.#error(1, "the second entry of its FAT is odd");
  }

  #error(cluster: number, message: string): FormatError {
    const { fatOffset, kind } = this.#boot;
    const offset = fatOffset + Math.floor(cluster * ENTRY_BITS[kind] / 8);
    return new FormatError(message, offset, `FAT[${cluster}]`);
  }
}
