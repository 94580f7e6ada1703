/** FAT specification 1.03, section "FAT Directory Structure", https://download.microsoft.com/download/1/6/1/161ba512-40e2-4cc9-843a-923143f3456c/fatgen103.doc */
import type { BlockSource, ProbeInput, ProbeScore } from "../core/block.ts";
import { asciiText, readBytes } from "../core/bytes.ts";
import type { Range } from "../core/range.ts";
import { parseFatBootSector } from "./fat/fat_boot_sector.ts";
import {
  type FileSystem,
  type FileSystemIdentity,
  nonEmpty,
  notRecognised,
} from "./file_system.ts";

// Directory entry, 32 bytes:
//   0 11 DIR_Name, E5h first: free; 00h first: the end
//  11  1 DIR_Attr
const DIRECTORY_ENTRY_BYTES = 32;
const ATTR_VOLUME_ID = 0x08;
const ATTR_LONG_NAME = 0x0f;
const MAX_ROOT_BYTES = 2 * 1024 * 1024;

const NO_NAME = "NO NAME";

/** FAT12, FAT16 and FAT32. */
export const fat: FileSystem = {
  id: "fat",
  title: "FAT",
  probe,
  identify,
  readLabel,
  async usedRanges(volume: BlockSource): Promise<readonly Range[]> {
    return await (await import("./fat/fat_used_ranges.ts")).fatUsedRanges(volume);
  },
};

function probe(input: ProbeInput): ProbeScore {
  const volume = parseFatBootSector(input.head);
  if (volume === undefined) return "no";
  // FAT[0] repeats the media byte, and the other bits of it are ones.
  const entry = input.head.subarray(volume.fatOffset, volume.fatOffset + 3);
  if (entry.length < 3) return volume.hasMarks ? "exact" : "maybe";
  const agrees = entry[0] === volume.BPB_Media && entry[1] === 0xff && entry[2] === 0xff;
  if (agrees) return "exact";
  return volume.hasMarks ? "maybe" : "no";
}

function identify(input: ProbeInput): FileSystemIdentity {
  const volume = parseFatBootSector(input.head);
  if (volume === undefined) throw notRecognised(fat.title);
  const serial = volume.BS_VolID?.toString(16).padStart(8, "0").toUpperCase();
  return {
    id: volume.kind,
    family: fat.id,
    title: volume.kind.toUpperCase(),
    label: shortLabel(volume.BS_VolLab),
    uuid: volume.BS_VolID ? `${serial?.slice(0, 4)}-${serial?.slice(4)}` : undefined,
  };
}

/** The label in the root directory is the one that systems show and change. */
async function readLabel(
  source: BlockSource,
  input: ProbeInput,
): Promise<string | undefined> {
  const volume = parseFatBootSector(input.head);
  if (volume === undefined) return undefined;
  const { rootOffset, rootLength } = volume;
  if (rootOffset < 0 || rootOffset >= source.size) return shortLabel(volume.BS_VolLab);
  const root = await readBytes(source, rootOffset, Math.min(rootLength, MAX_ROOT_BYTES));
  for (let at = 0; at + DIRECTORY_ENTRY_BYTES <= root.length; at += DIRECTORY_ENTRY_BYTES) {
    const first = root[at];
    if (first === 0) break;
    const attributes = root[at + 11] ?? 0;
    if (first === 0xe5 || (attributes & ATTR_LONG_NAME) === ATTR_LONG_NAME) continue;
    if (attributes & ATTR_VOLUME_ID) return shortLabel(asciiText(root.subarray(at, at + 11)));
  }
  return undefined;
}

/** Eleven bytes in some code page; only ASCII is certain, the rest is U+FFFD. */
function shortLabel(characters: string | undefined): string | undefined {
  const text = characters?.trimEnd() ?? "";
  return text === NO_NAME ? undefined : nonEmpty(text);
}
