/** Containers, hashes and reports, through the command line. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { BAD_DISK_TOOLS, badDisk } from "../support/bad_disk.ts";
import { linuxTest } from "../support/linux_test.ts";
import { LoopDevice } from "../support/loop_device.ts";
import { digestOf, run, runCli, shell, tryRun } from "../support/run_cli.ts";
import { exists, numberedSectorsWithZeros, TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const MIB = 1024 * 1024;
const ignore = needs("ewfinfo", "ewfverify", "ewfexport", "affinfo", "affcat", "img_stat");

/** What ewfinfo prints, by what stands before the colon. */
async function ewfFacts(path: string): Promise<Map<string, string>> {
  const { stdout } = await tryRun("ewfinfo", [path]);
  const rows = stdout.matchAll(/^\s*([^:\n]+):\s+(.*)$/gm);
  return new Map([...rows].map(([, name = "", value = ""]) => [name, value.trim()]));
}

linuxTest({
  name: "evidence: a device becomes an E01 in segments, as other programs see it",
  ignore: ignore || needs("root", "losetup"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const from = await folder.write("from", numberedSectorsWithZeros(12 * MIB));
    await using source = await LoopDevice.create(from);
    const image = folder.file("case.E01");
    const read = await runCli([
      ...["read", source.path, image, "--segment-size", "2M", "--hash", "md5,sha1,sha256"],
      ...["--case", "2026-17", "--evidence", "3", "--examiner", "Ä. Author 日本"],
      ...["--description", "stick", "--notes", "a\tb", "--compression", "none", "--verify"],
      ...["--verify-source", "--report"],
    ]);
    assertEquals(read.code, 0, read.stderr);
    const facts = await ewfFacts(image);
    assertEquals(facts.get("Case number"), "2026-17");
    assertEquals(facts.get("Evidence number"), "3");
    assertEquals(facts.get("Examiner name"), "Ä. Author 日本");
    assertEquals(facts.get("Description"), "stick");
    assertEquals(facts.get("MD5"), await digestOf(from, "md5"));
    assertEquals(facts.get("SHA1"), await digestOf(from, "sha1"));
    await run("ewfverify", ["-q", image]);
    await run("img_stat", [image]);
    await run("ewfexport", ["-q", "-u", "-f", "raw", "-t", folder.file("theirs"), image]);
    await run("cmp", [from, folder.file("theirs.raw")]);
    assert((await folder.names()).includes("case.E05"), "several segments");
    assertMatch(read.stdout, /read again and is the same/);

    const verify = await runCli(["verify", image, "--json"]);
    assertEquals(verify.code, 0, verify.stderr);
    const info = await runCli(["info", image, "--json"]);
    const hashes = (info.result["image"] as { hashes: Record<string, string> }).hashes;
    assertEquals(hashes["md5"], await digestOf(from, "md5"));

    const report = JSON.parse(await Deno.readTextFile(`${image}.json`));
    assertEquals(report.operator.case, "2026-17");
    const release = (await run("uname", ["-r"])).trim();
    assertEquals(report.computer.name, (await run("uname", ["-n"])).trim());
    assertEquals(report.computer.system, `Linux ${release}`);
    // A loop device has no firmware, and nothing is made up.
    assertEquals(report.source.firmware, null);
    const subjects = report.hashes.map((each: { subject: string; verdict: string }) =>
      `${each.subject} ${each.verdict}`
    );
    for (const each of ["source reference", "image same", "sourceAgain same"]) {
      assert(subjects.includes(each), subjects.join());
    }
    for (const { name, digests } of report.images[0].files) {
      assertEquals(digests[0].hex, await digestOf(folder.file(name)));
    }
    assertStringIncludes(await Deno.readTextFile(`${image}.html`), "Ä. Author 日本");
    assertStringIncludes(await Deno.readTextFile(`${image}.txt`), "2026-17");
  },
});

linuxTest({
  name: "evidence: formats convert into each other, and the content stays",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = numberedSectorsWithZeros(5 * MIB + 512);
    const from = await folder.write("a.img", bytes);
    const names = ["b.E01", "c.aff", "d.s01", "e.001", "f.E01", "g.img"];
    let before = from;
    for (const name of names) {
      const path = folder.file(name);
      const { code, stderr } = await runCli(["convert", before, path, "--case", "9"]);
      assertEquals(code, 0, `${name}: ${stderr}`);
      before = path;
    }
    await run("cmp", [from, before]);
    await run("ewfverify", ["-q", folder.file("f.E01")]);
    await run("ewfverify", ["-q", folder.file("d.s01")]);
    const { stdout } = await tryRun("affinfo", [folder.file("c.aff")]);
    assertStringIncludes(stdout, "case_num");
    // What was given once goes along.
    assertEquals((await ewfFacts(folder.file("f.E01"))).get("Case number"), "9");
    const again = await runCli(["convert", from, folder.file("b.E01")]);
    assertEquals(again.code, 1);
    assertMatch(again.stderr, /it exists/);
  },
});

linuxTest({
  name: "evidence: unreadable sectors are the same in map, E01 and report",
  ignore: ignore || needs(...BAD_DISK_TOOLS),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const size = 8 * MIB;
    const content = numberedSectorsWithZeros(size);
    const bad = [{ offset: MIB, length: 4096 }, { offset: 5 * MIB + 8192, length: 8192 }];
    await using disk = await badDisk(folder, content, bad);
    const image = folder.file("bad.E01");
    const read = await runCli(["read", disk.path, image, "--report", "--json"]);
    assertEquals(read.code, 4, read.stderr);
    assertEquals(read.result["bad"], bad);
    const info = await tryRun("ewfinfo", [image]);
    for (const { offset, length } of bad) {
      const first = offset / 512;
      assertStringIncludes(info.stdout, `${first} - ${first + length / 512 - 1}`);
    }
    const report = JSON.parse(await Deno.readTextFile(`${image}.json`));
    assertEquals(
      report.reading.unreadable.map((
        each: { firstSector: number; sectors: number },
      ) => [each.firstSector, each.sectors]),
      bad.map(({ offset, length }) => [offset / 512, length / 512]),
    );
    // A rescue into a raw image, and its map, tell the same.
    const raw = folder.file("bad.img");
    assertEquals((await runCli(["read", disk.path, raw])).code, 4);
    const converted = await runCli(["convert", raw, folder.file("two.E01"), "--json"]);
    assertEquals(converted.code, 0, converted.stderr);
    assertEquals(converted.result["unreadable"], bad);
    const shown = await runCli(["info", folder.file("two.E01"), "--json"]);
    assertEquals((shown.result["image"] as { unreadable: unknown }).unreadable, bad);
  },
});

linuxTest({
  name: "evidence: a changed byte is found, and named by its sectors",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const from = await folder.write("from", numberedSectorsWithZeros(4 * MIB));
    const image = folder.file("c.E01");
    assertEquals((await runCli(["read", from, image, "--compression", "none"])).code, 0);
    const file = await Deno.readFile(image);
    // Somewhere in the chunks, which fill nearly all of it.
    const at = file.length >> 1;
    file[at] = (file[at] ?? 0) ^ 1;
    await Deno.writeFile(image, file);
    const verify = await runCli(["verify", image, "--json"]);
    assertEquals(verify.code, 2, verify.stderr);
    const damaged = verify.result["damaged"] as { offset: number; length: number }[];
    assertEquals(damaged.length, 1);
    const [place = { offset: 0, length: 0 }] = damaged;
    assertEquals([place.offset % 32768, place.length], [0, 32768]);
    assert(Math.abs(place.offset - at) < 128 * 1024);
    const abort = await runCli(["convert", image, folder.file("a.img")]);
    assertEquals(abort.code, 2);
    assert(!await exists(folder.file("a.img")));
    const zeros = await runCli(["convert", image, folder.file("z.img"), "--on-error", "zero"]);
    assertEquals(zeros.code, 4, zeros.stderr);
    const expected = await Deno.readFile(from);
    expected.fill(0, place.offset, place.offset + place.length);
    await run("cmp", [await folder.write("expected", expected), folder.file("z.img")]);
  },
});

linuxTest({
  name: "evidence: one of two images that fails does not spoil the other",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const from = await folder.write("from", numberedSectorsWithZeros(6 * MIB));
    const both = await runCli(
      ["read", from, folder.file("a.E01"), "--also", folder.file("b.img"), "--verify"],
    );
    assertEquals(both.code, 0, both.stderr);
    await run("cmp", [from, folder.file("b.img")]);
    await run("ewfverify", ["-q", folder.file("a.E01")]);
    // /dev/full's folder cannot be used: a full file system stands in its place.
    const full = await folder.folder("full");
    const mounted = await tryRun("mount", ["-t", "tmpfs", "-o", "size=2M", "none", full]);
    if (mounted.code !== 0) return;
    try {
      const one = await runCli(
        [
          "read",
          from,
          `${full}/a.img`,
          "--no-sparse",
          "--also",
          folder.file("c.E01"),
          "--json",
        ],
      );
      assertEquals(one.code, 1, one.stderr);
      const images = one.result["images"] as { result: string }[];
      assertEquals(images.map(({ result }) => result), ["failed", "complete"]);
      await run("ewfverify", ["-q", folder.file("c.E01")]);
      assert(!await exists(`${full}/a.img`));
    } finally {
      await run("umount", [full]);
    }
  },
});

linuxTest("evidence: windows that differ are named", async () => {
  await using folder = await TemporaryFolder.create();
  const bytes = numberedSectorsWithZeros(3 * MIB + 1024);
  const from = await folder.write("from", bytes);
  const image = folder.file("w.img");
  const read = await runCli(["read", from, image, "--hash-window", "64K"]);
  assertEquals(read.code, 0, read.stderr);
  assertEquals((await runCli(["verify", image])).code, 0);
  const changed = bytes.slice();
  changed[100_000] = (changed[100_000] ?? 0) ^ 0x10;
  await Deno.writeFile(image, changed);
  const { code, result } = await runCli(["verify", image, "--json"]);
  assertEquals(code, 2);
  assertEquals(
    (result["windows"] as { differing: unknown }).differing,
    [{ offset: 65_536, length: 65_536 }],
  );
});

linuxTest("evidence: what cannot be done is said before anything is read", async () => {
  await using folder = await TemporaryFolder.create();
  const from = await folder.write("from", numberedSectorsWithZeros(MIB));
  const cases: readonly (readonly [RegExp, ...string[]])[] = [
    [/--domain/, "read", from, folder.file("a.E01"), "--domain", from],
    [/--fill/, "read", from, folder.file("a.E01"), "--fill", "marker"],
    [/--compression/, "read", from, folder.file("a.E01"), "--compression", "much"],
    [/--segment-size/, "read", from, folder.file("a.E01"), "--segment-size", "1K"],
    [/--chunk-sectors/, "read", from, folder.file("a.E01"), "--chunk-sectors", "63"],
    [/layout/, "read", from, folder.file("a.E01"), "--ewf-layout", "encase99"],
    [/--hash-window/, "read", from, folder.file("a.img"), "--hash-window", "100"],
    [/it is the image/, "read", from, folder.file("a.E01"), "--also", folder.file("a.E01")],
    [/cannot tell the format/, "convert", from, folder.file("a.xyz")],
  ];
  for (const [message, ...words] of cases) {
    const { code, stderr } = await runCli(words);
    assertEquals(code, 1, words.join(" "));
    assertMatch(stderr, message);
  }
  assertEquals(await folder.names(), ["from"]);
});

linuxTest({
  name: "evidence: a report says what the format did, and what has no meaning is refused",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const from = await folder.write("from", numberedSectorsWithZeros(MIB));
    for (
      const [name, layout, compression] of [
        ["a.s01", "smart", "fast"],
        ["b.E01", "encase6", "best"],
        ["c.aff", null, "best"],
        ["d.img", null, null],
      ] as const
    ) {
      const packing = compression === "best" ? ["--compression", "best"] : [];
      const path = folder.file(name);
      const { code, stderr } = await runCli(["read", from, path, "--report", ...packing]);
      assertEquals(code, 0, stderr);
      const [image] = JSON.parse(await Deno.readTextFile(`${path}.json`)).images;
      assertEquals([image.layout, image.compression], [layout, compression], name);
    }
    for (const option of ["--report", "--verify-source", "--verify", "--bmap"]) {
      const { code, stderr } = await runCli(["read", from, "-", option]);
      assertEquals(code, 1);
      assertStringIncludes(stderr, `cannot use ${option} with -`);
    }
    for (
      const [name, option, value] of [
        ["e.img", "--compression", "best"],
        ["e.aff", "--chunk-sectors", "64"],
        ["e.001", "--ewf-layout", "smart"],
      ] as const
    ) {
      const { code, stderr } = await runCli(["read", from, folder.file(name), option, value]);
      assertEquals(code, 1);
      assertMatch(stderr, new RegExp(`cannot use ${option}: .* has no use for it`));
    }
  },
});

linuxTest("evidence: a list of windows without its end is said to be one", async () => {
  await using folder = await TemporaryFolder.create();
  const from = await folder.write("from", numberedSectorsWithZeros(2 * MIB));
  const image = folder.file("a.img");
  const read = await runCli(["read", from, image, "--hash-window", "1M"]);
  assertEquals(read.code, 0, read.stderr);
  const list = await Deno.readTextFile(`${image}.windows`);
  await Deno.writeTextFile(`${image}.windows`, list.replace(/# end: .*\n/, ""));
  const { code, stdout } = await runCli(["verify", image]);
  assertEquals(code, 0, stdout);
  assertMatch(stdout, /a\.img\.windows has no end: its run was interrupted/);
});

linuxTest({
  name: "evidence: more segments than may be open at once are written",
  ignore: ignore || needs("prlimit"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const from = await folder.write("from", numberedSectorsWithZeros(270 * MIB));
    const few = { prefix: ["prlimit", "--nofile=256"] };
    const options = ["--segment-size", "1M", "--hash", "md5"];
    const image = folder.file("case.E01");
    const packing = ["--compression", "none"];
    const read = await runCli(["read", from, image, ...options, ...packing], few);
    assertEquals(read.code, 0, read.stderr);
    assert((await folder.names()).length > 270, "a file for each MiB");
    await run("ewfverify", ["-q", image]);

    const split = await runCli(["read", from, folder.file("split.001"), ...options], few);
    assertEquals(split.code, 0, split.stderr);
    const parts = (await folder.names()).filter((name) => /^split\.\d+$/.test(name)).sort();
    assertEquals(parts.length, 270);
    await shell(
      'cd "$1" && shift && cat "$@" | cmp - from',
      folder.path,
      ...parts,
    );
  },
});

linuxTest({
  name: "evidence: an image whose segments are smaller than what is read at once is verified",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const from = await folder.write("from", numberedSectorsWithZeros(20 * MIB));
    const image = folder.file("case.E01");
    await run("ewfacquire", [
      ...["-q", "-u", "-f", "encase6", "-c", "none", "-S", "1048576"],
      ...["-t", folder.file("case"), from],
    ]);
    const verify = await runCli(["verify", image]);
    assertEquals(verify.code, 0, verify.stderr);
    assertStringIncludes(verify.stdout, "md5: OK");
  },
});
