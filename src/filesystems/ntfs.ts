/** NTFS documentation, files $Boot and $Volume, https://flatcap.github.io/linux-ntfs/ntfs/files/volume.html */
import type { BlockSource, ProbeInput, ProbeScore } from "../core/block.ts";
import { readBytes, utf16Text } from "../core/bytes.ts";
import { FormatError } from "../core/errors.ts";
import type { Range } from "../core/range.ts";
import {
  type FileSystem,
  type FileSystemIdentity,
  nonEmpty,
  notRecognised,
} from "./file_system.ts";
import { VOLUME_NAME } from "./ntfs/attribute.ts";
import { parseFileRecord } from "./ntfs/file_record.ts";
import { parseNtfsBoot } from "./ntfs/ntfs_boot.ts";

const VOLUME_RECORD = 3;

/** The file system of Windows. */
export const ntfs: FileSystem = {
  id: "ntfs",
  title: "NTFS",
  probe,
  identify,
  readLabel,
  async usedRanges(volume: BlockSource): Promise<readonly Range[]> {
    return await (await import("./ntfs/ntfs_used_ranges.ts")).ntfsUsedRanges(volume);
  },
};

function probe(input: ProbeInput): ProbeScore {
  const boot = parseNtfsBoot(input.head);
  if (boot === undefined) return "no";
  return boot.hasSignature ? "exact" : "maybe";
}

function identify(input: ProbeInput): FileSystemIdentity {
  const boot = parseNtfsBoot(input.head);
  if (boot === undefined) throw notRecognised(ntfs.title);
  return {
    id: ntfs.id,
    family: ntfs.id,
    title: ntfs.title,
    label: undefined,
    uuid: boot.serial === 0n
      ? undefined
      : boot.serial.toString(16).padStart(16, "0").toUpperCase(),
  };
}

async function readLabel(
  source: BlockSource,
  input: ProbeInput,
): Promise<string | undefined> {
  const boot = parseNtfsBoot(input.head);
  if (boot === undefined) return undefined;
  const { mftOffset, recordBytes } = boot;
  const offset = mftOffset + VOLUME_RECORD * recordBytes;
  const record = await readBytes(source, offset, recordBytes);
  return record.length === recordBytes ? volumeName(record, offset) : undefined;
}

/** The content of $VOLUME_NAME in the file record of $Volume; undefined when it is damaged. */
function volumeName(stored: Uint8Array, offset: number): string | undefined {
  try {
    const { attributes } = parseFileRecord(stored, VOLUME_RECORD, offset);
    const content = attributes.find(({ type }) => type === VOLUME_NAME)?.content;
    return content === undefined ? undefined : nonEmpty(utf16Text(content));
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}
