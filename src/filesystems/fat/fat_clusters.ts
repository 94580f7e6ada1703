/** FAT specification 1.03, section "FAT Data Structure", https://download.microsoft.com/download/1/6/1/161ba512-40e2-4cc9-843a-923143f3456c/fatgen103.doc */
import { Buffer } from "node:buffer";
import type { BlockSource, Bytes } from "../../core/block.ts";
import { viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import { piecesOf } from "../../core/range.ts";
import { readAll } from "../used_ranges.ts";
import type { FatBootSector } from "./fat_boot_sector.ts";
import { ENTRY_BITS, isMirrored } from "./fat_checks.ts";

// An entry for each cluster, of 12, 16 or 32 bits; of the 32 bits the upper four are
// reserved and not part of the value. With the ones of 16 and 32 bits before them:
//   000h         free
//   002h …       the next cluster of the file
//   FF7h         bad: no file uses it
//   FF8h to FFFh the last cluster of a file
// FAT[0]: the media byte, and ones above it.
// FAT[1]: a last cluster's mark; in FAT16 and FAT32 the highest two bits of the value
// say that the volume was unmounted cleanly and that no disk error was seen.

/** Whole entries of every kind, and whole sectors, in less than 1 MiB. */
const PIECE_BYTES = 3 * 2 ** 18;

/** What the values of entries mean. */
interface EntryMarks {
  /** The bits that are the value. */
  readonly mask: number;
  readonly bad: number;
  /** This and greater: the last of a file. */
  readonly last: number;
  /** Set in FAT[1] when all is well. */
  readonly clean: number;
}

const MARKS: Readonly<Record<FatBootSector["kind"], EntryMarks>> = {
  fat12: { mask: 0xfff, bad: 0xff7, last: 0xff8, clean: 0 },
  fat16: { mask: 0xffff, bad: 0xfff7, last: 0xfff8, clean: 0xc000 },
  fat32: { mask: 0x0fffffff, bad: 0x0ffffff7, last: 0x0ffffff8, clean: 0x0c000000 },
};

/**
 * Reads which clusters are in use: a bit each, cluster 2 is the lowest bit of the first
 * byte. These are all whose entry is not zero. Bad clusters are among them: a mark is no
 * proof that nothing is there. Where FATs may differ because only one is active, a cluster
 * is free when all of them say so: some systems do not know of active FATs.
 *
 * At most 32 MiB, and as much while it works.
 *
 * @throws {FormatError} when FATs that should be the same differ, the volume is unclean,
 * an entry is impossible, or a file goes on in a cluster that is free.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function readUsedClusters(
  volume: BlockSource,
  boot: FatBootSector,
): Promise<Uint8Array> {
  const map = new ClusterMap(boot);
  const length = Math.ceil((boot.clusters + 2) * ENTRY_BITS[boot.kind] / 8);
  for (const piece of piecesOf([{ offset: 0, length }], PIECE_BYTES)) {
    const copies: Bytes[] = [];
    for (let index = 0; index < boot.BPB_NumFATs; index++) {
      const offset = boot.fatOffset + index * boot.fatBytes + piece.offset;
      const bytes = await readAll(volume, offset, piece.length, "FAT");
      const first = copies[0];
      if (first === undefined || !isMirrored(boot)) copies.push(bytes);
      else if (Buffer.compare(first, bytes) !== 0) {
        throw new FormatError("its copies of the FAT are not the same", offset, "FAT");
      }
    }
    const entry = piece.offset * 8 / ENTRY_BITS[boot.kind];
    for (const bytes of copies) map.add(bytes, entry);
  }
  return map.finish();
}

/** Which clusters have an entry, and which ones entries lead to. */
class ClusterMap {
  readonly #boot: FatBootSector;
  readonly #marks: EntryMarks;
  readonly #used: Uint8Array;
  readonly #reached: Uint8Array;

  constructor(boot: FatBootSector) {
    this.#boot = boot;
    this.#marks = MARKS[boot.kind];
    this.#used = new Uint8Array(Math.ceil(boot.clusters / 8));
    this.#reached = new Uint8Array(this.#used.length);
    if (boot.kind === "fat32") this.#reach(boot.BPB_RootClus);
  }

  /** Takes entries of a FAT; the first of them belongs to this cluster. */
  add(bytes: Bytes, firstCluster: number): void {
    const { kind, clusters } = this.#boot;
    const view = viewOf(bytes);
    const count = Math.min(
      Math.floor(bytes.length * 8 / ENTRY_BITS[kind]),
      clusters + 2 - firstCluster,
    );
    for (let index = 0; index < count; index++) {
      const entry = kind === "fat32"
        ? view.getUint32(index * 4, true)
        : kind === "fat16"
        ? view.getUint16(index * 2, true)
        : entry12(view, index);
      if (firstCluster + index >= 2) this.#take(firstCluster + index, entry);
      else this.#checkReserved(index, entry & this.#marks.mask);
    }
  }

  /** @throws {FormatError} when a file goes on in a free cluster. */
  finish(): Uint8Array {
    for (let index = 0; index < this.#used.length; index++) {
      const lost = (this.#reached[index] ?? 0) & ~(this.#used[index] ?? 0);
      if (lost === 0) continue;
      const cluster = index * 8 + 31 - Math.clz32(lost) + 2;
      throw this.#error(
        cluster,
        `a file or directory goes on in cluster ${cluster}, a free one`,
      );
    }
    return this.#used;
  }

  #take(cluster: number, entry: number): void {
    // FAT32: with nothing but reserved bits it is free. Copying it is no loss.
    if (entry === 0) return;
    const { mask, bad } = this.#marks;
    const at = cluster - 2;
    this.#used[at >>> 3] = (this.#used[at >>> 3] ?? 0) | 1 << (at & 7);
    const next = entry & mask;
    if (next === 0 || next >= bad) return;
    if (next < 2 || next > this.#boot.clusters + 1) {
      throw this.#error(cluster, `the FAT leads from cluster ${cluster} to ${next}`);
    }
    this.#reach(next);
  }

  #reach(cluster: number): void {
    const at = cluster - 2;
    this.#reached[at >>> 3] = (this.#reached[at >>> 3] ?? 0) | 1 << (at & 7);
  }

  #checkReserved(index: number, value: number): void {
    const { mask, last, clean } = this.#marks;
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

/** Entries of 12 bits: two in three bytes. */
function entry12(view: DataView, index: number): number {
  const pair = view.getUint16(index + (index >>> 1), true);
  return index % 2 === 0 ? pair & 0xfff : pair >>> 4;
}
