/**
 * Made-up trees of /sys, /proc and /run as kernels of these machines show them, and
 * this machine, compared with util-linux.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { ImagingError } from "../../src/core/errors.ts";
import type { DeviceInfo, Location } from "../../src/devices/device.ts";
import { listLinuxDisks, locateLinux } from "../../src/devices/linux_disks.ts";
import { linuxComputer } from "../../src/devices/linux_host.ts";
import { parseMountInfo, parseSwaps } from "../../src/devices/linux_mounts.ts";
import { identityChange, refusals } from "../../src/devices/safety.ts";
import { needs } from "../support/tools.ts";

const onLinux = Deno.build.os === "linux";

/** Directory of one disk, below "/sys/devices". */
interface DiskPlan {
  readonly name: string;
  readonly number: string;
  /** In units of 512 bytes. */
  readonly sectors: number;
  /** "pci0000:00/…/block"; without it, a plain directory in /sys/block. */
  readonly topology?: string;
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  /** Name, number, first sector and length in units of 512 bytes, further files. */
  readonly partitions?: readonly [string, string, number, number, Record<string, string>?][];
}

/** A directory that stands for "/"; removed when disposed. */
class Tree implements Disposable {
  readonly root = Deno.makeTempDirSync({ prefix: "disks" });

  constructor(files: Readonly<Record<string, string>> = {}) {
    this.file("/proc/swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
    this.file("/proc/self/mountinfo", "22 1 0:21 / /proc rw,relatime - proc proc rw\n");
    Deno.mkdirSync(`${this.root}/sys/block`, { recursive: true });
    for (const [path, content] of Object.entries(files)) this.file(path, content);
  }

  file(path: string, content: string | Uint8Array): void {
    const place = this.root + path;
    Deno.mkdirSync(place.slice(0, place.lastIndexOf("/")), { recursive: true });
    if (typeof content === "string") Deno.writeTextFileSync(place, content);
    else Deno.writeFileSync(place, content);
  }

  link(path: string, target: string): void {
    const place = this.root + path;
    Deno.mkdirSync(place.slice(0, place.lastIndexOf("/")), { recursive: true });
    Deno.symlinkSync(target, place);
  }

  mounts(...lines: string[]): void {
    this.file("/proc/self/mountinfo", lines.map((line) => `${line}\n`).join(""));
  }

  swaps(...lines: string[]): void {
    const title = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority";
    this.file("/proc/swaps", [title, ...lines].map((line) => `${line}\n`).join(""));
  }

  disk({ name, number, sectors, topology, files, partitions }: DiskPlan): void {
    let directory = `/sys/block/${name}`;
    if (topology !== undefined) {
      this.link(directory, `../devices/${topology}/${name}`);
      directory = `/sys/devices/${topology}/${name}`;
    }
    const all = {
      dev: `${number}\n`,
      size: `${sectors}\n`,
      removable: "0\n",
      ro: "0\n",
      "queue/logical_block_size": "512\n",
      "queue/physical_block_size": "512\n",
      ...files,
    };
    for (const [file, content] of Object.entries(all)) {
      this.file(`${directory}/${file}`, content);
    }
    (partitions ?? []).forEach(([part, partNumber, start, length, more], index) => {
      const contents = {
        partition: `${index + 1}\n`,
        dev: `${partNumber}\n`,
        start: `${start}\n`,
        size: `${length}\n`,
        ...more,
      };
      for (const [file, content] of Object.entries(contents)) {
        this.file(`${directory}/${part}/${file}`, content);
      }
    });
  }

  list(): DeviceInfo[] {
    return listLinuxDisks(this.root);
  }

  /** The one disk with this name. */
  find(name: string): DeviceInfo {
    const found = this.list().filter(({ path }) => path === `/dev/${name}`);
    assertEquals(found.length, 1, `${name} among the disks`);
    return found[0] as DeviceInfo;
  }

  systemDisks(): string[] {
    return this.list().filter(({ system }) => system).map(({ path }) => path);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.root, { recursive: true });
  }
}

const USB = "pci0000:00/0000:00:14.0/usb2/2-1";
const STICK: DiskPlan = {
  name: "sdb",
  number: "8:16",
  sectors: 60_063_744,
  topology: `${USB}/2-1:1.0/host6/target6:0:0/6:0:0:0/block`,
  files: {
    removable: "1\n",
    "device/vendor": "SanDisk \n",
    "device/model": "Ultra Fit       \n",
    "device/rev": "1.00\n",
  },
  partitions: [["sdb1", "8:17", 2048, 524_288], ["sdb2", "8:18", 526_336, 59_537_408]],
};

/** An ordinary root on the first SATA disk. */
const SATA: DiskPlan = {
  name: "sda",
  number: "8:0",
  sectors: 1_953_525_168,
  topology: "pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block",
  files: {
    "queue/physical_block_size": "4096\n",
    "device/vendor": "ATA     \n",
    "device/model": "Samsung SSD 860 \n",
    "device/vpd_pg80": new Uint8Array([0, 0x80, 0, 20, ...ascii("      S3Z8NB0K123456")]),
  },
  partitions: [["sda1", "8:1", 2048, 1_048_576], ["sda2", "8:2", 1_050_624, 1_952_472_064]],
};
const SATA_ROOT = "27 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw,errors=remount-ro";
const SATA_EFI = "92 27 8:1 / /boot/efi rw,relatime shared:47 - vfat /dev/sda1 rw,fmask=0077";

function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function device(path: string, root = ""): Extract<Location, { kind: "device" }> {
  const location = locateLinux(path, root);
  if (location.kind !== "device") throw new Error(`${path} is ${location.kind}`);
  return location;
}

function regularFile(path: string, root = ""): Extract<Location, { kind: "file" }> {
  const location = locateLinux(path, root);
  if (location.kind !== "file") throw new Error(`${path} is ${location.kind}`);
  return location;
}

function treeTest(name: string, body: (tree: Tree) => void): void {
  Deno.test({
    name,
    ignore: !onLinux,
    fn(): void {
      using tree = new Tree();
      body(tree);
    },
  });
}

treeTest("a USB stick: bus, serial of the USB device, sizes, partitions", (tree) => {
  tree.disk(STICK);
  tree.file(`/sys/devices/${USB}/idVendor`, "0781\n");
  tree.file(`/sys/devices/${USB}/serial`, "4C530001230816117393\n");
  // The hub has a serial as well; it is not the stick's.
  tree.file("/sys/devices/pci0000:00/0000:00:14.0/usb2/serial", "0000:00:14.0\n");
  tree.file("/sys/devices/pci0000:00/0000:00:14.0/usb2/idVendor", "1d6b\n");
  assertEquals(tree.list(), [{
    path: "/dev/sdb",
    number: "8:16",
    size: 30_752_636_928,
    sectorSize: 512,
    physicalSectorSize: 512,
    model: "SanDisk Ultra Fit",
    serial: "4C530001230816117393",
    firmware: "1.00",
    bus: "usb",
    removable: true,
    readOnly: false,
    virtual: false,
    system: false,
    claims: [],
    partitions: [
      { path: "/dev/sdb1", index: 1, number: "8:17", start: 1_048_576, size: 268_435_456 },
      { path: "/dev/sdb2", index: 2, number: "8:18", start: 269_484_032, size: 30_483_152_896 },
    ],
    backingFile: undefined,
    backingIdentity: undefined,
    beneath: [],
    mediumNumber: undefined,
  }]);
});

treeTest("a stick without a serial has none, whatever its hub has", (tree) => {
  tree.disk(STICK);
  tree.file(`/sys/devices/${USB}/idVendor`, "0781\n");
  tree.file("/sys/devices/pci0000:00/0000:00:14.0/usb2/idVendor", "1d6b\n");
  tree.file("/sys/devices/pci0000:00/0000:00:14.0/usb2/serial", "0000:00:14.0\n");
  assertEquals(tree.find("sdb").serial, undefined);
});

treeTest("another card in the same reader is noticed by the count of media", (tree) => {
  tree.disk({ ...STICK, files: { diskseq: "9\n" } });
  const shownIdentity = tree.find("sdb");
  assertEquals(identityChange(shownIdentity, tree.find("sdb")), undefined);
  tree.file("/sys/block/sdb/diskseq", "10\n");
  assertEquals(
    identityChange(shownIdentity, tree.find("sdb")),
    "the medium in it was changed, or it was attached again",
  );
});

treeTest("mount points with blanks, tabs, line feeds and backslashes", (tree) => {
  tree.disk(STICK);
  tree.mounts(
    SATA_ROOT,
    "300 27 8:17 / /media/me/my\\040card rw,nosuid shared:1 master:2 - vfat /dev/sdb1 rw",
    "301 27 8:18 /sub /mnt/a\\011b\\012c\\134040d rw - ext4 /dev/sdb2 rw",
  );
  assertEquals(tree.find("sdb").claims, [
    { kind: "mounted", device: "/dev/sdb1", where: "/media/me/my card" },
    { kind: "mounted", device: "/dev/sdb2", where: "/mnt/a\tb\nc\\040d" },
  ]);
});

treeTest("an SD card in an mmc reader", (tree) => {
  tree.disk({
    name: "mmcblk0",
    number: "179:0",
    sectors: 31_116_288,
    topology: "pci0000:00/0000:00:1d.0/0000:02:00.0/mmc_host/mmc0/mmc0:aaaa/block",
    files: {
      "device/name": "SL16G\n",
      "device/type": "SD\n",
      "device/serial": "0x1a2b3c4d\n",
      ro: "1\n",
    },
    partitions: [["mmcblk0p1", "179:1", 8192, 31_108_096]],
  });
  const card = tree.find("mmcblk0");
  assertEquals(card.bus, "sd");
  assertEquals(card.model, "SL16G");
  assertEquals(card.serial, "0x1a2b3c4d");
  assertEquals(card.removable, true);
  assertEquals(card.readOnly, true);
  assertEquals(card.partitions[0]?.path, "/dev/mmcblk0p1");
});

treeTest("an eMMC chip is not removable", (tree) => {
  tree.disk({
    name: "mmcblk1",
    number: "179:8",
    sectors: 61_071_360,
    files: { "device/name": "DF4032\n", "device/type": "MMC\n" },
  });
  assertEquals(tree.find("mmcblk1").bus, "sd");
  assertEquals(tree.find("mmcblk1").removable, false);
});

treeTest("a SATA disk: no vendor, serial of page 80h, the whole model from udev", (tree) => {
  tree.disk(SATA);
  assertEquals(tree.find("sda").model, "Samsung SSD 860");
  tree.file("/run/udev/data/b8:0", "E:ID_MODEL_ENC=Something\\x20else\n");
  assertEquals(tree.find("sda").model, "Samsung SSD 860");
  tree.file(
    "/run/udev/data/b8:0",
    "S:disk/by-id/x\nE:ID_MODEL=Samsung_SSD_860_EVO_1TB\n" +
      "E:ID_MODEL_ENC=Samsung\\x20SSD\\x20860\\x20EVO\\x201TB\\x20\\x20\n" +
      "E:ID_SERIAL_SHORT=FROM_UDEV\n",
  );
  const disk = tree.find("sda");
  assertEquals(disk.bus, "sata");
  assertEquals(disk.model, "Samsung SSD 860 EVO 1TB");
  assertEquals(disk.physicalSectorSize, 4096);
  assertEquals(disk.serial, "S3Z8NB0K123456");
});

/** An ATA Information page (SAT) with this revision in its IDENTIFY DEVICE data. */
function ataPage(swapped: string): Uint8Array {
  const page = new Uint8Array(4 + 0x238);
  page.set([0, 0x89, 0x02, 0x38, ...ascii("    linux   libata          3.00")]);
  page.set([0xec], 56);
  page.set(ascii(swapped), 60 + 46);
  return page;
}

treeTest(
  "a SATA disk: SCSI has half of its firmware's revision, page 89h all of it",
  (tree) => {
    const firmware = (files: Record<string, string | Uint8Array>): string | undefined => {
      using other = new Tree();
      other.disk({ ...SATA, files: { ...SATA.files, ...files } });
      return other.find("sda").firmware;
    };
    const rev = "4B6Q\n";
    assertEquals(firmware({}), undefined);
    assertEquals(firmware({ "device/rev": rev }), "4B6Q");
    // RVT04B6Q: the characters of each word are swapped.
    assertEquals(
      firmware({ "device/rev": rev, "device/vpd_pg89": ataPage("VR0TB4Q6") }),
      "RVT04B6Q",
    );
    // A revision of four characters, with which libata begins at the front.
    assertEquals(
      firmware({ "device/rev": "CC43\n", "device/vpd_pg89": ataPage("CC34    ") }),
      "CC43",
    );
    // Pages that are cut, another one, or another disk's.
    const page = ataPage("VR0TB4Q6");
    for (const bad of [page.subarray(0, 60), page.subarray(0, 571), page.with(1, 0x80)]) {
      assertEquals(firmware({ "device/rev": rev, "device/vpd_pg89": bad }), "4B6Q");
    }
    const short = page.with(2, 0).with(3, 60);
    assertEquals(firmware({ "device/rev": rev, "device/vpd_pg89": short }), "4B6Q");
    assertEquals(
      firmware({ "device/rev": rev, "device/vpd_pg89": ataPage("XX00XXXX") }),
      "4B6Q",
    );
    assertEquals(firmware({ "device/rev": "n/a \n" }), undefined);
    assertEquals(firmware({ "device/rev": "    \n" }), undefined);
    tree.disk({ ...SATA, files: { ...SATA.files, "device/rev": rev } });
    tree.file("/run/udev/data/b8:0", "E:ID_REVISION=RVT04B6Q\n");
    assertEquals(tree.find("sda").firmware, "RVT04B6Q");
    tree.file("/run/udev/data/b8:0", "E:ID_REVISION=EMT04C0Q\n");
    assertEquals(tree.find("sda").firmware, "4B6Q");
  },
);

treeTest("firmware of NVMe disks and cards, by the names of their drivers", (tree) => {
  tree.disk({
    name: "nvme0n1",
    number: "259:0",
    sectors: 1_000_215_216,
    topology: "pci0000:00/0000:00:1d.0/0000:03:00.0/nvme/nvme0",
    files: { "device/model": "Samsung SSD 970\n", "device/firmware_rev": "2B2QEXM7\n" },
  });
  assertEquals(tree.find("nvme0n1").firmware, "2B2QEXM7");
  // Of a card rev is the version of its register, where it is shown.
  for (const [name, number, fwrev] of [["mmcblk0", 0, "0x0"], ["mmcblk1", 8, undefined]]) {
    tree.disk({
      name: String(name),
      number: `179:${number}`,
      sectors: 31_116_288,
      topology: `platform/soc/mmc_host/mmc${number}/mmc${number}:aaaa/block`,
      files: {
        "device/name": "SL16G\n",
        "device/rev": "0x8\n",
        ...(fwrev === undefined ? {} : { "device/fwrev": `${fwrev}\n` }),
      },
    });
    assertEquals(tree.find(String(name)).firmware, fwrev);
  }
});

treeTest("a revision that would steer the terminal is defused", (tree) => {
  tree.disk({ ...STICK, files: { "device/rev": "\u001b[2J\n" } });
  assertEquals(tree.find("sdb").firmware, "[2J");
});

treeTest("the computer's name and the kernel's release", (tree) => {
  assertEquals(linuxComputer(tree.root), { name: undefined, release: undefined });
  tree.file("/proc/sys/kernel/hostname", "lab-ws-07\n");
  tree.file("/proc/sys/kernel/osrelease", "6.1.0-37-amd64\n");
  assertEquals(linuxComputer(tree.root), { name: "lab-ws-07", release: "6.1.0-37-amd64" });
  tree.file("/proc/sys/kernel/hostname", "(none)\n");
  assertEquals(linuxComputer(tree.root).name, undefined);
  tree.file("/proc/sys/kernel/hostname", "a\u001bb\n");
  assertEquals(linuxComputer(tree.root).name, "a b");
});

Deno.test({
  name: "this computer is called as uname says",
  ignore: !onLinux,
  fn(): void {
    const uname = (option: string): string =>
      new TextDecoder().decode(
        new Deno.Command("uname", { args: [option] }).outputSync().stdout,
      ).trim();
    assertEquals(linuxComputer(), { name: uname("-n"), release: uname("-r") });
  },
});

treeTest("a serial only udev knows", (tree) => {
  tree.disk({ name: "sdc", number: "8:32", sectors: 8 });
  tree.file("/run/udev/data/b8:32", "E:ID_SERIAL_SHORT=ABC\n");
  assertEquals(tree.find("sdc").serial, "ABC");
  assertEquals(tree.find("sdc").bus, "scsi");
});

treeTest("a label that would steer the terminal is defused", (tree) => {
  tree.disk({
    ...STICK,
    files: { "device/vendor": "\u001b[2JBad\n", "device/model": "Stick\u0007\n" },
  });
  assertEquals(tree.find("sdb").model, "[2JBad Stick");
});

treeTest("a 4Kn disk: sizes are in 512-byte units all the same", (tree) => {
  tree.disk({
    name: "sda",
    number: "8:0",
    sectors: 7_814_037_168,
    topology: "pci0000:00/0000:00:01.0/host0/port-0:0/end_device-0:0/target0:0:0/0:0:0:0/block",
    files: {
      "queue/logical_block_size": "4096\n",
      "queue/physical_block_size": "4096\n",
      "device/vendor": "HGST    \n",
      "device/model": "HUS726040ALN610 \n",
    },
    partitions: [["sda1", "8:1", 2048, 4096]],
  });
  const disk = tree.find("sda");
  assertEquals(disk.bus, "scsi");
  assertEquals(disk.model, "HGST HUS726040ALN610");
  assertEquals([disk.sectorSize, disk.physicalSectorSize], [4096, 4096]);
  assertEquals(disk.size, 4_000_787_030_016);
  assertEquals(disk.partitions[0]?.start, 1_048_576);
  assertEquals(disk.partitions[0]?.size, 2_097_152);
});

treeTest("virtio, and a virtio disk behind a SCSI host", (tree) => {
  tree.disk({
    name: "vda",
    number: "254:0",
    sectors: 41_943_040,
    topology: "pci0000:00/0000:00:04.0/virtio1/block",
    files: { serial: "root-disk\n", "device/vendor": "0x1af4\n" },
  });
  tree.disk({
    name: "sda",
    number: "8:0",
    sectors: 41_943_040,
    topology: "pci0000:00/0000:00:05.0/virtio2/host2/target2:0:0/2:0:0:0/block",
  });
  const disk = tree.find("vda");
  assertEquals([disk.bus, disk.model, disk.serial], ["virtio", undefined, "root-disk"]);
  assertEquals(tree.find("sda").bus, "virtio");
});

treeTest("NVMe with an encrypted volume group: root, home and swap", (tree) => {
  tree.disk({
    name: "nvme0n1",
    number: "259:0",
    sectors: 1_000_215_216,
    topology: "pci0000:00/0000:00:06.0/0000:01:00.0/nvme/nvme0",
    files: {
      "device/model": "Samsung SSD 970 EVO Plus 500GB          \n",
      "device/serial": "S4EVNX0N123456A     \n",
    },
    partitions: [
      ["nvme0n1p1", "259:1", 2048, 1_048_576],
      ["nvme0n1p2", "259:2", 1_050_624, 999_162_511, { "holders/dm-0": "" }],
    ],
  });
  const virtual = "virtual/block";
  tree.disk({
    name: "dm-0",
    number: "253:0",
    sectors: 999_129_743,
    topology: virtual,
    files: {
      "dm/name": "luks\n",
      "slaves/nvme0n1p2": "",
      "holders/dm-1": "",
      "holders/dm-2": "",
    },
  });
  tree.disk({
    name: "dm-1",
    number: "253:1",
    sectors: 900_000_000,
    topology: virtual,
    files: { "dm/name": "vg-root\n", "slaves/dm-0": "" },
  });
  tree.disk({
    name: "dm-2",
    number: "253:2",
    sectors: 16_777_216,
    topology: virtual,
    files: { "dm/name": "vg-swap\n", "slaves/dm-0": "" },
  });
  tree.disk({
    name: "dm-3",
    number: "253:3",
    sectors: 2048,
    topology: virtual,
    files: { "dm/name": "vg-spare\n", "slaves/dm-0": "" },
  });
  tree.disk(STICK);
  tree.mounts("27 1 253:1 / / rw - ext4 /dev/mapper/vg-root rw");
  tree.swaps("/dev/dm-2                               partition\t8388604\t\t0\t\t-2");
  assertEquals(tree.list().map(({ path }) => path), [
    "/dev/nvme0n1",
    "/dev/sdb",
    "/dev/dm-0",
    "/dev/dm-1",
    "/dev/dm-2",
    "/dev/dm-3",
  ]);
  assertEquals(tree.systemDisks(), ["/dev/nvme0n1", "/dev/dm-0", "/dev/dm-1", "/dev/dm-2"]);
  const disk = tree.find("nvme0n1");
  assertEquals([disk.bus, disk.virtual], ["nvme", false]);
  assertEquals([disk.model, disk.serial], [
    "Samsung SSD 970 EVO Plus 500GB",
    "S4EVNX0N123456A",
  ]);
  assertEquals(disk.claims, [
    { kind: "holder", device: "/dev/nvme0n1p2", where: "dm-0 (luks)" },
  ]);
  assertEquals(tree.find("dm-0").bus, "virtual");
  assertEquals(tree.find("dm-0").claims.map(({ where }) => where), [
    "dm-1 (vg-root)",
    "dm-2 (vg-swap)",
  ]);
  assertEquals(tree.find("dm-1").claims, [
    { kind: "mounted", device: "/dev/dm-1", where: "/" },
  ]);
  assertEquals(tree.find("dm-2").claims, [{ kind: "swap", device: "/dev/dm-2", where: "" }]);
  assertEquals(tree.find("dm-3").beneath?.toSorted(), ["253:0", "259:0", "259:2"]);
});

treeTest("a multipath NVMe disk is real, its hidden paths are not listed", (tree) => {
  tree.disk({
    name: "nvme0n1",
    number: "259:0",
    sectors: 8,
    topology: "virtual/nvme-subsystem/nvme-subsys0",
  });
  tree.file("/sys/block/nvme0c0n1/size", "8\n");
  tree.file("/sys/block/nvme0c0n1/hidden", "1\n");
  assertEquals(tree.list().map(({ path, bus, virtual }) => [path, bus, virtual]), [
    ["/dev/nvme0n1", "nvme", false],
  ]);
});

treeTest("root on RAID 1: both disks are the system's", (tree) => {
  for (const [index, letter] of ["a", "b", "c"].entries()) {
    const number = (plus: number): string => `8:${index * 16 + plus}`;
    tree.disk({
      name: `sd${letter}`,
      number: number(0),
      sectors: 1_000_000,
      partitions: [[
        `sd${letter}1`,
        number(1),
        2048,
        900_000,
        letter === "c" ? {} : { "holders/md127": "" },
      ]],
    });
  }
  tree.disk({
    name: "md127",
    number: "9:127",
    sectors: 899_000,
    topology: "virtual/block",
    files: { "slaves/sda1": "", "slaves/sdb1": "" },
    partitions: [["md127p1", "259:0", 2048, 800_000]],
  });
  tree.mounts("27 1 259:0 / / rw - ext4 /dev/md127p1 rw");
  assertEquals(tree.systemDisks(), ["/dev/sda", "/dev/sdb", "/dev/md127"]);
  assertEquals(tree.find("sda").claims, [
    { kind: "holder", device: "/dev/sda1", where: "md127" },
  ]);
  assertEquals(tree.find("md127").virtual, true);
});

treeTest("btrfs: anonymous numbers, subvolumes, and a second disk", (tree) => {
  tree.disk(SATA);
  tree.disk(STICK);
  tree.disk({ name: "sdc", number: "8:32", sectors: 1_000_000 });
  tree.mounts(
    "27 1 0:25 /@ / rw,relatime shared:1 - btrfs /dev/sda2 rw,subvolid=256,subvol=/@",
    "60 27 0:25 /@home /home rw shared:30 - btrfs /dev/sda2 rw,subvolid=257,subvol=/@home",
    "61 27 0:40 / /run/user/1000/doc rw - fuse.portal portal rw",
    "62 27 0:41 / /mnt/lxc rw - fuse.lxcfs /dev/fuse rw",
  );
  assertEquals(tree.systemDisks(), ["/dev/sda"]);
  assertEquals(tree.find("sda").claims, [
    { kind: "mounted", device: "/dev/sda2", where: "/" },
    { kind: "mounted", device: "/dev/sda2", where: "/home" },
  ]);
  for (const name of ["sda2", "sdc"]) tree.file(`/sys/fs/btrfs/1f2e/devices/${name}`, "");
  tree.file("/sys/fs/btrfs/9999/devices/sdb1", "");
  tree.file("/sys/fs/btrfs/features/raid1c34", "0\n");
  assertEquals(tree.systemDisks(), ["/dev/sda", "/dev/sdc"]);
  assertEquals(tree.find("sdc").claims, [
    { kind: "mounted", device: "/dev/sdc", where: "/" },
    { kind: "mounted", device: "/dev/sdc", where: "/home" },
  ]);
});

treeTest("btrfs on an encrypted disk, named by mapper: link and name alone", (tree) => {
  tree.disk(SATA);
  tree.disk({
    name: "dm-0",
    number: "253:0",
    sectors: 1000,
    topology: "virtual/block",
    files: { "dm/name": "cryptroot\n", "slaves/sda2": "" },
  });
  tree.mounts("27 1 0:25 /@ / rw - btrfs /dev/mapper/cryptroot rw,subvol=/@");
  assertEquals(tree.systemDisks(), ["/dev/sda", "/dev/dm-0"]);
  tree.file("/sys/devices/virtual/block/dm-0/dm/name", "renamed\n");
  assertEquals(tree.systemDisks(), []);
  tree.file("/dev/dm-0", "");
  tree.link("/dev/mapper/cryptroot", "../dm-0");
  assertEquals(tree.systemDisks(), ["/dev/sda", "/dev/dm-0"]);
});

treeTest("a root that the kernel mounted itself is /dev/root", (tree) => {
  tree.disk(SATA);
  tree.mounts("27 1 0:25 / / rw - btrfs /dev/root rw");
  assertEquals(tree.systemDisks(), []);
  tree.file("/proc/cmdline", "quiet root=/dev/sda2 rw\n");
  assertEquals(tree.systemDisks(), ["/dev/sda"]);
  tree.file("/proc/cmdline", "root=PARTUUID=1234-02 rw\n");
  tree.file("/dev/sda2", "");
  tree.link("/dev/disk/by-partuuid/1234-02", "../../sda2");
  assertEquals(tree.systemDisks(), ["/dev/sda"]);
});

treeTest("a ZFS root by what udev knows of the pool", (tree) => {
  tree.disk(SATA);
  tree.disk(STICK);
  tree.mounts(
    "27 1 0:25 / / rw - zfs rpool/ROOT/debian rw,xattr",
    "28 27 0:26 / /home rw - zfs rpool/home rw,xattr",
  );
  tree.file("/run/udev/data/b8:2", "E:ID_FS_TYPE=zfs_member\nE:ID_FS_LABEL=rpool\n");
  tree.file("/run/udev/data/b8:18", "E:ID_FS_TYPE=zfs_member\nE:ID_FS_LABEL=backup\n");
  assertEquals(tree.systemDisks(), ["/dev/sda"]);
  assertEquals(tree.find("sda").claims, [
    { kind: "holder", device: "/dev/sda2", where: "zfs rpool" },
  ]);
  assertEquals(tree.find("sdb").claims, []);
});

treeTest("a live system: overlay over squashfs in a file on the stick", (tree) => {
  tree.disk(STICK);
  tree.disk(SATA);
  tree.disk({
    name: "loop0",
    number: "7:0",
    sectors: 5_000_000,
    topology: "virtual/block",
    files: { "loop/backing_file": "/run/live/medium/live/filesystem.squashfs\n", ro: "1\n" },
  });
  tree.mounts(
    "20 1 8:17 / /run/live/medium ro - iso9660 /dev/sdb1 ro",
    "21 1 7:0 / /run/live/rootfs/filesystem.squashfs ro - squashfs /dev/loop0 ro",
    "22 1 0:24 / /run/live/overlay rw - tmpfs tmpfs rw",
    "27 1 0:27 / / rw - overlay overlay rw," +
      "lowerdir=/run/live/rootfs/filesystem.squashfs/," +
      "upperdir=/run/live/overlay/rw,workdir=/run/live/overlay/work",
  );
  assertEquals(tree.systemDisks(), ["/dev/sdb", "/dev/loop0"]);
  const loop = tree.find("loop0");
  assertEquals([loop.bus, loop.virtual, loop.readOnly], ["loop", true, true]);
  assertEquals(loop.backingFile, "/run/live/medium/live/filesystem.squashfs");
  assertEquals(loop.beneath?.toSorted(), ["8:16", "8:17"]);
});

treeTest("overlay with several lower layers, a colon in one of them", (tree) => {
  tree.disk(STICK);
  tree.disk(SATA);
  tree.mounts(
    "20 27 8:17 / /media/a:b rw - ext4 /dev/sdb1 rw",
    "27 1 0:27 / / rw - overlay overlay rw,lowerdir=/gone:/media/a\\134:b/lower,upperdir=/u",
  );
  assertEquals(tree.systemDisks(), ["/dev/sdb"]);
});

treeTest("a container's root tells nothing about disks, and nothing false", (tree) => {
  tree.disk(SATA);
  tree.mounts(
    "27 1 0:27 / / rw - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/X:/var/lib/" +
      "docker/overlay2/l/Y,upperdir=/var/lib/docker/overlay2/z/diff,workdir=/var/lib/w",
    "28 27 8:2 /var/lib/docker/containers/1/hosts /etc/hosts rw - ext4 /dev/sda2 rw",
  );
  assertEquals(tree.systemDisks(), []);
  assertEquals(tree.find("sda").claims.map(({ where }) => where), ["/etc/hosts"]);
});

treeTest("network and memory roots are no disk", (tree) => {
  tree.disk(SATA);
  tree.mounts("27 1 0:27 / / rw - nfs 10.0.0.1:/dev/sda2 rw");
  assertEquals(tree.systemDisks(), []);
  assertEquals(tree.find("sda").claims, []);
});

treeTest("swap: a partition, and a file on another disk", (tree) => {
  tree.disk(SATA);
  tree.disk(STICK);
  tree.disk({
    name: "sdc",
    number: "8:32",
    sectors: 1000,
    partitions: [["sdc1", "8:33", 8, 80]],
  });
  tree.mounts(
    SATA_ROOT,
    SATA_EFI,
    "80 27 8:18 / /mnt/my\\040stick rw - ext4 /dev/sdb2 rw",
  );
  tree.swaps(
    "/mnt/my\\040stick/swapfile               file\t\t2097148\t\t0\t\t-2",
    "/dev/sdc1                               partition\t40\t\t0\t\t-3",
  );
  assertEquals(tree.find("sdb").claims, [
    { kind: "mounted", device: "/dev/sdb2", where: "/mnt/my stick" },
    { kind: "swap", device: "/dev/sdb2", where: "" },
  ]);
  assertEquals(tree.find("sdc").claims, [{ kind: "swap", device: "/dev/sdc1", where: "" }]);
  assertEquals(tree.systemDisks(), ["/dev/sda", "/dev/sdb", "/dev/sdc"]);
});

treeTest("a separate /boot/efi is the system's disk as well", (tree) => {
  tree.disk(SATA);
  tree.disk(STICK);
  tree.mounts(
    SATA_ROOT,
    "92 27 8:17 / /boot/efi rw - vfat /dev/sdb1 rw",
    "93 27 8:18 / /boot/efi2 rw - vfat /dev/sdb2 rw",
  );
  assertEquals(tree.systemDisks(), ["/dev/sda", "/dev/sdb"]);
  tree.mounts(SATA_ROOT, "93 27 8:18 / /boot/efi2 rw - vfat /dev/sdb2 rw");
  assertEquals(tree.systemDisks(), ["/dev/sda"]);
});

treeTest("a loop device over a disk holds it", (tree) => {
  tree.disk(STICK);
  tree.disk({
    name: "loop1",
    number: "7:1",
    sectors: 100,
    files: { "loop/backing_file": "/dev/sdb2\n" },
  });
  assertEquals(tree.find("sdb").claims, [
    { kind: "holder", device: "/dev/sdb2", where: "loop1" },
  ]);
});

treeTest("devices that are built upon each other in a circle do not hang", (tree) => {
  for (const [a, b] of [[0, 1], [1, 0]]) {
    tree.disk({
      name: `dm-${a}`,
      number: `253:${a}`,
      sectors: 8,
      files: { [`slaves/dm-${b}`]: "" },
    });
  }
  tree.mounts("27 1 253:0 / / rw - ext4 /dev/dm-0 rw");
  assertEquals(tree.systemDisks(), ["/dev/dm-0", "/dev/dm-1"]);
});

treeTest("order: real before virtual, names as people count; empty ones", (tree) => {
  const names = [
    "zram0",
    "sdaa",
    "nvme10n1",
    "sdb",
    "loop10",
    "nvme2n1",
    "sda",
    "loop2",
    "sr0",
  ];
  names.forEach((name, index) => tree.disk({ name, number: `8:${index}`, sectors: 8 }));
  tree.disk({ name: "loop0", number: "7:0", sectors: 0 });
  tree.disk({ name: "sdc", number: "8:99", sectors: 0, files: { removable: "1\n" } });
  assertEquals(tree.list().map(({ path }) => path.slice(5)), [
    "nvme2n1",
    "nvme10n1",
    "sda",
    "sdb",
    "sdc",
    "sdaa",
    "sr0",
    "loop2",
    "loop10",
    "zram0",
  ]);
});

treeTest("a name with an exclamation mark is a path with a slash", (tree) => {
  tree.disk({
    name: "cciss!c0d0",
    number: "104:0",
    sectors: 1000,
    partitions: [["cciss!c0d0p1", "104:1", 8, 80]],
  });
  tree.mounts("27 1 104:1 / / rw - ext4 /dev/cciss/c0d0p1 rw");
  const disk = tree.find("cciss/c0d0");
  assertEquals(disk.partitions[0]?.path, "/dev/cciss/c0d0p1");
  assertEquals(disk.system, true);
});

treeTest("a disk that vanishes while it is listed is left out", (tree) => {
  tree.disk(SATA);
  tree.link("/sys/block/sdb", "../devices/gone/sdb");
  Deno.mkdirSync(`${tree.root}/sys/block/sdc`);
  assertEquals(tree.list().map(({ path }) => path), ["/dev/sda"]);
});

treeTest("a tree without what is needed is an error, not an empty list", (tree) => {
  Deno.removeSync(`${tree.root}/proc/self/mountinfo`);
  const blind = assertThrows(() => tree.list(), ImagingError);
  assertEquals(blind.kind, "environment");
  Deno.removeSync(`${tree.root}/sys/block`);
  assertThrows(() => tree.list(), ImagingError, "cannot list the disks");
  tree.file("/a.img", "x");
  assertEquals(regularFile("/a.img", tree.root).beneath, []);
});

treeTest("a count that is none is an error that names the file", (tree) => {
  tree.disk({ ...STICK, files: { size: "many\n" } });
  assertThrows(() => tree.list(), ImagingError, 'sdb/size: "many" is no count');
});

treeTest("locate: missing, directory, file and its disks", (tree) => {
  tree.disk(STICK);
  tree.mounts("80 27 8:17 / /media/card rw - ext4 /dev/sdb1 rw");
  tree.file("/media/card/a.img", "12345");
  tree.link("/media/card/link.img", "a.img");
  tree.link("/media/card/dangling", "nothing");
  assertEquals(locateLinux("/dev/sdz", tree.root), { kind: "missing", path: "/dev/sdz" });
  assertEquals(locateLinux("/media/card/a.img/x", tree.root).kind, "missing");
  assertEquals(locateLinux("/media/card/dangling", tree.root).kind, "missing");
  assertEquals(locateLinux("/media/card", tree.root).kind, "directory");
  const file = regularFile("/media/card/a.img", tree.root);
  const link = regularFile("/media/card/link.img", tree.root);
  assertEquals(file.size, 5);
  assertEquals(link.path, "/media/card/link.img");
  assertEquals(link.identity, file.identity);
  assertEquals(link.beneath?.toSorted(), ["8:16", "8:17"]);
});

Deno.test("mountinfo: fields, optional fields, and lines that are none", () => {
  assertEquals(
    parseMountInfo(
      "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n",
    ),
    // The example of proc_pid_mountinfo(5).
    [{
      number: "98:0",
      mountPoint: "/mnt2",
      fileSystem: "ext3",
      source: "/dev/root",
      options: "rw,errors=continue",
    }],
  );
  assertEquals(parseMountInfo("1 0 0:1 / - rw - tmpfs - rw\n")[0]?.mountPoint, "-");
  assertThrows(() => parseMountInfo("36 35 98:0 /mnt1 /mnt2 rw\n"), ImagingError, "line 1");
  assertThrows(() => parseSwaps("Filename\n/dev/sda1 tape 1 2 3\n"), ImagingError, "line 2");
});

// This machine.

interface LsblkRow {
  readonly name: string;
  readonly size: number;
  readonly ro: boolean;
  readonly rm: boolean;
  readonly mountpoints: readonly (string | null)[];
  readonly "log-sec": number;
  readonly "phy-sec": number;
  readonly children?: readonly LsblkRow[];
}

function run(command: string, ...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(command, {
    args,
    env: { PATH: `${Deno.env.get("PATH")}:/sbin:/usr/sbin` },
  }).outputSync();
  const decoder = new TextDecoder();
  assert(success, `${command} ${args.join(" ")}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout).trim();
}

function lsblk(): string {
  return run("lsblk", "-J", "-b", "-o", "NAME,SIZE,RO,RM,TYPE,MOUNTPOINTS,LOG-SEC,PHY-SEC");
}

/** Both answers about one moment: other tests make and remove loop devices meanwhile. */
function listBesideLsblk(): { disks: DeviceInfo[]; rows: readonly LsblkRow[] } {
  for (let attempt = 0; attempt < 20; attempt++) {
    const before = lsblk();
    const disks = listLinuxDisks();
    if (lsblk() === before) return { disks, rows: JSON.parse(before).blockdevices };
  }
  throw new Error("the disks of this machine do not stop changing");
}

Deno.test({
  name: "this machine: the same disks as lsblk",
  ignore: !onLinux || needs("lsblk"),
  fn(): void {
    const { disks, rows } = listBesideLsblk();
    const compared = disks.filter(({ path }) => !/^\/dev\/(?:ram|dm-|md)/.test(path));
    const expected = rows.filter(({ size, name }) => size > 0 && !/^(?:dm-|md)/.test(name));
    const order = (a: unknown[], b: unknown[]): number => String(a[0]) < String(b[0]) ? -1 : 1;
    assertEquals(
      compared.filter(({ size }) => size > 0).map((disk) => [
        disk.path.slice(5).replaceAll("/", "!"),
        disk.size,
        disk.readOnly,
        disk.sectorSize,
        disk.physicalSectorSize,
        disk.partitions.map(({ path, size }) => [path.slice(5), size]),
        disk.claims.filter(({ kind, device }) => kind === "mounted" && device === disk.path)
          .map(({ where }) => where).sort(),
      ]).toSorted(order),
      expected.map((row) => [
        row.name,
        row.size,
        row.ro,
        row["log-sec"],
        row["phy-sec"],
        (row.children ?? []).filter(({ name }) => name.startsWith(row.name))
          .map(({ name, size }) => [name, size]),
        row.mountpoints.filter((place) => place !== null && place !== "[SWAP]").toSorted(),
      ]).toSorted(order),
    );
    for (const disk of disks.filter(({ bus }) => bus !== "sd")) {
      const row = rows.find(({ name }) => `/dev/${name}` === disk.path);
      if (row !== undefined) assertEquals(disk.removable, row.rm, disk.path);
    }
  },
});

Deno.test({
  name: "this machine: the disk under / is the system's, and refused",
  ignore: !onLinux || needs("findmnt", "lsblk"),
  fn(): void {
    const source = run("findmnt", "-n", "-v", "-o", "SOURCE", "/");
    // A root that is no block device (overlay, NFS) has no disk to look for.
    if (!source.startsWith("/dev/")) return;
    // From the device down to the whole disks, by another program.
    const names = run("lsblk", "-n", "-s", "-l", "-o", "NAME,TYPE", source).split("\n")
      .map((line) => line.trim().split(/\s+/)).filter(([, type]) => type === "disk")
      .map(([name]) => `/dev/${name}`);
    const system = listLinuxDisks().filter(({ system }) => system).map(({ path }) => path);
    for (const name of names) {
      assert(system.includes(name), `${name} is not marked`);
      const target = locateLinux(name);
      const found = refusals({
        target,
        source: undefined,
        imageSize: 1,
        force: true,
        unmount: true,
      });
      assertEquals(found.map(({ code }) => code), ["system-disk"]);
    }
  },
});

Deno.test({
  name: "this machine: what paths are",
  ignore: !onLinux || needs("stat"),
  fn(): void {
    assertEquals(locateLinux("/dev/null"), { kind: "character", path: "/dev/null" });
    const number = run("stat", "-c", "%Hd:%Ld", "/dev");
    assertEquals(locateLinux("/dev"), {
      kind: "directory",
      path: "/dev",
      identity: `${number}/${run("stat", "-c", "%i", "/dev")}`,
      onDevice: number,
      forDevices: number !== run("stat", "-c", "%Hd:%Ld", "/"),
      fileLimit: undefined,
    });
    assertEquals(locateLinux("/dev/no-such-disk").kind, "missing");
    assertEquals(locateLinux("/dev/null/x").kind, "missing");
    assertEquals(locateLinux("").kind, "missing");
    const own = locateLinux(new URL(import.meta.url).pathname);
    assertEquals(own.kind, "file");
  },
});

/** What a test set up, taken down in reverse order, whatever happens. */
class Cleanup implements Disposable {
  readonly #steps: (() => void)[] = [];

  add(step: () => void): void {
    this.#steps.push(step);
  }

  [Symbol.dispose](): void {
    for (const step of this.#steps.toReversed()) step();
  }
}

function attachLoop(cleanup: Cleanup, ...args: string[]): string {
  const path = run("losetup", "-f", "--show", ...args);
  cleanup.add(() => run("losetup", "-d", path));
  return path;
}

Deno.test({
  name: "a loop device of this machine: listed, located, mounted, held, refused",
  ignore: !onLinux ||
    needs("root", "losetup", "addpart", "delpart", "mkfs.ext4", "mount", "umount", "lsblk"),
  fn(): void {
    using cleanup = new Cleanup();
    const directory = Deno.makeTempDirSync({ prefix: "loop" });
    cleanup.add(() => Deno.removeSync(directory, { recursive: true }));
    const file = `${directory}/disk.img`;
    using image = Deno.createSync(file);
    image.truncateSync(16 * 1024 ** 2);
    const loop = attachLoop(cleanup, "-b", "4096", file);

    const info = device(loop).disk;
    assertEquals([info.path, info.size, info.sectorSize], [loop, 16 * 1024 ** 2, 4096]);
    assertEquals([info.bus, info.virtual, info.system], ["loop", true, false]);
    assertEquals(info.backingFile, file);
    assertEquals(listLinuxDisks().filter(({ path }) => path === loop), [info]);

    Deno.symlinkSync(loop, `${directory}/by-name`);
    const linked = device(`${directory}/by-name`);
    assertEquals(linked.path, `${directory}/by-name`);
    assertEquals(linked.disk.path, loop);
    assertEquals(linked.partition, undefined);

    // The file behind it is no source for it, under any of its names.
    Deno.linkSync(file, `${directory}/other.img`);
    const request = { imageSize: undefined, force: true, unmount: false };
    const same = refusals({
      ...request,
      target: linked,
      source: locateLinux(`${directory}/other.img`),
    });
    assertEquals(same.map(({ code }) => code), ["same-as-source"]);

    // Start and length in units of 512 bytes.
    run("addpart", loop, "1", "2048", "16384");
    cleanup.add(() => run("delpart", loop, "1"));
    run("addpart", loop, "2", "18432", "8192");
    cleanup.add(() => run("delpart", loop, "2"));
    const first = `${loop}p1`;
    const second = `${loop}p2`;
    run("mkfs.ext4", "-q", first);
    const place = `${directory}/a mount\tpoint \\ here`;
    Deno.mkdirSync(place);
    run("mount", first, place);
    cleanup.add(() => run("umount", place));

    const located = device(first);
    assertEquals(located.partition, {
      path: first,
      index: 1,
      number: located.number,
      start: 1024 ** 2,
      size: 8 * 1024 ** 2,
    });
    assertEquals(located.disk.claims, [{ kind: "mounted", device: first, where: place }]);
    const codes = (path: string, unmount = false): string[] =>
      refusals({ ...request, unmount, target: device(path), source: undefined })
        .map(({ code }) => code);
    assertEquals(codes(loop), ["mounted"]);
    assertEquals(codes(first), ["mounted"]);
    assertEquals(codes(loop, true), []);
    assertEquals(codes(second), []);

    // A file on it lies on its partition, on it, and on what it is built upon.
    Deno.writeTextFileSync(`${place}/inner.img`, "x");
    const inner = regularFile(`${place}/inner.img`);
    const beneath = inner.beneath ?? [];
    assertEquals(beneath.slice(0, 2), [located.number, linked.number]);
    for (const number of regularFile(file).beneath ?? []) {
      assert(beneath.includes(number), number);
    }
    const onItself = refusals({
      ...request,
      unmount: true,
      target: device(loop),
      source: inner,
    });
    assertEquals(onItself.map(({ code }) => code), ["same-as-source"]);

    // A read-only loop device over the second partition: it is held now.
    const upper = attachLoop(cleanup, "-r", second);
    assertEquals(codes(upper), ["read-only"]);
    assertEquals(codes(second), ["holder"]);
    assertEquals(codes(loop), ["holder", "mounted"]);
    const upward = refusals({ ...request, target: device(second), source: device(upper) });
    assertEquals(upward.map(({ code }) => code), ["same-as-source", "holder"]);
  },
});

Deno.test({
  name: "locate finds the whole disk by number, through links, in a made-up tree",
  ignore: !onLinux || needs("root", "mknod"),
  fn(): void {
    using tree = new Tree();
    tree.disk(STICK);
    Deno.mkdirSync(`${tree.root}/dev`);
    run("mknod", `${tree.root}/dev/sdb2`, "b", "8", "18");
    run("mknod", `${tree.root}/dev/old`, "b", "8", "200");
    tree.link("/dev/disk/by-id/usb-SanDisk-part2", "../../sdb2");
    const location = device("/dev/disk/by-id/usb-SanDisk-part2", tree.root);
    assertEquals(location.path, "/dev/disk/by-id/usb-SanDisk-part2");
    assertEquals(location.number, "8:18");
    assertEquals(location.disk.path, "/dev/sdb");
    assertEquals(location.partition?.path, "/dev/sdb2");
    const gone = assertThrows(() => locateLinux("/dev/old", tree.root), ImagingError);
    assertEquals([gone.kind, gone.osCode], ["environment", "ENXIO"]);
  },
});

Deno.test({
  name: "what this user may not see is an error with a hint, not a missing file",
  ignore: !onLinux || needs("root", "setpriv"),
  fn(): void {
    using cleanup = new Cleanup();
    const directory = Deno.makeTempDirSync({ prefix: "locked" });
    cleanup.add(() => Deno.removeSync(directory, { recursive: true }));
    Deno.writeTextFileSync(`${directory}/image`, "");
    Deno.chmodSync(directory, 0o700);
    const module = new URL("../../src/devices/linux_disks.ts", import.meta.url);
    const code = `import { locateLinux } from ${JSON.stringify(module.href)};
      try { locateLinux(${JSON.stringify(`${directory}/image`)}); }
      catch (error) { console.log(error.name, error.kind, error.osCode, error.hint); }`;
    const script = `${Deno.makeTempDirSync({ prefix: "script" })}/probe.ts`;
    cleanup.add(() => Deno.removeSync(script.replace(/\/probe\.ts$/, ""), { recursive: true }));
    Deno.writeTextFileSync(script, code);
    Deno.chmodSync(script.replace(/\/probe\.ts$/, ""), 0o755);
    const args = ["--reuid=65534", "--regid=65534", "--clear-groups", Deno.execPath()];
    const output = run("setpriv", ...args, "run", "--no-lock", "--no-config", "-A", script);
    assertEquals(
      output,
      "ImagingError environment EACCES run it with sudo, or ask for access to the folder",
    );
  },
});
