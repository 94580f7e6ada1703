/** What the options of a rescue do, and what is refused. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type ByteRange, NbdDisk } from "../support/bad_disk.ts";
import { linuxTest } from "../support/linux_test.ts";
import {
  areasInMap,
  assertMapIsHonest,
  assertMapIsValid,
  bytesOf,
  diskContent,
  failingDisk,
  type FailingFileOptions,
  faultyPlaces,
  RESCUE_DISK_TOOLS,
  roundedToPages,
  withZerosAt,
} from "../support/rescue_disks.ts";
import { digestOf, run, runCli, RunningCli } from "../support/run_cli.ts";
import { exists, TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const ignore = needs(...RESCUE_DISK_TOOLS, "cmp", "sha256sum");
const MIB = 1024 * 1024;
const SIZE = 2 * MIB;

/** Everything that a test of an option needs. */
class Bench implements AsyncDisposable {
  readonly folder: TemporaryFolder;
  readonly bytes = diskContent(SIZE);
  readonly image: string;
  readonly map: string;
  readonly part: string;
  #disk: NbdDisk | undefined;

  private constructor(folder: TemporaryFolder) {
    this.folder = folder;
    this.image = folder.file("card.img");
    this.map = `${this.image}.map`;
    this.part = `${this.image}.part`;
  }

  static async create(
    faults: readonly ByteRange[],
    options: FailingFileOptions = {},
  ): Promise<Bench> {
    const bench = new Bench(await TemporaryFolder.create());
    await bench.folder.write("disk", bench.bytes);
    await bench.putIn(faults, options);
    return bench;
  }

  /** The path of the disk that is in. */
  get source(): string {
    return this.#disk?.path ?? "";
  }

  /** From now on these places fail. */
  async putIn(faults: readonly ByteRange[], options: FailingFileOptions = {}): Promise<void> {
    await this.#disk?.[Symbol.asyncDispose]();
    const file = this.folder.file("disk");
    this.#disk = await failingDisk(this.folder, file, faults, { direct: true, ...options });
  }

  /** Reads; answers all that came on stdout and stderr. */
  async read(code: number, ...options: string[]): Promise<string> {
    const result = await runCli(["read", this.source, this.image, ...options]);
    assertEquals(result.code, code, `${result.stdout}${result.stderr}`);
    return result.stdout + result.stderr;
  }

  /** Proves that the image is there, complete but for these places. */
  async assertComplete(lost: readonly ByteRange[]): Promise<void> {
    await this.assertImage(withZerosAt(this.bytes, lost));
    if (lost.length === 0) assert(!await exists(this.map), "the map stays");
    else {
      assertEquals(await areasInMap(this.map, "-"), lost);
      assertEquals(await areasInMap(this.map, "?*/"), []);
    }
  }

  /** Proves that the image holds this, and its digest is right. */
  async assertImage(expected: Uint8Array): Promise<void> {
    const path = await this.folder.write("expected", expected);
    await run("cmp", [path, this.image]);
    await run("sha256sum", ["-c", "--strict", "card.img.sha256"], { cwd: this.folder.path });
    assert(!await exists(this.part));
  }

  /** Proves that what is left of a run that ended early is right, and can be gone on with. */
  async assertUnfinished(): Promise<void> {
    assert(!await exists(this.image), "it has its name already");
    await assertMapIsValid(this.map, SIZE);
    await assertMapIsHonest(this.part, this.map, this.bytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#disk?.[Symbol.asyncDispose]();
    await this.folder[Symbol.asyncDispose]();
  }
}

const CLUSTERS = faultyPlaces("clusters", SIZE, 2);
const SCATTERED = faultyPlaces("scattered", SIZE, 2);
const DEAD = faultyPlaces("dead", SIZE, 2);

for (
  const options of [
    ["--reverse"],
    ["--skip-size=64K,256K"],
    ["--skip-size=4K"],
    ["--min-rate=100M"],
    ["--min-rate=0"],
    ["--pause-on-error=0.001"],
    ["--retries=2"],
    ["--on-error=zero"],
    ["--on-error=rescue", "--fill=zeros", "--timeout=60", "--max-bad-areas=100"],
  ]
) {
  linuxTest({
    name: `rescue ${options.join(" ")}: all that can be read`,
    ignore,
    async fn(): Promise<void> {
      await using bench = await Bench.create(CLUSTERS);
      await bench.read(4, ...options);
      await bench.assertComplete(CLUSTERS);
    },
  });
}

linuxTest({
  name: "rescue --reverse begins at the end",
  ignore,
  async fn(): Promise<void> {
    await using bench = await Bench.create(SCATTERED, { delayMilliseconds: 30 });
    await using running = RunningCli.start(
      ["read", bench.source, bench.image, "--reverse", "--map-interval=0.02"],
    );
    await running.until(
      "something is rescued",
      async () => await exists(bench.map) && (await areasInMap(bench.map, "+")).length > 0,
    );
    running.signal("SIGINT");
    assertEquals((await running.end()).code, 130);
    const rescued = await areasInMap(bench.map, "+");
    const last = rescued.at(-1);
    assertEquals((last?.offset ?? 0) + (last?.length ?? 0), SIZE);
    assert((rescued[0]?.offset ?? 0) > 0, "it came to the beginning already");
    await bench.assertUnfinished();
    await bench.putIn(SCATTERED);
    await bench.read(4);
    await bench.assertComplete(SCATTERED);
  },
});

linuxTest({
  name: "rescue --retries: sectors that can be read today are added to the finished image",
  ignore,
  async fn(): Promise<void> {
    await using bench = await Bench.create(SCATTERED);
    await bench.read(4);
    await bench.assertComplete(SCATTERED);
    await bench.putIn(SCATTERED.slice(0, 2));
    await bench.read(4, "--retries=1");
    await bench.assertComplete(SCATTERED.slice(0, 2));
    await bench.putIn([]);
    await bench.read(0, "--retries=1");
    await bench.assertComplete([]);
  },
});

for (const [retries, code] of [[0, 4], [1, 4], [8, 0]] as const) {
  linuxTest({
    name: `rescue --retries ${retries}: a sector that can be read at the ninth try`,
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
      const image = folder.file("card.img");
      const result = await runCli(["read", disk.path, image, `--retries=${retries}`]);
      assertEquals(result.code, code, result.stderr);
      const lost = code === 0 ? [] : [{ offset: bad, length: 512 }];
      const expected = await folder.write("expected", withZerosAt(bytes, lost));
      await run("cmp", [expected, image]);
      assertEquals(await exists(`${image}.map`), code !== 0);
    },
  });
}

for (
  const [option, left, none] of [
    ["--no-trim", "*", "/-"],
    ["--no-scrape", "/", "*"],
  ] as const
) {
  linuxTest({
    name: `rescue ${option} leaves areas that the same command without it goes on with`,
    ignore,
    async fn(): Promise<void> {
      await using bench = await Bench.create(DEAD);
      const options = option === "--no-trim" ? [option, "--no-scrape"] : [option];
      await bench.read(4, ...options);
      assert((await areasInMap(bench.map, left)).length > 0, `nothing is ${left}`);
      if (option === "--no-scrape") assertEquals(await areasInMap(bench.map, none), []);
      await assertMapIsValid(bench.map, SIZE);
      await assertMapIsHonest(bench.image, bench.map, bench.bytes);
      await bench.assertImage(withZerosAt(bench.bytes, await areasInMap(bench.map, "*/-")));
      await bench.read(4);
      await bench.assertComplete(DEAD);
    },
  });
}

linuxTest({
  name: "rescue --sector-size 4096: nothing smaller is asked for",
  ignore,
  async fn(): Promise<void> {
    await using bench = await Bench.create(SCATTERED);
    await bench.read(4, "--sector-size=4096");
    await bench.assertComplete(roundedToPages(SCATTERED));
  },
});

linuxTest({
  name: "rescue --timeout: gives up when nothing can be read, says so, and goes on later",
  ignore,
  async fn(): Promise<void> {
    const dead = [{ offset: MIB / 2, length: MIB / 2 }];
    await using bench = await Bench.create(dead, { delayMilliseconds: 10 });
    const text = await bench.read(1, "--timeout=0.5");
    assertMatch(
      text,
      /^sectorshot: error: gave up reading .*: nothing could be read for 0\.5/m,
    );
    assertMatch(text, /^sectorshot: hint: .*run the same command again/m);
    await bench.assertUnfinished();
    await bench.putIn(dead);
    await bench.read(4);
    await bench.assertComplete(dead);
  },
});

linuxTest({
  name: "rescue --max-bad-areas: gives up when there are more, says so, and goes on later",
  ignore,
  async fn(): Promise<void> {
    await using bench = await Bench.create(CLUSTERS);
    const text = await bench.read(1, "--max-bad-areas=2");
    assertMatch(text, /^sectorshot: error: gave up reading .*: more than 2 bad areas$/m);
    assertMatch(text, /^sectorshot: hint: .*run the same command again/m);
    await bench.assertUnfinished();
    const areas = await areasInMap(bench.map, "-");
    assert(areas.length >= 3 && areas.length < CLUSTERS.length, `${areas.length} areas`);
    await bench.read(4, "--max-bad-areas=100");
    await bench.assertComplete(CLUSTERS);
  },
});

linuxTest({
  name: "rescue --domain: only its rescued areas, the image stays a part, then the rest",
  ignore,
  async fn(): Promise<void> {
    await using bench = await Bench.create(SCATTERED);
    const length = MIB / 2;
    const domain = await bench.folder.write(
      "domain.map",
      `0x0 + 1\n0 65536 ?\n65536 ${length} +\n${65536 + length} ${SIZE - length - 65536} -\n`,
    );
    const text = await bench.read(4, "--domain", domain);
    assertMatch(text, /not complete: .*without --domain goes on/);
    await bench.assertUnfinished();
    assert(!await exists(`${bench.image}.sha256`));
    const known = [...await areasInMap(bench.map, "+-")];
    assertEquals(known, [{ offset: 65536, length }]);
    const inside = SCATTERED.filter(({ offset }) => offset >= 65536 && offset < length + 65536);
    assertEquals(await areasInMap(bench.map, "-"), inside);
    assert(inside.length > 0 && inside.length < SCATTERED.length, "the test shows nothing");
    await bench.read(4);
    await bench.assertComplete(SCATTERED);
  },
});

linuxTest({
  name: "rescue --domain: a map that is none, or is not there, is refused",
  ignore,
  async fn(): Promise<void> {
    await using bench = await Bench.create(SCATTERED);
    const damaged = await bench.folder.write("damaged.map", "0x0 + 1\n0 4096 +\n8192 1 ?\n");
    assertMatch(await bench.read(2, "--domain", damaged), /damaged\.map: line 3: a gap/);
    const missing = bench.folder.file("missing.map");
    assertMatch(await bench.read(1, "--domain", missing), /no such file[^]*hint: /);
    assert(!await exists(bench.map) && !await exists(bench.part), "something was made");
  },
});

linuxTest({
  name: "rescue --pause-on-error rests after each failed read",
  ignore,
  async fn(): Promise<void> {
    const bad = [{ offset: MIB, length: 512 }];
    await using bench = await Bench.create(bad);
    const startedAt = performance.now();
    await bench.read(4, "--hash=none", "--pause-on-error=2");
    const seconds = (performance.now() - startedAt) / 1000;
    // At least the bad sector itself was asked for, and something around it. Without a rest
    // it takes less than a second; on a busy machine perhaps more, but never less than this.
    assert(seconds >= 4, `only ${seconds} s`);
    assertEquals(await areasInMap(bench.map, "-"), bad);
  },
});

/** The sectors of these areas, each with the text that --fill marker writes. */
function withMarkersAt(
  bytes: Uint8Array<ArrayBuffer>,
  areas: readonly ByteRange[],
  name: string,
): Uint8Array<ArrayBuffer> {
  const copy = bytes.slice();
  for (const { offset, length } of areas) {
    copy.fill(0x20, offset, offset + length);
    for (let at = offset; at < offset + length; at += 512) {
      const text = `sectorshot: unreadable sector ${at / 512} of ${name}\n`;
      copy.set(new TextEncoder().encode(text), at);
    }
  }
  return copy;
}

linuxTest({
  name: "rescue --fill marker: a text with its number in each sector, and the digest of that",
  ignore,
  async fn(): Promise<void> {
    await using bench = await Bench.create(CLUSTERS);
    await bench.read(4, "--fill=marker", "--verify");
    await bench.assertImage(withMarkersAt(bench.bytes, CLUSTERS, bench.source));
    assertEquals(await areasInMap(bench.map, "-"), CLUSTERS);
  },
});

linuxTest({
  name: "rescue --fill marker: markers go when their sectors can be read, or zeros are wanted",
  ignore,
  async fn(): Promise<void> {
    // One of them is where the disk holds zeros.
    const zeros = Math.floor(SIZE * 0.75 / 4096) * 4096 + 8192;
    const bad = [
      { offset: 4096, length: 512 },
      { offset: 600 * 1024, length: 1024 },
      { offset: zeros, length: 512 },
    ];
    await using bench = await Bench.create(bad);
    await bench.read(4, "--fill=marker");
    await bench.assertImage(withMarkersAt(bench.bytes, bad, bench.source));
    await bench.putIn(bad.slice(0, 1));
    await bench.read(4, "--retries=1");
    await bench.assertComplete(bad.slice(0, 1));
  },
});

linuxTest({
  name: "rescue --fill marker with --on-error zero",
  ignore,
  async fn(): Promise<void> {
    await using bench = await Bench.create(SCATTERED);
    await bench.read(4, "--fill=marker", "--on-error=zero", "--verify");
    await bench.assertImage(withMarkersAt(bench.bytes, SCATTERED, bench.source));
  },
});

linuxTest({
  name: "rescue --on-error abort: the first bad place is the end, then it can be gone on",
  ignore,
  async fn(): Promise<void> {
    await using bench = await Bench.create(SCATTERED);
    for (const options of [["--block-size=64K"], ["--reverse"]]) {
      const text = await bench.read(1, "--on-error=abort", ...options);
      assertMatch(text, /^sectorshot: error: cannot read \/dev\/loop\d+ at byte \d+: .*EIO/m);
      await bench.assertUnfinished();
      assertEquals(await areasInMap(bench.map, "-"), []);
    }
    await bench.read(4);
    await bench.assertComplete(SCATTERED);
  },
});

linuxTest({
  name: "rescue: to stdout in order only, options for anything else are refused",
  ignore,
  async fn(): Promise<void> {
    await using bench = await Bench.create(SCATTERED);
    for (
      const option of [
        "--wait",
        "--reverse",
        "--skip-size=64K",
        "--min-rate=1M",
        "--max-bad-areas=5",
        `--domain=${bench.folder.file("disk")}`,
        "--pause-on-error=1",
        "--fill=marker",
      ]
    ) {
      const { code, stdout, stderr } = await runCli(["read", bench.source, "-", option]);
      const name = option.replace(/=.*/, "");
      assertEquals([code, stdout], [1, ""], option);
      assertStringIncludes(stderr, `error: cannot use ${name} with -`);
      assertMatch(stderr, /^sectorshot: hint: /m);
    }
    const { code, stderr } = await runCli(["read", bench.source, "-", "--on-error=abort"]);
    assertEquals(code, 1);
    assertMatch(stderr, /error: cannot read .* at byte \d+: .*EIO/);
  },
});

linuxTest({
  name: "rescue: a map that is damaged or another disk's is refused, nothing is changed",
  ignore,
  async fn(): Promise<void> {
    await using bench = await Bench.create(SCATTERED);
    const whole = `0x0 ? 1\n0 65536 +\n65536 ${SIZE - 65536} *\n`;
    const damages: readonly (readonly [text: string, code: number, message: RegExp])[] = [
      [whole.replace("65536 +", "65024 +"), 2, /line 3: a gap before this area/],
      [whole.replace("65536 +", "66048 +"), 2, /line 3: areas overlap/],
      [whole.replace("*", "x"), 2, /line 3: unknown status "x"/],
      [whole.slice(0, -3), 2, /line 3: not "position size status"/],
      [whole.slice(0, 3), 2, /line 1: not a status line/],
      [`# nothing\n`, 2, /line 2: there is no status line/],
      [whole.replace(String(SIZE - 65536), String(SIZE)), 1, /it covers \d+ bytes, the source/],
      [whole.replace(String(SIZE - 65536), String(MIB)), 1, /it covers \d+ bytes, the source/],
      [`# Source identity: {"size":${SIZE + 512}}\n${whole}`, 1, /its size was \d+, now/],
      [`# Source identity: {"size":\n${whole}`, 1, /the line with its identity is damaged/],
    ];
    // As our own runs leave it, and as GNU ddrescue does.
    for (const file of [bench.part, bench.image]) {
      await Deno.writeFile(file, bench.bytes.slice(0, 65536));
      const before = await digestOf(file);
      for (const [text, code, message] of damages) {
        await Deno.writeTextFile(bench.map, text);
        const output = await bench.read(code);
        assertMatch(output, message, text);
        assertMatch(output, /^sectorshot: hint: /m);
        assertEquals(await Deno.readTextFile(bench.map), text);
        assertEquals(await digestOf(file), before, text);
        assertEquals(
          (await bench.folder.names()).filter((name) => name.startsWith("card")),
          [file, bench.map].map((path) => path.replace(/.*\//, "")).sort(),
        );
      }
      await Deno.remove(file);
    }
  },
});

linuxTest({
  name: "rescue: bytes that are called unreadable are those of the result event",
  ignore,
  async fn(): Promise<void> {
    await using bench = await Bench.create(DEAD);
    const args = ["read", bench.source, bench.image, "--json", "--retries=1"];
    const { code, result } = await runCli(args);
    assertEquals([code, result["exitCode"]], [4, 4]);
    assertEquals([result["badBytes"], result["bad"]], [bytesOf(DEAD), DEAD]);
  },
});
