import { assert, assertEquals, assertRejects } from "@std/assert";
import { MemorySource } from "../../src/blocks/memory.ts";
import { sequentialPolicy } from "../../src/copy/read_policy.ts";
import { makeChunk, runCopy } from "../../src/copy/run_copy.ts";
import type { BlockSource, Bytes } from "../../src/core/block.ts";
import { FormatError, ImagingError, WriteError } from "../../src/core/errors.ts";
import { totalLength } from "../../src/core/range.ts";
import type {
  ImageFolder,
  ImageOutput,
  ImagePlan,
  ImageSummary,
  OpenedImage,
  OutputFolder,
} from "../../src/formats/image_format.ts";
import { formatForOutput, openImage } from "../../src/formats/registry.ts";
import { splitRaw } from "../../src/formats/split_raw.ts";
import { MemoryOutput } from "../support/image_output.ts";
import { assertBytes, patternBytes, PatternSource } from "../support/pattern.ts";
import { run, shell } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { FileSource, seededNumbers } from "../volumes/image_tools.ts";

const BLOCK = 64 * 1024;

/** Files in memory that an image is written into; the first one is there from the start. */
class MemoryFolder implements OutputFolder {
  readonly name: string;
  readonly files = new Map<string, MemoryOutput>();
  readonly #delay: (() => Promise<void> | undefined) | undefined;

  constructor(delay?: () => Promise<void> | undefined, name = "card.001", initial?: Bytes) {
    this.name = name;
    this.#delay = delay;
    this.files.set(name, this.#file(initial));
  }

  get first(): MemoryOutput {
    return this.files.get(this.name) ?? this.#file();
  }

  async create(name: string): Promise<ImageOutput> {
    assert(!this.files.has(name), `${name} is made twice`);
    await this.#delay?.();
    const file = this.#file();
    this.files.set(name, file);
    return file;
  }

  /** What a power cut would leave, all files one behind the other. */
  get durable(): Bytes {
    return joined([...this.files.values()].map((file) => file.durable));
  }

  #file(initial?: Bytes): MemoryOutput {
    return new MemoryOutput({
      ...(this.#delay === undefined ? {} : { delay: this.#delay }),
      ...(initial === undefined ? {} : { initial }),
    });
  }
}

/** Files in memory that an image is read from. */
class MemoryFiles implements ImageFolder {
  readonly name: string;
  readonly #files: Readonly<Record<string, Uint8Array>>;
  /** Files that are open. */
  readonly opened: string[] = [];

  constructor(name: string, files: Readonly<Record<string, Uint8Array>>) {
    this.name = name;
    this.#files = files;
  }

  source(name = this.name): BlockSource {
    const memory = new MemorySource(`/images/${name}`, this.#files[name] ?? new Uint8Array());
    const open = this.opened;
    open.push(name);
    return {
      name: memory.name,
      size: memory.size,
      sectorSize: 512,
      readAt: (offset, into) => memory.readAt(offset, into),
      [Symbol.asyncDispose](): Promise<void> {
        open.splice(open.indexOf(name), 1);
        return Promise.resolve();
      },
    };
  }

  open(name: string): Promise<BlockSource | undefined> {
    return Promise.resolve(name in this.#files ? this.source(name) : undefined);
  }

  /** Opens the image. */
  async image(): Promise<OpenedImage> {
    return await splitRaw.open(this.source(), { folder: this });
  }
}

function joined(pieces: readonly Uint8Array[]): Bytes {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** Content of which some parts are zero, with borders of every kind. */
function withZeros(size: number, seed: number): Bytes {
  const next = seededNumbers(seed);
  const bytes = patternBytes(size, { seed });
  for (let area = 0; area < 4; area++) {
    const offset = next(2) === 0 ? next(size) : Math.floor(next(size) / BLOCK) * BLOCK;
    bytes.fill(0, offset, offset + (1 + next(4)) * BLOCK + next(3) - 1);
  }
  return bytes;
}

function randomDelays(seed: number): () => Promise<void> | undefined {
  const next = seededNumbers(seed);
  return () =>
    next(2) === 0 ? undefined : new Promise((resolve) => setTimeout(resolve, next(3)));
}

async function write(
  content: Bytes,
  folder: MemoryFolder,
  plan: Partial<ImagePlan> & { readonly segmentBytes: number },
): Promise<ImageSummary> {
  const chunkBytes = 3 * BLOCK;
  const { results: [summary] } = await runCopy({
    policy: sequentialPolicy(new MemorySource("medium", content), {
      chunkBytes,
      onBad: "fail",
    }),
    consumers: [
      await splitRaw.create(folder.first, {
        size: content.length,
        sparse: true,
        folder,
        ...plan,
      }),
    ],
    chunkBytes,
  });
  return summary;
}

/** What the bytes are when split(1) has cut them. */
function cut(content: Bytes, segmentBytes: number): Bytes[] {
  const pieces: Bytes[] = [];
  for (let at = 0; at < content.length; at += segmentBytes) {
    pieces.push(content.slice(at, at + segmentBytes));
  }
  return pieces.length === 0 ? [new Uint8Array()] : pieces;
}

Deno.test("files have one size and hold the medium, however chunks and borders lie", async () => {
  const sizes = [0, 1, BLOCK, 7 * BLOCK + 5, 12 * BLOCK, 12 * BLOCK + 512];
  const lengths = [2048 + 512, BLOCK, BLOCK + 512, 5 * BLOCK, 12 * BLOCK];
  let seed = 1;
  for (const size of sizes) {
    for (const segmentBytes of lengths) {
      seed++;
      const content = withZeros(size, seed);
      const folder = new MemoryFolder(seed % 3 === 0 ? randomDelays(seed) : undefined);
      const sparse = seed % 4 !== 0;
      const known = seed % 2 === 0;
      const summary = await write(content, folder, {
        segmentBytes,
        sparse,
        size: known ? size : Infinity,
      });
      const expected = cut(content, segmentBytes);
      const names = expected.map((_, index) => `card.${String(index + 1).padStart(3, "0")}`);
      assertEquals([...folder.files.keys()], names);
      assertEquals(summary.size, size);
      assertEquals(summary.files, names.length > 1 ? names : undefined);
      const files = [...folder.files.values()];
      for (const [index, file] of files.entries()) {
        assertBytes(file.durable, expected[index] ?? new Uint8Array(), names[index]);
      }
      const writtenBytes = files.reduce((sum, { written }) => sum + totalLength(written), 0);
      assertEquals(writtenBytes + summary.holeBytes, size);
      if (!sparse) assertEquals(summary.holeBytes, 0);
    }
  }
});

Deno.test("zeros are holes in every file, also where one is nothing but zeros", async () => {
  const content = patternBytes(8 * BLOCK).fill(0, BLOCK, 7 * BLOCK);
  const folder = new MemoryFolder();
  const { holeBytes } = await write(content, folder, { segmentBytes: 2 * BLOCK });
  assertEquals(holeBytes, 6 * BLOCK);
  assertEquals([...folder.files.values()].map(({ written }) => written), [
    [{ offset: 0, length: BLOCK }],
    [],
    [],
    [{ offset: BLOCK, length: BLOCK }],
  ]);
  assertBytes(folder.durable, content);
});

Deno.test("what an older run left in the first file is written over, and cut", async () => {
  const initial = patternBytes(5 * BLOCK, { seed: 9 });
  for (const size of [3 * BLOCK + 7, 100, 0]) {
    for (const segmentBytes of [2 * BLOCK, 4 * BLOCK]) {
      const content = withZeros(size, 4);
      const folder = new MemoryFolder(undefined, "card.001", initial);
      await write(content, folder, { segmentBytes });
      assertBytes(folder.durable, content);
    }
  }
});

Deno.test("files have the planned size, also where less came", async () => {
  const folder = new MemoryFolder();
  const plan = { size: 5 * 1024 + 1, sparse: true, segmentBytes: 1024 };
  const writer = await splitRaw.create(folder.first, { ...plan, folder });
  const content = patternBytes(1500);
  await writer.consume(makeChunk(0, content));
  const { files } = await writer.finish();
  assertEquals(files?.length, 6);
  assertBytes(folder.durable, joined([content, new Uint8Array(plan.size - content.length)]));
  // A failure is told once, however many files wait for it.
  const error = new ImagingError("environment", "cannot write card.002: no space left");
  const full: OutputFolder = { name: "card.001", create: () => Promise.reject(error) };
  const failing = await splitRaw.create(new MemoryOutput(), { ...plan, folder: full });
  await failing.consume(makeChunk(0, patternBytes(512)));
  assertEquals(await assertRejects(() => failing.finish(), ImagingError), error);
});

Deno.test("behind 999 comes 1000", async () => {
  const folder = new MemoryFolder();
  const content = patternBytes(1001 * 512 - 3);
  const { files } = await write(content, folder, { segmentBytes: 512 });
  assertEquals(files?.slice(8, 10), ["card.009", "card.010"]);
  assertEquals(files?.slice(98, 100), ["card.099", "card.100"]);
  assertEquals(files?.slice(998), ["card.999", "card.1000", "card.1001"]);
  const read = await new MemoryFiles(
    "card.001",
    Object.fromEntries([...folder.files].map(([name, file]) => [name, file.durable])),
  ).image();
  const bytes = new Uint8Array(content.length);
  assertEquals([read.media.size, read.files], [content.length, files]);
  await read.media.readAt(0, bytes);
  assertBytes(bytes, content);
});

Deno.test("unless asked otherwise a file has 2 GiB less 1 MiB", async () => {
  const calls: string[] = [];
  const file = (name: string): ImageOutput => ({
    name,
    sectorSize: 512,
    initialSize: 0,
    writeAt(offset, { length }): Promise<void> {
      calls.push(`${name} ${offset} ${length}`);
      return Promise.resolve();
    },
    setSize(bytes): Promise<void> {
      calls.push(`${name} is ${bytes}`);
      return Promise.resolve();
    },
    flush: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
  const folder: OutputFolder = {
    name: "card.001",
    create: (name) => Promise.resolve(file(name)),
  };
  const plan = { size: 2_146_435_072 + 512, sparse: true, folder };
  const writer = await splitRaw.create(file("card.001"), plan);
  await writer.consume(makeChunk(2_146_435_072 - 512, patternBytes(1024)));
  await writer.finish();
  assertEquals(calls, [
    "card.001 2146434560 512",
    "card.002 0 512",
    "card.001 is 2146435072",
    "card.002 is 512",
  ]);
});

Deno.test("a sync makes durable what was taken, in whatever files it lies", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const content = withZeros(12 * BLOCK, seed);
    const folder = new MemoryFolder(randomDelays(seed));
    const segmentBytes = 2 * BLOCK + 512 * (seed % 3);
    const plan = { size: content.length, sparse: true, folder, segmentBytes };
    const writer = await splitRaw.create(folder.first, plan);
    const work: Promise<void>[] = [];
    let taken = 0;
    for (let at = 0; at < content.length; at += BLOCK) {
      const consumed = writer.consume(makeChunk(at, content.slice(at, at + BLOCK)));
      // Chunks can be done out of order; what lies before a gap counts.
      work.push(
        Promise.all([...work, consumed]).then(() => {
          taken = at + BLOCK;
        }),
      );
      if (at % (3 * BLOCK) !== 0) continue;
      await work[Math.floor(work.length / 2)];
      const before = taken;
      await writer.sync();
      const { durable } = folder;
      assertBytes(durable.subarray(0, before), content.subarray(0, before), `seed ${seed}`);
    }
    await Promise.all(work);
    await writer.finish();
    assertBytes(folder.durable, content, `seed ${seed}`);
  }
});

Deno.test("a file that cannot be made fails the chunk, once nobody uses its bytes", async () => {
  const gate = Promise.withResolvers<void>();
  const error = new ImagingError("environment", "cannot write card.002: no space left");
  const first = new MemoryOutput({ delay: () => gate.promise });
  const writer = await splitRaw.create(first, {
    size: 4 * BLOCK,
    sparse: false,
    segmentBytes: BLOCK,
    folder: { name: "card.001", create: () => Promise.reject(error) },
  });
  const outcome = assertRejects(
    () => writer.consume(makeChunk(0, patternBytes(4 * BLOCK))),
    ImagingError,
  );
  const early = await Promise.race([
    outcome.then(() => "told"),
    new Promise((resolve) => setTimeout(() => resolve("waiting"), 20)),
  ]);
  assertEquals(early, "waiting");
  gate.resolve();
  assertEquals(await outcome, error);
});

Deno.test("after a sync that failed nothing is called durable any more", async () => {
  let fails = true;
  const lost = new WriteError("the disk lost something (EIO)", 0);
  const memory = new MemoryOutput();
  const output: ImageOutput = {
    name: "card.001",
    sectorSize: 512,
    initialSize: 0,
    writeAt: (offset, bytes) => memory.writeAt(offset, bytes),
    setSize: (bytes) => memory.setSize(bytes),
    flush: () => fails ? Promise.reject(lost) : memory.flush(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const writer = await splitRaw.create(output, { size: 512, sparse: true });
  await writer.consume(makeChunk(0, patternBytes(512)));
  assertEquals(await assertRejects(() => writer.sync(), WriteError), lost);
  fails = false;
  assertEquals(await assertRejects(() => writer.sync(), WriteError), lost);
  assertEquals(await assertRejects(() => writer.finish(), WriteError), lost);
});

Deno.test("a plan that cannot be carried out is refused before anything is written", async () => {
  const refused = async (plan: Partial<ImagePlan>): Promise<ImagingError> => {
    const folder = new MemoryFolder();
    const error = await assertRejects(
      () => splitRaw.create(folder.first, { size: 4096, sparse: true, folder, ...plan }),
      ImagingError,
    );
    assertEquals([error.kind, folder.files.size], ["usage", 1]);
    return error;
  };
  for (const segmentBytes of [0, -512, 511, 1000, NaN, Infinity, 2 ** 60]) {
    assert((await refused({ segmentBytes })).hint?.includes("multiple of 512"));
  }
  assert((await refused({ segmentBytes: 512, sectorSize: 4096 })).hint?.includes("4096"));
  for (const name of ["card.img", "card.002", "card.01", "card", "card.001.img"]) {
    const error = await refused({ folder: new MemoryFolder(undefined, name) });
    assert(error.hint?.includes(`${name}.001`), error.hint);
  }
  // One file is all there is.
  await refused({ folder: undefined, segmentBytes: 2048 });
  const alone = new MemoryOutput();
  const plan = { size: Infinity, sparse: true, segmentBytes: 2048 };
  const writer = await splitRaw.create(alone, plan);
  await writer.consume(makeChunk(0, patternBytes(2048)));
  const error = await assertRejects(
    () => writer.consume(makeChunk(2048, patternBytes(512))),
    ImagingError,
  );
  assertEquals(error.kind, "usage");
});

Deno.test("the parts are found by their numbers, and are one medium", async () => {
  const content = patternBytes(10_000);
  for (const first of [0, 1]) {
    const files: Record<string, Uint8Array> = { "other.003": content, "card.txt": content };
    for (const [index, piece] of cut(content, 3072).entries()) {
      files[`card.00${index + first}`] = piece;
    }
    const folder = new MemoryFiles(`card.00${first}`, files);
    const image = await folder.image();
    assertEquals(image.media.name, `/images/card.00${first}`);
    assertEquals(image.files, [0, 1, 2, 3].map((index) => `card.00${index + first}`));
    assertEquals([image.findings, image.media.size], [[], 10_000]);
    assertEquals(image.metadata, [["segments", "4"], ["segment size", "3 KiB"]]);
    const bytes = new Uint8Array(10_000);
    assertEquals(await image.media.readAt(0, bytes), 10_000);
    assertBytes(bytes, content);
    await image.media[Symbol.asyncDispose]();
    assertEquals(folder.opened, []);
  }
});

Deno.test("a file that stands alone is a raw image, whatever its size", async () => {
  for (const size of [0, 1, 5000]) {
    const folder = new MemoryFiles("card.001", { "card.001": patternBytes(size) });
    const { media, files, findings, metadata } = await folder.image();
    assertEquals([media.size, files, findings, metadata], [size, undefined, [], []]);
    assertEquals(folder.opened, ["card.001"]);
  }
  // Nothing is known of its folder: also under the name of a later part.
  const file = new PatternSource(1000, { name: "card.002" });
  assertEquals(await splitRaw.open(file), { media: file, metadata: [], findings: [] });
});

Deno.test("a part that is missing before others is an error that names it", async () => {
  const part = patternBytes(512);
  const later = ["card.003", "card.004", "card.102"];
  for (const other of later) {
    const folder = new MemoryFiles("card.001", { "card.001": part, [other]: part });
    const error = await assertRejects(() => folder.image(), FormatError);
    assert(error.message.includes(`card.002 is missing, ${other} is there`), error.message);
    // The file itself stays the caller's.
    assertEquals(folder.opened, ["card.001"]);
  }
  const far = { "card.001": part, "card.002": part, "card.500": part };
  assertEquals((await new MemoryFiles("card.001", far).image()).media.size, 1024);
});

Deno.test("an empty part is an error that names it, and nothing stays open", async () => {
  const part = patternBytes(512);
  for (const empty of ["card.001", "card.002", "card.003"]) {
    const files = { "card.001": part, "card.002": part, "card.003": part };
    const folder = new MemoryFiles("card.001", { ...files, [empty]: new Uint8Array() });
    const error = await assertRejects(() => folder.image(), FormatError);
    assert(error.message.includes(`${empty} is empty`), error.message);
    assertEquals(folder.opened, ["card.001"]);
  }
});

Deno.test("a part that cannot be opened is an error, and nothing stays open", async () => {
  const folder = new MemoryFiles("card.001", {
    "card.001": patternBytes(512),
    "card.002": patternBytes(512),
  });
  const error = new ImagingError("environment", "cannot open card.003: permission denied");
  const open = folder.open.bind(folder);
  folder.open = (name) => name === "card.003" ? Promise.reject(error) : open(name);
  assertEquals(await assertRejects(() => folder.image(), ImagingError), error);
  assertEquals(folder.opened, ["card.001"]);
});

Deno.test("whoever names a later part is told the first one", async () => {
  const part = patternBytes(512);
  for (
    const [first, named] of [
      ["card.001", "card.002"],
      ["card.001", "card.1000"],
      ["card.000", "card.001"],
      ["card.000", "card.002"],
    ] as const
  ) {
    const folder = new MemoryFiles(named, { [first]: part, [named]: part });
    const error = await assertRejects(() => folder.image(), ImagingError);
    assertEquals(error.kind, "usage");
    assert(error.message.includes(`split image ${first}`), error.message);
    assert(error.hint?.includes(first), error.hint);
    assertEquals(folder.opened, [named]);
  }
  // A later part without a first one is read, and said to be odd; a year is a year.
  const findings = async (name: string): Promise<string[]> =>
    (await new MemoryFiles(name, { [name]: part }).image()).findings.map((each) => each.level);
  assertEquals(await findings("card.002"), ["warning"]);
  assertEquals(await findings("card.2024"), []);
});

Deno.test("parts of another size are told: all but a shorter last one", async () => {
  const named = async (...sizes: number[]): Promise<string[]> => {
    const files = sizes.map((size, index) =>
      [`card.${String(index + 1).padStart(3, "0")}`, patternBytes(size)] as const
    );
    const { findings, media } = await new MemoryFiles("card.001", Object.fromEntries(files))
      .image();
    assertEquals(media.size, sizes.reduce((sum, size) => sum + size, 0));
    return findings.map(({ message }) => message.split(" ", 1)[0] ?? "");
  };
  assertEquals(await named(1024, 1024, 1024), []);
  assertEquals(await named(1024, 1024, 1), []);
  assertEquals(await named(1024, 512, 1024), ["card.002"]);
  assertEquals(await named(1024, 2048, 1), ["card.002"]);
  assertEquals(await named(1024, 1024, 1025), ["card.003"]);
  // The first one was cut: many differ from it.
  const many = await named(1, ...Array.from({ length: 15 }, () => 2));
  assertEquals([many.length, many.at(-1)], [11, "5"]);
});

Deno.test("a name with three digits is probed to be a part, others are not", () => {
  const probe = (name: string): string =>
    splitRaw.probe({ name, size: 512, sectorSize: 512, head: new Uint8Array(512) });
  for (const name of ["card.001", "/images/card.000", "a.b.999", "card.1000", ".001"]) {
    assertEquals(probe(name), "maybe", name);
  }
  for (
    const name of [
      "",
      "card.img",
      "card.01",
      "card.0001",
      "card001",
      "card.00a",
      "001",
      "a.001.md5",
    ]
  ) assertEquals(probe(name), "no", name);
});

Deno.test("the registry knows the first file by its name, for reading and for writing", async () => {
  const part = patternBytes(512);
  const folder = new MemoryFiles("card.001", { "card.001": part, "card.002": part });
  const { media, files } = await openImage(folder.source(), { folder });
  assertEquals([media.size, files], [1024, ["card.001", "card.002"]]);
  assertEquals(formatForOutput("/images/card.001").id, "split");
  const alone = new PatternSource(1000, { name: "card.img" });
  assertEquals((await openImage(alone, { folder })).media, alone);
});

/** A partitioned image on disk, split by us into files beside it. */
async function splitOnDisk(folder: TemporaryFolder, segmentBytes: number): Promise<Bytes> {
  const path = await folder.write("whole", patternBytes(4 * 1024 * 1024 + 512));
  await shell('printf "2048,2048,c\\n4096,,83\\n" | sfdisk --quiet --label dos "$1"', path);
  const content = await Deno.readFile(path);
  const files = new MemoryFolder();
  await write(content, files, { segmentBytes });
  for (const [name, { durable }] of files.files) await folder.write(name, durable);
  return content;
}

Deno.test({
  name: "cat and The Sleuth Kit see the medium in the files that we split",
  ignore: needs("sfdisk", "mmls", "img_stat", "img_cat"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const { length } = await splitOnDisk(folder, 1_000_448);
    const whole = folder.file("whole");
    const first = folder.file("card.001");
    const { files = [] } = await openOnDisk(folder, "card.001");
    assertEquals(files, ["card.001", "card.002", "card.003", "card.004", "card.005"]);
    await shell('cat "$1"/card.0* | cmp - "$1/whole"', folder.path);
    await shell('img_cat -i raw "$1" | cmp - "$2"', first, whole);
    const stat = await run("img_stat", ["-i", "raw", first]);
    assert(stat.includes(`Size in bytes: ${length}`), stat);
    for (const name of files) assert(stat.includes(name), stat);
    const table = await run("mmls", ["-i", "raw", first]);
    assert(table.includes("Win95 FAT32"), table);
    assertEquals(table, await run("mmls", [whole]));
  },
});

Deno.test({
  name: "AFFLIB sees the medium in the files that we split",
  ignore: needs("sfdisk", "affconvert", "affcat"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    await splitOnDisk(folder, 1_048_576);
    await shell('affcat "$1/card.001" | cmp - "$1/whole"', folder.path);
    await shell('cd "$1" && affconvert -q -r -e joined card.001', folder.path);
    await shell('cmp "$1/card.joined" "$1/whole"', folder.path);
  },
});

/** Opens an image that lies in a folder on disk. */
async function openOnDisk(folder: TemporaryFolder, name: string): Promise<OpenedImage> {
  return await splitRaw.open(new FileSource(folder.file(name)), {
    folder: {
      name,
      async open(other): Promise<BlockSource | undefined> {
        return (await folder.names()).includes(other)
          ? new FileSource(folder.file(other))
          : undefined;
      },
    },
  });
}

for (
  const [tool, line, first] of [
    ["split", "split -b 700000 -a 3 --numeric-suffixes=1 whole card.", 1],
    ["split", "split -b 1MiB -a 3 -d whole card.", 0],
    ["dcfldd", "dcfldd if=whole split=1M splitformat=WIN of=card status=off", 1],
    ["dcfldd", "dcfldd if=whole split=700000 of=card status=off", 0],
  ] as const
) {
  Deno.test({
    name: `what "${line}" has split is read as one`,
    ignore: needs(tool),
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const content = patternBytes(3_000_001);
      await folder.write("whole", content);
      await shell(`cd "$1" && ${line} 2>/dev/null`, folder.path);
      const { media, files, findings } = await openOnDisk(folder, `card.00${first}`);
      await using _media = media;
      const names = (await folder.names()).filter((name) => name !== "whole");
      assertEquals([files, findings, media.size], [names, [], content.length]);
      const bytes = new Uint8Array(content.length);
      await media.readAt(0, bytes);
      assertBytes(bytes, content);
    },
  });
}
