import { assertEquals, assertThrows } from "@std/assert";
import { viewOf } from "../../ffi/layouts.ts";
import {
  fixSerial,
  STORAGE_DEVICE_DESCRIPTOR,
  storageAccessAlignment,
  storageAdapterSerial,
  storageDescriptorSize,
  storageDeviceDescriptor,
} from "../../ffi/storage_property.ts";
import type { BusWord } from "../../ffi/windows_numbers.ts";

// --- The descriptor ---

const TEXT_FIELDS = ["VendorId", "ProductId", "ProductRevision", "SerialNumber"] as const;
type TextField = (typeof TEXT_FIELDS)[number];

/** A descriptor whose texts begin at these offsets, with these bytes behind the fields. */
function descriptor(
  offsets: Readonly<Partial<Record<TextField, number>>>,
  behind: string,
): Uint8Array {
  const { RawDeviceProperties } = STORAGE_DEVICE_DESCRIPTOR;
  const bytes = new Uint8Array(RawDeviceProperties + behind.length);
  bytes.set(Array.from(behind, (letter) => letter.charCodeAt(0)), RawDeviceProperties);
  for (const field of TEXT_FIELDS) {
    viewOf(bytes).setUint32(
      STORAGE_DEVICE_DESCRIPTOR[`${field}Offset`],
      offsets[field] ?? 0,
      true,
    );
  }
  return bytes;
}

Deno.test("a device without texts has none", () => {
  const { vendor, product, revision, rawSerial } = storageDeviceDescriptor(descriptor({}, ""));
  assertEquals([vendor, product, revision, rawSerial], Array(4).fill(undefined));
});

Deno.test("texts are trimmed, and what cannot be shown is not", () => {
  const bytes = descriptor(
    { VendorId: 36, ProductId: 42, ProductRevision: 59, SerialNumber: 66 },
    " WDC \0My\x1b[31m \x7fDisk\x80\xff \0\x01\x02 \x03  \0 1 2 \0",
  );
  const { vendor, product, revision, rawSerial } = storageDeviceDescriptor(bytes);
  assertEquals(vendor, "WDC");
  assertEquals(product, "My[31m Disk\ufffd\ufffd");
  assertEquals(revision, undefined);
  // The serial number's spaces tell what was done to it.
  assertEquals(rawSerial, " 1 2 ");
});

Deno.test("an offset that points to no text is one of no text", () => {
  // 0 is documented, -1 is what some drivers give; the others would be no text.
  for (const offset of [0, 0xffffffff, 1, 35, 40, 41, 0x10024]) {
    const bytes = descriptor({ SerialNumber: offset, ProductId: offset }, "abc\0");
    const { product, rawSerial } = storageDeviceDescriptor(bytes);
    assertEquals([product, rawSerial], [undefined, undefined], String(offset));
  }
});

Deno.test("a text without a NUL ends where the answer ends", () => {
  const bytes = descriptor({ SerialNumber: 36 }, "ABC123");
  assertEquals(storageDeviceDescriptor(bytes).rawSerial, "ABC123");
  assertEquals(storageDeviceDescriptor(bytes.subarray(0, 39)).rawSerial, "ABC");
});

Deno.test("no offset makes the reader leave the answer", () => {
  const room = descriptor({}, "text\0".repeat(10));
  for (const field of TEXT_FIELDS) {
    for (let bit = 0; bit < 32; bit++) {
      for (const delta of [-1, 0, 1]) {
        const bytes = room.slice();
        const offset = (2 ** bit + delta) >>> 0;
        viewOf(bytes).setUint32(STORAGE_DEVICE_DESCRIPTOR[`${field}Offset`], offset, true);
        storageDeviceDescriptor(bytes);
      }
    }
  }
});

Deno.test("a descriptor that is cut off is refused", () => {
  for (let cut = 0; cut < 36; cut++) {
    assertThrows(() => storageDeviceDescriptor(new Uint8Array(cut)), RangeError);
  }
  for (let cut = 0; cut < 28; cut++) {
    assertThrows(() => storageAccessAlignment(new Uint8Array(cut)), RangeError);
  }
  assertThrows(() => storageDescriptorSize(new Uint8Array(7)), RangeError);
  assertThrows(() => storageAdapterSerial(new Uint8Array(7)), RangeError);
  assertEquals(storageAdapterSerial(new Uint8Array(8)), "");
});

// --- Serial numbers ---

/** As ATA keeps it: filled up with spaces to 20 characters. */
function leftFilled(serial: string): string {
  return serial.padStart(20);
}

function rightFilled(serial: string): string {
  return serial.padEnd(20);
}

/** As a little-endian machine has the words of it. */
function swapped(text: string): string {
  return text.replaceAll(/(.)(.)/g, "$2$1");
}

function hex(text: string): string {
  return Array.from(text, (letter) => letter.charCodeAt(0).toString(16).padStart(2, "0"))
    .join("");
}

/** Serial numbers in the form that their manufacturers give them. */
const SERIALS = {
  wd15: "WD-WX80AA907712",
  wd15Other: "WD-WCC4E0123456",
  seagate: "Z1D0ABCD",
  seagateLikeWd: "WDZ7HAPA",
  samsung: "S21NNXAG123456A",
  samsungEven: "S5Y3NG0N12345678",
  toshiba: "93JKT0UWT",
  hitachi: "PK1234P1ABCDEF",
  intel: "BTWL12340ABC480QGN",
} as const;

Deno.test("a serial number that is right is only trimmed", () => {
  for (const serial of Object.values(SERIALS)) {
    for (const bus of ["sata", "usb", "scsi", "nvme", "sd", "virtual", "unknown"] as const) {
      assertEquals(fixSerial(serial, bus), serial);
      assertEquals(fixSerial(leftFilled(serial), bus), serial);
      assertEquals(fixSerial(rightFilled(serial), bus), serial);
    }
  }
});

Deno.test("a serial number that says nothing is none", () => {
  const nothing = [
    "",
    " ",
    " ".repeat(20),
    "0",
    "0".repeat(20),
    "00000000 ".trimEnd(),
    "0000_0000_0000_0000.",
    ".",
    "--",
  ];
  for (const raw of nothing) {
    for (const bus of ["usb", "nvme", "sata"] as const) {
      assertEquals(fixSerial(raw, bus), undefined, JSON.stringify(raw));
    }
  }
});

Deno.test("what holds characters that no serial number has is none", () => {
  // Pieces of another answer, as Windows gives them for some USB sticks.
  for (const raw of ["\x03N", "\x030", "0000000005\x06\x18", "\xff\xff\xff\xff", "AB\tC"]) {
    assertEquals(fixSerial(raw, "usb"), undefined, JSON.stringify(raw));
  }
});

Deno.test("an exchanged serial number is put right where its spaces tell", () => {
  // As an IDENTIFY DEVICE was read on a little-endian machine.
  assertEquals(fixSerial("    W -DXW08AA097721", "sata"), SERIALS.wd15);
  for (const serial of [SERIALS.wd15Other, SERIALS.samsung, SERIALS.toshiba]) {
    for (const bus of ["sata", "usb", "scsi", "unknown"] as const) {
      assertEquals(fixSerial(swapped(leftFilled(serial)), bus), serial);
      assertEquals(fixSerial(swapped(rightFilled(serial)), bus), serial);
    }
  }
});

Deno.test("an exchanged serial number of Western Digital's is known by its beginning", () => {
  const serial = "WD-WMC1234567890";
  assertEquals(fixSerial(swapped(leftFilled(serial)), "sata"), serial);
  assertEquals(fixSerial(swapped(serial), "usb"), serial);
  assertEquals(fixSerial("W -DXW08AA097721", "usb"), SERIALS.wd15);
});

Deno.test("a serial number that only may be exchanged is left alone", () => {
  // "3RH8B1BG" was meant; but so could "R38H1BGB" be.
  assertEquals(fixSerial("            R38H1BGB", "sata"), "R38H1BGB");
  for (const serial of [SERIALS.seagate, SERIALS.samsungEven, SERIALS.seagateLikeWd]) {
    const raw = swapped(leftFilled(serial));
    assertEquals(fixSerial(raw, "sata"), raw.trim());
  }
});

Deno.test("a space in a serial number that exchanging does not remove stays", () => {
  for (const raw of ["AB 12", "12 34 56", rightFilled("AB 12 CD"), leftFilled("A B 1 C")]) {
    assertEquals(fixSerial(raw, "sata"), raw.trim());
  }
  // Not filled up to the length of ATA's: from another kind of device.
  assertEquals(fixSerial("A 12", "usb"), "A 12");
});

Deno.test("disks that are no ATA disks are not exchanged or decoded", () => {
  for (const bus of ["nvme", "sd", "virtual"] as const) {
    assertEquals(fixSerial("    W -DXW08AA097721", bus), "W -DXW08AA097721");
    assertEquals(
      fixSerial(hex(leftFilled(SERIALS.seagate)), bus),
      hex(leftFilled(SERIALS.seagate)),
    );
  }
});

Deno.test("forty hexadecimal digits are the twenty characters of ATA", () => {
  for (const serial of Object.values(SERIALS)) {
    for (const raw of [hex(leftFilled(serial)), hex(rightFilled(serial)).toUpperCase()]) {
      for (const bus of ["sata", "scsi", "usb"] as const) {
        assertEquals(fixSerial(raw, bus), serial);
      }
    }
  }
  assertEquals(fixSerial(`${hex(SERIALS.seagate)}${"00".repeat(12)}`, "usb"), SERIALS.seagate);
});

Deno.test("forty hexadecimal digits of an exchanged serial number", () => {
  assertEquals(
    fixSerial("202020205720" + "2d445857303841413039373732" + "31", "sata"),
    "WD-WX80AA907712",
  );
  assertEquals(fixSerial(hex(swapped(leftFilled(SERIALS.samsung))), "sata"), SERIALS.samsung);
  // Exchanged or not cannot be told; that it is hexadecimal can.
  assertEquals(fixSerial(hex("            R38H1BGB"), "sata"), "R38H1BGB");
});

Deno.test("shorter hexadecimal text is decoded on USB only", () => {
  // A WD My Passport's: "WX21A95L78H0".
  assertEquals(fixSerial("575832314139354C37384830", "usb"), "WX21A95L78H0");
  assertEquals(fixSerial("575832314139354c37384830", "usb"), "WX21A95L78H0");
  assertEquals(fixSerial("575832314139354C37384830", "sata"), "575832314139354C37384830");
  assertEquals(fixSerial(hex(SERIALS.seagate), "usb"), SERIALS.seagate);
});

Deno.test("hexadecimal digits that spell no serial number are left alone", () => {
  const raws = [
    // Sticks and disks whose serial number is a hexadecimal number.
    "4C530001230415109345",
    "60A44C3FAE22F1B0B9690F5C",
    "50026B7123456789",
    "0123456789ABCDEF",
    "AA00000000000489",
    "6000C29A1B2C3D4E5F60718293A4B5C6",
    // Too few digits, an odd number, small letters, punctuation, letters alone.
    "5A31443041424344".slice(0, 14),
    "575832314139354C3738483",
    hex("wx21a95l78h0"),
    hex("WX21(95L78H0"),
    hex("ABCDEFGHIJKL"),
    // Two serial numbers in one, or text with spaces.
    hex("12345 ABCDEF"),
    hex("A 123456 B 123456 C1"),
    // Decimal digits alone spell something by chance now and then.
    hex("12345678"),
    "4142303132333435",
  ];
  for (const raw of raws) assertEquals(fixSerial(raw, "usb"), raw);
  assertEquals(fixSerial(hex("123456789012"), "usb"), "123456789012");
});

Deno.test("an NVMe disk's EUI-64 or NGUID loses its full stop", () => {
  const samples: readonly [string, BusWord, string][] = [
    ["0025_3855_0140_3D11.", "nvme", "0025_3855_0140_3D11"],
    ["ACE4_2E00_0502_2B01.", "nvme", "ACE4_2E00_0502_2B01"],
    [
      "0000_0000_0100_0000_E4D2_5C12_3456_5001.",
      "nvme",
      "0000_0000_0100_0000_E4D2_5C12_3456_5001",
    ],
    // In a USB enclosure that hands it on.
    ["0025_3855_0140_3D11.", "usb", "0025_3855_0140_3D11"],
    ["S4EVNX0M123456P     ", "nvme", "S4EVNX0M123456P"],
    ["BTLH12340ABC512A_00000001.", "nvme", "BTLH12340ABC512A_00000001"],
    // Only one, and elsewhere none: it may belong to it.
    ["1234..", "nvme", "1234."],
    ["AB1234.", "usb", "AB1234."],
  ];
  for (const [raw, bus, expected] of samples) assertEquals(fixSerial(raw, bus), expected);
});

Deno.test("a card's serial number is left as its reader gives it", () => {
  assertEquals(fixSerial("0x1a2b3c4d", "sd"), "0x1a2b3c4d");
  assertEquals(fixSerial("58", "sd"), "58");
});
