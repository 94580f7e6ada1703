/** Devices that fail or lie while they are written to. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { linuxTest } from "../support/linux_test.ts";
import { BAD_DISK_TOOLS, HONEST_PWRITE, NbdDisk, scriptedDisk } from "../support/bad_disk.ts";
import { LoopDevice, readBytes } from "../support/loop_device.ts";
import { run, runCli, RunningCli, tryRun } from "../support/run_cli.ts";
import { numberedSectors, TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const ignore = needs(...BAD_DISK_TOOLS, "sfdisk", "cmp");
const MIB = 1024 * 1024;
const SIZE = 8 * MIB;

/** An image with a partition table; without one nothing could pretend to be whole. */
async function partitionedImage(folder: TemporaryFolder): Promise<string> {
  const image = await folder.write("card.img", numberedSectors(SIZE));
  const script = await folder.write("layout", "label: dos\nstart=2048, type=83\n");
  await run("bash", ["-c", 'sfdisk -q --wipe never "$1" < "$2"', "bash", image, script]);
  return image;
}

async function hasPartitionTable(path: string): Promise<boolean> {
  return (await tryRun("sfdisk", ["--dump", path])).code === 0;
}

/** Lines of shell for a disk that does something else where a write begins in a range. */
function pwriteBetween(start: number, end: number, instead: string): string {
  return `if [ $4 -ge ${start} ] && [ $4 -lt ${end} ]; then ${instead}; ` +
    `else ${HONEST_PWRITE}; fi`;
}

/** The data is taken and forgotten. */
const FORGET = "cat > /dev/null";
const FAIL = "echo EIO broken >&2; exit 1";

interface TargetOutcome {
  readonly path: string;
  readonly outcome: string;
  readonly verified: boolean;
  readonly differing: readonly { readonly offset: number; readonly length: number }[];
}

for (const from of ["file", "stdin"] as const) {
  linuxTest({
    name: `write from ${from}: a target that fails in the middle does not spoil the other`,
    ignore,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const image = await partitionedImage(folder);
      await using broken = await scriptedDisk(folder, await Deno.readFile(image), {
        pwrite: pwriteBetween(5 * MIB, SIZE, FAIL),
      });
      await using good = await LoopDevice.create(
        await folder.write("good", numberedSectors(SIZE, 7)),
      );
      assert(await hasPartitionTable(broken.path));
      const { code, stdout, stderr } = await runCli(
        ["write", from === "file" ? image : "-", broken.path, good.path, "--yes"],
        { stdin: from === "file" ? undefined : await Deno.readFile(image) },
      );
      assertEquals(code, 1, stderr);
      assertMatch(
        stdout,
        new RegExp(
          `^${broken.path}: FAILED: cannot write to .* at byte \\d+: .*\\(EIO\\)`,
          "m",
        ),
      );
      assertStringIncludes(stdout, `${good.path}: written and verified`);
      await run("cmp", [image, good.path]);
      assert(!await hasPartitionTable(broken.path), "the broken one looks whole");
    },
  });

  linuxTest({
    name: `write from ${from}: a card that forgets what lies behind 4 MiB is found out`,
    ignore,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const image = await partitionedImage(folder);
      await using liar = await scriptedDisk(folder, new Uint8Array(SIZE), {
        pwrite: pwriteBetween(4 * MIB, SIZE, FORGET),
      });
      const { code, stdout, stderr } = await runCli(
        ["write", from === "file" ? image : "-", liar.path, "--yes"],
        { stdin: from === "file" ? undefined : await Deno.readFile(image) },
      );
      assertEquals(code, 2, stderr);
      assertStringIncludes(stdout, `${liar.path}: VERIFICATION FAILED`);
      assertStringIncludes(stdout, "differing: 1 area, 4,194,304 bytes (4 MiB)\n");
      assertStringIncludes(
        stdout,
        "at 4,194,304: 4,194,304 bytes (sectors 8,192 to 16,383)",
      );
      assert(!await hasPartitionTable(liar.path), "it looks whole");
    },
  });
}

linuxTest({
  name: "write: a card that is smaller than it claims, and begins anew, is found out",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await partitionedImage(folder);
    const wrap = HONEST_PWRITE.replace("seek=$4", `seek=$(($4 % ${4 * MIB}))`);
    await using liar = await scriptedDisk(folder, new Uint8Array(SIZE), { pwrite: wrap });
    const { code, result } = await runCli(["write", image, liar.path, "--yes", "--json"]);
    assertEquals(code, 2);
    assertEquals(result["exitCode"], 2);
    const [target] = result["targets"] as TargetOutcome[];
    assertEquals([target?.outcome, target?.verified], ["mismatch", false]);
    assert((target?.differing.length ?? 0) > 0);
  },
});

linuxTest({
  name: "write: one flipped byte is found, and the sector is named",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await partitionedImage(folder);
    const byte = 5 * MIB + 1000;
    const flip = `${HONEST_PWRITE}; if [ $4 -le ${byte} ] && [ $(($4 + $3)) -gt ${byte} ]; ` +
      `then printf X | dd of="$FILE" bs=1 seek=${byte} conv=notrunc status=none; fi`;
    await using liar = await scriptedDisk(folder, new Uint8Array(SIZE), { pwrite: flip });
    await using good = await LoopDevice.create(
      await folder.write("good", numberedSectors(SIZE, 7)),
    );
    const args = ["write", image, liar.path, good.path, "--yes", "--json"];
    const { code, result, stderr } = await runCli(args);
    assertEquals(code, 2, stderr);
    const [bad, fine] = result["targets"] as TargetOutcome[];
    assertEquals(bad?.differing, [{ offset: 5 * MIB + 512, length: 512 }]);
    assertEquals([fine?.outcome, fine?.verified], ["done", true]);
    await run("cmp", [image, good.path]);
    assert(!await hasPartitionTable(liar.path), "it looks whole");
  },
});

linuxTest({
  name: "write: a first block that is not kept is found out",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await partitionedImage(folder);
    await using liar = await scriptedDisk(folder, new Uint8Array(SIZE), {
      pwrite: pwriteBetween(0, MIB, FORGET),
    });
    const { code, stdout, stderr } = await runCli(["write", image, liar.path, "--yes"]);
    assertEquals(code, 2, stderr);
    assertStringIncludes(stdout, `${liar.path}: VERIFICATION FAILED`);
    assertMatch(stdout, /at 0: [\d,]+ bytes/);
  },
});

linuxTest({
  name: "write --no-verify does not find a lie, and does not claim to have looked",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await partitionedImage(folder);
    await using liar = await scriptedDisk(folder, new Uint8Array(SIZE), {
      pwrite: pwriteBetween(4 * MIB, SIZE, FORGET),
    });
    const args = ["write", image, liar.path, "--yes", "--no-verify", "--json"];
    const { code, result, stderr } = await runCli(args);
    assertEquals(code, 0, stderr);
    const [target] = result["targets"] as TargetOutcome[];
    assertEquals([target?.outcome, target?.verified], ["done", false]);
  },
});

linuxTest({
  name: "write: a flush that fails is an error",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await partitionedImage(folder);
    await using broken = await scriptedDisk(folder, new Uint8Array(SIZE), { flush: FAIL });
    const args = ["write", image, broken.path, "--yes", "--no-verify"];
    const { code, stdout, stderr } = await runCli(args);
    assertEquals(code, 1, stderr);
    assertMatch(stdout + stderr, /cannot flush .*\(EIO\)/);
    assert(!await hasPartitionTable(broken.path), "it looks whole");
  },
});

linuxTest({
  name: "write: a target that fails from the first byte on",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await partitionedImage(folder);
    await using broken = await scriptedDisk(folder, new Uint8Array(SIZE), { pwrite: FAIL });
    const { code, result, stderr } = await runCli([
      "write",
      image,
      broken.path,
      "--yes",
      "--json",
    ]);
    assertEquals(code, 1, stderr);
    assertEquals([result.event, result["exitCode"]], ["result", 1]);
    assertMatch(JSON.stringify(result), /EIO/);
  },
});

linuxTest({
  name: "write: a target that vanishes in the middle fails, the other is written",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await partitionedImage(folder);
    const beneath = await folder.write("beneath", new Uint8Array(SIZE));
    await using disk = await NbdDisk.create(
      folder,
      ["--filter=delay", "file", beneath, "wdelay=50ms"],
    );
    await using good = await LoopDevice.create(
      await folder.write("good", numberedSectors(SIZE, 7)),
    );
    await using running = RunningCli.start(["write", image, disk.path, good.path, "--yes"]);
    using file = await Deno.open(beneath);
    const byte = new Uint8Array(1);
    await running.until("the third MiB is being written", async () => {
      await file.seek(2 * MIB + 100, Deno.SeekMode.Start);
      await file.read(byte);
      return byte[0] !== 0;
    });
    await disk.vanish();
    const { code, stdout, stderr } = await running.end();
    assertEquals(code, 1, stderr);
    assertMatch(stdout, new RegExp(`^${disk.path}: FAILED: cannot (write|flush|read) `, "m"));
    assertStringIncludes(stdout, `${good.path}: written and verified`);
    await run("cmp", [image, good.path]);
    assertEquals((await Deno.readFile(beneath)).slice(0, MIB), new Uint8Array(MIB));
  },
});

linuxTest({
  name: "clone: a target that lies is found out",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    await using source = await LoopDevice.create(
      await folder.write("source", numberedSectors(SIZE)),
    );
    await using liar = await scriptedDisk(folder, new Uint8Array(SIZE), {
      pwrite: pwriteBetween(4 * MIB, 5 * MIB, FORGET),
    });
    const { code, stdout, stderr } = await runCli(["clone", source.path, liar.path, "--yes"]);
    assertEquals(code, 2, stderr);
    assertStringIncludes(stdout, `${liar.path}: VERIFICATION FAILED`);
    assertEquals(await readBytes(liar.path, 0, 512), new Uint8Array(512));
  },
});
