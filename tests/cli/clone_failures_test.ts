/** Clones with a map whose source goes away, or whose target fails. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { HONEST_PWRITE, NbdDisk, scriptedDisk } from "../support/bad_disk.ts";
import { linuxTest } from "../support/linux_test.ts";
import { LoopDevice } from "../support/loop_device.ts";
import { patternBytes } from "../support/pattern.ts";
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
import { digestOf, run, runCli, RunningCli } from "../support/run_cli.ts";
import { exists, TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const ignore = needs(...RESCUE_DISK_TOOLS, "cmp", "blockdev");
const MIB = 1024 * 1024;
const SIZE = 4 * MIB;

/** How often things go wrong; a long run asks for more. */
const ROUNDS = Number(Deno.env.get("SECTORSHOT_ROUNDS") ?? "1");

/** Bytes that a map calls rescued; 0 while there is none. */
async function rescuedBytes(map: string): Promise<number> {
  return await exists(map) ? bytesOf(await areasInMap(map, "+")) : 0;
}

/** Does the target look like no disk at all? */
async function assertNoFirstBlock(file: string): Promise<void> {
  const bytes = await Deno.readFile(file);
  assertEquals(bytes.subarray(0, MIB).findIndex((byte) => byte !== 0), -1);
}

linuxTest({
  name: "clone --map: the source goes away and comes back",
  ignore,
  async fn(): Promise<void> {
    for (let round = 0; round < ROUNDS; round++) {
      await using folder = await TemporaryFolder.create();
      const faults = faultyPlaces(round % 2 === 0 ? "scattered" : "clusters", SIZE, round + 1);
      const bytes = diskContent(SIZE);
      const file = await folder.write("disk", bytes);
      const expected = await folder.write("expected", withZerosAt(bytes, faults));
      const beneath = await folder.write("target", patternBytes(SIZE, { seed: 7 }));
      await using target = await LoopDevice.create(beneath);
      await using disk = new PluggedDisk(folder, faults, {
        direct: true,
        delayMilliseconds: 2,
      });
      await disk.plugIn(file);
      const map = folder.file("clone.map");
      const args = ["clone", disk.path, target.path, "--yes", "--map", map];
      args.push("--map-interval=0.02", "--block-size=64K");
      {
        await using running = RunningCli.start(args);
        const moment = Math.random() * SIZE * 0.5;
        await running.until(
          `${Math.round(moment)} bytes are rescued`,
          async () => await exists(map) && await rescuedBytes(map) > moment,
        );
        // Stopped, so that no read falls between the two steps of going away.
        running.signal("SIGSTOP");
        await disk.pull();
        running.signal("SIGCONT");
        const { code, stdout, stderr } = await running.end();
        assertEquals(code, 1, stderr);
        assertMatch(stdout, /FAILED: cannot read .*: (the device went away|it ends there)/);
        assertMatch(stdout, /run the same command/);
        assertMatch(
          stdout,
          /has no first block: the same command goes on, as .*clone\.map says/,
        );
      }
      await assertMapIsValid(map, SIZE);
      const rescued = await assertMapIsHonest(beneath, map, bytes);
      await assertNoFirstBlock(beneath);
      // What could not be read because the disk was away is not called bad.
      for (const { offset, length } of await areasInMap(map, "-")) {
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
      await run("cmp", [expected, target.path]);
      assertEquals(await areasInMap(map, "-"), faults);
      assertEquals(result["hashes"], { sha256: await digestOf(expected) });
    }
  },
});

linuxTest({
  name: "clone --map: the target fails: nothing is claimed that is not there, then it goes on",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const faults = faultyPlaces("clusters", SIZE, 5);
    const bytes = diskContent(SIZE);
    const expected = await folder.write("expected", withZerosAt(bytes, faults));
    await using disk = await failingDisk(folder, await folder.write("disk", bytes), faults, {
      direct: true,
      delayMilliseconds: 2,
    });
    const beneath = await folder.write("target", patternBytes(SIZE, { seed: 7 }));
    const trigger = folder.file("fail");
    await using target = await NbdDisk.create(folder, [
      "--filter=error",
      "file",
      beneath,
      "error-pwrite=EIO",
      "error-pwrite-rate=100%",
      `error-pwrite-file=${trigger}`,
    ], { direct: true });
    const map = folder.file("clone.map");
    const args = ["clone", disk.path, target.path, "--yes", "--map", map];
    args.push("--map-interval=0.02", "--block-size=64K");
    for (let round = 0; round < ROUNDS; round++) {
      const moment = Math.random() * SIZE / 2;
      await using running = RunningCli.start(args);
      await running.until(
        `${Math.round(moment)} bytes are rescued`,
        async () => await exists(map) && await rescuedBytes(map) > moment,
      );
      await Deno.writeTextFile(trigger, "");
      const { code, stdout, stderr } = await running.end();
      assertEquals(code, 1, stderr);
      assertMatch(stdout, /FAILED: cannot (write|flush) .*\(EIO\)/);
      assertMatch(stdout, /the same command goes on, as .*clone\.map says/);
      await assertMapIsValid(map, SIZE);
      const rescued = await assertMapIsHonest(beneath, map, bytes);
      await assertNoFirstBlock(beneath);
      // Once more while it fails: nothing gets worse.
      assertEquals((await runCli(args)).code, 1);
      assertEquals(await assertMapIsHonest(beneath, map, bytes), rescued);
      await Deno.remove(trigger);
      const { code: end, stderr: last } = await runCli(args);
      assertEquals(end, 4, last);
      await run("cmp", [expected, target.path]);
      assertEquals(await areasInMap(map, "-"), faults);
      await Deno.remove(map);
    }
  },
});

linuxTest({
  name: "clone --map: a target that lies is found out, and the map does not believe it",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = diskContent(SIZE);
    await using source = await LoopDevice.create(await folder.write("source", bytes));
    const lies = folder.file("lies");
    await Deno.writeTextFile(lies, "");
    await using target = await scriptedDisk(folder, patternBytes(SIZE, { seed: 7 }), {
      pwrite: `if [ -e '${lies}' ] && [ $4 -ge ${2 * MIB} ] && [ $4 -lt ${3 * MIB} ]; ` +
        `then cat > /dev/null; else ${HONEST_PWRITE}; fi`,
    });
    const map = folder.file("clone.map");
    const args = ["clone", source.path, target.path, "--yes", "--map", map];
    const { code, stdout, stderr } = await runCli([...args, "--block-size=256K"]);
    assertEquals(code, 2, stderr);
    assertMatch(stdout, /VERIFICATION FAILED/);
    assertEquals(await areasInMap(map, "?"), [
      { offset: 0, length: MIB },
      { offset: 2 * MIB, length: MIB },
    ]);
    await Deno.remove(lies);
    const { code: end, result } = await runCli([...args, "--json"]);
    assertEquals(end, 0);
    assertEquals(result["resumedBytes"], 3 * MIB);
    await run("cmp", [source.path, target.path]);
    assert(!await exists(map));
  },
});

for (const end of ["SIGINT", "--timeout"] as const) {
  linuxTest({
    name: `clone --map: a read that hangs does not hold up ${end}, and it is gone on with`,
    ignore,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const bytes = diskContent(SIZE);
      const trigger = await folder.write("hang", "");
      await using disk = await hangingDisk(folder, bytes, 3 * MIB + 65_536, trigger);
      const beneath = await folder.write("target", patternBytes(SIZE, { seed: 7 }));
      await using target = await LoopDevice.create(beneath);
      const map = folder.file("clone.map");
      const args = ["clone", disk.path, target.path, "--yes", "--json", "--map", map];
      const options = end === "SIGINT" ? [] : ["--timeout=2"];
      await using running = RunningCli.start([...args, "--map-interval=0.05", ...options]);
      if (end === "SIGINT") {
        await running.until(
          "it has met the bad sector",
          async () => await exists(map) && (await areasInMap(map, "*/-")).length > 0,
        );
        running.signal("SIGINT");
      }
      await running.until("it says so", () => running.stdout.includes('"event":"result"'));
      await assertMapIsValid(map, SIZE);
      await assertMapIsHonest(beneath, map, bytes);
      await assertNoFirstBlock(beneath);
      const { code, result } = await running.end();
      assertEquals(code, end === "SIGINT" ? 130 : 1);
      assertMatch(JSON.stringify(result), /run the same command again to go on/);
      if (end !== "SIGINT") {
        assertMatch(JSON.stringify(result), /nothing could be read for 2 s/);
      }
      await Deno.remove(trigger);
      const again = await runCli(args);
      assertEquals(again.code, 4, again.stderr);
      const expected = withZerosAt(bytes, [{ offset: MIB - 512, length: 512 }]);
      await run("cmp", [await folder.write("expected", expected), target.path]);
    },
  });
}
