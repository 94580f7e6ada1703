/**
 * What a report says, whatever it is written as. It is plain data, so that it goes into JSON
 * and comes back the same; MANIFEST.md describes every field of that file. Fields whose value
 * is not known are null, never absent.
 *
 * Texts are as they were given or found, with whatever characters: what shows them makes
 * them harmless. A new field raises nothing; another meaning of an old one raises `version`.
 */
import type { Finding } from "../core/errors.ts";
import type { Range } from "../core/range.ts";

/** What the file says that it is. */
export const MANIFEST_SCHEMA = "sectorshot report";

/** Raised when a field changes its meaning or goes away. */
export const MANIFEST_VERSION = 1;

/** What can be said about changes to the source, by whatever command. */
export const SOURCE_PROTECTION =
  "The source was opened for reading only, and nothing was written to it by this program. " +
  "Whether a write blocker was in use cannot be known from here. Without one, the operating " +
  "system (by mounting a file system, for example), other programs, or the drive itself may " +
  "have changed the source before, while or after it was read.";

/** The report of one run. */
export interface Manifest {
  readonly schema: typeof MANIFEST_SCHEMA;
  readonly version: typeof MANIFEST_VERSION;
  readonly program: ProgramFacts;
  /** The arguments as they were given, the program's name first. */
  readonly commandLine: readonly string[];
  readonly operator: OperatorFields;
  readonly computer: ComputerFacts;
  /** When the run began: ISO 8601 with the zone's offset, "2026-03-01T09:30:00+01:00". */
  readonly started: string;
  /** When it ended, all verification included; as `started`. */
  readonly ended: string;
  /** From beginning to end, by a clock that nobody sets. */
  readonly seconds: number;
  readonly source: SourceFacts;
  /** Null where nobody looked: the source is a stream. */
  readonly partitionTable: PartitionTableFacts | null;
  readonly reading: ReadingFacts;
  /** What was left out on purpose; null where all of the source was to be read. */
  readonly selection: SelectionFacts | null;
  /** In the order of the command line. */
  readonly images: readonly ImageFacts[];
  /** All lines of all three kinds; what was not done may be left out. */
  readonly hashes: readonly HashFacts[];
  /** The file of piecewise hashes. */
  readonly hashWindowFile: FileFacts | null;
  /** The map in the form of GNU ddrescue, where it is kept. */
  readonly mapFile: FileFacts | null;
  /**
   * The states of all that was to be read: ascending, without gaps or overlaps. Empty for
   * a stream.
   */
  readonly areas: readonly AreaFacts[];
  /** Oddities of the run that belong to no other part of the report. */
  readonly findings: readonly Finding[];
}

/** What made the image. */
export interface ProgramFacts {
  /** "sectorshot" */
  readonly name: string;
  /** "0.1.0" */
  readonly version: string;
  /** Abbreviated hash of the commit that it was made from. */
  readonly commit: string | null;
}

/** What the examiner wrote; null where nothing was given. */
export interface OperatorFields {
  /** `--case` */
  readonly case: string | null;
  /** `--evidence` */
  readonly evidence: string | null;
  /** `--description` */
  readonly description: string | null;
  /** `--examiner` */
  readonly examiner: string | null;
  /** `--notes`; may have several lines. */
  readonly notes: string | null;
}

/** Where the program ran. */
export interface ComputerFacts {
  /** The host name. */
  readonly name: string | null;
  /** Name and release of the operating system: "Linux 6.1.0-18-amd64". */
  readonly system: string;
  /** "x86_64" */
  readonly architecture: string;
}

/** What was read. */
export interface SourceFacts {
  /** As it was typed: "/dev/sdb". */
  readonly name: string;
  readonly kind: "disk" | "partition" | "file" | "stream";
  /** Of the drive, as it names itself. */
  readonly model: string | null;
  readonly serial: string | null;
  /** Revision of its firmware. */
  readonly firmware: string | null;
  /** How it is attached: "usb", "nvme" …; null for files and streams. */
  readonly bus: string | null;
  /** Bytes of the whole source; null for a stream. */
  readonly sizeBytes: number | null;
  /** The unit in which the report counts sectors; 512 where there is none. */
  readonly logicalSectorBytes: number;
  /** Null where it is not known. */
  readonly physicalSectorBytes: number | null;
  /** The program knows no other way. */
  readonly openedReadOnly: true;
  /** What else could have changed it: {@linkcode SOURCE_PROTECTION}. */
  readonly protection: string;
}

/** How the source is divided. */
export interface PartitionTableFacts {
  /** For people: "GPT", "MBR", "none". */
  readonly scheme: string;
  /** Bytes of the sectors in which the table counts. */
  readonly sectorBytes: number;
  /** GUID of a GPT disk, or signature of an MBR disk. */
  readonly diskId: string | null;
  /** What fills the whole source, where it is not divided: "ext4 "data"". */
  readonly fileSystem: string | null;
  /** In the order of their numbers. */
  readonly partitions: readonly PartitionFacts[];
  readonly findings: readonly Finding[];
}

/** One row of a partition table. */
export interface PartitionFacts {
  /** As Linux counts. */
  readonly number: number;
  /** Bytes from the start of the source. */
  readonly startBytes: number;
  readonly sizeBytes: number;
  /** "0x83", or a GUID. */
  readonly typeId: string;
  /** "Linux"; "unknown" where no name is known. */
  readonly typeName: string;
  /** In the table itself. */
  readonly name: string | null;
  /** GUID of this very partition. */
  readonly guid: string | null;
  /** What fills it, with its label: "FAT32 "BOOT"". */
  readonly fileSystem: string | null;
}

/** How the reading went. */
export interface ReadingFacts {
  /** First byte of the source that was to be read: 0, or what `--offset` says. */
  readonly offsetBytes: number;
  /** How much was to be read; null for a stream. */
  readonly lengthBytes: number | null;
  /** How much was read, of which the image holds the content. */
  readonly readBytes: number;
  /** How long reading took, without verification. */
  readonly seconds: number;
  /** `readBytes` by `seconds`. */
  readonly averageBytesPerSecond: number;
  /** The fastest and the slowest sample of the curve; null where there is none. */
  readonly bestBytesPerSecond: number | null;
  readonly worstBytesPerSecond: number | null;
  /** Requests that the source did not answer with data, retries included. */
  readonly readErrors: number;
  /** How often unreadable sectors were to be tried again: `--retries`. */
  readonly retries: number;
  /**
   * What could not be read, and is filled in the image: ascending, complete. Places that
   * nobody tried are not in it: they are `?` in `areas`.
   */
  readonly unreadable: readonly UnreadableFacts[];
  /** In all of them; a sector counts when a byte of it is unreadable. */
  readonly unreadableSectors: number;
  readonly unreadableBytes: number;
  /** See {@linkcode RateCurve} of manifest_rate_curve.ts; a few hundred at most. */
  readonly rateCurve: readonly RateSample[];
}

/** An image that was not to hold all of the source: `--allocated`, `--used`. */
export interface SelectionFacts {
  /** Does the image end behind the last partition? */
  readonly allocatedOnly: boolean;
  /** Was left out what file systems do not use? It reads as zeros. */
  readonly usedOnly: boolean;
  /** Bytes of the whole source, and of the content of the image. */
  readonly sourceBytes: number;
  readonly contentBytes: number;
  /** Bytes of the content that were not read, and are zeros in the image. */
  readonly skippedBytes: number;
  /**
   * Where the backup of the GPT begins on the source, when the image has it at its own end;
   * null where it is where it was, or there is none.
   */
  readonly gptBackupOffsetBytes: number | null;
  /** Every volume that was looked at, for `usedOnly`. */
  readonly volumes: readonly VolumeFacts[];
}

/** A volume of an image of what is used. */
export interface VolumeFacts {
  /** Number of the partition; null when it is the whole source. */
  readonly partition: number | null;
  /** What fills it, with its label. */
  readonly fileSystem: string | null;
  readonly sizeBytes: number;
  /** Bytes that were copied. */
  readonly usedBytes: number;
  /** Why all of it was copied; null where only what is used was. */
  readonly wholeBecause: string | null;
}

/** A run of unreadable sectors. */
export interface UnreadableFacts {
  /** Counted from the start of the source, in logical sectors. */
  readonly firstSector: number;
  readonly sectors: number;
  /** The unreadable bytes themselves, from the start of the source. */
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

/** The mean rate of a span of time, which begins where the sample before ends. */
export interface RateSample {
  /** End of the span, counted from the beginning of reading. */
  readonly seconds: number;
  readonly bytesPerSecond: number;
}

/** One image that was written. */
export interface ImageFacts {
  /** As it was typed: "card.E01". */
  readonly path: string;
  /** For people: "Expert Witness Format (E01)". */
  readonly format: string;
  /** Variant of the format: "encase6". */
  readonly layout: string | null;
  /** "none", "fast", "best" */
  readonly compression: string | null;
  /** Its files (segments) in their order. */
  readonly files: readonly FileFacts[];
  readonly result: "complete" | "failed";
  /** Why it failed; null when it is complete. */
  readonly message: string | null;
}

/** A file, and how to know it again. */
export interface FileFacts {
  /** Without its folder: "card.E02". */
  readonly name: string;
  readonly sizeBytes: number;
  /** Of the file itself, not of the content of the medium. */
  readonly digests: readonly FileDigest[];
}

/** A digest of a file. */
export interface FileDigest {
  /** "sha256" */
  readonly algorithm: string;
  /** Lower-case hexadecimal. */
  readonly hex: string;
}

/**
 * What was hashed. These are different things, and stand in different lines:
 *
 * - `source`: the source as it was read, once, on the way into the image
 * - `image`: the content of the image as written, read again (`--verify`)
 * - `sourceAgain`: the source, read a second time (`--verify-source`)
 */
export type HashSubject = "source" | "image" | "sourceAgain";

/**
 * What the comparison with the source as read came to. Lines of `source` are the
 * `reference` themselves.
 */
export type HashVerdict = "reference" | "same" | "different" | "not done";

/** A digest of the content of the medium; unreadable places count as what fills them. */
export interface HashFacts {
  readonly subject: HashSubject;
  /** Which image, as its `path` says; null unless `subject` is `image`. */
  readonly image: string | null;
  /** "sha256"; "bytes" where it was compared byte by byte, without a digest. */
  readonly algorithm: string;
  /** Lower-case hexadecimal; null where there is none. */
  readonly hex: string | null;
  readonly verdict: HashVerdict;
}

/** States as in maps of GNU ddrescue: rescued, bad, non-scraped, non-trimmed, non-tried. */
export type AreaState = "+" | "-" | "/" | "*" | "?";

/** A part of the source in one state. */
export interface AreaFacts {
  /** From the start of the source. */
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  readonly state: AreaState;
}

/** Ranges of bytes as a report lists them: with the sectors that they touch. */
export function unreadableFacts(
  ranges: readonly Range[],
  logicalSectorBytes: number,
): Pick<ReadingFacts, "unreadable" | "unreadableSectors" | "unreadableBytes"> {
  let unreadableSectors = 0;
  let unreadableBytes = 0;
  let counted = 0;
  const unreadable = ranges.map(({ offset, length }) => {
    const firstSector = Math.floor(offset / logicalSectorBytes);
    const end = Math.ceil((offset + length) / logicalSectorBytes);
    // Two ranges can touch the same sector: it counts once.
    unreadableSectors += Math.max(0, end - Math.max(firstSector, counted));
    counted = Math.max(counted, end);
    unreadableBytes += length;
    return {
      firstSector,
      sectors: end - firstSector,
      offsetBytes: offset,
      lengthBytes: length,
    };
  });
  return { unreadable, unreadableSectors, unreadableBytes };
}

/** A moment in the zone of this computer: ISO 8601, to the second, with its offset. */
export function zonedTime(date: Date): string {
  // The offset is what must be added to local time to come to UTC.
  const offsetMinutes = -date.getTimezoneOffset();
  const local = new Date(date.getTime() + offsetMinutes * 60_000).toISOString().slice(0, 19);
  const two = (value: number): string => String(value).padStart(2, "0");
  const minutes = Math.abs(offsetMinutes);
  const zone = `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
  return `${local}${offsetMinutes < 0 ? "-" : "+"}${zone}`;
}
