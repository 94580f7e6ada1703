import { asciiText } from "../../core/bytes.ts";
import type { ZipArchive } from "../zip/directory.ts";
import { isSegmentName, URN_START } from "./names.ts";

/** Is an archive a container of AFF4, by its comment or the names in it? */
export function isAff4Archive({ entries, end }: ZipArchive): boolean {
  return asciiText(end.comment.subarray(0, URN_START.length)) === URN_START ||
    entries.some(({ name }) => isSegmentName(name));
}
