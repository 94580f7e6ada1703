/** Linux swap area, https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/mm/swapfile.c */
import type { BlockSource } from "../../core/block.ts";
import { hasAscii, readBytes } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";
import type { Range } from "../../core/range.ts";
import { notRecognised } from "../file_system.ts";
import { UsedRanges } from "../used_ranges.ts";
import {
  parseSwapHeader,
  type SwapSignature,
  swapSignatures,
  TUX_ON_ICE,
} from "./swap_header.ts";

const HEAD_BYTES = 64 * 1024;
const TUX_ON_ICE_OFFSETS = [0, 1024];

/**
 * What `FileSystem.usedRanges` answers for swap space: its header, one page, and what lies
 * behind the last page. All else was the memory of a machine that is off.
 *
 * @throws {FormatError} when a hibernated system may be in it, or in any other doubt.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function swapUsedRanges(volume: BlockSource): Promise<readonly Range[]> {
  const head = await readBytes(volume, 0, HEAD_BYTES);
  const { pageBytes } = onlySignature(head);
  const header = parseSwapHeader(head, pageBytes);
  if (header === undefined) throw fail("version", "its version is not known");
  const { last_page, nr_badpages, maxBadPages } = header;
  if (nr_badpages > maxBadPages) {
    throw fail("nr_badpages", `its list of ${nr_badpages} bad pages is impossible`);
  }
  const end = (last_page + 1) * pageBytes;
  if (last_page === 0 || end > volume.size) {
    throw fail("last_page", `its last page ${last_page} is impossible`);
  }
  const used = new UsedRanges(volume.size);
  used.add(0, pageBytes);
  used.add(end, volume.size - end);
  return used.ranges();
}

/** The signature, when there is one, and it says that nothing is kept here. */
function onlySignature(head: Uint8Array): SwapSignature {
  const signatures = swapSignatures(head);
  const [signature] = signatures;
  if (signature === undefined) throw notRecognised("Linux swap");
  const isTuxOnIce = TUX_ON_ICE_OFFSETS.some((offset) => hasAscii(head, offset, TUX_ON_ICE));
  if (isTuxOnIce || signatures.some(({ kind }) => kind === "hibernated")) {
    throw fail("magic", "a hibernated system is in it");
  }
  if (signatures.length > 1) throw fail("magic", "it has signatures for several page sizes");
  if (signature.kind === "old") throw fail("magic", "it is of the kind before Linux 2.2");
  return signature;
}

function fail(field: string, message: string): FormatError {
  return new FormatError(message, 0, field);
}
