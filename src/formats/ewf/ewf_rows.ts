/** How what an image of either version of EWF tells is shown. */
import { formatBytes, formatCount, plural } from "../../core/units.ts";
import type { EwfSession } from "./ewf_ranges.ts";
import type { EwfGeometry } from "./ewf_volume.ts";

/** Something that is shown. */
export type Row = readonly [name: string, value: string];

/** A row, where there is a value. */
export function present(name: string, value: string | number | false | undefined): Row[] {
  return value === undefined || value === false || value === "" || value === 0
    ? []
    : [[name, `${value}`]];
}

/** Size of a chunk, in bytes and sectors. */
export function chunkText({ chunkSectors, sectorBytes }: EwfGeometry): string {
  return `${formatBytes(chunkSectors * sectorBytes)} (${plural(chunkSectors, "sector")})`;
}

/** The tracks of an optical disc. */
export function sessionText(sessions: readonly EwfSession[]): string {
  return sessions.map(({ first, isAudio }) =>
    `${isAudio ? "audio" : "data"} from sector ${formatCount(first)}`
  ).join(", ");
}
