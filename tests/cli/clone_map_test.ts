/** Clones with a map: interrupted, gone on with, alone and in turns with GNU ddrescue. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { CLONE_BYTES, CloneBench } from "../support/clone_bench.ts";
import { FailingDisk } from "../support/failing_disk.ts";
import { linuxTest } from "../support/linux_test.ts";
import { LoopDevice } from "../support/loop_device.ts";
import { patternBytes } from "../support/pattern.ts";
import {
  areasInMap,
  bytesOf,
  diskContent,
  type Fault,
  FAULTS,
  faultyPlaces,
  RESCUE_DISK_TOOLS,
  withZerosAt,
} from "../support/rescue_disks.ts";
import { digestOf, run, runCli, RunningCli } from "../support/run_cli.ts";
import { exists, TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const ignore = needs(...RESCUE_DISK_TOOLS, "cmp", "sha256sum");
const ignoreTurns = ignore || needs("ddrescue");
const MIB = 1024 * 1024;

/** How often a clone is killed; a long run asks for more. */
const KILLS = Number(Deno.env.get("SECTORSHOT_KILLS") ?? "4");

/** What the disks have that a clone is killed on. */
const KILLED_ON: readonly Fault[] = KILLS > 6 ? FAULTS : ["clusters"];

/** Sectors that cannot be read: in the first block, and in the middle. */
const IN_FIRST_BLOCK = { offset: 3 * 512, length: 512 };
const IN_THE_MIDDLE = { offset: 2 * MIB + 7 * 512, length: 5 * 512 };
const LOST = [IN_FIRST_BLOCK, IN_THE_MIDDLE];

linuxTest({
  name: "clone --map: killed (-9) at random moments, the map is right every time",
  ignore,
  async fn(): Promise<void> {
    for (const fault of KILLED_ON) {
      const faults = faultyPlaces(fault, CLONE_BYTES);
      await using bench = await CloneBench.create(faults, { delayMilliseconds: 1 });
      const whole = performance.now();
      await bench.clone(4);
      const milliseconds = performance.now() - whole;
      await bench.assertCloned(faults);
      await Deno.remove(bench.map);
      const moments: number[] = [];
      for (let attempt = 0; attempt < 20 * KILLS; attempt++) {
        const isLast = moments.length >= KILLS / KILLED_ON.length;
        const moment = isLast ? undefined : Math.random() * milliseconds;
        await using running = RunningCli.start(bench.args("--block-size=64K"));
        const timer = setTimeout(() => running.signal("SIGKILL"), moment ?? 60_000);
        const { code, stderr } = await running.end();
        clearTimeout(timer);
        if (code === 137) moments.push(Math.round(moment ?? Infinity));
        else assertEquals(code, 4, `${moments}\n${stderr}`);
        const story = `${fault}, killed after ${moments} ms`;
        if (await exists(bench.map)) await bench.assertHonest(story);
        if (code === 4) await bench.assertCloned(faults, story);
        if (isLast) break;
      }
      assert(moments.length >= KILLS / KILLED_ON.length, "it was not killed");
    }
  },
});

linuxTest({
  name: "clone --map: Ctrl-C, then the same command goes on and reads only what is missing",
  ignore,
  async fn(): Promise<void> {
    await using bench = await CloneBench.create([], { delayMilliseconds: 5 });
    const { code, stderr } = await bench.interrupt("SIGINT", MIB);
    assertEquals(code, 130, stderr);
    assertMatch(stderr, /run the same command again to go on/);
    await bench.assertNoFirstBlock();
    const rescued = await bench.assertHonest();
    assert(rescued < CLONE_BYTES);
    const { result } = await bench.clone(0, "--json", "--hash=md5,sha256");
    await bench.assertCloned([]);
    // The first MiB was read, too, and is kept beside the map.
    assertEquals(result["resumedBytes"], rescued + MIB);
    assertEquals(result["hashes"], {
      md5: await digestOf(bench.folder.file("source"), "md5"),
      sha256: await digestOf(bench.folder.file("source")),
    });
    assertEquals([result["map"], result["notComparedBytes"], result["badBytes"]], [null, 0, 0]);
    const [target] = result["targets"] as { verified: boolean; outcome: string }[];
    assertEquals([target?.outcome, target?.verified], ["done", true]);
  },
});

linuxTest({
  name: "clone --map: nothing that was rescued is read from the source again",
  ignore: ignoreTurns || needs("nbdfuse"),
  async fn(): Promise<void> {
    await using bench = await CloneBench.create([]);
    const options = { file: bench.folder.file("source"), bad: LOST, failureMilliseconds: 1 };
    await using disk = await FailingDisk.create(bench.folder, options, { direct: true });
    await run("ddrescue", ["-q", "-d", "-f", "-n", disk.path, bench.target, bench.map]);
    const rescued = bytesOf(await areasInMap(bench.map, "+"));
    assert(rescued > 3 * MIB, `${rescued} bytes`);
    await disk.counts();
    const args = ["clone", disk.path, bench.target, "--yes", "--map", bench.map];
    const { code, stderr } = await runCli([...args, "--no-verify"]);
    assertEquals(code, 4, stderr);
    await bench.assertCloned(LOST);
    // What is missing, and some places that prove that it is the same disk.
    const { bytes } = await disk.counts();
    assert(bytes <= CLONE_BYTES - rescued + 4 * 64 * 1024, `${bytes} bytes were read`);
  },
});

for (const signal of ["SIGINT", "SIGKILL"] as const) {
  linuxTest({
    name: `clone --map: GNU ddrescue goes on with ours after ${signal}, and we with its`,
    ignore: ignoreTurns,
    async fn(): Promise<void> {
      await using bench = await CloneBench.create(LOST, { delayMilliseconds: 2 });
      await bench.interrupt(signal, MIB);
      await bench.assertNoFirstBlock();
      const ours = await bench.assertHonest();
      await run("ddrescue", ["-q", "-d", "-f", bench.source, bench.target, bench.map]);
      // It fills nothing in: only what it calls rescued is there, the first MiB too.
      assertEquals(await bench.assertHonest(), CLONE_BYTES - bytesOf(LOST));
      assertEquals(await areasInMap(bench.map, "-"), LOST);
      assert(ours < CLONE_BYTES);
      const { result } = await bench.clone(4, "--json");
      assertEquals(result["resumedBytes"], CLONE_BYTES - bytesOf(LOST));
      await bench.assertCloned(LOST);
      assertEquals(result["bad"], LOST);
    },
  });
}

linuxTest({
  name: "clone --map: what GNU ddrescue began is gone on with",
  ignore: ignoreTurns,
  async fn(): Promise<void> {
    const faults = faultyPlaces("clusters", CLONE_BYTES);
    await using bench = await CloneBench.create(faults);
    await run("ddrescue", [
      ...["-q", "-d", "-f", "--no-trim", "--no-scrape"],
      ...[bench.source, bench.target, bench.map],
    ]);
    assert((await areasInMap(bench.map, "*")).length > 0, "nothing was left to do");
    const rescued = bytesOf(await areasInMap(bench.map, "+"));
    const { result } = await bench.clone(4, "--json");
    assertEquals(result["resumedBytes"], rescued);
    await bench.assertCloned(faults);
    const path = await bench.folder.write("whole", withZerosAt(bench.bytes, faults));
    assertEquals(result["hashes"], { sha256: await digestOf(path) });
  },
});

linuxTest({
  name: "clone --map: --retries tries unreadable sectors again, and writes only those",
  ignore,
  async fn(): Promise<void> {
    await using bench = await CloneBench.create(LOST);
    await bench.clone(4);
    await bench.assertCloned(LOST);
    await bench.putIn([IN_THE_MIDDLE]);
    // A place that was rescued is not written again, so this is not put right.
    const place = 3 * MIB + 8192;
    await bench.changeTarget(place, new Uint8Array([1, 2, 3]));
    const { stdout } = await bench.clone(4, "--retries=1", "--no-verify");
    assertStringIncludes(stdout, "written, not verified");
    const target = await Deno.readFile(bench.targetFile);
    assertEquals(target.slice(place, place + 3), new Uint8Array([1, 2, 3]));
    await bench.changeTarget(place, bench.bytes.slice(place, place + 3));
    await bench.assertCloned([IN_THE_MIDDLE]);
    await bench.putIn([]);
    await bench.clone(0, "--retries=1");
    await bench.assertCloned([]);
  },
});

linuxTest({
  name: "clone --map: what differs from the source is found, and put right by the next run",
  ignore: ignoreTurns,
  async fn(): Promise<void> {
    await using bench = await CloneBench.create([]);
    await run("ddrescue", ["-q", "-d", "-f", bench.source, bench.target, bench.map]);
    const place = { offset: 2 * MIB + 512 * 1024, length: 512 };
    await bench.changeTarget(place.offset + 5, new Uint8Array([1, 2, 3]));
    const { stdout } = await bench.clone(2);
    assertStringIncludes(stdout, "VERIFICATION FAILED");
    await bench.assertNoFirstBlock();
    await bench.assertHonest();
    assertEquals(await areasInMap(bench.map, "?"), [{ offset: 0, length: MIB }, place]);
    await bench.clone(0);
    await bench.assertCloned([]);
  },
});

/** The end of the last area that a map calls rescued. */
async function lastRescued(map: string): Promise<number> {
  const last = (await areasInMap(map, "+")).at(-1);
  return last === undefined ? 0 : last.offset + last.length;
}

for (const from of ["the target", "an interrupted run"] as const) {
  linuxTest({
    name: `clone --map: a first MiB that only ${from} has is not lost by a kill`,
    ignore: ignoreTurns,
    async fn(): Promise<void> {
      await using bench = await CloneBench.create([], { delayMilliseconds: 5 });
      if (from === "the target") {
        const half = `--size=${CLONE_BYTES / 2}`;
        await run("ddrescue", ["-q", "-d", "-f", half, bench.source, bench.target, bench.map]);
      } else await bench.interrupt("SIGKILL", MIB / 2);
      const dead = [{ offset: 0, length: MIB }];
      await bench.putIn(dead, { delayMilliseconds: 5 });
      const before = await lastRescued(bench.map);
      await using running = RunningCli.start(bench.args("--block-size=64K"));
      await running.until("more is read", async () => await lastRescued(bench.map) > before);
      running.signal("SIGKILL");
      await running.end();
      await bench.assertNoFirstBlock();
      const { result } = await bench.clone(4, "--json", "--block-size=256K");
      assertEquals(result["notCompared"], dead);
      assertEquals(result["badBytes"], 0);
      await run("cmp", [bench.folder.file("source"), bench.target]);
      await bench.putIn([]);
      await bench.clone(0);
      await bench.assertCloned([]);
    },
  });
}

linuxTest({
  name: "clone --map: a kept first MiB that is damaged, or another clone's, is not used",
  ignore,
  async fn(): Promise<void> {
    await using bench = await CloneBench.create([], { delayMilliseconds: 5 });
    await bench.interrupt("SIGKILL", MIB / 2);
    const file = `${bench.map}.first`;
    const content = await Deno.readFile(file);
    const head = content.indexOf(0x0a) + 1;
    assertEquals(content.subarray(head), bench.bytes.subarray(0, MIB));
    const changed = content.slice();
    changed[head + 700_000] = (changed[head + 700_000] ?? 0) ^ 1;
    const text = new TextDecoder().decode(content.subarray(0, head));
    const another = new TextEncoder().encode(text.replace('"model":null', '"model":"x"'));
    for (
      const damaged of [
        changed,
        content.slice(0, -1),
        content.slice(0, 10),
        new Uint8Array(),
        new Uint8Array([...another, ...content.subarray(head)]),
      ]
    ) {
      const before = await Deno.readFile(bench.map);
      await Deno.writeFile(file, damaged);
      const rescued = await bench.rescuedBytes();
      const { result } = await bench.clone(0, "--json");
      assertEquals(result["resumedBytes"], rescued);
      await bench.assertCloned([]);
      await Deno.writeFile(bench.map, before);
    }
  },
});

linuxTest({
  name: "clone --map: what the source does not read any more is not compared, and named",
  ignore: ignoreTurns,
  async fn(): Promise<void> {
    await using bench = await CloneBench.create([]);
    await run("ddrescue", ["-q", "-d", "-f", bench.source, bench.target, bench.map]);
    // The first block, too: it is on the target, and is not asked of the source.
    const dead = [{ offset: 0, length: 64 * 1024 }, { offset: 3 * MIB, length: 4096 }];
    await bench.putIn(dead);
    const { result } = await bench.clone(4, "--json", "--block-size=512K");
    const half = MIB / 2;
    assertEquals(result["notCompared"], [
      { offset: 0, length: half },
      { offset: 3 * MIB, length: half },
    ]);
    assertEquals([result["notComparedBytes"], result["badBytes"]], [MIB, 0]);
    const [target] = result["targets"] as { verified: boolean }[];
    assertEquals(target?.verified, false);
    await run("cmp", [bench.folder.file("source"), bench.target]);
    assertEquals(await bench.assertHonest(), CLONE_BYTES);
    const { stdout } = await bench.clone(4, "--block-size=512K");
    assertMatch(stdout, /written, and verified but for 1,048,576 bytes/);
    assertMatch(stdout, /does not read there any more: 2 areas/);
    await bench.putIn([]);
    await bench.clone(0);
    await bench.assertCloned([]);
  },
});

linuxTest({
  name: "clone --map: a map of another source or target is refused, and nothing is changed",
  ignore,
  async fn(): Promise<void> {
    await using bench = await CloneBench.create([], { delayMilliseconds: 5 });
    await bench.interrupt("SIGKILL", MIB);
    const { folder } = bench;
    const disk = async (name: string, bytes: Uint8Array): Promise<LoopDevice> =>
      await LoopDevice.create(await folder.write(name, bytes));
    await using longer = await disk("longer", diskContent(CLONE_BYTES + 4096));
    await using other = await disk("other", diskContent(CLONE_BYTES, 99));
    await using large = await disk("large", patternBytes(CLONE_BYTES + MIB));
    await using twin = await disk("twin", patternBytes(CLONE_BYTES, { seed: 8 }));
    const image = folder.file("card.img");
    const imageMap = `${image}.map`;
    for (
      const [source, target, message, map = bench.map] of [
        [longer.path, large.path, /it covers 4194304 bytes, and 4198400 are cloned/],
        [other.path, bench.target, /is not the same on .* near byte/],
        [bench.source, large.path, /does not belong to .*: its size was 4194304/],
        [bench.source, twin.path, /is not the same on .* near byte/],
        [bench.source, twin.path, /it is the map of an image/, imageMap],
      ] as const
    ) {
      if (map === imageMap) {
        await using running = RunningCli.start(
          ["read", bench.source, image, "--map-interval=0.02", "--block-size=64K"],
        );
        await running.until(
          "a part is read",
          async () => await exists(map) && bytesOf(await areasInMap(map, "+")) > MIB,
        );
        running.signal("SIGKILL");
        await running.end();
      }
      const before = [await digestOf(target), await digestOf(map)];
      const args = ["clone", source, target, "--yes", "--map", map];
      const { code, stderr } = await runCli(args);
      assertEquals(code, 1, stderr);
      assertMatch(stderr, message);
      assertMatch(stderr, /^sectorshot: hint: /m);
      assertEquals([await digestOf(target), await digestOf(map)], before, stderr);
    }
    await bench.clone(0);
    await bench.assertCloned([]);
  },
});

linuxTest({
  name: "clone --map: what a fitted table changed is not called rescued",
  ignore: ignore || needs("sfdisk", "bash"),
  async fn(): Promise<void> {
    const lost = [{ offset: 2 * MIB, length: 512 }];
    await using folder = await TemporaryFolder.create();
    const card = await folder.write("card", diskContent(CLONE_BYTES));
    const layout = "label: gpt\nstart=2048, size=4096\n";
    await run("bash", ["-c", `printf '${layout}' | sfdisk -q --wipe never ${card}`]);
    const bytes = await Deno.readFile(card);
    await using bench = await CloneBench.create(lost, {}, { bytes, targetBytes: 6 * MIB });
    for (const options of [[], ["--retries=1"], ["--retries=1"]]) {
      await bench.clone(4, "--expand", ...options);
      await bench.assertHonest();
      const table = await run("sfdisk", ["--dump", bench.target]);
      assertMatch(table, /start= +2048, size= +8192/);
      await run("sfdisk", ["--verify", bench.target]);
    }
  },
});

linuxTest({
  name: "clone --map --domain: only these places, and no first block before all is there",
  ignore,
  async fn(): Promise<void> {
    await using bench = await CloneBench.create(LOST);
    const domain = await bench.folder.write(
      "domain.map",
      `0 + 1\n0 ${2 * MIB} ?\n${2 * MIB} ${MIB} +\n${3 * MIB} ${MIB} ?\n`,
    );
    const { result } = await bench.clone(4, "--json", "--domain", domain);
    assertEquals(result["pendingBytes"], 3 * MIB);
    await bench.assertNoFirstBlock();
    assertEquals(await bench.assertHonest(), MIB - 5 * 512);
    const { stdout } = await bench.clone(4, "--domain", domain);
    assertMatch(stdout, /not complete, and without its first block: 3,145,728 bytes/);
    await bench.clone(4);
    await bench.assertCloned(LOST);
  },
});

linuxTest({
  name: "clone: the options of the rescue work without a map, too",
  ignore,
  async fn(): Promise<void> {
    await using bench = await CloneBench.create(LOST);
    const plain = ["clone", bench.source, bench.target, "--yes", "--json"];
    for (
      const [options, code] of [
        [["--no-scrape", "--no-trim", "--skip-size=64K,1M"], 4],
        [["--reverse", "--retries=1", "--pause-on-error=0.01"], 4],
        [["--on-error=zero"], 4],
        [["--on-error=zero", "--fill=marker"], 4],
        [["--fill=marker"], 4],
        [["--on-error=abort"], 1],
        [["--max-bad-areas=0"], 1],
      ] as const
    ) {
      const { code: got, result, stderr } = await runCli([...plain, ...options]);
      assertEquals(got, code, `${options}\n${stderr}`);
      const target = await Deno.readFile(bench.targetFile);
      if (code === 1) {
        assertEquals(target.subarray(0, MIB).findIndex((byte) => byte !== 0), -1);
        assertMatch(JSON.stringify(result), /cannot read|gave up reading/);
        continue;
      }
      const bad = result["bad"] as { offset: number; length: number }[];
      const isMarked = options.some((option) => option === "--fill=marker");
      const isLeft = options.some((option) => option === "--no-trim");
      if (isLeft) assert(bytesOf(bad) > bytesOf(LOST), `${bytesOf(bad)} bytes`);
      else assertEquals(bad, LOST, `${options}`);
      const first = bad[0] ?? { offset: 0, length: 0 };
      const text = new TextDecoder().decode(target.subarray(first.offset, first.offset + 40));
      assertEquals(text.startsWith("sectorshot: unreadable sector 3 of"), isMarked, text);
      const read = withZerosAt(bench.bytes, bad);
      assertEquals(withZerosAt(target, bad).every((byte, at) => byte === read[at]), true);
      assertEquals(result["hashes"], { sha256: await digestOf(bench.targetFile) });
      assertEquals(result["map"], null);
    }
  },
});

linuxTest({
  name: "clone --map: names and options that make no sense are refused",
  ignore,
  async fn(): Promise<void> {
    await using bench = await CloneBench.create([]);
    const { folder, source, target } = bench;
    const before = await digestOf(target);
    await folder.folder("folder");
    const packed = folder.file("packed.gz");
    await run("bash", ["-c", `gzip -c ${folder.file("source")} > ${packed}`]);
    for (
      const [args, message] of [
        [[source, target, "--map", "/dev/clone.map"], /\/dev is for devices/],
        [[source, target, "--map", source], /no ordinary file/],
        [[source, target, "--map", folder.file("folder")], /no ordinary file/],
        [[source, target, "--map", folder.file("none/x")], /there is no folder/],
        [[source, target, "--map", bench.targetFile], /is what .* is made of/],
        [[folder.file("source"), target, "--map", folder.file("source")], /is what is read/],
        [[source, target, "--domain", bench.map], /--domain without --map/],
        [[source, target, "--map-interval=1"], /--map-interval without --map/],
        [[source, target, "--map", bench.map, "--map-interval=0"], /--map-interval 0/],
        [[packed, target, "--map", bench.map], /cannot use --map: the source is read once/],
        [[packed, target, "--retries=1"], /cannot use --retries: the source is read once/],
      ] as const
    ) {
      const { code, stderr } = await runCli(["clone", ...args, "--yes"]);
      assertEquals(code, 1, stderr);
      assertMatch(stderr, message);
      assertEquals(await digestOf(target), before, stderr);
      assert(!await exists(bench.map), stderr);
    }
  },
});
