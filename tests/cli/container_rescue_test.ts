/** Failing disks that are read into images which can only be written in order. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type ByteRange, NbdDisk } from "../support/bad_disk.ts";
import { FAILING_DISK_TOOLS, FailingDisk } from "../support/failing_disk.ts";
import { linuxTest } from "../support/linux_test.ts";
import {
  areasInMap,
  assertMapIsHonest,
  assertMapIsValid,
  bytesOf,
  diskContent,
  failingDisk,
  faultyPlaces,
  PluggedDisk,
  RESCUE_DISK_TOOLS,
  withZerosAt,
} from "../support/rescue_disks.ts";
import { digestOf, run, runCli, RunningCli, tryRun } from "../support/run_cli.ts";
import { exists, Mounted, TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const ignore = needs(...RESCUE_DISK_TOOLS, "cmp", "ewfverify", "ewfexport", "ewfinfo");
const MIB = 1024 * 1024;
const SIZE = 12 * MIB;

/** Bytes that are read in one go, and so begin a rescue together. */
const CHUNK = 4 * MIB;

/** A disk in a file, and what a complete image of it holds. */
interface Patient {
  readonly file: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly expected: string;
}

async function makePatient(
  folder: TemporaryFolder,
  bad: readonly ByteRange[],
  size = SIZE,
): Promise<Patient> {
  const bytes = diskContent(size);
  const file = await folder.write("disk", bytes);
  const expected = await folder.write("expected", withZerosAt(bytes, bad));
  return { file, bytes, expected };
}

/** Single bad sectors, at odd places, behind the first chunk. */
const SCATTERED: readonly ByteRange[] = [5, 6.3, 7.7, 9, 10.2].map((place) => ({
  offset: Math.floor(place * MIB / 512) * 512,
  length: 512,
}));

/** Clusters of bad sectors, the first of them in the first chunk. */
const CLUSTERED = faultyPlaces("clusters", SIZE, 4);

/** The bad sectors that an E01 lists, as ewfinfo shows them: ranges of sectors. */
async function badSectorsOf(image: string): Promise<string[]> {
  const { stdout } = await tryRun("ewfinfo", [image]);
  return [...stdout.matchAll(/(\d+) - (\d+)(?= |\()/g)].map(([text]) => text);
}

/** Proves that an E01 is sound and holds what it should, as other programs see it. */
async function assertE01(
  folder: TemporaryFolder,
  image: string,
  { expected }: Patient,
  bad: readonly ByteRange[],
): Promise<void> {
  await run("ewfverify", ["-q", image]);
  const raw = folder.file(`theirs_${crypto.randomUUID()}`);
  await run("ewfexport", ["-q", "-u", "-f", "raw", "-t", raw, image]);
  await run("cmp", [expected, `${raw}.raw`]);
  assertEquals(
    await badSectorsOf(image),
    bad.map(({ offset, length }) => `${offset / 512} - ${(offset + length) / 512 - 1}`),
  );
}

/** Proves that a map that stays calls everything rescued but these places. */
async function assertFinalMap(
  map: string,
  bad: readonly ByteRange[],
  size = SIZE,
): Promise<void> {
  await assertMapIsValid(map, size);
  assertEquals(await areasInMap(map, "-"), bad);
  assertEquals(await areasInMap(map, "?*/"), []);
}

/** What lies in the folder of an image, and begins with its name. */
async function namesOf(folder: TemporaryFolder, name: string): Promise<string[]> {
  return (await folder.names()).filter((each) => each.startsWith(name));
}

async function rescuedBytes(map: string): Promise<number> {
  return await exists(map) ? bytesOf(await areasInMap(map, "+")) : 0;
}

for (const [name, bad] of [["scattered", SCATTERED], ["clustered", CLUSTERED]] as const) {
  linuxTest({
    name: `container rescue: ${name} bad sectors: the E01, its map and the report agree`,
    ignore,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const patient = await makePatient(folder, bad);
      await using disk = await failingDisk(folder, patient.file, bad, { direct: true });
      const image = folder.file("case.E01");
      const { code, result, events, stderr } = await runCli([
        ...["read", disk.path, image, "--verify", "--report", "--json"],
        ...["--hash", "md5,sha256", "--hash-window", "1M", "--segment-size", "2M"],
        ...["--compression", "none"],
      ]);
      assertEquals(code, 4, stderr);
      await assertE01(folder, image, patient, bad);
      await assertFinalMap(`${image}.map`, bad);
      assertEquals(result["bad"], bad);
      assertEquals(result["map"], `${image}.map`);
      assertEquals(result["hashes"], {
        md5: await digestOf(patient.expected, "md5"),
        sha256: await digestOf(patient.expected),
      });
      const notes = events.filter(({ event }) => event === "note");
      const from = Math.floor((bad[0]?.offset ?? 0) / CHUNK) * CHUNK;
      assertMatch(
        JSON.stringify(notes),
        new RegExp(`trouble behind byte ${from} of .*case\\.E01\\.rescue\\.part`),
      );
      const phases = events.filter(({ event }) => event === "phase").map(({ title }) => title);
      assert(phases.includes(`rescuing ${disk.path}`), phases.join());
      const report = JSON.parse(await Deno.readTextFile(`${image}.json`));
      assertEquals(
        report.reading.unreadable.map((each: { firstSector: number; sectors: number }) => [
          each.firstSector * 512,
          each.sectors * 512,
        ]),
        bad.map(({ offset, length }) => [offset, length]),
      );
      assertEquals(
        report.areas.filter(({ state }: { state: string }) => state !== "+").map((
          { offsetBytes, lengthBytes, state }: Record<string, unknown>,
        ) => [offsetBytes, lengthBytes, state]),
        bad.map(({ offset, length }) => [offset, length, "-"]),
      );
      assertEquals(report.mapFile.name, "case.E01.map");
      assertEquals(report.mapFile.digests[0].hex, await digestOf(`${image}.map`));
      assertEquals(report.images[0].result, "complete");
      const names = await namesOf(folder, "case");
      assertEquals(names.filter((each) => /part|rescue|tmp/.test(each)), []);
      assertEquals((await runCli(["verify", image])).code, 0);
    },
  });
}

linuxTest({
  name: "container rescue: AFF and .img.zst, with --offset",
  ignore: ignore || needs("affcat", "affinfo", "zstd"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const { file, expected } = await makePatient(folder, SCATTERED);
    await using disk = await failingDisk(folder, file, SCATTERED, { direct: true });
    const aff = folder.file("case.aff");
    const read = await runCli(["read", disk.path, aff, "--json"]);
    assertEquals(read.code, 4, read.stderr);
    await run("sh", ["-c", `affcat ${aff} | cmp - ${expected}`]);
    const { stdout } = await tryRun("affinfo", [aff]);
    assertMatch(stdout, new RegExp(`^badsectors\\s+.*\\b${SCATTERED.length}\\b`, "m"));
    await assertFinalMap(`${aff}.map`, SCATTERED);

    const packed = folder.file("card.img.zst");
    const options = ["--offset=2M", "--length=8M"];
    const zst = await runCli(["read", disk.path, packed, "--json", ...options]);
    assertEquals(zst.code, 4, zst.stderr);
    await run("sh", [
      "-c",
      `zstd -dc ${packed} > ${folder.file("unpacked")}`,
    ]);
    const compared = ["-i", `${2 * MIB}:0`, "-n", `${8 * MIB}`];
    await run("cmp", [...compared, expected, folder.file("unpacked")]);
    assertEquals((await Deno.stat(folder.file("unpacked"))).size, 8 * MIB);
    // The map is one of the part; the result counts from the beginning of the disk.
    const inside = SCATTERED.filter(({ offset }) => offset < 10 * MIB);
    assertEquals(zst.result["bad"], inside);
    await assertFinalMap(
      `${packed}.map`,
      inside.map(({ offset, length }) => ({ offset: offset - 2 * MIB, length })),
      8 * MIB,
    );
    for (const name of ["case", "card"]) {
      const names = await namesOf(folder, name);
      assertEquals(names.filter((each) => /part|rescue|tmp/.test(each)), []);
    }
  },
});

linuxTest({
  name: "container rescue: a second image at the same time, and --used",
  ignore: ignore || needs("sha256sum"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const patient = await makePatient(folder, CLUSTERED);
    await using disk = await failingDisk(folder, patient.file, CLUSTERED, { direct: true });
    const image = folder.file("case.E01");
    const also = folder.file("b.img");
    const args = ["read", disk.path, image, "--also", also, "--verify", "--used"];
    const { code, stderr } = await runCli(args);
    assertEquals(code, 4, stderr);
    await assertE01(folder, image, patient, CLUSTERED);
    await run("cmp", [patient.expected, also]);
    await run("sha256sum", ["-c", "--strict", "b.img.sha256"], { cwd: folder.path });
    await assertFinalMap(`${image}.map`, CLUSTERED);
  },
});

/** A disk on which rescuing takes its time, and that counts what is read of it. */
const SLOW_BAD: readonly ByteRange[] = [6, 9, 13, 17, 19, 21].map((place) => ({
  offset: place * MIB + 512 * 3,
  length: 512 * 3,
}));
const SLOW_SIZE = 24 * MIB;

/** Runs until much is rescued, and ends it by a signal; answers what the map knows then. */
async function interrupted(
  args: readonly string[],
  map: string,
  signal: Deno.Signal,
): Promise<{ readonly rescued: readonly ByteRange[]; readonly stderr: string }> {
  await using running = RunningCli.start([...args, "--map-interval=0.05"]);
  await running.until("much is rescued", async () => await rescuedBytes(map) > 12 * MIB);
  running.signal(signal);
  const { code, stderr } = await running.end();
  assertEquals(code, signal === "SIGKILL" ? 137 : 130, stderr);
  return { rescued: await areasInMap(map, "+"), stderr };
}

for (const signal of ["SIGKILL", "SIGINT"] as const) {
  linuxTest({
    name: `container rescue: after ${signal} the same command reads nothing rescued again`,
    ignore: ignore || needs(...FAILING_DISK_TOOLS),
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const patient = await makePatient(folder, SLOW_BAD, SLOW_SIZE);
      await using disk = await FailingDisk.create(
        folder,
        { file: patient.file, bad: SLOW_BAD, failureMilliseconds: 50 },
        { direct: true },
      );
      const image = folder.file("case.E01");
      const map = `${image}.map`;
      const part = `${image}.rescue.part`;
      const args = ["read", disk.path, image];
      const { rescued, stderr } = await interrupted(args, map, signal);
      if (signal === "SIGINT") {
        assertMatch(stderr, /hint: run the same command again: what was rescued is kept in/);
      }
      assertEquals(await namesOf(folder, "case"), [
        "case.E01.map",
        "case.E01.part",
        "case.E01.rescue.part",
      ]);
      await assertMapIsValid(map, SLOW_SIZE);
      await assertMapIsHonest(part, map, patient.bytes);
      // What was read in order is in the container only, and that is begun anew.
      assertEquals(rescued[0]?.offset, CHUNK);

      // The map is of this disk: for another one nothing is changed.
      const other = await folder.write("other", diskContent(SLOW_SIZE, 9));
      const before = await Promise.all([map, part, `${image}.part`].map((p) => digestOf(p)));
      const refused = await runCli(["read", other, image, "--force"]);
      assertEquals(refused.code, 1, refused.stderr);
      assertMatch(refused.stderr, /error: cannot go on: /);
      const after = await Promise.all([map, part, `${image}.part`].map((p) => digestOf(p)));
      assertEquals(after, before);

      await disk.counts();
      const { code, result, stderr: told } = await runCli([...args, "--json"]);
      assertEquals(code, 4, told);
      const { bytes } = await disk.counts();
      // Again: what lies before, the places that prove it is this disk, and its tables.
      const allowed = SLOW_SIZE - bytesOf(rescued) + 4 * 65_536 + MIB;
      assert(bytes <= allowed, `${bytes} bytes were read, ${allowed} are expected at most`);
      assert(Number(result["resumedBytes"]) >= bytesOf(rescued));
      await assertE01(folder, image, patient, SLOW_BAD);
      await assertFinalMap(map, SLOW_BAD, SLOW_SIZE);
      assertEquals(await namesOf(folder, "case"), ["case.E01", "case.E01.map"]);
    },
  });
}

linuxTest({
  name: "container rescue: what was rescued beside two images is taken for no image",
  ignore: ignore || needs(...FAILING_DISK_TOOLS),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const patient = await makePatient(folder, SLOW_BAD, SLOW_SIZE);
    await using disk = await FailingDisk.create(
      folder,
      { file: patient.file, bad: SLOW_BAD, failureMilliseconds: 50 },
      { direct: true },
    );
    const image = folder.file("a.img");
    const args = ["read", disk.path, image, "--also", folder.file("b.E01")];
    await interrupted(args, `${image}.map`, "SIGKILL");
    const alone = await runCli(["read", disk.path, image]);
    assertEquals(alone.code, 1, alone.stderr);
    assertMatch(alone.stderr, /does not belong to .*: its file of what was rescued was a\.img/);
    const zeros = await runCli([...args, "--on-error=zero"]);
    assertEquals(zeros.code, 1, zeros.stderr);
    assertMatch(zeros.stderr, /there is a rescue that was begun/);
    const { code, stderr } = await runCli(args);
    assertEquals(code, 4, stderr);
    await run("cmp", [patient.expected, image]);
    await assertE01(folder, folder.file("b.E01"), patient, SLOW_BAD);
    await assertFinalMap(`${image}.map`, SLOW_BAD, SLOW_SIZE);
    // The raw one is as any other now: what is unreadable can be tried again.
    const again = await runCli(["read", disk.path, image, "--retries=1"]);
    assertEquals(again.code, 4, again.stderr);
    await run("cmp", [patient.expected, image]);
  },
});

for (const waits of [false, true]) {
  linuxTest({
    name: `container rescue: the device goes away and comes back${waits ? ", --wait" : ""}`,
    ignore: ignore || needs("blockdev"),
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const patient = await makePatient(folder, SCATTERED);
      await using disk = new PluggedDisk(folder, SCATTERED, {
        direct: true,
        delayMilliseconds: 2,
      });
      await disk.plugIn(patient.file);
      const image = folder.file("case.E01");
      const map = `${image}.map`;
      const args = ["read", disk.path, image, "--map-interval=0.05"];
      await using running = RunningCli.start(waits ? [...args, "--wait"] : args);
      await running.until("a part is rescued", async () => await rescuedBytes(map) > MIB);
      // Stopped, so that no read falls between the two steps of going away.
      running.signal("SIGSTOP");
      await disk.pull();
      running.signal("SIGCONT");
      if (waits) await running.until("it waits", () => /waiting for/.test(running.stderr));
      else {
        const { code, stderr } = await running.end();
        assertEquals(code, 1, stderr);
        assertMatch(stderr, /^sectorshot: error: cannot read .*: (the device|it ends)/m);
        assertMatch(stderr, /^sectorshot: hint: .*run the same command/m);
      }
      await assertMapIsValid(map, SIZE);
      await assertMapIsHonest(`${image}.rescue.part`, map, patient.bytes);
      assertEquals(await exists(image), false);
      await disk.forget();
      await disk.plugIn(patient.file);
      const { code, stderr } = waits ? await running.end() : await runCli(args);
      assertEquals(code, 4, stderr);
      await assertE01(folder, image, patient, SCATTERED);
      await assertFinalMap(map, SCATTERED);
      assertEquals(await namesOf(folder, "case"), ["case.E01", "case.E01.map"]);
    },
  });
}

linuxTest({
  name: "container rescue: --wait when the device goes away before there was any trouble",
  ignore: ignore || needs("blockdev"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const patient = await makePatient(folder, []);
    await using disk = new PluggedDisk(folder, [], { direct: true, delayMilliseconds: 20 });
    await disk.plugIn(patient.file);
    const image = folder.file("case.E01");
    const args = ["read", disk.path, image, "--wait", "--block-size=64K"];
    await using running = RunningCli.start(args);
    await running.until("it is at work", async () =>
      await exists(`${image}.part`) &&
      (await Deno.stat(`${image}.part`)).size > 100_000);
    running.signal("SIGSTOP");
    await disk.pull();
    running.signal("SIGCONT");
    await running.until("it waits", () => /waiting for/.test(running.stderr));
    await disk.forget();
    await disk.plugIn(patient.file);
    const { code, stderr } = await running.end();
    assertEquals(code, 0, stderr);
    await assertE01(folder, image, patient, []);
    assertEquals(await namesOf(folder, "case"), ["case.E01"]);
  },
});

/** A disk with a bad sector in its second chunk, and a read that hangs. */
async function hangingDisk(
  folder: TemporaryFolder,
  bytes: Uint8Array<ArrayBuffer>,
  hangsAt: number,
): Promise<NbdDisk> {
  const file = await folder.write("hangs", bytes);
  const bad = CHUNK + MIB;
  const inside = (place: number): string => `[ $4 -le ${place} ] && [ $end -gt ${place} ]`;
  const pread = `end=$(($4 + $3)); ` +
    `if ${inside(bad)}; then echo EIO bad >&2; exit 1; fi; ` +
    `if ${inside(hangsAt)}; then sleep 4; fi; ` +
    `dd if='${file}' bs=64K iflag=skip_bytes,count_bytes,fullblock status=none skip=$4 count=$3`;
  const args = ["eval", `get_size=echo ${bytes.length}`, `pread=${pread}`];
  return await NbdDisk.create(folder, args, { direct: true });
}

for (const moment of ["in order", "in the rescue"] as const) {
  linuxTest({
    name: `container rescue: a read that hangs ${moment} holds up neither --timeout nor Ctrl-C`,
    ignore,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const bytes = diskContent(SIZE);
      const hangsAt = moment === "in order" ? CHUNK - 65_536 : 10 * MIB;
      await using disk = await hangingDisk(folder, bytes, hangsAt);
      const image = folder.file("case.E01");
      const options = moment === "in order" ? ["--timeout=1"] : [];
      await using running = RunningCli.start(
        ["read", disk.path, image, "--json", "--map-interval=0.05", ...options],
      );
      if (moment === "in the rescue") {
        const isStuck = async (): Promise<boolean> =>
          await rescuedBytes(`${image}.map`) > 2 * MIB;
        await running.until("it is in the rescue", isStuck);
        await new Promise((resolve) => setTimeout(resolve, 1000));
        running.signal("SIGINT");
      }
      const askedAt = performance.now();
      await running.until("it says so", () => running.stdout.includes('"event":"result"'));
      const milliseconds = performance.now() - askedAt;
      assert(milliseconds < 3500, `it took ${milliseconds} ms`);
      const { code, result } = await running.end();
      const text = JSON.stringify(result);
      if (moment === "in order") {
        assertEquals(code, 1);
        assertMatch(text, /gave up reading .*: nothing could be read for 1 s/);
        assertEquals(await namesOf(folder, "case"), ["case.E01.part"]);
      } else {
        assertEquals(code, 130);
        await assertMapIsValid(`${image}.map`, SIZE);
        await assertMapIsHonest(`${image}.rescue.part`, `${image}.map`, bytes);
      }
    },
  });
}

/** How often a rescue is killed; a long run asks for more. */
const KILLS = Number(Deno.env.get("SECTORSHOT_KILLS") ?? "2");

linuxTest({
  name: "container rescue: killed (-9) at random moments, the map is right every time",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const patient = await makePatient(folder, SCATTERED);
    await using disk = await failingDisk(folder, patient.file, SCATTERED, {
      direct: true,
      delayMilliseconds: 1,
    });
    const image = folder.file("case.E01");
    const map = `${image}.map`;
    const args = ["read", disk.path, image, "--map-interval=0.02"];
    const whole = performance.now();
    assertEquals((await runCli(args)).code, 4);
    const milliseconds = performance.now() - whole;
    let story = "";
    for (let kills = 0; kills < KILLS;) {
      // Without a map the unfinished image is anybody's; a complete one is not replaced.
      if (await exists(image) || !await exists(map)) {
        for (const name of await namesOf(folder, "case")) await Deno.remove(folder.file(name));
      }
      const moment = milliseconds * (0.3 + 0.7 * Math.random());
      await using running = RunningCli.start(args);
      const timer = setTimeout(() => running.signal("SIGKILL"), moment);
      const { code, stderr } = await running.end();
      clearTimeout(timer);
      story += ` ${Math.round(moment)} ms: ${code};`;
      assert(code === 137 || code === 4, `${story}\n${stderr}`);
      if (code === 137) kills++;
      if (await exists(image)) await assertE01(folder, image, patient, SCATTERED);
      if (!await exists(map)) continue;
      await assertMapIsValid(map, SIZE);
      const isKept = await exists(`${image}.rescue.part`);
      if (isKept) await assertMapIsHonest(`${image}.rescue.part`, map, patient.bytes, story);
    }
    if (await exists(image)) return;
    if (!await exists(map)) await Deno.remove(`${image}.part`);
    const { code, stderr } = await runCli(args);
    assertEquals(code, 4, `${story}\n${stderr}`);
    await assertE01(folder, image, patient, SCATTERED);
    await assertFinalMap(map, SCATTERED);
  },
});

linuxTest({
  name: "container rescue: no room for what is rescued, then there is",
  ignore: ignore || needs("mount", "umount"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const patient = await makePatient(folder, SCATTERED);
    await using disk = await failingDisk(folder, patient.file, SCATTERED, { direct: true });
    const target = await folder.folder("target");
    await using memory = await Mounted.memory(target, 8 * MIB);
    const image = `${memory.path}/case.E01`;
    const map = `${image}.map`;
    const args = ["read", disk.path, image, "--map-interval=0.02", "--compression=none"];
    for (let round = 0; round < 2; round++) {
      const { code, stderr } = await runCli(args);
      assertEquals(code, 1, stderr);
      assertMatch(stderr, /^sectorshot: error: .*\(ENOSPC\)/m);
      assertMatch(stderr, /^sectorshot: hint: .*free some room/m);
      assertEquals(await exists(image), false);
      await assertMapIsValid(map, SIZE);
      await assertMapIsHonest(`${image}.rescue.part`, map, patient.bytes);
    }
    await run("mount", ["-o", `remount,size=${3 * SIZE}`, target]);
    const { code, stderr } = await runCli(args);
    assertEquals(code, 4, stderr);
    await assertE01(folder, image, patient, SCATTERED);
    await assertFinalMap(map, SCATTERED);
  },
});

linuxTest({
  name: "container rescue: --on-error abort ends at the first bad place, zero reads around it",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const patient = await makePatient(folder, SCATTERED);
    await using disk = await failingDisk(folder, patient.file, SCATTERED, { direct: true });
    const aborted = folder.file("a.E01");
    const abort = await runCli(["read", disk.path, aborted, "--on-error=abort"]);
    assertEquals(abort.code, 1, abort.stderr);
    assertMatch(abort.stderr, /error: cannot read .* at byte \d+: .*EIO/);
    assertEquals(await namesOf(folder, "a.E01"), ["a.E01.part"]);
    const zeroed = folder.file("z.E01");
    const zero = await runCli(["read", disk.path, zeroed, "--on-error=zero"]);
    assertEquals(zero.code, 4, zero.stderr);
    await assertE01(folder, zeroed, patient, SCATTERED);
    assertEquals(await namesOf(folder, "z.E01"), ["z.E01"]);
  },
});

linuxTest({
  name: "container rescue: the options of a rescue, and another place for the map",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const patient = await makePatient(folder, CLUSTERED);
    await using disk = await failingDisk(folder, patient.file, CLUSTERED, { direct: true });
    const options: readonly (readonly string[])[] = [
      ["--retries=1", "--reverse", "--wait"],
      ["--skip-size=64K,1M", "--min-rate=1", "--timeout=60", "--max-bad-areas=1000"],
      ["--map", folder.file("elsewhere.map"), "--pause-on-error=0.001"],
    ];
    for (const [index, each] of options.entries()) {
      const image = folder.file(`case${index}.E01`);
      const { code, stderr } = await runCli(["read", disk.path, image, ...each]);
      assertEquals(code, 4, stderr);
      await assertE01(folder, image, patient, CLUSTERED);
      const map = each.includes("--map") ? folder.file("elsewhere.map") : `${image}.map`;
      await assertFinalMap(map, CLUSTERED);
    }
    // What is left out on purpose is zeros, too, and said to be.
    const quick = folder.file("quick.E01");
    const { code, result } = await runCli(
      ["read", disk.path, quick, "--no-trim", "--no-scrape", "--json"],
    );
    assertEquals(code, 4);
    const left = await areasInMap(`${quick}.map`, "*/-");
    assert(bytesOf(left) > bytesOf(CLUSTERED), "all was tried");
    assertEquals(await areasInMap(`${quick}.map`, "?"), []);
    assertEquals(result["bad"], left);
    const { bytes } = patient;
    const zeros = await folder.write("expected", withZerosAt(bytes, left));
    await assertE01(folder, quick, { ...patient, expected: zeros }, left);

    const few = await runCli(["read", disk.path, folder.file("few.E01"), "--max-bad-areas=1"]);
    assertEquals(few.code, 1);
    assertMatch(few.stderr, /error: gave up reading .*: more than 1 bad areas/);
    assertMatch(few.stderr, /hint: what was read is in .*few\.E01\.rescue\.part: run the same/);

    const again = await runCli(["read", disk.path, quick, "--retries=2"]);
    assertEquals(again.code, 1);
    assertStringIncludes(again.stderr, "it exists");
    assertMatch(again.stderr, /hint: unreadable sectors cannot be tried again in a complete/);
    for (const option of ["--domain=x", "--fill=marker"]) {
      const refused = await runCli(["read", disk.path, folder.file("r.E01"), option]);
      assertEquals(refused.code, 1);
      assertMatch(refused.stderr, /cannot use --\w+ here: these images are written in order/);
    }
    const zero = ["--on-error=zero", "--retries=2"];
    const idle = await runCli(["read", disk.path, folder.file("r.E01"), ...zero]);
    assertMatch(idle.stderr, /error: cannot use --retries with --on-error zero/);
    const words = ["read", "-", folder.file("r.E01"), "--retries=2"];
    const stream = await runCli(words, { stdin: patient.bytes });
    assertMatch(stream.stderr, /error: cannot use --retries here: a stream comes once/);
    assertEquals(await namesOf(folder, "r.E01"), []);
  },
});

linuxTest({
  name: "container rescue: an image with unreadable sectors is made anew with --force",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const patient = await makePatient(folder, SCATTERED);
    const image = folder.file("case.E01");
    {
      await using disk = await failingDisk(folder, patient.file, SCATTERED, { direct: true });
      assertEquals((await runCli(["read", disk.path, image])).code, 4);
      const anew = await runCli(["read", disk.path, image, "--force"]);
      assertEquals(anew.code, 4, anew.stderr);
      await assertE01(folder, image, patient, SCATTERED);
      await assertFinalMap(`${image}.map`, SCATTERED);
    }
    // The disk works again: nothing is unreadable, and no map stays.
    const { code, stderr } = await runCli(["read", patient.file, image, "--force"]);
    assertEquals(code, 0, stderr);
    await assertE01(folder, image, { ...patient, expected: patient.file }, []);
    assertEquals(await namesOf(folder, "case"), ["case.E01"]);
  },
});
