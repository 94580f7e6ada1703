/** Two runs with one map: the second is refused, whatever its image is. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { BAD_DISK_TOOLS, NbdDisk } from "../support/bad_disk.ts";
import { linuxTest } from "../support/linux_test.ts";
import { assertMapIsHonest } from "../support/rescue_disks.ts";
import { type CliResult, run, runCli, RunningCli, tryRun } from "../support/run_cli.ts";
import { exists, numberedSectorsWithZeros, TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const ignore = needs(...BAD_DISK_TOOLS, "ddrescuelog", "cmp");
const MIB = 1024 * 1024;
const SIZE = 16 * MIB;

/** A device that takes a second or more to read, and a run on it that has come somewhere. */
class SlowRun implements AsyncDisposable {
  readonly folder: TemporaryFolder;
  readonly disk: NbdDisk;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly image: string;
  readonly map: string;
  readonly running: RunningCli;

  private constructor(
    folder: TemporaryFolder,
    disk: NbdDisk,
    bytes: Uint8Array<ArrayBuffer>,
  ) {
    this.folder = folder;
    this.disk = disk;
    this.bytes = bytes;
    this.image = folder.file("card.img");
    this.map = folder.file("card.map");
    const options = ["--map", this.map, "--map-interval=0.05", "--block-size=256K"];
    this.running = RunningCli.start(["read", disk.path, this.image, ...options]);
  }

  static async start(): Promise<SlowRun> {
    const folder = await TemporaryFolder.create();
    const bytes = numberedSectorsWithZeros(SIZE);
    const file = await folder.write("slow", bytes);
    const args = ["--filter=delay", "file", file, "rdelay=20ms"];
    const slow = new SlowRun(folder, await NbdDisk.create(folder, args), bytes);
    await slow.running.until("the map knows of rescued bytes", async () => {
      const { stdout } = await tryRun("ddrescuelog", ["--list-blocks=+", slow.map]);
      return stdout !== "";
    });
    return slow;
  }

  /** What lies in the folder and in the map, while the first run stands still. */
  async state(): Promise<unknown> {
    const { ino, mtime } = await Deno.stat(this.map);
    const part = await Deno.stat(`${this.image}.part`);
    const names = await this.folder.names();
    return [names, ino, mtime, await Deno.readTextFile(this.map), part.size, part.mtime];
  }

  /** Runs a second one while the first stands still; it must change nothing. */
  async refused(args: readonly string[], message: RegExp): Promise<void> {
    this.running.signal("SIGSTOP");
    // What the system is doing for it just now is finished.
    await new Promise((resolve) => setTimeout(resolve, 100));
    const before = await this.state();
    const second: CliResult = await runCli(args);
    const after = await this.state();
    this.running.signal("SIGCONT");
    assert(this.running.isRunning, "the first one ended too early for this test");
    assertEquals(second.code, 1, second.stderr);
    assertMatch(second.stderr, message);
    assertEquals(after, before);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.running[Symbol.asyncDispose]();
    await this.disk[Symbol.asyncDispose]();
    await this.folder[Symbol.asyncDispose]();
  }
}

linuxTest({
  name: "map lock: a second run with the same map is refused, and changes nothing",
  ignore,
  async fn(): Promise<void> {
    await using slow = await SlowRun.start();
    const { folder, disk, image, map, running } = slow;
    const other = folder.file("other.img");
    const message = /error: cannot read into .*: another run is using the map .*card\.map\n/;
    await slow.refused(["read", disk.path, other, "--map", map], message);
    await slow.refused(["read", disk.path, image, "--map", map], message);
    // The same map by another name of its folder, and a source that is a file.
    const elsewhere = await TemporaryFolder.create();
    await using _elsewhere = elsewhere;
    await Deno.symlink(folder.path, elsewhere.file("link"));
    const linked = elsewhere.file("link/card.map");
    const source = folder.file("slow");
    await slow.refused(["read", source, other, "--map", linked, "--force"], message);
    // With a map of its own, it is the image that is taken.
    const own = elsewhere.file("own.map");
    await slow.refused(
      ["read", disk.path, image, "--map", own],
      /error: cannot write .*card\.img\.part: another run is writing it/,
    );
    assertEquals(await elsewhere.names(), ["link"]);

    const { code, stderr } = await running.end();
    assertEquals(code, 0, stderr);
    await run("cmp", [source, image]);
    const rest = (await folder.names()).filter((name) => /^(card|other)/.test(name));
    assertEquals(rest, ["card.img", "card.img.sha256"]);
  },
});

linuxTest({
  name: "map lock: a run that was killed leaves no lock, and its file is taken over",
  ignore,
  async fn(): Promise<void> {
    await using slow = await SlowRun.start();
    const { folder, disk, image, map, running, bytes } = slow;
    running.signal("SIGKILL");
    await running.end();
    assert(await exists(`${map}.lock`), "what a killed run leaves");
    await assertMapIsHonest(`${image}.part`, map, bytes);
    const { code, stderr } = await runCli(["read", disk.path, image, "--map", map]);
    assertEquals(code, 0, stderr);
    assertMatch(stderr, /going on with/);
    await run("cmp", [folder.file("slow"), image]);
    const rest = (await folder.names()).filter((name) => name.startsWith("card"));
    assertEquals(rest, ["card.img", "card.img.sha256"]);
  },
});

linuxTest({
  name: "map lock: after Ctrl-C the lock is given back",
  ignore,
  async fn(): Promise<void> {
    await using slow = await SlowRun.start();
    const { folder, map, running } = slow;
    running.signal("SIGINT");
    assertEquals((await running.end()).code, 130);
    assertEquals(await exists(map), true);
    const rest = (await folder.names()).filter((name) => name.startsWith("card"));
    assertEquals(rest, ["card.img.part", "card.map"]);
  },
});

linuxTest("map lock: something else of that name is not touched", async () => {
  await using folder = await TemporaryFolder.create();
  const from = await folder.write("from", numberedSectorsWithZeros(MIB));
  const lock = await folder.write("card.img.map.lock", "somebody's");
  const { code, stderr } = await runCli(["read", from, folder.file("card.img")]);
  assertEquals(code, 1, stderr);
  assertMatch(stderr, /error: cannot lock .*card\.img\.map\.lock: that is something else/);
  assertEquals(await Deno.readTextFile(lock), "somebody's");
  assertEquals(await folder.names(), ["card.img.map.lock", "from"]);
});

linuxTest("map lock: a name that something else needs is refused", async () => {
  await using folder = await TemporaryFolder.create();
  const from = await folder.write("from.lock", numberedSectorsWithZeros(MIB));
  const image = folder.file("card.lock");
  for (
    const [map, what] of [
      [folder.file("from"), "what is read"],
      [folder.file("card"), "the image"],
    ] as const
  ) {
    const args = ["read", from, image, "--map", map, "--format=raw"];
    const { code, stderr } = await runCli(args);
    assertEquals(code, 1, stderr);
    const message = `cannot use ${map}.lock for the lock of the map: it is ${what}`;
    assertStringIncludes(stderr, `error: ${message}\n`);
  }
  assertEquals(await folder.names(), ["from.lock"]);
});
