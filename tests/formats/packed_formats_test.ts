import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { MemorySource } from "../../src/blocks/memory.ts";
import { makeUnpackService } from "../../src/copy/unpack/unpack_service.ts";
import type { Bytes, ProbeInput } from "../../src/core/block.ts";
import { FormatError } from "../../src/core/errors.ts";
import { bzip2 } from "../../src/formats/bzip2.ts";
import type { ImageFormat } from "../../src/formats/image_format.ts";
import { lz4 } from "../../src/formats/lz4.ts";
import { xzContentBytes } from "../../src/formats/packed/xz_content_bytes.ts";
import { xz } from "../../src/formats/xz.ts";
import { diskContent, joined, pipeThrough } from "../copy/unpack_tools.ts";
import { assertBytes } from "../support/pattern.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

const FORMATS: readonly ImageFormat[] = [xz, bzip2, lz4];

const UNPACK = makeUnpackService();

function inputOf(head: Uint8Array, name = ""): ProbeInput {
  return { name, size: head.length, sectorSize: 512, head };
}

/** What the formats say of a file: their ids. */
function exactFormats(bytes: Bytes): string[] {
  return FORMATS.filter((format) => format.probe(inputOf(bytes)) === "exact").map(({ id }) =>
    id
  );
}

async function readImage(format: ImageFormat, packed: Bytes): Promise<[Bytes, number]> {
  const file = new MemorySource("card.img", packed);
  const { media } = await format.open(file, { unpack: UNPACK });
  await using _ = media;
  const parts: Uint8Array[] = [];
  for (let at = 0;;) {
    const into = new Uint8Array(1_000_000);
    const length = await media.readAt(at, into);
    parts.push(into.subarray(0, length));
    at += length;
    if (length < into.length) return [joined(...parts), media.size];
  }
}

Deno.test("each is recognized by what its program writes, and by that only", {
  ignore: needs("xz", "bzip2", "lz4", "gzip", "zstd"),
}, async () => {
  for (const content of [new Uint8Array(), diskContent(1), diskContent(300_000)]) {
    const write = (command: string): Promise<Bytes> => pipeThrough(command.split(" "), content);
    assertEquals(exactFormats(await write("xz -c")), ["xz"]);
    assertEquals(exactFormats(await write("bzip2 -c")), ["bzip2"]);
    assertEquals(exactFormats(await write("bzip2 -1 -c")), ["bzip2"]);
    assertEquals(exactFormats(await write("lz4 -c")), ["lz4"]);
    assertEquals(exactFormats(await write("lz4 -l -c")), ["lz4"]);
    assertEquals(exactFormats(await write("gzip -c")), []);
    assertEquals(exactFormats(await write("zstd -c")), []);
    assertEquals(exactFormats(await write("xz --format=lzma -c")), []);
    assertEquals(exactFormats(content), []);
  }
});

Deno.test("a frame to be skipped is not enough to tell lz4 from zstd", {
  ignore: needs("lz4", "zstd"),
}, async () => {
  const skip = Uint8Array.of(0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3);
  const frame = await pipeThrough(["lz4", "-c"], diskContent(100));
  assertEquals(exactFormats(joined(skip, skip, frame)), ["lz4"]);
  const other = await pipeThrough(["zstd", "-c"], diskContent(100));
  assertEquals(exactFormats(joined(skip, skip, other)), []);
  assertEquals(exactFormats(joined(skip, skip)), []);
  const far = Uint8Array.of(0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0xff);
  assertEquals(exactFormats(joined(far, frame)), []);
});

Deno.test("probes do not throw, whatever the head", () => {
  const next = seededNumbers(7);
  const starts = [[], [0xfd, 0x37], [0x42, 0x5a, 0x68, 0x39], [0x50, 0x2a, 0x4d, 0x18]];
  for (let round = 0; round < 2000; round++) {
    const head = joined(
      Uint8Array.from(starts[next(starts.length)] ?? []),
      Uint8Array.from({ length: next(20) }, () => next(256)),
    );
    exactFormats(head);
  }
});

Deno.test("images are read, and the size of xz is known", {
  ignore: needs("xz", "bzip2", "lz4"),
}, async () => {
  for (const size of [0, 1, 1024 * 1024, 3_000_000]) {
    const content = diskContent(size, size);
    for (const format of FORMATS) {
      const packed = await pipeThrough([format.id, "-c", "-1"], content);
      const [found, told] = await readImage(format, packed);
      assertBytes(found, content, format.id);
      assertEquals(told, format === xz ? size : Infinity);
    }
  }
});

Deno.test("the size of xz is that of all its blocks and streams", {
  ignore: needs("xz"),
}, async () => {
  const write = (content: Bytes, ...args: string[]): Promise<Bytes> =>
    pipeThrough(["xz", "-c", "-0", ...args], content);
  const streams = [
    await write(diskContent(70_000), "--check=none"),
    await write(diskContent(1_000_000), "-T2", "--block-size=10000"),
    await write(new Uint8Array()),
    await write(new Uint8Array(300_000_000), "--check=crc32"),
  ];
  const padding = new Uint8Array(60_000);
  const whole = joined(...streams, padding, ...streams);
  const size = 2 * (70_000 + 1_000_000 + 300_000_000);
  assertEquals(await xzContentBytes(new MemorySource("card", whole)), size);
  // What xz itself says of it.
  await using folder = await TemporaryFolder.create();
  const path = await folder.write("card.xz", whole);
  const list = await pipeThrough(["xz", "--robot", "--list", path], new Uint8Array());
  const totals = new TextDecoder().decode(list).split("\n").find((it) => /^totals\t/.test(it));
  assertEquals(totals?.split("\t")[4], String(size));
});

Deno.test("of an xz file that is not as it should be the size is not told", {
  ignore: needs("xz"),
}, async () => {
  const one = await pipeThrough(["xz", "-c"], diskContent(1000));
  const sizeOf = (bytes: Bytes): Promise<number | undefined> =>
    xzContentBytes(new MemorySource("card", bytes));
  assertEquals(await sizeOf(one), 1000);
  assertEquals(await sizeOf(joined(one, one)), 2000);
  for (let length = 1; length < one.length; length++) {
    assertEquals(await sizeOf(one.slice(0, length)), undefined, `cut to ${length}`);
  }
  for (const tail of [1, 2, 3]) {
    assertEquals(await sizeOf(joined(one, new Uint8Array(tail))), undefined);
  }
  assertEquals(await sizeOf(joined(one, new Uint8Array(70_000))), undefined);
  assertEquals(await sizeOf(joined(new Uint8Array(4), one)), undefined);
  // From the footer and the index every byte counts, but for the flags in the footer.
  for (let at = one.length - 24; at < one.length; at++) {
    const wrong = one.slice();
    wrong[at] = (wrong[at] ?? 0) ^ 0x41;
    assertEquals(await sizeOf(wrong), undefined, `byte ${at}`);
  }
});

Deno.test("that there is no checksum is told", { ignore: needs("xz", "lz4") }, async () => {
  const cases: [format: ImageFormat, args: string, findings: number][] = [
    [xz, "--check=none", 1],
    [xz, "--check=crc32", 0],
    [xz, "--check=sha256", 0],
    [lz4, "--no-frame-crc", 1],
    [lz4, "--no-frame-crc -BX", 0],
    [lz4, "-B6", 0],
  ];
  for (const [format, args, count] of cases) {
    const packed = await pipeThrough([format.id, "-c", ...args.split(" ")], diskContent(1000));
    const file = new MemorySource("card.img", packed);
    const { media, findings } = await format.open(file, { unpack: UNPACK });
    await media[Symbol.asyncDispose]();
    assertEquals(findings.length, count, `${format.id} ${args}`);
    if (count > 0) assertStringIncludes(findings[0]?.message ?? "", "no checksum");
  }
});

Deno.test("an xz file whose beginning is damaged, or whose index lies, is an error", {
  ignore: needs("xz"),
}, async () => {
  const content = diskContent(3_000_000);
  const packed = await pipeThrough(["xz", "-c", "-0"], content);
  packed[packed.length / 2 | 0] = (packed[packed.length / 2 | 0] ?? 0) ^ 1;
  await assertRejects(() => readImage(xz, packed), FormatError, "damaged");
  const legacy = await pipeThrough(["lz4", "-l", "-c"], content);
  const error = await assertRejects(() => readImage(lz4, legacy), FormatError);
  assertStringIncludes(error.message, "legacy");
});
