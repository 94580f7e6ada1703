import { assert, assertEquals } from "@std/assert";
import { MemorySource } from "../../src/blocks/memory.ts";
import { sequentialPolicy } from "../../src/copy/read_policy.ts";
import { makeUnpackService } from "../../src/copy/unpack/unpack_service.ts";
import { ZlibPool } from "../../src/copy/zlib_pool.ts";
import { RangeMap } from "../../src/copy/range_map.ts";
import { runCopy } from "../../src/copy/run_copy.ts";
import type { ProbeInput } from "../../src/core/block.ts";
import { ImagingError } from "../../src/core/errors.ts";
import type { ImageFormat } from "../../src/formats/image_format.ts";
import { IMAGE_FORMATS } from "../../src/formats/registry.ts";
import { FaultySource } from "../support/faulty_source.ts";
import { MemoryOutput } from "../support/image_output.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const CHUNK_BYTES = 128 * 1024;

/** Around each border that matters: sector, block of zeros, chunk; and whole sectors there. */
const SIZES = [512, 4096, 65_536, CHUNK_BYTES, 3 * CHUNK_BYTES]
  .flatMap((border) => [border - 512, border - 1, border, border + 1, border + 512])
  .concat(0, 1);

/** Half of it zero, as on most disks. */
function content(size: number): Bytes {
  return patternBytes(size).fill(0, Math.floor(size / 4), Math.floor(size * 3 / 4));
}

function inputOf(name: string, file: Uint8Array): ProbeInput {
  return { name, size: file.length, sectorSize: 512, head: file.subarray(0, 1024 * 1024) };
}

/** On this thread: these images are small. */
const ZLIB = new ZlibPool({ threads: 1 });

/** Sizes that a format can hold: some hold whole sectors only, and say so. */
async function possible(format: ImageFormat, sizes: readonly number[]): Promise<number[]> {
  const found: number[] = [];
  for (const size of sizes) {
    try {
      await write(format, content(size), { sparse: true, known: true });
      found.push(size);
    } catch (error) {
      const isRefusal = error instanceof ImagingError && error.kind === "usage" &&
        (size % 512 > 0 || size === 0);
      if (!isRefusal) throw error;
    }
  }
  assert(found.length >= 4, `${format.id} holds hardly anything`);
  return found;
}

/** Writes an image; answers the file. */
async function write(
  format: ImageFormat,
  bytes: Bytes,
  options: { readonly sparse: boolean; readonly known: boolean; readonly delays?: boolean },
): Promise<Bytes> {
  const next = seededNumbers(bytes.length + 1);
  const delay = options.delays
    ? (): Promise<void> => new Promise((resolve) => setTimeout(resolve, next(3)))
    : undefined;
  const output = new MemoryOutput(delay === undefined ? {} : { delay });
  const size = options.known ? bytes.length : Infinity;
  const writer = await format.create?.(output, { size, sparse: options.sparse, zlib: ZLIB });
  if (writer === undefined) throw new Error(`${format.id} cannot be written`);
  const source = new FaultySource({
    map: new RangeMap({ offset: 0, length: bytes.length }, "+"),
    content: new MemorySource("medium", bytes),
    ...(delay === undefined ? {} : { delay }),
  });
  const { results: [summary] } = await runCopy({
    policy: sequentialPolicy(source, { chunkBytes: CHUNK_BYTES, onBad: "fail" }),
    consumers: [writer],
    chunkBytes: CHUNK_BYTES,
  });
  assertEquals(summary.size, bytes.length);
  return output.durable;
}

/** Reads all that an image shows, in pieces that fall on no border. */
async function readAll(format: ImageFormat, file: Bytes): Promise<Bytes> {
  const unpack = makeUnpackService();
  const { media } = await format.open(new MemorySource("image", file), { zlib: ZLIB, unpack });
  const bytes = new Uint8Array(media.size);
  for (let at = 0; at < media.size; at += 50_021) {
    const into = bytes.subarray(at, at + 50_021);
    assertEquals(await media.readAt(at, into), into.length);
  }
  assertEquals(await media.readAt(media.size, new Uint8Array(10)), 0);
  await media[Symbol.asyncDispose]();
  return bytes;
}

for (const format of IMAGE_FORMATS) {
  Deno.test(`${format.id}: a probe never throws, whatever it is shown`, () => {
    const next = seededNumbers(71);
    for (let round = 0; round < 300; round++) {
      const bytes = Uint8Array.from({ length: next(5000) }, () => next(256));
      assert(["no", "maybe", "exact"].includes(format.probe(inputOf("x", bytes))));
      const zeros = new Uint8Array(next(5000));
      assert(["no", "maybe"].includes(format.probe(inputOf("x", zeros))));
    }
  });

  if (format.create === undefined) continue;

  Deno.test(`${format.id}: what is written is read back, whatever the size`, async () => {
    for (const size of await possible(format, SIZES)) {
      const bytes = content(size);
      for (const sparse of [true, false]) {
        const file = await write(format, bytes, { sparse, known: true });
        assertBytes(await readAll(format, file), bytes, `${size} bytes`);
      }
    }
  });

  Deno.test(`${format.id}: also from a stream, and when writes overtake each other`, async () => {
    for (const size of await possible(format, SIZES.filter((each) => each > 60_000))) {
      const bytes = content(size);
      const file = await write(format, bytes, { sparse: true, known: false, delays: true });
      assertBytes(await readAll(format, file), bytes, `${size} bytes`);
    }
  });

  Deno.test(`${format.id}: only its own probe is sure of its images`, async () => {
    const file = await write(format, content(300_032), { sparse: true, known: true });
    const input = inputOf(`card.${format.extensions[0] ?? ""}`, file);
    assert(format.probe(input) !== "no");
    const sure = IMAGE_FORMATS.filter((each) => each.probe(input) === "exact");
    assert(sure.every((each) => each === format), sure.map(({ id }) => id).join());
  });

  Deno.test(`${format.id}: a file that was cut shows a beginning of it, or is an error`, async () => {
    const bytes = content(300_032);
    const file = await write(format, bytes, { sparse: true, known: true });
    const next = seededNumbers(72);
    for (let round = 0; round < 40; round++) {
      const cut = round < 4 ? round : next(file.length);
      let shown: Bytes;
      try {
        shown = await readAll(format, file.slice(0, cut));
      } catch (error) {
        assert(error instanceof ImagingError, String(error));
        continue;
      }
      assertBytes(shown, bytes.subarray(0, shown.length), `cut to ${cut}`);
    }
  });
}
