/** XFS Algorithms & Data Structures, section "AG Free Space Management", https://mirrors.edge.kernel.org/pub/linux/utils/fs/xfs/docs/xfs_filesystem_structure.pdf */
import { viewOf } from "../../core/bytes.ts";
import { checkPiece, type XfsPiece, type XfsReader } from "./xfs_reader.ts";
import { groupBlocks } from "./xfs_superblock.ts";

// AGF, the second sector of a group, big endian:
//   0  4 agf_magicnum, "XAGF"
//   4  4 agf_versionnum, 1
//   8  4 agf_seqno, the number of the group
//  12  4 agf_length, blocks of the group
//  16 12 agf_roots: by block, by size, reverse map
//  28 12 agf_levels
//  40  4 agf_flfirst, index of the free list's first entry
//  44  4 agf_fllast, of its last one
//  48  4 agf_flcount
//  52  4 agf_freeblks
//  56  4 agf_longest
//  60  4 agf_btreeblks, blocks of the three trees without their roots
//  64 16 agf_uuid, from here on in version 5 only
//  80  4 agf_rmap_blocks
// 216  4 agf_crc
const AGF_SECTOR = 1;
const AGF_MAGIC = 0x58414746;
const AGF_STAMP = { uuidOffset: 64, crcOffset: 216 };

// AGFL, the fourth sector: in version 4 nothing but block numbers; in version 5:
//   0  4 agfl_magicnum, "XAFL"
//   4  4 agfl_seqno
//   8 16 agfl_uuid
//  32  4 agfl_crc
//  36    agfl_bno, to the end of the sector, a ring
const AGFL_SECTOR = 3;
const AGFL_MAGIC = 0x5841464c;
const AGFL_STAMP = { uuidOffset: 8, crcOffset: 32 };
const AGFL_HEADER_BYTES = 36;
const GROUP_SECTORS = 4;

/** More are impossible: each level has at least two entries a block. */
const MAX_LEVELS = 32;

/** What an allocation group says about its free space, named as in the specification. */
export interface XfsGroup {
  readonly number: number;
  /** Blocks; right: the superblock says the same. */
  readonly agf_length: number;
  /** Blocks of the roots of the trees by block and by size; inside the group. */
  readonly roots: readonly [number, number];
  /** Levels of these trees, 1 to 32. */
  readonly levels: readonly [number, number];
  readonly agf_flcount: number;
  readonly agf_freeblks: number;
  readonly agf_longest: number;
  readonly agf_btreeblks: number;
  /** Version 5 only; else 0. */
  readonly agf_rmap_blocks: number;
  /** Blocks that are held back for the trees; inside the group. */
  readonly freeList: readonly number[];
  /** Blocks at the beginning that are never free. */
  readonly headerBlocks: number;
  /** The AGF, for messages. */
  readonly agf: XfsPiece;
}

/**
 * Reads AGF and AGFL of an allocation group.
 *
 * @throws {FormatError} when a field or a checksum is wrong.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function readXfsGroup(reader: XfsReader, number: number): Promise<XfsGroup> {
  const { superblock } = reader;
  const agf = await reader.sector(number, AGF_SECTOR, "AGF", AGF_STAMP);
  const view = viewOf(agf.bytes);
  checkPiece(view.getUint32(0) === AGF_MAGIC, agf, "agf_magicnum");
  checkPiece(view.getUint32(4) === 1, agf, "agf_versionnum");
  checkPiece(view.getUint32(8) === number, agf, "agf_seqno");
  const agf_length = view.getUint32(12);
  checkPiece(agf_length === groupBlocks(superblock, number), agf, "agf_length");
  const roots = [view.getUint32(16), view.getUint32(20)] as const;
  checkPiece(roots.every((root) => root < agf_length), agf, "agf_roots");
  const levels = [view.getUint32(28), view.getUint32(32)] as const;
  checkPiece(levels.every((level) => level > 0 && level <= MAX_LEVELS), agf, "agf_levels");
  return {
    number,
    agf_length,
    roots,
    levels,
    agf_flcount: view.getUint32(48),
    agf_freeblks: view.getUint32(52),
    agf_longest: view.getUint32(56),
    agf_btreeblks: view.getUint32(60),
    agf_rmap_blocks: superblock.version === 5 ? view.getUint32(80) : 0,
    freeList: await readFreeList(reader, number, agf),
    headerBlocks: Math.ceil(GROUP_SECTORS * superblock.sb_sectsize / superblock.sb_blocksize),
    agf,
  };
}

async function readFreeList(
  reader: XfsReader,
  number: number,
  agf: XfsPiece,
): Promise<readonly number[]> {
  const agfl = await reader.sector(number, AGFL_SECTOR, "AGFL", AGFL_STAMP);
  const view = viewOf(agfl.bytes);
  const hasHeader = reader.superblock.version === 5;
  if (hasHeader) {
    checkPiece(view.getUint32(0) === AGFL_MAGIC, agfl, "agfl_magicnum");
    checkPiece(view.getUint32(4) === number, agfl, "agfl_seqno");
  }
  const first = hasHeader ? AGFL_HEADER_BYTES : 0;
  const slots = Math.floor((agfl.bytes.length - first) / 4);
  const fields = viewOf(agf.bytes);
  const flfirst = fields.getUint32(40);
  const fllast = fields.getUint32(44);
  const count = fields.getUint32(48);
  checkPiece(flfirst < slots && fllast < slots && count <= slots, agf, "agf_flfirst");
  // An empty ring and a full one have the same ends.
  const between = (fllast - flfirst + 1 + slots) % slots;
  checkPiece(count % slots === between, agf, "agf_flcount");
  const blocks: number[] = [];
  for (let index = 0; index < count; index++) {
    const block = view.getUint32(first + (flfirst + index) % slots * 4);
    checkPiece(block < fields.getUint32(12), agfl, "agfl_bno");
    blocks.push(block);
  }
  return blocks;
}
