/** Failing disks for those who need their bytes in order: hash, verify, and read to stdout. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type ByteRange, NbdDisk } from "../support/bad_disk.ts";
import { linuxTest } from "../support/linux_test.ts";
import {
  bytesOf,
  diskContent,
  failingDisk,
  type FailingFileOptions,
  faultyPlaces,
  RESCUE_DISK_TOOLS,
  roundedToPages,
  withZerosAt,
} from "../support/rescue_disks.ts";
import { type CliResult, digestOf, run, runCli } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const ignore = needs(...RESCUE_DISK_TOOLS, "cmp", "sha256sum");
const MIB = 1024 * 1024;
const SIZE = 3 * MIB;
const CLUSTERS = faultyPlaces("clusters", SIZE, 2);
const SCATTERED = faultyPlaces("scattered", SIZE, 2);
const DEAD = faultyPlaces("dead", SIZE, 2);

/** A failing disk, and the file with its content. */
class Bench implements AsyncDisposable {
  readonly folder: TemporaryFolder;
  readonly bytes = diskContent(SIZE);
  /** The content, without faults. */
  readonly file: string;
  #disk: NbdDisk | undefined;

  private constructor(folder: TemporaryFolder) {
    this.folder = folder;
    this.file = folder.file("disk.img");
  }

  static async create(
    faults: readonly ByteRange[],
    options: FailingFileOptions = {},
  ): Promise<Bench> {
    const bench = new Bench(await TemporaryFolder.create());
    await bench.folder.write("disk.img", bench.bytes);
    bench.#disk = await failingDisk(bench.folder, bench.file, faults, {
      direct: true,
      ...options,
    });
    return bench;
  }

  get device(): string {
    return this.#disk?.path ?? "";
  }

  /** The digest of what can be read when these places cannot be. */
  async digestWithout(lost: readonly ByteRange[]): Promise<string> {
    return await digestOf(
      await this.folder.write("expected", withZerosAt(this.bytes, lost)),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#disk?.[Symbol.asyncDispose]();
    await this.folder[Symbol.asyncDispose]();
  }
}

/** The one source in the result of `hash --json`. */
function hashed(
  { result }: CliResult,
): { hashes: unknown; badBytes: number; bad: ByteRange[] } {
  const [only] = result["sources"] as [ReturnType<typeof hashed>];
  return only;
}

for (
  const options of [
    [],
    ["--block-size=64K"],
    ["--on-error=zero"],
    ["--retries=1", "--timeout=60"],
  ]
) {
  linuxTest({
    name: `in order: hash ${options.join(" ")} loses exactly the bad sectors, exit code 4`,
    ignore,
    async fn(): Promise<void> {
      for (const faults of [CLUSTERS, DEAD]) {
        await using bench = await Bench.create(faults);
        const result = await runCli(["hash", bench.device, "--json", ...options]);
        assertEquals(result.code, 4, result.stderr);
        const { hashes, badBytes, bad } = hashed(result);
        assertEquals([badBytes, bad], [bytesOf(faults), faults]);
        assertEquals(hashes, { sha256: await bench.digestWithout(faults) });
      }
    },
  });
}

for (const [retries, code] of [[0, 4], [1, 4], [8, 0]] as const) {
  linuxTest({
    name: `in order: hash --retries ${retries} of a sector that can be read at the ninth try`,
    ignore,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const bytes = diskContent(SIZE);
      const file = await folder.write("disk", bytes);
      const tries = await folder.write("tries", "");
      const bad = 1_000_448;
      const pread = `if [ $4 -le ${bad} ] && [ $(($4 + $3)) -gt ${bad} ]; then ` +
        `printf x >> '${tries}'; ` +
        `if [ $(wc -c < '${tries}') -lt 9 ]; then echo EIO bad >&2; exit 1; fi; fi; ` +
        `dd if='${file}' bs=64K iflag=skip_bytes,count_bytes,fullblock status=none ` +
        "skip=$4 count=$3";
      await using disk = await NbdDisk.create(
        folder,
        ["eval", `get_size=echo ${SIZE}`, `pread=${pread}`],
        { direct: true },
      );
      const result = await runCli(["hash", disk.path, "--json", `--retries=${retries}`]);
      assertEquals(result.code, code, result.stderr);
      const lost = code === 0 ? [] : [{ offset: bad, length: 512 }];
      assertEquals(hashed(result).bad, lost);
      const expected = await folder.write("expected", withZerosAt(bytes, lost));
      assertEquals(hashed(result).hashes, { sha256: await digestOf(expected) });
    },
  });
}

linuxTest({
  name: "in order: hash --no-scrape leaves what it does not try, and says all of it",
  ignore,
  async fn(): Promise<void> {
    await using bench = await Bench.create(DEAD);
    for (const options of [["--no-scrape"], ["--no-scrape", "--no-trim"]]) {
      const result = await runCli(["hash", bench.device, "--json", ...options]);
      assertEquals(result.code, 4, result.stderr);
      const { hashes, bad } = hashed(result);
      const [dead] = DEAD;
      const around = bad.filter((each) =>
        each.offset <= (dead?.offset ?? 0) &&
        each.offset + each.length >= (dead?.offset ?? 0) + (dead?.length ?? 0)
      );
      assertEquals(around.length, 1, "not all of the dead area is listed");
      assertEquals(hashes, { sha256: await bench.digestWithout(bad) });
    }
  },
});

linuxTest({
  name: "in order: hash --check of a failing disk says so, with its options",
  ignore,
  async fn(): Promise<void> {
    await using bench = await Bench.create(SCATTERED);
    const list = await bench.folder.write(
      "list",
      `${await bench.digestWithout(SCATTERED)}  ${bench.device}\n`,
    );
    const { code, stdout } = await runCli(["hash", "--check", list]);
    assertEquals(code, 4);
    assertStringIncludes(stdout, `FAILED (${bytesOf(SCATTERED)} bytes unreadable)`);
    const abort = await runCli(["hash", "--check", list, "--on-error=abort"]);
    assertEquals(abort.code, 1);
    assertMatch(abort.stdout, /FAILED \(cannot read .*EIO/);
  },
});

linuxTest({
  name: "in order: read to stdout, with the options that hold there",
  ignore,
  async fn(): Promise<void> {
    await using bench = await Bench.create(SCATTERED);
    for (
      const [lost, ...options] of [
        [SCATTERED, "--retries=1"],
        [SCATTERED, "--on-error=zero"],
        [roundedToPages(SCATTERED), "--sector-size=4096", "--hash=none", "--timeout=60"],
      ] as const
    ) {
      const { code, stdoutBytes, stderr } = await runCli([
        "read",
        bench.device,
        "-",
        ...options,
      ]);
      assertEquals(code, 4, stderr);
      assertStringIncludes(stderr, `unreadable: ${lost.length} areas`);
      const expected = await bench.folder.write("expected", withZerosAt(bench.bytes, lost));
      await run("cmp", [expected, await bench.folder.write("out", stdoutBytes)]);
    }
  },
});

linuxTest({
  name:
    "in order: verify of an image and a failing disk: 4 when the rest is the same, 2 if not",
  ignore,
  async fn(): Promise<void> {
    await using bench = await Bench.create(CLUSTERS);
    const unreadable = [{ name: bench.device, ranges: CLUSTERS }];
    const changed = bench.bytes.slice();
    const at = (CLUSTERS[0]?.offset ?? 0) + (CLUSTERS[0]?.length ?? 0);
    changed[at] = (changed[at] ?? 0) ^ 1;
    // What differs inside of an unreadable sector cannot be seen.
    changed[at - 1] = (changed[at - 1] ?? 0) ^ 1;
    const other = await bench.folder.write("other.img", changed);
    for (const image of [bench.file, other]) {
      const isSame = image === bench.file;
      for (const names of [[image, bench.device], [bench.device, image]]) {
        const { code, result, stderr } = await runCli(["verify", ...names, "--json"]);
        assertEquals(code, isSame ? 4 : 2, stderr);
        assertEquals(result["unreadable"], unreadable);
        assertEquals(result["same"], false);
        assertEquals(result["bytes"], SIZE);
        assertEquals(result["differing"], isSame ? [] : [{ offset: at, length: 512 }]);
      }
    }
  },
});

linuxTest({
  name: "in order: verify of two failing disks lists the bad sectors of both",
  ignore,
  async fn(): Promise<void> {
    await using one = await Bench.create(SCATTERED);
    await using two = await Bench.create(DEAD);
    const { code, result } = await runCli(["verify", one.device, two.device, "--json"]);
    assertEquals(code, 4);
    assertEquals(result["unreadable"], [
      { name: one.device, ranges: SCATTERED },
      { name: two.device, ranges: DEAD },
    ]);
  },
});

linuxTest({
  name: "in order: verify by a digest: that of the disk with zeros for its bad sectors",
  ignore,
  async fn(): Promise<void> {
    await using bench = await Bench.create(CLUSTERS);
    const digests = [[await bench.digestWithout(CLUSTERS), 4], [await digestOf(bench.file), 2]];
    for (const [digest, expected] of digests) {
      const args = ["verify", bench.device, "--expect", `sha256:${digest}`, "--json"];
      const { code, result, stderr } = await runCli(args);
      assertEquals(code, expected, stderr);
      assertEquals(result["bad"], CLUSTERS);
    }
  },
});

linuxTest({
  name: "in order: --on-error abort ends at the first bad place, exit code 1",
  ignore,
  async fn(): Promise<void> {
    await using bench = await Bench.create(SCATTERED);
    for (
      const args of [
        ["hash", bench.device],
        ["verify", bench.file, bench.device],
        ["verify", bench.device, bench.file],
        ["verify", bench.device, `--expect=sha256:${await digestOf(bench.file)}`],
        ["read", bench.device, "-"],
      ]
    ) {
      const { code, stderr } = await runCli([...args, "--on-error=abort"]);
      assertEquals(code, 1, args.join(" "));
      assertMatch(stderr, /^sectorshot: error: cannot read \/dev\/loop\d+ at byte \d+: .*EIO/m);
    }
  },
});

linuxTest({
  name: "in order: --timeout ends when nothing can be read for so long, exit code 1",
  ignore,
  async fn(): Promise<void> {
    const dead = [{ offset: MIB, length: MIB }];
    await using bench = await Bench.create(dead, { delayMilliseconds: 10 });
    for (
      const args of [
        ["hash", bench.device],
        ["hash", bench.device, "--on-error=zero"],
        ["verify", bench.file, bench.device],
        ["read", bench.device, "-"],
      ]
    ) {
      const { code, stderr } = await runCli([...args, "--timeout=0.5"]);
      assertEquals(code, 1, stderr);
      assertMatch(
        stderr,
        /^sectorshot: error: gave up reading \/dev\/loop\d+: nothing could be read for 0\.5 s$/m,
      );
      assertMatch(stderr, /^sectorshot: hint: \S/m);
    }
  },
});

for (const moment of ["in a rescue", "on its own"]) {
  linuxTest({
    name: `in order: --timeout does not wait for a read that hangs ${moment}`,
    ignore,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const file = await folder.write("disk", diskContent(SIZE));
      const bad = moment === "in a rescue" ? MIB - 512 : SIZE;
      const hangsAt = 2 * MIB;
      const pread = `end=$(($4 + $3)); ` +
        `if [ $4 -le ${bad} ] && [ $end -gt ${bad} ]; then echo EIO bad >&2; exit 1; fi; ` +
        `if [ $4 -le ${hangsAt} ] && [ $end -gt ${hangsAt} ]; then sleep 2; fi; ` +
        `dd if='${file}' bs=64K iflag=skip_bytes,count_bytes,fullblock status=none ` +
        "skip=$4 count=$3";
      await using disk = await NbdDisk.create(
        folder,
        ["eval", `get_size=echo ${SIZE}`, `pread=${pread}`],
        { direct: true },
      );
      const { code, stderr } = await runCli(["hash", disk.path, "--timeout=0.5"]);
      assertEquals(code, 1, stderr);
      assertMatch(stderr, /error: gave up reading .*: nothing could be read for 0\.5 s$/m);
    },
  });
}

linuxTest({
  name: "in order: progress tells of a rescue, and never of fewer unreadable bytes",
  ignore,
  async fn(): Promise<void> {
    const dead = [{ offset: MIB + 1536, length: 100 * 512 }];
    await using bench = await Bench.create(dead, { delayMilliseconds: 10 });
    const { code, events } = await runCli(["hash", bench.device, "--json"]);
    assertEquals(code, 4);
    const progress = events.filter(({ event }) => event === "progress");
    const rescues = progress.filter(({ rescue }) => rescue !== undefined);
    assert(rescues.length > 0, "no progress of a rescue");
    for (const { rescue, totalBytes } of rescues) {
      assertEquals(totalBytes, SIZE);
      const { phase, pendingBytes, badAreas, secondsSinceSuccess } = rescue as Record<
        string,
        unknown
      >;
      assertMatch(String(phase), /^(copying, pass \d|trimming|scraping|finished)$/);
      assert(Number(pendingBytes) <= SIZE && Number(badAreas) >= 0);
      assert(Number(secondsSinceSuccess) >= 0);
    }
    const bad = progress.map(({ badBytes }) => Number(badBytes));
    assertEquals(bad, bad.toSorted((a, b) => a - b));
    assert(Math.max(...bad) > 0 && Math.max(...bad) <= bytesOf(dead));
  },
});

linuxTest({
  name: "in order: options that make no sense are refused, also without a failing disk",
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const file = await folder.write("file", diskContent(4096));
    for (const args of [["hash", file], ["verify", file, file], ["verify", file]]) {
      for (const option of ["--retries=x", "--timeout=0", "--on-error=never"]) {
        const { code, stderr } = await runCli([...args, option]);
        assertEquals(code, 1, stderr);
        assertStringIncludes(stderr, `cannot use ${option.replace("=", " ")}`);
      }
      // There is no other order than that of the bytes.
      const { code, stderr } = await runCli([...args, "--reverse"]);
      assertEquals(code, 1);
      assertStringIncludes(stderr, "--reverse");
    }
  },
});
