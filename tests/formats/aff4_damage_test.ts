import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import type { Bytes } from "../../src/core/block.ts";
import { ImagingError } from "../../src/core/errors.ts";
import { openImage } from "../../src/formats/registry.ts";
import { MemorySource } from "../../src/blocks/memory.ts";
import { endOf, gapsBetween, type Range } from "../../src/core/range.ts";
import type { OpenedImage } from "../../src/formats/image_format.ts";
import { assertBytes } from "../support/pattern.ts";
import { readTolerant } from "./aff_tools.ts";
import {
  container,
  type ContainerPlan,
  escaped,
  hash,
  HASHES,
  mixedChunks,
  openAff4,
  SCHEMA,
  STREAM,
} from "./aff4_images.ts";

const CHUNK = 512;

/** Stored, packed, zeros, packed; and what is in no stream. */
const STREAM_BYTES = mixedChunks(4 * CHUNK, CHUNK);
const CONTENT = new Uint8Array(6 * CHUNK);
CONTENT.set(STREAM_BYTES, CHUNK);
CONTENT.fill(0x61, 5 * CHUNK);

function plan(more: Partial<ContainerPlan> = {}): ContainerPlan {
  return {
    streams: [{ content: STREAM_BYTES, chunkBytes: CHUNK, chunksInBevy: 3 }],
    map: {
      size: CONTENT.length,
      entries: [
        { offset: CHUNK, length: 4 * CHUNK, target: STREAM },
        { offset: 5 * CHUNK, length: CHUNK, target: `${SCHEMA}SymbolicStream61` },
      ],
      mapPath: Uint8Array.of(0, 1, 2),
    },
    hashes: [["MD5", CONTENT], ["Blake2b", CONTENT]],
    extra: '<aff4://n> a aff4:CaseNotes ; aff4:caseNumber "17" .',
    ...more,
  };
}

/** How a change showed itself; "same" where nothing that is shown has changed. */
type Outcome = "error" | "finding" | "damage" | "digest" | "check" | "same";

/** What a person learns of an image beside its bytes. */
function shownBeside({ metadata, evidence, digests, unreadable }: OpenedImage): string {
  return JSON.stringify({ metadata, evidence, digests, unreadable });
}

/** Are all bytes right that are not said to be damaged? */
function isRight(bytes: Bytes, damaged: readonly Range[]): boolean {
  return gapsBetween({ offset: 0, length: bytes.length }, damaged).every((range) =>
    Buffer.compare(
      bytes.subarray(range.offset, endOf(range)),
      CONTENT.subarray(range.offset, endOf(range)),
    ) === 0
  );
}

/**
 * Opens a changed container, reads all of it, and checks what it keeps of itself, as `verify`
 * does. Never may a byte be shown that is wrong, unless it has no hashes of its chunks.
 */
async function outcomeOf(
  file: Bytes,
  what: string,
  { beside, findings = 0, hasHashes = true }: {
    readonly beside: string;
    readonly findings?: number;
    readonly hasHashes?: boolean;
  },
): Promise<Outcome> {
  let image: OpenedImage;
  try {
    image = await openAff4(file);
  } catch (error) {
    if (error instanceof ImagingError) return "error";
    throw new Error(`not for ${what}`, { cause: error });
  }
  const size = Math.min(image.media.size, 2 * CONTENT.length);
  const { bytes, damaged } = await readTolerant(image.media, size);
  if (hasHashes) assert(isRight(bytes, damaged), `${what}: wrong bytes`);
  if (damaged.length > 0) return "damage";
  if (image.findings.length > findings) return "finding";
  const found = new Map(
    HASHES.map((name) => [name.toLowerCase(), hash(name, bytes).toString("hex")]),
  );
  const differs = image.digests?.some(({ algorithm, hex }) => found.get(algorithm) !== hex);
  if (differs === true) return "digest";
  const checks = await image.checkItself?.() ?? [];
  if (checks.some(({ expected, actual }) => expected !== actual)) return "check";
  assertBytes(bytes, CONTENT, what);
  assertEquals(shownBeside(image), beside, what);
  return "same";
}

/**
 * Places that no rule covers, by reason:
 *
 * 1. Of headers and directory: versions, times, attributes, the number of a part, which mean
 *    nothing here; comments of the archive that are no address any more.
 * 2. What stands behind content that came as a stream: the directory has it, too. Of its local
 *    header the extra field, which only says so.
 * 3. Of what Zip64 repeats: fields that may be all ones but need not, and the bytes of records
 *    that others make unnecessary.
 * 4. How a chunk is packed: what comes out of it is checked.
 * 5. What the directory calls the segment that tells the address: the comment tells it, too.
 * 6. The checksum of a bevy, where it stands in the directory only: its chunks have hashes.
 */
function uncovered(file: Bytes, isStreamed: boolean): Set<number> {
  const places = new Set<number>();
  const view = Buffer.from(file.buffer, file.byteOffset, file.length);
  const add = (from: number, length: number): void => {
    for (let at = from; at < from + length; at++) places.add(at);
  };
  let at = view.indexOf("PK\x01\x02", 0, "latin1");
  for (; view.readUInt32LE(at) === 0x02014b50;) {
    const [name, extra] = [view.readUInt16LE(at + 28), view.readUInt16LE(at + 30)];
    const isZip64 = view.readUInt32LE(at + 42) === 0xffff_ffff;
    const local = isZip64
      ? Number(view.readBigUInt64LE(at + 46 + name + 4 + 16))
      : view.readUInt32LE(at + 42);
    for (const [from, length] of [[4, 4], [12, 4], [34, 8]] as const) add(at + from, length);
    for (const [from, length] of [[4, 2], [10, 4]] as const) add(local + from, length);
    const nameText = view.toString("latin1", at + 46, at + 46 + name);
    if (nameText === "container.description") add(at + 46, name);
    if (isStreamed) {
      if (/\/\d{8}$/.test(nameText)) add(at + 16, 4);
      const end = local + 30 + name;
      const packed = isZip64
        ? Number(view.readBigUInt64LE(at + 46 + name + 4 + 8))
        : view.readUInt32LE(at + 20);
      add(end, 20);
      add(end + 20 + packed, 24);
    }
    at += 46 + name + extra;
  }
  if (view.readUInt32LE(at) === 0x06064b50) {
    // Versions and parts of the record; the numbers of parts of its locator.
    add(at + 12, 4);
    add(at + 56 + 4, 4);
    add(at + 56 + 16, 4);
    at += 76;
    // The end repeats what Zip64 says, and is not looked at where that is there.
    add(at + 4, 16);
  } else {
    // All ones stand for Zip64.
    add(at + 4, 4);
  }
  const comment = at + 22;
  add(comment, "aff4://".length);
  return places;
}

for (
  const [title, style] of [
    ["plain", {}],
    ["streamed", { isStreamed: true }],
    ["Zip64", { isZip64: true }],
  ] as const
) {
  Deno.test(`AFF4: each byte changed is noticed, or it was no content (${title})`, async () => {
    const { file, places } = container(plan(style));
    const beside = shownBeside(await openAff4(file));
    assertEquals(await outcomeOf(file, "nothing", { beside }), "same");
    const silent = uncovered(file, "isStreamed" in style);
    const chunks = [0, 1].map((bevy) => places.get(`${escaped(STREAM)}/0000000${bevy}`));
    const outcomes = new Map<Outcome, number>();
    const unseen: string[] = [];
    for (let at = 0; at < file.length; at++) {
      for (const mask of [0xff, 1 << at % 8]) {
        const changed = file.slice();
        changed[at] = (changed[at] ?? 0) ^ mask;
        const what = `byte ${at} with ${mask}`;
        const outcome = await outcomeOf(changed, what, { beside });
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        const isChunk = chunks.some((place) =>
          place !== undefined && at >= place.offset && at < place.offset + place.length
        );
        // Most of a packed chunk has one way to be packed.
        if (outcome === "same" && !silent.has(at) && !isChunk) unseen.push(what);
        if (isChunk) assert(outcome === "damage" || outcome === "same", `${what}: ${outcome}`);
      }
    }
    assertEquals(unseen, []);
    assert((outcomes.get("damage") ?? 0) > 1000, JSON.stringify([...outcomes]));
    assert((outcomes.get("error") ?? 0) > 1000, JSON.stringify([...outcomes]));
  });
}

Deno.test("AFF4: without hashes of chunks, verify notices each changed byte of them", async () => {
  const stream = { content: STREAM_BYTES, chunkBytes: CHUNK, chunksInBevy: 3 };
  const { file, places } = container(plan({
    streams: [{ ...stream, chunkHashes: [], hashes: [] }],
    hashes: [],
  }));
  const image = await openAff4(file);
  const options = { beside: shownBeside(image), findings: 1, hasHashes: false };
  assertEquals(image.findings.length, 1);
  assertEquals(await outcomeOf(file, "nothing", options), "same");
  for (const bevy of [0, 1]) {
    const { offset = 0, length = 0 } = places.get(`${escaped(STREAM)}/0000000${bevy}`) ?? {};
    assert(length > 0);
    for (let at = offset; at < offset + length; at++) {
      const changed = file.slice();
      changed[at] = (changed[at] ?? 0) ^ (1 << at % 8);
      const outcome = await outcomeOf(changed, `byte ${at}`, options);
      assert(outcome === "check" || outcome === "damage", `byte ${at}: ${outcome}`);
    }
  }
});

Deno.test("AFF4: a damaged beginning makes no raw image of a container", async () => {
  const { file } = container(plan());
  for (let at = 0; at < 80; at++) {
    const changed = file.slice();
    changed[at] = (changed[at] ?? 0) ^ 0xff;
    for (const name of ["disk.aff4", "DISK.AF4"]) {
      try {
        const { metadata } = await openImage(new MemorySource(name, changed));
        assertEquals(metadata[0]?.[0], "AFF4 version", `byte ${at}`);
      } catch (error) {
        assert(
          error instanceof ImagingError && error.kind === "corrupt",
          `byte ${at}: ${error}`,
        );
      }
    }
  }
});

Deno.test("AFF4: a container that was cut anywhere is an error", async () => {
  for (const style of [{}, { isStreamed: true, isZip64: true }]) {
    const { file } = container(plan(style));
    for (let length = 0; length < file.length; length++) {
      assertEquals(
        await outcomeOf(file.slice(0, length), `${length}`, { beside: "" }),
        "error",
      );
    }
  }
});

/** The text with another last digit in the hash of this number; undefined behind the last. */
function withWrongHash(text: string, number: number): string | undefined {
  const match = [...text.matchAll(/"([0-9a-f]{32,})"/g)][number];
  if (match === undefined) return undefined;
  const at = match.index + match[0].length - 2;
  return text.slice(0, at) + (text[at] === "0" ? "1" : "0") + text.slice(at + 1);
}

Deno.test("AFF4: each hash that is kept, wrong in turn, is noticed", async () => {
  const all = ["MD5", "SHA1", "SHA256", "SHA512", "Blake2b"] as const;
  const streams = [{
    ...{ content: STREAM_BYTES, chunkBytes: CHUNK, chunksInBevy: 3 },
    ...{ chunkHashes: all, hashes: all },
  }];
  const hashes = all.map((name) => [name, CONTENT] as const);
  const seen: Outcome[] = [];
  for (let number = 0;; number++) {
    let isThere = false;
    const { file } = container(plan({
      streams,
      hashes,
      changeText: (text) => {
        const changed = withWrongHash(text, number);
        isThere = changed !== undefined;
        return changed ?? text;
      },
    }));
    const image = isThere ? "" : shownBeside(await openAff4(file));
    const outcome = await outcomeOf(file, `hash ${number}`, { beside: image });
    if (!isThere) {
      assertEquals(outcome, "same");
      break;
    }
    assert(outcome !== "same", `hash ${number} is not checked`);
    seen.push(outcome);
  }
  // Image 5 and the block map; map 5; stream 5, index, and of the hashes of chunks 5.
  assertEquals(seen.length, 22);
  // With a wrong map nothing is shown at all.
  assertEquals(seen.filter((outcome) => outcome === "error").length, 2);
  assertEquals(seen.filter((outcome) => outcome === "digest").length, 4);
});

Deno.test("AFF4: hashes of chunks that are wrong damage these chunks, and no others", async () => {
  for (const name of ["md5", "sha1"]) {
    const { file } = container(plan({
      change: (segment) => {
        if (!segment.name.endsWith(`00000000.blockHash.${name}`)) return segment;
        const content = Uint8Array.from(segment.content);
        const size = content.length / 3;
        content[size + 1] = (content[size + 1] ?? 0) ^ 1;
        return { ...segment, content };
      },
    }));
    const { bytes, damaged } = await readTolerant((await openAff4(file)).media);
    assertEquals(damaged, [{ offset: 2 * CHUNK, length: CHUNK }]);
    assert(isRight(bytes, damaged));
  }
});

Deno.test("AFF4: segments that are missing, too short or too long damage their bevy", async () => {
  const second = { offset: 4 * CHUNK, length: CHUNK };
  for (const end of ["", ".index", ".blockHash.md5", ".blockHash.sha1"]) {
    for (const change of ["missing", "shorter", "longer", "twice"] as const) {
      const name = `${escaped(STREAM)}/00000001${end}`;
      const { file } = container(plan({
        change: (segment) => {
          // A name that is there twice, in another spelling.
          if (change === "twice" && segment.name === "version.txt") return segment;
          if (segment.name !== name) return segment;
          if (change === "missing") return undefined;
          const { content } = segment;
          if (change === "shorter") return { ...segment, content: content.subarray(1) };
          return { ...segment, content: Buffer.concat([content, Buffer.alloc(1)]) };
        },
      }));
      const image = await openAff4(file);
      const { bytes, damaged } = await readTolerant(image.media);
      // Behind the last chunk of a bevy there can be anything.
      const isHarmless = end === "" && (change === "longer" || change === "twice");
      assertEquals(damaged, isHarmless ? [] : [second], `${end} ${change}`);
      assert(isRight(bytes, damaged));
    }
  }
});

Deno.test("AFF4: an index that leads elsewhere damages its chunks only", async () => {
  const outside: readonly (readonly [bigint, number])[] = [
    [0n, 0],
    [2n ** 63n, 100],
    [2n ** 64n - 1n, 1],
    // In the file, but not in the bevy.
    [BigInt(2 * CHUNK + 1), CHUNK],
    [5000n, CHUNK],
    [0n, 0xffff_ffff],
  ];
  for (const [start, length] of [...outside, [3n, 50] as const]) {
    for (const chunkHashes of [["MD5"], []] as const) {
      // Without hashes nobody can tell that another place of the bevy is meant.
      if (chunkHashes.length === 0 && start === 3n) continue;
      const stream = { content: STREAM_BYTES, chunkBytes: CHUNK, chunksInBevy: 3, chunkHashes };
      const { file } = container(plan({
        streams: [{ ...stream, packer: "stored" }],
        change: (segment) => {
          if (!segment.name.endsWith("00000000.index")) return segment;
          const content = Buffer.from(segment.content);
          content.writeBigUInt64LE(start, 12);
          content.writeUInt32LE(length, 20);
          return { ...segment, content };
        },
      }));
      const { bytes, damaged } = await readTolerant((await openAff4(file)).media);
      assertEquals(damaged, [{ offset: 2 * CHUNK, length: CHUNK }], `${start} ${length}`);
      assert(isRight(bytes, damaged));
    }
  }
});
