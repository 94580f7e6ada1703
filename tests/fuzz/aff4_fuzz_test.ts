import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import type { Bytes } from "../../src/core/block.ts";
import { DamageError, ImagingError } from "../../src/core/errors.ts";
import { endOf } from "../../src/core/range.ts";
import { aff4 } from "../../src/formats/aff4.ts";
import type { OpenedImage } from "../../src/formats/image_format.ts";
import {
  container,
  type ContainerPlan,
  type EntryPlan,
  mixedChunks,
  openAff4,
  SCHEMA,
  STREAM,
  VOLUME,
} from "../formats/aff4_images.ts";
import { type PackerName, PACKERS } from "../formats/aff4_packing.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

type Next = (limit: number) => number;

/** A round takes about half a millisecond. `SECTORSHOT_FUZZ=1000000` for a night. */
const ROUNDS = Number(Deno.env.get("SECTORSHOT_FUZZ") ?? 2000);

const CHUNK = 512;

/** Numbers that break counting. */
const NASTY: readonly (number | bigint)[] = [0, 1, 511, 512, 513, 2 ** 31, 2 ** 32 - 1, 2 ** 53]
  .concat([2 ** 40, 2 ** 52]).map((each): number | bigint => each)
  .concat([2n ** 63n, 2n ** 64n - 1n]);

/** Opens a container and reads here and there; answers whether it was an image. */
async function explore(file: Bytes, next: Next, what: string): Promise<boolean> {
  let image: OpenedImage;
  try {
    image = await openAff4(file, { "disk_2.aff4": file });
  } catch (error) {
    if (error instanceof ImagingError) return false;
    throw new Error(`not for ${what}`, { cause: error });
  }
  const { media } = image;
  assert(Number.isSafeInteger(media.size) && media.size >= 0, what);
  assert(image.findings.length < 100, what);
  for (const range of image.unreadable ?? []) assert(endOf(range) <= media.size, what);
  for (let read = 0; read < 4; read++) {
    const offset = [0, media.size - 1, next(8 * CHUNK), media.size][read] ?? 0;
    const into = new Uint8Array(next(6 * CHUNK));
    try {
      const length = await media.readAt(Math.max(0, offset), into);
      const left = Math.max(0, media.size - Math.max(0, offset));
      assertEquals(length, Math.min(into.length, left), what);
    } catch (error) {
      if (!(error instanceof DamageError)) throw new Error(`not for ${what}`, { cause: error });
      const { range } = error;
      assert(range.length > 0 && range.offset >= 0 && endOf(range) <= media.size, what);
    }
  }
  // A size that is made up would take long to go through.
  if (media.size < 100 * CHUNK && next(4) === 0) await checked(image, what);
  return true;
}

async function checked({ checkItself }: OpenedImage, what: string): Promise<void> {
  try {
    const checks = await checkItself?.() ?? [];
    assert(checks.every(({ name, algorithm }) => name !== "" && algorithm !== ""));
  } catch (error) {
    if (!(error instanceof ImagingError)) throw new Error(`not for ${what}`, { cause: error });
  }
}

function pick<Value>(next: Next, values: readonly Value[]): Value {
  return values[next(values.length)] as Value;
}

/** Entries that mostly make sense, some of them with numbers that do not. */
function randomEntries(next: Next, streamBytes: number): EntryPlan[] {
  const targets = ["Zero", "UnknownData", "UnreadableData", "SymbolicStream41"];
  let offset = 0;
  return Array.from({ length: next(7) }, () => {
    offset += next(3) === 0 ? next(2 * CHUNK) : 0;
    const length = next(2 * CHUNK);
    const isStream = next(2) === 0;
    const entry = {
      offset,
      length,
      target: isStream ? STREAM : `${SCHEMA}${pick(next, targets)}`,
      targetOffset: next(Math.max(1, streamBytes - length)),
    };
    offset += length;
    return next(25) === 0
      ? { ...entry, [pick(next, ["offset", "length", "targetOffset"])]: pick(next, NASTY) }
      : entry;
  });
}

/** The description with some of its words or numbers changed. */
function changedText(text: string, next: Next): string {
  let changed = text;
  for (let change = next(3); change > 0; change--) {
    const words = [...changed.matchAll(/\S+/g)];
    const [first, second] = [pick(next, words), pick(next, words)];
    const other = pick(next, [
      second[0],
      String(pick(next, NASTY)),
      `"${pick(next, NASTY)}"^^xsd:long`,
      "",
      ";",
      ".",
      `<${SCHEMA}Zero>`,
      `<${STREAM}>`,
      `<${VOLUME}9>`,
    ]);
    changed = changed.slice(0, first.index) + other +
      changed.slice(first.index + first[0].length);
  }
  return changed;
}

/** A container with maps, counts, indexes or words that break what reads them. */
function randomContainer(next: Next): Bytes {
  const content = mixedChunks(next(7 * CHUNK), CHUNK, next(99) + 1);
  const entries = randomEntries(next, content.length);
  const last = entries.at(-1);
  const size = last === undefined ? next(5000) : Number(last.offset) + Number(last.length);
  const packer = pick(next, Object.keys(PACKERS)) as PackerName;
  const what = next(6);
  const plan: ContainerPlan = {
    streams: [{
      ...{ content, packer, chunkBytes: CHUNK, chunksInBevy: 1 + next(5) },
      ...{ isPadded: next(2) === 0, chunkHashes: next(2) === 0 ? [] : ["MD5"] },
    }],
    isStreamed: next(3) === 0,
    isZip64: next(3) === 0,
    ...next(4) === 0 ? {} : { map: { size: Math.min(size, Number.MAX_SAFE_INTEGER), entries } },
    ...what === 0 ? { changeText: (text) => changedText(text, next) } : {},
    change: (segment) => {
      const isHit = what >= 1 && next(12) === 0 && segment.content.length > 0;
      if (!isHit) return segment;
      const bytes = Buffer.from(segment.content);
      // Checksums are right: only what reads it can notice.
      const at = next(bytes.length);
      if (what === 1) bytes[at] = next(256);
      if (what === 2 && at + 8 <= bytes.length) {
        bytes.writeBigUInt64LE(BigInt(pick(next, NASTY)), at - at % 4);
      }
      if (what === 3) return { ...segment, content: bytes.subarray(0, at) };
      if (what === 4) return undefined;
      return { ...segment, content: bytes, isDeflated: what === 5 };
    },
  };
  return container(plan).file;
}

/** The file with some of its bytes, or pieces of it, changed. */
function mutated(file: Bytes, next: Next): Bytes {
  let bytes: Bytes = file.slice();
  for (let change = next(4); change >= 0; change--) {
    const at = next(bytes.length);
    const length = next(200);
    switch (next(5)) {
      case 0:
        bytes[at] = next(256);
        break;
      case 1:
        bytes = bytes.slice(0, at);
        break;
      case 2:
        bytes = new Uint8Array([...bytes.subarray(0, at), ...bytes.subarray(at + length)]);
        break;
      case 3:
        bytes.copyWithin(next(bytes.length), at, at + length);
        break;
      default:
        bytes.fill([0, 255][next(2)] ?? 0, at, at + 1 + next(4));
    }
    if (bytes.length === 0) break;
  }
  return bytes;
}

Deno.test("whatever an AFF4 container tells, it is an image or an ImagingError", async () => {
  const next = seededNumbers(611);
  let images = 0;
  for (let round = 0; round < ROUNDS; round++) {
    if (await explore(randomContainer(next), next, `round ${round}`)) images++;
  }
  assert(images > ROUNDS / 4, `only ${images} images: the containers are badly made`);
  assert(images < ROUNDS * 0.95, `${images} images: nothing is wrong with them`);
});

Deno.test("an AFF4 container with changes in it is an image or an ImagingError", async () => {
  const next = seededNumbers(612);
  const files = (["snappy", "lz4", "deflate"] as const).map((packer, index) =>
    container({
      streams: [{
        content: mixedChunks(5 * CHUNK, CHUNK, index + 1),
        chunkBytes: CHUNK,
        packer,
      }],
      isStreamed: index === 1,
      map: {
        size: 6 * CHUNK,
        entries: [{ offset: CHUNK, length: 5 * CHUNK, target: STREAM }],
      },
    }).file
  );
  let images = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const file = mutated(files[round % 3] as Bytes, next);
    if (await explore(file, next, `round ${round}`)) images++;
  }
  assert(images > ROUNDS / 20, `only ${images} images: the changes are too large`);
});

Deno.test("the beginning of any file is probed for AFF4 without an error", () => {
  const next = seededNumbers(613);
  const names = ["container.description", "aff4%3A%2F%2Fx", "AFF4%3a%2f%2f", "card.img", ""];
  for (let round = 0; round < ROUNDS; round++) {
    const name = pick(next, names);
    const head = Buffer.alloc(30 + name.length + next(20));
    head.write("PK\x03\x04", 0, "latin1");
    head.writeUInt16LE(next(3) === 0 ? next(65_536) : name.length, 26);
    head.write(name, 30, "latin1");
    const cut = new Uint8Array(head.subarray(0, next(3) === 0 ? next(head.length) : undefined));
    const score = aff4.probe({ name: "x", size: cut.length, sectorSize: 512, head: cut });
    assert(score === "exact" || score === "no");
    const isWhole = cut.length === head.length && head.readUInt16LE(26) === name.length;
    if (isWhole) assertEquals(score === "exact", names.indexOf(name) < 3);
  }
});
