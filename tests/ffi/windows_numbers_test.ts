import { assert, assertEquals } from "@std/assert";
import * as numbers from "../../ffi/windows_numbers.ts";
import type { Bus } from "../../src/devices/device.ts";
import { run } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

type Named = readonly [name: string, value: number | bigint];

/** Every number that has a name, those in tables included. */
function namedNumbers(): Named[] {
  return Object.entries(numbers).flatMap(([name, value]): Named[] => {
    if (typeof value === "function") return [];
    return typeof value === "object" ? Object.entries<number>(value) : [[name, value]];
  });
}

/** What the headers of mingw-w64 do not have. */
const NOT_IN_HEADERS: readonly string[] = [
  "IOCTL_DISK_GET_DISK_ATTRIBUTES",
  "IOCTL_DISK_SET_DISK_ATTRIBUTES",
  "DISK_ATTRIBUTE_OFFLINE",
  "DISK_ATTRIBUTE_READ_ONLY",
];

/** What only drivers include. Both kinds of headers cannot be included together. */
function isForDrivers(name: string): boolean {
  return name in numbers.FILE_INFORMATION_CLASS || name in numbers.FS_INFORMATION_CLASS ||
    /^FILE_(OPENED|CREATED|REMOVABLE_MEDIA|READ_ONLY_DEVICE|REMOTE_DEVICE)$/.test(name);
}

const FOR_PROGRAMS = `
#define _WIN32_WINNT 0x0A00
#define NTDDI_VERSION 0x0A000010
#define WIN32_NO_STATUS
#include <windows.h>
#undef WIN32_NO_STATUS
#include <ntstatus.h>
#include <winternl.h>
#include <winioctl.h>
#include <shellapi.h>
`;

const FOR_DRIVERS = `
#define _WIN32_WINNT 0x0A00
#define NTDDI_VERSION 0x0A000010
#include <ntifs.h>
`;

/** Has C compared these numbers; fails when one is another. */
async function compare(
  headers: string,
  named: readonly Named[],
): Promise<void> {
  const assertions = named.map(([name, value]) => {
    const type = typeof value === "bigint" ? "unsigned long long" : "unsigned";
    return `_Static_assert((${type}) (${name}) == ${value}ull, "${name}");`;
  });
  await using folder = await TemporaryFolder.create();
  const source = await folder.write("numbers.c", headers + assertions.join("\n"));
  const drivers = "/usr/share/mingw-w64/include/ddk";
  await run("x86_64-w64-mingw32-gcc", ["-isystem", drivers, "-fsyntax-only", source]);
}

Deno.test({
  name: "every number is the one in the headers of mingw-w64",
  ignore: needs("x86_64-w64-mingw32-gcc"),
  async fn(): Promise<void> {
    const named = namedNumbers().filter(([name]) => !NOT_IN_HEADERS.includes(name));
    assert(named.length > 150, `only ${named.length} numbers`);
    await compare(FOR_PROGRAMS, named.filter(([name]) => !isForDrivers(name)));
    await compare(FOR_DRIVERS, named.filter(([name]) => isForDrivers(name)));
  },
});

Deno.test("control codes are those that Microsoft's documentation and programs use", () => {
  assertEquals(numbers.IOCTL_DISK_GET_DRIVE_GEOMETRY, 0x00070000);
  assertEquals(numbers.IOCTL_DISK_IS_WRITABLE, 0x00070024);
  assertEquals(numbers.IOCTL_DISK_GET_PARTITION_INFO_EX, 0x00070048);
  assertEquals(numbers.IOCTL_DISK_GET_DRIVE_LAYOUT_EX, 0x00070050);
  assertEquals(numbers.IOCTL_DISK_GET_LENGTH_INFO, 0x0007405c);
  assertEquals(numbers.IOCTL_DISK_GET_DRIVE_GEOMETRY_EX, 0x000700a0);
  assertEquals(numbers.IOCTL_DISK_GET_DISK_ATTRIBUTES, 0x000700f0);
  assertEquals(numbers.IOCTL_DISK_SET_DISK_ATTRIBUTES, 0x0007c0f4);
  assertEquals(numbers.IOCTL_DISK_DELETE_DRIVE_LAYOUT, 0x0007c100);
  assertEquals(numbers.IOCTL_DISK_UPDATE_PROPERTIES, 0x00070140);
  assertEquals(numbers.IOCTL_STORAGE_QUERY_PROPERTY, 0x002d1400);
  assertEquals(numbers.IOCTL_STORAGE_GET_DEVICE_NUMBER, 0x002d1080);
  assertEquals(numbers.IOCTL_STORAGE_CHECK_VERIFY, 0x002d4800);
  assertEquals(numbers.IOCTL_STORAGE_CHECK_VERIFY2, 0x002d0800);
  assertEquals(numbers.IOCTL_STORAGE_EJECT_MEDIA, 0x002d4808);
  assertEquals(numbers.IOCTL_VOLUME_GET_VOLUME_DISK_EXTENTS, 0x00560000);
  assertEquals(numbers.IOCTL_VOLUME_IS_OFFLINE, 0x00560010);
  assertEquals(numbers.FSCTL_LOCK_VOLUME, 0x00090018);
  assertEquals(numbers.FSCTL_UNLOCK_VOLUME, 0x0009001c);
  assertEquals(numbers.FSCTL_DISMOUNT_VOLUME, 0x00090020);
  assertEquals(numbers.FSCTL_IS_VOLUME_MOUNTED, 0x00090028);
  assertEquals(numbers.FSCTL_ALLOW_EXTENDED_DASD_IO, 0x00090083);
  assertEquals(numbers.FSCTL_SET_SPARSE, 0x000900c4);
  assertEquals(numbers.FSCTL_SET_ZERO_DATA, 0x000980c8);
  assertEquals(numbers.FSCTL_QUERY_ALLOCATED_RANGES, 0x000940cf);
});

Deno.test("a control code of the highest numbers is no negative number", () => {
  assertEquals(numbers.ctlCode(0xffff, 0xfff, 3, 3), 0xffffffff);
  assertEquals(numbers.ctlCode(0x8000, 0, 0, 0), 0x80000000);
});

Deno.test("all numbers for the system are unsigned 32-bit ones, but for the handle", () => {
  for (const [name, value] of namedNumbers()) {
    if (name === "INVALID_HANDLE_VALUE") continue;
    assert(Number.isInteger(value) && value >= 0 && value <= 0xffffffff, name);
  }
});

Deno.test("each kind of bus has a word that people know", () => {
  const words: Readonly<Record<string, Bus>> = {
    BusTypeUnknown: "unknown",
    BusTypeScsi: "scsi",
    BusTypeAtapi: "sata",
    BusTypeAta: "sata",
    BusType1394: "unknown",
    BusTypeSsa: "unknown",
    BusTypeFibre: "scsi",
    BusTypeUsb: "usb",
    BusTypeRAID: "scsi",
    BusTypeiScsi: "scsi",
    BusTypeSas: "scsi",
    BusTypeSata: "sata",
    BusTypeSd: "sd",
    BusTypeMmc: "sd",
    BusTypeVirtual: "virtual",
    BusTypeFileBackedVirtual: "virtual",
    BusTypeSpaces: "virtual",
    BusTypeNvme: "nvme",
    BusTypeSCM: "unknown",
    BusTypeUfs: "unknown",
  };
  for (const [name, number] of Object.entries(numbers.STORAGE_BUS_TYPE)) {
    const word: Bus = numbers.busWord(number);
    assertEquals(word, words[name], name);
  }
  assertEquals(numbers.busWord(20), "unknown");
  assertEquals(numbers.busWord(0xffffffff), "unknown");
});
