/** Volume Shadow Snapshot format, sections "Volume header" and "Catalog", https://github.com/libyal/libvshadow/blob/main/documentation/Volume%20Shadow%20Snapshot%20(VSS)%20format.asciidoc */
import type { BlockSource } from "../../core/block.ts";
import { guidText, safeNumber, viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import { readAll } from "../used_ranges.ts";

// Volume header, at byte 7680 of the volume, which belongs to $Boot; little endian:
//  0 16 GUID of shadow copies; anything else: there never were any
// 16  4 version, 1 or 2
// 20  4 1
// 48  8 byte offset of the first block of the catalog; 0: none
// 64 16 GUID of the volume
// 80 16 GUID of the volume that holds the shadow copies
// Block of the catalog, 16 KiB:
//  0 16 the same GUID
// 16  4 version
// 20  4 2
// 40  8 byte offset of the next block; 0: none
// 128   entries of 128 bytes, beginning with 8 bytes: 0 or 1 is none, others are shadow copies
const HEADER_OFFSET = 7680;
const HEADER_BYTES = 512;
const GUID = "3808876B-C176-4E48-B7AE-04046E6CC752";
const MAX_VERSION = 2;
const BLOCK_BYTES = 16 * 1024;
const ENTRY_BYTES = 128;
const CATALOG_BLOCK = 2;
const UNUSED_ENTRY = 1n;
/** Windows keeps 64 shadow copies of a volume, two entries each. */
const MAX_BLOCKS = 64;

/**
 * Makes sure that there are no shadow copies (restore points): what a file held before it was
 * deleted they read from clusters that are free now.
 *
 * @throws {FormatError} when there are, or when it cannot be told.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function checkShadowCopies(volume: BlockSource): Promise<void> {
  const header = await readAll(volume, HEADER_OFFSET, HEADER_BYTES, "boot area");
  if (guidText(header.subarray(0, 16)) !== GUID) return;
  const view = viewOf(header);
  const version = view.getUint32(16, true);
  if (version < 1 || version > MAX_VERSION) throw fail("shadow copies of an unknown version");
  const elsewhere = guidText(header.subarray(64, 80)) !== guidText(header.subarray(80, 96));
  let next = safeNumber(view.getBigUint64(48, true), "catalog", HEADER_OFFSET);
  if (next !== 0 && elsewhere) throw fail("shadow copies on another volume");
  for (let blocks = 0; next !== 0; blocks++) {
    if (blocks === MAX_BLOCKS) throw fail("an endless list of shadow copies");
    next = await checkBlock(volume, next);
  }
}

/** Looks at a block of the catalog; answers where the next one is. */
async function checkBlock(volume: BlockSource, offset: number): Promise<number> {
  const block = await readAll(volume, offset, BLOCK_BYTES, "list of shadow copies");
  const view = viewOf(block);
  const isBlock = guidText(block.subarray(0, 16)) === GUID &&
    view.getUint32(20, true) === CATALOG_BLOCK;
  if (!isBlock) throw fail("a damaged list of shadow copies");
  for (let at = ENTRY_BYTES; at < BLOCK_BYTES; at += ENTRY_BYTES) {
    if (view.getBigUint64(at, true) > UNUSED_ENTRY) {
      throw fail("shadow copies (restore points), which read clusters that are free");
    }
  }
  return safeNumber(view.getBigUint64(40, true), "next block", offset);
}

function fail(what: string): FormatError {
  return new FormatError(`it has ${what}`, HEADER_OFFSET, "shadow copies", {
    hint: "Delete them (vssadmin delete shadows) if they are not needed",
  });
}
