/** Rescues whose device goes away or hangs, or whose destination fails. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { type ByteRange, NbdDisk } from "../support/bad_disk.ts";
import { linuxTest } from "../support/linux_test.ts";
import {
  areasInMap,
  assertMapIsHonest,
  assertMapIsValid,
  bytesOf,
  diskContent,
  failingDisk,
  faultyPlaces,
  hangingDisk,
  PluggedDisk,
  RESCUE_DISK_TOOLS,
  withZerosAt,
} from "../support/rescue_disks.ts";
import { digestOf, run, runCli, RunningCli, tryRun } from "../support/run_cli.ts";
import { exists, Mounted, TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const ignore = needs(...RESCUE_DISK_TOOLS, "cmp", "blockdev");
const ignoreMounts = ignore || needs("mount", "umount");
const MIB = 1024 * 1024;
const SIZE = 4 * MIB;

/** How often things go wrong; a long run asks for more. */
const ROUNDS = Number(Deno.env.get("SECTORSHOT_ROUNDS") ?? "1");

/** The content of a failing disk, in a file, and what a complete image holds. */
async function makeContent(
  folder: TemporaryFolder,
  faults: readonly ByteRange[],
): Promise<{ file: string; bytes: Uint8Array<ArrayBuffer>; expected: string }> {
  const bytes = diskContent(SIZE);
  const file = await folder.write("disk", bytes);
  const expected = await folder.write("expected", withZerosAt(bytes, faults));
  return { file, bytes, expected };
}

/** Bytes that a map calls rescued; 0 while there is none. */
async function rescuedBytes(map: string): Promise<number> {
  return await exists(map) ? bytesOf(await areasInMap(map, "+")) : 0;
}

for (let round = 0; round < ROUNDS; round++) {
  linuxTest({
    name: `rescue: a failing device goes away and comes back (${round + 1})`,
    ignore,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const faults = faultyPlaces(round % 2 === 0 ? "scattered" : "clusters", SIZE, round + 1);
      const { file, bytes, expected } = await makeContent(folder, faults);
      await using disk = new PluggedDisk(folder, faults, {
        direct: true,
        delayMilliseconds: 2,
      });
      await disk.plugIn(file);
      const image = folder.file("card.img");
      const map = `${image}.map`;
      const args = ["read", disk.path, image, "--map-interval=0.05"];
      {
        await using running = RunningCli.start(args);
        const moment = Math.random() * SIZE * 0.8;
        await running.until(
          `${Math.round(moment)} bytes are rescued`,
          async () => await rescuedBytes(map) > moment,
        );
        // Stopped, so that no read falls between the two steps of going away.
        running.signal("SIGSTOP");
        await disk.pull();
        running.signal("SIGCONT");
        const { code, stderr } = await running.end();
        assertEquals(code, 1, stderr);
        assertMatch(
          stderr,
          /^sectorshot: error: cannot read .*: (the device went away|it ends there)/m,
        );
        assertMatch(stderr, /^sectorshot: hint: .*run the same command/m);
      }
      assert(!await exists(image));
      await assertMapIsValid(map, SIZE);
      const rescued = await assertMapIsHonest(`${image}.part`, map, bytes);
      // What could not be read because the disk was away is not called bad.
      const bad = await areasInMap(map, "-");
      for (const { offset, length } of bad) {
        const isBad = faults.some((each) =>
          each.offset <= offset && offset + length <= each.offset + each.length
        );
        assert(isBad, `${offset} is called unreadable`);
      }
      await disk.forget();
      await disk.plugIn(file);
      const { code, result, stderr } = await runCli([...args, "--json"]);
      assertEquals(code, 4, stderr);
      assert(Number(result["resumedBytes"]) >= rescued, `${result["resumedBytes"]}`);
      await run("cmp", [expected, image]);
      assertEquals(result["hashes"], { sha256: await digestOf(expected) });
      assertEquals(await areasInMap(map, "-"), faults);
    },
  });
}

linuxTest({
  name: "rescue --wait: waits for the device, not for one of another size, and goes on",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const faults = faultyPlaces("scattered", SIZE, 3);
    const { file, expected } = await makeContent(folder, faults);
    const other = await folder.write("other", diskContent(SIZE + MIB, 9));
    await using disk = new PluggedDisk(folder, faults, { direct: true, delayMilliseconds: 2 });
    await disk.plugIn(file);
    const image = folder.file("card.img");
    await using running = RunningCli.start(
      ["read", disk.path, image, "--map-interval=0.05", "--wait", "--json"],
    );
    await running.until(
      "a part is rescued",
      async () => await rescuedBytes(`${image}.map`) > MIB,
    );
    for (const next of [other, file]) {
      running.signal("SIGSTOP");
      if (next === other) await disk.pull();
      running.signal("SIGCONT");
      await running.until("it waits", () => running.stdout.includes("waiting for"));
      await disk.forget();
      await disk.plugIn(next);
      if (next === file) continue;
      // It looks once a second.
      await new Promise((resolve) => setTimeout(resolve, 2500));
      assert(running.isRunning, running.stderr);
      const waits = running.stdout.slice(running.stdout.lastIndexOf('"event":"phase"'));
      assertMatch(waits, /waiting for/, "it took the other one");
    }
    const { code, result, events, stderr } = await running.end();
    assertEquals(code, 4, stderr);
    const warnings = events.filter(({ event }) => event === "note")
      .map(({ message }) => String(message));
    assertEquals(
      warnings.filter((text) => /(went away|it ends there).*waiting/.test(text)).length,
      1,
    );
    await run("cmp", [expected, image]);
    assertEquals(result["hashes"], { sha256: await digestOf(expected) });
    assertEquals(await areasInMap(`${image}.map`, "-"), faults);
  },
});

linuxTest({
  name: "rescue --wait: Ctrl-C ends the waiting",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const faults = faultyPlaces("scattered", SIZE, 3);
    const { file, bytes } = await makeContent(folder, faults);
    await using disk = new PluggedDisk(folder, faults, { direct: true, delayMilliseconds: 2 });
    await disk.plugIn(file);
    const image = folder.file("card.img");
    await using running = RunningCli.start(
      ["read", disk.path, image, "--map-interval=0.05", "--wait"],
    );
    await running.until(
      "a part is rescued",
      async () => await rescuedBytes(`${image}.map`) > MIB,
    );
    running.signal("SIGSTOP");
    await disk.pull();
    running.signal("SIGCONT");
    await running.until("it waits", () => running.stderr.includes("waiting for"));
    const sentAt = performance.now();
    running.signal("SIGINT");
    const { code, stderr } = await running.end();
    assertEquals(code, 130, stderr);
    assert(performance.now() - sentAt < 2500, "it took too long");
    await assertMapIsHonest(`${image}.part`, `${image}.map`, bytes);
  },
});

for (const place of ["beside the image", "elsewhere"] as const) {
  linuxTest({
    name:
      `rescue: the destination is full, the map ${place}: nothing is claimed, then it goes on`,
    ignore: ignoreMounts,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const faults = faultyPlaces("clusters", SIZE, 5);
      const { file, bytes, expected } = await makeContent(folder, faults);
      await using disk = await failingDisk(folder, file, faults, { direct: true });
      const target = await folder.folder("target");
      for (let round = 0; round < ROUNDS + 1; round++) {
        const room = Math.floor((0.1 + 0.75 * (round + Math.random()) / (ROUNDS + 1)) * SIZE);
        const story = `room for ${room} bytes`;
        await using memory = await Mounted.memory(target, Math.ceil(room / 4096) * 4096);
        const image = `${memory.path}/card.img`;
        const map = place === "elsewhere" ? folder.file(`map${round}`) : `${image}.map`;
        const args = ["read", disk.path, image, "--map", map, "--map-interval=0.01"];
        const full = await runCli(args);
        assertEquals(full.code, 1, `${story}\n${full.stderr}`);
        assertMatch(full.stderr, /^sectorshot: error: .*\(ENOSPC\)/m);
        assertMatch(full.stderr, /^sectorshot: hint: .*free some room/m);
        assert(!await exists(image), story);
        await assertMapIsValid(map, SIZE);
        const rescued = await assertMapIsHonest(`${image}.part`, map, bytes, story);
        // What is zero takes no room.
        assert(rescued <= room + SIZE / 8 + 4096, `${story}, and ${rescued} are claimed`);
        // Once more without room: nothing gets worse.
        const again = await runCli(args);
        assertEquals(again.code, 1, `${story}\n${again.stderr}`);
        await assertMapIsHonest(`${image}.part`, map, bytes, story);
        await run("mount", ["-o", `remount,size=${SIZE + MIB}`, target]);
        const { code, stderr } = await runCli(args);
        assertEquals(code, 4, `${story}\n${stderr}`);
        await run("cmp", [expected, image]);
        assertEquals(await areasInMap(map, "-"), faults, story);
        await run("sha256sum", ["-c", "--strict", "card.img.sha256"], { cwd: target });
      }
    },
  });
}

linuxTest({
  name: "rescue: a file that may not grow on: nothing is claimed, then it goes on",
  ignore: ignore || needs("prlimit"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const faults = faultyPlaces("scattered", SIZE, 6);
    const { file, bytes, expected } = await makeContent(folder, faults);
    await using disk = await failingDisk(folder, file, faults, { direct: true });
    for (let round = 0; round < ROUNDS; round++) {
      const image = folder.file(`card${round}.img`);
      const limit = Math.floor((0.2 + 0.6 * Math.random()) * SIZE / 4096) * 4096;
      const args = ["read", disk.path, image, "--map-interval=0.01"];
      const limited = await runCli(args, { prefix: ["prlimit", `--fsize=${limit}`] });
      // The kernel answers EFBIG, or kills whoever does not ignore SIGXFSZ.
      assert([1, 128 + 25].includes(limited.code), `${limit}\n${limited.stderr}`);
      await assertMapIsHonest(`${image}.part`, `${image}.map`, bytes, `${limit} bytes`);
      const { code, stderr } = await runCli(args);
      assertEquals(code, 4, stderr);
      await run("cmp", [expected, image]);
    }
  },
});

linuxTest({
  name: "rescue: a destination that answers EIO: nothing is claimed that is not there",
  ignore: ignoreMounts || needs("mkfs.ext4"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const faults = faultyPlaces("scattered", SIZE, 8);
    const { file, bytes, expected } = await makeContent(folder, faults);
    await using disk = await failingDisk(folder, file, faults, { direct: true });
    const beneath = await folder.write("beneath", new Uint8Array(16 * MIB));
    await run("mkfs.ext4", ["-q", "-O", "^has_journal", "-E", "lazy_itable_init=0", beneath]);
    const map = folder.file("card.map");
    const target = await folder.folder("target");
    {
      const trigger = folder.file("fail");
      await using broken = await NbdDisk.create(folder, [
        "--filter=error",
        "file",
        beneath,
        "error-pwrite=EIO",
        "error-pwrite-rate=100%",
        `error-pwrite-file=${trigger}`,
      ]);
      await using mounted = await Mounted.create(broken.path, target);
      const image = `${mounted.path}/card.img`;
      await Deno.writeTextFile(trigger, "");
      const args = ["read", disk.path, image, "--map", map, "--map-interval=0.01"];
      const { code, stderr } = await runCli(args);
      assertEquals(code, 1, stderr);
      assertMatch(stderr, /^sectorshot: error: cannot (write|flush) .*\(EIO\)/m);
      assertEquals(await rescuedBytes(map), 0);
      await assertMapIsValid(map, SIZE);
      assert(!await exists(image));
      await Deno.remove(trigger);
    }
    const image = folder.file("card.img");
    const again = ["read", disk.path, image, "--map", map];
    const { code, stderr } = await runCli(again);
    assertEquals(code, 4, stderr);
    await assertMapIsHonest(image, map, bytes);
    await run("cmp", [expected, image]);
  },
});

linuxTest({
  name: "rescue: progress events tell the phase, what is pending, and the last success",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const faults = faultyPlaces("clusters", SIZE, 2);
    const { file } = await makeContent(folder, faults);
    await using disk = await failingDisk(folder, file, faults, {
      direct: true,
      delayMilliseconds: 5,
    });
    const image = folder.file("card.img");
    const { code, events, result } = await runCli(["read", disk.path, image, "--json"]);
    assertEquals(code, 4);
    const told = events.filter(({ event, rescue }) => event === "progress" && rescue != null)
      .map(({ rescue }) => rescue as Readonly<Record<string, unknown>>);
    assert(told.length >= 2, `${told.length} events`);
    for (const { phase, pendingBytes, badAreas, secondsSinceSuccess } of told) {
      assertMatch(String(phase), /^(copying, pass \d|trimming|scraping|finished)$/);
      assert(Number.isInteger(pendingBytes) && Number(pendingBytes) <= SIZE);
      assert(Number.isInteger(badAreas));
      assert(Number(secondsSinceSuccess) >= 0 && Number(secondsSinceSuccess) < 60);
    }
    const [first, last] = [told[0], told.at(-1)];
    assert(Number(first?.["pendingBytes"]) > Number(last?.["pendingBytes"]));
    assertEquals(result["badBytes"], bytesOf(faults));
  },
});

for (const end of ["SIGINT", "--timeout"] as const) {
  for (const moment of ["in a rescue", "before it is a rescue"] as const) {
    // A process ends only when the call that hangs does: not all of them every time.
    if (ROUNDS === 1 && (end === "SIGINT") !== (moment === "in a rescue")) continue;
    linuxTest({
      name: `rescue: a read that hangs ${moment} holds up neither progress nor ${end}`,
      ignore,
      async fn(): Promise<void> {
        await using folder = await TemporaryFolder.create();
        const bytes = diskContent(SIZE);
        const trigger = await folder.write("hang", "");
        // Behind what is read in one go with the bad sector, so that the map knows of that.
        const hangsAt = moment === "in a rescue" ? 3 * MIB + 65_536 : 4096;
        await using disk = await hangingDisk(folder, bytes, hangsAt, trigger);
        const image = folder.file("card.img");
        const options = end === "SIGINT" ? [] : ["--timeout=2"];
        const startedAt = performance.now();
        await using running = RunningCli.start(
          ["read", disk.path, image, "--json", "--map-interval=0.05", ...options],
        );
        const count = (): number => running.stdout.split('"event":"progress"').length - 1;
        const isStuck = async (): Promise<boolean> =>
          moment === "in a rescue"
            ? await rescuedBytes(`${image}.map`) >= MIB - 512 && count() >= 1
            : count() >= 1;
        if (end === "SIGINT") {
          await running.until("it hangs", isStuck);
          const before = count();
          await new Promise((resolve) => setTimeout(resolve, 1500));
          assert(count() > before, "no progress event in 1.5 s");
          const sentAt = performance.now();
          running.signal("SIGINT");
          await running.until("it says so", () => running.stdout.includes('"event":"result"'));
          const milliseconds = performance.now() - sentAt;
          assert(milliseconds < 2000, `it took ${milliseconds} ms`);
        } else {
          await running.until("it says so", () => running.stdout.includes('"event":"result"'));
          const milliseconds = performance.now() - startedAt;
          assert(milliseconds < 5500, `it took ${milliseconds} ms`);
        }
        await assertMapIsValid(`${image}.map`, SIZE);
        await assertMapIsHonest(`${image}.part`, `${image}.map`, bytes);
        const { code, result } = await running.end();
        assertEquals(code, end === "SIGINT" ? 130 : 1);
        const text = JSON.stringify(result);
        if (end === "--timeout") assertMatch(text, /nothing could be read for 2 s/);
        // It does not hang any more, and the same command goes on.
        await Deno.remove(trigger);
        const again = await runCli(["read", disk.path, image, "--json"]);
        assertEquals(again.code, 4, again.stderr);
        const expected = withZerosAt(bytes, [{ offset: MIB - 512, length: 512 }]);
        await run("cmp", [await folder.write("expected", expected), image]);
      },
    });
  }
}

linuxTest({
  name: "rescue: a second run on the same map is refused, the first is not disturbed",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const faults = faultyPlaces("scattered", SIZE, 4);
    const { file, expected } = await makeContent(folder, faults);
    await using disk = await failingDisk(folder, file, faults, {
      direct: true,
      delayMilliseconds: 2,
    });
    const image = folder.file("card.img");
    await using first = RunningCli.start(
      ["read", disk.path, image, "--map-interval=0.05"],
    );
    await first.until(
      "it has met a bad sector",
      async () =>
        await exists(`${image}.map`) && (await areasInMap(`${image}.map`, "*/-")).length > 0,
    );
    const second = await runCli(["read", disk.path, image]);
    assert(first.isRunning, "the first one ended too early for this test");
    assertEquals(second.code, 1);
    assertMatch(second.stderr, /error: .*: another run is using the map .*card\.img\.map\n/);
    // The same map beside another image is the same map.
    const third = await runCli(
      ["read", disk.path, folder.file("other.img"), "--map", `${image}.map`],
    );
    assert(first.isRunning, "the first one ended too early for this test");
    assertEquals(third.code, 1, third.stderr);
    assertMatch(third.stderr, /^sectorshot: hint: /m);
    assert(!await exists(folder.file("other.img.part")), "a part was made");
    const { code, stderr } = await first.end();
    assertEquals(code, 4, stderr);
    await run("cmp", [expected, image]);
    assertEquals((await tryRun("ddrescuelog", ["-t", `${image}.map`])).code, 0);
  },
});
