/**
 * EWF version 2, sections "Device information" and "Case data",
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%202%20(EWF2).asciidoc
 */
import { guidText } from "../../core/bytes.ts";
import { formatBytes, formatCount, plural } from "../../core/units.ts";
import { chunkText, present, type Row, sessionText } from "../ewf/ewf_rows.ts";
import type { EwfGeometry } from "../ewf/ewf_volume.ts";
import type { Evidence } from "../image_format.ts";
import type { Ewf2Contents } from "./ewf2_contents.ts";
import type { Ewf2Case, Ewf2Device } from "./ewf2_geometry.ts";

const DRIVE_TYPES: ReadonlyMap<string, string> = new Map([
  ["a", "RAM disk"],
  ["c", "optical disc"],
  ["f", "fixed disk"],
  ["l", "logical files"],
  ["m", "memory"],
  ["p", "PALM"],
  ["r", "removable disk"],
]);

const WRITE_BLOCKERS: ReadonlyMap<number, string> = new Map([[1, "FastBloc"], [2, "Tableau"]]);

/** What is shown of an image. */
export interface Ewf2Described {
  readonly device: Ewf2Device;
  readonly case: Ewf2Case;
  readonly geometry: EwfGeometry;
  readonly contents: Ewf2Contents;
  readonly setIdentifier: Uint8Array;
  readonly segments: number;
}

/** What an examiner wrote, and what is known of the source. */
export function evidenceOf(device: Ewf2Device, data: Ewf2Case): Evidence {
  const { caseNumber, evidenceNumber, description, examiner, notes } = data;
  const { acquired, system, program } = data;
  const { model, serial, driveType, isPhysical } = device;
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
    isPhysical,
    isRemovable: driveType === "r" || driveType === "f" ? driveType === "r" : undefined,
  };
}

/** Name and value of all that an image tells. */
export function metadataRows(described: Ewf2Described): Row[] {
  const { device, geometry, contents, setIdentifier, segments } = described;
  const { errorGranularity, writeBlocker } = described.case;
  const { sectorBytes, sectorCount } = geometry;
  const { driveType, isPhysical } = device;
  const blocker = writeBlocker && (WRITE_BLOCKERS.get(writeBlocker) ?? `${writeBlocker}`);
  return [
    ["layout", "EWF version 2.1"],
    ["compression", "zlib"],
    ["chunk size", chunkText(geometry)],
    ["sector size", formatBytes(sectorBytes)],
    ["sectors", formatCount(sectorCount)],
    ...present("media type", driveType && (DRIVE_TYPES.get(driveType) ?? driveType)),
    ["medium", isPhysical ? "physical" : "logical"],
    ...present("write blocker", blocker),
    ...present("error granularity", errorGranularity && plural(errorGranularity, "sector")),
    ["set identifier", guidText(setIdentifier)],
    ["segments", formatCount(segments)],
    ...caseRows(described.case),
    ...deviceRows(device),
    ...contentsRows(contents),
  ];
}

function caseRows(data: Ewf2Case): Row[] {
  return [
    ...present("case number", data.caseNumber),
    ...present("evidence number", data.evidenceNumber),
    ...present("description", data.description),
    ...present("examiner", data.examiner),
    ...present("notes", data.notes),
    ...present("acquired", data.acquired?.toISOString()),
    ...present("system time", data.actual?.toISOString()),
    ...present("operating system", data.system),
    ...present("program version", data.program),
  ];
}

function deviceRows(device: Ewf2Device): Row[] {
  return [
    ...present("model", device.model),
    ...present("serial number", device.serial),
    ...present("device label", device.label),
    ...device.areas.flatMap(([name, sectors]) =>
      present(name, sectors && plural(sectors, "sector"))
    ),
    ...present("process", device.processId),
  ];
}

function contentsRows({ filledBytes, sessions }: Ewf2Contents): Row[] {
  return [
    ...present("filled by patterns", filledBytes && `${formatCount(filledBytes)} bytes`),
    ...present("tracks", sessionText(sessions)),
  ];
}
