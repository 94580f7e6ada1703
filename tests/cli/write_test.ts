import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { linuxTest } from "../support/linux_test.ts";
import { BAD_DISK_TOOLS, NbdDisk } from "../support/bad_disk.ts";
import { LoopDevice, readBytes } from "../support/loop_device.ts";
import { digestOf, run, runCli, RunningCli, tryRun } from "../support/run_cli.ts";
import {
  numberedSectors,
  numberedSectorsWithZeros,
  TemporaryFolder,
} from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const ignore = needs("root", "losetup", "sfdisk", "cmp");
const MIB = 1024 * 1024;

/** A disk image with a partition table that sfdisk made. */
async function partitionedImage(folder: TemporaryFolder, size: number): Promise<string> {
  const image = await folder.write("card.img", numberedSectorsWithZeros(size));
  const script = await folder.write("layout", "label: dos\nstart=2048, type=83\n");
  await run("bash", ["-c", 'sfdisk -q --wipe never "$1" < "$2"', "bash", image, script]);
  return image;
}

linuxTest({
  name: "write: the partition table arrives, and what lies behind the image stays",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await partitionedImage(folder, 6 * MIB);
    const before = numberedSectors(9 * MIB, 7);
    await using target = await LoopDevice.create(await folder.write("target", before));
    const { code, stdout, stderr } = await runCli(["flash", image, target.path, "--yes"]);
    assertEquals(code, 0, stderr);
    await run("cmp", ["-n", String(6 * MIB), image, target.path]);
    assertEquals(await readBytes(target.path, 6 * MIB, 3 * MIB), before.slice(6 * MIB));
    assertStringIncludes(stdout, `sha256: ${await digestOf(image)}\n`);
    await run("sfdisk", ["--dump", target.path]);
  },
});

linuxTest({
  name: "write: the result event names the target and says that it was verified",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", numberedSectors(2 * MIB));
    await using target = await LoopDevice.create(
      await folder.write("target", new Uint8Array(2 * MIB)),
    );
    const args = ["write", image, target.path, "--yes", "--json", "--hash", "md5,sha1"];
    const { code, result, stderr } = await runCli(args);
    assertEquals(code, 0, stderr);
    assertEquals(result["exitCode"], 0);
    assertEquals(result["hashes"], {
      md5: await digestOf(image, "md5"),
      sha1: await digestOf(image, "sha1"),
    });
    const [only] = result["targets"] as Record<string, unknown>[];
    assertEquals(
      [only?.["path"], only?.["outcome"], only?.["verified"], only?.["bytes"]],
      [target.path, "done", true, 2 * MIB],
    );
  },
});

linuxTest({
  name: "write --no-verify says that nothing was verified",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", numberedSectors(2 * MIB));
    await using target = await LoopDevice.create(
      await folder.write("target", new Uint8Array(2 * MIB)),
    );
    const args = ["write", image, target.path, "--yes", "--no-verify"];
    const { code, stdout, stderr } = await runCli(args);
    assertEquals(code, 0, stderr);
    assertStringIncludes(stdout, "not verified");
    await run("cmp", [image, target.path]);
  },
});

linuxTest({
  name: "write: says before it what the target is and holds",
  ignore: ignore || needs("mkfs.ext4"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", numberedSectors(MIB));
    const disk = await folder.write("target", new Uint8Array(8 * MIB));
    const layout = await folder.write("layout", "label: gpt\nstart=2048, name=keepsake\n");
    await run("bash", ["-c", 'sfdisk -q "$1" < "$2"', "bash", disk, layout]);
    await run("mkfs.ext4", ["-q", "-L", "holiday", "-E", "offset=1048576", disk, "4M"]);
    await using target = await LoopDevice.create(disk);
    const { code, stderr } = await runCli(["write", image, target.path, "--yes"]);
    assertEquals(code, 0, stderr);
    assertMatch(stderr, /GPT partition table/);
    assertMatch(stderr, /ext4 "holiday"/);
    assertMatch(stderr, /"keepsake"/);
    assertMatch(stderr, /Everything on it will be lost/);
  },
});

for (const sectorSize of [512, 4096]) {
  for (const size of [1, 511, 4096, 4097, MIB - 1, MIB, MIB + 1, 4 * MIB + 100]) {
    for (const from of ["file", "stdin"] as const) {
      linuxTest({
        name: `write: ${size} bytes from ${from} to ${sectorSize}-byte sectors: ` +
          "the last sector is completed with zeros",
        ignore,
        async fn(): Promise<void> {
          await using folder = await TemporaryFolder.create();
          const bytes = numberedSectors(size);
          const image = await folder.write("card.img", bytes);
          const before = numberedSectors(6 * MIB, 7);
          await using target = await LoopDevice.create(
            await folder.write("target", before),
            { sectorSize },
          );
          const { code, stderr } = await runCli(
            ["write", from === "file" ? image : "-", target.path, "--yes"],
            { stdin: from === "file" ? undefined : bytes },
          );
          assertEquals(code, 0, stderr);
          const end = Math.ceil(size / sectorSize) * sectorSize;
          const expected = new Uint8Array(end);
          expected.set(bytes);
          assertEquals(await readBytes(target.path, 0, end), expected);
          const rest = end - size;
          if (rest === 0) assert(!/inside of a sector/.test(stderr), stderr);
          else assertMatch(stderr, new RegExp(`last ${rest} bytes of that sector .* zeros`));
          const kept = Math.max(end, MIB);
          assertEquals(
            await digestOf(await folder.write("a", await readBytes(target.path, kept, MIB))),
            await digestOf(await folder.write("b", before.slice(kept, kept + MIB))),
          );
        },
      });
    }
  }
}

linuxTest({
  name: "write: an image of a few sectors changes no byte behind them",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("boot.img", numberedSectors(8192));
    const before = numberedSectors(3 * MIB, 7);
    await using target = await LoopDevice.create(await folder.write("target", before));
    const { code, stderr } = await runCli(["write", image, target.path, "--yes"]);
    assertEquals(code, 0, stderr);
    const after = await folder.write("after", await readBytes(target.path, 8192, 2 * MIB));
    await run("cmp", [
      after,
      await folder.write("expected", before.slice(8192, 8192 + 2 * MIB)),
    ]);
  },
});

linuxTest({
  name: "write: from stdin, compared with digests taken on the way",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = numberedSectorsWithZeros(20 * MIB + 512);
    const image = await folder.write("card.img", bytes);
    await using target = await LoopDevice.create(
      await folder.write("target", numberedSectors(21 * MIB, 7)),
    );
    const args = ["write", "-", target.path, "--yes", "--json"];
    const { code, result, stderr } = await runCli(args, { stdin: bytes });
    assertEquals(code, 0, stderr);
    await run("cmp", ["-n", String(bytes.length), image, target.path]);
    assertEquals(result["hashes"], { sha256: await digestOf(image) });
    const [only] = result["targets"] as Record<string, unknown>[];
    assertEquals([only?.["bytes"], only?.["verified"]], [bytes.length, true]);
  },
});

linuxTest({
  name: "write: from stdin to two targets",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = numberedSectorsWithZeros(9 * MIB);
    const image = await folder.write("card.img", bytes);
    await using one = await LoopDevice.create(
      await folder.write("one", numberedSectors(9 * MIB, 7)),
    );
    await using two = await LoopDevice.create(
      await folder.write("two", numberedSectors(9 * MIB, 8)),
      { sectorSize: 4096 },
    );
    const args = ["write", "-", one.path, two.path, "--yes"];
    const { code, stderr } = await runCli(args, { stdin: bytes });
    assertEquals(code, 0, stderr);
    for (const target of [one, two]) await run("cmp", [image, target.path]);
  },
});

linuxTest({
  name: "write: an image of stdin that is larger than the target fails, and leaves no table",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await partitionedImage(folder, 9 * MIB);
    await using target = await LoopDevice.create(
      await folder.write("target", numberedSectors(8 * MIB, 7)),
    );
    const stdin = await Deno.readFile(image);
    const { code, stdout, stderr } = await runCli(["write", "-", target.path, "--yes"], {
      stdin,
    });
    assertEquals(code, 1, stderr);
    assertMatch(stdout + stderr, /larger than its 8388608 bytes/);
    assert((await tryRun("sfdisk", ["--dump", target.path])).code !== 0);
  },
});

linuxTest({
  name: "write: an empty stdin is an error, not a wiped disk",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const before = await folder.write("before", numberedSectors(2 * MIB, 7));
    await Deno.copyFile(before, folder.file("target"));
    await using target = await LoopDevice.create(folder.file("target"));
    const { code, stderr } = await runCli(["write", "-", target.path, "--yes"], {
      stdin: new Uint8Array(),
    });
    assertEquals(code, 1, stderr);
    assertMatch(stderr, /^sectorshot: error: .*stdin/m);
    await run("cmp", [before, target.path]);
  },
});

linuxTest({
  name: "write: to several targets at once",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", numberedSectorsWithZeros(9 * MIB));
    await using one = await LoopDevice.create(
      await folder.write("one", numberedSectors(9 * MIB, 7)),
    );
    await using two = await LoopDevice.create(
      await folder.write("two", numberedSectors(10 * MIB, 8)),
      { sectorSize: 4096 },
    );
    const { code, stdout, stderr } = await runCli([
      "write",
      image,
      one.path,
      two.path,
      "--yes",
    ]);
    assertEquals(code, 0, stderr);
    for (const { path } of [one, two]) {
      await run("cmp", ["-n", String(9 * MIB), image, path]);
      assertStringIncludes(stdout, `${path}: written and verified`);
    }
  },
});

linuxTest({
  name: "write: a partition is written, the rest of its disk is not",
  ignore: ignore || needs("addpart", "delpart"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("part.img", numberedSectors(2 * MIB));
    const before = numberedSectors(6 * MIB, 7);
    await using disk = await LoopDevice.create(await folder.write("disk", before));
    const partition = await disk.addPartition(1, 3 * MIB, 2 * MIB);
    const { code, stderr } = await runCli(["write", image, partition, "--yes"]);
    assertEquals(code, 0, stderr);
    before.set(numberedSectors(2 * MIB), 3 * MIB);
    await run("cmp", [await folder.write("expected", before), disk.path]);
  },
});

linuxTest({
  name: "write: a symbolic link to a device is that device",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", numberedSectors(2 * MIB));
    await using target = await LoopDevice.create(
      await folder.write("target", new Uint8Array(2 * MIB)),
    );
    const link = folder.file("link");
    await Deno.symlink(target.path, link);
    const { code, stderr } = await runCli(["write", image, link, "--yes"]);
    assertEquals(code, 0, stderr);
    await run("cmp", [image, target.path]);
    assert((await Deno.lstat(link)).isSymlink);
  },
});

linuxTest({
  name: "write --cut-zeros leaves out zeros that do not fit",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = numberedSectors(8 * MIB).fill(0, 5 * MIB);
    const image = await folder.write("card.img", bytes);
    await using target = await LoopDevice.create(
      await folder.write("target", numberedSectors(6 * MIB, 7)),
    );
    const args = ["write", image, target.path, "--yes", "--cut-zeros"];
    const { code, stderr } = await runCli(args);
    assertEquals(code, 0, stderr);
    assertMatch(stderr, /2 MiB.* left out: they hold nothing but zeros/);
    await run("cmp", ["-n", String(6 * MIB), image, target.path]);
  },
});

linuxTest({
  name: "write: a device that is the source of a device",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    await using source = await LoopDevice.create(
      await folder.write("source", numberedSectors(5 * MIB)),
    );
    await using target = await LoopDevice.create(
      await folder.write("target", numberedSectors(6 * MIB, 7)),
    );
    const { code, stderr } = await runCli(["clone", source.path, target.path, "--yes"]);
    assertEquals(code, 0, stderr);
    await run("cmp", ["-n", String(5 * MIB), source.path, target.path]);
  },
});

linuxTest({
  name: "clone: other sector sizes are warned of",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    await using source = await LoopDevice.create(
      await folder.write("source", numberedSectors(5 * MIB)),
    );
    await using target = await LoopDevice.create(
      await folder.write("target", numberedSectors(5 * MIB, 7)),
      { sectorSize: 4096 },
    );
    const { code, stderr } = await runCli(["clone", source.path, target.path, "--yes"]);
    assertEquals(code, 0, stderr);
    assertMatch(stderr, /warning: .*sectors of 512 bytes, the target of 4096/);
    await run("cmp", [source.path, target.path]);
  },
});

for (const signal of ["SIGINT", "SIGKILL"] as const) {
  linuxTest({
    name: `write: after a ${signal} the target has no partition table`,
    ignore: ignore || needs(...BAD_DISK_TOOLS),
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const image = await partitionedImage(folder, 16 * MIB);
      const beneath = folder.file("beneath");
      await Deno.copyFile(image, beneath);
      const mark = (await Deno.readFile(image)).slice(3 * MIB, 3 * MIB + 512);
      const file = await Deno.open(beneath, { read: true, write: true });
      using _file = file;
      await file.seek(3 * MIB, Deno.SeekMode.Start);
      await file.write(new Uint8Array(512));
      await using target = await NbdDisk.create(
        folder,
        ["--filter=delay", "file", beneath, "wdelay=40ms"],
      );
      await run("sfdisk", ["--dump", target.path]);

      await using running = RunningCli.start(["write", image, target.path, "--yes"]);
      const sector = new Uint8Array(512);
      await running.until("the fourth MiB is being written", async () => {
        await file.seek(3 * MIB, Deno.SeekMode.Start);
        await file.read(sector);
        return sector.every((byte, index) => byte === mark[index]);
      });
      running.signal(signal);
      const { code, stderr } = await running.end();
      if (signal === "SIGINT") {
        assertEquals(code, 130, stderr);
        assertMatch(stderr, /^sectorshot: hint: .*may be incomplete .* write it again/m);
      } else assert(code !== 0);
      assertEquals(await readBytes(target.path, 0, MIB), new Uint8Array(MIB));
      assert((await tryRun("sfdisk", ["--dump", target.path])).code !== 0);
    },
  });
}
