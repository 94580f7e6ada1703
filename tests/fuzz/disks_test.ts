import { assert } from "@std/assert";
import { FormatError } from "../../src/core/errors.ts";
import { identifyFileSystem } from "../../src/filesystems/identify_file_system.ts";
import { gaps } from "../../src/volumes/partition_table.ts";
import { readPartitionTable } from "../../src/volumes/read_partition_table.ts";
import { seededNumbers, StrictSource } from "../volumes/image_tools.ts";

const ROUNDS = 250;

/** What makes parsers look closer, and where it stands. */
const MARKS: readonly (readonly [offset: number, bytes: string])[] = [
  [510, "\x55\xaa"],
  [446, "\x80\0\0\0\x83\0\0\0\x01\0\0\0\xff\0\0\0"],
  [462, "\0\0\0\0\x05\0\0\0\x01\0\0\0\xff\0\0\0"],
  [446, "\0\0\x02\0\xee\xff\xff\xff\x01\0\0\0\xff\xff\xff\xff"],
  [512, "EFI PART\0\0\x01\0\x5c\0\0\0"],
  [4096, "EFI PART\0\0\x01\0\x5c\0\0\0"],
  [1080, "\x53\xef"],
  [3, "NTFS    "],
  [3, "EXFAT   "],
  [3, "-FVE-FS-"],
  [0, "\xeb\x3c\x90mkfs.fat"],
  [11, "\0\x02\x01\x01\0\x02"],
  [54, "FAT12   "],
  [82, "FAT32   "],
  [0, "XFSB"],
  [65_600, "_BHRfS_M"],
  [1024, "\x10\x20\xf5\xf2"],
  [1024, "H+\0\x04"],
  [32, "NXSB"],
  [4086, "SWAPSPACE2"],
  [0, "LUKS\xba\xbe\0\x02"],
  [512, "LABELONE"],
  [0, "hsqs"],
  [32_769, "CD001\x01"],
  [32_769, "BEA01\x01"],
  [34_817, "NSR02\x01"],
  [4096, "\xfc\x4e\x2b\xa9"],
];

Deno.test("whatever a disk begins with, it is understood, unknown, or a FormatError", async () => {
  const next = seededNumbers(95);
  const unknown = new Set<string>();
  for (let round = 0; round < ROUNDS; round++) {
    const bytes = new Uint8Array(next(4) === 0 ? next(3000) : 70_000 + next(3000));
    // Noise of every density: parsers go farther where most is zero.
    for (let noise = [0, 20, 500, 10_000][next(4)] ?? 0; noise > 0; noise--) {
      bytes[next(bytes.length)] = next(4) === 0 ? 0xff : next(256);
    }
    for (let mark = next(4); mark > 0; mark--) {
      const [offset, text] = MARKS[next(MARKS.length)] ?? [0, ""];
      const place = next(8) === 0 ? next(bytes.length + 1) : offset;
      for (const [index, character] of [...text].entries()) {
        if (place + index < bytes.length) bytes[place + index] = character.charCodeAt(0);
      }
    }
    const source = new StrictSource(bytes, next(3) === 0 ? 4096 : 512);
    for (const read of [identifyFileSystem, readPartitionTable]) {
      try {
        const found = await read(source);
        if (found !== undefined && "partitions" in found) gaps(found, source.size);
        unknown.add(found === undefined ? "unknown" : "known");
      } catch (error) {
        assert(error instanceof FormatError, `round ${round}: ${error}`);
        unknown.add("error");
      }
    }
  }
  // All three came up: the marks are where the parsers look.
  assert(unknown.size === 3, [...unknown].join());
});
