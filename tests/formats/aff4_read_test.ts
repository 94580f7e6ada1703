import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { MemorySource } from "../../src/blocks/memory.ts";
import { ZlibPool } from "../../src/copy/zlib_pool.ts";
import type { Bytes } from "../../src/core/block.ts";
import { ImagingError, ReadError } from "../../src/core/errors.ts";
import { RangeMap } from "../../src/copy/range_map.ts";
import { aff4 } from "../../src/formats/aff4.ts";
import type { OpenedImage } from "../../src/formats/image_format.ts";
import { openImage } from "../../src/formats/registry.ts";
import { FaultySource } from "../support/faulty_source.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { readAll, readTolerant } from "./aff_tools.ts";
import {
  container,
  type ContainerPlan,
  escaped,
  hash,
  HASHES,
  MAP,
  mixedChunks,
  openAff4,
  SCHEMA,
  STREAM,
  VOLUME,
} from "./aff4_images.ts";
import { type PackerName, PACKERS } from "./aff4_packing.ts";

const CHUNK = 1024;

/** All checks of an image are right, and there are so many. */
async function assertChecked(image: OpenedImage, count: number, what: string): Promise<void> {
  const checks = await image.checkItself?.() ?? [];
  assertEquals(checks.filter(({ expected, actual }) => expected !== actual), [], what);
  assertEquals(checks.length, count, what);
}

for (const packer of Object.keys(PACKERS) as PackerName[]) {
  Deno.test(`AFF4: chunks that are ${packer} are read, of any length`, async () => {
    for (
      const size of [0, 1, 511, 512, CHUNK - 1, CHUNK, CHUNK + 1, 9 * CHUNK, 9 * CHUNK + 512]
    ) {
      for (const isPadded of [false, true]) {
        const content = mixedChunks(size);
        // Nothing says whether a short chunk is packed or stored: the standard has it packed.
        const { file } = container({ streams: [{ content, packer, isPadded }] });
        const image = await openAff4(file);
        assertBytes(await readAll(image.media, 777), content, `${size} bytes`);
        assertEquals(image.digests, [
          { algorithm: "md5", hex: hash("MD5", content).toString("hex") },
          { algorithm: "sha1", hex: hash("SHA1", content).toString("hex") },
        ]);
        await assertChecked(image, 3, `${size} bytes`);
      }
    }
  });
}

Deno.test("AFF4: larger chunks, read in any order, also by threads that unpack", async () => {
  const content = mixedChunks(3_000_000, 32_768);
  using zlib = new ZlibPool({ threads: 1 });
  for (const packer of ["zlib", "snappy"] as const) {
    const { file } = container({
      streams: [{ content, packer, chunkBytes: 32_768, chunksInBevy: 16 }],
    });
    const { media } = await aff4.open(new MemorySource("x", file), { zlib });
    await Promise.all([2_900_000, 7, 1_000_000, 32_768 * 16 - 5, 0].map(async (offset) => {
      const into = new Uint8Array(123_456);
      const length = await media.readAt(offset, into);
      assertBytes(into.subarray(0, length), content.subarray(offset, offset + 123_456));
    }));
    assertBytes(await readAll(media, 1_048_576), content);
  }
});

/** A map with every kind of target, and what it shows. */
function mappedPlan(): { readonly plan: ContainerPlan; readonly content: Bytes } {
  const stream = mixedChunks(8 * CHUNK);
  const size = 20 * CHUNK + 512;
  const content = new Uint8Array(size);
  const text = (word: string, length: number): Bytes =>
    new TextEncoder().encode(word.repeat(length)).slice(0, length);
  // Not in the order of the stream, one part twice, parts that begin within chunks.
  const entries = [
    { offset: 0, length: 3 * CHUNK, target: STREAM, targetOffset: 2 * CHUNK },
    { offset: 3 * CHUNK, length: CHUNK, target: `${SCHEMA}Zero` },
    { offset: 4 * CHUNK, length: 700, target: STREAM, targetOffset: 100 },
    { offset: 4 * CHUNK + 700, length: 324, target: `${SCHEMA}SymbolicStreamA7` },
    { offset: 5 * CHUNK, length: 2 * CHUNK, target: `${SCHEMA}UnreadableData` },
    { offset: 7 * CHUNK, length: CHUNK, target: `${SCHEMA}UnknownData` },
    { offset: 10 * CHUNK, length: 6 * CHUNK, target: STREAM, targetOffset: CHUNK },
    { offset: 16 * CHUNK, length: CHUNK, target: `${SCHEMA}UnreadableData`, targetOffset: 14 },
  ];
  content.set(stream.subarray(2 * CHUNK, 5 * CHUNK), 0);
  content.set(stream.subarray(100, 800), 4 * CHUNK);
  content.fill(0xa7, 4 * CHUNK + 700, 5 * CHUNK);
  content.set(text("UNREADABLEDATA", 2 * CHUNK), 5 * CHUNK);
  content.set(text("UNKNOWN", CHUNK), 7 * CHUNK);
  content.set(stream.subarray(CHUNK, 7 * CHUNK), 10 * CHUNK);
  content.set(text("UNREADABLEDATA", CHUNK), 16 * CHUNK);
  const plan = {
    streams: [{ content: stream }],
    map: { size, entries, mapPath: new Uint8Array([1, 2, 3]) },
    hashes: HASHES.map((name) => [name, content] as const),
  };
  return { plan, content };
}

Deno.test("AFF4: maps of streams, zeros, bytes, gaps, and what was not read", async () => {
  const { plan, content } = mappedPlan();
  for (
    const style of [{}, { isStreamed: true }, { isZip64: true }, {
      isStreamed: true,
      isZip64: true,
    }]
  ) {
    const image = await openAff4(container({ ...plan, ...style }).file);
    for (const pieceBytes of [512, 1000, 50_000]) {
      assertBytes(await readAll(image.media, pieceBytes), content);
    }
    assertEquals(image.unreadable, [
      { offset: 5 * CHUNK, length: 2 * CHUNK },
      { offset: 16 * CHUNK, length: CHUNK },
    ]);
    const messages = image.findings.map(({ message }) => message);
    assertEquals(messages.length, 1);
    assertStringIncludes(messages[0] ?? "", "1 KiB of the disk in 1 place were left out");
    assertEquals(image.digests?.map(({ algorithm }) => algorithm), [
      ...["md5", "sha1", "sha256", "sha512"],
    ]);
    // Of the map 4, of the stream 5, of both 2, and Blake2b, which nobody else computes.
    await assertChecked(image, 12, JSON.stringify(style));
  }
});

Deno.test("AFF4: gaps are filled as the map says, and the order of entries is no matter", async () => {
  const { plan, content } = mappedPlan();
  const map = plan.map;
  if (map === undefined) throw new Error();
  const gaps = [[8, 10], [17, 20.5]] as const;
  for (const [gap, fill] of [["SymbolicStream33", 0x33], ["Zero", 0]] as const) {
    const expected = content.slice();
    for (const [from, to] of gaps) expected.fill(fill, from * CHUNK, to * CHUNK);
    const entries = map.entries.toReversed();
    const { file } = container({ ...plan, map: { ...map, entries, gap: `${SCHEMA}${gap}` } });
    assertBytes(await readAll((await openAff4(file)).media), expected);
  }
  // Gaps that were not read are told as such.
  const gap = `${SCHEMA}UnreadableData`;
  const image = await openAff4(container({ ...plan, map: { ...map, gap } }).file);
  assertEquals(image.unreadable, [
    { offset: 5 * CHUNK, length: 2 * CHUNK },
    { offset: 8 * CHUNK, length: 2 * CHUNK },
    { offset: 16 * CHUNK, length: 4 * CHUNK + 512 },
  ]);
});

Deno.test("AFF4: a map without any entry, and entries of no length", async () => {
  const stream = { content: mixedChunks(CHUNK) };
  const empty = container({ streams: [stream], map: { size: 5000, entries: [] } });
  assertBytes(await readAll((await openAff4(empty.file)).media), new Uint8Array(5000));
  const entries = [0, 0, 0].map((offset) => ({ offset, length: 0, target: STREAM }));
  const nothing = container({ streams: [stream], map: { size: 5000, entries } });
  assertBytes(await readAll((await openAff4(nothing.file)).media), new Uint8Array(5000));
});

Deno.test("AFF4: the address can be in the comment or in a segment only", async () => {
  const content = mixedChunks(CHUNK);
  for (const plan of [{ description: null, comment: `${VOLUME}\0` }, { comment: "" }]) {
    const { file } = container({ streams: [{ content }], ...plan });
    const image = await openImage(new MemorySource("x", file));
    assertBytes(await readAll(image.media), content);
    assertEquals(image.isPacking, undefined);
  }
});

Deno.test("AFF4: it is no ZIP archive with an image, whatever comes first in it", async () => {
  const content = mixedChunks(2 * CHUNK);
  const { file } = container({ streams: [{ content }] });
  const image = await openImage(new MemorySource("card.bin", file));
  assertEquals(image.metadata[0], ["AFF4 version", "1.0"]);
  // Only the directory tells it: its segments have names without addresses.
  const inside = `${VOLUME}/data`;
  const { file: plain } = container({
    streams: [{ content, urn: inside }],
    description: null,
    change: (segment) => ({
      ...segment,
      name: segment.name.replace(`${escaped(VOLUME)}/`, ""),
    }),
  });
  const other = await openImage(new MemorySource("card.bin", plain));
  assertBytes(await readAll(other.media), content);
});

Deno.test("AFF4: names of segments can be escaped differently, told, and packed", async () => {
  const content = mixedChunks(5 * CHUNK);
  const lower = container({
    streams: [{ content, hasPlainNames: true }],
    change: (segment) => ({
      ...segment,
      name: segment.name.replace("%3A%2F%2F", "%3a%2f%2f"),
      // All but bevies can be packed by the archive.
      isDeflated: !/\/\d{8}$/.test(segment.name),
    }),
  });
  const image = await openAff4(lower.file);
  assertBytes(await readAll(image.media), content);
  await assertChecked(image, 3, "escaped differently");
  const told = container({
    streams: [{ content }],
    extra: `<${STREAM}/00000000> aff4:fileName "first bevy" .`,
    change: (segment) =>
      segment.name.endsWith("/00000000") ? { ...segment, name: "first%20bevy" } : segment,
  });
  assertBytes(await readAll((await openAff4(told.file)).media), content);
  const packed = container({
    streams: [{ content }],
    change: (segment) => ({ ...segment, isDeflated: segment.name.endsWith("/00000000") }),
  });
  const { damaged } = await readTolerant((await openAff4(packed.file)).media);
  assertEquals(damaged, [{ offset: 0, length: 4 * CHUNK }]);
});

Deno.test("AFF4: what is told of case, disk and program is shown", async () => {
  const { file } = container({
    streams: [{ content: mixedChunks(2 * CHUNK) }],
    image: [
      `aff4:diskMake "Seagate" ; aff4:diskModel "ST-506" ; aff4:diskSerial "SG1"`,
      `aff4:diskFirmware "1.02a" ; aff4:diskDeviceType "Disk" ; aff4:blockSize "512"^^xsd:int`,
      `aff4:sectorCount "4"^^xsd:long ; aff4:acquisitionCompletionState "Completed Normally"`,
    ],
    extra: `
      <aff4://n2> a aff4:CaseNotes ; aff4:caseNumber "17" ; aff4:evidenceNumber "3" ;
        aff4:examiner "A. Author" ; aff4:notes "second" ; aff4:timestamp "2026-02-02T00:00:00Z" .
      <aff4://n1> a aff4:CaseNotes ; aff4:notes "first\\u001b" ; aff4:timestamp "2026-01-01T00:00:00Z" .
      <aff4://d> a aff4:CaseDetails ; aff4:caseName "name" ; aff4:caseDescription "about" .
      <aff4://t> a aff4:TimeStamps ; aff4:startTime "2026-01-01T10:00:00.5Z"^^xsd:dateTime ;
        aff4:endTime "2026-01-01T11:00:00Z"^^xsd:dateTime ; <http://other.org/x> "more" .`,
  });
  const { metadata, evidence, findings } = await openAff4(file);
  assertEquals(findings, []);
  assertEquals(evidence, {
    caseNumber: "17",
    evidenceNumber: "3",
    description: "about",
    examiner: "A. Author",
    notes: "first\u001b; second",
    acquired: new Date("2026-01-01T10:00:00.500Z"),
    program: "by hand 1.0",
    model: "Seagate ST-506",
    serial: "SG1",
    isPhysical: true,
  });
  const facts = metadata.map((each) => each.join(": "));
  for (
    const fact of [
      "program: by hand 1.0",
      `container: ${VOLUME}`,
      "packed as: snappy",
      "case name: name",
      "notes: second",
      "model: ST-506",
      "firmware: 1.02a",
      "begun: 2026-01-01T10:00:00.5Z",
      "created: 2026-01-02T03:04:05Z",
      "http://other.org/x: more",
    ]
  ) assert(facts.includes(fact), `${fact} is not in ${facts.join("\n")}`);
  assert(facts.indexOf("notes: first\u001b") < facts.indexOf("notes: second"));
});

Deno.test("AFF4: what is odd is a finding", async () => {
  const content = mixedChunks(2 * CHUNK);
  const messageOf = async (plan: Partial<ContainerPlan>): Promise<string> => {
    const { file } = container({ streams: [{ content }], ...plan });
    return (await openAff4(file)).findings.map(({ message }) => message).join();
  };
  assertEquals(await messageOf({}), "");
  assertStringIncludes(
    await messageOf({ image: [`aff4:acquisitionCompletionState "Cancelled"`] }),
    'ended with "Cancelled"',
  );
  assertStringIncludes(
    await messageOf({ image: [`aff4:sectorCount "5" ; aff4:blockSize "512"`] }),
    "5 sectors of 512 bytes",
  );
  assertStringIncludes(await messageOf({ image: [`aff4:blockSize "500"`] }), "512 is used");
  assertStringIncludes(
    await messageOf({ image: [`aff4:hash "abcd"^^aff4:Whirlpool`] }),
    "not checked",
  );
  const noHash = { content, chunkHashes: [], hashes: [] };
  assertStringIncludes(await messageOf({ streams: [noHash] }), "no hashes of its chunks");
  const imageStreamHash = `<${STREAM}> aff4:imageStreamHash "00"^^aff4:SHA512 .`;
  assertStringIncludes(await messageOf({ extra: imageStreamHash }), "imageStreamHash");
  assertEquals(
    (await openAff4(
      container({ streams: [{ content }], image: [`aff4:blockSize "4096"`] }).file,
    )).media.sectorSize,
    4096,
  );
});

/** Two containers of one image, chunk by chunk in turn. */
function stripes(content: Bytes): readonly [Bytes, Bytes] {
  const volumes = [VOLUME, `${VOLUME}9`] as const;
  const urns = [STREAM, `${STREAM}9`] as const;
  const parts = [0, 1].map((side) => {
    const chunks: Uint8Array[] = [];
    for (let at = side * CHUNK; at < content.length; at += 2 * CHUNK) {
      chunks.push(content.subarray(at, at + CHUNK));
    }
    return new Uint8Array(chunks.flatMap((chunk) => [...chunk]));
  });
  const entries = Array.from({ length: Math.ceil(content.length / CHUNK) }, (_, chunk) => ({
    offset: chunk * CHUNK,
    length: Math.min(CHUNK, content.length - chunk * CHUNK),
    target: urns[chunk % 2] ?? "",
    targetOffset: (chunk >> 1) * CHUNK,
  }));
  const plan = (side: 0 | 1, blockMapHash?: string): ContainerPlan => ({
    volume: volumes[side],
    streams: [{ content: parts[side] ?? content, urn: urns[side] }],
    foreign: [[urns[1 - side] ?? "", volumes[1 - side] ?? ""]],
    map: { urn: `${MAP}${side}`, size: content.length, entries },
    hashes: [["SHA1", content]],
    ...blockMapHash === undefined ? {} : { blockMapHash },
  });
  const hashes = ([0, 1] as const).map((side) =>
    Uint8Array.fromHex(container(plan(side)).blockMapHash)
  );
  const all = hash("SHA512", ...hashes).toString("hex");
  return [container(plan(0, all)).file, container(plan(1, all)).file];
}

Deno.test("AFF4: an image in two containers is read from either", async () => {
  const content = mixedChunks(9 * CHUNK + 512);
  const [first, second] = stripes(content);
  for (
    const [file, name, beside] of [
      [first, "disk_1.aff4", { "disk_2.aff4": second }],
      [second, "disk_2.aff4", { "disk_1.aff4": first }],
      [second, "disk.010", { "disk.009": first }],
      [first, "d1", { d2: second }],
    ] as const
  ) {
    const image = await openAff4(file, beside, name);
    assertBytes(await readAll(image.media), content, name);
    assertEquals(image.files?.length, 2);
    // Of each map 4, of each stream 5, and the one over both.
    await assertChecked(image, 19, name);
  }
});

Deno.test("AFF4: a container that is missing, or another one, is named", async () => {
  const [first, second] = stripes(mixedChunks(5 * CHUNK));
  const other = container({ streams: [{ content: mixedChunks(5) }] }).file;
  const wrong: readonly (readonly [string, string, Record<string, Bytes>])[] = [
    ["there is none beside it", "disk_1.aff4", {}],
    ["there is none beside it", "disk.aff4", { "disk.aff5": second }],
    ["not in disk_2.aff4", "disk_1.aff4", { "disk_2.aff4": other }],
    ["not in disk_2.aff4 (", "disk_1.aff4", { "disk_2.aff4": second.slice(0, 900) }],
    ["not in disk_2.aff4", "disk_1.aff4", { "disk_2.aff4": first }],
  ];
  for (const [message, name, beside] of wrong) {
    const error = await assertRejects(
      () => openAff4(first, beside, name),
      ImagingError,
      message,
    );
    assertStringIncludes(error.message, `${VOLUME}9`);
    assertEquals(error.kind, "environment");
  }
  await assertRejects(
    () => aff4.open(new MemorySource("x", first)),
    ImagingError,
    "another container",
  );
});

Deno.test("AFF4: a file that fails where it is read is a read error of the medium", async () => {
  const content = patternBytes(300 * CHUNK);
  const { file, places } = container({ streams: [{ content, chunksInBevy: 400 }] });
  const bevy = places.get(`${escaped(STREAM)}/00000000`);
  if (bevy === undefined) throw new Error();
  const map = new RangeMap({ offset: 0, length: file.length }, "+");
  map.set({ offset: Math.ceil(bevy.offset / 512) * 512 + 20 * 512, length: 512 }, "-");
  const source = new FaultySource({ map, content: new MemorySource("x", file) });
  const { media } = await aff4.open(source);
  const error = await assertRejects(
    () => media.readAt(8 * CHUNK, new Uint8Array(4 * CHUNK)),
    ReadError,
  );
  assertEquals(error.offset, 8 * CHUNK);
  // It is tried again when it is asked for again.
  map.set({ offset: 0, length: file.length }, "+");
  const into = new Uint8Array(4 * CHUNK);
  await media.readAt(8 * CHUNK, into);
  assertBytes(into, content.subarray(8 * CHUNK, 12 * CHUNK));
});
