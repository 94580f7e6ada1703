import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { linuxTest } from "../support/linux_test.ts";
import { BAD_DISK_TOOLS, NbdDisk } from "../support/bad_disk.ts";
import { LoopDevice, writeBytes } from "../support/loop_device.ts";
import { digestOf, run, runCli, RunningCli, tryRun } from "../support/run_cli.ts";
import {
  exists,
  numberedSectors,
  numberedSectorsWithZeros,
  TemporaryFolder,
} from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const ignore = needs("root", "losetup", "sha256sum", "cmp");
const ignoreSlow = needs(...BAD_DISK_TOOLS, "ddrescuelog");
const MIB = 1024 * 1024;
const SIZE = 16 * MIB;

/** A device of 16 MiB that takes a second or more to read, and the file with its bytes. */
async function slowDisk(folder: TemporaryFolder): Promise<{ disk: NbdDisk; file: string }> {
  const file = await folder.write("slow", numberedSectorsWithZeros(SIZE));
  const args = ["--filter=delay", "file", file, "rdelay=20ms"];
  return { disk: await NbdDisk.create(folder, args), file };
}

/** Starts to read and goes on until the map, as ddrescuelog reads it, has rescued bytes. */
async function startAndRescueSome(args: readonly string[], map: string): Promise<RunningCli> {
  const running = RunningCli.start([...args, "--map-interval=0.05", "--block-size=256K"]);
  await running.until("the map knows of rescued bytes", async () => {
    const { stdout } = await tryRun("ddrescuelog", ["--list-blocks=+", map]);
    return stdout !== "";
  });
  return running;
}

/** What an interrupted read leaves: 4 MiB are done, the rest is not. */
async function interrupted(
  folder: TemporaryFolder,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<{ image: string; part: string; map: string }> {
  const image = folder.file("card.img");
  const part = await folder.write("card.img.part", bytes.slice(0, 4 * MIB));
  const map = await folder.write("card.img.map", mapText(bytes.length));
  return { image, part, map };
}

function mapText(size: number, done = 4 * MIB): string {
  const hex = (value: number): string => `0x${value.toString(16)}`;
  return [
    "# Mapfile. Written by a test",
    `${hex(done)} ? 1`,
    `0x0 ${hex(done)} +`,
    `${hex(done)} ${hex(size - done)} ?`,
    "",
  ].join("\n");
}

linuxTest({
  name: "resume: kills (-9) at random moments, and the image is right every time",
  ignore,
  async fn(): Promise<void> {
    const kills = Number(Deno.env.get("SECTORSHOT_KILLS") ?? "5");
    await using folder = await TemporaryFolder.create();
    const from = await folder.write("from", numberedSectorsWithZeros(24 * MIB));
    await using source = await LoopDevice.create(from);
    const options = ["--map-interval=0.02", "--block-size=64K"];
    const started = performance.now();
    await runCli(["read", source.path, folder.file("whole.img"), ...options]);
    const wholeMilliseconds = performance.now() - started;
    for (let kill = 0; kill < kills; kill++) {
      const image = folder.file(`card${kill}.img`);
      const args = ["read", source.path, image, ...options];
      const moments: number[] = [];
      // The second image is killed twice, the third three times.
      for (let time = 0; time <= kill % 3; time++) {
        const moment = Math.random() * wholeMilliseconds;
        moments.push(moment);
        await using running = RunningCli.start(args);
        await Promise.race([
          running.end(),
          new Promise((resolve) => setTimeout(resolve, moment)),
        ]);
        running.signal("SIGKILL");
        await running.end();
        if (await exists(image)) break;
      }
      const story = `killed after ${moments.map(Math.round).join(", ")} ms`;
      if (!await exists(image)) {
        const { code, stderr } = await runCli(["read", source.path, image]);
        assertEquals(code, 0, `${story}\n${stderr}`);
      }
      const { code, stdout } = await tryRun("cmp", [from, image]);
      assertEquals(code, 0, `${story}\n${stdout}`);
      assert(await exists(`${image}.sha256`), `${story}: an image without its digest`);
      await run("sha256sum", ["-c", "--strict", `${image}.sha256`], { cwd: folder.path });
      if (await exists(`${image}.map`) || await exists(`${image}.map.lock`)) {
        // Killed between the last steps: what is left must not be in anyone's way.
        const { code, stderr } = await runCli([...args, "--force"]);
        assertEquals(code, 0, `${story}\n${stderr}`);
        assert(!await exists(`${image}.map`), `${story}: the map stays for ever`);
      }
      const rest = (await folder.names()).filter((name) => name.startsWith("card"));
      const name = `card${kill}.img`;
      assertEquals(rest, [name, `${name}.sha256`], story);
      for (const each of rest) await Deno.remove(folder.file(each));
    }
  },
});

linuxTest({
  name: "resume: after a kill only what is missing is read, and the hash is right",
  ignore: ignoreSlow,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const { disk, file } = await slowDisk(folder);
    await using _disk = disk;
    const image = folder.file("card.img");
    {
      await using running = await startAndRescueSome(
        ["read", disk.path, image],
        `${image}.map`,
      );
      running.signal("SIGKILL");
      assert((await running.end()).code !== 0);
    }
    assert(!await exists(image));
    assertEquals((await tryRun("ddrescuelog", ["-t", `${image}.map`])).code, 0);
    const { code, result, stderr } = await runCli(["read", disk.path, image, "--json"]);
    assertEquals(code, 0, stderr);
    assert(Number(result["resumedBytes"]) > 0);
    assertEquals(result["hashes"], { sha256: await digestOf(file) });
    await run("cmp", [file, image]);
    assert(!await exists(`${image}.map`));
  },
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  linuxTest({
    name: `resume: ${signal} ends with 130 at once, keeps the map and says how to go on`,
    ignore: ignoreSlow,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const { disk, file } = await slowDisk(folder);
      await using _disk = disk;
      const image = folder.file("card.img");
      await using running = await startAndRescueSome(
        ["read", disk.path, image],
        `${image}.map`,
      );
      const sentAt = performance.now();
      running.signal(signal);
      const { code, stderr } = await running.end();
      const milliseconds = performance.now() - sentAt;
      assertEquals(code, 130, stderr);
      assert(milliseconds < 3000, `it took ${milliseconds} ms`);
      assertMatch(stderr, /^sectorshot: cancelled$/m);
      assertMatch(stderr, /^sectorshot: hint: .*run the same command again/m);
      assert(!await exists(image));
      assertEquals((await tryRun("ddrescuelog", ["-t", `${image}.map`])).code, 0);

      const resumed = await runCli(["read", disk.path, image]);
      assertEquals(resumed.code, 0, resumed.stderr);
      assertMatch(resumed.stderr, /going on with/);
      await run("cmp", [file, image]);
      await run("sha256sum", ["-c", "--strict", "card.img.sha256"], { cwd: folder.path });
      assertEquals((await folder.names()).filter((name) => name.startsWith("card")), [
        "card.img",
        "card.img.sha256",
      ]);
    },
  });
}

linuxTest({
  name: "resume: what is cancelled has a result event with 130 at its end",
  ignore: ignoreSlow,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const { disk } = await slowDisk(folder);
    await using _disk = disk;
    const image = folder.file("card.img");
    await using running = await startAndRescueSome(
      ["read", disk.path, image, "--json"],
      `${image}.map`,
    );
    running.signal("SIGINT");
    const { code, result } = await running.end();
    assertEquals(code, 130);
    assertEquals([result.event, result["exitCode"]], ["result", 130]);
  },
});

linuxTest({
  name: "resume: Ctrl-C is answered within a second by a device that hangs",
  ignore: ignoreSlow,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const file = await folder.write("hangs", numberedSectors(SIZE));
    await using disk = await NbdDisk.create(
      folder,
      ["--filter=delay", "file", file, "rdelay=4"],
      { direct: true },
    );
    const image = folder.file("card.img");
    await using running = RunningCli.start(["read", disk.path, image]);
    await running.until("it has begun", () => exists(`${image}.map`));
    await new Promise((resolve) => setTimeout(resolve, 200));
    const sentAt = performance.now();
    running.signal("SIGINT");
    await running.until("it says so", () => /sectorshot: cancelled/.test(running.stderr));
    const milliseconds = performance.now() - sentAt;
    assert(milliseconds < 2500, `it took ${milliseconds} ms`);
    assertEquals((await running.end()).code, 130);
  },
});

linuxTest({
  name: "resume: killed twice, then gone on with --hash none",
  ignore: ignoreSlow,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const { disk, file } = await slowDisk(folder);
    await using _disk = disk;
    const image = folder.file("card.img");
    const rescued = async (): Promise<number> => {
      const list = await run("ddrescuelog", ["--list-blocks=+", `${image}.map`]);
      return list.split("\n").length - 1;
    };
    let before = 0;
    for (let time = 0; time < 2; time++) {
      await using running = RunningCli.start([
        "read",
        disk.path,
        image,
        "--hash=none",
        "--map-interval=0.05",
        "--block-size=256K",
      ]);
      await running.until(
        "more is rescued than before",
        async () => await exists(`${image}.map`) && await rescued() > before,
      );
      running.signal("SIGKILL");
      await running.end();
      before = await rescued();
    }
    const { code, result, stderr } = await runCli([
      "read",
      disk.path,
      image,
      "--hash=none",
      "--json",
    ]);
    assertEquals(code, 0, stderr);
    assertEquals(result["resumedBytes"], before * 512);
    await run("cmp", [file, image]);
  },
});

linuxTest({
  name: "resume: a second run on the same image is refused, the first is not disturbed",
  ignore: ignoreSlow,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const { disk, file } = await slowDisk(folder);
    await using _disk = disk;
    const image = folder.file("card.img");
    await using first = await startAndRescueSome(["read", disk.path, image], `${image}.map`);
    const second = await runCli(["read", disk.path, image]);
    assert(first.isRunning, "the first one ended too early for this test");
    assertEquals(second.code, 1);
    assertMatch(second.stderr, /error: .*: another run is using the map .*card\.img\.map\n/);
    const { code, stderr } = await first.end();
    assertEquals(code, 0, stderr);
    await run("cmp", [file, image]);
    await run("sha256sum", ["-c", "--strict", "card.img.sha256"], { cwd: folder.path });
  },
});

linuxTest({
  name: "resume: goes on where GNU ddrescue left off",
  ignore: needs("root", "losetup", "ddrescue"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const from = await folder.write("from", numberedSectorsWithZeros(SIZE));
    await using source = await LoopDevice.create(from);
    const image = folder.file("card.img");
    const options = ["-q", "-s", String(5 * MIB), "-b", "512"];
    await run("ddrescue", [...options, source.path, `${image}.part`, `${image}.map`]);
    // A map that covers all of the disk, as that of a rescue that was interrupted.
    const text = await Deno.readTextFile(`${image}.map`);
    if (!/^0x00500000 +0x00B00000 +\?$/m.test(text)) {
      await Deno.writeTextFile(`${image}.map`, `${text}0x00500000  0x00B00000  ?\n`);
    }
    const { code, result, stderr } = await runCli(["read", source.path, image, "--json"]);
    assertEquals(code, 0, stderr);
    assertEquals(result["resumedBytes"], 5 * MIB);
    await run("cmp", [from, image]);
    assertEquals(result["hashes"], { sha256: await digestOf(from) });
  },
});

linuxTest({
  name: "resume: GNU ddrescue goes on where we were interrupted",
  ignore: ignoreSlow || needs("ddrescue"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const { disk, file } = await slowDisk(folder);
    await using _disk = disk;
    const image = folder.file("card.img");
    await using running = await startAndRescueSome(["read", disk.path, image], `${image}.map`);
    running.signal("SIGINT");
    assertEquals((await running.end()).code, 130);
    await run("ddrescue", ["-q", disk.path, `${image}.part`, `${image}.map`]);
    await run("cmp", [file, `${image}.part`]);
  },
});

linuxTest("resume: bytes behind what the map calls done are not trusted", async () => {
  await using folder = await TemporaryFolder.create();
  const bytes = numberedSectorsWithZeros(SIZE);
  const from = await folder.write("from", bytes);
  const { image, part } = await interrupted(folder, bytes);
  const dirty = new Uint8Array(SIZE).fill(0xff);
  dirty.set(bytes.subarray(0, 4 * MIB));
  await Deno.writeFile(part, dirty);
  const { code, stderr } = await runCli(["read", from, image]);
  assertEquals(code, 0, stderr);
  await run("cmp", [from, image]);
});

linuxTest("resume: islands of rescued bytes are kept, what lies between is read", async () => {
  await using folder = await TemporaryFolder.create();
  const bytes = numberedSectorsWithZeros(SIZE);
  const from = await folder.write("from", bytes);
  const image = folder.file("card.img");
  const part = new Uint8Array(12 * MIB).fill(0xff);
  const lines = ["# islands", "0x0 ? 1"];
  for (let at = 0; at < SIZE; at += 3 * MIB) {
    const island = at + MIB + 512;
    const end = Math.min(at + 3 * MIB, SIZE);
    if (island >= SIZE || end > 12 * MIB) {
      lines.push(`${at} ${end - at} ?`);
      continue;
    }
    lines.push(`${at} ${island - at} ?`, `${island} ${end - island} +`);
    part.set(bytes.subarray(island, end), island);
  }
  await Deno.writeFile(`${image}.part`, part);
  await Deno.writeTextFile(`${image}.map`, lines.join("\n") + "\n");
  const { code, stderr } = await runCli(["read", from, image]);
  assertEquals(code, 0, stderr);
  await run("cmp", [from, image]);
  await run("sha256sum", ["-c", "--strict", "card.img.sha256"], { cwd: folder.path });
});

linuxTest("resume: everything was done but the renaming", async () => {
  await using folder = await TemporaryFolder.create();
  const bytes = numberedSectors(4 * MIB);
  const from = await folder.write("from", bytes);
  const image = folder.file("card.img");
  await Deno.writeFile(`${image}.part`, bytes);
  await Deno.writeTextFile(`${image}.map`, "0x400000 + 1\n0x0 0x400000 +\n");
  const { code, stderr } = await runCli(["read", from, image, "--verify"]);
  assertEquals(code, 0, stderr);
  await run("cmp", [from, image]);
  await run("sha256sum", ["-c", "--strict", "card.img.sha256"], { cwd: folder.path });
});

linuxTest("resume: what a kill left of a map being saved is cleaned up", async () => {
  await using folder = await TemporaryFolder.create();
  const bytes = numberedSectors(SIZE);
  const from = await folder.write("from", bytes);
  const { image } = await interrupted(folder, bytes);
  await folder.write("card.img.map.tmp", "# half of a ma");
  const { code, stderr } = await runCli(["read", from, image]);
  assertEquals(code, 0, stderr);
  await run("cmp", [from, image]);
  assertEquals(await folder.names(), ["card.img", "card.img.sha256", "from"]);
});

linuxTest("resume: a kill between the last two steps leaves nothing in the way", async () => {
  await using folder = await TemporaryFolder.create();
  const bytes = numberedSectors(4 * MIB);
  const from = await folder.write("from", bytes);
  const image = await folder.write("card.img", bytes);
  // As a run leaves it that was stopped behind naming the image: finished, and its own.
  const identity = { size: 4 * MIB, offset: 0, partitionStart: 0, model: null, serial: null };
  await Deno.writeTextFile(
    `${image}.map`,
    `# Source identity: ${JSON.stringify(identity)}\n0x400000 + 1\n0x0 0x400000 +\n`,
  );
  const { code, stderr } = await runCli(["read", from, image, "--force"]);
  assertEquals(code, 0, stderr);
  await run("cmp", [from, image]);
  assert(!await exists(`${image}.map`));
});

linuxTest("resume: --force does not take another program's map for a left-over", async () => {
  await using folder = await TemporaryFolder.create();
  const bytes = numberedSectors(4 * MIB);
  const from = await folder.write("from", bytes);
  const image = await folder.write("card.img", bytes);
  const map = "0x400000 + 1\n0x0 0x400000 +\n";
  await Deno.writeTextFile(`${image}.map`, map);
  const { code, stderr } = await runCli(["read", from, image, "--force"]);
  assertEquals(code, 1);
  assertMatch(stderr, /card\.img\.part is missing/);
  assertEquals(await Deno.readTextFile(`${image}.map`), map);
});

linuxTest("resume: --force does not touch a --map that is no map", async () => {
  await using folder = await TemporaryFolder.create();
  const from = await folder.write("from", numberedSectors(4 * MIB));
  const image = await folder.write("card.img", numberedSectors(4 * MIB, 7));
  const notes = await folder.write("notes.txt", "not to be lost\n");
  const { code } = await runCli(["read", from, image, "--force", "--map", notes]);
  assertEquals(code, 2);
  assertEquals(await Deno.readTextFile(notes), "not to be lost\n");
});

linuxTest("read: no name is used twice, and none is what is read", async () => {
  await using folder = await TemporaryFolder.create();
  const bytes = numberedSectors(4 * MIB);
  const from = await folder.write("from.img", bytes);
  const image = folder.file("card.img");
  for (
    const args of [
      [from, image, "--map", `${image}.part`],
      [from, image, "--map", image],
      [from, image, "--map", `${folder.path}/./card.img.sha256`],
      [from, image, "--map", from],
      [from, folder.file("from.img"), "--force"],
    ]
  ) {
    const { code, stderr } = await runCli(["read", ...args, "--map-interval", "0.05"]);
    assertEquals(code, 1, args.join(" "));
    assertMatch(stderr, /error: cannot use .* for .*: it is /);
    assertEquals(await folder.names(), ["from.img"]);
    assertEquals(await Deno.readFile(from), bytes);
  }
});

linuxTest("resume --map keeps the map where the user wants it", async () => {
  await using folder = await TemporaryFolder.create();
  const bytes = numberedSectors(SIZE);
  const from = await folder.write("from", bytes);
  const { image, map } = await interrupted(folder, bytes);
  await Deno.rename(map, folder.file("elsewhere.log"));
  const args = ["read", from, image, "--json", "--map", folder.file("elsewhere.log")];
  const { code, result, stderr } = await runCli(args);
  assertEquals(code, 0, stderr);
  assertEquals(result["resumedBytes"], 4 * MIB);
  await run("cmp", [from, image]);
  assert(!await exists(folder.file("elsewhere.log")));
});

linuxTest({
  name: "resume refuses another partition of the same disk, even with the same bytes",
  ignore: ignore || needs("addpart", "delpart"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const slot = numberedSectors(SIZE);
    const content = new Uint8Array(MIB + 2 * SIZE);
    content.set(slot, MIB);
    content.set(slot, MIB + SIZE);
    await using disk = await LoopDevice.create(await folder.write("disk", content));
    const first = await disk.addPartition(1, MIB, SIZE);
    const second = await disk.addPartition(2, MIB + SIZE, SIZE);
    const image = folder.file("card.img");
    const identity = { size: SIZE, offset: 0, partitionStart: MIB, model: null, serial: null };
    await Deno.writeFile(`${image}.part`, slot.slice(0, 4 * MIB));
    await Deno.writeTextFile(
      `${image}.map`,
      `# Source identity: ${JSON.stringify(identity)}\n${mapText(SIZE)}`,
    );
    await assertRefused(["read", second, image], image, 1, /its start on the disk was 1048576/);
    const { code, stderr } = await runCli(["read", first, image]);
    assertEquals(code, 0, stderr);
    await run("cmp", [first, image]);
  },
});

/** Runs a read that must be refused, and proves that it left part and map alone. */
async function assertRefused(
  args: readonly string[],
  image: string,
  code: number,
  message: RegExp,
): Promise<void> {
  const digests = async (): Promise<(string | undefined)[]> =>
    await Promise.all(
      [`${image}.part`, `${image}.map`].map(async (path) =>
        await exists(path) ? await digestOf(path) : undefined
      ),
    );
  const before = await digests();
  const result = await runCli(args);
  assertEquals(result.code, code, result.stderr);
  assertMatch(result.stderr, message);
  assertMatch(result.stderr, /^sectorshot: hint: /m);
  assert(!/\.ts:\d/.test(result.stderr), result.stderr);
  assertEquals(await digests(), before);
  assert(!await exists(image));
}

linuxTest({
  name: "resume refuses another device of the same size",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const { image } = await interrupted(folder, numberedSectors(SIZE));
    const other = await folder.write("other", numberedSectors(SIZE, 2));
    await using source = await LoopDevice.create(other);
    await assertRefused(
      ["read", source.path, image],
      image,
      1,
      /error: cannot go on: .* differs from \/dev\/loop\d+ near byte \d+/,
    );
  },
});

linuxTest({
  name: "resume refuses a device that was changed where samples are taken",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = numberedSectors(SIZE);
    const from = await folder.write("from", bytes);
    await using source = await LoopDevice.create(from);
    const { image } = await interrupted(folder, bytes);
    await writeBytes(source, 100, new Uint8Array([1, 2, 3]));
    await assertRefused(["read", source.path, image], image, 1, /near byte 0/);
  },
});

linuxTest("resume refuses a source of another size", async () => {
  await using folder = await TemporaryFolder.create();
  const bytes = numberedSectors(SIZE);
  const { image } = await interrupted(folder, bytes);
  const longer = await folder.write("longer", numberedSectors(SIZE + 512));
  const shorter = await folder.write("shorter", bytes.slice(0, SIZE - 512));
  for (const [path, size] of [[longer, SIZE + 512], [shorter, SIZE - 512]] as const) {
    const message = new RegExp(`map .* does not belong .*${SIZE} bytes.*${size}`);
    await assertRefused(["read", path, image], image, 1, message);
  }
});

linuxTest({
  name: "resume refuses another part of the same source",
  ignore: ignoreSlow,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const { disk } = await slowDisk(folder);
    await using _disk = disk;
    const image = folder.file("card.img");
    const part = ["read", disk.path, image, "--length=8M"];
    await using running = await startAndRescueSome([...part, "--offset=1M"], `${image}.map`);
    running.signal("SIGINT");
    assertEquals((await running.end()).code, 130);
    const message = /does not belong .*its offset was 1048576, now it is 2097152/;
    await assertRefused([...part, "--offset=2M"], image, 1, message);
    const { code, stderr } = await runCli([...part, "--offset=1M"]);
    assertEquals(code, 0, stderr);
    await run("cmp", ["-i", "1048576:0", "-n", "8388608", folder.file("slow"), image]);
  },
});

linuxTest("resume: a part without its map is not touched", async () => {
  await using folder = await TemporaryFolder.create();
  const bytes = numberedSectors(SIZE);
  const from = await folder.write("from", bytes);
  const { image, map } = await interrupted(folder, bytes);
  await Deno.remove(map);
  await assertRefused(["read", from, image], image, 1, /its map .*card\.img\.map is missing/);
});

linuxTest("resume: a map whose part is missing is not touched", async () => {
  await using folder = await TemporaryFolder.create();
  const bytes = numberedSectors(SIZE);
  const from = await folder.write("from", bytes);
  const { image, part } = await interrupted(folder, bytes);
  await Deno.remove(part);
  await assertRefused(["read", from, image], image, 1, /but .*card\.img\.part is missing/);
});

linuxTest("resume: a part that is shorter than its map says is not touched", async () => {
  await using folder = await TemporaryFolder.create();
  const bytes = numberedSectors(SIZE);
  const from = await folder.write("from", bytes);
  const { image, part } = await interrupted(folder, bytes);
  await Deno.truncate(part, 4 * MIB - 1);
  await assertRefused(
    ["read", from, image],
    image,
    1,
    /speaks of 4194304 bytes.*4194303 bytes/,
  );
});

linuxTest("resume: a stream leaves alone what another program did not finish", async () => {
  await using folder = await TemporaryFolder.create();
  const bytes = numberedSectors(SIZE);
  const { image, part, map } = await interrupted(folder, bytes);
  // As GNU ddrescue keeps it: under its final name.
  await Deno.rename(part, image);
  const before = [await Deno.readFile(image), await Deno.readFile(map)];
  const { code, stderr } = await runCli(["read", "-", image], { stdin: bytes });
  assertEquals(code, 1, stderr);
  assertMatch(stderr, /error: cannot write .*card\.img: it exists/);
  assertEquals([await Deno.readFile(image), await Deno.readFile(map)], before);
  assertEquals(await folder.names(), ["card.img", "card.img.map"]);
});

linuxTest("resume: a map beside nothing that says nothing is done is begun with", async () => {
  await using folder = await TemporaryFolder.create();
  const bytes = numberedSectors(SIZE);
  const from = await folder.write("from", bytes);
  const image = folder.file("card.img");
  await Deno.writeTextFile(`${image}.map`, `0x0 ? 1\n0x0 ${SIZE} ?\n`);
  const { code, stderr } = await runCli(["read", from, image]);
  assertEquals(code, 0, stderr);
  await run("cmp", [from, image]);
});

const DAMAGES: readonly (readonly [what: string, text: string, line: number])[] = [
  ["is empty", "", 1],
  ["holds only comments", "# Mapfile\n# nothing else\n", 3],
  ["has no status line", `0x0 0x400000 +\n0x400000 0xC00000 ?\n`, 1],
  ["has a letter that is no status", mapText(SIZE).replace("400000 +", "400000 x"), 3],
  ["lacks an area", "# m\n0x0 ? 1\n0x0 0x200000 +\n0x400000 0xC00000 ?\n", 4],
  ["has overlapping areas", "# m\n0x0 ? 1\n0x0 0x400000 +\n0x300000 0xD00000 ?\n", 4],
  ["has an area of no bytes", "# m\n0x0 ? 1\n0x0 0x0 +\n0x0 0x1000000 ?\n", 3],
  ["has a number with a typing error", mapText(SIZE).replace("0x0 0x4", "0x0 0xg"), 3],
  ["has a negative size", "# m\n0x0 ? 1\n0x0 -4194304 +\n", 3],
  ["has a size beyond all bounds", "# m\n0x0 ? 1\n0x0 0xFFFFFFFFFFFFFFFF +\n", 3],
  ["was cut off inside of a line", mapText(SIZE).slice(0, -5), 4],
  ["is binary", "\0\x01\x02\xff".repeat(100), 1],
];

for (const [what, text, line] of DAMAGES) {
  linuxTest(`resume refuses a map that ${what}, and names the line`, async () => {
    await using folder = await TemporaryFolder.create();
    const bytes = numberedSectors(SIZE);
    const from = await folder.write("from", bytes);
    const { image, map } = await interrupted(folder, bytes);
    await Deno.writeTextFile(map, text);
    const message = new RegExp(`error: cannot use the map .*card\\.img\\.map: line ${line}: `);
    await assertRefused(["read", from, image], image, 2, message);
  });
}

linuxTest("resume refuses a map that ends before the source does", async () => {
  await using folder = await TemporaryFolder.create();
  const bytes = numberedSectors(SIZE);
  const from = await folder.write("from", bytes);
  const { image, map } = await interrupted(folder, bytes);
  await Deno.writeTextFile(map, "0x0 ? 1\n0x0 0x400000 +\n");
  await assertRefused(["read", from, image], image, 1, /does not belong .*it covers 4194304/);
});

linuxTest("resume refuses a map that is a folder", async () => {
  await using folder = await TemporaryFolder.create();
  const from = await folder.write("from", numberedSectors(4096));
  await folder.folder("card.img.map");
  const { code, stderr } = await runCli(["read", from, folder.file("card.img")]);
  assertEquals(code, 1, stderr);
  assertMatch(stderr, /^sectorshot: error: .*card\.img\.map/m);
  assertStringIncludes((await folder.names()).join(" "), "card.img.map from");
});
