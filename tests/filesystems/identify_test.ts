import { assertEquals } from "@std/assert";
import type { BlockSource } from "../../src/core/block.ts";
import type { FileSystemIdentity } from "../../src/filesystems/file_system.ts";
import { identifyFileSystem } from "../../src/filesystems/identify_file_system.ts";
import { needs } from "../support/tools.ts";
import { FileSource, ImageFile, run } from "../volumes/image_tools.ts";

const MIB = 1024 * 1024;

/** How to make a volume, and what its identity is beside what blkid tells. */
interface Maker {
  readonly id: string;
  readonly title: string;
  readonly size: number;
  /** Program and arguments; "IMAGE" stands for the file. */
  readonly command: readonly string[];
  /** TYPE in blkid, where it is not the id. */
  readonly blkidType?: string;
  readonly input?: string;
}

const MAKERS: readonly Maker[] = [
  {
    id: "ext2",
    title: "ext2",
    size: 8 * MIB,
    command: ["mkfs.ext2", "-q", "-F", "-L", "old card", "IMAGE"],
  },
  { id: "ext2", title: "ext2", size: 4 * MIB, command: ["mkfs.ext2", "-qFr0", "IMAGE"] },
  {
    id: "ext3",
    title: "ext3",
    size: 16 * MIB,
    command: ["mkfs.ext3", "-q", "-F", "-L", "journal", "IMAGE"],
  },
  {
    id: "ext4",
    title: "ext4",
    size: 16 * MIB,
    command: ["mkfs.ext4", "-q", "-F", "-L", "Wurzel ä", "IMAGE"],
  },
  {
    id: "ext4",
    title: "ext4",
    size: 16 * MIB,
    command: ["mkfs.ext4", "-qF", "-O", "^has_journal,^metadata_csum,64bit", "IMAGE"],
  },
  {
    id: "jbd",
    title: "external journal of ext3/4",
    size: 16 * MIB,
    command: ["mkfs.ext4", "-qF", "-O", "journal_dev", "-L", "log", "IMAGE"],
  },
  {
    id: "fat12",
    title: "FAT12",
    size: 1440 * 1024,
    command: ["mkfs.fat", "-n", "FLOPPY", "IMAGE"],
    blkidType: "vfat",
  },
  {
    id: "fat16",
    title: "FAT16",
    size: 32 * MIB,
    command: ["mkfs.fat", "-F", "16", "-n", "CAMERA 1", "-i", "00abcdef", "IMAGE"],
    blkidType: "vfat",
  },
  {
    id: "fat32",
    title: "FAT32",
    size: 64 * MIB,
    command: ["mkfs.fat", "-F", "32", "-n", "BOOT", "IMAGE"],
    blkidType: "vfat",
  },
  {
    // The root directory is far behind the first megabyte.
    id: "fat32",
    title: "FAT32",
    size: 64 * MIB,
    command: ["mkfs.fat", "-F", "32", "-s", "1", "-R", "8192", "-n", "ALIGNED", "IMAGE"],
    blkidType: "vfat",
  },
  {
    id: "fat32",
    title: "FAT32",
    size: 64 * MIB,
    command: ["mkfs.fat", "-F", "32", "-S", "4096", "IMAGE"],
    blkidType: "vfat",
  },
  {
    id: "exfat",
    title: "exFAT",
    size: 64 * MIB,
    command: ["mkfs.exfat", "-L", "Karte Ω", "IMAGE"],
  },
  { id: "exfat", title: "exFAT", size: 16 * MIB, command: ["mkfs.exfat", "IMAGE"] },
  {
    id: "ntfs",
    title: "NTFS",
    size: 16 * MIB,
    command: ["mkntfs", "-F", "-q", "-L", "Größe", "IMAGE"],
  },
  {
    id: "ntfs",
    title: "NTFS",
    size: 64 * MIB,
    command: ["mkntfs", "-F", "-q", "-s", "4096", "-c", "65536", "-L", "big", "IMAGE"],
  },
  {
    id: "xfs",
    title: "XFS",
    size: 300 * MIB,
    command: ["mkfs.xfs", "-q", "-L", "data", "IMAGE"],
  },
  {
    id: "xfs",
    title: "XFS",
    size: 300 * MIB,
    command: ["mkfs.xfs", "-q", "-m", "crc=0", "IMAGE"],
  },
  {
    id: "btrfs",
    title: "Btrfs",
    size: 128 * MIB,
    command: ["mkfs.btrfs", "-q", "-L", "pool", "IMAGE"],
  },
  {
    id: "btrfs",
    title: "Btrfs",
    size: 128 * MIB,
    command: ["mkfs.btrfs", "-q", "--csum", "sha256", "IMAGE"],
  },
  {
    id: "btrfs",
    title: "Btrfs",
    size: 128 * MIB,
    command: ["mkfs.btrfs", "-q", "--csum", "xxhash", "IMAGE"],
  },
  {
    id: "f2fs",
    title: "F2FS",
    size: 64 * MIB,
    command: ["mkfs.f2fs", "-q", "-l", "phone", "IMAGE"],
  },
  {
    id: "f2fs",
    title: "F2FS",
    size: 64 * MIB,
    command: ["mkfs.f2fs", "-q", "-O", "extra_attr,sb_checksum", "IMAGE"],
  },
  {
    id: "swap",
    title: "Linux swap",
    size: 2 * MIB,
    command: ["mkswap", "-L", "swapspace", "IMAGE"],
  },
  {
    id: "swap",
    title: "Linux swap",
    size: 2 * MIB,
    command: ["mkswap", "-p", "65536", "IMAGE"],
  },
  {
    id: "luks1",
    title: "LUKS1",
    size: 8 * MIB,
    command: ["cryptsetup", "luksFormat", "-q", "--type", "luks1", "--pbkdf-force-iterations"]
      .concat("1000", "IMAGE", "-"),
    blkidType: "crypto_LUKS",
    input: "secret",
  },
  {
    id: "luks2",
    title: "LUKS2",
    size: 24 * MIB,
    command: ["cryptsetup", "luksFormat", "-q", "--type", "luks2", "--label", "vault"]
      .concat("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "IMAGE", "-"),
    blkidType: "crypto_LUKS",
    input: "secret",
  },
  {
    id: "squashfs",
    title: "SquashFS",
    size: 0,
    command: ["mksquashfs", "/etc/hostname", "IMAGE", "-quiet", "-no-progress", "-noappend"],
  },
  {
    id: "iso9660",
    title: "ISO 9660",
    size: 0,
    command: ["genisoimage", "-quiet", "-V", "PLAIN_DISC", "-o", "IMAGE", "/etc/hostname"],
  },
  {
    id: "iso9660",
    title: "ISO 9660",
    size: 0,
    command: ["genisoimage", "-quiet", "-J", "-R", "-V", "Joliet disc", "-o", "IMAGE"]
      .concat("/etc/hostname"),
  },
  {
    id: "udf",
    title: "UDF",
    size: 0,
    command: ["genisoimage", "-quiet", "-udf", "-V", "Bridge disc", "-o", "IMAGE"]
      .concat("/etc/hostname"),
  },
];

async function identifyFile(path: string): Promise<FileSystemIdentity | undefined> {
  await using source: BlockSource = new FileSource(path);
  return await identifyFileSystem(source);
}

/** The low-level answer of blkid: TYPE, VERSION, LABEL and UUID, as far as there are any. */
async function blkid(path: string): Promise<Map<string, string>> {
  const { stdout } = await run("blkid", ["--probe", "-o", "udev", path]);
  const tags = new Map<string, string>();
  for (const line of stdout.split("\n")) {
    const match = /^ID_FS_(TYPE|VERSION|LABEL|UUID)(_ENC)?=(.*)$/.exec(line);
    if (match === null) continue;
    const [, key = "", , value = ""] = match;
    // The encoded form comes last, and has all characters.
    tags.set(
      key,
      value.replace(/\\x(..)/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))),
    );
  }
  return tags;
}

for (const maker of MAKERS) {
  const [tool = "", ...args] = maker.command;
  Deno.test({
    name: `${maker.command.join(" ")} makes ${maker.title}, as blkid says`,
    ignore: needs("blkid", tool),
    async fn(): Promise<void> {
      await using image = new ImageFile(maker.size);
      await run(
        tool,
        args.map((argument) => argument === "IMAGE" ? image.path : argument),
        maker.input,
      );
      const expected = await blkid(image.path);
      const identity = await identifyFile(image.path);
      assertEquals(expected.get("TYPE"), maker.blkidType ?? maker.id);
      if (identity?.family === "fat") assertEquals(identity.title, expected.get("VERSION"));
      assertEquals([identity?.id, identity?.title], [maker.id, maker.title]);
      assertEquals(identity?.label, expected.get("LABEL"));
      assertEquals(identity?.uuid, maker.id === "udf" ? undefined : expected.get("UUID"));
    },
  });
}

Deno.test({
  name: "pvcreate makes an LVM2 physical volume, as blkid says",
  ignore: needs("root", "losetup", "pvcreate", "blkid"),
  async fn(): Promise<void> {
    await using image = new ImageFile(8 * MIB);
    const device = (await run("losetup", ["--find", "--show", image.path])).stdout.trim();
    try {
      // Only this device may be looked at, and none of the machine's settings changed.
      const config = `devices { filter=["a|^${device}$|","r|.*|"] use_devicesfile=0 }`;
      await run("pvcreate", ["--config", config, "--yes", "--quiet", device]);
    } finally {
      await run("losetup", ["--detach", device]);
    }
    const expected = await blkid(image.path);
    assertEquals(expected.get("TYPE"), "LVM2_member");
    assertEquals(await identifyFile(image.path), {
      id: "lvm2",
      family: "lvm2",
      title: "LVM2 physical volume",
      label: undefined,
      uuid: expected.get("UUID"),
    });
  },
});

Deno.test("blank and tiny volumes are nothing", async () => {
  for (const size of [0, 1, 511, 512, 1024, 2 * MIB]) {
    await using image = new ImageFile(size);
    assertEquals(await identifyFile(image.path), undefined);
  }
});
