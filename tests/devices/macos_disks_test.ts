/** The Mac of the samples: its disks, what paths name there, and what the rules make of it. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ImagingError } from "../../src/core/errors.ts";
import type { DeviceClaim, DeviceInfo, Location } from "../../src/devices/device.ts";
import { listMacosDisks, locateMacos } from "../../src/devices/macos_disks.ts";
import {
  deviceIdOf,
  type DiskutilAnswer,
  diskutilWords,
  limitRuns,
  listDisks,
  runDiskutil,
  wholeOf,
} from "../../src/devices/macos_diskutil.ts";
import { unmountMacos } from "../../src/devices/macos_unmount.ts";
import { claimsOn, identityChange, refusals } from "../../src/devices/safety.ts";
import { seededNumbers } from "../volumes/image_tools.ts";
import { sample, SampleMac } from "./macos_samples/sample_mac.ts";

type DeviceLocation = Extract<Location, { kind: "device" }>;

async function disk(id: string, mac = new SampleMac()): Promise<DeviceInfo> {
  const found = (await listMacosDisks(mac)).filter(({ number }) => number === id);
  assertEquals(found.length, 1, id);
  return found[0] as DeviceInfo;
}

async function device(path: string, mac = new SampleMac()): Promise<DeviceLocation> {
  const location = await locateMacos(path, mac);
  if (location.kind !== "device") throw new Error(`${path} is ${location.kind}`);
  return location;
}

function mounts({ claims }: Pick<DeviceInfo, "claims">): string[] {
  return claims.filter(({ kind }) => kind === "mounted")
    .map(({ device, where }) => `${device} ${where}`);
}

function failing(words: string): DiskutilAnswer {
  return { code: 1, stdout: "", stderr: words };
}

Deno.test("real disks come first, by number; what is built upon others behind", async () => {
  const disks = await listMacosDisks(new SampleMac());
  assertEquals(
    disks.map(({ path }) => path.slice("/dev/disk".length)).join(" "),
    [
      "0 4 5 7 8 9 11 13",
      "1 2 3 6 10 12",
    ].join(" "),
  );
  assertEquals(
    disks.filter(({ virtual }) => virtual).map(({ number }) => number),
    ["disk1", "disk2", "disk3", "disk6", "disk10", "disk12"],
  );
});

Deno.test("a stick has its name, size, bus, partition and mount", async () => {
  const mac = new SampleMac();
  assertEquals(await disk("disk4", mac), {
    path: "/dev/disk4",
    number: "disk4",
    size: 31_914_983_424,
    sectorSize: 512,
    physicalSectorSize: 512,
    model: "Ultra Fit",
    serial: undefined,
    bus: "usb",
    removable: true,
    readOnly: false,
    virtual: false,
    system: false,
    claims: [{ kind: "mounted", device: "/dev/disk4s1", where: "/Volumes/CARD & CO" }],
    partitions: [{
      path: "/dev/disk4s1",
      index: 1,
      number: "disk4s1",
      start: 1_048_576,
      size: 31_913_934_848,
    }],
    backingFile: undefined,
    beneath: [],
    mediumNumber: "641",
  });
});

Deno.test("each disk is on its bus", async () => {
  const disks = await listMacosDisks(new SampleMac());
  assertEquals(
    Object.fromEntries(disks.map(({ number, bus }) => [number, bus])),
    {
      disk0: "nvme",
      disk4: "usb",
      disk5: "sd",
      disk7: "usb",
      disk8: "sata",
      disk9: "sata",
      disk11: "usb",
      disk13: "sata",
      disk1: "virtual",
      disk2: "virtual",
      disk3: "virtual",
      disk6: "virtual",
      disk10: "virtual",
      disk12: "virtual",
    },
  );
});

Deno.test("the running system lives on the internal disk and all that is built upon it", async () => {
  const disks = await listMacosDisks(new SampleMac());
  assertEquals(
    disks.filter(({ system }) => system).map(({ number }) => number),
    ["disk0", "disk1", "disk2", "disk3"],
  );
});

Deno.test("the system is found by what is mounted at / alone, and by its other places alone", async () => {
  const withoutPlaces = new SampleMac();
  withoutPlaces.answers.set("list -plist", {
    code: 0,
    stdout: sample("list").replaceAll("/System/Volumes/", "/Volumes/Old "),
    stderr: "",
  });
  assert((await disk("disk0", withoutPlaces)).system);
  assert(!(await disk("disk7", withoutPlaces)).system);

  // Started from a disk image in memory, for one.
  const withoutRoot = new SampleMac();
  withoutRoot.fileSystems.set("/", { type: "hfs", mountPoint: "/", source: "/dev/disk6s1" });
  assert((await disk("disk6", withoutRoot)).system);
  assert((await disk("disk0", withoutRoot)).system, "its volumes are at /System/Volumes");
  assert(!(await disk("disk4", withoutRoot)).system);
});

Deno.test("a system on an external disk makes that one the system disk", async () => {
  const mac = new SampleMac();
  mac.fileSystems.set("/", { type: "apfs", mountPoint: "/", source: "/dev/disk12s1s1" });
  assert((await disk("disk11", mac)).system);
  assert((await disk("disk12", mac)).system);
  assert(!(await disk("disk7", mac)).system);
});

Deno.test("where the system's disk is not listed, nothing is said at all", async () => {
  const mac = new SampleMac();
  mac.fileSystems.set("/", { type: "apfs", mountPoint: "/", source: "/dev/disk42s1" });
  const error = await assertRejects(() => listMacosDisks(mac), ImagingError, "disk42");
  assertStringIncludes(error.message, "cannot tell which disk the system runs from");
});

Deno.test("volumes of an APFS container are mounted from the partition beneath it", async () => {
  assertEquals(mounts(await disk("disk11")), [
    "/dev/disk11s2 /Volumes/Work",
    "/dev/disk11s2 /Volumes/Photos",
  ]);
  assertEquals(mounts(await disk("disk12")), [
    "/dev/disk12s1 /Volumes/Work",
    "/dev/disk12s3 /Volumes/Photos",
  ]);
  const internal = await disk("disk0");
  // The sealed snapshot, and what people see; not the system's other places.
  assertEquals(mounts(internal), ["/dev/disk0s2 /", "/dev/disk0s2 /System/Volumes/Data"]);
  assertEquals(mounts(await disk("disk1")), []);
  assertEquals(internal.partitions.map(({ index, start }) => [index, start]), [
    [1, 24_576],
    [2, 524_312_576],
    [3, 494_909_108_224],
  ]);
  assertEquals((await disk("disk3")).beneath?.toSorted(), ["disk0", "disk0s2"]);
});

Deno.test("a disk of a RAID set is held by it; the set is mounted", async () => {
  const member = await disk("disk8");
  assertEquals(member.claims, [
    { kind: "holder", device: "/dev/disk8s2", where: "AppleRAID disk10 (Mirror)" },
  ]);
  const set = await disk("disk10");
  assertEquals(mounts(set), ["/dev/disk10 /Volumes/Mirror"]);
  assertEquals(set.beneath?.toSorted(), ["disk8", "disk8s2", "disk9", "disk9s2"]);
  assert(set.virtual);
});

Deno.test("a RAID set that cannot be told, and CoreStorage, are in the way all the same", async () => {
  const mac = new SampleMac();
  mac.answers.set("appleRAID list -plist", {
    code: 0,
    stdout: "<plist><dict><key>AppleRAIDSets</key><array/></dict></plist>",
    stderr: "",
  });
  const held = ({ claims }: DeviceInfo): string[] => claims.map(({ where }) => where);
  assertEquals(held(await disk("disk9", mac)), ["AppleRAID"]);
  mac.answers.set("list -plist", {
    code: 0,
    stdout: sample("list").replaceAll("Apple_HFS", "Apple_CoreStorage"),
    stderr: "",
  });
  assert(held(await disk("disk7", mac)).includes("CoreStorage"));
});

Deno.test("nobody asks about RAID sets where there are none", async () => {
  const mac = new SampleMac();
  mac.answers.set("list -plist", {
    code: 0,
    stdout: sample("list").replaceAll("Apple_RAID", "Apple_HFS"),
    stderr: "",
  });
  await listMacosDisks(mac);
  assert(!mac.asked.some((line) => line.startsWith("appleRAID")), mac.asked.join("\n"));
});

Deno.test("either sign alone makes a disk a virtual one", async () => {
  for (
    const [from, to] of [
      ["<string>Virtual</string>", "<string>Physical</string>"],
      ["<string>Disk Image</string>", "<string>Something New</string>"],
    ] as const
  ) {
    const mac = new SampleMac();
    const stdout = sample("info_disk6").replaceAll(from, to);
    assert(stdout.includes(to));
    mac.answers.set("info -plist disk6", { code: 0, stdout, stderr: "" });
    assert((await disk("disk6", mac)).virtual, to);
  }
});

Deno.test("what can be taken out or unplugged is removable", async () => {
  const disks = await listMacosDisks(new SampleMac());
  assertEquals(
    disks.filter(({ removable, virtual }) => removable && !virtual).map(({ number }) => number),
    ["disk4", "disk5", "disk7", "disk11", "disk13"],
  );
});

Deno.test("a locked card is read-only, a blank disc has no size, a disk image is virtual", async () => {
  assert((await disk("disk5")).readOnly);
  assert(!(await disk("disk4")).readOnly);
  const disc = await disk("disk13");
  assertEquals([disc.size, disc.sectorSize, disc.model], [0, 2048, "MATSHITA DVD-R UJ-898"]);
  const image = await disk("disk6");
  assertEquals([image.virtual, image.bus, image.model], [true, "virtual", "Disk Image"]);
});

Deno.test("a disk that went away meanwhile is left out; so is a partition", async () => {
  const mac = new SampleMac();
  mac.answers.set("info -plist disk4", { code: 1, stdout: sample("info_error"), stderr: "" });
  mac.answers.set("info -plist disk5", {
    code: 1,
    stdout: "Could not find disk\n",
    stderr: "",
  });
  mac.answers.set("info -plist disk7s2", { code: 0, stdout: sample("info_error"), stderr: "" });
  const disks = await listMacosDisks(mac);
  assert(!disks.some(({ number }) => ["disk4", "disk5"].includes(number)));
  assertEquals(
    disks.find(({ number }) => number === "disk7")?.partitions.map(({ index }) => index),
    [1, 3],
  );
});

Deno.test("sizes are those of the medium; a partition without a beginning is none", async () => {
  const mac = new SampleMac();
  const answer = (id: string, from: string, to: string): void => {
    const stdout = sample(`info_${id}`);
    assert(stdout.includes(from), from);
    mac.answers.set(`info -plist ${id}`, {
      code: 0,
      stdout: stdout.replace(from, to),
      stderr: "",
    });
  };
  const size = "<key>IOKitSize</key>\n\t<integer>31914983424</integer>";
  answer("disk4", size, size.replace("31914983424", "31914983936"));
  answer("disk7s2", "<key>PartitionMapPartitionOffset</key>", "<key>Elsewhere</key>");
  const disks = await listMacosDisks(mac);
  const find = (id: string): DeviceInfo | undefined =>
    disks.find(({ number }) => number === id);
  assertEquals(find("disk4")?.size, 31_914_983_936);
  assertEquals(find("disk7")?.partitions.map(({ index }) => index), [1, 3]);
});

Deno.test("containers that lie on themselves end no search", async () => {
  const mac = new SampleMac();
  const stdout = sample("list").replaceAll(
    "<string>disk11s2</string>",
    "<string>disk12s1</string>",
  );
  mac.answers.set("list -plist", { code: 0, stdout, stderr: "" });
  assertEquals((await disk("disk12", mac)).beneath?.toSorted(), ["disk12", "disk12s1"]);
});

Deno.test("an answer about another device is none", async () => {
  const mac = new SampleMac();
  mac.answers.set("info -plist disk4", { code: 0, stdout: sample("info_disk7"), stderr: "" });
  assert(!(await listMacosDisks(mac)).some(({ number }) => number === "disk4"));
});

Deno.test("an answer that cannot be understood is an error, not a machine without disks", async () => {
  const answers = [
    "",
    "<plist><array/></plist>",
    "<plist><dict/></plist>",
    "<plist><dict><key>AllDisksAndPartitions</key><dict/></dict></plist>",
    "<plist><dict><key>AllDisksAndPartitions</key><array><true/></array></dict></plist>",
    "<plist><dict><key>AllDisksAndPartitions</key><array><dict/></array></dict></plist>",
    "<plist><dict><key>AllDisksAndPartitions</key><array><dict><key>DeviceIdentifier</key>" +
    "<string>disk4</string><key>Partitions</key><dict/></dict></array></dict></plist>",
    sample("list").replace(
      "<string>disk4s1</string>\n\t\t\t\t\t<key>DiskUUID",
      "<true/>" +
        "\n\t\t\t\t\t<key>DiskUUID",
    ),
    sample("list").replaceAll("<string>disk0s2</string>", "<string>-h</string>"),
  ];
  for (const stdout of answers) {
    const run = (): Promise<DiskutilAnswer> => Promise.resolve({ code: 0, stdout, stderr: "" });
    const error = await assertRejects(() => listDisks(run), ImagingError, "cannot understand");
    assertEquals(error.kind, "environment");
  }
  const mac = new SampleMac();
  mac.answers.set(
    "list -plist",
    failing("Unable to run because unable to use the DiskManagement\n"),
  );
  await assertRejects(
    () => listMacosDisks(mac),
    ImagingError,
    "diskutil list -plist: Unable to run because unable to use the DiskManagement",
  );
});

Deno.test("whatever diskutil answers, it is a list of disks or an error for people", async () => {
  const next = seededNumbers(97);
  const names = ["list", "info_disk4", "info_disk7s2", "info_disk11", "raid"];
  const pieces = [
    "disk4",
    "disk11s2",
    "-1",
    "99",
    "s1",
    "",
    " ",
    "/",
    "&amp;",
    "</",
    "<true/>",
  ];
  let lists = 0;
  for (let round = 0; round < 400; round++) {
    const mac = new SampleMac();
    for (const name of names) {
      let text = sample(name);
      for (let change = next(2); change >= 0; change--) {
        // Values are what an answer is made of.
        const values = [...text.matchAll(/>([^<\s][^<]*)</g)];
        const value = values[next(values.length)];
        const at = (value?.index ?? 0) + 1;
        text = text.slice(0, at) + (pieces[next(pieces.length)] ?? "") +
          text.slice(at + next(2) * (value?.[1]?.length ?? 0));
      }
      const question = name === "raid"
        ? "appleRAID list -plist"
        : name === "list"
        ? next(2) === 0 ? "list -plist" : "nothing"
        : name.replace("info_", "info -plist ");
      mac.answers.set(question, { code: 0, stdout: text, stderr: "" });
    }
    try {
      for (const { size, number, partitions } of await listMacosDisks(mac)) {
        assert(Number.isSafeInteger(size) && size >= 0 && /^disk\d+(s\d+)*$/.test(number));
        for (const { start, index } of partitions) {
          assert(Number.isSafeInteger(start) && start >= 0 && Number.isSafeInteger(index));
        }
      }
      lists++;
    } catch (error) {
      if (!(error instanceof ImagingError)) throw error;
    }
  }
  assert(lists > 40 && lists < 400, `${lists} lists: the changes are badly chosen`);
});

Deno.test("names of devices are told apart from other paths", () => {
  assertEquals(deviceIdOf("/dev/disk4"), "disk4");
  assertEquals(deviceIdOf("/dev/rdisk12s3"), "disk12s3");
  assertEquals(deviceIdOf("/dev/disk3s1s1"), "disk3s1s1");
  for (
    const path of [
      "disk4",
      "/dev/disk",
      "/dev/disk4p1",
      "/dev/disk4s",
      "/dev/rrdisk4",
      "/dev/disk4/x",
      "/tmp/dev/disk4",
      "/dev/ disk4",
      "/dev/disk4\n",
      "devfs",
      "//guest@server/disk4",
    ]
  ) assertEquals(deviceIdOf(path), undefined, path);
  assertEquals(["disk4", "disk4s1", "disk12s3s1"].map(wholeOf), ["disk4", "disk4", "disk12"]);
});

Deno.test("the block device, the raw one and a link to them are one disk; names stay", async () => {
  for (const path of ["/dev/disk4", "/dev/rdisk4", "/card"]) {
    const { kind, path: kept, number, disk, partition } = await device(path);
    assertEquals({ kind, kept, number, disk: disk.path, partition }, {
      kind: "device",
      kept: path,
      number: "disk4",
      disk: "/dev/disk4",
      partition: undefined,
    });
  }
  for (const path of ["/dev/disk4s1", "/dev/rdisk4s1"]) {
    const { number, disk, partition } = await device(path);
    assertEquals([number, disk.path, partition?.index], ["disk4s1", "/dev/disk4", 1]);
  }
});

Deno.test("to find one disk only that one is asked about", async () => {
  const mac = new SampleMac();
  await device("/dev/disk7s2", mac);
  assertEquals(mac.asked.toSorted(), [
    "appleRAID list -plist",
    "info -plist disk7",
    "info -plist disk7s1",
    "info -plist disk7s2",
    "info -plist disk7s3",
    "list -plist",
  ]);
});

Deno.test("what is no disk, and a volume without a place, are refused with a way out", async () => {
  const volume = await assertRejects(
    () => locateMacos("/dev/disk3s5", new SampleMac()),
    ImagingError,
    "a volume of the APFS container /dev/disk3",
  );
  assertEquals(volume.hint, "use /dev/disk3 or /dev/disk0s2");
  const unknown = await assertRejects(
    () => locateMacos("/dev/disk99", new SampleMac()),
    ImagingError,
    "cannot use /dev/disk99: there is no disk with the name disk99",
  );
  assertEquals(unknown.osCode, "ENXIO");
  const mac = new SampleMac();
  mac.files.set("/dev/md0", { kind: "block", inode: 7n });
  await assertRejects(
    () => locateMacos("/dev/md0", mac),
    ImagingError,
    "no disk of this machine",
  );
  mac.files.set("/dev/disk7s9", { kind: "block", inode: 8n });
  await assertRejects(
    () => locateMacos("/dev/disk7s9", mac),
    ImagingError,
    "/dev/disk7 has no partition with this name",
  );
});

Deno.test("files know all that they lie on, through containers", async () => {
  const mac = new SampleMac();
  mac.files.set("/Volumes/Work/card.img", { kind: "file", inode: 77n, size: 4096 });
  mac.fileSystems.set("/Volumes/Work", {
    type: "apfs",
    mountPoint: "/Volumes/Work",
    source: "/dev/disk12s1",
  });
  const file = await locateMacos("/Volumes/Work/card.img", mac);
  if (file.kind !== "file") throw new Error(file.kind);
  assertEquals({ ...file, beneath: file.beneath?.toSorted() }, {
    kind: "file",
    path: "/Volumes/Work/card.img",
    size: 4096,
    identity: "1:17/77",
    onDevice: "disk12s1",
    beneath: ["disk11", "disk11s2", "disk12", "disk12s1"],
  });
  // Only what is asked for: no disk is described for a file.
  assertEquals(mac.asked, ["list -plist", "appleRAID list -plist"]);
});

Deno.test("files work where diskutil does not, and on file systems without a disk", async () => {
  const mac = new SampleMac();
  mac.files.set("/a.img", { kind: "file", inode: 5n, size: 1 });
  mac.answers.set("list -plist", failing("no"));
  const local = await locateMacos("/a.img", mac);
  assertEquals(local.kind === "file" && [local.onDevice, local.beneath], ["disk3s1s1", []]);
  mac.files.set("/Volumes/share/a.img", { kind: "file", inode: 6n, size: 1 });
  mac.fileSystems.set("/Volumes/share", {
    type: "smbfs",
    mountPoint: "/Volumes/share",
    source: "//guest@server/disk4",
  });
  mac.asked.length = 0;
  const shared = await locateMacos("/Volumes/share/a.img", mac);
  assertEquals(shared.kind === "file" && [shared.onDevice, shared.beneath], ["1:17", []]);
  assertEquals(mac.asked, []);
});

Deno.test("folders say whether they are for devices, and what FAT puts up with", async () => {
  const mac = new SampleMac();
  mac.files.set("/Volumes/CARD", { kind: "directory", inode: 1n });
  mac.fileSystems.set("/Volumes/CARD", {
    type: "msdos",
    mountPoint: "/Volumes/CARD",
    source: "/dev/disk4s1",
  });
  assertEquals(await locateMacos("/Volumes/CARD", mac), {
    kind: "directory",
    path: "/Volumes/CARD",
    identity: "1:17/1",
    onDevice: "disk4s1",
    forDevices: false,
    fileLimit: { fileSystem: "FAT", bytes: 4_294_967_295 },
    withoutHoles: "FAT",
    beneath: ["disk4s1", "disk4"],
  });
  assertEquals(await locateMacos("/dev", mac), {
    kind: "directory",
    path: "/dev",
    identity: "5:1/301",
    onDevice: "5:1",
    forDevices: true,
    fileLimit: undefined,
    beneath: [],
  });
  const root = await locateMacos("/", mac);
  assertEquals(root.kind === "directory" && [root.forDevices, root.fileLimit], [
    false,
    undefined,
  ]);
});

Deno.test("what is missing, special or not to be looked at", async () => {
  const mac = new SampleMac();
  mac.files.set("/secret/a", { kind: "file", inode: 1n, error: "EACCES" });
  mac.files.set("/file/a", { kind: "file", inode: 1n, error: "ENOTDIR" });
  mac.files.set("/pipe", { kind: "other", inode: 1n });
  assertEquals(await locateMacos("/dev/disk5", mac), { kind: "missing", path: "/dev/disk5" });
  assertEquals(await locateMacos("/file/a", mac), { kind: "missing", path: "/file/a" });
  assertEquals(await locateMacos("/dev/null", mac), { kind: "character", path: "/dev/null" });
  assertEquals(await locateMacos("/pipe", mac), { kind: "other", path: "/pipe" });
  const error = await assertRejects(
    () => locateMacos("/secret/a", mac),
    ImagingError,
    "cannot look at /secret/a: permission denied (EACCES)",
  );
  assertStringIncludes(error.hint ?? "", "sudo");
  assertEquals(mac.asked, []);
});

/** The codes of what stands against writing an image to a disk of the samples. */
async function against(
  id: string,
  source?: Location,
  mac = new SampleMac(),
): Promise<string[]> {
  mac.files.set(`/dev/${id}`, { kind: "block", inode: 1n });
  return refusals({
    target: await device(`/dev/${id}`, mac),
    source,
    imageSize: 1024,
    force: false,
    unmount: false,
  }).map(({ code }) => code);
}

Deno.test("the rules refuse what must not be written on this Mac", async () => {
  assertEquals(await against("disk0"), ["system-disk"]);
  assertEquals(await against("disk0s3"), ["system-disk"]);
  assertEquals(await against("disk3"), ["system-disk"]);
  assertEquals(await against("disk4"), ["mounted"]);
  assertEquals(await against("disk4s1"), ["mounted"]);
  assertEquals(await against("disk5"), ["read-only"]);
  assertEquals(await against("disk7s1"), []);
  assertEquals(await against("disk7s2"), ["mounted"]);
  assertEquals(await against("disk8"), ["holder"]);
  assertEquals(await against("disk8s1"), []);
  assertEquals(await against("disk10"), ["mounted"]);
  assertEquals(await against("disk11"), ["mounted"]);
  assertEquals(await against("disk11s2"), ["mounted"], "by way of its container");
  assertEquals(await against("disk12"), ["mounted"]);
  assertEquals(await against("disk13"), ["no-medium", "read-only"]);
});

Deno.test("the rules know an image that lies on the target, through a container", async () => {
  const mac = new SampleMac();
  mac.files.set("/Volumes/Work/a.img", { kind: "file", inode: 77n, size: 4096 });
  mac.fileSystems.set("/Volumes/Work", {
    type: "apfs",
    mountPoint: "/Volumes/Work",
    source: "/dev/disk12s1",
  });
  const image = await locateMacos("/Volumes/Work/a.img", mac);
  for (const id of ["disk11", "disk11s2", "disk12"]) {
    assert((await against(id, image)).includes("same-as-source"), id);
  }
  for (const id of ["disk11s1", "disk7"]) {
    assert(!(await against(id, image)).includes("same-as-source"), id);
  }
  const container = await device(
    "/dev/disk12",
    (() => {
      mac.files.set("/dev/disk12", { kind: "block", inode: 2n });
      return mac;
    })(),
  );
  assert((await against("disk11", container)).includes("same-as-source"));
});

Deno.test("another card of the same size in the same reader is another disk", async () => {
  const mac = new SampleMac();
  const before = await disk("disk4", mac);
  assertEquals(identityChange(before, await disk("disk4", mac)), undefined);
  // The kernel made the node anew.
  mac.files.set("/dev/rdisk4", { kind: "character", inode: 655n });
  const after = await disk("disk4", mac);
  assertStringIncludes(identityChange(before, after) ?? "", "the medium in it was changed");
});

/** What diskutil was told to do, without what it was asked. */
function deeds({ asked }: SampleMac): string[] {
  return asked.filter((line) => line.startsWith("unmount"));
}

function answering(mac: SampleMac): SampleMac {
  for (const id of ["disk4", "disk7", "disk11", "disk12", "disk7s2", "disk7s3"]) {
    for (const verb of ["unmount", "unmountDisk"]) {
      mac.answers.set(`${verb} /dev/${id}`, { code: 0, stdout: "", stderr: "" });
    }
  }
  return mac;
}

Deno.test("a disk is unmounted as a whole where all that is mounted of it may go", async () => {
  const mac = answering(new SampleMac());
  await unmountMacos((await disk("disk4")).claims, mac.diskutil);
  assertEquals(deeds(mac), ["unmountDisk /dev/disk4"]);
});

Deno.test("containers are unmounted before the disk beneath them", async () => {
  const mac = answering(new SampleMac());
  await unmountMacos((await disk("disk11")).claims, mac.diskutil);
  assertEquals(deeds(mac), ["unmountDisk /dev/disk12", "unmountDisk /dev/disk11"]);
  const container = answering(new SampleMac());
  await unmountMacos((await disk("disk12")).claims, container.diskutil);
  assertEquals(deeds(container), ["unmountDisk /dev/disk12"]);
});

Deno.test("for one partition the others stay mounted", async () => {
  const mac = answering(new SampleMac());
  await unmountMacos(claimsOn(await device("/dev/disk7s2")), mac.diskutil);
  assertEquals(deeds(mac), ["unmount /dev/disk7s2"]);
});

Deno.test("what is not mounted any more, and other claims, ask for nothing", async () => {
  const mac = answering(new SampleMac());
  const gone: DeviceClaim = { kind: "mounted", device: "/dev/disk4s1", where: "/Volumes/GONE" };
  const where = "/Volumes/CARD & CO";
  await unmountMacos([gone, { ...gone, device: "/dev/disk4s2", where }], mac.diskutil);
  assertEquals(deeds(mac), []);
  const { claims } = await disk("disk4");
  const stdout = sample("list").replaceAll("<key>MountPoint</key>", "<key>WasMountedAt</key>");
  mac.answers.set("list -plist", { code: 0, stdout, stderr: "" });
  await unmountMacos(claims, mac.diskutil);
  assertEquals(deeds(mac), []);
  const idle = new SampleMac();
  await unmountMacos((await disk("disk8")).claims, idle.diskutil);
  await unmountMacos([], idle.diskutil);
  assertEquals(idle.asked, []);
});

Deno.test("a volume that is busy: diskutil's words name who objects", async () => {
  const mac = answering(new SampleMac());
  mac.answers.set("unmountDisk /dev/disk12", {
    code: 1,
    stdout: "Unmount of disk12 failed: at least one volume could not be unmounted\n",
    stderr:
      "Unmount was dissented by PID 632 (/bin/\x1b[31mzsh)\nDissenter parent PPID 631 (/bin/login)\n",
  });
  const { claims } = await disk("disk11");
  const error = await assertRejects(() => unmountMacos(claims, mac.diskutil), ImagingError);
  assertEquals(
    error.message,
    "cannot unmount /dev/disk11 from /Volumes/Work, /Volumes/Photos: Unmount was dissented by " +
      "PID 632 (/bin/\\x1b[31mzsh); Dissenter parent PPID 631 (/bin/login); " +
      "Unmount of disk12 failed: at least one volume could not be unmounted",
  );
  assertEquals(error.osCode, "EBUSY");
  assertEquals(
    error.hint,
    "close the programs and terminals that use /Volumes/Work, /Volumes/Photos, then try again",
  );
  // The disk beneath was left alone.
  assertEquals(deeds(mac), ["unmountDisk /dev/disk12"]);
});

Deno.test("diskutil that says nothing is quoted by its exit code", () => {
  assertEquals(diskutilWords({ code: 3, stdout: " \n", stderr: "" }), "diskutil ended with 3");
});

Deno.test("a few runs go on at once, the others wait for their turn", async () => {
  let running = 0;
  let most = 0;
  const order: string[] = [];
  const run = limitRuns(async ([name = ""]) => {
    order.push(name);
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, 1));
    running--;
    if (name === "2") throw new Error("it failed");
    return { code: 0, stdout: name, stderr: "" };
  }, 3);
  const names = Array.from({ length: 10 }, (_, index) => String(index));
  const all = await Promise.allSettled(names.map(async (name) => {
    await run([name]);
    // Those that come later wait, too.
    await run([`${name}, later`]);
  }));
  assertEquals(most, 3);
  assertEquals(order.splice(10).length, 9);
  assertEquals(order, names);
  assertEquals(all.filter(({ status }) => status === "rejected").length, 1);
  // A run that failed has given its place back.
  await run(["10"]);
  assertEquals(running, 0);
});

Deno.test({
  name: "without diskutil the error says so",
  ignore: Deno.build.os !== "linux",
  async fn(): Promise<void> {
    const error = await assertRejects(() => runDiskutil(["list"]), ImagingError);
    assertStringIncludes(error.message, "there is no /usr/sbin/diskutil");
  },
});

Deno.test({
  name: "without the right to run it the error says which to give",
  permissions: { run: false, read: true },
  async fn(): Promise<void> {
    const error = await assertRejects(() => runDiskutil(["list"]), ImagingError);
    assertEquals(error.hint, "run Deno with --allow-run=/usr/sbin/diskutil");
  },
});

Deno.test({
  name: "this Mac: its disks are listed, and one of them is the system's",
  ignore: Deno.build.os !== "darwin",
  async fn(): Promise<void> {
    const disks = await listMacosDisks();
    assert(disks.some(({ system, virtual }) => system && !virtual));
    for (const { path, size, number } of disks) {
      const location = await locateMacos(path);
      assertEquals(location.kind === "device" && location.number, number);
      assert(size >= 0);
    }
  },
});
