/** XFS Algorithms & Data Structures, sections "AG Free Space B+trees" and "Short Format B+trees", https://mirrors.edge.kernel.org/pub/linux/utils/fs/xfs/docs/xfs_filesystem_structure.pdf */
import { viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import type { XfsGroup } from "./xfs_group.ts";
import { checkPiece, type XfsPiece, type XfsReader } from "./xfs_reader.ts";

// A block of a tree, big endian:
//   0  4 bb_magic
//   4  2 bb_level, 0 for leaves
//   6  2 bb_numrecs
//   8  4 bb_leftsib, block of the group, or 0xffffffff
//  12  4 bb_rightsib
//  16  8 bb_blkno, in units of 512 bytes of the volume; from here on in version 5 only
//  32 16 bb_uuid
//  48  4 bb_owner, number of the group
//  52  4 bb_crc
// Behind that (at 16, in version 5 at 56): in leaves records of 8 bytes, ar_startblock and
// ar_blockcount; in nodes as many keys of the same form as would fit with their pointers of
// 4 bytes, then the pointers.
const STAMP = { uuidOffset: 32, crcOffset: 52 };
const HEADER_BYTES = { 4: 16, 5: 56 };
const RECORD_BYTES = 8;
const POINTER_BYTES = 4;
const NO_SIBLING = 0xffffffff;

/** One of the two trees of free space. */
export interface XfsTreeKind {
  readonly name: string;
  /** Its place among the roots of the group. */
  readonly index: 0 | 1;
  /** By version. */
  readonly magic: { readonly 4: number; readonly 5: number };
  /** May a record of a leaf follow on another one? */
  isBehind(record: XfsRecord, other: XfsRecord): boolean;
  /** Is a key greater than another one? */
  isGreater(key: XfsRecord, other: XfsRecord): boolean;
}

/** A run of free blocks. */
export interface XfsRecord {
  readonly start: number;
  readonly length: number;
}

/** Ordered by their first blocks: "ABTB", "AB3B". */
export const BY_BLOCK: XfsTreeKind = {
  name: "free space tree by block",
  index: 0,
  magic: { 4: 0x41425442, 5: 0x41423342 },
  isBehind: (record, other) => record.start >= other.start + other.length,
  isGreater: (key, other) => key.start > other.start,
};

/** Ordered by their lengths, then by their first blocks: "ABTC", "AB3C". */
export const BY_SIZE: XfsTreeKind = {
  name: "free space tree by size",
  index: 1,
  magic: { 4: 0x41425443, 5: 0x41423343 },
  isBehind: isLonger,
  isGreater: isLonger,
};

function isLonger(record: XfsRecord, other: XfsRecord): boolean {
  return record.length > other.length ||
    (record.length === other.length && record.start > other.start);
}

/** A block of the tree that its parent points to, and the least key that it may hold. */
interface Child {
  readonly block: number;
  readonly key: XfsRecord | undefined;
}

/**
 * Reads a whole tree, level by level, hands over its records in their order, and answers
 * the blocks that it consists of. What is read is bounded by the size of the group, and
 * since keys ascend over the whole of a level there are no circles.
 *
 * @throws {FormatError} when a block is not what its parent says.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function walkFreeTree(
  reader: XfsReader,
  group: XfsGroup,
  kind: XfsTreeKind,
  onRecord: (record: XfsRecord) => void,
): Promise<readonly number[]> {
  const blocks: number[] = [];
  let children: readonly Child[] = [{ block: group.roots[kind.index], key: undefined }];
  for (let level = group.levels[kind.index] - 1; level >= 0; level--) {
    for (const { block } of children) blocks.push(block);
    if (blocks.length > group.agf_length) {
      throw new FormatError(
        `the ${kind.name} of its group ${group.number} is larger than the group`,
        group.agf.offset,
        "agf_levels",
      );
    }
    children = await readLevel(reader, group, kind, level, children, onRecord);
  }
  return blocks;
}

/** Reads the blocks of a level, and answers those of the level below. */
async function readLevel(
  reader: XfsReader,
  group: XfsGroup,
  kind: XfsTreeKind,
  level: number,
  blocks: readonly Child[],
  onRecord: (record: XfsRecord) => void,
): Promise<readonly Child[]> {
  const below: Child[] = [];
  let last: XfsRecord | undefined;
  for (const [index, { block, key }] of blocks.entries()) {
    const piece = await readBlock(reader, group, kind, block, level);
    checkSiblings(piece, blocks[index - 1], blocks[index + 1]);
    const entries = entriesOf(piece, group, level, reader.superblock.version);
    const [first] = entries;
    const mayBeEmpty = level === 0 && blocks.length === 1 && group.agf_freeblks === 0;
    checkPiece(first !== undefined || mayBeEmpty, piece, "bb_numrecs");
    if (first !== undefined && key !== undefined) {
      checkPiece(!kind.isGreater(key, first.record), piece, "first key");
    }
    for (const { record, pointer } of entries) {
      const follows = level === 0 ? kind.isBehind : kind.isGreater;
      checkPiece(last === undefined || follows(record, last), piece, "order of records");
      last = record;
      if (level === 0) onRecord(record);
      else below.push({ block: pointer, key: record });
    }
  }
  return below;
}

async function readBlock(
  reader: XfsReader,
  group: XfsGroup,
  kind: XfsTreeKind,
  block: number,
  level: number,
): Promise<XfsPiece> {
  const { version } = reader.superblock;
  const piece = await reader.block(group.number, block, kind.name, STAMP);
  const view = viewOf(piece.bytes);
  checkPiece(view.getUint32(0) === kind.magic[version], piece, "bb_magic");
  checkPiece(view.getUint16(4) === level, piece, "bb_level");
  if (version === 5) {
    checkPiece(view.getBigUint64(16) === BigInt(piece.offset / 512), piece, "bb_blkno");
    checkPiece(view.getUint32(48) === group.number, piece, "bb_owner");
  }
  return piece;
}

function checkSiblings(
  piece: XfsPiece,
  left: Child | undefined,
  right: Child | undefined,
): void {
  const view = viewOf(piece.bytes);
  checkPiece(view.getUint32(8) === (left?.block ?? NO_SIBLING), piece, "bb_leftsib");
  checkPiece(view.getUint32(12) === (right?.block ?? NO_SIBLING), piece, "bb_rightsib");
}

/** What a block holds: a record of a leaf, or a key of a node and what it points to. */
interface Entry {
  readonly record: XfsRecord;
  /** A block of the group; 0 in leaves. */
  readonly pointer: number;
}

/** All of them lie inside the group. */
function entriesOf(
  piece: XfsPiece,
  group: XfsGroup,
  level: number,
  version: 4 | 5,
): readonly Entry[] {
  const view = viewOf(piece.bytes);
  const first = HEADER_BYTES[version];
  const entryBytes = level === 0 ? RECORD_BYTES : RECORD_BYTES + POINTER_BYTES;
  const most = Math.floor((piece.bytes.length - first) / entryBytes);
  const count = view.getUint16(6);
  checkPiece(count <= most, piece, "bb_numrecs");
  return Array.from({ length: count }, (_, index) => {
    const at = first + index * RECORD_BYTES;
    const record = { start: view.getUint32(at), length: view.getUint32(at + 4) };
    const isInside = record.start >= group.headerBlocks && record.length > 0 &&
      record.start + record.length <= group.agf_length;
    checkPiece(isInside, piece, "ar_startblock");
    if (level === 0) return { record, pointer: 0 };
    const pointer = view.getUint32(first + most * RECORD_BYTES + index * POINTER_BYTES);
    checkPiece(pointer < group.agf_length, piece, "pointer");
    return { record, pointer };
  });
}
