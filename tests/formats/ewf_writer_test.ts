/** Images that are written are read by libewf and The Sleuth Kit, and have to please both. */
import { createHash } from "node:crypto";
import { deflateSync, inflateSync } from "node:zlib";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { makeChunk } from "../../src/copy/run_copy.ts";
import type { Bytes } from "../../src/core/block.ts";
import { ImagingError } from "../../src/core/errors.ts";
import { intersection, type Range } from "../../src/core/range.ts";
import type { ZlibService } from "../../src/core/zlib.ts";
import { ewfSettings } from "../../src/formats/ewf/ewf_write_plan.ts";
import { SegmentWriter } from "../../src/formats/ewf/ewf_write_segment.ts";
import { createEwf } from "../../src/formats/ewf/ewf_writer.ts";
import type {
  Compression,
  ImageOutput,
  ImagePlan,
  ImageSummary,
  OutputFolder,
} from "../../src/formats/image_format.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { refusingZlib } from "../support/refusing_zlib.ts";
import { run } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

const CHUNK = 32768;
const KIB = 1024;
const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

const LAYOUTS = ["encase6", "encase5", "ftk", "linen", "smart"] as const;
const COMPRESSIONS: readonly Compression[] = ["none", "fast", "best"];

const NO_LIBEWF = needs("ewfinfo", "ewfverify", "ewfexport", "img_stat", "img_cat");

type Delay = () => Promise<void>;

function randomDelays(seed: number): Delay {
  const next = seededNumbers(seed);
  return async () => {
    if (next(2) === 0) await new Promise((resolve) => setTimeout(resolve, next(3)));
  };
}

/** As slow as the delays say; looks at the bytes as late as is allowed. */
function zlibWith(delay: Delay): ZlibService {
  return {
    ...refusingZlib,
    async deflate(bytes, pieceBytes, level): Promise<readonly Bytes[]> {
      await delay();
      const streams: Bytes[] = [];
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        streams.push(
          Uint8Array.from(deflateSync(bytes.subarray(at, at + pieceBytes), { level })),
        );
      }
      return streams;
    },
    async checksums(bytes, pieceBytes): Promise<Uint32Array> {
      await delay();
      const sums: number[] = [];
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        const stream = deflateSync(bytes.subarray(at, at + pieceBytes), { level: 0 });
        sums.push(stream.readUInt32BE(stream.length - 4));
      }
      return Uint32Array.from(sums);
    },
  };
}

/** A whole MiB of zeros, which a file does not need to be given. */
function isZeroMebibyte(bytes: Bytes): boolean {
  if (bytes.length < MIB) return false;
  const words = new Uint32Array(bytes.slice().buffer);
  for (let i = 0; i < words.length; i++) {
    if (words[i] !== 0) return false;
  }
  return true;
}

/** A file that leaves holes for zeros; writes that meet each other fail the test. */
class FileOutput implements ImageOutput {
  readonly name: string;
  readonly sectorSize = 512;
  readonly initialSize = 0;
  readonly #file: Deno.FsFile;
  readonly #delay: Delay;
  readonly #pending = new Set<Range>();
  /** Bytes that are not durable yet. */
  unflushed = 0;
  writes = 0;

  constructor(name: string, path: string, delay: Delay) {
    this.name = name;
    this.#file = Deno.openSync(path, { create: true, write: true, truncate: true });
    this.#delay = delay;
  }

  async writeAt(offset: number, bytes: Bytes): Promise<void> {
    assert(Number.isSafeInteger(offset) && offset >= 0, `writes at ${offset}`);
    const range = { offset, length: bytes.length };
    for (const other of this.#pending) {
      assertEquals(intersection(other, range), undefined, "writes overlap in time and place");
    }
    this.writes++;
    this.unflushed += bytes.length;
    this.#pending.add(range);
    await this.#delay();
    this.#pending.delete(range);
    for (let at = 0; at < bytes.length; at += MIB) {
      const part = bytes.subarray(at, at + MIB);
      if (isZeroMebibyte(part)) continue;
      this.#file.seekSync(offset + at, Deno.SeekMode.Start);
      for (let done = 0; done < part.length;) done += this.#file.writeSync(part.subarray(done));
    }
  }

  async setSize(bytes: number): Promise<void> {
    assertEquals(this.#pending.size, 0, "a change of size while writes are under way");
    await this.#delay();
    this.#file.truncateSync(bytes);
  }

  async flush(): Promise<void> {
    const { unflushed } = this;
    await this.#delay();
    this.unflushed -= unflushed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#file.close();
    return Promise.resolve();
  }
}

/** An image in a folder of its own. */
class TestImage implements OutputFolder, AsyncDisposable {
  readonly name: string;
  readonly outputs: FileOutput[] = [];
  readonly #folder: TemporaryFolder;
  readonly #delay: Delay;

  private constructor(name: string, folder: TemporaryFolder, delay: Delay) {
    this.name = name;
    this.#folder = folder;
    this.#delay = delay;
  }

  static async create(name = "card.E01", seed = 1): Promise<TestImage> {
    return new TestImage(name, await TemporaryFolder.create(), randomDelays(seed));
  }

  create(name: string): Promise<FileOutput> {
    const output = new FileOutput(name, this.#folder.file(name), this.#delay);
    this.outputs.push(output);
    return Promise.resolve(output);
  }

  get path(): string {
    return this.#folder.file(this.name);
  }

  file(name: string): string {
    return this.#folder.file(name);
  }

  async names(): Promise<string[]> {
    return await this.#folder.names();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const output of this.outputs) await output[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** How an image is written by {@linkcode write}. */
interface WriteOptions extends Partial<ImagePlan> {
  readonly seed?: number;
  /** Bytes of a piece of the flow; else pieces of any size. */
  readonly flowBytes?: number;
  readonly bad?: readonly Range[];
}

/** Brings the content to a writer as the flow does: four consumes under way at once. */
async function write(
  image: TestImage,
  content: Bytes,
  options: WriteOptions = {},
): Promise<ImageSummary> {
  const { seed = 1, flowBytes, bad = [], ...plan } = options;
  const next = seededNumbers(seed);
  const writer = createEwf(await image.create(image.name), {
    size: content.length,
    sparse: false,
    folder: image,
    zlib: zlibWith(randomDelays(seed + 1)),
    digests: () =>
      Promise.resolve(["md5", "sha1"].map((algorithm) => ({
        algorithm,
        hex: createHash(algorithm).update(content).digest("hex"),
      }))),
    ...plan,
  });
  const running: Promise<void>[] = [];
  for (let at = 0; at < content.length;) {
    const bytes = content.slice(at, at + (flowBytes ?? 1 + next(200 * KIB)));
    const range = { offset: at, length: bytes.length };
    const chunk = makeChunk(at, bytes, bad.flatMap((part) => intersection(part, range) ?? []));
    // What is kept of the bytes behind that is kept wrongly.
    running.push(writer.consume(chunk).then(() => void bytes.fill(0xaa)));
    if (running.length === 4) await running.shift();
    at += bytes.length;
  }
  await Promise.all(running);
  const summary = await writer.finish();
  assertEquals(image.outputs.map(({ unflushed }) => unflushed).filter((n) => n !== 0), []);
  return summary;
}

/** Zeros, noise, text and repetitions, in parts that end anywhere. */
function mixedBytes(length: number, seed = 1): Bytes {
  const next = seededNumbers(seed);
  const bytes = patternBytes(length, { seed });
  for (let at = 0; at < length;) {
    const end = Math.min(at + 1 + next(5 * CHUNK), length);
    const kind = next(4);
    if (kind === 0) bytes.fill(0, at, end);
    if (kind === 1) { for (let i = at; i < end; i++) bytes[i] = 65 + (i * i) % 23; }
    at = end;
  }
  // A chunk of noise and a chunk that packs well, each twice.
  if (length >= 8 * CHUNK) {
    bytes.set(patternBytes(CHUNK, { seed: 99 }), 2 * CHUNK);
    bytes.copyWithin(3 * CHUNK, 2 * CHUNK, 3 * CHUNK);
    bytes.fill(0xff, 5 * CHUNK, 7 * CHUNK);
  }
  return bytes;
}

/** The lines of ewfinfo: "Media size" -> "3.0 MiB (3145728 bytes)". */
async function ewfinfo(path: string): Promise<ReadonlyMap<string, string>> {
  const fields = new Map<string, string>();
  for (const line of (await run("ewfinfo", [path])).split("\n")) {
    const match = /^\t([^:]+):\s*(.*)$/.exec(line);
    if (match !== null) fields.set(match[1] ?? "", match[2] ?? "");
  }
  return fields;
}

/** Both digests are compared by ewfverify with what it reads. */
async function assertVerified(path: string, withSha1: boolean): Promise<void> {
  const output = await run("ewfverify", ["-d", "sha1", path]);
  const stored = [...output.matchAll(/^(MD5|SHA1) hash stored in file:\s+(\S+)/gm)];
  const found = [...output.matchAll(/^(MD5|SHA1) hash calculated over data:\s+(\S+)/gm)];
  const hexOf = (matches: readonly RegExpExecArray[], name: string): string | undefined =>
    matches.find(([, algorithm]) => algorithm === name)?.[2];
  assert(/^ewfverify: SUCCESS$/m.test(output), output);
  assertEquals(hexOf(stored, "MD5"), hexOf(found, "MD5"), output);
  if (withSha1) assertEquals(hexOf(stored, "SHA1"), hexOf(found, "SHA1"), output);
}

/** What a program writes to its standard output. */
async function bytesOf(program: string, ...args: string[]): Promise<Bytes> {
  const { code, stdout, stderr } = await new Deno.Command(program, { args }).output();
  if (code !== 0) throw new Error(new TextDecoder().decode(stderr));
  return stdout;
}

async function exported(image: TestImage, ...args: string[]): Promise<Bytes> {
  const target = image.file("out");
  await run("ewfexport", ["-q", "-u", ...args, "-f", "raw", "-t", target, image.path]);
  const bytes = await Deno.readFile(`${target}.raw`);
  await Deno.remove(`${target}.raw`);
  return bytes;
}

/** libewf finds nothing wrong and gives the bytes back. */
async function assertReads(image: TestImage, content: Bytes, withSha1 = true): Promise<void> {
  await assertVerified(image.path, withSha1);
  assertBytes(await exported(image), content);
}

/** A section as it stands in the file, by the specification. */
interface Section {
  readonly type: string;
  readonly offset: number;
  readonly size: number;
  readonly view: DataView;
}

/** Adler-32 as RFC 1950 describes it. */
function adlerOf(bytes: Uint8Array): number {
  let [a, b] = [1, 0];
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return b * 65536 + a;
}

/** The sections of a file; they must lie one behind the other and fill it. */
function sectionsOf(bytes: Uint8Array): Section[] {
  const sections: Section[] = [];
  for (let offset = 13;;) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + offset);
    const type = String.fromCharCode(...bytes.subarray(offset, offset + 16)).replace(
      /\0.*/,
      "",
    );
    assertEquals(view.getUint32(72, true), adlerOf(bytes.subarray(offset, offset + 72)));
    const next = Number(view.getBigUint64(16, true));
    const size = Number(view.getBigUint64(24, true));
    sections.push({ type, offset, size, view });
    if (next === offset) {
      assertEquals(offset + 76, bytes.length, "something stands behind the last section");
      return sections;
    }
    assertEquals(next, offset + size, `the section ${type} does not end where the next begins`);
    offset = next;
  }
}

async function fileSections(path: string): Promise<Section[]> {
  return sectionsOf(await Deno.readFile(path));
}

function typesOf(sections: readonly Section[]): string {
  return sections.map(({ type }) => type).join(" ");
}

const EVIDENCE = {
  caseNumber: "2024/17",
  evidenceNumber: "7a",
  description: "card of a camera",
  examiner: "M. Muster",
  notes: "found in a drawer",
  acquired: new Date(2024, 1, 29, 13, 14, 15),
  system: "Debian 12",
  program: "sectorshot",
  model: "Ultra",
  serial: "0042",
  isPhysical: true,
  isRemovable: true,
};

for (const layout of LAYOUTS) {
  for (const compression of COMPRESSIONS) {
    Deno.test({
      name: `libewf and The Sleuth Kit read ${layout}, compression ${compression}`,
      ignore: NO_LIBEWF,
      async fn(): Promise<void> {
        const isSmart = layout === "smart";
        await using image = await TestImage.create(isSmart ? "card.s01" : "card.E01");
        const content = mixedBytes(60 * CHUNK + 5 * 512);
        const { files = [] } = await write(image, content, {
          layout,
          compression,
          evidence: EVIDENCE,
          segmentBytes: 200 * KIB,
        });
        assert(files.length > 2);
        assertEquals(await image.names(), files.toSorted());
        for (const file of files) {
          const { size } = await Deno.stat(image.file(file));
          assert(size <= 200 * KIB, `${file} has ${size} bytes`);
        }
        await assertReads(image, content, layout === "encase6" || layout === "linen");
        assertBytes(await bytesOf("img_cat", image.path), content);
        assert(/^Image Type:\s+ewf$/m.test(await run("img_stat", [image.path])));
      },
    });
  }
}

/** The order of libewf, by layout: one file, and first, middle and last of several. */
const SECTIONS: Readonly<Record<typeof LAYOUTS[number], readonly string[]>> = {
  encase6: [
    "header2 header2 header volume sectors table table2 data digest hash done",
    "header2 header2 header volume sectors table table2 next",
    "data sectors table table2 next",
    "data sectors table table2 digest hash done",
  ],
  encase5: [
    "header2 header2 header volume sectors table table2 data hash done",
    "header2 header2 header volume sectors table table2 next",
    "data sectors table table2 next",
    "data sectors table table2 hash done",
  ],
  ftk: [
    "header header volume sectors table table2 data hash done",
    "header header volume sectors table table2 next",
    "data sectors table table2 next",
    "data sectors table table2 hash done",
  ],
  linen: [
    "header header volume sectors table table2 data digest hash done",
    "header header volume sectors table table2 next",
    "data sectors table table2 next",
    "data sectors table table2 digest hash done",
  ],
  smart: [
    "header volume table hash done",
    "header volume table next",
    "table next",
    "table hash done",
  ],
};

for (const layout of LAYOUTS) {
  Deno.test(`the sections of ${layout} stand in the order of libewf`, async () => {
    const name = layout === "smart" ? "card.s01" : "card.E01";
    const options = { layout, compression: "none", segmentBytes: 200 * KIB } as const;
    await using single = await TestImage.create(name);
    assertEquals((await write(single, patternBytes(2 * CHUNK), options)).files, undefined);
    await using several = await TestImage.create(name);
    const { files = [] } = await write(several, patternBytes(14 * CHUNK), options);
    assertEquals(files.length, 3);
    const found = [single.path, ...files.map((file) => several.file(file))];
    const types = (await Promise.all(found.map(fileSections))).map(typesOf);
    assertEquals(types, SECTIONS[layout]);
  });
}

Deno.test({
  name: "a medium of any number of sectors comes back, whatever its chunks hold",
  ignore: NO_LIBEWF,
  async fn(): Promise<void> {
    const sizes = [1, 2, 63, 64, 65, 127, 128, 129, 64 * 7 - 1, 64 * 7, 64 * 7 + 1];
    const contents = [(size: number): Bytes => new Uint8Array(size), patternBytes, mixedBytes];
    for (const [index, sectors] of sizes.entries()) {
      for (const [kind, make] of contents.entries()) {
        const layout = LAYOUTS[(index + kind) % LAYOUTS.length] ?? "encase6";
        await using image = await TestImage.create(layout === "smart" ? "card.s01" : undefined);
        const content = make(sectors * 512);
        const compression = COMPRESSIONS[index % 3] ?? "fast";
        await write(image, content, { layout, compression, seed: index + 1 });
        await assertReads(image, content, layout === "encase6" || layout === "linen");
        assertEquals((await ewfinfo(image.path)).get("Number of sectors"), `${sectors}`);
      }
    }
  },
});

Deno.test({
  name: "chunks and sectors have any of the sizes of the format",
  ignore: NO_LIBEWF,
  async fn(): Promise<void> {
    const shapes = [[512, 1], [512, 16], [4096, 64], [4096, 1], [512, 32768], [2048, 16]];
    for (const [sectorSize = 512, chunkSectors = 64] of shapes) {
      for (const layout of ["encase6", "smart"] as const) {
        await using image = await TestImage.create(layout === "smart" ? "card.s01" : undefined);
        const content = mixedBytes(2 * MIB + 3 * 4096);
        await write(image, content, { layout, sectorSize, chunkSectors });
        await assertReads(image, content, layout === "encase6");
        const info = await ewfinfo(image.path);
        assertEquals(info.get("Bytes per sector"), `${sectorSize}`);
        assertEquals(info.get("Sectors per chunk"), `${chunkSectors}`);
        assertEquals(info.get("Number of sectors"), `${content.length / sectorSize}`);
      }
    }
  },
});

Deno.test({
  name: "a stream becomes an image that knows its size, in every file of it",
  ignore: NO_LIBEWF,
  async fn(): Promise<void> {
    for (const layout of LAYOUTS) {
      for (const sectors of [1, 64, 64 * 30 + 1]) {
        await using image = await TestImage.create(layout === "smart" ? "card.s01" : undefined);
        const content = patternBytes(sectors * 512);
        const { size, files = [image.name] } = await write(image, content, {
          layout,
          size: Infinity,
          segmentBytes: 200 * KIB,
        });
        assertEquals(size, content.length);
        await assertReads(image, content, layout === "encase6" || layout === "linen");
        for (const file of files) {
          for (const { type, view } of await fileSections(image.file(file))) {
            if (type !== "volume" && type !== "data") continue;
            assertEquals(view.getUint32(76 + 4, true), Math.ceil(sectors / 64));
            assertEquals(view.getUint32(76 + 16, true), sectors);
          }
        }
      }
    }
  },
});

Deno.test({
  name: "ewfinfo tells what was said of the image",
  ignore: NO_LIBEWF,
  async fn(): Promise<void> {
    const formats = ["EnCase 6", "EnCase 5", "FTK Imager", "linen 6", "FTK Imager"];
    const levels = ["no compression", "good (fast) compression", "best compression"];
    for (const [index, layout] of LAYOUTS.entries()) {
      const isEncase = ["encase6", "encase5", "linen"].includes(layout);
      await using image = await TestImage.create(layout === "smart" ? "card.s01" : undefined);
      const content = mixedBytes(3 * CHUNK);
      const compression = COMPRESSIONS[index % 3] ?? "none";
      await write(image, content, { layout, compression, evidence: EVIDENCE });
      const info = await ewfinfo(image.path);
      const hasSha1 = layout === "encase6" || layout === "linen";
      const expected: Readonly<Record<string, string | undefined>> = {
        "Case number": "2024/17",
        "Evidence number": "7a",
        "Description": "card of a camera",
        "Examiner name": "M. Muster",
        "Notes": "found in a drawer",
        "Acquisition date": "Thu Feb 29 13:14:15 2024",
        "System date": "Thu Feb 29 13:14:15 2024",
        "Operating system used": "Debian 12",
        "Software version used": "sectorshot",
        "Password": "N/A",
        "Model": hasSha1 ? "Ultra" : undefined,
        "Serial number": hasSha1 ? "0042" : undefined,
        // SMART's headers are those of FTK Imager, which writes them.
        "File format": formats[index],
        "Error granularity": isEncase ? "1" : undefined,
        // The others have no place for it.
        "Compression level": isEncase ? levels[index % 3] : "no compression",
        "Media type": "removable disk",
        "Is physical": layout === "smart" ? "no" : "yes",
        "MD5": createHash("md5").update(content).digest("hex"),
        "SHA1": hasSha1 ? createHash("sha1").update(content).digest("hex") : undefined,
      };
      for (const [field, value] of Object.entries(expected)) {
        assertEquals(info.get(field), value, `${field} of ${layout}`);
      }
      // Version 4, RFC 9562.
      const identifier = info.get("Set identifier") ?? "";
      assertEquals(/^.{8}-.{4}-4.{3}-[89ab].{3}-.{12}$/.test(identifier), isEncase, identifier);
    }
  },
});

Deno.test({
  name: "an image of which nothing was said has empty fields, and no digests",
  ignore: NO_LIBEWF,
  async fn(): Promise<void> {
    for (const layout of LAYOUTS) {
      await using image = await TestImage.create(layout === "smart" ? "card.s01" : undefined);
      await write(image, mixedBytes(CHUNK), { layout, digests: undefined });
      const info = await ewfinfo(image.path);
      for (const field of ["Case number", "Notes", "Acquisition date", "MD5", "SHA1"]) {
        assertEquals(info.get(field) ?? "", "", `${field} of ${layout}`);
      }
      if (layout !== "smart") assertEquals(info.get("Media type"), "fixed disk");
      assertEquals(info.get("Is physical"), "no");
    }
  },
});

/** The text of the first section of a type. */
async function headerText(path: string, type: "header" | "header2"): Promise<string> {
  const section = (await fileSections(path)).find((one) => one.type === type);
  if (section === undefined) throw new Error(`there is no ${type}`);
  const { buffer, byteOffset } = section.view;
  const text = inflateSync(new Uint8Array(buffer, byteOffset + 76, section.size - 76));
  return new TextDecoder(type === "header" ? "ascii" : "utf-16").decode(text);
}

Deno.test({
  name: "all scripts are kept, and what would break the lines of a header is a blank",
  ignore: NO_LIBEWF,
  async fn(): Promise<void> {
    await using image = await TestImage.create();
    const evidence = {
      examiner: "Жанна Ω 漢字 😀 é",
      notes: "a\tb\r\nc\nd\r",
      caseNumber: "\t1\t",
    };
    await write(image, new Uint8Array(512), { evidence });
    const info = await ewfinfo(image.path);
    assertEquals(info.get("Examiner name"), evidence.examiner);
    assertEquals(info.get("Notes")?.trimEnd(), "a b c d");
    assertEquals(info.get("Case number")?.trim(), "1");
    const [, , names, values] = (await headerText(image.path, "header")).split("\r\n");
    assertEquals(names?.split("\t").length, values?.split("\t").length);
    assert(/^[\t -~]+$/.test(values ?? ""), values);
  },
});

Deno.test({
  name: "ten thousand characters are kept in each field",
  ignore: NO_LIBEWF,
  async fn(): Promise<void> {
    await using image = await TestImage.create();
    const next = seededNumbers(7);
    const textOf = (): string =>
      Array.from({ length: 10_000 }, () => String.fromCharCode(0x4e00 + next(0x5000))).join("");
    const evidence = { caseNumber: textOf(), description: textOf(), notes: textOf() };
    const content = mixedBytes(20 * CHUNK);
    await write(image, content, { evidence, segmentBytes: 300 * KIB });
    await assertReads(image, content);
    const text = await headerText(image.path, "header2");
    for (const value of Object.values(evidence)) assert(text.includes(value));
  },
});

Deno.test({
  name: "ewfinfo names the sectors that could not be read, joined and whole",
  ignore: NO_LIBEWF,
  async fn(): Promise<void> {
    const bad = [
      { offset: 0, length: 512 },
      { offset: 1000, length: 1 },
      { offset: 40_000, length: 3000 },
      { offset: 43_000, length: 1 },
      { offset: 9 * CHUNK - 512, length: 1024 },
      { offset: 20 * CHUNK, length: 512 },
    ];
    for (const layout of LAYOUTS) {
      await using image = await TestImage.create(layout === "smart" ? "card.s01" : undefined);
      const content = mixedBytes(20 * CHUNK + 512);
      await write(image, content, { layout, bad, segmentBytes: 200 * KIB });
      await assertReads(image, content, layout === "encase6" || layout === "linen");
      const lines = (await run("ewfinfo", [image.path])).split("\n");
      assertEquals(
        lines.filter((line) => line.startsWith("\tat sector")).map((line) => line.trim()),
        // SMART has no such section.
        layout === "smart" ? [] : [
          "at sector(s): 0 - 1 number: 2",
          "at sector(s): 78 - 83 number: 6",
          "at sector(s): 575 - 576 number: 2",
          "at sector(s): 1280 - 1280 number: 1",
        ],
      );
    }
  },
});

Deno.test("room is kept for bad sectors: no file gets too large by them", async () => {
  const size = 40 * CHUNK;
  const bad = Array.from(
    { length: 800 },
    (_, index) => ({ offset: index * 1536, length: 512 }),
  );
  await using image = await TestImage.create();
  const limit = 140 * KIB;
  const { files = [] } = await write(image, patternBytes(size), { bad, segmentBytes: limit });
  for (const file of files) assert((await Deno.stat(image.file(file))).size <= limit, file);
  const sections = await fileSections(image.file(files.at(-1) ?? ""));
  const errors = sections.find(({ type }) => type === "error2");
  assertEquals(errors?.view.getUint32(76, true), 800);
});

Deno.test({
  name: "a table that is full is followed by another one",
  ignore: NO_LIBEWF,
  async fn(): Promise<void> {
    const cases = [
      ["encase5", 16_375, [16_375]],
      ["encase5", 16_376, [16_375, 1]],
      ["ftk", 16_376, [16_375, 1]],
      ["linen", 16_376, [16_375, 1]],
      ["smart", 16_376, [16_375, 1]],
      ["encase6", 65_535, [65_534, 1]],
    ] as const;
    for (const [layout, chunks, expected] of cases) {
      await using image = await TestImage.create(layout === "smart" ? "card.s01" : undefined);
      const content = new Uint8Array(chunks * 512);
      content.set(patternBytes(512), content.length - 512);
      await write(image, content, { layout, chunkSectors: 1, flowBytes: 4 * MIB });
      await assertReads(image, content, layout === "encase6" || layout === "linen");
      const tables = (await fileSections(image.path)).filter(({ type }) => type === "table");
      assertEquals(tables.map(({ view }) => view.getUint32(76, true)), expected, layout);
    }
  },
});

Deno.test({
  name: "behind card.E99 come card.EAA and so on",
  ignore: NO_LIBEWF,
  async fn(): Promise<void> {
    await using image = await TestImage.create();
    const content = patternBytes(102 * 73 * KIB);
    const { files = [] } = await write(image, content, {
      chunkSectors: 8,
      compression: "none",
      flowBytes: 64 * KIB,
      segmentBytes: 73 * KIB,
    });
    assertEquals(files.slice(97, 101), ["card.E98", "card.E99", "card.EAA", "card.EAB"]);
    await assertReads(image, content);
  },
});

/** A file that nobody keeps. */
class NoOutput implements ImageOutput {
  readonly name = "card.E01";
  readonly sectorSize = 512;
  readonly initialSize = 0;
  /** End of what was written. */
  end = 0;
  size = 0;
  flushes = 0;
  /** How each write began. */
  readonly writes: Bytes[] = [];

  writeAt(offset: number, bytes: Bytes): Promise<void> {
    this.end = Math.max(this.end, offset + bytes.length);
    this.writes.push(bytes.slice(0, MIB));
    return Promise.resolve();
  }

  setSize(bytes: number): Promise<void> {
    this.size = bytes;
    return Promise.resolve();
  }

  flush(): Promise<void> {
    this.flushes++;
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

const zlib = zlibWith(() => Promise.resolve());

function planOf(plan: Partial<ImagePlan> = {}): ImagePlan {
  return { size: MIB, sparse: false, zlib, ...plan };
}

/** A folder in which nothing is made. */
function folderOf(name = "card.E01"): OutputFolder {
  return { name, create: () => Promise.resolve(new NoOutput()) };
}

Deno.test("a file gets as full as its limit allows, and never fuller", async () => {
  const shared = new Uint8Array(64 * KIB);
  for (let seed = 1; seed <= 60; seed++) {
    const next = seededNumbers(seed);
    const layout = LAYOUTS[seed % LAYOUTS.length];
    const segmentBytes = 150 * KIB + next(50 * KIB);
    const plan = planOf({ layout, segmentBytes, folder: folderOf(), size: Infinity });
    const output = new NoOutput();
    const writer = new SegmentWriter(output, ewfSettings(output, plan));
    const tail = { type: "hash", data: new Uint8Array(next(500)) };
    const outlook = { tailBytes: 2 * 76 + tail.data.length, chunksLeft: Infinity };
    writer.append(new Uint8Array(13 + next(2000)));
    for (let count = 0;; count++) {
      const length = 1 + next(seed % 3 === 0 ? 100 : 32 * KIB);
      const chunk = { isPacked: true, parts: [shared.subarray(0, length)], length };
      if (writer.add(chunk, outlook)) continue;
      await writer.end([tail], "done");
      assert(count > 0);
      assertEquals(output.size, output.end);
      assert(output.size <= segmentBytes, `${output.size} bytes of ${segmentBytes}`);
      // The chunk, its entries and a table of its own; SMART counts with the worst.
      const missing = segmentBytes - output.size;
      const least = layout === "smart" ? 33 * KIB + 200 : length + 8 + 76 + 2 * 104;
      assert(missing < least, `${layout} leaves ${missing} bytes for ${length}`);
      break;
    }
  }
});

Deno.test("beyond 2 GiB every table has offsets of 31 bits, and the right ones", async () => {
  const part = new Uint8Array(128 * MIB - 1);
  const output = new NoOutput();
  const writer = new SegmentWriter(output, ewfSettings(output, planOf({ size: Infinity })));
  const outlook = { tailBytes: 500, chunksLeft: Infinity };
  const places: number[] = [];
  writer.append(new Uint8Array(13));
  await writer.write();
  for (let index = 0; index < 80; index++) {
    const length = index % 2 === 0 ? 1 + index * 1000 : part.length - index;
    const chunk = { isPacked: index % 2 === 0, parts: [part.subarray(0, length)], length };
    assert(writer.add(chunk, outlook));
    places.push(writer.position - length);
    await writer.write();
  }
  await writer.end([], "done");
  assert(output.size > 5 * GIB);
  const found: number[] = [];
  for (const bytes of output.writes) {
    const at = new TextDecoder("latin1").decode(bytes).indexOf("table\0");
    if (at < 0) continue;
    const view = new DataView(bytes.buffer, at + 76);
    const base = Number(view.getBigUint64(8, true));
    for (let i = 0; i < view.getUint32(0, true); i++) {
      const entry = view.getUint32(24 + i * 4, true);
      assertEquals(entry >>> 31, (found.length + 1) % 2, "the bit of a packed chunk");
      found.push(base + entry % 2 ** 31);
    }
  }
  assertEquals(found, places);
});

Deno.test({
  name: "libewf reads what lies beyond 2 GiB in one file",
  ignore: NO_LIBEWF,
  async fn(): Promise<void> {
    await using image = await TestImage.create();
    const [first] = [await image.create(image.name)];
    const size = 2 * GIB + 64 * MIB;
    const options = { compression: "none", chunkSectors: 32768, layout: "encase6" } as const;
    const writer = createEwf(first, planOf({ ...options, size }));
    const zeros = new Uint8Array(16 * MIB);
    const last = patternBytes(16 * MIB, { seed: 5 });
    for (let at = 0; at < size; at += 16 * MIB) {
      const bytes = at < size - 16 * MIB ? zeros : last;
      await writer.consume({
        offset: at,
        length: bytes.length,
        bytes,
        bad: [],
        zeros: () => [],
      });
    }
    const { files } = await writer.finish();
    assertEquals(files, undefined);
    assert((await Deno.stat(image.path)).size > size);
    const offset = size - 17 * MIB;
    const bytes = await exported(image, "-o", `${offset}`, "-B", `${17 * MIB}`);
    assertBytes(bytes.subarray(0, MIB), zeros.subarray(0, MIB));
    assertBytes(bytes.subarray(MIB), last);
  },
});

/** The message and the hint of what a plan is refused with. */
function refusalOf(plan: Partial<ImagePlan>, name = "card.E01"): string {
  const planned = planOf({ folder: folderOf(name), ...plan });
  const error = assertThrows(() => createEwf(new NoOutput(), planned), ImagingError);
  assertEquals(error.kind, "usage");
  return `${error.message}; ${error.hint}`;
}

Deno.test("what cannot be written is refused before the first byte", () => {
  const TIB = 1024 * GIB;
  const cases: readonly (readonly [Partial<ImagePlan>, RegExp, string?])[] = [
    [{ layout: "encase9" }, /"encase9"; there are encase6, encase5, ftk, linen, smart$/],
    [{ size: 1000 }, /1,000 bytes are no whole sectors of 512 bytes.*; use \.img$/],
    [{ size: 512, sectorSize: 4096 }, /no whole sectors of 4096 bytes/],
    [{ chunkSectors: 65 }, /chunks of 65 sectors/],
    [{ chunkSectors: 65536 }, /chunks of 65536 sectors/],
    [{ chunkSectors: 0 }, /chunks of 0 sectors/],
    [{ segmentBytes: 64 * KIB }, /too small for chunks of 32 KiB; .* at least 128 KiB$/],
    [{ segmentBytes: 2 * GIB + 1, layout: "encase5" }, /cannot be larger than 2 GiB/],
    [{ segmentBytes: 2 * GIB + 1, layout: "ftk" }, /cannot be larger than 2 GiB/],
    [{ segmentBytes: 2 * GIB + 1, layout: "linen" }, /cannot be larger than 2 GiB/],
    [{ segmentBytes: 2 * GIB + 1, layout: "smart" }, /cannot be larger than 2 GiB/],
    [{ size: 3 * TIB, layout: "encase5" }, /more than 4,294,967,295 sectors/],
    [{ size: 200 * TIB, segmentBytes: 20 * GIB }, /more than 4,294,967,295 chunks/],
    // 14,971 names from .E01 to .ZZZ, 5,507 from .S01.
    [{ size: 14_972 * MIB, segmentBytes: MIB }, /into 14,971 files of 1 MiB/],
    [{ size: 5508 * MIB, segmentBytes: MIB }, /into 5,507 files of 1 MiB/, "card.S01"],
    [{ size: 3 * GIB }, /one file of 2.0 GiB; .* ends in \.E01/, "card.ewf"],
    [{ size: 3 * GIB, layout: "ftk", folder: undefined }, /one file of 2 GiB/],
  ];
  for (const [plan, pattern, name] of cases) {
    const message = refusalOf(plan, name);
    assert(pattern.test(message), message);
    assert(message.startsWith("cannot write "), message);
  }
  assertThrows(() => createEwf(new NoOutput(), planOf({ zlib: undefined })));
});

Deno.test("what just fits is taken", () => {
  const TIB = 1024 * GIB;
  const plans: readonly Partial<ImagePlan>[] = [
    { size: 14_971 * MIB, segmentBytes: MIB },
    { size: 2 * TIB - 512, layout: "ftk" },
    { size: 3 * TIB, layout: "encase6" },
    { size: 3 * TIB, layout: "encase6", folder: undefined },
    { size: 2 ** 47 - 32768, segmentBytes: 20 * GIB },
    { segmentBytes: 2 * GIB, layout: "smart" },
    { segmentBytes: 40 * GIB },
    { size: Infinity, layout: "linen6", chunkSectors: 32768, sectorSize: 4096 },
  ];
  for (const plan of plans) createEwf(new NoOutput(), planOf({ folder: folderOf(), ...plan }));
  const { segmentBytes } = ewfSettings(new NoOutput(), planOf({ folder: folderOf() }));
  assertEquals(segmentBytes, 2_146_435_072);
});

Deno.test("a stream that ends within a sector is refused at its end", async () => {
  const writer = createEwf(new NoOutput(), planOf({ size: Infinity }));
  await writer.consume(makeChunk(0, new Uint8Array(CHUNK + 1)));
  const error = await assertRejects(() => writer.finish(), ImagingError, "no whole sectors");
  assertEquals([error.kind, error.hint], ["usage", "use .img"]);
});

Deno.test("without a folder, or with a name of another kind, there is one file", async () => {
  for (const folder of [undefined, folderOf("card.ewf")]) {
    const output = new NoOutput();
    const writer = createEwf(
      output,
      planOf({ folder, size: Infinity, compression: "none", segmentBytes: MIB }),
    );
    const copy = async (): Promise<void> => {
      await writer.consume(makeChunk(0, patternBytes(2 * MIB)));
      await writer.finish();
    };
    if (folder === undefined) {
      await copy();
      assert(output.size > 2 * MIB);
    } else await assertRejects(copy, ImagingError, "does not fit into one file of 1 MiB");
  }
});

/** Counts what is packed. */
class CountingZlib implements ZlibService {
  readonly pieces: number[] = [];

  async deflate(bytes: Bytes, pieceBytes: number, level: 1): Promise<readonly Bytes[]> {
    this.pieces.push(Math.ceil(bytes.length / pieceBytes));
    return await zlib.deflate(bytes, pieceBytes, level);
  }

  readonly inflate = refusingZlib.inflate;
  readonly pack = refusingZlib.pack;
  readonly unpack = refusingZlib.unpack;
  readonly checksums = refusingZlib.checksums;
}

Deno.test("zeros and repetitions are packed once, a piece of the flow in one call", async () => {
  const counting = new CountingZlib();
  const output = new NoOutput();
  const writer = createEwf(output, planOf({ zlib: counting, size: 40 * CHUNK }));
  const content = patternBytes(40 * CHUNK).fill(0, 4 * CHUNK, 20 * CHUNK);
  content.fill(7, 22 * CHUNK, 30 * CHUNK);
  for (let at = 0; at < content.length; at += 8 * CHUNK) {
    await writer.consume(makeChunk(at, content.subarray(at, at + 8 * CHUNK)));
  }
  // One chunk of zeros, the noise before them, three headers; then whatever is new: two
  // of noise and the first of the sevens, the noise behind the sevens, and noise.
  assertEquals(counting.pieces, [1, 4, 1, 1, 1, 3, 2, 8]);
  assertEquals(output.writes.length, 5, "a write for a piece of the flow");
  await writer.finish();
});

Deno.test("a sync makes durable what was taken, in every file that needs it", async () => {
  const outputs = [new NoOutput()];
  const folder: OutputFolder = {
    name: "card.E01",
    create(): Promise<ImageOutput> {
      const output = new NoOutput();
      outputs.push(output);
      return Promise.resolve(output);
    },
  };
  const [first = new NoOutput()] = outputs;
  const plan = planOf({ folder, size: 8 * CHUNK, segmentBytes: 140 * KIB });
  const writer = createEwf(first, plan);
  const flushes = (): readonly number[] => outputs.map((output) => output.flushes);
  await writer.sync();
  await writer.consume(makeChunk(0, patternBytes(2 * CHUNK)));
  await writer.sync();
  assertEquals(flushes(), [1]);
  await writer.consume(makeChunk(2 * CHUNK, patternBytes(4 * CHUNK)));
  await writer.sync();
  assertEquals(flushes(), [2, 1]);
  await writer.consume(makeChunk(6 * CHUNK, patternBytes(2 * CHUNK)));
  await writer.sync();
  assertEquals(flushes(), [2, 2]);
  await writer.finish();
  assertEquals(flushes(), [2, 3]);
});

Deno.test("what fails, fails everything behind it, and is not tried again", async () => {
  for (const place of ["write", "packing", "folder"] as const) {
    const cause = new ImagingError("environment", `no more ${place}`);
    let isBroken = false;
    let packing = 0;
    class Output extends NoOutput {
      override async writeAt(offset: number, bytes: Bytes): Promise<void> {
        if (isBroken && place === "write") throw cause;
        await super.writeAt(offset, bytes);
      }
    }
    const output = new Output();
    const writer = createEwf(
      output,
      planOf({
        size: 40 * CHUNK,
        segmentBytes: 140 * KIB,
        folder: { name: "card.E01", create: () => Promise.reject(cause) },
        zlib: {
          ...zlib,
          async deflate(bytes, pieceBytes, level): Promise<readonly Bytes[]> {
            packing++;
            await new Promise((resolve) => setTimeout(resolve, 5));
            packing--;
            if (isBroken && place === "packing") throw cause;
            return await zlib.deflate(bytes, pieceBytes, level);
          },
        },
      }),
    );
    const consume = (at: number): Promise<void> =>
      writer.consume(makeChunk(at * CHUNK, patternBytes(4 * CHUNK, { seed: at + 1 })));
    await consume(0);
    isBroken = true;
    const writes = output.writes.length;
    const results = await Promise.allSettled([consume(4), consume(8), consume(12)]);
    // The bytes are not looked at any more.
    assertEquals(packing, 0);
    for (const result of results) {
      assertEquals(result, { status: "rejected", reason: cause }, place);
    }
    isBroken = false;
    assertEquals(await assertRejects(() => consume(16)), cause);
    assertEquals(await assertRejects(() => writer.finish()), cause);
    await writer.abort(cause);
    // Before another file is made, the one before gets its end.
    assertEquals(output.writes.length, writes + (place === "folder" ? 2 : 0), place);
  }
});

Deno.test("nothing is written behind an abort, which can come at any time", async () => {
  const output = new NoOutput();
  const writer = createEwf(output, planOf({ size: 40 * CHUNK }));
  const cause = new Error("stopped");
  const running = assertRejects(() => writer.consume(makeChunk(0, patternBytes(2 * CHUNK))));
  await writer.abort(cause);
  await writer.abort(new Error("again"));
  assertEquals(await running, cause);
  assertEquals(output.writes, []);
  const complete = createEwf(output, planOf({ size: 0 }));
  await complete.finish();
  await complete.abort(cause);
});

Deno.test("digests that fail make the image fail", async () => {
  const cause = new ImagingError("environment", "no hash");
  const plan = planOf({ size: 0, digests: () => Promise.reject(cause) });
  const error = await assertRejects(() => createEwf(new NoOutput(), plan).finish());
  assertEquals(error, cause);
});
