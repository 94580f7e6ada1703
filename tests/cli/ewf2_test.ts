/** Images of EWF version 2 through the command line. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createHash } from "node:crypto";
import { writeFiles } from "../formats/ewf_images.ts";
import { CONTENTS, sampleFiles, type SampleName } from "../formats/ewf2_samples.ts";
import { assertBytes } from "../support/pattern.ts";
import { run, runCli } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

/** Puts a sample down; answers the path of its first file. */
async function put(folder: TemporaryFolder, name: SampleName): Promise<string> {
  return await writeFiles(folder, sampleFiles(name));
}

Deno.test("Ex01: info shows what the image tells", async () => {
  await using folder = await TemporaryFolder.create();
  const { code, stdout, stderr } = await runCli(["info", await put(folder, "every")]);
  assertEquals(code, 0, stderr);
  for (
    const line of ["layout: EWF version 2.1", "examiner: Ä. Author", "case number: 2026-17"]
  ) {
    assertStringIncludes(stdout, line);
  }
  assertMatch(stdout, /kept md5: 02e15e367682d11a1f83d9368c617b87/);
  const errors = await runCli(["info", await put(folder, "errors"), "--json"]);
  const image = errors.result["image"] as { unreadable?: unknown; hashes: unknown };
  assertEquals(image.hashes, { md5: "1c815ab66e4126ec362ec02953db79ce" });
  assertStringIncludes(JSON.stringify(image), "49152");
});

Deno.test("Ex01: verify and hash read all segments, and compare with the kept digests", async () => {
  await using folder = await TemporaryFolder.create();
  const path = await put(folder, "segments");
  const verified = await runCli(["verify", path]);
  assertEquals(verified.code, 0, verified.stderr);
  assertMatch(verified.stdout, /md5: OK[\s\S]*sha1: OK/);
  const hashed = await runCli(["hash", path, "--hash", "sha256"]);
  const digest = createHash("sha256").update(CONTENTS.segments()).digest("hex");
  assertEquals(hashed.stdout.split(" ")[0], digest);
  // The digests of libewf are of more bytes than it kept: that is no match.
  const odd = await runCli(["verify", await put(folder, "oddFilled")]);
  assert(odd.code !== 0);
  assertMatch(odd.stdout, /md5: DIFFERS/);
});

Deno.test("Ex01: convert makes a raw image and an E01 of it", async () => {
  await using folder = await TemporaryFolder.create();
  for (const name of ["every", "segments", "sectors4096", "odd"] as const) {
    const path = await put(folder, name);
    const target = folder.file(`${name}.img`);
    const converted = await runCli(["convert", path, target]);
    assertEquals(converted.code, 0, converted.stderr);
    assertStringIncludes(converted.stdout, "the same as kept in");
    assertBytes(await Deno.readFile(target), CONTENTS[name]());
  }
});

Deno.test({
  name: "Ex01: the E01 that convert makes of it is right, as ewfverify and ewfexport see it",
  ignore: needs("ewfverify", "ewfexport", "ewfinfo"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const target = folder.file("case.E01");
    const converted = await runCli(["convert", await put(folder, "every"), target]);
    assertEquals(converted.code, 0, converted.stderr);
    await run("ewfverify", ["-q", target]);
    await run("ewfexport", ["-q", "-u", "-f", "raw", "-t", folder.file("theirs"), target]);
    assertBytes(await Deno.readFile(folder.file("theirs.raw")), CONTENTS.every());
    const info = await run("ewfinfo", [target]);
    for (const text of ["2026-17", "a description", "Ä. Author", "all of it"]) {
      assertStringIncludes(info, text);
    }
  },
});

Deno.test("Ex01: damage is named, zeroed where that is asked for, and never shown as right", async () => {
  await using folder = await TemporaryFolder.create();
  const files = new Map(sampleFiles("plain"));
  const file = files.get("card.Ex01")?.slice() ?? new Uint8Array();
  // Within the first chunk of 8192 bytes, which is not packed.
  file[2000] = (file[2000] ?? 0) ^ 1;
  files.set("card.Ex01", file);
  const path = await writeFiles(folder, files);
  const verified = await runCli(["verify", path]);
  assert(verified.code !== 0);
  assertMatch(verified.stdout + verified.stderr, /sectors 0 to 15/);
  const stopped = await runCli(["convert", path, folder.file("a.img")]);
  assert(stopped.code !== 0);
  const target = folder.file("b.img");
  const zeroed = await runCli(["convert", path, target, "--on-error", "zero"]);
  assert(zeroed.code !== 0, "it is not what it should be");
  const expected = CONTENTS.plain().fill(0, 0, 8192);
  assertBytes(await Deno.readFile(target), expected);
});

Deno.test("Ex01: a missing segment and a bad name are told in words", async () => {
  await using folder = await TemporaryFolder.create();
  const path = await put(folder, "segments");
  const second = path.replace(/Ex01$/, "Ex02");
  const later = await runCli(["info", second]);
  assertEquals(later.code, 1);
  assertStringIncludes(later.stderr, "it is segment 2 of card.Ex01");
  await Deno.remove(second);
  const missing = await runCli(["info", path]);
  assert(missing.code !== 0);
  assertStringIncludes(missing.stderr, "card.Ex02 is missing, card.Ex03 is there");
  const written = await runCli(["convert", await put(folder, "odd"), folder.file("x.Ex01")]);
  assert(written.code !== 0, "it is only read");
});
