/** What disks of made-up Windows machines are called, and what the rules make of them. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import * as windows from "../../ffi/windows_numbers.ts";
import { ImagingError } from "../../src/core/errors.ts";
import type { DeviceInfo, Location } from "../../src/devices/device.ts";
import { identityChange, type Refusal, refusals } from "../../src/devices/safety.ts";
import { listWindowsDisks, locateWindows, pathForm } from "../../src/devices/windows_disks.ts";
import {
  type DiskPlan,
  ERROR,
  FakeWindows,
  type FilePlan,
  type MachinePlan,
  volumeName,
  volumeOn,
  type VolumePlan,
} from "./fake_windows.ts";

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const { FILE_DEVICE_DISK, STORAGE_BUS_TYPE } = windows;

type DeviceLocation = Extract<Location, { kind: "device" }>;

/** The disk that Windows lives on, as most machines have it. */
const SYSTEM_DISK: DiskPlan = {
  number: 0,
  size: 931 * GIB,
  physicalSectorSize: 4096,
  product: "Samsung SSD 980 PRO 1TB",
  serial: "0025_38B1_1150_1A2B.",
  busType: STORAGE_BUS_TYPE.BusTypeNvme,
};

const CARD: DiskPlan = {
  number: 1,
  size: 32 * GIB,
  vendor: "Generic ",
  product: "SD   Reader     ",
  revision: "1.00",
  serial: "000000001539",
  busType: STORAGE_BUS_TYPE.BusTypeUsb,
  removable: true,
  mediaChanges: 3,
};

const SYSTEM_VOLUMES: readonly VolumePlan[] = [
  volumeOn("efi", 0, 1, [MIB, 100 * MIB]),
  volumeOn("c", 0, 3, [200 * MIB, 900 * GIB], "C:\\"),
];

const CARD_VOLUMES: readonly VolumePlan[] = [
  volumeOn("boot", 1, 1, [4 * MIB, 256 * MIB], "E:\\"),
  volumeOn("data", 1, 2, [512 * MIB, 16 * GIB], "F:\\", "C:\\mnt\\card\\"),
];

const FILES: Readonly<Record<string, FilePlan>> = {
  "C:\\": { directory: true, id: 5 },
  "C:\\images": { directory: true, id: 77 },
  "C:\\images\\card.img": { size: GIB, id: 1234 },
};

function machine(more: Partial<MachinePlan> = {}): MachinePlan {
  return {
    disks: [SYSTEM_DISK, CARD],
    volumes: [...SYSTEM_VOLUMES, ...CARD_VOLUMES],
    files: FILES,
    ...more,
  };
}

/** The ordinary machine with further disks and their volumes. */
function machineWith(disks: DiskPlan[], volumes: VolumePlan[] = []): MachinePlan {
  return machine({
    disks: [SYSTEM_DISK, ...disks],
    volumes: [...SYSTEM_VOLUMES, ...volumes],
  });
}

function windowsTest(
  name: string,
  plan: MachinePlan,
  body: (fake: FakeWindows) => Promise<void>,
): void {
  Deno.test(name, async () => {
    const fake = new FakeWindows(plan);
    await body(fake);
    fake.assertNothingOpen();
    assertEquals(fake.since(0, "open write"), [], "opened for writing, only to be looked at");
  });
}

async function find(fake: FakeWindows, number: number): Promise<DeviceInfo> {
  const disks = await listWindowsDisks(fake);
  const found = disks.find(({ path }) => path === `\\\\.\\PhysicalDrive${number}`);
  if (found === undefined) throw new Error(`PhysicalDrive${number} is not among the disks`);
  return found;
}

async function device(fake: FakeWindows, path: string): Promise<DeviceLocation> {
  const location = await locateWindows(fake, path);
  if (location.kind !== "device") throw new Error(`${path} is ${location.kind}`);
  return location;
}

async function regularFile(
  fake: FakeWindows,
  path: string,
): Promise<Extract<Location, { kind: "file" }>> {
  const location = await locateWindows(fake, path);
  if (location.kind !== "file") throw new Error(`${path} is ${location.kind}`);
  return location;
}

async function kindOf(fake: FakeWindows, path: string): Promise<string> {
  return (await locateWindows(fake, path)).kind;
}

function judge(target: Location, source?: Location): Refusal[] {
  return refusals({ target, source, imageSize: MIB, force: false, unmount: false });
}

function codes(found: readonly Refusal[]): string[] {
  return found.map(({ code }) => code);
}

// --- list ---

windowsTest("a card in a reader: everything that is known of it", machine(), async (fake) => {
  assertEquals(await find(fake, 1), {
    path: "\\\\.\\PhysicalDrive1",
    number: "1",
    size: 32 * GIB,
    sectorSize: 512,
    physicalSectorSize: 512,
    model: "Generic SD Reader",
    serial: "000000001539",
    firmware: "1.00",
    bus: "usb",
    removable: true,
    readOnly: false,
    virtual: false,
    mediumNumber: "3",
    system: false,
    claims: [],
    partitions: [
      {
        path: "\\\\.\\E:",
        index: 1,
        number: volumeName("boot"),
        start: 4 * MIB,
        size: 256 * MIB,
      },
      {
        path: "\\\\.\\F:",
        index: 2,
        number: volumeName("data"),
        start: 512 * MIB,
        size: 16 * GIB,
      },
    ],
    volumes: ["E:", "F:", "C:\\mnt\\card"],
    backingFile: undefined,
  });
});

windowsTest("disks are opened with no rights, in the order of their numbers", {
  ...machineWith([{ ...CARD, number: 12 }, { ...CARD, number: 2 }]),
  elevated: false,
}, async (fake) => {
  const disks = await listWindowsDisks(fake);
  assertEquals(disks.map(({ number }) => number), ["0", "2", "12"]);
  assertEquals(fake.since(0, "open read", "open write"), []);
});

windowsTest("the system disk is the one that the folder of Windows lies on", {
  ...machine(),
  windowsDirectory: "F:\\Windows",
}, async (fake) => {
  const disks = await listWindowsDisks(fake);
  assertEquals(disks.filter(({ system }) => system).map(({ number }) => number), ["1"]);
});

windowsTest("Windows on a volume over two disks makes both the system's", {
  ...machine(),
  volumes: [{
    guid: "c",
    paths: ["C:\\"],
    extents: [[0, MIB, GIB], [1, MIB, GIB]],
    device: [FILE_DEVICE_DISK, 0, 1],
  }],
}, async (fake) => {
  assertEquals((await listWindowsDisks(fake)).map(({ system }) => system), [true, true]);
});

windowsTest("where nobody knows what Windows runs from, no disk is shown", {
  ...machine(),
  windowsDirectory: "X:\\Windows",
}, async (fake) => {
  const error = await assertRejects(() => listWindowsDisks(fake), ImagingError);
  assertStringIncludes(error.message, "which disk Windows runs from");
  assertStringIncludes(error.message, "X:\\Windows");
  await assertRejects(() => locateWindows(fake, "\\\\.\\PhysicalDrive1"), ImagingError);
});

windowsTest(
  "a volume without a letter is named by its GUID, one in a folder by that",
  machineWith([CARD], [
    volumeOn("bare", 1, 1, [MIB, MIB]),
    volumeOn("folder", 1, 2, [2 * MIB, MIB], "C:\\mnt\\"),
  ]),
  async (fake) => {
    const { partitions, volumes } = await find(fake, 1);
    assertEquals(partitions.map(({ path }) => path), [
      "\\\\?\\Volume{bare}",
      "\\\\?\\Volume{folder}",
    ]);
    assertEquals(volumes, ["C:\\mnt"]);
  },
);

windowsTest(
  "a reader without a card: no size, and the letter that it keeps",
  machineWith([{ ...CARD, size: 0, mediaChanges: 3 }], [{
    guid: "empty",
    paths: ["E:\\"],
    device: [FILE_DEVICE_DISK, 1, 1],
  }]),
  async (fake) => {
    const disk = await find(fake, 1);
    assertEquals([disk.size, disk.sectorSize, disk.readOnly], [0, 512, false]);
    assertEquals([disk.partitions, disk.volumes], [[], ["E:"]]);
    assertEquals(disk.model, "Generic SD Reader");
    assertEquals(disk.mediumNumber, undefined);
    assertEquals(codes(judge(await device(fake, "\\\\.\\PhysicalDrive1"))), ["no-medium"]);
    const letter = await device(fake, "E:");
    assertEquals(letter.disk.size, 0);
    assertEquals(codes(judge(letter)), ["no-medium"]);
  },
);

windowsTest(
  "sectors: 512 bytes, 512 emulated, 4096",
  machineWith([
    { ...CARD, number: 1, physicalSectorSize: 512 },
    { ...CARD, number: 2, physicalSectorSize: 4096 },
    { ...CARD, number: 3, sectorSize: 4096, physicalSectorSize: 4096 },
    { ...CARD, number: 4, sectorSize: 4096 },
    { ...CARD, number: 5, physicalSectorSize: 0 },
  ]),
  async (fake) => {
    const disks = (await listWindowsDisks(fake)).slice(1);
    assertEquals(disks.map((disk) => [disk.sectorSize, disk.physicalSectorSize]), [
      [512, 512],
      [512, 4096],
      [4096, 4096],
      [4096, 4096],
      [512, 512],
    ]);
  },
);

windowsTest(
  "an ATA disk: all of its name in the product, the serial number put right",
  machineWith([{
    number: 1,
    size: GIB,
    product: "WDC WD10EZEX-08WN4A0",
    revision: " 01.01A01  ",
    serial: "    W -DXW08AA097721",
    busType: STORAGE_BUS_TYPE.BusTypeSata,
  }]),
  async (fake) => {
    const { model, serial, firmware, bus, removable } = await find(fake, 1);
    assertEquals([model, bus, removable], ["WDC WD10EZEX-08WN4A0", "sata", false]);
    assertEquals([serial, firmware], ["WD-WX80AA907712", "01.01A01"]);
  },
);

windowsTest(
  "an NVMe disk's serial number has no full stop, a disk without names has none",
  machineWith([{ number: 1, size: GIB }]),
  async (fake) => {
    assertEquals((await find(fake, 0)).serial, "0025_38B1_1150_1A2B");
    const { model, serial, firmware, bus } = await find(fake, 1);
    assertEquals([model, serial, firmware, bus], [undefined, undefined, undefined, "unknown"]);
  },
);

windowsTest(
  "a VHD is virtual; a disk that a hypervisor gives is a disk",
  machineWith([
    { ...CARD, number: 1, busType: STORAGE_BUS_TYPE.BusTypeFileBackedVirtual },
    { ...CARD, number: 2, busType: STORAGE_BUS_TYPE.BusTypeVirtual },
  ]),
  async (fake) => {
    const [, vhd, guest] = await listWindowsDisks(fake);
    assertEquals([vhd?.virtual, vhd?.bus], [true, "virtual"]);
    assertEquals([guest?.virtual, guest?.bus], [false, "virtual"]);
  },
);

windowsTest(
  "a card with its lock switch set is read-only, and refused",
  machineWith([{ ...CARD, writeProtected: true }], [...CARD_VOLUMES]),
  async (fake) => {
    assertEquals((await find(fake, 1)).readOnly, true);
    assertEquals(codes(judge(await device(fake, "E:"))), ["read-only"]);
    assertEquals(codes(judge(await device(fake, "\\\\.\\E:"))), ["read-only"]);
  },
);

const OLD_READER: DiskPlan = {
  ...CARD,
  sectorSize: 4096,
  refuses: { [windows.IOCTL_DISK_GET_DRIVE_GEOMETRY_EX]: ERROR.INVALID_FUNCTION },
};

windowsTest(
  "without the newer geometry the size is what a reader of the disk is told",
  machineWith([OLD_READER]),
  async (fake) => {
    const { size, sectorSize } = await find(fake, 1);
    assertEquals([size, sectorSize], [32 * GIB, 4096]);
    assertEquals(fake.since(0, "open read"), ["open read \\\\.\\PhysicalDrive1"]);
  },
);

windowsTest(
  "who may not read it sees the disk without its size",
  { ...machineWith([OLD_READER]), elevated: false },
  async (fake) => {
    const { size, sectorSize } = await find(fake, 1);
    assertEquals([size, sectorSize], [0, 4096]);
  },
);

const EVERY_QUESTION = [
  windows.IOCTL_DISK_GET_DRIVE_GEOMETRY_EX,
  windows.IOCTL_DISK_GET_DRIVE_GEOMETRY,
  windows.IOCTL_DISK_GET_LENGTH_INFO,
  windows.IOCTL_DISK_IS_WRITABLE,
  windows.IOCTL_STORAGE_QUERY_PROPERTY,
  windows.IOCTL_STORAGE_CHECK_VERIFY2,
];

windowsTest(
  "a disk that answers every question with an error is shown, and hides no other",
  machineWith([
    {
      ...CARD,
      broken: ERROR.GEN_FAILURE,
      refuses: Object.fromEntries(EVERY_QUESTION.map((code) => [code, ERROR.GEN_FAILURE])),
    },
    { ...CARD, number: 2 },
    { ...CARD, number: 3, unplugged: true },
  ]),
  async (fake) => {
    const disks = await listWindowsDisks(fake);
    assertEquals(disks.map(({ number }) => number), ["0", "1", "2", "3"]);
    const odd = disks[1];
    assertEquals(
      [odd?.size, odd?.sectorSize, odd?.model, odd?.serial, odd?.bus, odd?.readOnly],
      [0, 512, undefined, undefined, "unknown", false],
    );
  },
);

windowsTest(
  "a volume that cannot be opened or asked hides no other",
  machineWith([CARD], [
    { guid: "silent" },
    { guid: "gone", paths: ["G:\\"], device: [FILE_DEVICE_DISK, 9, 1] },
    ...CARD_VOLUMES,
  ]),
  async (fake) => {
    fake.fail = (entry) =>
      entry === "open query \\\\?\\Volume{gone}" ? ERROR.FILE_NOT_FOUND : undefined;
    assertEquals((await find(fake, 1)).volumes, ["E:", "F:", "C:\\mnt\\card"]);
  },
);

windowsTest(
  "a volume in more pieces than there was room for at first",
  machineWith([CARD], [{
    guid: "pieces",
    paths: ["P:\\"],
    extents: Array.from({ length: 100 }, (_, index) => [1, (index + 1) * MIB, MIB] as const),
    device: [FILE_DEVICE_DISK, 1, 1],
  }]),
  async (fake) => {
    assertEquals((await find(fake, 1)).partitions.length, 100);
    const { disk, partition } = await device(fake, "\\\\.\\P:");
    assertEquals([disk.size, disk.beneath, partition], [100 * MIB, ["1"], undefined]);
  },
);

windowsTest("another card in the same reader is noticed", machine(), async (fake) => {
  const before = await find(fake, 1);
  assertEquals(identityChange(before, await find(fake, 1)), undefined);
  fake.change(1, { mediaChanges: 4 });
  assertEquals(
    identityChange(before, await find(fake, 1)),
    "the medium in it was changed, or it was attached again",
  );
});

// --- pathForm ---

Deno.test("what a path says of itself", () => {
  const cases: readonly [string, ReturnType<typeof pathForm>][] = [
    ["\\\\.\\PhysicalDrive1", { kind: "disk", number: 1 }],
    ["//./physicaldrive12", { kind: "disk", number: 12 }],
    ["\\\\?\\PHYSICALDRIVE0", { kind: "disk", number: 0 }],
    ["E:", { kind: "letter", letter: "E:" }],
    ["e:", { kind: "letter", letter: "E:" }],
    ["\\\\.\\E:", { kind: "volume", path: "\\\\.\\E:" }],
    ["//./e:", { kind: "volume", path: "\\\\.\\E:" }],
    ["\\\\?\\E:", { kind: "volume", path: "\\\\.\\E:" }],
    ["\\\\?\\Volume{12-AB}", { kind: "volume", path: "\\\\?\\Volume{12-AB}" }],
    ["\\\\?\\Volume{12-AB}\\", { kind: "volume", path: "\\\\?\\Volume{12-AB}" }],
    ["\\\\.\\volume{12-AB}", { kind: "volume", path: "\\\\?\\volume{12-AB}" }],
    ["\\\\?\\Volume{12-AB}\\a.img", { kind: "file", path: "\\\\?\\Volume{12-AB}\\a.img" }],
    ["\\\\.\\CdRom0", { kind: "device", path: "\\\\.\\CdRom0" }],
    ["\\\\.\\PhysicalDrive", { kind: "device", path: "\\\\.\\PhysicalDrive" }],
    ["E:\\", { kind: "file", path: "E:\\" }],
    ["E:card.img", { kind: "file", path: "E:card.img" }],
    ["card.img", { kind: "file", path: "card.img" }],
    ["PhysicalDrive1", { kind: "file", path: "PhysicalDrive1" }],
    ["\\\\server\\share\\card.img", { kind: "file", path: "\\\\server\\share\\card.img" }],
    ["\\\\?\\C:\\card.img", { kind: "file", path: "\\\\?\\C:\\card.img" }],
    ["//?/C:/card.img", { kind: "file", path: "\\\\?\\C:\\card.img" }],
    ["", { kind: "file", path: "" }],
  ];
  for (const [path, form] of cases) assertEquals(pathForm(path), form, path);
});

// --- locate ---

windowsTest("a disk is found by its name, however it is written", machine(), async (fake) => {
  for (
    const path of ["\\\\.\\PhysicalDrive1", "//./physicaldrive1", "\\\\?\\PHYSICALDRIVE1"]
  ) {
    const location = await device(fake, path);
    assertEquals(location.path, "\\\\.\\PhysicalDrive1", path);
    assertEquals(location.disk, await find(fake, 1), path);
    assertEquals([location.number, location.partition, location.meaning], [
      "1",
      undefined,
      undefined,
    ]);
  }
});

windowsTest("what is not there is missing", machine(), async (fake) => {
  for (
    const path of [
      "\\\\.\\PhysicalDrive7",
      "X:",
      "\\\\.\\X:",
      "\\\\?\\Volume{none}",
      "\\\\.\\CdRom0",
      "C:\\images\\none.img",
      "X:\\",
    ]
  ) {
    assertEquals(await kindOf(fake, path), "missing", path);
  }
});

windowsTest("a letter means the whole disk, and says so", machine(), async (fake) => {
  for (const path of ["E:", "e:"]) {
    const location = await device(fake, path);
    assertEquals(location.path, "\\\\.\\PhysicalDrive1", path);
    assertEquals([location.number, location.partition], ["1", undefined], path);
    assertEquals(
      location.meaning,
      "E: lies on \\\\.\\PhysicalDrive1: the whole disk is meant, with F: and C:\\mnt\\card",
    );
  }
});

windowsTest(
  "of a letter that has its disk alone no others are told",
  machineWith([CARD], [volumeOn("one", 1, 1, [MIB, GIB], "E:\\")]),
  async (fake) => {
    assertEquals(
      (await device(fake, "E:")).meaning,
      "E: lies on \\\\.\\PhysicalDrive1: the whole disk is meant",
    );
  },
);

windowsTest("a volume is a part of its disk", machine(), async (fake) => {
  for (const path of ["\\\\.\\E:", "\\\\.\\e:", "//./e:", "\\\\?\\E:"]) {
    const { path: name, disk, partition, number, meaning } = await device(fake, path);
    assertEquals([name, disk.number, number], ["\\\\.\\E:", "1", volumeName("boot")], path);
    assertEquals(partition, {
      path: "\\\\.\\E:",
      index: 1,
      number: volumeName("boot"),
      start: 4 * MIB,
      size: 256 * MIB,
    });
    assertEquals(meaning, undefined);
  }
  for (const path of [volumeName("DATA"), `${volumeName("data")}\\`]) {
    const { disk, partition, number } = await device(fake, path);
    assertEquals([disk.number, partition?.index, number], ["1", 2, volumeName("data")], path);
  }
});

windowsTest(
  "a drive's root is a folder",
  machine({ files: { "E:\\": { directory: true } } }),
  async (fake) => {
    assertEquals(await kindOf(fake, "E:\\"), "directory");
    assertEquals(await kindOf(fake, "e:/"), "directory");
  },
);

windowsTest(
  "a drive of the network is no disk, and nothing of it is opened",
  machine({ network: ["N:"] }),
  async (fake) => {
    for (const path of ["N:", "n:"]) {
      const error = await assertRejects(() => locateWindows(fake, path), ImagingError);
      assertEquals([error.kind, error.message], [
        "usage",
        `cannot use ${path}: it is a drive of the network`,
      ]);
    }
    assertEquals(fake.record.filter((entry) => entry.includes("N:") && /open/.test(entry)), []);
  },
);

// --- Volumes that are no part of one disk ---

const SPANNING: MachinePlan = machineWith([CARD, { ...CARD, number: 2 }], [
  {
    guid: "span",
    paths: ["S:\\"],
    extents: [[1, MIB, 4 * GIB], [2, MIB, 8 * GIB]],
    device: [FILE_DEVICE_DISK, 1, 1],
  },
  volumeOn("whole", 2, 2, [20 * GIB, GIB], "T:\\"),
]);

windowsTest("a volume over two disks is claimed on both of them", SPANNING, async (fake) => {
  const where = "a volume that spans PhysicalDrive1 and PhysicalDrive2";
  for (const number of [1, 2]) {
    const { claims, partitions } = await find(fake, number);
    assertEquals(claims, [{ kind: "holder", device: "S:", where }]);
    assertEquals(partitions[0]?.path, "\\\\.\\S:");
    const target = await device(fake, `\\\\.\\PhysicalDrive${number}`);
    assertEquals(judge(target).map(({ code, message }) => [code, message]), [[
      "holder",
      `cannot write to \\\\.\\PhysicalDrive${number}: S: is in use by ${where}`,
    ]]);
  }
  assertEquals((await find(fake, 2)).partitions[0]?.size, 8 * GIB);
});

windowsTest("its letter stands for no single disk", SPANNING, async (fake) => {
  const error = await assertRejects(() => locateWindows(fake, "s:"), ImagingError);
  assertEquals(error.kind, "usage");
  assertEquals(
    error.message,
    "cannot use s: as a disk: it is a volume that spans PhysicalDrive1 and PhysicalDrive2",
  );
  assertStringIncludes(error.hint ?? "", "\\\\.\\S:");
});

windowsTest(
  "as a volume it is a device of its own, built upon both",
  SPANNING,
  async (fake) => {
    const { disk, partition, path } = await device(fake, "\\\\.\\S:");
    assertEquals([path, partition, disk.number], [
      "\\\\.\\S:",
      undefined,
      volumeName("span"),
    ]);
    assertEquals([disk.size, disk.virtual, disk.system], [12 * GIB, true, false]);
    assertEquals(disk.beneath, ["1", "2"]);
    const source = await device(fake, "\\\\.\\PhysicalDrive2");
    assertEquals(codes(judge(await device(fake, "\\\\.\\S:"), source)), ["same-as-source"]);
  },
);

windowsTest(
  "a volume over two disks that holds Windows is the system's",
  {
    ...SPANNING,
    windowsDirectory: "S:\\Windows",
  },
  async (fake) => {
    assertEquals((await device(fake, "\\\\.\\S:")).disk.system, true);
    assertEquals(codes(judge(await device(fake, "\\\\.\\S:"))), ["system-disk"]);
    assertEquals(codes(judge(await device(fake, "\\\\.\\PhysicalDrive2"))), ["system-disk"]);
  },
);

const ENCRYPTED: MachinePlan = machineWith([CARD], [{
  guid: "vera",
  paths: ["V:\\"],
  device: [FILE_DEVICE_DISK, 0xffff_fff0, 0],
  medium: { size: 3 * MIB, behindEnd: 0 },
}]);

windowsTest("a volume without a disk is a disk of its own", ENCRYPTED, async (fake) => {
  for (const path of ["\\\\.\\V:", "V:"]) {
    const { path: name, disk, partition, number, meaning } = await device(fake, path);
    assertEquals([name, number, partition, meaning], [
      "\\\\.\\V:",
      volumeName("vera"),
      undefined,
      undefined,
    ]);
    assertEquals([disk.size, disk.virtual, disk.system], [3 * MIB, true, false]);
    assertEquals(disk.volumes, ["V:"]);
  }
});

windowsTest(
  "a volume that only administrators may measure: access denied, and what to do",
  { ...ENCRYPTED, elevated: false },
  async (fake) => {
    const error = await assertRejects(() => locateWindows(fake, "\\\\.\\V:"), ImagingError);
    assertEquals([error.kind, error.osCode], ["environment", "ERROR_ACCESS_DENIED"]);
    assertStringIncludes(error.hint ?? "", "--elevate");
  },
);

windowsTest(
  "what is neither a disk nor an optical drive is a character device",
  machineWith([CARD], [{ guid: "tape", paths: ["T:\\"], device: [0x1f, 0, 0xffff_ffff] }]),
  async (fake) => {
    assertEquals(await kindOf(fake, "\\\\.\\T:"), "character");
    assertEquals(await kindOf(fake, "T:"), "character");
    assertEquals(codes(judge(await locateWindows(fake, "T:"))), ["not-a-device"]);
  },
);

windowsTest(
  "an optical drive is a device without a disk",
  machineWith([CARD], [{
    guid: "cd",
    paths: ["D:\\"],
    device: [windows.FILE_DEVICE_CD_ROM, 0, 0xffff_ffff],
    medium: { size: 2048 * 100, sectorSize: 512, behindEnd: 0 },
  }]),
  async (fake) => {
    const { disk } = await device(fake, "D:");
    assertEquals([disk.path, disk.size, disk.beneath], ["\\\\.\\D:", 204_800, []]);
  },
);

// --- The rules ---

windowsTest("the disk of the system is refused by every name", machine(), async (fake) => {
  for (const path of ["\\\\.\\PhysicalDrive0", "C:", "\\\\.\\C:", "\\\\?\\Volume{efi}"]) {
    assertEquals(codes(judge(await device(fake, path))), ["system-disk"], path);
  }
  assertEquals(judge(await device(fake, "E:")), []);
});

windowsTest("the disk that holds the image is refused", {
  ...machine(),
  files: { "E:\\card.img": { size: MIB }, "C:\\mnt\\card\\card.img": { size: MIB } },
}, async (fake) => {
  const source = await locateWindows(fake, "E:\\card.img");
  for (const path of ["E:", "F:", "\\\\.\\PhysicalDrive1", "\\\\.\\E:"]) {
    assertEquals(codes(judge(await device(fake, path), source)), ["same-as-source"], path);
  }
  assertEquals(judge(await device(fake, "\\\\.\\F:"), source), []);
  const mounted = await locateWindows(fake, "C:\\mnt\\card\\card.img");
  assertEquals(codes(judge(await device(fake, "E:"), mounted)), ["same-as-source"]);
  assertEquals(codes(judge(await device(fake, "\\\\.\\F:"), mounted)), ["same-as-source"]);
  assertEquals(judge(await device(fake, "\\\\.\\E:"), mounted), []);
});

windowsTest("an image on a volume over two disks is on both", {
  ...SPANNING,
  files: { "S:\\card.img": { size: MIB } },
}, async (fake) => {
  const source = await locateWindows(fake, "S:\\card.img");
  for (const number of [1, 2]) {
    const target = await device(fake, `\\\\.\\PhysicalDrive${number}`);
    assert(codes(judge(target, source)).includes("same-as-source"), `disk ${number}`);
  }
});

windowsTest("source and target are the same by whatever name", machine(), async (fake) => {
  const names = ["E:", "f:", "\\\\.\\PhysicalDrive1", "//./physicaldrive1"];
  for (const source of names) {
    for (const target of names) {
      const found = judge(await device(fake, target), await device(fake, source));
      assertEquals(codes(found), ["same-as-source"], `${source} to ${target}`);
    }
    const part = judge(await device(fake, "\\\\.\\E:"), await device(fake, source));
    assertEquals(codes(part), ["same-as-source"], `${source} to its volume`);
  }
  const volumes = judge(await device(fake, "\\\\.\\E:"), await device(fake, "\\\\.\\F:"));
  assertEquals(volumes, []);
  const twice = judge(await device(fake, "\\\\.\\e:"), await device(fake, volumeName("boot")));
  assertEquals(codes(twice), ["same-as-source"]);
});

// --- Files ---

windowsTest("a file: size, identity, and what its volume lies on", machine(), async (fake) => {
  const location = await regularFile(fake, "C:\\images\\card.img");
  assertEquals(location, {
    kind: "file",
    path: "C:\\images\\card.img",
    size: GIB,
    identity: "1001/d2040000000000000000000000000000",
    onDevice: volumeName("c"),
    beneath: [volumeName("c"), "0"],
  });
  for (const name of ["c:/IMAGES/card.img", "\\\\?\\C:\\images\\card.img"]) {
    const { identity, onDevice } = await regularFile(fake, name);
    assertEquals([identity, onDevice], [location.identity, volumeName("c")], name);
  }
});

windowsTest("a file is known by its number where it has no long one", {
  ...machine(),
  files: {
    "E:\\A.IMG": { id: 0x1234, withoutFileId: true },
    "E:\\B.IMG": { id: 0x1235, withoutFileId: true },
    "F:\\A.IMG": { id: 0x1234, withoutFileId: true },
  },
}, async (fake) => {
  const identities: string[] = [];
  for (const path of ["E:\\A.IMG", "E:\\B.IMG", "F:\\A.IMG"]) {
    identities.push((await regularFile(fake, path)).identity);
  }
  assertEquals(identities, ["1002/1234", "1002/1235", "1003/1234"]);
});

windowsTest("folders say what their file system puts up with", {
  ...machine(),
  files: {
    "E:\\": { directory: true, fileSystem: "FAT32" },
    "E:\\old": { directory: true, fileSystem: "FAT" },
    "F:\\": { directory: true, fileSystem: "exFAT" },
    "C:\\": { directory: true, fileSystem: "NTFS" },
  },
}, async (fake) => {
  const limits: unknown[] = [];
  for (const path of ["E:\\", "E:\\old", "F:\\", "C:\\"]) {
    const location = await locateWindows(fake, path);
    limits.push(
      location.kind === "directory"
        ? [location.fileLimit, location.withoutHoles]
        : location.kind,
    );
  }
  assertEquals(limits, [
    [{ fileSystem: "FAT32", bytes: 4_294_967_295 }, "FAT32"],
    [{ fileSystem: "FAT", bytes: 4_294_967_295 }, "FAT"],
    [undefined, "exFAT"],
    [undefined, undefined],
  ]);
});

windowsTest("a file of the network lies on no disk of this machine", {
  ...machine(),
  files: {
    "\\\\server\\share\\card.img": {
      size: 5,
      deviceType: windows.FILE_DEVICE_NETWORK_FILE_SYSTEM,
    },
  },
}, async (fake) => {
  const location = await regularFile(fake, "\\\\server\\share\\card.img");
  const { size, onDevice, beneath } = location;
  assertEquals([size, onDevice, beneath], [5, "network", ["network"]]);
  assertEquals(judge(await device(fake, "E:"), location), []);
});

windowsTest("NUL is no file", {
  ...machine(),
  files: { NUL: { deviceType: 0x15 }, CON: { deviceType: 0x50 } },
}, async (fake) => {
  assertEquals(await kindOf(fake, "NUL"), "character");
  assertEquals(await kindOf(fake, "con"), "character");
  assertEquals(fake.since(0, "queryInformation"), []);
});

windowsTest("a name that may not be looked at is an error, not a missing file", {
  ...machine(),
  files: { "C:\\secret\\card.img": { refused: ERROR.ACCESS_DENIED } },
}, async (fake) => {
  const error = await assertRejects(
    () => locateWindows(fake, "C:\\secret\\card.img"),
    ImagingError,
  );
  assertEquals([error.kind, error.osCode], ["environment", "ERROR_ACCESS_DENIED"]);
  assertStringIncludes(error.message, "cannot look at C:\\secret\\card.img: ");
});

windowsTest(
  "a stream within a file is refused before it is looked for",
  machine(),
  async (fake) => {
    for (
      const path of ["card.img:hash", "C:\\images\\card.img:x", "\\\\?\\C:\\images\\card.img:x"]
    ) {
      const error = await assertRejects(() => locateWindows(fake, path), ImagingError);
      assertEquals(error.kind, "usage", path);
      assertStringIncludes(error.message, "a stream within a file");
    }
    assertEquals(fake.record, []);
  },
);

windowsTest("whatever fails in between, nothing is left open", {
  ...SPANNING,
  files: { "S:\\card.img": { size: MIB } },
}, async (fake) => {
  const paths = ["S:\\card.img", "\\\\.\\PhysicalDrive1", "T:", "\\\\.\\T:", "\\\\.\\S:"];
  for (const path of paths) {
    fake.fail = () => undefined;
    const start = fake.record.length;
    await locateWindows(fake, path);
    const steps = fake.record.length - start;
    assert(steps > 5, `${steps} calls for ${path}`);
    for (let step = 0; step < steps; step++) {
      const failing = fake.record.length + step;
      fake.fail = (entry, index) =>
        index === failing && !entry.startsWith("close") ? ERROR.GEN_FAILURE : undefined;
      try {
        await locateWindows(fake, path);
      } catch (error) {
        // The names of volumes and folders cannot fail on a real machine.
        const isSystem = /^(volumes|volumeOf|windowsDirectory|systemPartition|driveType)\b/
          .test(fake.record[failing] ?? "");
        if (!isSystem) assert(error instanceof ImagingError, `${path}, step ${step}: ${error}`);
      }
      assertEquals(fake.openPaths(), [], `${path}, step ${step}: ${fake.record[failing]}`);
    }
  }
});

windowsTest("the disk that the machine starts from is the system's, too", {
  ...machineWith(
    [CARD, { ...CARD, number: 2 }],
    [volumeOn("start", 2, 1, [MIB, 100 * MIB])],
  ),
  systemPartition: "start",
}, async (fake) => {
  const disks = await listWindowsDisks(fake);
  assertEquals(disks.map(({ system }) => system), [true, false, true]);
  const [refusal] = judge(await locateWindows(fake, "\\\\.\\PhysicalDrive2"));
  assertEquals(refusal?.code, "system-disk");
});

windowsTest("an NVMe disk has the serial number of its label, where the system tells it", {
  ...machineWith([{ ...SYSTEM_DISK, number: 1, adapterSerial: "S5GXNF0R123456A     " }, {
    ...SYSTEM_DISK,
    number: 2,
    adapterSerial: "",
  }]),
}, async (fake) => {
  const serials = (await listWindowsDisks(fake)).map(({ serial }) => serial);
  assertEquals(serials, ["0025_38B1_1150_1A2B", "S5GXNF0R123456A", "0025_38B1_1150_1A2B"]);
});
