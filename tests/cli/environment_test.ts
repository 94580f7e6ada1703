/** What the world around does to it: full disks, pipes that close, programs that listen. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { linuxTest } from "../support/linux_test.ts";
import { BAD_DISK_TOOLS, NbdDisk } from "../support/bad_disk.ts";
import { LoopDevice } from "../support/loop_device.ts";
import { CLI, digestOf, run, runCli, RunningCli, tryRun } from "../support/run_cli.ts";
import { exists, Mounted, numberedSectors, TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const ignoreMount = needs("root", "mount", "umount", "sha256sum", "cmp");
const MIB = 1024 * 1024;

for (const interval of [[], ["--map-interval=0.01", "--block-size=64K"]]) {
  linuxTest({
    name: `a full disk: the part stays and goes on elsewhere ${interval.join(" ")}`,
    ignore: ignoreMount || needs("ddrescuelog"),
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const from = await folder.write("from", numberedSectors(12 * MIB));
      const small = await folder.folder("small");
      await using _full = await Mounted.memory(small, 6 * MIB);
      const image = `${small}/card.img`;
      const { code, stderr } = await runCli(["read", from, image, ...interval]);
      assertEquals(code, 1, stderr);
      assertMatch(stderr, /^sectorshot: error: .*\(ENOSPC\)/m);
      assertMatch(stderr, /^sectorshot: hint: free some room, or choose another folder/m);
      assert(!/\.ts:\d/.test(stderr), stderr);
      assert(!await exists(image));
      assertEquals((await tryRun("ddrescuelog", ["-t", `${image}.map`])).code, 0);

      const large = await folder.folder("large");
      await run("cp", ["--sparse=always", `${image}.part`, `${image}.map`, large]);
      const resumed = await runCli(["read", from, `${large}/card.img`, "--json"]);
      assertEquals(resumed.code, 0, resumed.stderr);
      await run("cmp", [from, `${large}/card.img`]);
      assertEquals(resumed.result["hashes"], { sha256: await digestOf(from) });
      if (interval.length > 0) assert(Number(resumed.result["resumedBytes"]) > 0);
    },
  });
}

linuxTest({
  name: "a full disk: the same command goes on when there is room again",
  ignore: ignoreMount,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const from = await folder.write("from", numberedSectors(12 * MIB));
    const small = await folder.folder("small");
    await using _full = await Mounted.memory(small, 6 * MIB);
    const args = ["read", from, `${small}/card.img`];
    assertEquals((await runCli(args)).code, 1);
    await run("mount", ["-o", `remount,size=${16 * MIB}`, small]);
    const { code, stderr } = await runCli(args);
    assertEquals(code, 0, stderr);
    await run("cmp", [from, `${small}/card.img`]);
  },
});

linuxTest({
  name: "a full disk: an image does not get its name before its digests are there",
  ignore: ignoreMount,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const from = await folder.write("from", numberedSectors(4 * MIB));
    const small = await folder.folder("small");
    // Room for the image and a page for the map, but not for two digests.
    await using _full = await Mounted.memory(small, 4 * MIB + 4096);
    const image = `${small}/card.img`;
    const args = ["read", from, image, "--hash=md5,sha256"];
    const { code, stderr } = await runCli(args);
    assertEquals(code, 1, stderr);
    assertMatch(stderr, /^sectorshot: error: .*\(ENOSPC\)/m);
    assert(!await exists(image), "the image is there without its digests");

    await run("mount", ["-o", `remount,size=${5 * MIB}`, small]);
    const resumed = await runCli(args);
    assertEquals(resumed.code, 0, resumed.stderr);
    await run("cmp", [from, image]);
    for (const name of ["md5", "sha256"]) {
      await run(`${name}sum`, ["--check", "--strict", `card.img.${name}`], { cwd: small });
    }
  },
});

linuxTest({
  name: "a read-only folder is an error before anything is read",
  ignore: ignoreMount,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const from = await folder.write("from", numberedSectors(MIB));
    const place = await folder.folder("ro");
    await using _mounted = await Mounted.memory(place, MIB);
    await run("mount", ["-o", "remount,ro", place]);
    const { code, stderr } = await runCli(["read", from, `${place}/card.img`]);
    assertEquals(code, 1);
    assertMatch(stderr, /^sectorshot: error: cannot create .*\(EROFS\)$/m);
    assertMatch(stderr, /^sectorshot: hint: /m);
  },
});

linuxTest("a reader of stdout that goes away ends it with 1, and no stack trace", async () => {
  await using folder = await TemporaryFolder.create();
  const from = await folder.write("from", numberedSectors(32 * MIB));
  const line = 'set -o pipefail; "${@:2}" read "$1" - | head -c 1000 | wc -c';
  const { code, stdout, stderr } = await tryRun("bash", ["-c", line, "bash", from, ...CLI]);
  assertEquals(stdout.trim(), "1000");
  assertEquals(code, 1, stderr);
  assertMatch(stderr, /^sectorshot: error: cannot write to stdout: /m);
  assertMatch(stderr, /^sectorshot: hint: the program that reads the output ended early$/m);
  assert(!/\.ts:\d/.test(stderr), stderr);
});

linuxTest("a reader of the events that goes away does not spoil the image", async () => {
  await using folder = await TemporaryFolder.create();
  const from = await folder.write("from", numberedSectors(8 * MIB));
  const image = folder.file("card.img");
  await using running = RunningCli.start(["read", from, image, "--json"]);
  await running.closeStdout();
  const { code, stderr } = await running.end();
  assertEquals(code, 1, stderr);
  assert(!/\.ts:\d/.test(stderr), stderr);
  await run("cmp", [from, image]);
});

linuxTest("list into a closed pipe ends without a stack trace", async () => {
  await using running = RunningCli.start(["list", "--all"]);
  await running.closeStdout();
  const { code, stderr } = await running.end();
  assertEquals(code, 1);
  assert(!/\.ts:\d|bug/.test(stderr), stderr);
});

linuxTest("--quiet: no progress and no notes, but warnings, errors and results", async () => {
  await using folder = await TemporaryFolder.create();
  const from = await folder.write("from", numberedSectors(MIB));
  const image = folder.file("card.img");
  const good = await runCli(["read", from, image, "--quiet"]);
  assertEquals([good.code, good.stderr], [0, ""]);
  assertMatch(good.stdout, /^sha256: [0-9a-f]{64}$/m);
  const bad = await runCli(["read", from, image, "--quiet"]);
  assertMatch(bad.stderr, /^sectorshot: error: .*it exists$/m);
});

for (
  const [options, noColor, colored] of [
    [[], "", false],
    [["--color=auto"], "", false],
    [["--color=always"], "", true],
    [["--color=never"], "", false],
    // What is said for this one run counts more than what is said for all programs.
    [["--color=always"], "1", true],
  ] as const
) {
  const name = `colors: ${options.join("") || "no option"}, NO_COLOR="${noColor}", in a pipe`;
  linuxTest(`${name}: ${colored ? "some" : "none"}`, async () => {
    const { stderr } = await runCli(["info", "/missing", ...options], {
      env: { NO_COLOR: noColor },
    });
    assertEquals(stderr.includes("\x1b["), colored, stderr);
  });
}

linuxTest({
  name: "--json: every line is an event, and progress counts up to the result",
  ignore: needs(...BAD_DISK_TOOLS),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const file = await folder.write("slow", numberedSectors(12 * MIB));
    const filter = ["--filter=delay", "file", file, "rdelay=40ms"];
    await using disk = await NbdDisk.create(folder, filter);
    const image = folder.file("card.img");
    const args = ["read", disk.path, image, "--json", "--block-size=128K"];
    const { code, events, stderr } = await runCli(args);
    assertEquals(code, 0, stderr);
    assertEquals(stderr, "");
    assertEquals(events[0], { event: "phase", title: `reading ${disk.path}` });
    const progress = events.filter(({ event }) => event === "progress");
    assert(progress.length > 0, "it was over too early to tell");
    const done = progress.map((event) => Number(event["doneBytes"]));
    assertEquals(done, done.toSorted((a, b) => a - b));
    for (const event of progress) assertEquals(event["totalBytes"], 12 * MIB);
    const last = events.at(-1);
    assertEquals(
      [last?.event, last?.["command"], last?.["exitCode"], last?.["bytes"]],
      ["result", "read", 0, 12 * MIB],
    );
    assertEquals(events.filter(({ event }) => event === "result").length, 1);
  },
});

linuxTest({
  name: "--json: a verb that fails after events ends with a result, too",
  ignore: needs("root", "losetup"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", numberedSectors(2 * MIB));
    await using small = await LoopDevice.create(
      await folder.write("small", new Uint8Array(MIB)),
    );
    const { code, events, result } = await runCli([
      "write",
      image,
      small.path,
      "--yes",
      "--json",
    ]);
    assertEquals(code, 1);
    assert(events.length > 1);
    assertEquals([result.event, result["exitCode"]], ["result", 1]);
    assertMatch(JSON.stringify(result["error"]), /larger by/);
  },
});

for (const options of [[], ["--block-size=16M"]]) {
  linuxTest({
    name: `memory stays under 250 MiB with every hash ${options.join(" ")}`,
    ignore: needs("time"),
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const from = await folder.write("from", numberedSectors(MIB));
      await Deno.truncate(from, 384 * MIB);
      const hash = "--hash=md5,sha1,sha256,sha512,blake3";
      const args = ["read", from, folder.file("card.img"), hash, ...options];
      const prefix = ["time", "--format=peak %M KiB"];
      const { code, stderr } = await runCli(args, { prefix });
      assertEquals(code, 0, stderr);
      const peakKib = Number(/^peak (\d+) KiB$/m.exec(stderr)?.[1]);
      assert(peakKib < 250 * 1024, stderr);
    },
  });
}

linuxTest("a copy goes on when whoever read its messages went away", async () => {
  await using folder = await TemporaryFolder.create();
  const from = await folder.write("from", numberedSectors(4 * MIB));
  // A file source is said to be gone on with: a note, to a pipe that nobody reads.
  const image = folder.file("card.img");
  const cli = CLI.map((word) => `'${word}'`).join(" ");
  const { code } = await tryRun("bash", [
    "-c",
    `{ (sleep 1; cat "$1") | { ${cli} read - "$2" --map-interval 0.01 2>&3; echo $? >"$3"; }; } 3> >(true)`,
    "bash",
    from,
    image,
    folder.file("code"),
  ]);
  assertEquals(code, 0);
  assertEquals((await Deno.readTextFile(folder.file("code"))).trim(), "0");
  await run("cmp", [from, image]);
});

linuxTest("a result that cannot be written is an error, not a stack trace", async () => {
  const cli = CLI.map((word) => `'${word}'`).join(" ");
  for (const option of ["", "--json"]) {
    const { code, stderr } = await tryRun("bash", ["-c", `${cli} list ${option} > /dev/full`]);
    assertEquals(code, 1, stderr);
    assertMatch(stderr, /^sectorshot: error: cannot write to stdout: /m);
    assert(!/\.ts:\d/.test(stderr), stderr);
  }
});

linuxTest(
  "a failure does not wait for a program that writes to stdin and is idle",
  async () => {
    await using folder = await TemporaryFolder.create();
    const cli = CLI.map((word) => `'${word}'`).join(" ");
    // `timeout` would end it with 124.
    const { code, stderr } = await tryRun("bash", [
      "-c",
      `(head -c 9M /dev/zero; sleep 12) | timeout 9 ${cli} read - - > /dev/full`,
    ], { cwd: folder.path });
    assertEquals(code, 1, stderr);
  },
);

linuxTest("events that cannot be written do not stop a copy, and end it with 1", async () => {
  await using folder = await TemporaryFolder.create();
  const from = await folder.write("from", numberedSectors(4 * MIB));
  const cli = CLI.map((word) => `'${word}'`).join(" ");
  // Long enough for events that a timer writes.
  const { code, stderr } = await tryRun("bash", [
    "-c",
    `(head -c 1M "$1"; sleep 2.5; tail -c +1048577 "$1") | ${cli} read - "$2" --json > /dev/full`,
    "bash",
    from,
    folder.file("card.img"),
  ]);
  assertEquals(code, 1, stderr);
  assertMatch(stderr, /^sectorshot: error: cannot write to stdout: /m);
  assert(!/\.ts:\d/.test(stderr), stderr);
  await run("cmp", [from, folder.file("card.img")]);
});
