/** Failing disks that are read into images which can only be written in order. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  assertE01,
  assertFinalMap,
  CHUNK,
  CLUSTERED,
  interrupted,
  makePatient,
  MIB,
  namesOf,
  PATIENT_TOOLS,
  SCATTERED,
  SLOW_BAD,
  SLOW_SIZE,
} from "../support/container_patient.ts";
import { FAILING_DISK_TOOLS, FailingDisk } from "../support/failing_disk.ts";
import { linuxTest } from "../support/linux_test.ts";
import {
  areasInMap,
  assertMapIsHonest,
  assertMapIsValid,
  bytesOf,
  diskContent,
  failingDisk,
  withZerosAt,
} from "../support/rescue_disks.ts";
import { digestOf, run, runCli, tryRun } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const ignore = needs(...PATIENT_TOOLS);

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
      const left = await namesOf(folder, "case");
      assertEquals(left.filter((name) => !name.endsWith(".lock")), [
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
