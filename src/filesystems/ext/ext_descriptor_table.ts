/** ext4 data structures, "Block Group Descriptors", https://docs.kernel.org/filesystems/ext4/group_descr.html */
import type { BlockSource } from "../../core/block.ts";
import { readAll } from "../used_ranges.ts";
import { descriptorBlocks, descriptorsPerBlock, groupCount } from "./ext_geometry.ts";
import { type ExtGroupDescriptor, parseExtGroupDescriptor } from "./ext_group_descriptor.ts";
import { descriptorBlockAt } from "./ext_group_layout.ts";
import type { ExtSuperblock } from "./ext_superblock.ts";

/** Bytes that are read in one go, where blocks are smaller. */
const READ_BYTES = 64 * 1024;

/**
 * The descriptors of all groups, ascending, some at a time.
 *
 * @throws {FormatError} when one of them is wrong.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function* readExtDescriptors(
  volume: BlockSource,
  superblock: ExtSuperblock,
): AsyncGenerator<readonly ExtGroupDescriptor[]> {
  const blocks = descriptorBlocks(superblock);
  for (let index = 0; index < blocks;) {
    const count = neighbours(superblock, index, blocks);
    yield await readDescriptors(volume, superblock, index, count);
    index += count;
  }
}

/**
 * The descriptor of one group.
 *
 * @throws {FormatError} when it is wrong.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function readExtDescriptor(
  volume: BlockSource,
  superblock: ExtSuperblock,
  group: number,
): Promise<ExtGroupDescriptor | undefined> {
  const perBlock = descriptorsPerBlock(superblock);
  const index = Math.floor(group / perBlock);
  return (await readDescriptors(volume, superblock, index, 1))[group % perBlock];
}

/** How many blocks of descriptors from `index` on follow each other and can be read at once. */
function neighbours(superblock: ExtSuperblock, index: number, blocks: number): number {
  const first = descriptorBlockAt(superblock, index);
  const most = Math.min(blocks - index, Math.ceil(READ_BYTES / superblock.blockBytes));
  let count = 1;
  while (count < most && descriptorBlockAt(superblock, index + count) === first + count) {
    count++;
  }
  return count;
}

async function readDescriptors(
  volume: BlockSource,
  superblock: ExtSuperblock,
  index: number,
  count: number,
): Promise<ExtGroupDescriptor[]> {
  const { blockBytes, descriptorBytes } = superblock;
  const offset = descriptorBlockAt(superblock, index) * blockBytes;
  const bytes = await readAll(volume, offset, count * blockBytes, "group descriptors");
  const perBlock = descriptorsPerBlock(superblock);
  const first = index * perBlock;
  const length = Math.min(count * perBlock, groupCount(superblock) - first);
  return Array.from({ length }, (_, i) => {
    const at = i * descriptorBytes;
    const descriptor = bytes.subarray(at, at + descriptorBytes);
    return parseExtGroupDescriptor(descriptor, superblock, first + i, offset + at);
  });
}
