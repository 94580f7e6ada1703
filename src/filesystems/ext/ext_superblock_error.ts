/** What all that read the superblock of ext2/3/4 have in common. */
import { FormatError } from "../../core/errors.ts";

/** Where the primary superblock lies on the volume, whatever the size of blocks. */
export const SUPERBLOCK_OFFSET = 1024;
/** Bytes of a superblock. */
export const SUPERBLOCK_BYTES = 1024;

/** The error for a field of it. */
export function superblockError(field: string, message: string): FormatError {
  return new FormatError(message, SUPERBLOCK_OFFSET, field);
}
