/** Btrfs on-disk format, sections "CHUNK_ITEM" and "ROOT_ITEM", https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html */
import type { BlockSource } from "../../core/block.ts";
import { safeNumber, viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import {
  type BtrfsChunk,
  BtrfsChunkMap,
  CHUNK_ITEM,
  FIRST_CHUNK_TREE,
  parseBtrfsChunk,
  parseSystemChunks,
} from "./btrfs_chunks.ts";
import { type BtrfsSuperblock, SUPERBLOCK_OFFSETS } from "./btrfs_superblock.ts";
import { type BtrfsItem, type BtrfsRoot, BtrfsTreeReader } from "./btrfs_tree.ts";

// The chunk tree holds the chunks, and for each device an item; objectid 1, offset devid:
//   8  8 total_bytes
const CHUNK_TREE = 3n;
const DEV_ITEM = 216;
const DEV_ITEM_BYTES = 98;

// A root item, little endian; the objectid of its key is the number of the tree:
// 160  8 generation
// 176  8 bytenr
// 238  1 level
const ROOT_TREE = 1n;
const ROOT_ITEM = 132;
const MIN_ROOT_ITEM_BYTES = 239;
const MAX_LEVEL = 7;

/** The chunk tree. */
export interface BtrfsChunkTree {
  readonly chunks: BtrfsChunkMap;
  /** Logical addresses of its blocks. */
  readonly blocks: readonly number[];
}

/**
 * Reads the chunk tree.
 *
 * @throws {FormatError} when something in it is wrong, or there is another device.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function readBtrfsChunks(
  volume: BlockSource,
  superblock: BtrfsSuperblock,
): Promise<BtrfsChunkTree> {
  const { chunk_root, chunk_root_level, chunk_root_generation, devid } = superblock;
  const system = parseSystemChunks(superblock, SUPERBLOCK_OFFSETS[0] ?? 0);
  const reader = new BtrfsTreeReader(volume, superblock, new BtrfsChunkMap(system));
  const chunks: BtrfsChunk[] = [];
  let devices = 0;
  const root = {
    owner: CHUNK_TREE,
    bytenr: chunk_root,
    level: chunk_root_level,
    generation: chunk_root_generation,
  };
  for await (const items of reader.leaves(root)) {
    for (const { objectid, type, offset, data, at } of items) {
      if (type === CHUNK_ITEM && objectid === FIRST_CHUNK_TREE) {
        chunks.push(parseBtrfsChunk(data, offset, superblock, at));
      } else if (type === DEV_ITEM && offset === devid && isWhole(data, superblock)) devices++;
      else throw new FormatError("its chunk tree names another device", at, "DEV_ITEM");
    }
  }
  const map = new BtrfsChunkMap(chunks);
  if (devices !== 1 || !system.every((chunk) => isIn(map, chunk))) {
    throw new FormatError(
      "its superblock and its chunk tree contradict each other",
      SUPERBLOCK_OFFSETS[0] ?? 0,
      "sys_chunk_array",
    );
  }
  return { chunks: map, blocks: reader.visited };
}

/** Does the item of a device say the same about its size as the superblock? */
function isWhole(data: Uint8Array, { total_bytes }: BtrfsSuperblock): boolean {
  return data.length === DEV_ITEM_BYTES &&
    viewOf(data).getBigUint64(8, true) === BigInt(total_bytes);
}

function isIn(map: BtrfsChunkMap, chunk: BtrfsChunk): boolean {
  const same = map.find(chunk.logical, chunk.length);
  return same.logical === chunk.logical && same.length === chunk.length &&
    same.type === chunk.type &&
    same.stripes.every((offset, index) => offset === chunk.stripes[index]);
}

/**
 * Reads where all trees begin, subvolumes and snapshots too.
 *
 * @throws {FormatError} when something in the tree of roots is wrong.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function readBtrfsRoots(
  reader: BtrfsTreeReader,
  { root, root_level, generation }: BtrfsSuperblock,
): Promise<readonly BtrfsRoot[]> {
  const roots: BtrfsRoot[] = [];
  const start = { owner: ROOT_TREE, bytenr: root, level: root_level, generation };
  for await (const items of reader.leaves(start)) {
    for (const item of items) if (item.type === ROOT_ITEM) roots.push(parseRoot(item));
  }
  return roots;
}

function parseRoot({ objectid, data, at }: BtrfsItem): BtrfsRoot {
  if (data.length < MIN_ROOT_ITEM_BYTES) {
    throw new FormatError("the size of a root item is impossible", at, "ROOT_ITEM");
  }
  const view = viewOf(data);
  const level = view.getUint8(238);
  if (level > MAX_LEVEL) {
    throw new FormatError("the level of a root item is impossible", at, "level");
  }
  return {
    owner: objectid,
    bytenr: safeNumber(view.getBigUint64(176, true), "bytenr", at),
    level,
    generation: view.getBigUint64(160, true),
  };
}

/** The only tree of this number. @throws {FormatError} when there are none or more. */
export function onlyRoot(roots: readonly BtrfsRoot[], owner: bigint): BtrfsRoot {
  const [root, another] = roots.filter((each) => each.owner === owner);
  if (root !== undefined && another === undefined) return root;
  throw new FormatError(`it has not one tree with the number ${owner}`, 0, "ROOT_ITEM");
}
