/** Btrfs on-disk format, sections "EXTENT_ITEM", "METADATA_ITEM" and "BLOCK_GROUP_ITEM", https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html */
import { safeNumber, viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import type { UsedRanges } from "../used_ranges.ts";
import { type BtrfsChunk, type BtrfsChunkMap, DATA, METADATA, SYSTEM } from "./btrfs_chunks.ts";
import type { BtrfsSuperblock } from "./btrfs_superblock.ts";
import type { BtrfsItem } from "./btrfs_tree.ts";

// An extent; the objectid of its key is its logical address, the offset its length, or in
// a METADATA_ITEM its level; little endian:
//   0  8 refs
//  16  8 flags: 1 data, 2 tree block
const EXTENT_ITEM = 168;
const METADATA_ITEM = 169;
const MIN_EXTENT_BYTES = 24;
const DATA_FLAG = 1n;
const TREE_BLOCK_FLAG = 2n;
const MAX_LEVEL = 7n;

// Who uses the extent before; the objectid is that extent's: TREE_BLOCK_REF,
// EXTENT_DATA_REF, SHARED_BLOCK_REF, SHARED_DATA_REF.
const REFERENCES: readonly number[] = [176, 178, 182, 184];

// A block group; the key holds its logical address and its length, which are a chunk's:
//   0  8 used
//  16  8 flags, the chunk's type
const BLOCK_GROUP_ITEM = 192;
const MIN_BLOCK_GROUP_BYTES = 24;

/** Takes the items of the extent tree and of the block groups, and compares them. */
export class BtrfsExtents {
  readonly #superblock: BtrfsSuperblock;
  readonly #chunks: BtrfsChunkMap;
  readonly #used: UsedRanges;
  /** Bytes of the extents of each chunk. */
  readonly #bytes = new Map<BtrfsChunk, number>();
  /** What the block group of each chunk says about that. */
  readonly #claims = new Map<BtrfsChunk, number>();
  #lastStart = -1;
  #lastEnd = 0;

  constructor(superblock: BtrfsSuperblock, chunks: BtrfsChunkMap, used: UsedRanges) {
    this.#superblock = superblock;
    this.#chunks = chunks;
    this.#used = used;
  }

  /** Takes the next item of the extent tree. @throws {FormatError} */
  addExtentItem(item: BtrfsItem): void {
    if (item.type === EXTENT_ITEM || item.type === METADATA_ITEM) this.#addExtent(item);
    else if (item.type === BLOCK_GROUP_ITEM) {
      check(!this.#superblock.hasBlockGroupTree, item, "BLOCK_GROUP_ITEM");
      this.addBlockGroup(item);
    } else {
      // Whoever uses something uses an extent that is there.
      const isKnown = REFERENCES.includes(item.type);
      check(isKnown && item.objectid === BigInt(this.#lastStart), item, "key type");
    }
  }

  /** Takes an item of the tree of block groups. @throws {FormatError} */
  addBlockGroup(item: BtrfsItem): void {
    const { objectid, type, offset, data, at } = item;
    check(type === BLOCK_GROUP_ITEM, item, "key type");
    check(data.length >= MIN_BLOCK_GROUP_BYTES, item, "size");
    const view = viewOf(data);
    const start = safeNumber(objectid, "objectid", at);
    const length = safeNumber(offset, "offset", at);
    const chunk = this.#chunks.find(start, length);
    check(chunk.logical === start && chunk.length === length, item, "BLOCK_GROUP_ITEM");
    check(view.getBigUint64(16, true) === BigInt(chunk.type), item, "flags");
    this.#claims.set(chunk, safeNumber(view.getBigUint64(0, true), "used", at));
  }

  /** Compares the sums. @throws {FormatError} when one differs. */
  finish(): void {
    let sum = 0;
    for (const chunk of this.#chunks.chunks) {
      const bytes = this.#bytes.get(chunk) ?? 0;
      sum += bytes;
      if (bytes === this.#claims.get(chunk)) continue;
      throw new FormatError(
        `its block group at ${chunk.logical} and its extents contradict each other`,
        chunk.logical,
        "used",
      );
    }
    if (sum !== this.#superblock.bytes_used) {
      throw new FormatError(
        `its superblock counts ${this.#superblock.bytes_used} bytes in use, its extents ${sum}`,
        0,
        "bytes_used",
      );
    }
  }

  #addExtent(item: BtrfsItem): void {
    const { sectorsize } = this.#superblock;
    const start = safeNumber(item.objectid, "objectid", item.at);
    const isData = this.#isData(item);
    const length = this.#lengthOf(item, isData);
    check(start % sectorsize === 0 && start >= this.#lastEnd, item, "objectid");
    check(length > 0 && length % sectorsize === 0, item, "offset");
    this.#lastStart = start;
    this.#lastEnd = start + length;
    const chunk = this.#chunks.find(start, length);
    check((chunk.type & (isData ? DATA : SYSTEM | METADATA)) !== 0, item, "flags");
    this.#bytes.set(chunk, (this.#bytes.get(chunk) ?? 0) + length);
    for (const { offset } of this.#chunks.placesOf(start, length)) {
      this.#used.add(offset, length);
    }
  }

  #isData(item: BtrfsItem): boolean {
    check(item.data.length >= MIN_EXTENT_BYTES, item, "size");
    const kind = viewOf(item.data).getBigUint64(16, true) & (DATA_FLAG | TREE_BLOCK_FLAG);
    check(kind === DATA_FLAG || kind === TREE_BLOCK_FLAG, item, "flags");
    return kind === DATA_FLAG;
  }

  #lengthOf(item: BtrfsItem, isData: boolean): number {
    const { nodesize, hasSkinnyMetadata } = this.#superblock;
    if (item.type === METADATA_ITEM) {
      check(hasSkinnyMetadata && !isData && item.offset <= MAX_LEVEL, item, "METADATA_ITEM");
      return nodesize;
    }
    const length = safeNumber(item.offset, "offset", item.at);
    check(isData || length === nodesize, item, "offset");
    return length;
  }
}

function check(isRight: boolean, item: BtrfsItem, field: string): void {
  if (isRight) return;
  const key = `(${item.objectid} ${item.type} ${item.offset})`;
  throw new FormatError(`${field} of its item ${key} is impossible`, item.at, field);
}
