/** XFS Algorithms & Data Structures, section "Metadata Integrity", https://mirrors.edge.kernel.org/pub/linux/utils/fs/xfs/docs/xfs_filesystem_structure.pdf */
import type { BlockSource, Bytes } from "../../core/block.ts";
import { viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import { crc32c, withoutField } from "../checksum.ts";
import { readAll } from "../used_ranges.ts";
import type { XfsSuperblock } from "./xfs_superblock.ts";

/** Where version 5 keeps in a structure what proves it. */
export interface XfsStamp {
  readonly uuidOffset: number;
  /** CRC-32C of the whole sector or block, little endian. */
  readonly crcOffset: number;
}

/** A sector or block that was read and, in version 5, checked. */
export interface XfsPiece {
  readonly bytes: Bytes;
  /** Its place in the volume. */
  readonly offset: number;
  /** For messages: "the AGF of its group 3". */
  readonly what: string;
}

/** Reads the structures of allocation groups. */
export class XfsReader {
  readonly superblock: XfsSuperblock;
  readonly #volume: BlockSource;

  constructor(volume: BlockSource, superblock: XfsSuperblock) {
    this.#volume = volume;
    this.superblock = superblock;
  }

  /** The first byte of a block of a group. */
  offsetOf(group: number, block = 0): number {
    const { sb_agblocks, sb_blocksize } = this.superblock;
    return (group * sb_agblocks + block) * sb_blocksize;
  }

  /** Sector `index` of a group. @throws {FormatError} when its stamp is wrong. */
  async sector(
    group: number,
    index: number,
    name: string,
    stamp: XfsStamp,
  ): Promise<XfsPiece> {
    const { sb_sectsize } = this.superblock;
    const offset = this.offsetOf(group) + index * sb_sectsize;
    return await this.#read(offset, sb_sectsize, `the ${name} of its group ${group}`, stamp);
  }

  /** A block of a group. @throws {FormatError} when its stamp is wrong. */
  async block(
    group: number,
    block: number,
    name: string,
    stamp: XfsStamp,
  ): Promise<XfsPiece> {
    const offset = this.offsetOf(group, block);
    const what = `block ${block} of the ${name} of its group ${group}`;
    return await this.#read(offset, this.superblock.sb_blocksize, what, stamp);
  }

  async #read(
    offset: number,
    length: number,
    what: string,
    stamp: XfsStamp,
  ): Promise<XfsPiece> {
    const bytes = await readAll(this.#volume, offset, length, what);
    const piece = { bytes, offset, what };
    if (this.superblock.version === 5) this.#check(piece, stamp);
    return piece;
  }

  #check({ bytes, offset, what }: XfsPiece, { uuidOffset, crcOffset }: XfsStamp): void {
    const sum = crc32c(withoutField(bytes, crcOffset, 4));
    if (sum !== viewOf(bytes).getUint32(crcOffset, true)) {
      throw new FormatError(`the checksum of ${what} is wrong`, offset, "crc");
    }
    const { blockUuid } = this.superblock;
    if (!blockUuid.every((byte, index) => byte === bytes[uuidOffset + index])) {
      throw new FormatError(`${what} belongs to another file system`, offset, "uuid");
    }
  }
}

/** @throws {FormatError} about this field of the piece, unless it is right. */
export function checkPiece(isRight: boolean, piece: XfsPiece, field: string): void {
  if (isRight) return;
  throw new FormatError(`${field} in ${piece.what} is wrong`, piece.offset, field);
}
