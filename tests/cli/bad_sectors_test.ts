import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { linuxTest } from "../support/linux_test.ts";
import { BAD_DISK_TOOLS, badDisk, type ByteRange } from "../support/bad_disk.ts";
import { LoopDevice } from "../support/loop_device.ts";
import { digestOf, run, runCli, RunningCli, tryRun } from "../support/run_cli.ts";
import { exists, numberedSectors, TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const ignore = needs(...BAD_DISK_TOOLS, "ddrescuelog", "cmp", "sha256sum");
const MIB = 1024 * 1024;
const SIZE = 10 * MIB;

/** The first block, one in the middle, several beside each other across a chunk, the last. */
const BAD: readonly ByteRange[] = [
  { offset: 0, length: 4096 },
  { offset: 3 * MIB, length: 4096 },
  { offset: 4 * MIB - 8192, length: 3 * 4096 },
  { offset: SIZE - 4096, length: 4096 },
];
const BAD_BYTES = 6 * 4096;

/** The bytes with zeros where they cannot be read. */
function withHoles(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const copy = bytes.slice();
  for (const { offset, length } of BAD) copy.fill(0, offset, offset + length);
  return copy;
}

/** The ranges of a status in a map, as ddrescuelog lists them. */
async function rangesInMap(map: string, status: string): Promise<ByteRange[]> {
  const list = await run("ddrescuelog", ["-b512", `--list-blocks=${status}`, map]);
  const ranges: { offset: number; length: number }[] = [];
  for (const line of list.split("\n").filter((text) => text !== "")) {
    const offset = Number(line) * 512;
    const last = ranges.at(-1);
    if (last !== undefined && last.offset + last.length === offset) last.length += 512;
    else ranges.push({ offset, length: 512 });
  }
  return ranges;
}

for (const sectorSize of [512, 4096]) {
  linuxTest({
    name: `bad sectors of ${sectorSize} bytes: zeros in the image, - in the map, exit code 4`,
    ignore,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const bytes = numberedSectors(SIZE);
      await using disk = await badDisk(folder, bytes, BAD, { sectorSize });
      const image = folder.file("card.img");
      const { code, stdout, stderr } = await runCli(["read", disk.path, image]);
      assertEquals(code, 4, stderr);
      const expected = await folder.write("expected", withHoles(bytes));
      await run("cmp", [expected, image]);
      assertEquals(await rangesInMap(`${image}.map`, "-"), BAD);
      assertEquals((await tryRun("ddrescuelog", ["-t", `${image}.map`])).code, 0);
      assertEquals(await rangesInMap(`${image}.map`, "?*/"), []);
      assertStringIncludes(stdout, "unreadable: 4 areas, 24,576 bytes (24 KiB)\n");
      const [last] = [SIZE / sectorSize - 1].map((sector) => sector.toLocaleString("en-US"));
      assertMatch(
        stdout,
        new RegExp(`^  at 10,481,664: 4,096 bytes \\(sector.*${last}\\)$`, "m"),
      );
      await run("sha256sum", ["-c", "--strict", "card.img.sha256"], { cwd: folder.path });
      assert(!await exists(`${image}.part`));
    },
  });
}

linuxTest({
  name: "bad sectors are in the result event of read",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    await using disk = await badDisk(folder, numberedSectors(SIZE), BAD);
    const { code, result } = await runCli([
      "read",
      disk.path,
      folder.file("card.img"),
      "--json",
    ]);
    assertEquals(code, 4);
    assertEquals(result["exitCode"], 4);
    assertEquals(result["badBytes"], BAD_BYTES);
    assertEquals(result["bad"], BAD);
  },
});

linuxTest({
  name: "bad sectors: --offset counts them from where it begins",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = numberedSectors(SIZE);
    await using disk = await badDisk(folder, bytes, BAD);
    const image = folder.file("part.img");
    const args = ["read", disk.path, image, "--offset=2M", "--length=2M", "--json"];
    const { code, result } = await runCli(args);
    assertEquals(code, 4);
    assertEquals(result["bad"], [
      { offset: MIB, length: 4096 },
      { offset: 2 * MIB - 8192, length: 8192 },
    ]);
    const expected = await folder.write("expected", withHoles(bytes));
    await run("cmp", ["-i", `${2 * MIB}:0`, "-n", `${2 * MIB}`, expected, image]);
  },
});

linuxTest({
  name: "bad sectors: read - counts them too",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = numberedSectors(SIZE);
    await using disk = await badDisk(folder, bytes, BAD);
    const { code, stdoutBytes, stderr } = await runCli(["read", disk.path, "-"]);
    assertEquals(code, 4, stderr);
    assertStringIncludes(stderr, "unreadable: 4 areas, 24,576 bytes");
    const expected = await folder.write("expected", withHoles(bytes));
    await run("cmp", [expected, await folder.write("out", stdoutBytes)]);
  },
});

linuxTest({
  name: "bad sectors: --verify of an image with zeros for them succeeds, with exit code 4",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = numberedSectors(SIZE);
    await using disk = await badDisk(folder, bytes, BAD);
    for (const hash of ["sha256", "none"]) {
      const image = folder.file(`card_${hash}.img`);
      const args = ["read", disk.path, image, "--verify", "--hash", hash];
      const { code, stdout, stderr } = await runCli(args);
      assertEquals(code, 4, stderr);
      assertMatch(stdout, /^verified: /m);
    }
  },
});

linuxTest({
  name: "bad sectors: an interrupted read that goes on keeps the bad areas that it knew",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = numberedSectors(SIZE);
    await using disk = await badDisk(folder, bytes, BAD);
    const image = folder.file("card.img");
    await Deno.writeFile(`${image}.part`, withHoles(bytes).slice(0, 4 * MIB - 8192));
    await Deno.writeTextFile(
      `${image}.map`,
      [
        "0x0 ? 1",
        "0 4096 -",
        `4096 ${3 * MIB - 4096} +`,
        `${3 * MIB} 4096 -`,
        `${3 * MIB + 4096} ${MIB - 8192 - 4096} +`,
        `${4 * MIB - 8192} ${SIZE - 4 * MIB + 8192} ?`,
        "",
      ].join("\n"),
    );
    const { code, result, stderr } = await runCli(["read", disk.path, image, "--json"]);
    assertEquals(code, 4, stderr);
    assertEquals(result["bad"], BAD);
    const expected = await folder.write("expected", withHoles(bytes));
    await run("cmp", [expected, image]);
    assertEquals(result["hashes"], { sha256: await digestOf(expected) });
    assertEquals(await rangesInMap(`${image}.map`, "-"), BAD);
  },
});

linuxTest({
  name: "bad sectors: a rescue whose last sectors are unreadable is finished",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = numberedSectors(MIB);
    const source = await folder.write("disk", bytes);
    const image = folder.file("card.img");
    const end = MIB - 4096;
    await Deno.writeFile(`${image}.part`, bytes.subarray(0, end));
    await Deno.writeTextFile(`${image}.map`, `0x0 + 1\n0 ${end} +\n${end} 4096 -\n`);
    const { code, result, stderr } = await runCli(["read", source, image, "--json"]);
    assertEquals(code, 4, stderr);
    const expected = await folder.write("expected", bytes.fill(0, end));
    await run("cmp", [expected, image]);
    assertEquals(result["hashes"], { sha256: await digestOf(expected) });
  },
});

linuxTest({
  name: "bad sectors: the image that was made can be made anew with --force",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = numberedSectors(SIZE);
    const image = folder.file("card.img");
    {
      await using disk = await badDisk(folder, bytes, BAD);
      assertEquals((await runCli(["read", disk.path, image])).code, 4);
    }
    const whole = await folder.write("whole", bytes);
    await using disk = await LoopDevice.create(whole);
    const { code, stderr } = await runCli(["read", disk.path, image, "--force"]);
    assertEquals(code, 0, stderr);
    await run("cmp", [whole, image]);
    assert(!await exists(`${image}.map`));
  },
});

linuxTest({
  name: "bad sectors: GNU ddrescue goes on with our map on a disk that works again",
  ignore: ignore || needs("ddrescue"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = numberedSectors(SIZE);
    const image = folder.file("card.img");
    {
      await using disk = await badDisk(folder, bytes, BAD);
      assertEquals((await runCli(["read", disk.path, image])).code, 4);
    }
    const whole = await folder.write("whole", bytes);
    await run("ddrescue", ["-q", "--retry-passes=1", whole, image, `${image}.map`]);
    await run("cmp", [whole, image]);
  },
});

linuxTest({
  name: "bad sectors: hash counts them as zeros, lists them, exit code 4",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = numberedSectors(SIZE);
    await using disk = await badDisk(folder, bytes, BAD);
    const { code, stdout, stderr } = await runCli(["hash", disk.path]);
    assertEquals(code, 4, stderr);
    const expected = await folder.write("expected", withHoles(bytes));
    assertEquals(stdout, `${await digestOf(expected)}  ${disk.path}\n`);
    assertStringIncludes(stderr, "unreadable: 4 areas, 24,576 bytes");
  },
});

linuxTest({
  name: "bad sectors: verify lists them, and what could be read is compared",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = numberedSectors(SIZE);
    const image = await folder.write("card.img", bytes);
    await using disk = await badDisk(folder, bytes, BAD);
    const same = await runCli(["verify", image, disk.path, "--json"]);
    assertEquals(same.code, 4, same.stderr);
    assertEquals(same.result["unreadable"], [{ name: disk.path, ranges: BAD }]);
    assertEquals(same.result["same"], false);
    assertEquals(same.result["differingBytes"], 0);

    bytes[5 * MIB + 700] = (bytes[5 * MIB + 700] ?? 0) ^ 1;
    await Deno.writeFile(image, bytes);
    const differs = await runCli(["verify", image, disk.path, "--json"]);
    assertEquals(differs.code, 2, differs.stderr);
    assertEquals(differs.result["differing"], [{ offset: 5 * MIB + 512, length: 512 }]);
    assertEquals(differs.result["firstDifference"], 5 * MIB + 700);
  },
});

linuxTest({
  name: "bad sectors: verify of a bad device as IMAGE against a good TARGET lists them",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = numberedSectors(SIZE);
    await using disk = await badDisk(folder, bytes, BAD);
    await using good = await LoopDevice.create(await folder.write("good", bytes));
    const { code, result, stderr } = await runCli(["verify", disk.path, good.path, "--json"]);
    assertEquals(code, 4, stderr);
    assertEquals(result["unreadable"], [{ name: disk.path, ranges: BAD }]);
  },
});

for (const options of [[], ["--block-size", "512K"], ["--no-verify", "--hash", "md5"]]) {
  linuxTest({
    name: `bad sectors: clone ${options.join(" ")} puts zeros in their place, lists them, ` +
      "exit code 4",
    ignore,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const bytes = numberedSectors(SIZE);
      await using disk = await badDisk(folder, bytes, BAD);
      const file = await folder.write("target", numberedSectors(SIZE, 7));
      await using target = await LoopDevice.create(file);
      const args = ["clone", disk.path, target.path, "--yes", ...options];
      const { code, stdout, stderr } = await runCli(args);
      assertEquals(code, 4, stderr);
      const proof = options.includes("--no-verify") ? "written" : "written and verified";
      assertStringIncludes(stdout, `${target.path}: ${proof}`);
      assertStringIncludes(stdout, `unreadable on ${disk.path}: 4 areas, 24,576 bytes`);
      const expected = await folder.write("expected", withHoles(bytes));
      await run("cmp", [expected, target.path]);
      // The digest is that of the target: with zeros where nothing could be read.
      assertStringIncludes(
        stdout,
        await digestOf(expected, options.includes("md5") ? "md5" : "sha256"),
      );
    },
  });
}

linuxTest({
  name: "bad sectors: info understands what can be read, and says what cannot",
  ignore: ignore || needs("sfdisk"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const path = await folder.write("card", numberedSectors(SIZE));
    await run("sh", ["-c", `printf 'label: dos\\n2048,2048,83\\n' | sfdisk -q ${path}`]);
    const bytes = await Deno.readFile(path);
    // Inside of what is looked at: behind the table, and where a file system begins.
    const bad = [{ offset: 64 * 1024, length: 4096 }, { offset: MIB, length: 4096 }];
    await using disk = await badDisk(folder, bytes, bad);
    const { code, stdout, stderr } = await runCli(["info", disk.path]);
    assertEquals(code, 4, stderr);
    assertMatch(stdout, /^1 +2,048 +2,048 +1 MiB +Linux /m);
    assertMatch(stderr, /unreadable, taken for zeros: 2 areas, 8,192 bytes/);
    assertMatch(stderr, /at 1,048,576: 4,096 bytes/);
  },
});

linuxTest({
  name: "bad sectors: write does not take an unreadable image for zeros",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    await using disk = await badDisk(folder, numberedSectors(SIZE), BAD);
    const file = await folder.write("target", numberedSectors(SIZE, 7));
    await using target = await LoopDevice.create(file);
    const { code, stdout } = await runCli(["write", disk.path, target.path, "--yes"]);
    assertEquals(code, 1);
    assertMatch(stdout, /FAILED: cannot read .* at byte \d+: .*\(EIO\)/);
    assertMatch(stdout, /is incomplete and has no first block/);
    assert((await tryRun("sfdisk", ["--dump", target.path])).code !== 0);
  },
});

linuxTest({
  name: "bad sectors: info says what cannot be read",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    await using disk = await badDisk(folder, numberedSectors(SIZE), BAD);
    const { code, stderr } = await runCli(["info", disk.path]);
    assertEquals(code, 4, stderr);
    assertMatch(stderr, /warning: unreadable, taken for zeros: /);
    assertMatch(stderr, /at 0: 4,096 bytes \(sectors 0 to 7\)/);
  },
});

linuxTest({
  name: "a source that vanishes ends with 1 and goes on when it is back",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = numberedSectors(16 * MIB);
    const file = await folder.write("disk", bytes);
    const image = folder.file("card.img");
    const options = ["--map-interval=0.02", "--block-size=512"];
    {
      await using disk = await LoopDevice.create(file);
      await using running = RunningCli.start(["read", disk.path, image, ...options]);
      await running.until("the map knows of rescued bytes", async () => {
        const { stdout } = await tryRun("ddrescuelog", ["--list-blocks=+", `${image}.map`]);
        return stdout !== "";
      });
      // Stopped, so that no read falls between the two steps of going away.
      running.signal("SIGSTOP");
      await disk.vanish();
      running.signal("SIGCONT");
      const { code, stderr } = await running.end();
      assertEquals(code, 1, stderr);
      assertMatch(
        stderr,
        /^sectorshot: error: cannot read .*: (the device went away|it ends there)/m,
      );
      assert(!await exists(image));
    }
    await Deno.writeFile(file, bytes);
    await using disk = await LoopDevice.create(file);
    const { code, result, stderr } = await runCli(["read", disk.path, image, "--json"]);
    assertEquals(code, 0, stderr);
    assert(Number(result["resumedBytes"]) > 0);
    await run("cmp", [file, image]);
  },
});
