/** Rescues into containers: the device goes away or hangs, there is no room, it is killed. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { NbdDisk } from "../support/bad_disk.ts";
import {
  assertE01,
  assertFinalMap,
  CHUNK,
  makePatient,
  MIB,
  namesOf,
  PATIENT_TOOLS,
  rescuedBytes,
  SCATTERED,
  SIZE,
} from "../support/container_patient.ts";
import { FAILING_DISK_TOOLS, FailingDisk } from "../support/failing_disk.ts";
import { linuxTest } from "../support/linux_test.ts";
import {
  assertMapIsHonest,
  assertMapIsValid,
  diskContent,
  failingDisk,
  PluggedDisk,
} from "../support/rescue_disks.ts";
import { run, runCli, RunningCli } from "../support/run_cli.ts";
import { exists, Mounted, TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const ignore = needs(...PATIENT_TOOLS);

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
    name: `container rescue: a read hangs ${moment}, ${
      moment === "in order" ? "--timeout" : "Ctrl-C"
    } ends it`,
    ignore,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const bytes = diskContent(SIZE);
      const hangsAt = moment === "in order" ? CHUNK - 65_536 : 10 * MIB;
      await using disk = await hangingDisk(folder, bytes, hangsAt);
      const image = folder.file("case.E01");
      // Small reads: what is under way when the trouble comes ends before the one that hangs.
      const options = moment === "in order" ? ["--timeout=1"] : ["--block-size=512K"];
      await using running = RunningCli.start(
        ["read", disk.path, image, "--json", "--map-interval=0.05", ...options],
      );
      if (moment === "in the rescue") {
        const isStuck = async (): Promise<boolean> =>
          await rescuedBytes(`${image}.map`) > 3 * MIB;
        await running.until("it is in the rescue", isStuck);
        await new Promise((resolve) => setTimeout(resolve, 500));
        running.signal("SIGINT");
      }
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
  name: "container rescue: reads that hang count as failed, in order and in the rescue",
  ignore: ignore || needs(...FAILING_DISK_TOOLS),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    // The first one hangs while the disk is read in order, with others behind it.
    const hanging = [CHUNK + 600_064, 10 * MIB + 1024].map((offset) => ({
      offset,
      length: 512,
    }));
    const patient = await makePatient(folder, hanging);
    await using disk = await FailingDisk.create(
      folder,
      { file: patient.file, bad: [], failureMilliseconds: 1, hanging },
      { direct: true },
    );
    const image = folder.file("case.E01");
    await using running = RunningCli.start(
      ["read", disk.path, image, "--json", "--read-timeout=1"],
    );
    await running.until("it is through", () => running.stdout.includes('"event":"result"'));
    // Only now the disk answers, and lets the process go.
    await disk.relent();
    const { code, result, events, stderr } = await running.end();
    assertEquals(code, 4, stderr);
    assertEquals(result["bad"], hanging);
    const notes = events.filter(({ event }) => event === "note")
      .filter(({ message }) => String(message).includes("did not answer within 1 s"));
    assert(notes.length >= 3, JSON.stringify(notes));
    await assertE01(folder, image, patient, hanging);
    await assertFinalMap(`${image}.map`, hanging);
    assertEquals(await namesOf(folder, "case"), ["case.E01", "case.E01.map"]);
  },
});
