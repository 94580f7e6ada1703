/** Btrfs on-disk format, sections "Header", "Internal Node" and "Leaf Node", https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html */
import type { BlockSource, Bytes } from "../../core/block.ts";
import { safeNumber, viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import { readAll } from "../used_ranges.ts";
import { isChecksumRight } from "./btrfs_checksum.ts";
import type { BtrfsChunkMap } from "./btrfs_chunks.ts";
import type { BtrfsSuperblock } from "./btrfs_superblock.ts";

// A block of a tree, little endian:
//   0 32 csum
//  32 16 fsid
//  48  8 bytenr, its own logical address
//  56  7 flags: 1 it was written
//  80  8 generation
//  88  8 owner, the number of the tree
//  96  4 nritems
// 100  1 level, 0 for leaves
// 101    in leaves for each item: key, 4 offset of its data from 101, 4 size; the data stand
//        at the end of the block, the first item's last
// 101    in nodes for each child: key of its first item, 8 bytenr, 8 generation
// A key: 8 objectid, 1 type, 8 offset, ordered like this.
const HEADER_BYTES = 101;
const ITEM_BYTES = 25;
const POINTER_BYTES = 33;
const WRITTEN_FLAG = 1;

/** Where a tree begins. */
export interface BtrfsRoot {
  /** The number of the tree. */
  readonly owner: bigint;
  /** Logical address of its root. */
  readonly bytenr: number;
  readonly level: number;
  readonly generation: bigint;
}

/** A key. */
export interface BtrfsKey {
  readonly objectid: bigint;
  readonly type: number;
  readonly offset: bigint;
}

/** An item of a leaf. */
export interface BtrfsItem extends BtrfsKey {
  readonly data: Uint8Array;
  /** Its leaf's place on the device, for errors. */
  readonly at: number;
}

/** A block that a superblock, a root item or a node points to. */
interface Pointer extends BtrfsRoot {
  /** Undefined for roots. */
  readonly firstKey: BtrfsKey | undefined;
}

/** A block that was read and checked. */
interface Block {
  readonly bytes: Bytes;
  readonly view: DataView;
  /** Its place on the device. */
  readonly at: number;
  readonly count: number;
}

/** Reads trees, and checks every block of them. */
export class BtrfsTreeReader {
  readonly #volume: BlockSource;
  readonly #superblock: BtrfsSuperblock;
  readonly #chunks: BtrfsChunkMap;
  readonly #visited: number[] = [];

  constructor(volume: BlockSource, superblock: BtrfsSuperblock, chunks: BtrfsChunkMap) {
    this.#volume = volume;
    this.#superblock = superblock;
    this.#chunks = chunks;
  }

  /** Logical addresses of the blocks that were read. */
  get visited(): readonly number[] {
    return this.#visited;
  }

  /**
   * The items of a tree, leaf by leaf. Keys ascend over the whole tree and levels go down,
   * so it ends, and is read once, whatever it holds.
   *
   * @throws {FormatError} when a block is not what leads to it says.
   * @throws {ReadError} when the medium does not deliver.
   */
  async *leaves(root: BtrfsRoot): AsyncGenerator<readonly BtrfsItem[]> {
    let last: BtrfsKey | undefined;
    for await (const block of this.#leafBlocks({ ...root, firstKey: undefined })) {
      const items = itemsOf(block);
      for (const item of items) {
        if (last !== undefined) checkBlock(isLess(last, item), block.at, "order of keys");
        last = item;
      }
      yield items;
    }
  }

  async *#leafBlocks(pointer: Pointer): AsyncGenerator<Block> {
    const block = await this.#read(pointer);
    if (pointer.level === 0) yield block;
    else for (const child of childrenOf(block, pointer)) yield* this.#leafBlocks(child);
  }

  async #read(pointer: Pointer): Promise<Block> {
    const { nodesize, sectorsize, checksum, generation, blockFsid } = this.#superblock;
    checkBlock(pointer.bytenr % sectorsize === 0, pointer.bytenr, "bytenr");
    const [place] = this.#chunks.placesOf(pointer.bytenr, nodesize);
    const at = place?.offset ?? 0;
    const bytes = await readAll(this.#volume, at, nodesize, "tree block");
    const view = viewOf(bytes);
    checkBlock(isChecksumRight(bytes, checksum), at, "csum");
    const isOwn = blockFsid.every((byte, index) => byte === bytes[32 + index]);
    checkBlock(isOwn, at, "fsid");
    checkBlock(view.getBigUint64(48, true) === BigInt(pointer.bytenr), at, "bytenr");
    checkBlock((view.getUint8(56) & WRITTEN_FLAG) !== 0, at, "flags");
    const written = view.getBigUint64(80, true);
    checkBlock(written === pointer.generation && written <= generation, at, "generation");
    checkBlock(view.getBigUint64(88, true) === pointer.owner, at, "owner");
    checkBlock(view.getUint8(100) === pointer.level, at, "level");
    const count = view.getUint32(96, true);
    const entryBytes = pointer.level === 0 ? ITEM_BYTES : POINTER_BYTES;
    checkBlock(HEADER_BYTES + count * entryBytes <= nodesize, at, "nritems");
    const mayBeEmpty = pointer.level === 0 && pointer.firstKey === undefined;
    checkBlock(count > 0 || mayBeEmpty, at, "nritems");
    if (pointer.firstKey !== undefined) {
      checkBlock(isSame(keyAt(view, HEADER_BYTES), pointer.firstKey), at, "first key");
    }
    this.#visited.push(pointer.bytenr);
    return { bytes, view, at, count };
  }
}

function childrenOf({ view, at, count }: Block, parent: Pointer): readonly Pointer[] {
  return Array.from({ length: count }, (_, index) => {
    const start = HEADER_BYTES + index * POINTER_BYTES;
    return {
      owner: parent.owner,
      bytenr: safeNumber(view.getBigUint64(start + 17, true), "bytenr", at),
      level: parent.level - 1,
      generation: view.getBigUint64(start + 25, true),
      firstKey: keyAt(view, start),
    };
  });
}

/** Their data fill the end of the block without gaps, in the opposite order. */
function itemsOf({ bytes, view, at, count }: Block): readonly BtrfsItem[] {
  const least = HEADER_BYTES + count * ITEM_BYTES;
  let end = bytes.length;
  return Array.from({ length: count }, (_, index) => {
    const start = HEADER_BYTES + index * ITEM_BYTES;
    const first = HEADER_BYTES + view.getUint32(start + 17, true);
    const size = view.getUint32(start + 21, true);
    checkBlock(first >= least && first + size === end, at, "item offset");
    end = first;
    return { ...keyAt(view, start), data: bytes.subarray(first, first + size), at };
  });
}

function keyAt(view: DataView, at: number): BtrfsKey {
  return {
    objectid: view.getBigUint64(at, true),
    type: view.getUint8(at + 8),
    offset: view.getBigUint64(at + 9, true),
  };
}

function isLess(a: BtrfsKey, b: BtrfsKey): boolean {
  if (a.objectid !== b.objectid) return a.objectid < b.objectid;
  return a.type === b.type ? a.offset < b.offset : a.type < b.type;
}

function isSame(a: BtrfsKey, b: BtrfsKey): boolean {
  return a.objectid === b.objectid && a.type === b.type && a.offset === b.offset;
}

function checkBlock(isRight: boolean, at: number, field: string): void {
  if (isRight) return;
  throw new FormatError(`the ${field} of its tree block at byte ${at} is wrong`, at, field);
}
