/** Btrfs on-disk format, section "DEV_EXTENT", https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html */
import { viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import type { BtrfsChunkMap } from "./btrfs_chunks.ts";
import type { BtrfsItem, BtrfsRoot, BtrfsTreeReader } from "./btrfs_tree.ts";

// What a place on the device is used for, little endian; key: devid, 204, offset on it:
//  16  8 chunk_offset, the chunk's logical address
//  24  8 length
const DEV_EXTENT = 204;
const DEV_EXTENT_BYTES = 48;

/**
 * Compares the device tree with the chunk tree: both say where on the device each chunk is.
 *
 * @throws {FormatError} when they do not say the same.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function checkDeviceExtents(
  reader: BtrfsTreeReader,
  root: BtrfsRoot,
  chunks: BtrfsChunkMap,
  devid: bigint,
): Promise<void> {
  const expected = new Set(
    chunks.chunks.flatMap(({ logical, length, stripes }) =>
      stripes.map((offset) => `${devid} ${offset} ${logical} ${length}`)
    ),
  );
  let at = 0;
  for await (const items of reader.leaves(root)) {
    for (const item of items) {
      if (item.type !== DEV_EXTENT) continue;
      ({ at } = item);
      if (!expected.delete(nameOf(item))) throw contradiction(at);
    }
  }
  if (expected.size > 0) throw contradiction(at);
}

function nameOf({ objectid, offset, data, at }: BtrfsItem): string {
  if (data.length !== DEV_EXTENT_BYTES) throw contradiction(at);
  const view = viewOf(data);
  return [objectid, offset, view.getBigUint64(16, true), view.getBigUint64(24, true)].join(" ");
}

function contradiction(at: number): FormatError {
  return new FormatError(
    "its device tree and its chunk tree contradict each other",
    at,
    "DEV_EXTENT",
  );
}
