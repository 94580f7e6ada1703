import { assertEquals, assertStringIncludes } from "@std/assert";
import type { DeviceClaim, DeviceInfo, Location } from "../../src/devices/device.ts";
import {
  deviceIdentity,
  identityChange,
  type Refusal,
  refusals,
  type WriteRequest,
} from "../../src/devices/safety.ts";

const GIB = 1024 ** 3;

const card: DeviceInfo = {
  path: "/dev/sdb",
  number: "8:16",
  size: 32 * GIB,
  sectorSize: 512,
  physicalSectorSize: 512,
  model: "SanDisk Ultra",
  serial: "4C530001",
  bus: "usb",
  removable: true,
  readOnly: false,
  virtual: false,
  system: false,
  claims: [],
  partitions: [
    { path: "/dev/sdb1", index: 1, number: "8:17", start: 1024 ** 2, size: GIB },
    { path: "/dev/sdb2", index: 2, number: "8:18", start: 1024 ** 2 + GIB, size: 8 * GIB },
  ],
  backingFile: undefined,
};

type DeviceLocation = Extract<Location, { kind: "device" }>;

function whole(disk: DeviceInfo = card): DeviceLocation {
  return {
    kind: "device",
    path: disk.path,
    disk,
    partition: undefined,
    number: disk.number,
  };
}

function part(index: number, disk: DeviceInfo = card): DeviceLocation {
  const partition = disk.partitions.find((candidate) => candidate.index === index);
  if (partition === undefined) throw new Error(`no partition ${index}`);
  return { kind: "device", path: partition.path, disk, partition, number: partition.number };
}

function image(more: Partial<Extract<Location, { kind: "file" }>> = {}): Location {
  return {
    kind: "file",
    path: "card.img",
    size: GIB,
    identity: "8:2/77",
    onDevice: "8:2",
    ...more,
  };
}

function check(target: Location, more: Partial<WriteRequest> = {}): Refusal[] {
  return refusals({
    target,
    source: image(),
    imageSize: GIB,
    force: false,
    unmount: false,
    ...more,
  });
}

function codes(found: readonly Refusal[]): string[] {
  return found.map(({ code }) => code);
}

function claimed(...claims: DeviceClaim[]): DeviceInfo {
  return { ...card, claims };
}

const mounted: DeviceClaim = { kind: "mounted", device: "/dev/sdb1", where: "/media/card" };
const swap: DeviceClaim = { kind: "swap", device: "/dev/sdb2", where: "" };
const holder: DeviceClaim = { kind: "holder", device: "/dev/sdb2", where: "dm-0 (cryptroot)" };

Deno.test("a free card may be written to, whole or in part", () => {
  assertEquals(check(whole()), []);
  assertEquals(check(part(1)), []);
});

Deno.test("a missing target is refused and never made", () => {
  const [refusal] = check({ kind: "missing", path: "/dev/sdz" }, { force: true });
  assertEquals(refusal?.code, "missing");
  assertEquals(refusal?.message, "cannot write to /dev/sdz: there is no such device");
  assertStringIncludes(refusal?.hint ?? "", "sectorshot list");
});

Deno.test("files, directories and character devices are no targets", () => {
  const targets: Location[] = [
    image(),
    { kind: "directory", path: "/tmp", identity: "8:2/12", onDevice: "8:2" },
    { kind: "character", path: "/dev/null" },
    { kind: "other", path: "/run/pipe" },
  ];
  for (const target of targets) {
    assertEquals(codes(check(target, { force: true })), ["not-a-device"], target.kind);
  }
  assertStringIncludes(check(image())[0]?.hint ?? "", "sectorshot convert IMAGE card.img");
  assertStringIncludes(
    check({ kind: "character", path: "/dev/null" })[0]?.message ?? "",
    [
      "/dev/null: it is a character device",
    ].join(),
  );
});

Deno.test("nothing lifts the refusal of the system disk or a part of it", () => {
  const system = { ...claimed(mounted), system: true };
  for (const force of [false, true]) {
    for (const unmount of [false, true]) {
      assertEquals(codes(check(whole(system), { force, unmount })), ["system-disk"]);
      assertEquals(codes(check(part(2, system), { force, unmount })), ["system-disk"]);
    }
  }
  assertEquals(
    check(whole(system))[0]?.message,
    "cannot write to /dev/sdb: the running system lives on it",
  );
  assertEquals(
    check(part(2, system))[0]?.message,
    "cannot write to /dev/sdb2: it is a part of /dev/sdb, and the running system lives there",
  );
});

Deno.test("a mounted disk needs --unmount; --force does not help", () => {
  const target = whole(claimed(mounted));
  assertEquals(check(target), [{
    code: "mounted",
    message: "cannot write to /dev/sdb: /dev/sdb1 is mounted at /media/card",
    hint: "add --unmount, or unmount it yourself",
    liftedBy: "--unmount",
  }]);
  assertEquals(codes(check(target, { force: true })), ["mounted"]);
  assertEquals(check(target, { unmount: true }), []);
});

Deno.test("every mount is named once", () => {
  const second: DeviceClaim = { kind: "mounted", device: "/dev/sdb2", where: "/media/root" };
  const [refusal] = check(whole(claimed(mounted, mounted, second)));
  assertEquals(
    refusal?.message,
    "cannot write to /dev/sdb: /dev/sdb1 is mounted at /media/card, " +
      "/dev/sdb2 is mounted at /media/root",
  );
});

Deno.test("swap and holders are lifted by no flag", () => {
  for (const claim of [swap, holder]) {
    const found = check(whole(claimed(claim)), { force: true, unmount: true });
    assertEquals(codes(found), [claim.kind]);
    assertEquals(found[0]?.liftedBy, undefined);
  }
  assertEquals(
    check(whole(claimed(holder)))[0]?.message,
    "cannot write to /dev/sdb: /dev/sdb2 is in use by dm-0 (cryptroot)",
  );
  assertEquals(
    check(whole(claimed(swap)))[0]?.message,
    "cannot write to /dev/sdb: the system swaps to /dev/sdb2",
  );
});

Deno.test("what no flag lifts comes before what one does", () => {
  assertEquals(codes(check(whole(claimed(mounted, swap, holder)))), [
    "holder",
    "swap",
    "mounted",
  ]);
  const small = { ...claimed(mounted), size: 1 };
  assertEquals(codes(check(whole(small))), ["too-small", "mounted"]);
});

Deno.test("a partition suffers from its own claims and those of the whole disk", () => {
  const disk = claimed(mounted);
  assertEquals(codes(check(part(1, disk))), ["mounted"]);
  assertEquals(check(part(2, disk)), []);
  const wholeMounted = claimed({ kind: "mounted", device: "/dev/sdb", where: "/media/all" });
  assertEquals(codes(check(part(2, wholeMounted))), ["mounted"]);
});

Deno.test("a partition suffers from the claims of a partition that overlaps it", () => {
  const hybrid: DeviceInfo = {
    ...claimed(mounted),
    partitions: [
      { path: "/dev/sdb1", index: 1, number: "8:17", start: 0, size: 4 * GIB },
      { path: "/dev/sdb2", index: 2, number: "8:18", start: GIB, size: GIB },
      { path: "/dev/sdb3", index: 3, number: "8:19", start: 4 * GIB, size: GIB },
    ],
  };
  assertEquals(codes(check(part(2, hybrid))), ["mounted"]);
  assertEquals(check(part(3, hybrid)), []);
});

Deno.test("read-only and empty drives are refused", () => {
  const locked = { ...card, readOnly: true };
  assertEquals(codes(check(whole(locked), { force: true })), ["read-only"]);
  const empty = { ...card, size: 0, partitions: [] };
  assertEquals(codes(check(whole(empty), { force: true })), ["no-medium"]);
});

Deno.test("too small says by how much, in bytes and for people", () => {
  const target = whole({ ...card, size: GIB });
  assertEquals(check(target, { imageSize: GIB }), []);
  const [one] = check(target, { imageSize: GIB + 1, force: true });
  assertEquals(one?.code, "too-small");
  assertEquals(one?.message, "cannot write to /dev/sdb: the image is larger by 1 byte");
  const [more] = check(target, { imageSize: GIB + 1024 ** 2 });
  assertEquals(
    more?.message,
    "cannot write to /dev/sdb: the image is larger by 1,048,576 bytes (1 MiB)",
  );
  assertEquals(
    more?.hint,
    "choose a target of at least 1,074,790,400 bytes (1.0 GiB); " +
      "this one has 1,073,741,824 bytes (1 GiB)",
  );
});

Deno.test("a partition's own size counts", () => {
  assertEquals(check(part(1), { imageSize: GIB }), []);
  assertEquals(codes(check(part(1), { imageSize: GIB + 512 })), ["too-small"]);
});

Deno.test("an unknown size is not judged", () => {
  assertEquals(check(whole(), { imageSize: undefined, source: undefined }), []);
  assertEquals(check(whole(), { imageSize: Infinity, source: undefined }), []);
});

Deno.test("a disk is not copied onto itself", () => {
  const cases: [Location, Location, string][] = [
    [whole(), whole(), "cannot write to /dev/sdb: it is the source"],
    [whole(), part(1), "cannot write to /dev/sdb: the source /dev/sdb1 is a part of it"],
    [part(1), whole(), "cannot write to /dev/sdb1: it is a part of the source /dev/sdb"],
    [part(1), part(1), "cannot write to /dev/sdb1: it is the source"],
  ];
  for (const [target, source, message] of cases) {
    const found = check(target, { source, force: true, imageSize: undefined });
    assertEquals(codes(found), ["same-as-source"], message);
    assertEquals(found[0]?.message, message);
  }
  assertEquals(check(part(2), { source: part(1) }), []);
});

Deno.test("partitions of one disk that overlap are not copied onto each other", () => {
  const hybrid: DeviceInfo = {
    ...card,
    partitions: [
      { path: "/dev/sdb1", index: 1, number: "8:17", start: 0, size: 4 * GIB },
      { path: "/dev/sdb2", index: 2, number: "8:18", start: GIB, size: GIB },
    ],
  };
  assertEquals(codes(check(part(2, hybrid), { source: part(1, hybrid) })), ["same-as-source"]);
});

const loop: DeviceInfo = {
  ...card,
  path: "/dev/loop3",
  number: "7:3",
  bus: "loop",
  virtual: true,
  partitions: [],
  backingFile: "/home/me/card.img",
  backingIdentity: "8:2/77",
  beneath: ["8:2", "8:0"],
};

Deno.test("a loop device over the image is the image", () => {
  const [refusal] = check(whole(loop), { force: true });
  assertEquals(refusal?.code, "same-as-source");
  assertEquals(
    refusal?.message,
    "cannot write to /dev/loop3: it is the image card.img itself",
  );
  assertEquals(check(whole(loop), { source: image({ identity: "8:2/78" }) }), []);
  const twin = { ...loop, path: "/dev/loop4", number: "7:4" };
  assertEquals(codes(check(whole(loop), { source: whole(twin) })), ["same-as-source"]);
});

Deno.test("the disk that holds the image is refused, also when it will be unmounted", () => {
  const source = image({ onDevice: "0:35", beneath: ["8:17", "8:16"] });
  const target = whole(claimed(mounted));
  const found = check(target, { source, unmount: true });
  assertEquals(codes(found), ["same-as-source"]);
  assertEquals(found[0]?.message, "cannot write to /dev/sdb: the image card.img lies on it");
  assertEquals(codes(check(part(1), { source })), ["same-as-source"]);
  assertEquals(check(part(2), { source }), []);
  // Where a backend knows no more than the number of the file's device.
  assertEquals(codes(check(whole(), { source: image({ onDevice: "8:17" }) })), [
    "same-as-source",
  ]);
});

Deno.test("a source that is built upon the target, and the other way round", () => {
  const volume: DeviceInfo = {
    ...loop,
    path: "/dev/dm-0",
    number: "253:0",
    backingFile: undefined,
    backingIdentity: undefined,
    beneath: ["8:18", "8:16"],
  };
  const up = check(whole(), { source: whole(volume), imageSize: undefined });
  assertEquals(codes(up), ["same-as-source"]);
  assertEquals(
    up[0]?.message,
    "cannot write to /dev/sdb: the source /dev/dm-0 is built upon it",
  );
  const down = check(whole(volume), { source: whole(), imageSize: undefined });
  assertEquals(codes(down), ["same-as-source"]);
  assertEquals(check(whole(volume), { source: part(1), imageSize: undefined }), []);
});

Deno.test("another disk than the one that was shown is refused, and only that is said", () => {
  const shownIdentity = { ...card, serial: "OTHER" };
  const found = check(whole(claimed(mounted)), { shownIdentity, force: true });
  assertEquals(codes(found), ["changed"]);
  assertEquals(
    found[0]?.message,
    "cannot write to /dev/sdb: it is not the disk that was shown: " +
      "its serial number was OTHER and is now 4C530001",
  );
  assertEquals(check(whole(), { shownIdentity: card }), []);
});

Deno.test("identity changes are told in plain words", () => {
  assertEquals(identityChange(card, { ...card }), undefined);
  assertEquals(
    identityChange(card, { ...card, size: 64 * GIB, model: undefined }),
    "its model was SanDisk Ultra and is now none; " +
      "its size was 34,359,738,368 bytes (32 GiB) and is now 68,719,476,736 bytes (64 GiB)",
  );
  assertEquals(
    identityChange(card, { ...card, number: "8:32" }),
    "its device number was 8:16 and is now 8:32",
  );
  assertEquals(
    identityChange({ ...card, mediumNumber: "9" }, { ...card, mediumNumber: "10" }),
    "the medium in it was changed, or it was attached again",
  );
  assertEquals(identityChange(card, { ...card, mediumNumber: "10" }), undefined);
});

Deno.test("an identity is one line", () => {
  assertEquals(
    deviceIdentity(card),
    "SanDisk Ultra, serial 4C530001, 34,359,738,368 bytes (32 GiB), device number 8:16",
  );
  assertEquals(
    deviceIdentity({ ...card, model: undefined, serial: undefined, size: 0 }),
    "unknown model, no serial number, no medium, device number 8:16",
  );
});

Deno.test("what a stranger named cannot steer the terminal", () => {
  const evil: DeviceClaim = { kind: "mounted", device: "/dev/sdb1", where: "/media/\x1b[2J" };
  assertStringIncludes(check(whole(claimed(evil)))[0]?.message ?? "", "/media/\\x1b[2J");
});
