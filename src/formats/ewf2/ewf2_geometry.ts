/**
 * EWF version 2, sections "Device information" and "Case data",
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%202%20(EWF2).asciidoc
 */
import { FormatError } from "../../core/errors.ts";
import { checkedGeometry, type EwfGeometry } from "../ewf/ewf_volume.ts";
import { type Attributes, numberOf } from "./ewf2_serialized.ts";

/** What an image tells of its medium. Counts are undefined where they are not set. */
export interface Ewf2Device {
  readonly sectorBytes: number;
  readonly sectorCount: number;
  /** Drive type, a letter. */
  readonly driveType: string | undefined;
  readonly isPhysical: boolean;
  readonly serial: string | undefined;
  readonly model: string | undefined;
  readonly label: string | undefined;
  readonly processId: number | undefined;
  /** Sectors that are hidden by the drive, by name: "HPA". */
  readonly areas: readonly (readonly [name: string, sectors: number])[];
}

/** What an image tells of how it was made. */
export interface Ewf2Case {
  readonly description: string | undefined;
  readonly caseNumber: string | undefined;
  readonly evidenceNumber: string | undefined;
  readonly examiner: string | undefined;
  readonly notes: string | undefined;
  /** Version of the program. */
  readonly program: string | undefined;
  /** Operating system. */
  readonly system: string | undefined;
  /** Target time: the clock of the system when the image was made. */
  readonly acquired: Date | undefined;
  /** Actual time, as somebody typed it in. */
  readonly actual: Date | undefined;
  /** 0 where the program did not know it in time. */
  readonly chunkCount: number;
  readonly chunkSectors: number;
  /** As in the file header; undefined where it is empty. */
  readonly compression: number | undefined;
  /** Sectors that are given up together where one is bad. */
  readonly errorGranularity: number | undefined;
  readonly writeBlocker: number | undefined;
}

/** Areas of a drive that a tag counts the sectors of. */
const AREAS = [["hs", "HPA"], ["dc", "DCO"], ["rs", "PALM RAM"], ["ls", "drive logs"]] as const;

/** Timestamps have 32 bits. */
const MAX_SECONDS = 0xffff_ffff;

/**
 * Reads the attributes of a device information section. `offset` is its place in the file,
 * for the errors.
 *
 * @throws {FormatError} when one that is needed is missing, or one is impossible.
 */
export function parseDevice(attributes: Attributes, offset: number): Ewf2Device {
  const number = (tag: string, field: string): number | undefined =>
    numberOf(attributes, tag, field, offset);
  const sectorBytes = number("bp", "number of bytes in a sector");
  if (sectorBytes === undefined) {
    const message = "the device information does not tell how large a sector is";
    throw new FormatError(message, offset, "bytes per sector");
  }
  return {
    sectorBytes,
    sectorCount: number("ts", "number of sectors") ?? 0,
    driveType: attributes.get("dt"),
    isPhysical: attributes.get("ph") === "1",
    serial: attributes.get("sn"),
    model: attributes.get("md"),
    label: attributes.get("lb"),
    processId: number("pid", "process identifier"),
    areas: AREAS.flatMap(([tag, name]) => {
      const sectors = number(tag, `number of sectors of the ${name}`);
      return sectors === undefined ? [] : [[name, sectors] as const];
    }),
  };
}

/**
 * Reads the attributes of a case data section. `offset` is its place in the file, for the
 * errors.
 *
 * @throws {FormatError} when one that is needed is missing, or one is impossible.
 */
export function parseCase(attributes: Attributes, offset: number): Ewf2Case {
  const number = (tag: string, field: string): number | undefined =>
    numberOf(attributes, tag, field, offset);
  const date = (tag: string, field: string): Date | undefined => {
    const seconds = number(tag, field);
    if (seconds === undefined || seconds === 0) return undefined;
    if (seconds <= MAX_SECONDS) return new Date(seconds * 1000);
    throw new FormatError(`the ${field} is impossible: ${seconds}`, offset, field);
  };
  const chunkSectors = number("sb", "number of sectors in a chunk");
  if (chunkSectors === undefined) {
    const message = "the case data does not tell how large a chunk is";
    throw new FormatError(message, offset, "sectors per chunk");
  }
  return {
    description: attributes.get("nm"),
    caseNumber: attributes.get("cn"),
    evidenceNumber: attributes.get("en"),
    examiner: attributes.get("ex"),
    notes: attributes.get("nt"),
    program: attributes.get("av"),
    system: attributes.get("os"),
    acquired: date("tt", "target time"),
    actual: date("at", "actual time"),
    chunkCount: number("tb", "number of chunks") ?? 0,
    chunkSectors,
    compression: number("cp", "compression method"),
    errorGranularity: number("gr", "error granularity"),
    writeBlocker: number("wb", "write-blocker type"),
  };
}

/** How the medium is cut; see {@linkcode checkedGeometry} for the errors. */
export function geometryOf(device: Ewf2Device, data: Ewf2Case): EwfGeometry {
  const { sectorBytes, sectorCount } = device;
  const { chunkSectors, chunkCount } = data;
  return checkedGeometry({ sectorBytes, sectorCount, chunkSectors, chunkCount }, 0);
}
