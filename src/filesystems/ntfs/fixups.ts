/** NTFS documentation, concept Fixup, https://flatcap.github.io/linux-ntfs/ntfs/concepts/fixup.html */
import { viewOf } from "../../core/bytes.ts";
import { FormatError } from "../../core/errors.ts";

// Header of what is written in several sectors, little endian:
//  0 4 signature
//  4 2 offset of the update sequence: a number, then what belongs at the end of each
//      512 bytes (whatever the sector size) in the place of that number
//  6 2 words in the update sequence
const STRIDE_BYTES = 512;

/**
 * Puts back the last two bytes of each 512 bytes of a record, in place. `offset` is its place
 * on the volume, `what` its name for the errors.
 *
 * @throws {FormatError} when the record is torn: its parts were not written together.
 */
export function applyFixups(record: Uint8Array, offset: number, what: string): void {
  const view = viewOf(record);
  const strides = record.length / STRIDE_BYTES;
  const sequence = view.getUint16(4, true);
  const words = view.getUint16(6, true);
  const isPlausible = words === strides + 1 && sequence % 2 === 0 && sequence >= 8 &&
    sequence + 2 * words <= STRIDE_BYTES - 2;
  if (!isPlausible) {
    throw new FormatError(`${what} has an impossible update sequence`, offset, "fixup");
  }
  const number = view.getUint16(sequence, true);
  for (let word = 1; word < words; word++) {
    const end = word * STRIDE_BYTES - 2;
    if (view.getUint16(end, true) !== number) {
      throw new FormatError(`${what} is torn: it was written in part only`, offset, "fixup");
    }
    view.setUint16(end, view.getUint16(sequence + 2 * word, true), true);
  }
}
