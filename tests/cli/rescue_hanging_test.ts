/**
 * Disks on which some requests are never answered. Each is a loop device past the page cache,
 * whose requests wait for each other neither in the kernel nor in the server behind it; so only
 * what touches a hanging place hangs.
 */
import { assert, assertEquals, assertMatch, assertObjectMatch } from "@std/assert";
import type { Range } from "../../src/core/range.ts";
import { FAILING_DISK_TOOLS, FailingDisk } from "../support/failing_disk.ts";
import { linuxTest } from "../support/linux_test.ts";
import { LoopDevice } from "../support/loop_device.ts";
import {
  areasInMap,
  assertMapIsHonest,
  assertMapIsValid,
  diskContent,
  withZerosAt,
} from "../support/rescue_disks.ts";
import { type CliResult, digestOf, run, RunningCli } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const ignore = needs(...FAILING_DISK_TOOLS, "ddrescuelog", "cmp");
const MIB = 1024 * 1024;
const SIZE = 2 * MIB;
const STUCK = { offset: 600_064, length: 512 };

/** A disk with the content of a file that is never answered in some places. */
async function hangingDisk(
  folder: TemporaryFolder,
  bytes: Uint8Array<ArrayBuffer>,
  hanging: readonly Range[],
  bad: readonly Range[] = [],
): Promise<FailingDisk> {
  const file = await folder.write("disk", bytes);
  const options = { file, bad, failureMilliseconds: 1, hanging };
  return await FailingDisk.create(folder, options, { direct: true });
}

/** Runs to the result; only then the disk answers, and lets the process go. */
async function runUntilResult(
  disk: FailingDisk,
  args: readonly string[],
  isResult = ({ stdout }: RunningCli) => stdout.includes('"event":"result"'),
): Promise<CliResult> {
  await using running = RunningCli.start(args);
  try {
    await running.until("it is through", () => isResult(running));
  } finally {
    await disk.relent();
  }
  return await running.end();
}

/** How many reads it told of that hung. */
function notesIn(stderr: string): number {
  return stderr.split("did not answer").length - 1;
}

/** What it told of reads that hung. */
function notesOf({ events }: CliResult): string[] {
  return events.filter(({ event }) => event === "note").map(({ message }) => String(message))
    .filter((message) => message.includes("did not answer"));
}

linuxTest({
  name: "rescue: what hangs counts as failed, and everything else is in the image",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = diskContent(SIZE);
    const hanging = [{ offset: 600_064, length: 512 }, { offset: MIB + 1024, length: 512 }];
    const bad = [{ offset: 65_536, length: 1024 }];
    await using disk = await hangingDisk(folder, bytes, hanging, bad);
    const image = folder.file("card.img");
    const ended = await runUntilResult(disk, [
      "read",
      disk.path,
      image,
      "--json",
      "--read-timeout=1",
    ]);
    const { code, result, stderr } = ended;
    assertEquals(code, 4, stderr);
    const unreadable = [...bad, ...hanging];
    const expected = await folder.write("expected", withZerosAt(bytes, unreadable));
    await run("cmp", [expected, image]);
    assertEquals(result["bad"], unreadable);
    assertEquals(result["hashes"], { sha256: await digestOf(expected) });
    await assertMapIsValid(`${image}.map`, SIZE);
    assertEquals(await areasInMap(`${image}.map`, "-"), unreadable);
    const notes = notesOf(ended);
    // In order, then by clusters, then by sectors: each of both places at least twice.
    assert(notes.length >= 5 && notes.length <= 8, notes.join("\n"));
    for (const note of notes) {
      const words =
        /^a read of (\d+) bytes at byte (\d+) of (.+) did not answer within 1 s: treated as failing$/
          .exec(note);
      const [length, offset] = [Number(words?.[1]), Number(words?.[2])];
      assertEquals(words?.[3], disk.path);
      const isStuck = hanging.some((place) =>
        place.offset >= offset && place.offset < offset + length
      );
      assert(isStuck, note);
    }
  },
});

linuxTest({
  name: "rescue: --read-timeout 0 waits for what hangs",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = diskContent(SIZE);
    const hanging = [{ offset: 600_064, length: 512 }];
    await using disk = await hangingDisk(folder, bytes, hanging);
    const image = folder.file("card.img");
    await using running = RunningCli.start(
      ["read", disk.path, image, "--json", "--read-timeout=0"],
    );
    await running.until("it hangs", async () => (await disk.counts()).hung > 0);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    assert(running.isRunning && !running.stdout.includes("rescuing"), running.stdout);
    await disk.relent();
    const ended = await running.end();
    assertEquals([ended.code, notesOf(ended)], [4, []], ended.stderr);
    assertEquals(await areasInMap(`${image}.map`, "-"), hanging);
  },
});

linuxTest({
  name: "rescue: where another device is in place of the one that hangs, it went away",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = diskContent(SIZE);
    await using disk = await hangingDisk(folder, bytes, [{ offset: 600_064, length: 512 }]);
    await using other = await LoopDevice.create(await folder.write("other", bytes));
    const path = folder.file("device");
    await Deno.symlink(disk.path, path);
    const image = folder.file("card.img");
    await using running = RunningCli.start(
      ["read", path, image, "--json", "--read-timeout=1", "--map-interval=0.05"],
    );
    await running.until("it hangs", async () => (await disk.counts()).hung > 0);
    await Deno.remove(path);
    await Deno.symlink(other.path, path);
    await running.until("it is through", () => running.stdout.includes('"event":"result"'));
    await disk.relent();
    const ended = await running.end();
    assertEquals([ended.code, notesOf(ended)], [1, []], ended.stderr);
    assertMatch(JSON.stringify(ended.result), /the device went away/);
    // Nothing is called unreadable because of that.
    assertEquals(await areasInMap(`${image}.map`, "*/-"), []);
    await assertMapIsHonest(`${image}.part`, `${image}.map`, bytes);
  },
});

/** Verbs that need the bytes in order, and what the result says of them. */
const IN_ORDER: readonly {
  readonly args: (disk: string, file: string, digest: string) => readonly string[];
  readonly said: (
    disk: string,
    places: readonly Range[],
    digest: string,
  ) => Readonly<Record<string, unknown>>;
}[] = [
  {
    args: (disk) => ["hash", disk],
    said: (_disk, bad, sha256) => ({ sources: [{ bad, hashes: { sha256 } }] }),
  },
  {
    args: (disk, file) => ["verify", disk, file],
    said: (name, ranges) => ({ unreadable: [{ name, ranges }], differing: [] }),
  },
  {
    args: (disk, file) => ["verify", file, disk],
    said: (name, ranges) => ({ unreadable: [{ name, ranges }], differing: [] }),
  },
  {
    args: (disk, _file, digest) => ["verify", disk, `--expect=sha256:${digest}`],
    said: (_disk, bad) => ({ bad, same: true }),
  },
];

for (const { args, said } of IN_ORDER) {
  linuxTest({
    name: `in order: ${args("DISK", "FILE", "HEX").join(" ")} goes on behind what hangs`,
    ignore,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      // Several chunks, so that one waits behind what hangs, and hashes have threads.
      const bytes = diskContent(20 * MIB);
      const hanging = [{ offset: 9 * MIB + 1024, length: 512 }];
      const bad = [{ offset: 13 * MIB + 512, length: 1024 }];
      await using disk = await hangingDisk(folder, bytes, hanging, bad);
      const file = await folder.write("file", bytes);
      const lost = [...hanging, ...bad];
      const digest = await digestOf(await folder.write("expected", withZerosAt(bytes, lost)));
      const ended = await runUntilResult(disk, [
        ...args(disk.path, file, digest),
        "--json",
        "--read-timeout=1",
      ]);
      assertEquals(ended.code, 4, ended.stderr);
      assertObjectMatch(ended.result, said(disk.path, lost, digest));
      assert(notesOf(ended).length >= 2, ended.stdout);
    },
  });
}

linuxTest({
  name: "in order: read to stdout goes on behind what hangs",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = diskContent(SIZE);
    await using disk = await hangingDisk(folder, bytes, [STUCK]);
    const { code, stdoutBytes, stderr } = await runUntilResult(
      disk,
      ["read", disk.path, "-", "--read-timeout=1"],
      (running) => running.stderr.includes("unreadable:"),
    );
    assertEquals(code, 4, stderr);
    const expected = await folder.write("expected", withZerosAt(bytes, [STUCK]));
    await run("cmp", [expected, await folder.write("out", stdoutBytes)]);
  },
});

for (
  const args of [
    (disk: string) => ["hash", disk],
    (disk: string, folder: string) => ["read", disk, `${folder}/card.img`],
    (disk: string, folder: string) => ["read", disk, `${folder}/card.E01`],
  ]
) {
  linuxTest({
    name: `with --on-error abort what hangs is the end: ${args("DISK", ".").join(" ")}`,
    ignore,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      await using disk = await hangingDisk(folder, diskContent(SIZE), [STUCK]);
      const { code, stderr } = await runUntilResult(
        disk,
        [...args(disk.path, folder.path), "--on-error=abort", "--read-timeout=1"],
        (running) => running.stderr.includes("error:"),
      );
      assertEquals(code, 1, stderr);
      assertMatch(stderr, /^sectorshot: error: cannot read .* \(ETIMEDOUT\)$/m);
    },
  });
}

linuxTest({
  name: "in order: Ctrl-C ends a hash while a read hangs",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    await using disk = await hangingDisk(folder, diskContent(SIZE), [STUCK]);
    await using running = RunningCli.start(["hash", disk.path, "--read-timeout=1"]);
    try {
      await running.until("reads were given up", () => notesIn(running.stderr) >= 2);
      running.signal("SIGINT");
      await running.until("it says so", () => running.stderr.includes("cancelled"));
    } finally {
      await disk.relent();
    }
    assertEquals((await running.end()).code, 130);
  },
});
