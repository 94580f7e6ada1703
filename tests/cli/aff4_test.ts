/** AFF4 containers through the command line. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Bytes } from "../../src/core/block.ts";
import { container, hash, mixedChunks, SCHEMA, STREAM } from "../formats/aff4_images.ts";
import { linuxTest } from "../support/linux_test.ts";
import { digestOf, run, runCli, tryRun } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const CHUNK = 32_768;
const STREAM_BYTES = mixedChunks(20 * CHUNK, CHUNK);

/** A disk of which a part could not be read. */
const CONTENT = new Uint8Array(24 * CHUNK);
CONTENT.set(STREAM_BYTES);
CONTENT.set(
  new TextEncoder().encode("UNREADABLEDATA".repeat(CHUNK)).subarray(0, CHUNK),
  20 * CHUNK,
);

function image(changeText?: (text: string) => string): Bytes {
  return container({
    streams: [{ content: STREAM_BYTES, chunkBytes: CHUNK, chunksInBevy: 8 }],
    map: {
      size: CONTENT.length,
      entries: [
        { offset: 0, length: 20 * CHUNK, target: STREAM },
        { offset: 20 * CHUNK, length: CHUNK, target: `${SCHEMA}UnreadableData` },
      ],
      mapPath: Uint8Array.of(1),
    },
    isStreamed: true,
    hashes: [["SHA1", CONTENT]],
    image: [`aff4:diskMake "Seagate" ; aff4:diskModel "ST-506" ; aff4:diskSerial "SG1"`],
    extra: '<aff4://n> a aff4:CaseNotes ; aff4:caseNumber "2026-17" ; aff4:notes "a\\u001bb" .',
    ...changeText === undefined ? {} : { changeText },
  }).file;
}

linuxTest({
  name: "aff4: info, hash and verify show what is in it, and that it is right",
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const path = await folder.write("disk.aff4", image());
    const info = await runCli(["info", path]);
    assertEquals(info.code, 0, info.stderr);
    for (const line of ["case number: 2026-17", "model: ST-506", "notes: a\\x1bb"]) {
      assertStringIncludes(info.stdout, line);
    }
    assertMatch(info.stdout, /unreadable when it was made: 1 area, 32,768 bytes/);
    const hashed = await runCli(["hash", "--hash", "sha256", path]);
    assertStringIncludes(hashed.stdout, hash("SHA256", CONTENT).toString("hex"));
    const verified = await runCli(["verify", path, "--json"]);
    assertEquals(verified.code, 0, verified.stderr);
    const checks = verified.result["checks"] as {
      readonly from: string;
      readonly same: boolean;
    }[];
    assertEquals(checks.length, 12);
    assert(checks.every(({ same }) => same));
    assert(checks.some(({ from }) => from === "the image itself: mapHash"));
  },
});

linuxTest({
  name: "aff4: each hash that is wrong makes verify end with 2",
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const hashes = [...textOf().matchAll(/"([0-9a-f]{32,})"/g)];
    assertEquals(hashes.length, 12);
    for (const [number, { index }] of hashes.entries()) {
      const file = image((text) =>
        text.slice(0, index + 1) + (text[index + 1] === "0" ? "1" : "0") + text.slice(index + 2)
      );
      const path = await folder.write("disk.aff4", file);
      const { code, stdout, stderr } = await runCli(["verify", path]);
      assertEquals(code, 2, `hash ${number}: ${stdout}${stderr}`);
    }
  },
});

function textOf(): string {
  let shown = "";
  image((text) => shown = text);
  return shown;
}

linuxTest({
  name: "aff4: it becomes raw and E01, with what is known of the disk",
  ignore: needs("ewfinfo", "ewfverify", "cmp"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const path = await folder.write("disk.aff4", image());
    const content = await folder.write("content", CONTENT);
    const raw = await runCli(["convert", path, folder.file("disk.img")]);
    assertEquals(raw.code, 0, raw.stderr);
    await run("cmp", [content, folder.file("disk.img")]);
    assertMatch(raw.stdout, /unreadable when the first was made: 1 area, 32,768 bytes/);
    assertMatch(raw.stdout, /the same as kept in .*: sha1/);
    const e01 = await runCli(["convert", path, folder.file("disk.E01"), "--hash", "md5"]);
    assertEquals(e01.code, 0, e01.stderr);
    await run("ewfverify", ["-q", folder.file("disk.E01")]);
    const { stdout } = await tryRun("ewfinfo", [folder.file("disk.E01")]);
    assertMatch(stdout, /Case number:\s+2026-17/);
    assertMatch(stdout, /Model:\s+Seagate ST-506/);
    assertMatch(stdout, /Serial number:\s+SG1/);
    assertStringIncludes(stdout, await digestOf(content, "md5"));
  },
});

linuxTest({
  name:
    "aff4: a damaged chunk is listed by verify, and becomes zeros only when that is asked for",
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const file = image();
    // The first chunk is noise, and stands in the file as it is.
    const at = new TextDecoder("latin1").decode(file).indexOf("major=1");
    assert(at > 0);
    file[at + 5000] = (file[at + 5000] ?? 0) ^ 1;
    const path = await folder.write("disk.aff4", file);
    const verified = await runCli(["verify", path]);
    assertEquals(verified.code, 2);
    assertMatch(verified.stdout, /damaged: 1 area, 32,768 bytes/);
    const refused = await runCli(["convert", path, folder.file("disk.img")]);
    assertEquals(refused.code, 2, refused.stdout);
    assertStringIncludes(refused.stderr, "chunk 0 does not have its md5 hash");
    const converted = await runCli([
      "convert",
      path,
      folder.file("b.img"),
      "--on-error",
      "zero",
    ]);
    assertEquals(converted.code, 4, converted.stderr);
    const expected = CONTENT.slice().fill(0, 0, CHUNK);
    assertEquals(
      await digestOf(folder.file("b.img")),
      hash("SHA256", expected).toString("hex"),
    );
  },
});

linuxTest({
  name: "aff4: a container without its other one, and one of another kind, end with 1",
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const other = "aff4://77777777-0000-4000-8000-000000000007";
    const path = await folder.write(
      "disk_1.aff4",
      image((text) =>
        text.replace(
          /(<aff4:\/\/4444[^>]*> a aff4:ImageStream ;[^]*?aff4:stored) <[^>]*>/,
          `$1 <${other}>`,
        )
      ),
    );
    const missing = await runCli(["info", path]);
    assertEquals(missing.code, 1);
    assertStringIncludes(missing.stderr, other);
    assertStringIncludes(missing.stderr, "there is none beside it");
    const old = await folder.write(
      "old.af4",
      image((text) => text.replaceAll(SCHEMA, "http://afflib.org/2009/aff4#")),
    );
    const refused = await runCli(["verify", old]);
    assertEquals(refused.code, 1);
    assertStringIncludes(refused.stderr, "before the AFF4 Standard");
  },
});
