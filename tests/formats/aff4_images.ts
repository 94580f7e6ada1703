/**
 * AFF4 containers by the AFF4 Standard v1.0 (https://github.com/aff4/Standard) and by what its
 * reference images show, and not by the code that is tested.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { MemorySource } from "../../src/blocks/memory.ts";
import type { Bytes } from "../../src/core/block.ts";
import { aff4 } from "../../src/formats/aff4.ts";
import type { ImageFolder, OpenedImage } from "../../src/formats/image_format.ts";
import { patternBytes } from "../support/pattern.ts";
import { nodeZlib } from "./aff_tools.ts";
import {
  type Archive,
  archiveOf,
  type ArchiveStyle,
  numbers,
  type Segment,
} from "./aff4_archives.ts";
import { type PackerName, PACKERS } from "./aff4_packing.ts";

export const VOLUME = "aff4://11111111-0000-4000-8000-000000000001";
export const IMAGE = "aff4://22222222-0000-4000-8000-000000000002";
export const MAP = "aff4://33333333-0000-4000-8000-000000000003";
export const STREAM = "aff4://44444444-0000-4000-8000-000000000004";

export const SCHEMA = "http://aff4.org/Schema#";

/** Hashes by their names in the standard, in its order. */
export const HASHES = ["MD5", "SHA1", "SHA256", "SHA512", "Blake2b"] as const;
export type HashName = (typeof HASHES)[number];

/** A hash of bytes. */
export function hash(name: HashName, ...parts: readonly Uint8Array[]): Buffer {
  const hasher = createHash(name === "Blake2b" ? "blake2b512" : name.toLowerCase());
  for (const part of parts) hasher.update(part);
  return hasher.digest();
}

/** A stream of chunks. */
export interface StreamPlan {
  readonly urn?: string;
  readonly content: Bytes;
  readonly chunkBytes?: number;
  readonly chunksInBevy?: number;
  readonly packer?: PackerName;
  /** Hashes of each chunk. */
  readonly chunkHashes?: readonly HashName[];
  /** Hashes of all its bytes. */
  readonly hashes?: readonly HashName[];
  /** The last chunk is as long as the others. */
  readonly isPadded?: boolean;
  /** Named as in the text of the standard, and not as in its images. */
  readonly hasPlainNames?: boolean;
  readonly address?: string;
}

/** An entry of a map; the target is an address. */
export interface EntryPlan {
  readonly offset: number;
  readonly length: number;
  readonly target: string;
  readonly targetOffset?: number;
}

/** A container. */
export interface ContainerPlan extends ArchiveStyle {
  readonly volume?: string;
  readonly streams: readonly StreamPlan[];
  /** Streams of other containers, with these. */
  readonly foreign?: readonly (readonly [urn: string, volume: string])[];
  /** Absent: the image is the first stream. */
  readonly map?: {
    readonly urn?: string;
    readonly size: number;
    readonly entries: readonly EntryPlan[];
    readonly targets?: readonly string[];
    readonly gap?: string;
    readonly mapPath?: Uint8Array;
  };
  /** Hashes of the whole image. */
  readonly hashes?: readonly (readonly [HashName, Uint8Array])[];
  /** Statements to add to the image, as "aff4:diskModel \"ST-506\"". */
  readonly image?: readonly string[];
  readonly extra?: string;
  readonly version?: string | null;
  /** Told in other ways: of the address in the comment, and of the segment of it. */
  readonly description?: string | null;
  /** Changes a segment after all hashes were made; undefined takes it away. */
  readonly change?: (segment: Segment) => Segment | undefined;
  /** Changes the description of the container. */
  readonly changeText?: (text: string) => string;
  readonly blockMapHash?: string;
}

/** What a stream became: its segments and statements. */
interface MadeStream {
  readonly segments: readonly Segment[];
  readonly text: string;
  /** Of each kind of hash, all of the chunks. */
  readonly blockHashes: readonly (readonly [HashName, Uint8Array])[];
}

const long = (value: number): string => `"${value}"^^xsd:long`;

/** An address as the name of a folder. */
export function escaped(urn: string): string {
  return urn.replace("://", "%3A%2F%2F");
}

/** The content of a stream in bevies of chunks. */
function chunksOf(
  { content, chunkBytes = 1024, chunksInBevy = 4, isPadded }: StreamPlan,
): Bytes[][] {
  const bevies: Bytes[][] = [];
  for (let at = 0, number = 0; at < content.length; at += chunkBytes, number++) {
    const chunk = content.slice(at, at + chunkBytes);
    const whole = new Uint8Array(isPadded === true ? chunkBytes : chunk.length);
    whole.set(chunk);
    if (number % chunksInBevy === 0) bevies.push([]);
    bevies.at(-1)?.push(whole);
  }
  return bevies;
}

/** A bevy and its index: section 3.2 of the standard. */
function packBevy(
  chunks: readonly Bytes[],
  { chunkBytes = 1024, packer = "snappy" }: StreamPlan,
): {
  readonly bevy: Uint8Array;
  readonly index: Uint8Array;
} {
  const packed = chunks.map((chunk) => {
    const short = PACKERS[packer].pack(chunk);
    return short.length < chunkBytes - 16 || chunk.length < chunkBytes ? short : chunk;
  });
  let at = 0;
  const index = Buffer.concat(packed.map(({ length }) => {
    at += length;
    return numbers([8, at - length], [4, length]);
  }));
  return { bevy: Buffer.concat(packed), index };
}

function makeStream(plan: StreamPlan, volume: string): MadeStream {
  const { chunkHashes = ["MD5", "SHA1"], urn = STREAM } = plan;
  const segments: Segment[] = [];
  const bevies = chunksOf(plan).map((chunks) => ({ chunks, ...packBevy(chunks, plan) }));
  const hashesOf = (name: HashName, chunks: readonly Bytes[]): Uint8Array =>
    Buffer.concat(chunks.map((chunk) => hash(name, chunk)));
  for (const [number, { chunks, bevy, index }] of bevies.entries()) {
    const name = `${escaped(urn)}/${String(number).padStart(8, "0")}`;
    const middle = plan.hasPlainNames === true ? "" : "blockHash.";
    segments.push(
      { name, content: bevy },
      ...chunkHashes.map((each) => ({
        name: `${name}.${middle}${each.toLowerCase()}`,
        content: hashesOf(each, chunks),
      })),
      { name: `${name}.index`, content: index },
    );
  }
  const blockHashes = chunkHashes.map((name) =>
    [name, hashesOf(name, bevies.flatMap(({ chunks }) => chunks))] as const
  );
  const indexHash = hash("SHA512", ...bevies.map(({ index }) => index)).toString("hex");
  return { segments, text: streamText(plan, volume, blockHashes, indexHash), blockHashes };
}

/** What the description of a container says of a stream. */
function streamText(
  plan: StreamPlan,
  volume: string,
  blockHashes: MadeStream["blockHashes"],
  indexHash: string,
): string {
  const { content, chunkBytes = 1024, chunksInBevy = 4, packer = "snappy" } = plan;
  const { hashes = ["MD5", "SHA1"], urn = STREAM, address = PACKERS[packer].address } = plan;
  return [
    `<${urn}> a aff4:ImageStream ;`,
    `  aff4:chunkSize "${chunkBytes}"^^xsd:int ; aff4:chunksInSegment "${chunksInBevy}"^^xsd:int ;`,
    address === undefined ? "" : `  aff4:compressionMethod <${address}> ;`,
    ...hashes.map((name) =>
      `  aff4:hash "${hash(name, content).toString("hex")}"^^aff4:${name} ;`
    ),
    `  aff4:imageStreamIndexHash "${indexHash}"^^aff4:SHA512 ;`,
    `  aff4:size ${long(content.length)} ; aff4:stored <${volume}> .`,
    ...blockHashes.map(([name, bytes]) =>
      `<${urn}/blockhash.${name.toLowerCase()}> a aff4:BlockHashes ; ` +
      `aff4:hash "${hash("SHA512", bytes).toString("hex")}"^^aff4:SHA512 .`
    ),
  ].join("\n");
}

interface MadeMap {
  readonly segments: readonly Segment[];
  readonly text: string;
  readonly blockMapHash: string;
}

function makeMap(plan: ContainerPlan, streams: readonly MadeStream[], volume: string): MadeMap {
  const { map } = plan;
  if (map === undefined) return { segments: [], text: "", blockMapHash: "" };
  const { urn = MAP, size, entries, gap, mapPath } = map;
  const targets = map.targets ?? [...new Set(entries.map(({ target }) => target))];
  const points = Buffer.concat(
    entries.map(({ offset, length, target, targetOffset = 0 }) =>
      numbers([8, offset], [8, length], [8, targetOffset], [4, targets.indexOf(target) >>> 0])
    ),
  );
  const idx = Buffer.from(targets.map((target) => `${target}\n`).join(""));
  const parts = mapPath === undefined ? [points, idx] : [points, idx, mapPath];
  const hex = (...bytes: readonly Uint8Array[]): string =>
    `"${hash("SHA512", ...bytes).toString("hex")}"^^aff4:SHA512`;
  const hashes = streams.flatMap(({ blockHashes }) => blockHashes.map(([, bytes]) => bytes));
  const blockMapHash = hash(
    "SHA512",
    ...[...hashes, ...parts].map((bytes) => hash("SHA512", bytes)),
  ).toString("hex");
  const name = escaped(urn);
  return {
    segments: [
      { name: `${name}/map`, content: points },
      { name: `${name}/idx`, content: idx },
      ...mapPath === undefined ? [] : [{ name: `${name}/mapPath`, content: mapPath }],
    ],
    text: [
      `<${urn}> a aff4:Map ; aff4:size ${long(size)} ; aff4:stored <${volume}> ;`,
      gap === undefined ? "" : `  aff4:mapGapDefaultStream <${gap}> ;`,
      `  aff4:mapPointHash ${hex(points)} ; aff4:mapIdxHash ${hex(idx)} ;`,
      mapPath === undefined ? "" : `  aff4:mapPathHash ${hex(mapPath)} ;`,
      `  aff4:mapHash ${hex(...parts)} ;`,
      `  aff4:blockMapHash "${blockMapHash}"^^aff4:SHA512 .`,
    ].join("\n"),
    blockMapHash,
  };
}

const PREFIXES = [
  "@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .",
  "@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .",
  `@prefix aff4: <${SCHEMA}> .`,
].join("\n");

/** A container, and the hash of its block map. */
export function container(
  plan: ContainerPlan,
): Archive & { readonly blockMapHash: string } {
  const { volume = VOLUME } = plan;
  const streams = plan.streams.map((stream) => makeStream(stream, volume));
  const map = makeMap(plan, streams, volume);
  const { version = "major=1\nminor=0\ntool=by hand 1.0\n", description = volume } = plan;
  const text = descriptionText(plan, streams, map);
  const named = (name: string, content: string | null): Segment[] =>
    content === null ? [] : [{ name, content: Buffer.from(content) }];
  const segments: Segment[] = [
    ...named("container.description", description),
    ...named("version.txt", version),
    ...streams.flatMap((stream) => stream.segments),
    ...map.segments,
    ...named("information.turtle", plan.changeText?.(text) ?? text),
  ];
  const { change = (segment) => segment } = plan;
  const archive = archiveOf(segments.flatMap((each) => change(each) ?? []), {
    comment: volume,
    ...plan,
  });
  return { ...archive, blockMapHash: map.blockMapHash };
}

function descriptionText(
  plan: ContainerPlan,
  streams: readonly MadeStream[],
  map: MadeMap,
): string {
  const { volume = VOLUME, image = [], hashes = [], foreign = [], extra = "" } = plan;
  const size = plan.map?.size ?? plan.streams[0]?.content.length ?? 0;
  const urn = plan.map === undefined ? plan.streams[0]?.urn ?? STREAM : plan.map.urn ?? MAP;
  const blockMapHash = plan.blockMapHash ?? map.blockMapHash;
  return [
    PREFIXES,
    `@prefix : <${volume}> .`,
    `: a aff4:ZipVolume ; aff4:creationTime "2026-01-02T03:04:05Z"^^xsd:dateTime .`,
    `<${IMAGE}> a aff4:DiskImage , aff4:ContiguousImage , aff4:Image ;`,
    ...image.map((each) => `  ${each} ;`),
    ...hashes.map(([name, bytes]) =>
      `  aff4:hash "${hash(name, bytes).toString("hex")}"^^aff4:${name} ;`
    ),
    blockMapHash === "" ? "" : `  aff4:hash "${blockMapHash}"^^aff4:blockMapHashSHA512 ;`,
    `  aff4:dataStream <${urn}> ; aff4:size ${long(size)} ; aff4:stored : .`,
    map.text,
    ...streams.map((stream) => stream.text),
    ...foreign.map(([each, other]) =>
      `<${each}> a aff4:ImageStream ; aff4:stored <${other}> .`
    ),
    extra,
    "",
  ].join("\n");
}

/** Opens a container in memory; others may lie beside it. */
export async function openAff4(
  file: Uint8Array,
  beside: Readonly<Record<string, Bytes>> = {},
  name = "disk_1.aff4",
): Promise<OpenedImage> {
  const folder: ImageFolder = {
    name,
    open: (other) => {
      const bytes = Object.hasOwn(beside, other) ? beside[other] : undefined;
      return Promise.resolve(bytes === undefined ? undefined : new MemorySource(other, bytes));
    },
  };
  return await aff4.open(new MemorySource(name, new Uint8Array(file)), {
    folder,
    zlib: nodeZlib,
  });
}

/** Text that can be packed, noise that cannot, and zeros: chunk by chunk. */
export function mixedChunks(size: number, chunkBytes = 1024, seed = 1): Bytes {
  const bytes = patternBytes(size, { seed });
  for (let chunk = 0; chunk * chunkBytes < size; chunk++) {
    const content = bytes.subarray(chunk * chunkBytes, (chunk + 1) * chunkBytes);
    if (chunk % 4 === 1) content.forEach((_, at) => content[at] = 65 + chunk % 7 + at % 5);
    if (chunk % 4 === 2) content.fill(0);
    // Half of it can be packed, with long and short parts that repeat.
    if (chunk % 4 === 3) content.copyWithin(content.length >> 1, 7, 7 + (content.length >> 2));
  }
  return bytes;
}
