/**
 * How a container begins: AFF4 Standard v1.0, section 5.4, https://github.com/aff4/Standard
 *
 * With the segment container.description where there is one, or else with any other. An
 * archive of which only its directory tells that it is AFF4 is opened as one by `zip`.
 */
import { asciiText, viewOf } from "../../core/bytes.ts";
import { LOCAL_BYTES, LOCAL_SIGNATURE } from "../zip/records.ts";
import { isSegmentName } from "./names.ts";

/** Is the first entry of an archive called as only AFF4 does it? */
export function hasAff4Head(head: Uint8Array): boolean {
  if (head.length < LOCAL_BYTES) return false;
  const view = viewOf(head);
  if (view.getUint32(0, true) !== LOCAL_SIGNATURE) return false;
  return isSegmentName(
    asciiText(head.subarray(LOCAL_BYTES, LOCAL_BYTES + view.getUint16(26, true))),
  );
}
