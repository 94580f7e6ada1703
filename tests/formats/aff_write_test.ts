import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ImagingError, WriteError } from "../../src/core/errors.ts";
import { createAff } from "../../src/formats/aff/aff_writer.ts";
import { aff } from "../../src/formats/aff.ts";
import type { Evidence } from "../../src/formats/image_format.ts";
import { makeChunk } from "../../src/copy/run_copy.ts";
import type { Bytes } from "../../src/core/block.ts";
import type { ZlibLevel } from "../../src/core/zlib.ts";
import { MemoryOutput } from "../support/image_output.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { run, tryRun } from "../support/run_cli.ts";
import { TemporaryFolder, waitUntil } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { seededNumbers } from "../volumes/image_tools.ts";
import { digestsOf, mixedPages, nodeZlib, openAff, readAll, writeAff } from "./aff_tools.ts";

const PAGE = 64 * 1024;
const noTools = needs("affinfo", "affverify", "affcat", "affconvert", "affcopy", "affix");

const EVIDENCE: Evidence = {
  caseNumber: "2024/17",
  evidenceNumber: "E-9",
  description: "card of a camera",
  examiner: "Zoë Example",
  notes: "found on the desk",
  acquired: new Date("2024-02-03T04:05:06.789Z"),
  system: "Debian 12",
  program: "sectorshot 0.1.0",
  model: "SD Card",
  serial: "0x1234",
};

Deno.test({
  name: "AFFLIB reads, verifies and converts what we write",
  ignore: noTools,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    for (const compression of ["fast", "none", "best"] as const) {
      for (const size of [10 * PAGE + 777, 3 * PAGE, 1, 0]) {
        const content = mixedPages(size, PAGE, size + 1);
        const bytes = await writeAff(content, { pageBytes: PAGE, compression });
        const path = await folder.write(`${compression}${size}.aff`, bytes);
        const raw = folder.file(`${compression}${size}.raw`);
        await run("affconvert", ["-q", "-r", "-o", raw, path]);
        assertBytes(await Deno.readFile(raw), content, `affconvert ${compression} ${size}`);
        await run("bash", ["-c", 'affcat "$1" | cmp - "$2"', "bash", path, raw]);
        const [md5, sha1] = await digestsOf(content);
        const verified = await run("affverify", [path]);
        if (size === 0) continue;
        assert(verified.includes(`Calculated SHA1: ${sha1?.hex}  VERIFIES`), verified);
        assert(verified.includes(`Calculated MD5:  ${md5?.hex}          VERIFIES`), verified);
        // Ends with another code than 0 when a digest is wrong or a page is missing.
        await run("affinfo", ["-m", "-S", path]);
      }
    }
  },
});

Deno.test({
  name: "pages of the usual size, packed and not, are read by AFFLIB and by us",
  ignore: noTools,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const pageBytes = 4 * 1024 * 1024;
    const content = mixedPages(2 * pageBytes + pageBytes / 2 + 100, pageBytes, 4);
    const output = new MemoryOutput();
    const writer = await aff.create(output, {
      size: content.length,
      sparse: true,
      zlib: nodeZlib,
      digests: () => digestsOf(content),
    });
    const chunkBytes = 4_000_000;
    for (let at = 0; at < content.length; at += chunkBytes) {
      await writer.consume(makeChunk(at, content.slice(at, at + chunkBytes)));
    }
    await writer.finish();
    const path = await folder.write("card.aff", output.durable);
    const list = await run("affcat", ["-L", path]);
    assert(list.includes(`pagesize\targ:${pageBytes}\tlen:0`), list);
    assert(list.includes(`page0\targ:0\tlen:${pageBytes}`), list);
    assert(/page1\targ:1\tlen:\d+\n/.test(list), list);
    assert(list.includes("page2\targ:51\tlen:4"), list);
    assert((await run("affverify", [path])).match(/VERIFIES/g)?.length === 2);
    assertBytes(await readAll((await openAff(output.durable)).media), content);
  },
});

Deno.test({
  name: "affinfo shows what was written, and finds the digests of the pages right",
  ignore: noTools,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const content = mixedPages(4 * PAGE, PAGE);
    const bad = [{ offset: 1000, length: 100 }, { offset: 3 * PAGE, length: 1024 }];
    for (const { offset, length } of bad) content.fill(0, offset, offset + length);
    const bytes = await writeAff(content, { pageBytes: PAGE, evidence: EVIDENCE, bad });
    const path = await folder.write("card.aff", bytes);
    const shown = await run("affinfo", ["-a", "-w", "-v", path]);
    const [md5, sha1, sha256] = (await digestsOf(content)).map(({ hex }) =>
      hex.toUpperCase().match(/..../g)?.join(" ") ?? ""
    );
    const lines = [
      /^badflag +0 +512 +BAD SECTOR/m,
      /^badsectors +2 +8 += 4 \(64-bit value\)/m,
      /^aff_file_type +0 +3 +AFF/m,
      /^pagesize +65536 +0/m,
      /^sectorsize +512 +0/m,
      /^imagesize +2 +8 += 262144 \(64-bit value\)/m,
      /^case_num +0 +7 +2024\/17/m,
      /^EvidenceNumber +0 +3 +E-9/m,
      /^Description +0 +16 +card of a camera/m,
      /^acquisition_technician +0 +12 +Zo..? Example/m,
      /^acquisition_notes +0 +17 +found on the desk/m,
      /^acquisition_date +0 +23 +2024-02-03 04:05:06 UTC/m,
      /^acquisition_system +0 +9 +Debian 12/m,
      /^creator +0 +16 +sectorshot 0.1.0/m,
      /^device_model +0 +7 +SD Card/m,
      /^device_sn +0 +6 +0x1234/m,
      new RegExp(`^md5 +0 +16 +${md5}`, "m"),
      new RegExp(`^sha1 +0 +20 +${sha1}`, "m"),
      new RegExp(`^sha256 +0 +32 +${sha256}`, "m"),
      /^image_gid +0 +16 +([0-9A-F]{4} ){7}[0-9A-F]{4}/m,
      // Noise is stored as it is, with a digest: the zlib page has a checksum of its own.
      /^page0 +0 +65536 .*HASH OK/m,
      /^page1 +1 +\d+ .*NO SEGMENT page1_md5/m,
      /^page2 +51 +4/m,
      /^page3 +0 +65536 .*HASH OK/m,
    ];
    for (const line of lines) assert(line.test(shown), `${line} in\n${shown}`);
    assert(!shown.includes("INVALID"), shown);
  },
});

Deno.test({
  name: "affcopy and affix take our files, and affcat shows no sector as bad",
  ignore: noTools,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const content = mixedPages(5 * PAGE + 3, PAGE, 8);
    const options = { pageBytes: PAGE, compression: "best", evidence: EVIDENCE } as const;
    const path = await folder.write("card.aff", await writeAff(content, options));
    const fixed = await tryRun("affix", [path]);
    assert(!/corrupt|missing/.test(fixed.stdout + fixed.stderr), fixed.stdout + fixed.stderr);
    const copy = folder.file("copy.aff");
    await run("affcopy", [path, copy]);
    const image = await openAff(await Deno.readFile(copy));
    assertBytes(await readAll(image.media), content);
    assertEquals(image.evidence?.caseNumber, "2024/17");
    const packed = folder.file("packed.aff");
    await run("affconvert", ["-q", "-X", "9", "-o", packed, path]);
    assertBytes(await readAll((await openAff(await Deno.readFile(packed))).media), content);
  },
});

Deno.test("evidence, digests and numbers are read back", async () => {
  const content = mixedPages(3 * PAGE + 5, PAGE);
  const image = await openAff(await writeAff(content, { pageBytes: PAGE, evidence: EVIDENCE }));
  assertEquals(image.evidence, { ...EVIDENCE, acquired: new Date("2024-02-03T04:05:06Z") });
  assertEquals(image.digests, await digestsOf(content));
  assertEquals(image.findings, []);
  assertEquals(new Map(image.metadata).get("page size"), "65,536 bytes");
});

Deno.test("chunks of any size, overlapping, make the same image", async () => {
  const next = seededNumbers(31);
  for (let round = 0; round < 30; round++) {
    const content = mixedPages(next(9 * PAGE), PAGE, round + 1);
    const compression = (["none", "fast", "best"] as const)[round % 3];
    const bytes = await writeAff(content, {
      pageBytes: PAGE,
      chunkBytes: 1 + next(3 * PAGE),
      compression,
      size: round % 2 === 0 ? content.length : Infinity,
      output: new MemoryOutput({
        delay: () => next(3) > 0 ? undefined : new Promise((done) => setTimeout(done, next(3))),
      }),
    });
    const { media, digests, findings } = await openAff(bytes);
    assertBytes(await readAll(media), content, `round ${round}`);
    assertEquals([digests, findings], [await digestsOf(content), []]);
  }
});

Deno.test("pages are whole sectors, and levels of zlib are 1 and 9", async () => {
  const levels: ZlibLevel[] = [];
  const zlib: typeof nodeZlib = {
    ...nodeZlib,
    deflate(bytes, pieceBytes, level): Promise<readonly Bytes[]> {
      levels.push(level);
      assertEquals(pieceBytes, bytes.length);
      return nodeZlib.deflate(bytes, pieceBytes, level);
    },
  };
  const content = patternBytes(9999).fill(3, 100);
  for (const compression of [undefined, "fast", "best", "none"] as const) {
    const image = await openAff(
      await writeAff(content, { pageBytes: 5000, sectorSize: 2048, zlib, compression }),
    );
    assertBytes(await readAll(image.media), content);
    assertEquals(image.media.sectorSize, 2048);
    assertEquals(new Map(image.metadata).get("page size"), "4,096 bytes");
  }
  assertEquals(levels, [1, 1, 1, 1, 1, 1, 9, 9, 9]);
});

Deno.test("without zlib only images that are not compressed can be written", async () => {
  const output = new MemoryOutput();
  const error = assertThrows(
    () => createAff(output, { size: 1, sparse: true }),
    ImagingError,
  );
  assertEquals(error.kind, "usage");
  const content = mixedPages(3 * PAGE, PAGE);
  const bytes = await writeAff(content, {
    zlib: undefined,
    compression: "none",
    pageBytes: PAGE,
  });
  assertBytes(await readAll((await openAff(bytes)).media), content);
});

Deno.test("sectors that could not be read are counted once, wherever chunks end", async () => {
  const content = patternBytes(20 * 512);
  const bad = [
    { offset: 0, length: 1 },
    { offset: 500, length: 13 },
    { offset: 700, length: 68 },
    { offset: 5 * 512, length: 3 * 512 },
  ];
  for (const { offset, length } of bad) content.fill(0, offset, offset + length);
  for (const chunkBytes of [700, 10_240]) {
    // Places lie in one chunk each, as in the flow.
    const split = bad.flatMap(({ offset, length }) => {
      const border = (Math.floor(offset / chunkBytes) + 1) * chunkBytes;
      const first = Math.min(length, border - offset);
      return [{ offset, length: first }, { offset: border, length: length - first }]
        .filter((range) => range.length > 0);
    });
    const image = await openAff(await writeAff(content, { chunkBytes, bad: split }));
    assertEquals(new Map(image.metadata).get("unreadable sectors"), "5", `${chunkBytes}`);
    assertBytes(await readAll(image.media), content);
  }
});

Deno.test("memory is bounded: a writer that is ahead of its packer waits", async () => {
  const gate = Promise.withResolvers<void>();
  let packing = 0;
  const writer = createAff(new MemoryOutput(), {
    size: Infinity,
    sparse: true,
    zlib: {
      ...nodeZlib,
      async deflate(bytes, pieceBytes, level): Promise<readonly Bytes[]> {
        packing++;
        await gate.promise;
        return await nodeZlib.deflate(bytes, pieceBytes, level);
      },
    },
  }, PAGE);
  let taken = 0;
  const consumed = Array.from({ length: 12 }, async (_, page) => {
    await writer.consume(makeChunk(page * PAGE, patternBytes(PAGE, { offset: page * PAGE })));
    taken++;
  });
  await waitUntil("pages are packed", () => packing === 4);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals([packing, taken], [4, 4]);
  gate.resolve();
  await Promise.all(consumed);
  assertEquals((await writer.finish()).size, 12 * PAGE);
});

Deno.test("a sync makes full pages durable, and they can be read before the end", async () => {
  const content = mixedPages(5 * PAGE + 100, PAGE);
  const output = new MemoryOutput();
  const plan = { size: content.length, sparse: true, zlib: nodeZlib };
  const writer = createAff(output, plan, PAGE);
  await writer.consume(makeChunk(0, content.slice()));
  await writer.sync();
  // What a power cut would leave here: pages, no digests.
  const image = await openAff(output.durable);
  assertEquals([image.media.size, image.digests], [content.length, []]);
  const into = new Uint8Array(5 * PAGE);
  assertEquals(await image.media.readAt(0, into), into.length);
  assertBytes(into, content.subarray(0, 5 * PAGE));
  const text = image.findings.map(({ message }) => message).join();
  assert(text.includes("1 of 6 pages of the image are not in the file"), text);
  await writer.finish();
  assertBytes(await readAll((await openAff(output.durable)).media), content);
});

Deno.test("a stream's image that was not finished says so", async () => {
  const content = mixedPages(3 * PAGE, PAGE);
  const output = new MemoryOutput();
  const plan = { size: Infinity, sparse: true, zlib: nodeZlib };
  const writer = createAff(output, plan, PAGE);
  await writer.consume(makeChunk(0, content.slice()));
  await writer.sync();
  const cut = await openAff(output.durable);
  assert(cut.findings.some(({ message }) => message.includes("does not tell the size")));
  assertBytes(await readAll(cut.media), content);
  await writer.finish();
  assertEquals((await openAff(output.durable)).findings, []);
});

Deno.test("a file that was longer before is cut", async () => {
  const content = mixedPages(2 * PAGE, PAGE);
  const output = new MemoryOutput({ initial: patternBytes(9 * PAGE) });
  const image = await openAff(await writeAff(content, { pageBytes: PAGE, output }));
  assertEquals(image.findings, []);
  assertBytes(await readAll(image.media), content);
});

Deno.test("a failure is told by every call that follows", async () => {
  const error = new WriteError("no space left on device (ENOSPC)", 0);
  for (const failing of [0, 1, 5, 9, 14]) {
    const output = new MemoryOutput({
      delay: (call) => call === failing ? Promise.reject(error) : undefined,
    });
    const content = patternBytes(3 * PAGE);
    const outcome = await assertRejects(
      () => writeAff(content, { pageBytes: PAGE, chunkBytes: 10_000, output }),
      WriteError,
    );
    assertEquals(outcome, error);
  }
  const broken: typeof nodeZlib = {
    ...nodeZlib,
    deflate: () => Promise.reject(error),
  };
  const plan = { size: Infinity, sparse: true, zlib: broken };
  const writer = createAff(new MemoryOutput(), plan, PAGE);
  await writer.consume(makeChunk(0, patternBytes(PAGE)));
  await assertRejects(() => writer.sync(), WriteError);
  await assertRejects(() => writer.consume(makeChunk(PAGE, new Uint8Array(1))), WriteError);
  await assertRejects(() => writer.finish(), WriteError);
  await writer.abort(error);
  await writer.abort(error);
});
