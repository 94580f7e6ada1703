import { assert, assertEquals, assertRejects } from "@std/assert";
import { FormatError, ImagingError } from "../../src/core/errors.ts";
import { MemorySource } from "../../src/blocks/memory.ts";
import type { ZlibService } from "../../src/core/zlib.ts";
import { aff4 } from "../../src/formats/aff4.ts";
import { assertBytes } from "../support/pattern.ts";
import { nodeZlib, readAll } from "./aff_tools.ts";
import {
  container,
  type ContainerPlan,
  MAP,
  mixedChunks,
  openAff4,
  SCHEMA,
  STREAM,
  VOLUME,
} from "./aff4_images.ts";

const CHUNK = 1024;

Deno.test("AFF4: maps that contradict themselves are errors", async () => {
  const content = mixedChunks(4 * CHUNK);
  const entry = { offset: 0, length: CHUNK, target: STREAM, targetOffset: 0 };
  const wrong = {
    "overlap": [entry, { ...entry, offset: 512 }],
    "the same twice": [entry, entry],
    "out of the image": [{ ...entry, offset: 5000 }],
    "out of the stream": [{ ...entry, targetOffset: 3 * CHUNK + 1 }],
    "beyond 2^53": [{ ...entry, offset: 2 ** 60 }],
    "so long": [{ ...entry, length: 2 ** 60 }],
    "so far in zeros": [{ ...entry, target: `${SCHEMA}Zero`, targetOffset: 2 ** 60 }],
  };
  for (const [what, entries] of Object.entries(wrong)) {
    const { file } = container({ streams: [{ content }], map: { size: 5500, entries } });
    await assertRejects(() => openAff4(file), FormatError, "map", what);
  }
  const map = { size: CHUNK, entries: [entry], targets: [] };
  const noTarget = container({ streams: [{ content }], map });
  await assertRejects(() => openAff4(noTarget.file), ImagingError, "target");
  const cut = container({
    streams: [{ content }],
    map: { size: CHUNK, entries: [entry] },
    change: (segment) =>
      segment.name.endsWith("/map")
        ? { ...segment, content: segment.content.subarray(1) }
        : segment,
  });
  await assertRejects(() => openAff4(cut.file), FormatError, "map");
});

Deno.test("AFF4: what else is in the map than data is refused by its name", async () => {
  const content = mixedChunks(CHUNK);
  const refusals: readonly (readonly [string, string])[] = [
    ["http://example.org/stream", "points to http://example.org/stream"],
    ["aff4://99999999-0000-4000-8000-000000000009", "which is not known"],
    [`${SCHEMA}SymbolicStreamXY`, "SymbolicStreamXY"],
    [MAP, "points to another map"],
  ];
  for (const [target, message] of refusals) {
    const map = { size: CHUNK, entries: [{ offset: 0, length: CHUNK, target }] };
    const { file } = container({ streams: [{ content }], map });
    await assertRejects(() => openAff4(file), ImagingError, message);
  }
  const map = { size: CHUNK, entries: [], gap: STREAM };
  const { file } = container({ streams: [{ content }], map });
  await assertRejects(() => openAff4(file), ImagingError, "gaps in its map are filled from");
});

Deno.test("AFF4: other kinds of containers are refused by their names", async () => {
  const streams = [{ content: mixedChunks(CHUNK) }];
  const changed = (from: string, to: string): ContainerPlan => ({
    streams,
    changeText: (text) => text.replaceAll(from, to),
  });
  const refusals: readonly (readonly [string, ContainerPlan])[] = [
    ["before the AFF4 Standard", changed(SCHEMA, "http://afflib.org/2009/aff4#")],
    ["without version.txt", { streams, version: null }],
    ["of version 1.1", { streams, version: "major=1\r\nminor=1\r\n" }],
    ["of version 2.0", { streams, version: "minor=0\nmajor=2\n" }],
    ["does not tell its version", { streams, version: "major=one\nminor=0\n" }],
    ["does not tell its version", { streams, version: "minor=0\n" }],
    ["AFF4-L", changed("aff4:DiskImage , aff4:ContiguousImage", "aff4:FileImage")],
    ["AFF4-L", { ...changed("aff4:DiskImage", "aff4:FileImage"), version: "major=1\nminor=1" }],
    [
      "no image of a disk",
      changed("aff4:DiskImage , aff4:ContiguousImage , aff4:Image", "aff4:X"),
    ],
    ["which image", {
      streams,
      extra: `<aff4://b> a aff4:Image ; aff4:dataStream <${STREAM}> .`,
    }],
    ["encrypted", changed("a aff4:ImageStream", "a aff4:ImageStream , aff4:EncryptedStream")],
    [
      "packed with http://example.org",
      changed("http://code.google.com/p/snappy/", "http://example.org"),
    ],
    ["two addresses", { streams, description: "aff4://55555555-0000-4000-8000-000000000005" }],
    ["its address", { streams, description: "http://example.org" }],
    ["its address", { streams, description: null, comment: "" }],
    ["has no information.turtle", {
      streams,
      change: (segment) => segment.name === "information.turtle" ? undefined : segment,
    }],
    ["dataStream", changed("aff4:dataStream", "aff4:other")],
    [
      "9223372036854775296 bytes",
      changed(`"1024"^^xsd:long`, `"9223372036854775296"^^xsd:long`),
    ],
    ["the image has 512 bytes, and what it consists of 1024", {
      streams,
      changeText: (text) => text.replace(/(dataStream .*?)"1024"/, '$1"512"'),
    }],
    ["several values of aff4:size", { streams, image: ["aff4:size 5"] }],
    ["aff4:chunkSize", changed(`chunkSize "1024"`, `chunkSize "0"`)],
    ["aff4:chunkSize", changed(`chunkSize "1024"`, `chunkSize "1000000000000"`)],
    ["aff4:chunkSize", changed("aff4:chunkSize", "aff4:other")],
    ["aff4:chunksInSegment", changed(`chunksInSegment "4"`, `chunksInSegment "99999999"`)],
    ["aff4:chunksInSegment", changed(`chunksInSegment "4"`, `chunksInSegment "0"`)],
    ["aff4:size", changed(`aff4:size "1024"`, `aff4:size "-1024"`)],
    ["is no aff4:ImageStream", changed("a aff4:ImageStream ;", "a aff4:Other ;")],
  ];
  for (const [message, plan] of refusals) {
    const { file } = container({ comment: VOLUME, ...plan });
    await assertRejects(() => openAff4(file), ImagingError, message);
  }
});

Deno.test("AFF4: chunks that would take much memory are unpacked some at a time", async () => {
  const [chunkBytes, count] = [4 * 1024 * 1024, 24];
  const { file } = container({
    streams: [{
      ...{ content: new Uint8Array(count * chunkBytes), packer: "zlib", chunkBytes },
      ...{ chunkHashes: [], hashes: [], chunksInBevy: count },
    }],
    map: {
      size: count * 512,
      // Each entry of the map needs another chunk.
      entries: Array.from({ length: count }, (_, index) => ({
        ...{ offset: index * 512, length: 512, target: STREAM },
        targetOffset: index * chunkBytes + 7,
      })),
    },
  });
  const asked: number[] = [];
  const zlib: ZlibService = {
    ...nodeZlib,
    inflate: (streams, maxBytes) => {
      asked.push(streams.length * maxBytes);
      return nodeZlib.inflate(streams, maxBytes);
    },
  };
  const { media } = await aff4.open(new MemorySource("x", file), { zlib });
  assertBytes(await readAll(media, count * 512), new Uint8Array(count * 512));
  assertEquals(asked.reduce((sum, bytes) => sum + bytes), count * chunkBytes);
  assert(Math.max(...asked) <= 32 * 1024 * 1024, asked.join());
});

Deno.test("AFF4: what would take much memory is refused, or taken when it is read", async () => {
  // Segments that unpack to more than they may are not unpacked.
  const bomb = container({
    streams: [{ content: mixedChunks(CHUNK) }],
    change: (segment) =>
      segment.name === "information.turtle"
        ? { ...segment, content: new Uint8Array(20_000_000).fill(35), isDeflated: true }
        : segment,
  });
  await assertRejects(() => openAff4(bomb.file), FormatError, "is larger than");
  // A stream that is said to be huge takes nothing before it is read.
  const huge = container({
    streams: [{ content: mixedChunks(CHUNK), chunkHashes: [], hashes: [] }],
    changeText: (text) => text.replaceAll(`"1024"^^xsd:long`, `"9007199254740991"^^xsd:long`),
  });
  const opened = await openAff4(huge.file);
  assertEquals(opened.media.size, Number.MAX_SAFE_INTEGER);
  await assertRejects(
    () => opened.media.readAt(2 ** 52, new Uint8Array(512)),
    ImagingError,
    "chunk",
  );
});

Deno.test("AFF4: descriptions that go on and on are shown in part, or refused", async () => {
  const streams = [{ content: mixedChunks(CHUNK) }];
  const words = Array.from({ length: 150_000 }, (_, index) => `"${index}"`).join();
  const { file } = container({
    streams,
    extra: `<aff4://n> a aff4:CaseNotes ; aff4:notes ${words} .`,
  });
  const { metadata, media } = await openAff4(file);
  assertEquals(metadata.length, 501);
  assertEquals(metadata.at(-1)?.[0], "further facts");
  assertBytes(await readAll(media), mixedChunks(CHUNK));
  const long = container({
    streams,
    extra: `<aff4://n> aff4:notes "${"x".repeat(100_000)}" .`,
  });
  const values = (await openAff4(long.file)).metadata.map(([, value]) => value.length);
  assert(Math.max(...values) < 20_000);
  const hashes = Array.from({ length: 21 }, () => `aff4:hash "${"0".repeat(32)}"^^aff4:MD5`);
  const many = container({ streams, image: hashes });
  await assertRejects(() => openAff4(many.file), FormatError, "values of aff4:hash");
});
