/** A report with every field filled, of a drive that fails in places. */
import {
  type AreaFacts,
  type Manifest,
  MANIFEST_SCHEMA,
  MANIFEST_VERSION,
  SOURCE_PROTECTION,
  unreadableFacts,
} from "../../src/report/manifest.ts";
import { RateCurve, rateExtremes } from "../../src/report/manifest_rate_curve.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

export const MIB = 1024 * 1024;
export const GIB = 1024 * MIB;

const SIZE_BYTES = 31_914_983_424;

/** A digest that no two places of the example share. */
export function hexOf(seed: number, digits = 64): string {
  // Numbers of even seeds are those of the odd ones.
  const next = seededNumbers(seed * 2 + 1);
  for (let i = 0; i < 8; i++) next(2);
  return Array.from({ length: digits }, () => next(16).toString(16)).join("");
}

/** Bad sectors, what was given up beside them, and a part that nobody tried. */
function exampleAreas(): AreaFacts[] {
  const marks: readonly (readonly [number, number, AreaFacts["state"]])[] = [
    [5 * GIB + 3584, 512, "-"],
    [5 * GIB + 65_536, 4096, "-"],
    [9 * GIB, 64 * 1024, "/"],
    [9 * GIB + 512 * 1024, 1024, "-"],
    [21 * GIB + 123 * 512, 256 * MIB, "*"],
    [SIZE_BYTES - GIB, 640 * MIB, "?"],
  ];
  const areas: AreaFacts[] = [];
  let at = 0;
  for (const [offsetBytes, lengthBytes, state] of marks) {
    areas.push({ offsetBytes: at, lengthBytes: offsetBytes - at, state: "+" });
    areas.push({ offsetBytes, lengthBytes, state });
    at = offsetBytes + lengthBytes;
  }
  return [...areas, { offsetBytes: at, lengthBytes: SIZE_BYTES - at, state: "+" }];
}

function exampleCurve(): Pick<
  Manifest["reading"],
  "rateCurve" | "bestBytesPerSecond" | "worstBytesPerSecond"
> {
  const curve = new RateCurve();
  const next = seededNumbers(7);
  let done = 0;
  for (let tick = 1; tick <= 3821; tick++) {
    const seconds = tick / 10;
    const isStuck = seconds > 201 && seconds < 214;
    const rate = isStuck ? 0.2 : 96 - seconds * 0.08 + (next(1000) - 500) / 60;
    done += rate * MIB / 10;
    curve.add(seconds, done);
  }
  const rateCurve = curve.samples();
  return { rateCurve, ...rateExtremes(rateCurve) };
}

function exampleReading(areas: readonly AreaFacts[]): Manifest["reading"] {
  const bad = areas.filter(({ state }) => ["-", "/", "*"].includes(state))
    .map(({ offsetBytes, lengthBytes }) => ({ offset: offsetBytes, length: lengthBytes }));
  const readBytes = areas.filter(({ state }) => state === "+")
    .reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  return {
    offsetBytes: 0,
    lengthBytes: SIZE_BYTES,
    readBytes,
    seconds: 382.137,
    averageBytesPerSecond: Math.round(readBytes / 382.137),
    readErrors: 1234,
    retries: 321,
    ...unreadableFacts(bad, 512),
    ...exampleCurve(),
  };
}

const IMAGE_FILES = ["card.E01", "card.E02", "card.E03"].map((name, index) => ({
  name,
  sizeBytes: index < 2 ? 2_147_418_112 : 1_403_221_857,
  digests: [{ algorithm: "sha256", hex: hexOf(100 + index) }],
}));

const TABLE: Manifest["partitionTable"] = {
  scheme: "GPT",
  sectorBytes: 512,
  diskId: "8E1B7A0C-43D2-4E0B-9C77-0D6B5A1F2E90",
  fileSystem: 'ISO 9660 "HYBRID"',
  partitions: [
    {
      number: 1,
      startBytes: MIB,
      sizeBytes: 512 * MIB,
      typeId: "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
      typeName: "EFI System",
      name: "EFI system partition",
      guid: "0B7B3F9E-52F5-4D1B-8F4E-7A7B6B1E0B11",
      fileSystem: 'FAT32 "BOOT"',
    },
    {
      number: 2,
      startBytes: 513 * MIB,
      sizeBytes: 24 * GIB,
      typeId: "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7",
      typeName: "Windows basic data",
      name: "Fotos und Belege",
      guid: "9A5F7C31-7D0E-4B57-A2E2-6C1D9F20AA42",
      fileSystem: 'NTFS "DATEN"',
    },
    {
      number: 3,
      startBytes: 25_089 * MIB,
      sizeBytes: 4 * GIB,
      typeId: "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
      typeName: "Linux filesystem",
      name: "صور",
      guid: "51D3B1D2-0C7E-4C0C-8B0B-3E4A2C9D7F03",
      fileSystem: 'ext4 "写真"',
    },
  ],
  findings: [{
    level: "warning",
    message: "the primary GPT cannot be trusted: its checksum is wrong; the backup is used",
  }],
};

const COMMAND_LINE = [
  "sectorshot",
  "read",
  "/dev/sdb",
  "card.E01",
  "--also",
  "card.img",
  "--hash",
  "md5,sha256",
  "--verify",
  "--verify-source",
  "--report",
  "--evidence",
  "2026-0417/3",
  "--description",
  'SD card, labelled "Urlaub"',
];

const HASHES: Manifest["hashes"] = [
  {
    subject: "source",
    image: null,
    algorithm: "md5",
    hex: hexOf(1, 32),
    verdict: "reference",
  },
  { subject: "source", image: null, algorithm: "sha256", hex: hexOf(2), verdict: "reference" },
  { subject: "image", image: "card.E01", algorithm: "md5", hex: hexOf(1, 32), verdict: "same" },
  { subject: "image", image: "card.E01", algorithm: "sha256", hex: hexOf(2), verdict: "same" },
  {
    subject: "sourceAgain",
    image: null,
    algorithm: "md5",
    hex: hexOf(3, 32),
    verdict: "different",
  },
  {
    subject: "sourceAgain",
    image: null,
    algorithm: "sha256",
    hex: hexOf(4),
    verdict: "different",
  },
];

/** Every field has a value that occurs nowhere else, as far as that is possible. */
export function exampleManifest(): Manifest {
  const areas = exampleAreas();
  return {
    schema: MANIFEST_SCHEMA,
    version: MANIFEST_VERSION,
    program: { name: "sectorshot", version: "0.2.0", commit: "fcfbbc0" },
    commandLine: COMMAND_LINE,
    operator: {
      case: "AZ 34 Js 1182/26",
      evidence: "2026-0417/3",
      description: 'SD card, 32 GB, labelled "Urlaub", from the camera in room 2',
      examiner: "Jana Königová, Digital Evidence Unit",
      notes: "Sealed bag 77-B opened 09:12 in the presence of two witnesses.\n" +
        "Lock switch of the card: on.\n\nמסמך נלווה: 14/ב",
    },
    computer: { name: "lab-ws-07", system: "Linux 6.1.0-37-amd64", architecture: "x86_64" },
    started: "2026-03-01T09:30:07+01:00",
    ended: "2026-03-01T09:44:51+01:00",
    seconds: 884.291,
    source: {
      name: "/dev/sdb",
      kind: "disk",
      model: "SanDisk SD32G",
      serial: "0x35b1c0de",
      firmware: "8.0-rev2",
      bus: "usb",
      sizeBytes: SIZE_BYTES,
      logicalSectorBytes: 512,
      physicalSectorBytes: 4096,
      openedReadOnly: true,
      protection: SOURCE_PROTECTION,
    },
    partitionTable: TABLE,
    reading: exampleReading(areas),
    selection: {
      allocatedOnly: true,
      usedOnly: true,
      sourceBytes: SIZE_BYTES,
      contentBytes: SIZE_BYTES - 777_216,
      skippedBytes: 12_345_678_848,
      gptBackupOffsetBytes: SIZE_BYTES - 16_896,
      volumes: [
        {
          partition: 1,
          fileSystem: 'FAT32 "BOOT"',
          sizeBytes: 268_435_456,
          usedBytes: 54_525_952,
          wholeBecause: null,
        },
        {
          partition: 2,
          fileSystem: null,
          sizeBytes: 31_000_100_352,
          usedBytes: 31_000_100_353,
          wholeBecause: "no file system is recognized",
        },
      ],
    },
    images: [
      {
        path: "card.E01",
        format: "Expert Witness Format",
        layout: "encase6",
        compression: "fast",
        files: IMAGE_FILES,
        result: "complete",
        message: null,
      },
      {
        path: "/mnt/backup/card.img",
        format: "raw",
        layout: "split by nothing",
        compression: "best of none",
        files: [],
        result: "failed",
        message: "cannot write /mnt/backup/card.img: no space left on the disk (ENOSPC)",
      },
    ],
    hashes: HASHES,
    hashWindowFile: {
      name: "card.E01.windows.sha256",
      sizeBytes: 2_821_776,
      digests: [{ algorithm: "sha256", hex: hexOf(200) }],
    },
    mapFile: {
      name: "card.E01.map",
      sizeBytes: 1207,
      digests: [{ algorithm: "sha256", hex: hexOf(201) }],
    },
    areas,
    findings: [
      { level: "note", message: "the system had mounted /dev/sdb1 read-only" },
      { level: "warning", message: "the destination has no holes: zeros take room in it" },
    ],
  };
}
