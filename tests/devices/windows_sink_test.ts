/** Writing disks and volumes of made-up Windows machines. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import * as windows from "../../ffi/windows_numbers.ts";
import type { BlockSource, Bytes } from "../../src/core/block.ts";
import { ImagingError, WriteError } from "../../src/core/errors.ts";
import type { DeviceSink } from "../../src/devices/device.ts";
import { windowsFailure, windowsHint } from "../../src/devices/windows_io.ts";
import type { Clock } from "../../src/devices/windows_patience.ts";
import { openWindowsSink } from "../../src/devices/windows_sink.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import {
  type DiskPlan,
  ERROR,
  failure,
  FakeWindows,
  type MachinePlan,
  volumeName,
  volumeOn,
  type VolumePlan,
} from "./fake_windows.ts";

const MIB = 1024 ** 2;
const DISK = "\\\\.\\PhysicalDrive1";
const BOOT = volumeName("boot");
const DATA = volumeName("data");

/** A clock that does not wait, and remembers how long it should have. */
class FakeClock implements Clock {
  readonly waits: number[] = [];

  sleep(milliseconds: number): Promise<void> {
    this.waits.push(milliseconds);
    return Promise.resolve();
  }
}

/** Disk 1 is a card with E: and a volume without a letter; F: lies on disk 2. */
function machine(
  disk: Partial<DiskPlan> = {},
  volumes: Readonly<Record<string, Partial<VolumePlan>>> = {},
  more: Partial<MachinePlan> = {},
): FakeWindows {
  const plans = [
    volumeOn("c", 0, 1, [MIB, 32 * MIB], "C:\\"),
    volumeOn("boot", 1, 1, [MIB, 2 * MIB], "E:\\"),
    volumeOn("other", 2, 1, [MIB, 2 * MIB], "F:\\"),
    volumeOn("data", 1, 2, [4 * MIB, 3 * MIB]),
  ];
  return new FakeWindows({
    disks: [
      { number: 0, size: 64 * MIB },
      { number: 1, size: 8 * MIB, ...disk },
      { number: 2, size: 8 * MIB },
    ],
    volumes: plans.map((plan) => ({ ...plan, ...volumes[plan.guid] })),
    files: { "C:\\card.img": { size: 1000 }, "C:\\": { directory: true } },
    ...more,
  });
}

async function open(
  fake: FakeWindows,
  path = DISK,
  clock: Clock = new FakeClock(),
): Promise<DeviceSink> {
  return await openWindowsSink(fake, path, fake.plan.elevated ?? true, clock);
}

/** What matters of the order of things. */
function steps(fake: FakeWindows, start = 0): string[] {
  return fake.since(start, "open write", "LOCK_VOLUME", "DISMOUNT_VOLUME")
    .map((entry) => entry.replace("open write", "open"));
}

async function read(source: BlockSource, offset: number, length: number): Promise<Bytes> {
  const bytes = new Uint8Array(length).fill(0xee);
  return bytes.subarray(0, await source.readAt(offset, bytes));
}

const OPENED_DISK = [
  `open ${BOOT}`,
  `LOCK_VOLUME ${BOOT}`,
  `DISMOUNT_VOLUME ${BOOT}`,
  `open ${DATA}`,
  `LOCK_VOLUME ${DATA}`,
  `DISMOUNT_VOLUME ${DATA}`,
  `open ${DISK}`,
];

// --- Opening and closing ---

Deno.test("all volumes of a disk are locked, then dismounted, then it is opened", async () => {
  for (const path of [DISK, "//./physicaldrive1", "e:"]) {
    const fake = machine();
    const sink = await open(fake, path);
    assertEquals(steps(fake), OPENED_DISK, path);
    assertEquals([sink.name, sink.size, sink.sectorSize], [DISK, 8 * MIB, 512]);
    assertEquals(fake.openPaths(), [BOOT, DATA, DISK]);
    await sink[Symbol.asyncDispose]();
  }
});

Deno.test("the locks are kept until all is done; the disk is closed before them", async () => {
  const fake = machine();
  const sink = await open(fake);
  await sink.writeAt(0, patternBytes(8 * MIB, { seed: 5 }));
  await sink.flush();
  assertEquals(await sink.announce(), []);
  assertEquals(fake.openPaths(), [BOOT, DATA, DISK]);
  const start = fake.record.length;
  await sink[Symbol.asyncDispose]();
  assertEquals(fake.record.slice(start), [`close ${DISK}`, `close ${DATA}`, `close ${BOOT}`]);
  fake.assertNothingOpen();
  assertEquals(fake.disposals, 1);
});

Deno.test("what was written is there, and is read again by another handle", async () => {
  const fake = machine({ mediaChanges: 6 });
  const sink = await open(fake);
  assertEquals(sink.mediumNumber, "6");
  const image = patternBytes(8 * MIB, { seed: 5 });
  await sink.writeAt(MIB, image.subarray(MIB));
  await sink.writeAt(0, image.subarray(0, MIB));
  await sink.flush();
  assertBytes(fake.content(1, 0, 8 * MIB), image);
  {
    await using source = await sink.reread();
    assertEquals([source.name, source.size], [DISK, 8 * MIB]);
    assertBytes(await read(source, 0, 8 * MIB), image);
    assertEquals(fake.openPaths(), [BOOT, DATA, DISK, DISK]);
  }
  assertEquals(fake.openPaths(), [BOOT, DATA, DISK]);
  assertEquals(fake.disposals, 0, "the thread goes on");
  await sink[Symbol.asyncDispose]();
  assertEquals(fake.disposals, 1);
});

Deno.test("a last sector that is not whole is completed with zeros", async () => {
  const fake = machine({ sectorSize: 4096 });
  await using sink = await open(fake);
  assertEquals(sink.sectorSize, 4096);
  await sink.writeAt(8192, new Uint8Array(5000).fill(0xaa));
  const written = fake.content(1, 8192, 8192);
  assertEquals(written.subarray(0, 5000).every((byte) => byte === 0xaa), true);
  assertEquals(written.subarray(5000).every((byte) => byte === 0), true);
});

Deno.test("nothing is written behind the end", async () => {
  const fake = machine();
  await using sink = await open(fake);
  const error = await assertRejects(
    () => sink.writeAt(8 * MIB - 512, new Uint8Array(1024)),
    WriteError,
  );
  assertEquals(error.offset, 8 * MIB);
  assertEquals(fake.since(0, "write"), []);
});

Deno.test("a disk without volumes needs no lock", async () => {
  const fake = machine({}, {
    boot: volumeOn("boot", 2, 2, [4 * MIB, MIB]),
    data: volumeOn("data", 2, 3, [5 * MIB, MIB]),
  });
  const sink = await open(fake);
  await sink.writeAt(0, new Uint8Array(8 * MIB));
  await sink[Symbol.asyncDispose]();
  assertEquals(steps(fake), [`open ${DISK}`]);
});

Deno.test("a volume is locked and written alone, and read again by its own handle", async () => {
  const fake = machine();
  const sink = await open(fake, "\\\\.\\E:");
  assertEquals([sink.name, sink.size], ["\\\\.\\E:", 2 * MIB]);
  assertEquals(steps(fake), [
    "open \\\\.\\E:",
    "LOCK_VOLUME \\\\.\\E:",
  ]);
  const image = patternBytes(2 * MIB, { seed: 8 });
  await sink.writeAt(0, image);
  await sink.flush();
  {
    // Nobody may open it while it is locked.
    await using source = await sink.reread();
    assertBytes(await read(source, 0, 2 * MIB), image);
    assertEquals(source.sectorSize, 512);
  }
  assertEquals(fake.openPaths(), ["\\\\.\\E:"]);
  await sink.writeAt(0, image.subarray(0, 512));
  assertBytes(fake.content(1, MIB, 2 * MIB), image);
  // Until all is written: a volume without a file system may refuse to be flushed.
  const written = fake.record.length;
  await sink[Symbol.asyncDispose]();
  assertEquals(fake.since(written, "DISMOUNT_VOLUME"), ["DISMOUNT_VOLUME \\\\.\\E:"]);
  fake.assertNothingOpen();
  assertEquals(fake.disposals, 1);
});

Deno.test("a volume's very end is allowed while it still has a file system", async () => {
  const fake = machine();
  await using sink = await open(fake, "\\\\.\\E:");
  const order = fake.since(0, "ALLOW_EXTENDED_DASD_IO", "LOCK_VOLUME", "DISMOUNT_VOLUME");
  assertEquals(order.map((entry) => entry.split(" ")[0]), [
    "ALLOW_EXTENDED_DASD_IO",
    "LOCK_VOLUME",
  ]);
  assertEquals(sink.size, 2 * MIB);
});

Deno.test("Windows lets nobody write where a volume is not locked", async () => {
  // What the machine of these tests is worth: without the locks it would refuse.
  const fake = machine();
  fake.fail = (entry) => entry === "volumes" ? ERROR.GEN_FAILURE : undefined;
  await assertRejects(() => open(fake), Error);
  const unlisted = machine({}, { data: { device: [windows.FILE_DEVICE_DISK, 9, 1] } });
  unlisted.fail = (entry) =>
    entry === `VOLUME_GET_VOLUME_DISK_EXTENTS ${DATA}` ? ERROR.INVALID_FUNCTION : undefined;
  await using sink = await open(unlisted);
  const error = await assertRejects(
    () => sink.writeAt(4 * MIB, new Uint8Array(512)),
    WriteError,
  );
  assertEquals(error.osCode, "ERROR_ACCESS_DENIED");
  await sink.writeAt(2 * MIB, new Uint8Array(512));
});

// --- Refusals ---

Deno.test("a volume that is busy for a moment is waited for, twice as long each time", async () => {
  for (const [busy, waits] of [[0, []], [1, [100]], [4, [100, 200, 400, 800]]] as const) {
    const fake = machine({}, { data: { busy } });
    const clock = new FakeClock();
    const sink = await open(fake, DISK, clock);
    assertEquals(clock.waits, waits);
    await sink.writeAt(4 * MIB, new Uint8Array(MIB));
    await sink[Symbol.asyncDispose]();
    fake.assertNothingOpen();
  }
});

Deno.test("a volume that stays busy is named, and what to close", async () => {
  const cases = [
    ["boot", DISK, "E:"],
    ["data", DISK, DATA],
    ["boot", "\\\\.\\E:", "\\\\.\\E:"],
  ] as const;
  for (const [guid, path, title] of cases) {
    const fake = machine({}, { [guid]: { busy: Infinity } });
    const clock = new FakeClock();
    const error = await assertRejects(() => open(fake, path, clock), ImagingError);
    assertEquals(clock.waits, [100, 200, 400, 800, 1600, 3200]);
    assertEquals([error.kind, error.osCode], ["environment", "ERROR_ACCESS_DENIED"]);
    assertEquals(
      error.message,
      `cannot lock the volume ${title}: access denied (ERROR_ACCESS_DENIED)`,
    );
    assertStringIncludes(error.hint ?? "", "close the Explorer windows, programs");
    assertStringIncludes(error.hint ?? "", title);
    fake.assertNothingOpen();
    assertEquals(fake.since(0, "write", `open write ${DISK}`), []);
  }
});

Deno.test("a volume that cannot be opened, locked or dismounted stops it", async () => {
  const cases = [
    [`open write ${DATA}`, `cannot open the volume ${DATA}: `],
    [`LOCK_VOLUME ${BOOT}`, "cannot lock the volume E:: "],
    [`DISMOUNT_VOLUME ${BOOT}`, "cannot lock the volume E:: "],
    [`DISMOUNT_VOLUME ${DATA}`, `cannot lock the volume ${DATA}: `],
  ] as const;
  for (const [failing, message] of cases) {
    const fake = machine();
    fake.fail = (entry) => entry === failing ? ERROR.GEN_FAILURE : undefined;
    const error = await assertRejects(() => open(fake), ImagingError);
    assertEquals(error.osCode, "ERROR_GEN_FAILURE");
    assertStringIncludes(error.message, message);
    assertEquals(fake.openPaths(), [], failing);
    assertEquals(fake.since(0, `open write ${DISK}`), [], failing);
  }
});

Deno.test("a write-protected medium is found out before anything is written", async () => {
  for (const path of [DISK, "\\\\.\\E:"]) {
    const fake = machine({ writeProtected: true });
    const error = await assertRejects(() => open(fake, path), Error);
    assertStringIncludes(error.message, "ERROR_WRITE_PROTECT");
    fake.assertNothingOpen();
  }
  assertMatch(windowsHint("ERROR_WRITE_PROTECT", "disk", true) ?? "", /lock switch/);
});

Deno.test("a driver that does not know whether it can be written is tried", async () => {
  const refuses = { [windows.IOCTL_DISK_IS_WRITABLE]: ERROR.INVALID_FUNCTION };
  const fake = machine({ refuses });
  await using sink = await open(fake);
  await sink.writeAt(0, new Uint8Array(512));
});

Deno.test("without the rights of an administrator nothing is opened or locked", async () => {
  for (const path of [DISK, "\\\\.\\E:"]) {
    const fake = machine({}, {}, { elevated: false });
    const error = await assertRejects(() => open(fake, path), Error);
    assertStringIncludes(error.message, "ERROR_ACCESS_DENIED");
    fake.assertNothingOpen();
    assertEquals(fake.since(0, "LOCK_VOLUME"), []);
  }
});

Deno.test("access denied: what to do depends on the rights and on what it is", () => {
  const denied = failure("NtCreateFile", ERROR.ACCESS_DENIED);
  const hint = (attempt: "disk" | "file", elevated: boolean): string =>
    windowsFailure("cannot open it", denied, attempt, elevated).hint ?? "";
  assertStringIncludes(hint("disk", false), "--elevate");
  assertStringIncludes(hint("disk", true), "close the programs that use it");
  assertEquals(hint("disk", true).includes("--elevate"), false);
  for (const elevated of [false, true]) {
    assertStringIncludes(hint("file", elevated), "choose a folder that you may write to");
  }
  const error = windowsFailure("cannot open it", denied, "disk", true);
  assertEquals([error.message, error.osCode, error.cause], [
    "cannot open it: access denied (ERROR_ACCESS_DENIED)",
    "ERROR_ACCESS_DENIED",
    denied,
  ]);
  assertEquals(windowsHint("ERROR_CRC", "disk", true), undefined);
});

Deno.test("what is no error of the system is thrown as it is", () => {
  const bug = new TypeError("a bug");
  let thrown: unknown;
  try {
    windowsFailure("cannot open it", bug, "disk", true);
  } catch (error) {
    thrown = error;
  }
  assertEquals(thrown, bug);
});

Deno.test("files, folders and what is missing are never opened for writing", async () => {
  for (const path of ["C:\\card.img", "C:\\", "X:", "\\\\.\\PhysicalDrive9", "new.img"]) {
    const fake = machine();
    const error = await assertRejects(() => open(fake, path), ImagingError);
    assertEquals(error.kind, "usage", path);
    assertStringIncludes(error.message, `cannot write to ${path}: it is not a disk`);
    assertEquals(fake.since(0, "open write"), [], path);
    fake.assertNothingOpen();
  }
});

Deno.test("whatever fails in between, nothing is left open or locked", async () => {
  for (const path of ["E:", "\\\\.\\E:"]) {
    const whole = machine();
    await (await open(whole, path))[Symbol.asyncDispose]();
    assert(whole.record.length > 20);
    let failures = 0;
    for (let step = 0; step < whole.record.length; step++) {
      const fake = machine();
      fake.fail = (entry, index) =>
        index === step && !entry.startsWith("close") ? ERROR.GEN_FAILURE : undefined;
      try {
        await (await open(fake, path))[Symbol.asyncDispose]();
      } catch (error) {
        failures++;
        const told = /ERROR_GEN_FAILURE|cannot tell which disk Windows runs from/;
        assertMatch(error instanceof Error ? error.message : "", told);
      }
      assertEquals(fake.openPaths(), [], `${path}, ${whole.record[step]}`);
    }
    assert(failures > 5, `${failures} failures`);
  }
});

// --- What goes wrong while it is open ---

Deno.test("a write that fails is a WriteError with the system's name for it", async () => {
  const fake = machine();
  await using sink = await open(fake);
  fake.change(1, { broken: ERROR.IO_DEVICE });
  const error = await assertRejects(() => sink.writeAt(512, new Uint8Array(512)), WriteError);
  assertEquals([error.offset, error.osCode], [512, "ERROR_IO_DEVICE"]);
  assertStringIncludes(error.message, `cannot write to ${DISK} at byte 512: `);
});

Deno.test("a flush that fails says that something may be lost", async () => {
  const fake = machine();
  await using sink = await open(fake);
  fake.change(1, { unplugged: true });
  const error = await assertRejects(() => sink.flush(), WriteError);
  assertEquals(error.osCode, "ERROR_DEVICE_NOT_CONNECTED");
  assertStringIncludes(error.message, "what was written may be lost");
});

Deno.test("a disk that cannot be opened again to verify it", async () => {
  const fake = machine();
  await using sink = await open(fake);
  fake.fail = (entry) => entry === `open read ${DISK}` ? ERROR.SHARING_VIOLATION : undefined;
  const error = await assertRejects(() => sink.reread(), ImagingError);
  assertStringIncludes(error.message, `cannot open ${DISK} to verify it: `);
  assertEquals(error.osCode, "ERROR_SHARING_VIOLATION");
  assertEquals(fake.openPaths(), [BOOT, DATA, DISK]);
});

Deno.test("after writing, Windows is told; what comes of it is a note at most", async () => {
  const told = (error: number): FakeWindows =>
    machine({ refuses: { [windows.IOCTL_DISK_UPDATE_PROPERTIES]: error } });
  const cases = [
    [ERROR.NOT_SUPPORTED, /^Windows looks for no partitions on .*\(ERROR_NOT_SUPPORTED\)$/],
    [ERROR.INVALID_FUNCTION, /^Windows looks for no partitions on /],
    [ERROR.GEN_FAILURE, /^Windows did not read the new partition table .* unplug it/],
  ] as const;
  for (const [error, message] of cases) {
    await using sink = await open(told(error));
    const findings = await sink.announce();
    assertEquals(findings.map(({ level }) => level), ["note"]);
    assertMatch(findings[0]?.message ?? "", message);
  }
});

Deno.test("nobody else may write meanwhile; who does already is waited for, then shared", async () => {
  const waits: number[] = [];
  const clock: Clock = {
    sleep: (milliseconds) => Promise.resolve(void waits.push(milliseconds)),
  };
  const shared = machine();
  let refused = 0;
  shared.fail = (entry) => {
    if (!entry.startsWith("open write") || !entry.endsWith(DISK) || refused === 4) {
      return undefined;
    }
    refused++;
    return ERROR.SHARING_VIOLATION;
  };
  await using sink = await openWindowsSink(shared, DISK, true, clock);
  assertEquals([refused, waits], [4, [100, 200, 400]]);
  await sink.flush();
});
