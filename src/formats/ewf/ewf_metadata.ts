/**
 * EWF, sections "Header section", "Header2 section" and "Volume section",
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%20(EWF).asciidoc
 */
import { guidText } from "../../core/bytes.ts";
import { formatBytes, formatCount, plural } from "../../core/units.ts";
import type { Evidence } from "../image_format.ts";
import type { EwfContents } from "./ewf_contents.ts";
import type { FoundVolume } from "./ewf_find_volume.ts";
import { chunkText, present, type Row, sessionText } from "./ewf_rows.ts";
import { contentOf, type HeaderContent, type HeaderText } from "./ewf_header.ts";
import {
  type EwfVolume,
  FLAG_FASTBLOC,
  FLAG_PHYSICAL,
  FLAG_TABLEAU,
  MEDIA_FIXED,
  MEDIA_LOGICAL_FILES,
  MEDIA_MEMORY,
  MEDIA_OPTICAL,
  MEDIA_REMOVABLE,
} from "./ewf_volume.ts";

const MEDIA_TYPES: ReadonlyMap<number, string> = new Map([
  [MEDIA_REMOVABLE, "removable disk"],
  [MEDIA_FIXED, "fixed disk"],
  [MEDIA_OPTICAL, "optical disc"],
  [MEDIA_LOGICAL_FILES, "logical files"],
  [MEDIA_MEMORY, "memory"],
]);

const COMPRESSION_LEVELS = ["none", "good (fast)", "best"];
const COMPRESSION_WORDS = { none: "none", fast: "good (fast)", best: "best" } as const;

/** What both headers tell; a header2 is more exact. */
export function mergedHeaders({ header, header2 }: EwfContents): HeaderContent {
  const merged: Record<string, unknown> = {};
  for (const text of [header, header2]) {
    if (text === undefined) continue;
    for (const [name, value] of Object.entries(contentOf(text))) {
      if (value !== undefined) merged[name] = value;
    }
  }
  return merged;
}

/** What an examiner wrote, and what is known of the source. */
export function evidenceOf(headers: HeaderContent, details: EwfVolume | undefined): Evidence {
  const { caseNumber, evidenceNumber, description, examiner, notes } = headers;
  const { acquired, system, program, model, serial } = headers;
  const mediaType = details?.mediaType;
  return {
    caseNumber,
    evidenceNumber,
    description,
    examiner,
    notes,
    acquired,
    system,
    program,
    model,
    serial,
    isPhysical: details === undefined ? undefined : (details.mediaFlags & FLAG_PHYSICAL) !== 0,
    isRemovable: mediaType === MEDIA_REMOVABLE || mediaType === MEDIA_FIXED
      ? mediaType === MEDIA_REMOVABLE
      : undefined,
  };
}

/** Name and value of all that an image tells. */
export function metadataRows(
  contents: EwfContents,
  volume: FoundVolume,
  segments: number,
): Row[] {
  const headers = mergedHeaders(contents);
  return [
    ["layout", layoutTitle(contents, volume)],
    ...present("compression", compressionOf(volume.details, headers)),
    ["chunk size", chunkText(volume.geometry)],
    ["sector size", formatBytes(volume.geometry.sectorBytes)],
    ["sectors", formatCount(volume.geometry.sectorCount)],
    ...volumeRows(volume.details),
    ["segments", formatCount(segments)],
    ...headerRows(headers),
    ...present("tracks", sessionText(contents.sessions)),
  ];
}

/** The program that wrote the image, as far as its headers show. */
function layoutTitle(contents: EwfContents, volume: FoundVolume): string {
  const { header, header2, hasXheader } = contents;
  if (hasXheader) return "EWF-X";
  if (volume.details === undefined) return volume.isSmart ? "SMART" : "EWF";
  if (header2 !== undefined) {
    const version = wideVersion(header2, "EnCase");
    return version ?? (header2.categoryCount === 1 ? "EnCase 4" : "EnCase 5");
  }
  if (header === undefined) return "EWF";
  if (header.categoryCount > 1) return wideVersion(header, "linen") ?? "linen 5";
  switch (header.identifiers.indexOf("r")) {
    case 8:
      return "EnCase 1";
    case 10:
      if (header.newline === "\n") return "FTK Imager";
      return header.values.get("av")?.startsWith("3") ? "EnCase 3" : "EnCase 2";
    default:
      return "EWF";
  }
}

function wideVersion({ identifiers }: HeaderText, program: string): string | undefined {
  if (identifiers.includes("l")) return `${program} 7`;
  return identifiers.includes("md") ? `${program} 6` : undefined;
}

/** Before EnCase 5 the volume does not tell it; there the level is 0, as where it is none. */
function compressionOf(
  details: EwfVolume | undefined,
  headers: HeaderContent,
): string | undefined {
  const told = headers.compression;
  if (told !== undefined) return COMPRESSION_WORDS[told];
  if (details === undefined) return undefined;
  const { compressionLevel, errorGranularity } = details;
  if (compressionLevel === 0 && errorGranularity === 0) return undefined;
  return COMPRESSION_LEVELS[compressionLevel];
}

function volumeRows(details: EwfVolume | undefined): Row[] {
  if (details === undefined) return [];
  const { mediaType, mediaFlags, errorGranularity, setIdentifier } = details;
  const hasIdentifier = setIdentifier.some((byte) => byte !== 0);
  const blockers = [
    (mediaFlags & FLAG_FASTBLOC) !== 0 ? "FastBloc" : "",
    (mediaFlags & FLAG_TABLEAU) !== 0 ? "Tableau" : "",
  ].filter((name) => name !== "");
  return [
    ["media type", MEDIA_TYPES.get(mediaType) ?? `0x${mediaType.toString(16)}`],
    ["medium", (mediaFlags & FLAG_PHYSICAL) !== 0 ? "physical" : "logical"],
    ...present("write blocker", blockers.join(", ")),
    ...present("error granularity", errorGranularity && plural(errorGranularity, "sector")),
    ...present("set identifier", hasIdentifier && guidText(setIdentifier)),
  ];
}

function headerRows(headers: HeaderContent): Row[] {
  return [
    ...present("case number", headers.caseNumber),
    ...present("evidence number", headers.evidenceNumber),
    ...present("description", headers.description),
    ...present("examiner", headers.examiner),
    ...present("notes", headers.notes),
    ...present("model", headers.model),
    ...present("serial number", headers.serial),
    ...present("device label", headers.label),
    ...present("acquired", headers.acquired?.toISOString()),
    ...present("system time", headers.systemTime?.toISOString()),
    ...present("operating system", headers.system),
    ...present("program version", headers.program),
    ...present("password hash", headers.passwordHash),
    ...present("process", headers.processId === "0" ? undefined : headers.processId),
    ...present("extents", headers.extents === "0" ? undefined : headers.extents),
  ];
}
