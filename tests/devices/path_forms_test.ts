import { assertEquals } from "@std/assert";
import { foreignSystem } from "../../src/devices/path_forms.ts";

/** Names, and the title of the system whose disks are called like this. */
const NAMES: readonly (readonly [path: string, title: string | undefined])[] = [
  ["/dev/sda", "Linux"],
  ["/dev/sdb", "Linux"],
  ["/dev/sdb12", "Linux"],
  ["/dev/sdaa1", "Linux"],
  ["/dev/hdc", "Linux"],
  ["/dev/vda1", "Linux"],
  ["/dev/xvda", "Linux"],
  ["/dev/nvme0n1", "Linux"],
  ["/dev/nvme0n1p3", "Linux"],
  ["/dev/mmcblk0", "Linux"],
  ["/dev/mmcblk0p1", "Linux"],
  ["/dev/loop7", "Linux"],
  ["/dev/sr0", "Linux"],
  ["/dev/nbd0", "Linux"],
  ["/dev/dm-0", "Linux"],
  ["/dev/md127", "Linux"],
  ["/dev/disk/by-id/usb-SanDisk_Ultra-0:0", "Linux"],
  ["/dev/disk2", "macOS"],
  ["/dev/rdisk2", "macOS"],
  ["/dev/disk2s1", "macOS"],
  ["/dev/disk3s1s1", "macOS"],
  ["\\\\.\\PhysicalDrive1", "Windows"],
  ["//./physicaldrive1", "Windows"],
  ["\\\\?\\Volume{0a1b}", "Windows"],
  ["\\\\.\\E:", "Windows"],
  ["E:", "Windows"],
  ["e:\\", "Windows"],
  ["E:/", "Windows"],
];

/** Names of files and folders, on every system. */
const FILES: readonly string[] = [
  "",
  "card.img",
  "./card.img",
  "sda",
  "dev/sda",
  "/dev/null",
  "/dev/sd",
  "/dev/shm/card.img",
  "/dev/disk",
  "/dev/rdisk",
  "/dev/disk/",
  "/dev/disk2/card.img",
  "/home/me/dev/sda",
  "C:\\x.img",
  "C:x.img",
  "C:/images/card.img",
  "E:\\images\\",
  "1:",
  "EE:",
  "\\\\server\\share\\card.img",
  "//server/share",
  "\\\\.\\",
  "PhysicalDrive1",
];

const SYSTEMS = [["linux", "Linux"], ["darwin", "macOS"], ["windows", "Windows"]] as const;

Deno.test("names of another system's disks are foreign, one's own are not", () => {
  for (const [os, own] of SYSTEMS) {
    for (const [path, title] of NAMES) {
      const foreign = title === own ? undefined : title;
      assertEquals(foreignSystem(path, os), foreign, `${path} on ${own}`);
    }
  }
});

Deno.test("names of files are foreign nowhere", () => {
  for (const [os, title] of SYSTEMS) {
    for (const path of FILES) {
      assertEquals(foreignSystem(path, os), undefined, `${path} on ${title}`);
    }
  }
});

Deno.test("a name is foreign as a whole, not for a line in it", () => {
  for (const path of ["card.img\n/dev/sda", "/dev/sda\ncard.img", "x E:"]) {
    assertEquals(foreignSystem(path, "darwin"), undefined, JSON.stringify(path));
  }
});
