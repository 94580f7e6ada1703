/**
 * What `write` and `clone` refuse, and that nothing was written then. Every target here
 * is a device that the test made; the one that is not cannot be opened at all (see
 * there).
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { linuxTest } from "../support/linux_test.ts";
import { LoopDevice } from "../support/loop_device.ts";
import { digestOf, run, runCli, shell, tryRun } from "../support/run_cli.ts";
import { exists, Mounted, numberedSectors, TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const ignore = needs("root", "losetup", "sha256sum");
const ignoreMount = ignore || needs("addpart", "delpart", "mkfs.ext4", "mount", "umount");
const MIB = 1024 * 1024;

/** Runs a write that must be refused with 1, and proves that the device was left alone. */
async function assertRefused(
  args: readonly string[],
  device: string,
  message: RegExp,
  hint: RegExp,
): Promise<void> {
  const before = await digestOf(device);
  const { code, stdout, stderr } = await runCli(args);
  assertEquals(code, 1, stderr);
  assertMatch(stderr, new RegExp(`^sectorshot: error: ${message.source}`, "m"));
  assertMatch(stderr, new RegExp(`^sectorshot: hint: ${hint.source}`, "m"));
  assertEquals(stdout, "");
  assertEquals(await digestOf(device), before);
}

/** A device with a file system on it. */
async function ext4Disk(folder: TemporaryFolder): Promise<LoopDevice> {
  const file = await folder.write("ext4", new Uint8Array(8 * MIB));
  await run("mkfs.ext4", ["-q", file]);
  return await LoopDevice.create(file);
}

/** A device with a partition that holds a file system. */
async function ext4Partition(
  folder: TemporaryFolder,
): Promise<{ disk: LoopDevice; partition: string }> {
  const disk = await LoopDevice.create(await folder.write("disk", new Uint8Array(12 * MIB)));
  const partition = await disk.addPartition(1, MIB, 8 * MIB);
  await run("mkfs.ext4", ["-q", partition]);
  return { disk, partition };
}

linuxTest({
  name: "write refuses a disk that is mounted as a whole",
  ignore: ignoreMount,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", numberedSectors(MIB));
    await using disk = await ext4Disk(folder);
    const place = await folder.folder("mnt");
    await using mounted = await Mounted.create(disk.path, place, "-o", "ro");
    await assertRefused(
      ["write", image, disk.path, "--yes"],
      disk.path,
      new RegExp(`cannot write to ${disk.path}: ${disk.path} is mounted at ${place}`),
      /add --unmount/,
    );
    assert(await mounted.isMounted());
  },
});

linuxTest({
  name: "write refuses a disk of which a partition is mounted, and the partition",
  ignore: ignoreMount,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", numberedSectors(MIB));
    const { disk, partition } = await ext4Partition(folder);
    await using _disk = disk;
    const place = await folder.folder("mnt");
    await using _mounted = await Mounted.create(partition, place, "-o", "ro");
    for (const target of [disk.path, partition]) {
      await assertRefused(
        ["write", image, target, "--yes"],
        disk.path,
        new RegExp(`cannot write to ${target}: ${partition} is mounted at ${place}`),
        /add --unmount/,
      );
    }
  },
});

linuxTest({
  name: "write: a partition beside a mounted one may be written",
  ignore: ignoreMount,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", numberedSectors(MIB));
    const { disk, partition } = await ext4Partition(folder);
    await using _disk = disk;
    const other = await disk.addPartition(2, 10 * MIB, MIB);
    const place = await folder.folder("mnt");
    await using _mounted = await Mounted.create(partition, place, "-o", "ro");
    const { code, stderr } = await runCli(["write", image, other, "--yes"]);
    assertEquals(code, 0, stderr);
    await run("cmp", [image, other]);
  },
});

linuxTest({
  name: "write --unmount unmounts every mount of the disk, then writes",
  ignore: ignoreMount,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", numberedSectors(3 * MIB));
    const { disk, partition } = await ext4Partition(folder);
    await using _disk = disk;
    await using one = await Mounted.create(partition, await folder.folder("mnt"));
    await using two = await Mounted.create(partition, await folder.folder("a b\tc"));
    const args = ["write", image, disk.path, "--yes", "--unmount"];
    const { code, stderr } = await runCli(args);
    assertEquals(code, 0, stderr);
    assertEquals([await one.isMounted(), await two.isMounted()], [false, false]);
    await run("cmp", ["-n", String(3 * MIB), image, disk.path]);
  },
});

linuxTest({
  name: "write --unmount refuses what is busy, and names it",
  ignore: ignoreMount,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", numberedSectors(MIB));
    await using disk = await ext4Disk(folder);
    const place = await folder.folder("mnt");
    await using mounted = await Mounted.create(disk.path, place, "-o", "ro");
    using _busy = await Deno.open(`${place}/lost+found`);
    await assertRefused(
      ["write", image, disk.path, "--yes", "--unmount"],
      disk.path,
      new RegExp(`cannot unmount ${disk.path} from ${place}: .*\\(EBUSY\\)`),
      new RegExp(`close the programs and terminals that use ${place}`),
    );
    assert(await mounted.isMounted());
  },
});

linuxTest({
  name: "write --unmount does not unmount another disk that is mounted over the target's",
  ignore: ignoreMount,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", numberedSectors(MIB));
    await using disk = await ext4Disk(folder);
    const place = await folder.folder("mnt");
    await using below = await Mounted.create(disk.path, place, "-o", "ro");
    await using over = await Mounted.memory(place, MIB);
    await assertRefused(
      ["write", image, disk.path, "--yes", "--unmount"],
      disk.path,
      new RegExp(`cannot unmount ${disk.path} from ${place}: none is mounted over it`),
      /unmount none first, if it may go/,
    );
    assert(await over.isMounted());
    await run("umount", [place]);
    assert(await below.isMounted());
  },
});

linuxTest({
  name: "write --unmount does not unmount for an image that does not fit",
  ignore: ignoreMount,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", numberedSectors(9 * MIB));
    await using disk = await ext4Disk(folder);
    const place = await folder.folder("mnt");
    await using mounted = await Mounted.create(disk.path, place, "-o", "ro");
    await assertRefused(
      ["write", image, disk.path, "--yes", "--unmount"],
      disk.path,
      /cannot write to .*: the image is larger by 1,048,576 bytes/,
      /choose a target of at least/,
    );
    assert(await mounted.isMounted());
  },
});

linuxTest({
  name: "write refuses a device upon which another device is built",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", numberedSectors(MIB));
    await using lower = await LoopDevice.create(
      await folder.write("target", numberedSectors(4 * MIB, 7)),
    );
    await using upper = await LoopDevice.create(lower.path);
    await assertRefused(
      ["write", image, lower.path, "--yes", "--unmount"],
      lower.path,
      new RegExp(`cannot write to ${lower.path}: .*${upper.path.slice("/dev/".length)}`),
      /stop what is built upon it/,
    );
  },
});

linuxTest({
  name: "write refuses a read-only device",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", numberedSectors(MIB));
    await using disk = await LoopDevice.create(
      await folder.write("target", numberedSectors(2 * MIB, 7)),
      { readOnly: true },
    );
    await assertRefused(
      ["write", image, disk.path, "--yes"],
      disk.path,
      new RegExp(`cannot write to ${disk.path}: it is read-only`),
      /look for a lock switch/,
    );
  },
});

for (const name of ["/dev/sectorshot_no_such_disk", "NEW_FILE"]) {
  linuxTest(`write never creates a target that is missing: ${name}`, async () => {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", numberedSectors(4096));
    const target = name.startsWith("/") ? name : folder.file(name);
    const { code, stderr } = await runCli(["write", image, target, "--yes"]);
    assertEquals(code, 1);
    assertMatch(stderr, /error: cannot write to .*: there is no such device/);
    assertMatch(stderr, /^sectorshot: hint: `sectorshot list`/m);
    assert((await tryRun("test", ["-e", target])).code !== 0);
  });
}

linuxTest("write refuses files, folders and character devices as targets", async () => {
  await using folder = await TemporaryFolder.create();
  const image = await folder.write("card.img", numberedSectors(4096));
  const file = await folder.write("file", "keep me");
  for (
    const [target, message] of [
      [file, /error: cannot write to .*: it is a file, not a disk/],
      [folder.path, /error: cannot write to .*: it is a directory, not a disk/],
      ["/dev/null", /error: cannot write to .*: it is a character device, not a disk/],
    ] as const
  ) {
    const { code, stderr } = await runCli(["write", image, target, "--yes"]);
    assertEquals(code, 1);
    assertMatch(stderr, message);
    assertMatch(stderr, /^sectorshot: hint: /m);
  }
  assertEquals(await Deno.readTextFile(file), "keep me");
});

linuxTest({
  name: "write says by how much an image is too large, and whether that part holds data",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = numberedSectors(6 * MIB + 512);
    const data = await folder.write("data.img", bytes);
    const zeros = await folder.write("zeros.img", bytes.slice().fill(0, 4 * MIB));
    const nearly = await folder.write("nearly.img", bytes.slice().fill(0, 4 * MIB, -1));
    await using disk = await LoopDevice.create(
      await folder.write("target", numberedSectors(4 * MIB, 7)),
    );
    const by = "the image is larger by 2,097,664 bytes \\(2\\.0 MiB\\), and that part";
    const cases = [
      [data, [], `${by} DOES contain data`, "choose a target of at least 6,291,968 bytes"],
      [nearly, ["--cut-zeros"], `${by} DOES contain data`, "choose a target"],
      [zeros, [], `${by} DOES NOT contain data, only zeros`, "add --cut-zeros"],
    ] as const;
    for (const [image, options, message, hint] of cases) {
      await assertRefused(
        ["write", image, disk.path, "--yes", ...options],
        disk.path,
        new RegExp(`cannot write to ${disk.path}: ${message}`),
        new RegExp(hint),
      );
    }
  },
});

linuxTest({
  name: "write: one target that must not be written keeps all of them from being written",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", numberedSectors(4 * MIB));
    await using good = await LoopDevice.create(
      await folder.write("good", numberedSectors(5 * MIB, 7)),
    );
    await using small = await LoopDevice.create(
      await folder.write("small", numberedSectors(3 * MIB, 7)),
    );
    await using locked = await LoopDevice.create(
      await folder.write("locked", numberedSectors(5 * MIB, 7)),
      { readOnly: true },
    );
    const cases = [
      [small.path, /cannot write to .*: the image is larger/],
      [locked.path, /cannot write to .*: it is read-only/],
      [folder.file("missing"), /cannot write to .*: there is no such device/],
      [good.path, /cannot write to .*: it is on the same disk as/],
    ] as const;
    for (const [other, message] of cases) {
      const args = ["write", image, good.path, other, "--yes"];
      await assertRefused(args, good.path, message, /./);
    }
  },
});

linuxTest({
  name: "write refuses a disk that is named twice, also by a link or as its partition",
  ignore: ignore || needs("addpart"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", numberedSectors(MIB));
    await using disk = await LoopDevice.create(
      await folder.write("target", numberedSectors(5 * MIB, 7)),
    );
    const partition = await disk.addPartition(1, MIB, 2 * MIB);
    await Deno.symlink(disk.path, folder.file("link"));
    for (const twin of [folder.file("link"), partition]) {
      await assertRefused(
        ["write", image, disk.path, twin, "--yes"],
        disk.path,
        /cannot write to .*: it is on the same disk as/,
        /name each disk once/,
      );
    }
  },
});

linuxTest({
  name: "an image of a whole disk does not go into a partition, unless --force is given",
  ignore: ignore || needs("addpart", "sfdisk"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", numberedSectors(2 * MIB));
    await shell('printf "label: dos\\n2048,1024,c\\n" | sfdisk --quiet "$1"', image);
    await using disk = await LoopDevice.create(
      await folder.write("target", numberedSectors(5 * MIB, 7)),
    );
    const partition = await disk.addPartition(1, MIB, 3 * MIB);
    await assertRefused(
      ["write", image, partition, "--yes"],
      disk.path,
      /cannot write to \S+p1: it is a partition, and .*card\.img holds a whole disk \(MBR, 1 /,
      new RegExp(`name the disk, ${disk.path} .*sectorshot list.*--force`),
    );
    const { code, stderr } = await runCli(["write", image, partition, "--yes", "--force"]);
    assertEquals(code, 0, stderr);
    await run("cmp", ["-n", String(2 * MIB), image, partition]);
  },
});

linuxTest({
  name: "clone refuses the source itself, by any name, and a part of it",
  ignore: ignore || needs("addpart"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    await using disk = await LoopDevice.create(
      await folder.write("disk", numberedSectors(5 * MIB)),
    );
    const partition = await disk.addPartition(1, MIB, 2 * MIB);
    const link = folder.file("link");
    await Deno.symlink(disk.path, link);
    const cases = [
      [disk.path, disk.path, /cannot write to .*: it is the source/],
      [disk.path, link, /cannot write to .*: it is the source/],
      [link, disk.path, /cannot write to .*: it is the source/],
      [partition, disk.path, /cannot write to .*: the source .* is a part of it/],
      [link, partition, /cannot write to .*: it is a part of the source/],
    ] as const;
    for (const [source, target, message] of cases) {
      await assertRefused(["clone", source, target, "--yes"], disk.path, message, /choose/);
    }
  },
});

linuxTest({
  name: "write refuses a device whose file is the image, or the source",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", numberedSectors(5 * MIB));
    await Deno.link(image, folder.file("hard.img"));
    await using disk = await LoopDevice.create(image);
    await using twin = await LoopDevice.create(image, { readOnly: true });
    for (const name of [image, folder.file("hard.img")]) {
      await assertRefused(
        ["write", name, disk.path, "--yes"],
        disk.path,
        /cannot write to .*: it is the image .* itself/,
        /choose another target/,
      );
    }
    await assertRefused(
      ["clone", twin.path, disk.path, "--yes"],
      disk.path,
      /cannot write to .*: the same file is behind it and the source/,
      /choose another target/,
    );
  },
});

linuxTest({
  name: "write --unmount refuses the disk that the image lies on",
  ignore: ignoreMount,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    await using disk = await ext4Disk(folder);
    const place = await folder.folder("mnt");
    await using mounted = await Mounted.create(disk.path, place);
    await Deno.writeFile(`${place}/card.img`, numberedSectors(MIB));
    await run("mount", ["-o", "remount,ro", place]);
    await assertRefused(
      ["write", `${place}/card.img`, disk.path, "--yes", "--unmount"],
      disk.path,
      /cannot write to .*: the image .*card\.img lies on it/,
      /choose another target, or move the image/,
    );
    assert(await mounted.isMounted());
  },
});

linuxTest("write refuses an image that is missing, a folder or empty", async () => {
  await using folder = await TemporaryFolder.create();
  const empty = await folder.write("empty.img", "");
  for (
    const [image, message] of [
      [folder.file("missing.img"), /error: cannot open .*missing\.img: .*\(ENOENT\)/],
      [folder.path, /error: cannot read .*: it is a folder/],
      [empty, /error: cannot read .*empty\.img: it is empty/],
    ] as const
  ) {
    const { code, stderr } = await runCli(["write", image, folder.file("target"), "--yes"]);
    assertEquals(code, 1);
    assertMatch(stderr, message);
  }
  assert(!await exists(folder.file("target")));
});

/** The disk that `/` is mounted from, as util-linux knows it. */
async function systemDisk(): Promise<string | undefined> {
  const { stdout } = await tryRun("findmnt", ["-n", "-o", "SOURCE", "/"]);
  const source = stdout.trim();
  if (!source.startsWith("/dev/")) return undefined;
  const parent = await tryRun("lsblk", ["-n", "-d", "-o", "PKNAME", source]);
  const name = parent.stdout.trim();
  return name === "" ? source : `/dev/${name}`;
}

/**
 * A mount namespace of its own in which no device node below /dev can be opened by
 * anybody, root included: the kernel itself keeps even a broken sectorshot from writing.
 */
const NO_DEVICES = [
  "unshare",
  "--mount",
  "--propagation=private",
  "sh",
  "-c",
  'mount --bind /dev /dev && mount -o remount,bind,nodev /dev && exec "$@"',
  "sh",
];

const system = ignore || needs("unshare", "findmnt", "lsblk") ? "" : await systemDisk() ?? "";

linuxTest({
  name: "write refuses the disk that the system runs from, whatever is said",
  ignore: system === "",
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", numberedSectors(4096));
    // The guard is tried before anything relies on it.
    const [program = "", ...words] = NO_DEVICES;
    const guard = await tryRun(program, [...words, "dd", `if=${system}`, "count=1"]);
    assert(guard.code !== 0, "the guard does not hold");
    assertMatch(guard.stderr, /Permission denied/);
    for (const options of [[], ["--yes"], ["--yes", "--unmount"]]) {
      const { code, stdout, stderr } = await runCli(["write", image, system, ...options], {
        prefix: NO_DEVICES,
      });
      assertEquals(code, 1, stderr);
      assertMatch(
        stderr,
        new RegExp(`error: cannot write to ${system}: the running system lives on it`),
      );
      assertEquals(stdout, "");
    }
  },
});

linuxTest({
  name: "a device that may not be opened is refused with a hint",
  ignore: ignore || needs("unshare"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", numberedSectors(4096));
    await using disk = await LoopDevice.create(
      await folder.write("target", numberedSectors(MIB, 7)),
    );
    for (
      const args of [
        ["read", disk.path, folder.file("new.img")],
        ["write", image, disk.path, "--yes"],
        ["verify", image, disk.path],
        ["hash", disk.path],
        ["info", disk.path],
      ]
    ) {
      const { code, stdout, stderr } = await runCli(args, { prefix: NO_DEVICES });
      assertEquals(code, 1, stderr);
      assertMatch(
        stdout + stderr,
        new RegExp(`cannot open ${disk.path}.*: permission denied \\(EACCES\\)`),
      );
      assertMatch(stdout + stderr, /run it with sudo/);
    }
    assert(!await exists(folder.file("new.img.part")));
    assert(!await exists(folder.file("new.img.map")));
  },
});
