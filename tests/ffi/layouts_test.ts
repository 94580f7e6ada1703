/**
 * Layouts against Microsoft's structures as the headers of mingw-w64 declare them: C
 * compilers check every offset and size, and lay out values for the readers and builders
 * to be compared with. Needs gcc-mingw-w64-x86-64 for x64, and clang in addition for arm64.
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import * as layouts from "../../ffi/layouts.ts";
import * as storage from "../../ffi/storage_property.ts";
import { run } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

// --- The compilers ---

interface Compiler {
  readonly architecture: string;
  readonly tools: readonly [program: string, ...others: string[]];
  readonly args: readonly string[];
}

const COMPILERS: readonly Compiler[] = [
  { architecture: "x64", tools: ["x86_64-w64-mingw32-gcc"], args: [] },
  {
    architecture: "arm64",
    tools: ["clang", "x86_64-w64-mingw32-gcc"],
    args: ["--target=aarch64-w64-mingw32", "-isystem", "/usr/share/mingw-w64/include"],
  },
];

const HEADERS = `
#define _WIN32_WINNT 0x0A00
#define NTDDI_VERSION 0x0A000010
#include <stddef.h>
#include <windows.h>
#include <winternl.h>
#include <winioctl.h>
#include <shellapi.h>
`;

/** What the headers lack, as Microsoft documents it. */
const DOCUMENTED = `
typedef struct {
  DWORD Version; DWORD Reserved1; DWORDLONG Attributes;
} GET_DISK_ATTRIBUTES;
typedef struct {
  DWORD Version; BOOLEAN Persist; BYTE Reserved1[3];
  DWORDLONG Attributes; DWORDLONG AttributesMask; DWORD Reserved2[4];
} SET_DISK_ATTRIBUTES;
typedef struct {
  DWORD Version; DWORD Size; WCHAR SerialNumber[128];
} STORAGE_ADAPTER_SERIAL_NUMBER;
`;

/** Translates C; answers the object file. */
async function compile(
  { tools: [program], args }: Compiler,
  source: string,
): Promise<Uint8Array<ArrayBuffer>> {
  await using folder = await TemporaryFolder.create();
  const input = await folder.write("layouts.c", HEADERS + DOCUMENTED + source);
  const output = folder.file("layouts.o");
  await run(program, [...args, "-c", "-o", output, input]);
  return await Deno.readFile(output);
}

/** The sections of an object file by their names: PE Format, "COFF File Header". */
function sections(file: Uint8Array<ArrayBuffer>): Map<string, Uint8Array<ArrayBuffer>> {
  const view = layouts.viewOf(file);
  const first = 20 + view.getUint16(16, true);
  const headers = Array.from({ length: view.getUint16(2, true) }, (_, i) => first + i * 40);
  return new Map(headers.map((at) => {
    const name = new TextDecoder().decode(file.subarray(at, at + 8)).replace(/\0+$/, "");
    const start = view.getUint32(at + 20, true);
    return [name, file.slice(start, start + view.getUint32(at + 16, true))];
  }));
}

// --- Offsets and sizes ---

/** Where the headers call a structure or field by another name. */
const NAMES_IN_HEADERS: Readonly<Record<string, string>> = {
  FILE_ID_INFORMATION: "FILE_ID_INFO",
  DeleteFile: "DoDeleteFile",
};

function nameInHeaders(name: string): string {
  return NAMES_IN_HEADERS[name] ?? name;
}

function isLayout(entry: [string, unknown]): entry is [string, layouts.Layout] {
  const [, value] = entry;
  return typeof value === "object" && value !== null && "bytes" in value;
}

const EXPORTS: readonly [string, unknown][] = Object.entries({ ...layouts, ...storage });
const TABLES = EXPORTS.filter(isLayout);

/** A line of C that cannot be translated when the layout is another. */
function assertions([name, { bytes, ...fields }]: [string, layouts.Layout]): string[] {
  const type = nameInHeaders(name);
  const offsets = Object.entries(fields).map(([field, offset]) =>
    `_Static_assert(offsetof(${type}, ${nameInHeaders(field)}) == ${offset}, "${field}");`
  );
  return [`_Static_assert(sizeof(${type}) == ${bytes}, "${name}");`, ...offsets];
}

for (const compiler of COMPILERS) {
  Deno.test({
    name: `every structure is laid out as the headers say, on ${compiler.architecture}`,
    ignore: needs(...compiler.tools),
    async fn(): Promise<void> {
      assert(TABLES.length > 35, `only ${TABLES.length} structures`);
      await compile(compiler, TABLES.flatMap(assertions).join("\n"));
    },
  });

  Deno.test({
    name: `the check of the layouts finds a wrong one, on ${compiler.architecture}`,
    ignore: needs(...compiler.tools),
    async fn(): Promise<void> {
      for (const wrong of [{ bytes: 24 }, { bytes: 16, Buffer: 4 }]) {
        const source = assertions(["UNICODE_STRING", wrong]).join("\n");
        await assertRejects(() => compile(compiler, source), Error, "static");
      }
    },
  });
}

// --- Values that a compiler has laid out ---

/** A structure with values in C, and what the reader must make of it. */
interface ReaderExample {
  readonly c: string;
  readonly read: (bytes: Uint8Array) => unknown;
  readonly expected: unknown;
}

const BASIC_DATA_GUID =
  "{0xEBD0A0A2, 0xB9E5, 0x4433, {0x87, 0xC0, 0x68, 0xB6, 0xB7, 0x26, 0x99, 0xC7}}";
const OTHER_GUID =
  "{0x01234567, 0x89AB, 0xCDEF, {0xFE, 0xDC, 0xBA, 0x98, 0x76, 0x54, 0x32, 0x10}}";

/** Numbers as large as their fields, and different ones wherever two could be mistaken. */
const READERS: Readonly<Record<string, ReaderExample>> = {
  IO_STATUS_BLOCK: {
    c: "IO_STATUS_BLOCK it = {.Status = (NTSTATUS) 0xC0000022, .Information = 0x123456789A}",
    read: layouts.ioStatus,
    expected: { status: 0xc0000022, information: 0x123456789a },
  },
  OVERLAPPED: {
    c: "OVERLAPPED it = {.Internal = 0xC0000011, .InternalHigh = 4096}",
    read: layouts.overlappedStatus,
    expected: { status: 0xc0000011, information: 4096 },
  },
  DISK_GEOMETRY: {
    c: `DISK_GEOMETRY it = {.Cylinders.QuadPart = 972801, .MediaType = RemovableMedia,
      .TracksPerCylinder = 255, .SectorsPerTrack = 63, .BytesPerSector = 512}`,
    read: layouts.diskGeometry,
    expected: { mediaType: 11, bytesPerSector: 512, cylinderBytes: 972801 * 255 * 63 * 512 },
  },
  DISK_GEOMETRY_EX: {
    c: `DISK_GEOMETRY_EX it = {.Geometry = {.Cylinders.QuadPart = 3, .MediaType = FixedMedia,
      .TracksPerCylinder = 65537, .SectorsPerTrack = 65539, .BytesPerSector = 65536},
      .DiskSize.QuadPart = 8001563222016}`,
    read: layouts.diskGeometryEx,
    expected: {
      mediaType: 12,
      bytesPerSector: 65536,
      cylinderBytes: 3 * 65537 * 65539 * 65536,
      size: 8001563222016,
    },
  },
  GET_LENGTH_INFORMATION: {
    c: "GET_LENGTH_INFORMATION it = {.Length.QuadPart = 31914983424}",
    read: layouts.lengthInformation,
    expected: 31914983424,
  },
  VOLUME_DISK_EXTENTS: {
    c: `struct { VOLUME_DISK_EXTENTS head; DISK_EXTENT more; } it = {
      .head = {.NumberOfDiskExtents = 2,
        .Extents = {{.DiskNumber = 0x81234567, .StartingOffset.QuadPart = 1048576,
          .ExtentLength.QuadPart = 500000000000}}},
      .more = {.DiskNumber = 7, .StartingOffset.QuadPart = 5000000000000,
        .ExtentLength.QuadPart = 512}}`,
    read: layouts.volumeDiskExtents,
    expected: [
      { disk: 0x81234567, start: 1048576, size: 500000000000 },
      { disk: 7, start: 5000000000000, size: 512 },
    ],
  },
  STORAGE_DEVICE_NUMBER: {
    c: `STORAGE_DEVICE_NUMBER it = {.DeviceType = 0x80000007, .DeviceNumber = 0x90000004,
      .PartitionNumber = 0xA0000002}`,
    read: layouts.storageDeviceNumber,
    expected: { type: 0x80000007, number: 0x90000004, partition: 0xa0000002 },
  },
  "STORAGE_DEVICE_NUMBER of what has no partitions": {
    c: `STORAGE_DEVICE_NUMBER it = {.DeviceType = FILE_DEVICE_CD_ROM, .DeviceNumber = 1,
      .PartitionNumber = (DWORD) -1}`,
    read: layouts.storageDeviceNumber,
    expected: { type: 2, number: 1, partition: undefined },
  },
  GET_DISK_ATTRIBUTES: {
    c: "GET_DISK_ATTRIBUTES it = {.Version = 16, .Attributes = 0x1000000003}",
    read: layouts.diskAttributes,
    expected: 0x1000000003,
  },
  "DRIVE_LAYOUT_INFORMATION_EX of a GPT": {
    c: `struct { DRIVE_LAYOUT_INFORMATION_EX head; PARTITION_INFORMATION_EX more; } it = {
      .head = {.PartitionStyle = PARTITION_STYLE_GPT, .PartitionCount = 2,
        .Gpt = {.DiskId = ${OTHER_GUID}, .MaxPartitionCount = 128},
        .PartitionEntry = {{.PartitionStyle = PARTITION_STYLE_GPT,
          .StartingOffset.QuadPart = 1048576, .PartitionLength.QuadPart = 104857600,
          .PartitionNumber = 1, .Gpt = {.PartitionType = ${BASIC_DATA_GUID},
            .PartitionId = ${OTHER_GUID}, .Attributes = 1, .Name = L"Basic data"}}}},
      .more = {.PartitionStyle = PARTITION_STYLE_GPT,
        .StartingOffset.QuadPart = 6000000000000, .PartitionLength.QuadPart = 512,
        .PartitionNumber = 2, .Gpt = {.PartitionType = ${OTHER_GUID},
          .PartitionId = ${BASIC_DATA_GUID},
          .Name = L"thirty-six characters, and no more is"}}}`,
    read: layouts.driveLayout,
    expected: {
      style: "gpt",
      id: "01234567-89AB-CDEF-FEDC-BA9876543210",
      partitions: [
        {
          style: "gpt",
          start: 1048576,
          size: 104857600,
          number: 1,
          type: "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7",
          id: "01234567-89AB-CDEF-FEDC-BA9876543210",
          name: "Basic data",
        },
        {
          style: "gpt",
          start: 6000000000000,
          size: 512,
          number: 2,
          type: "01234567-89AB-CDEF-FEDC-BA9876543210",
          id: "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7",
          name: "thirty-six characters, and no more i",
        },
      ],
    },
  },
  "DRIVE_LAYOUT_INFORMATION_EX of an MBR": {
    c: `struct { DRIVE_LAYOUT_INFORMATION_EX head; PARTITION_INFORMATION_EX more[3]; } it = {
      .head = {.PartitionStyle = PARTITION_STYLE_MBR, .PartitionCount = 4,
        .Mbr = {.Signature = 0x00C0FFEE},
        .PartitionEntry = {{.PartitionStyle = PARTITION_STYLE_MBR,
          .StartingOffset.QuadPart = 4194304, .PartitionLength.QuadPart = 268435456,
          .PartitionNumber = 1, .Mbr = {.PartitionType = 0x0C, .BootIndicator = TRUE,
            .RecognizedPartition = TRUE, .HiddenSectors = 8192}}}}}`,
    read: layouts.driveLayout,
    expected: {
      style: "mbr",
      id: "00C0FFEE",
      partitions: [
        {
          style: "mbr",
          start: 4194304,
          size: 268435456,
          number: 1,
          type: "0C",
          id: "",
          name: "",
        },
      ],
    },
  },
  "DRIVE_LAYOUT_INFORMATION_EX of no table": {
    c: "DRIVE_LAYOUT_INFORMATION_EX it = {.PartitionStyle = PARTITION_STYLE_RAW}",
    read: layouts.driveLayout,
    expected: { style: "raw", id: "", partitions: [] },
  },
  PARTITION_INFORMATION_EX: {
    c: `PARTITION_INFORMATION_EX it = {.PartitionStyle = PARTITION_STYLE_RAW,
      .StartingOffset.QuadPart = 0, .PartitionLength.QuadPart = 4000000000000,
      .PartitionNumber = 0x80000001}`,
    read: layouts.partitionInformation,
    expected: {
      style: "raw",
      start: 0,
      size: 4000000000000,
      number: 0x80000001,
      type: "",
      id: "",
      name: "",
    },
  },
  FILE_STANDARD_INFORMATION: {
    c: `FILE_STANDARD_INFORMATION it = {.AllocationSize.QuadPart = 8589934592,
      .EndOfFile.QuadPart = 8589934000, .NumberOfLinks = 1, .Directory = TRUE}`,
    read: layouts.fileStandardInformation,
    expected: {
      size: 8589934000,
      allocated: 8589934592,
      directory: true,
      deletePending: false,
    },
  },
  "FILE_STANDARD_INFORMATION of a file that goes": {
    c: "FILE_STANDARD_INFORMATION it = {.EndOfFile.QuadPart = 1, .DeletePending = TRUE}",
    read: layouts.fileStandardInformation,
    expected: { size: 1, allocated: 0, directory: false, deletePending: true },
  },
  FILE_BASIC_INFORMATION: {
    c: "FILE_BASIC_INFORMATION it = {.ChangeTime.QuadPart = -1, .FileAttributes = 0x80000220}",
    read: layouts.fileAttributes,
    expected: 0x80000220,
  },
  FILE_INTERNAL_INFORMATION: {
    c: "FILE_INTERNAL_INFORMATION it = {.IndexNumber.QuadPart = 0x8005000000012345LL}",
    read: layouts.fileIndexNumber,
    expected: 0x8005000000012345n,
  },
  FILE_ID_INFORMATION: {
    c: `FILE_ID_INFO it = {.VolumeSerialNumber = 0xC0FFEE12C0FFEE34ULL,
      .FileId = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 255}}}`,
    read: layouts.fileIdInformation,
    expected: { volume: 0xc0ffee12c0ffee34n, file: "0102030405060708090a0b0c0d0e0fff" },
  },
  FILE_FS_ATTRIBUTE_INFORMATION: {
    c: `FILE_FS_ATTRIBUTE_INFORMATION it = {.FileSystemAttributes = 0x03E706FF,
      .MaximumComponentNameLength = 255, .FileSystemNameLength = 2,
      .FileSystemName = {L'N'}}`,
    read: layouts.fileSystemAttributes,
    expected: { flags: 0x03e706ff, name: "N" },
  },
  FILE_FS_VOLUME_INFORMATION: {
    c: `FILE_FS_VOLUME_INFORMATION it = {.VolumeSerialNumber = 0xDEADBEEF,
      .VolumeLabelLength = 2, .SupportsObjects = TRUE, .VolumeLabel = {L'X'}}`,
    read: layouts.fileSystemVolume,
    expected: { serial: 0xdeadbeef, label: "X" },
  },
  FILE_FS_DEVICE_INFORMATION: {
    c: "FILE_FS_DEVICE_INFORMATION it = {.DeviceType = 0x80007, .Characteristics = 0x80010003}",
    read: layouts.fileSystemDevice,
    expected: { type: 0x80007, characteristics: 0x80010003 },
  },
  FILE_ALLOCATED_RANGE_BUFFER: {
    c: `FILE_ALLOCATED_RANGE_BUFFER it[2] = {
      {.FileOffset.QuadPart = 0, .Length.QuadPart = 65536},
      {.FileOffset.QuadPart = 9000000000000, .Length.QuadPart = 5000000000}}`,
    read: layouts.allocatedRanges,
    expected: [{ start: 0, size: 65536 }, { start: 9000000000000, size: 5000000000 }],
  },
  SHELLEXECUTEINFOW: {
    c: "SHELLEXECUTEINFOW it = {.hProcess = (HANDLE) 0x80001234ABCD}",
    read: layouts.shellExecuteProcess,
    expected: 0x80001234abcdn,
  },
  TOKEN_ELEVATION: {
    c: "TOKEN_ELEVATION it = {.TokenIsElevated = 0x10000}",
    read: layouts.isElevated,
    expected: true,
  },
  RTL_OSVERSIONINFOW: {
    c: `RTL_OSVERSIONINFOW it = {.dwMajorVersion = 10, .dwBuildNumber = 0x80005857,
      .dwPlatformId = 2}`,
    read: layouts.osVersion,
    expected: "10.0.2147506263",
  },
  STORAGE_DESCRIPTOR_HEADER: {
    c: "STORAGE_DESCRIPTOR_HEADER it = {.Version = 40, .Size = 0x80000300}",
    read: storage.storageDescriptorSize,
    expected: 0x80000300,
  },
  STORAGE_DEVICE_DESCRIPTOR: {
    c: `struct { STORAGE_DEVICE_DESCRIPTOR head; char vendor[9]; char product[17];
        char revision[5]; char serial[21]; } it = {
      .head = {.Version = 40, .Size = 92, .DeviceType = 0, .RemovableMedia = TRUE,
        .VendorIdOffset = 40, .ProductIdOffset = 49, .ProductRevisionOffset = 66,
        .SerialNumberOffset = 71, .BusType = BusTypeMaxReserved << 16},
      .vendor = "SanDisk ", .product = "Ultra USB 3.0   ", .revision = "1.00",
      .serial = "  4C53000123456789  "}`,
    read: storage.storageDeviceDescriptor,
    expected: {
      deviceType: 0,
      removableMedia: true,
      busType: 0x7f0000,
      vendor: "SanDisk",
      product: "Ultra USB 3.0",
      revision: "1.00",
      rawSerial: "  4C53000123456789  ",
    },
  },
  STORAGE_ACCESS_ALIGNMENT_DESCRIPTOR: {
    c: `STORAGE_ACCESS_ALIGNMENT_DESCRIPTOR it = {.Version = 28, .Size = 28,
      .BytesPerCacheLine = 64, .BytesPerLogicalSector = 65536,
      .BytesPerPhysicalSector = 131072}`,
    read: storage.storageAccessAlignment,
    expected: { logicalSector: 65536, physicalSector: 131072 },
  },
  STORAGE_ADAPTER_SERIAL_NUMBER: {
    c: `STORAGE_ADAPTER_SERIAL_NUMBER it = {.Version = 264, .Size = 264,
      .SerialNumber = L"S4EVNX0M123456P     "}`,
    read: storage.storageAdapterSerial,
    expected: "S4EVNX0M123456P     ",
  },
};

/** A structure with values in C, and the same by the builder. */
interface BuilderExample {
  readonly c: string;
  readonly built: Uint8Array;
}

const BUILDERS: Readonly<Record<string, BuilderExample>> = {
  wideString: {
    c: `WCHAR it[] = L"\\\\\\\\.\\\\PhysicalDrive0 \\u00e4\\u20ac"`,
    built: layouts.wideString("\\\\.\\PhysicalDrive0 ä€"),
  },
  UNICODE_STRING: {
    c: `UNICODE_STRING it = {.Length = 8, .MaximumLength = 10,
      .Buffer = (PWSTR) 0x0000700012345678}`,
    built: layouts.unicodeString(0x0000700012345678n, layouts.wideString("E:\\a").length),
  },
  OBJECT_ATTRIBUTES: {
    c: `OBJECT_ATTRIBUTES it = {.Length = sizeof(OBJECT_ATTRIBUTES),
      .RootDirectory = (HANDLE) 0x44, .ObjectName = (PUNICODE_STRING) 0x0000700012345678,
      .Attributes = 0x80000000 | OBJ_CASE_INSENSITIVE}`,
    built: layouts.objectAttributes(0x0000700012345678n, 0x80000040, 0x44n),
  },
  OVERLAPPED: {
    c: `OVERLAPPED it = {.Offset = 0x89ABCDEF, .OffsetHigh = 0x123,
      .hEvent = (HANDLE) 0x88}`,
    built: layouts.overlapped(0x12389abcdef, 0x88n),
  },
  SET_DISK_ATTRIBUTES: {
    c: `SET_DISK_ATTRIBUTES it = {.Version = sizeof(SET_DISK_ATTRIBUTES), .Attributes = 1,
      .AttributesMask = 3}`,
    built: layouts.setDiskAttributes(1, 3),
  },
  FILE_RENAME_INFORMATION: {
    c: `FILE_RENAME_INFORMATION it = {.ReplaceIfExists = TRUE,
      .RootDirectory = (HANDLE) 0x1C, .FileNameLength = 2, .FileName = {L'x'}}`,
    built: layouts.fileRenameInformation("x", true, 0x1cn),
  },
  FILE_DISPOSITION_INFORMATION: {
    c: "FILE_DISPOSITION_INFORMATION it = {TRUE}",
    built: layouts.fileDispositionInformation(true),
  },
  FILE_END_OF_FILE_INFORMATION: {
    c: "FILE_END_OF_FILE_INFORMATION it = {.EndOfFile.QuadPart = 0x123456789AB}",
    built: layouts.fileEndOfFileInformation(0x123456789ab),
  },
  FILE_ZERO_DATA_INFORMATION: {
    c: `FILE_ZERO_DATA_INFORMATION it = {.FileOffset.QuadPart = 0x1000000000,
      .BeyondFinalZero.QuadPart = 0x2000000000}`,
    built: layouts.fileZeroDataInformation(0x1000000000, 0x2000000000),
  },
  FILE_ALLOCATED_RANGE_BUFFER: {
    c: `FILE_ALLOCATED_RANGE_BUFFER it = {.FileOffset.QuadPart = 0x1000000000,
      .Length.QuadPart = 0x2000000001}`,
    built: layouts.allocatedRangeQuery({ start: 0x1000000000, size: 0x2000000001 }),
  },
  SHELLEXECUTEINFOW: {
    c: `SHELLEXECUTEINFOW it = {.cbSize = sizeof(SHELLEXECUTEINFOW),
      .fMask = 0x80000000 | SEE_MASK_NOCLOSEPROCESS, .lpVerb = (LPCWSTR) 0x11, .lpFile = (LPCWSTR) 0x22,
      .lpParameters = (LPCWSTR) 0x33, .lpDirectory = (LPCWSTR) 0x44,
      .nShow = -1}`,
    built: layouts.shellExecuteInfo({
      mask: 0x80000040,
      verb: 0x11n,
      file: 0x22n,
      parameters: 0x33n,
      directory: 0x44n,
      show: -1,
    }),
  },
  RTL_OSVERSIONINFOW: {
    c: "RTL_OSVERSIONINFOW it = {.dwOSVersionInfoSize = sizeof(RTL_OSVERSIONINFOW)}",
    built: layouts.osVersionInfo(),
  },
  STORAGE_PROPERTY_QUERY: {
    c: `STORAGE_PROPERTY_QUERY it = {.PropertyId = 0x70000 | StorageAccessAlignmentProperty,
      .QueryType = PropertyStandardQuery}`,
    built: storage.storagePropertyQuery(0x70006),
  },
};

/** What the compiler makes of these variables, each of which is called `it`. */
async function values(compiler: Compiler, variables: readonly string[]): Promise<Uint8Array[]> {
  // Sections are filled up with zeros, so the size has one of its own.
  const source = variables.map((variable, i) => `
#define it v${i}
__attribute__((section(".v${i}"))) ${variable};
__attribute__((section(".s${i}"))) unsigned s${i} = sizeof(it);
#undef it
`);
  const found = sections(await compile(compiler, source.join("")));
  const section = (name: string): Uint8Array => {
    const bytes = found.get(name);
    if (bytes === undefined) throw new Error(`The compiler has made no section ${name}`);
    return bytes;
  };
  return variables.map((_, i) => {
    const size = layouts.viewOf(section(`.s${i}`)).getUint32(0, true);
    return section(`.v${i}`).subarray(0, size);
  });
}

for (const compiler of COMPILERS) {
  Deno.test({
    name: `what a compiler lays out is read as it was meant, on ${compiler.architecture}`,
    ignore: needs(...compiler.tools),
    async fn(): Promise<void> {
      const examples = Object.entries(READERS);
      const given = await values(compiler, examples.map(([, { c }]) => c));
      for (const [i, [name, { read, expected }]] of examples.entries()) {
        assertEquals(read(given[i] ?? new Uint8Array()), expected, name);
      }
    },
  });

  Deno.test({
    name: `what is built is what a compiler lays out, on ${compiler.architecture}`,
    ignore: needs(...compiler.tools),
    async fn(): Promise<void> {
      const examples = Object.entries(BUILDERS);
      const expected = await values(compiler, examples.map(([, { c }]) => c));
      for (const [i, [name, { built }]] of examples.entries()) {
        assertEquals(built, new Uint8Array(expected[i] ?? []), name);
      }
    },
  });
}

// --- What no compiler lays out: wrong lengths, wrong numbers, texts ---

/** Bytes of a structure with some of its 32-bit fields set. */
function filled(
  length: number,
  fields: Readonly<Record<number, number>>,
  text = "",
  textAt = 0,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  const view = layouts.viewOf(bytes);
  for (const [at, value] of Object.entries(fields)) view.setUint32(Number(at), value, true);
  for (let i = 0; i < text.length; i++) {
    view.setUint16(textAt + i * 2, text.charCodeAt(i), true);
  }
  return bytes;
}

Deno.test("a structure that is cut off is refused, not read past its end", () => {
  const readers: readonly [(bytes: Uint8Array) => unknown, length: number][] = [
    [layouts.ioStatus, 16],
    [layouts.overlappedStatus, 32],
    [layouts.diskGeometry, 24],
    [layouts.diskGeometryEx, 32],
    [layouts.lengthInformation, 8],
    [layouts.volumeDiskExtents, 4],
    [layouts.storageDeviceNumber, 12],
    [layouts.diskAttributes, 16],
    [layouts.partitionInformation, 144],
    [layouts.driveLayout, 48],
    [layouts.fileStandardInformation, 24],
    [layouts.fileAttributes, 40],
    [layouts.fileIndexNumber, 8],
    [layouts.fileIdInformation, 24],
    [layouts.fileSystemAttributes, 12],
    [layouts.fileSystemVolume, 18],
    [layouts.fileSystemDevice, 8],
    [layouts.shellExecuteProcess, 112],
    [layouts.isElevated, 4],
    [layouts.osVersion, 276],
  ];
  for (const [read, length] of readers) {
    for (let cut = 0; cut < length; cut++) {
      assertThrows(() => read(new Uint8Array(cut)), RangeError, "bytes", read.name);
    }
  }
});

Deno.test("a structure within a larger buffer is read at its own place", () => {
  const buffer = new Uint8Array(64);
  layouts.viewOf(buffer).setBigUint64(24, 512n, true);
  assertEquals(layouts.lengthInformation(buffer.subarray(24, 32)), 512);
  assertThrows(() => layouts.lengthInformation(buffer.subarray(24, 31)), RangeError);
});

Deno.test("numbers are converted exactly or not at all", () => {
  assertEquals(layouts.toNumber(0n), 0);
  assertEquals(layouts.toNumber(2n ** 53n - 1n), 2 ** 53 - 1);
  assertThrows(() => layouts.toNumber(2n ** 53n), RangeError);
  assertThrows(() => layouts.toNumber(-1n, "Length"), RangeError, "Length is impossible: -1");
  assertEquals(layouts.toU64(2 ** 53 - 1), 2n ** 53n - 1n);
  for (const wrong of [-1, 0.5, 2 ** 53, NaN, Infinity]) {
    assertThrows(() => layouts.toU64(wrong), RangeError);
  }
});

Deno.test("a size that no disk has is refused", () => {
  const bytes = new Uint8Array(8);
  for (const size of [-1n, -(2n ** 63n), 2n ** 53n]) {
    layouts.viewOf(bytes).setBigInt64(0, size, true);
    assertThrows(() => layouts.lengthInformation(bytes), RangeError, "is impossible");
  }
});

Deno.test("an OVERLAPPED is used again without traces of the last transfer", () => {
  const bytes = layouts.overlapped(7, 5n);
  layouts.viewOf(bytes).setUint32(layouts.OVERLAPPED.Internal, 0xc0000011, true);
  layouts.viewOf(bytes).setUint32(layouts.OVERLAPPED.InternalHigh, 512, true);
  layouts.setOverlappedOffset(bytes, 0x300000200);
  assertEquals(bytes, layouts.overlapped(0x300000200, 5n));
  assertThrows(() => layouts.setOverlappedOffset(bytes, -1), RangeError);
});

Deno.test("a volume with more extents than there is room for is refused", () => {
  const bytes = filled(layouts.volumeDiskExtentsBytes(2), { 0: 3 });
  assertThrows(() => layouts.volumeDiskExtents(bytes), RangeError, "3 extents");
  assertEquals(layouts.volumeDiskExtentCount(bytes), 3);
  layouts.viewOf(bytes).setUint32(0, 0x10001, true);
  assertThrows(() => layouts.volumeDiskExtents(bytes), RangeError);
  layouts.viewOf(bytes).setUint32(0, 2, true);
  assertEquals(layouts.volumeDiskExtents(bytes).length, 2);
  assertEquals(layouts.volumeDiskExtents(filled(8, {})), []);
});

Deno.test("a partition table with more entries than there is room for is refused", () => {
  const bytes = filled(layouts.driveLayoutBytes(4), { 4: 5 });
  assertThrows(() => layouts.driveLayout(bytes), RangeError, "5 entries");
  layouts.viewOf(bytes).setUint32(4, 0x10001, true);
  assertThrows(() => layouts.driveLayout(bytes), RangeError);
});

Deno.test("a partition that cannot be is refused", () => {
  const bytes = new Uint8Array(layouts.driveLayoutBytes(1));
  const view = layouts.viewOf(bytes);
  view.setUint32(layouts.DRIVE_LAYOUT_INFORMATION_EX.PartitionCount, 1, true);
  const entry = layouts.DRIVE_LAYOUT_INFORMATION_EX.PartitionEntry;
  const { StartingOffset } = layouts.PARTITION_INFORMATION_EX;
  view.setBigInt64(entry + StartingOffset, -512n, true);
  assertThrows(() => layouts.driveLayout(bytes), RangeError, "StartingOffset");
});

Deno.test("names of file systems and volumes are counted, not closed by a NUL", () => {
  const ntfs = filled(20, { 0: 0x40, 8: 8 }, "NTFS", 12);
  assertEquals(layouts.fileSystemAttributes(ntfs), { flags: 0x40, name: "NTFS" });
  // Longer than the buffer: the system would have said so, so it is something else.
  for (const length of [10, 0x10008]) {
    layouts.viewOf(ntfs).setUint32(8, length, true);
    assertThrows(() => layouts.fileSystemAttributes(ntfs), RangeError, "bytes of text");
  }
  const volume = filled(48, { 8: 1, 12: 10 }, "KÄRTE and more", 18);
  assertEquals(layouts.fileSystemVolume(volume), { serial: 1, label: "KÄRTE" });
  assertEquals(layouts.fileSystemVolume(filled(18, {})), { serial: 0, label: "" });
});

Deno.test("a new name goes behind the structure, and is never shorter than it", () => {
  const name = "card.img";
  const bytes = layouts.fileRenameInformation(name, false);
  const expected = filled(20 + name.length * 2, { 16: name.length * 2 }, name, 20);
  assertEquals(bytes, expected);
  assertEquals(layouts.fileRenameInformation("", true).length, 24);
  assertThrows(() => layouts.fileRenameInformation("a\0b", true), TypeError, "NUL");
});

Deno.test("a name of ntdll is at most 32766 characters long", () => {
  const longest = layouts.wideString("x".repeat(32766));
  const view = layouts.viewOf(layouts.unicodeString(1n, longest.length));
  assertEquals(view.getUint16(layouts.UNICODE_STRING.Length, true), 65532);
  assertEquals(view.getUint16(layouts.UNICODE_STRING.MaximumLength, true), 65534);
  for (const length of [0, 1, 3, 65535, 65536, 65538]) {
    assertThrows(() => layouts.unicodeString(1n, length), RangeError);
  }
});

Deno.test("wide strings end with a NUL and hold none", () => {
  assertEquals(layouts.wideString(""), Uint8Array.of(0, 0));
  assertEquals(layouts.wideString("aÄ"), Uint8Array.of(0x61, 0, 0xc4, 0, 0, 0));
  assertEquals(layouts.wideString("💾"), Uint8Array.of(0x3d, 0xd8, 0xbe, 0xdc, 0, 0));
  assertThrows(() => layouts.wideString("card\0.img"), TypeError, "contains a NUL");
});

Deno.test("wide strings are read up to a NUL or the end", () => {
  for (const text of ["", "a", "E:\\ä€💾", "half \ud83d a pair"]) {
    assertEquals(layouts.fromWide(layouts.wideString(text)), text);
  }
  assertEquals(layouts.fromWide(Uint8Array.of(0x61, 0, 0x62, 0)), "ab");
  assertEquals(layouts.fromWide(Uint8Array.of(0x61, 0, 0, 0, 0x62, 0)), "a");
  assertEquals(layouts.fromWide(Uint8Array.of(0x61, 0, 0x62)), "a");
  assertEquals(layouts.fromWide(new Uint8Array()), "");
});

Deno.test("a list of texts ends at an empty one, or where the buffer ends", () => {
  const list = (text: string): Uint8Array => filled(text.length * 2, {}, text);
  assertEquals(layouts.splitMultiString(list("C:\\\0D:\\mnt\\\0\0")), ["C:\\", "D:\\mnt\\"]);
  assertEquals(layouts.splitMultiString(list("one\0\0beyond\0")), ["one"]);
  assertEquals(layouts.splitMultiString(list("cut\0of")), ["cut", "of"]);
  assertEquals(layouts.splitMultiString(list("\0")), []);
  assertEquals(layouts.splitMultiString(new Uint8Array()), []);
});

Deno.test("a range left over at the end of an answer is no range", () => {
  assertEquals(layouts.allocatedRanges(new Uint8Array()), []);
  assertEquals(layouts.allocatedRanges(new Uint8Array(31)).length, 1);
});
