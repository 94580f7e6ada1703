/**
 * EWF, sections "Volume section", "Disk section" and "Data section",
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%20(EWF).asciidoc
 */
import { guidText, toHex } from "../../core/bytes.ts";
import { type Finding, FormatError } from "../../core/errors.ts";
import type { Section } from "./ewf_scan.ts";
import type { SegmentFiles } from "./ewf_segments.ts";
import {
  type EwfGeometry,
  type EwfVolume,
  isSmartVolume,
  parseSmartVolume,
  parseVolume,
  SMART_VOLUME_BYTES,
  VOLUME_BYTES,
} from "./ewf_volume.ts";

/** The volume of an image, of whichever kind. */
export interface FoundVolume {
  readonly geometry: EwfGeometry;
  /** What SMART does not tell. */
  readonly details: EwfVolume | undefined;
  /** Did SMART write it? */
  readonly isSmart: boolean;
  readonly findings: readonly Finding[];
}

/**
 * Finds the volume section, or where it is damaged the data section that repeats it, and
 * looks whether all segments belong to it.
 *
 * @throws {FormatError} when there is none, or a segment belongs to another image.
 */
export async function findVolume(
  files: SegmentFiles,
  sections: readonly Section[],
): Promise<FoundVolume> {
  const findings: Finding[] = [];
  const volumes = sections.filter(({ type, segment }) =>
    segment === 0 && (type === "volume" || type === "disk")
  );
  const data = sections.filter(({ type }) => type === "data");
  let failure: FormatError | undefined;
  for (const section of [...volumes, ...data]) {
    let found;
    try {
      found = await readVolume(files, section);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      failure ??= error;
      continue;
    }
    if (failure !== undefined || section.type === "data") {
      const reason = failure?.message ?? "there is no volume section";
      findings.push(warning(files, section, `its ${section.type} section is used: ${reason}`));
    }
    if (found.details !== undefined) {
      findings.push(...await checkData(files, data, found.details));
    }
    return { ...found, findings };
  }
  throw failure ?? new FormatError(
    `${files.nameOf(0)} has no volume section: what the image holds is not known`,
    0,
    "volume",
    { hint: "bring the true file back: this one is damaged or was never finished" },
  );
}

async function readVolume(
  files: SegmentFiles,
  { segment, start, end }: Section,
): Promise<Omit<FoundVolume, "findings">> {
  const length = Math.min(end - start, VOLUME_BYTES);
  const bytes = await files.read(segment, start, length);
  if (length < VOLUME_BYTES && length >= SMART_VOLUME_BYTES) {
    const geometry = parseSmartVolume(bytes, start);
    return { geometry, details: undefined, isSmart: isSmartVolume(bytes) };
  }
  const details = parseVolume(bytes, start);
  return { geometry: details, details, isSmart: false };
}

/** Compares what later segments say of the image. */
async function checkData(
  files: SegmentFiles,
  sections: readonly Section[],
  volume: EwfVolume,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const section of sections) {
    const bytes = await files.read(
      section.segment,
      section.start,
      Math.min(section.end - section.start, VOLUME_BYTES),
    );
    let data;
    try {
      data = parseVolume(bytes, section.start);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      // Logicube leaves the checksum out.
      const isUnset = bytes.length === VOLUME_BYTES && toHex(bytes.subarray(-4)) === "00000000";
      if (!isUnset) {
        findings.push(warning(files, section, `its data section is damaged: ${error.message}`));
      }
      continue;
    }
    if (section.segment > 0) requireSameSet(files, section, data, volume);
    const isSame = data.sectorCount === volume.sectorCount &&
      data.chunkCount === volume.chunkCount && hasSameIdentifier(data, volume) &&
      data.sectorBytes === volume.sectorBytes && data.chunkSectors === volume.chunkSectors;
    if (!isSame) {
      const text = "its data section tells another geometry than the volume section";
      findings.push(warning(files, section, text));
    }
  }
  return findings;
}

/**
 * Programs before EnCase 5, and libewf, give their sets no identifier: then all that can
 * be compared is how the media are cut.
 *
 * @throws {FormatError} when the segment is of another image.
 */
function requireSameSet(
  files: SegmentFiles,
  { segment, start }: Section,
  data: EwfVolume,
  volume: EwfVolume,
): void {
  const isUnset = (count: number): boolean => count === 0;
  const isSameSize = data.sectorCount === volume.sectorCount ||
    isUnset(data.sectorCount) || isUnset(volume.sectorCount);
  const hasSameCut = data.sectorBytes === volume.sectorBytes &&
    data.chunkSectors === volume.chunkSectors;
  const isSameSet = hasIdentifier(data) && hasIdentifier(volume)
    ? hasSameIdentifier(data, volume)
    : isSameSize && hasSameCut;
  if (isSameSet) return;
  const name = files.nameOf(segment);
  const identifiers = hasSameIdentifier(data, volume)
    ? ""
    : ` (set ${guidText(data.setIdentifier)} instead of ${guidText(volume.setIdentifier)})`;
  throw new FormatError(
    `${name} belongs to another image than ${files.nameOf(0)}${identifiers}`,
    start,
    "set identifier",
    { hint: `bring the ${name} of this image back` },
  );
}

function hasIdentifier({ setIdentifier }: EwfVolume): boolean {
  return setIdentifier.some((byte) => byte !== 0);
}

function hasSameIdentifier(a: EwfVolume, b: EwfVolume): boolean {
  return toHex(a.setIdentifier) === toHex(b.setIdentifier);
}

function warning(files: SegmentFiles, section: Section, text: string): Finding {
  return { level: "warning", message: `${files.nameOf(section.segment)}: ${text}` };
}
