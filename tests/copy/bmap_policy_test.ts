import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { BlockSource, Bytes } from "../../src/core/block.ts";
import { FormatError, ImagingError } from "../../src/core/errors.ts";
import { endOf, type Range, totalLength } from "../../src/core/range.ts";
import {
  bmapPolicy,
  type BmapPolicyOptions,
  compareBmap,
  type MappedImage,
} from "../../src/copy/bmap/bmap_policy.ts";
import { runCopy } from "../../src/copy/run_copy.ts";
import { CollectingConsumer } from "../support/collecting_consumer.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

const BLOCK = 4096;

/** An image that remembers what was asked for. */
class WatchedImage implements BlockSource {
  readonly name = "card.img";
  readonly size: number;
  readonly sectorSize = 512;
  readonly sequential: boolean;
  readonly reads: Range[] = [];
  cancelled = false;
  readonly #content: Bytes;

  constructor(content: Bytes, sequential: boolean) {
    this.#content = content;
    this.sequential = sequential;
    this.size = sequential ? Infinity : content.length;
  }

  get end(): number {
    return this.reads.reduce((end, range) => Math.max(end, endOf(range)), 0);
  }

  /** As a packed stream: in order, and its damage shows at the end. */
  async readAt(offset: number, into: Bytes): Promise<number> {
    if (this.sequential) assertEquals(offset, this.end, "a stream is read in order");
    const piece = this.#content.subarray(offset, offset + into.length);
    this.reads.push({ offset, length: piece.length });
    await new Promise((resolve) => setTimeout(resolve, 0));
    into.set(piece);
    if (piece.length < into.length) await this.atEnd();
    return piece.length;
  }

  atEnd(): Promise<void> {
    return Promise.resolve();
  }

  cancel(): void {
    this.cancelled = true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** Copies what the map says; answers what came. */
async function copied(
  image: BlockSource,
  map: MappedImage,
  options: Partial<BmapPolicyOptions> = {},
): Promise<{ chunks: CollectingConsumer["chunks"]; bytes: number; totalBytes: number }> {
  const consumer = new CollectingConsumer();
  const chunkBytes = options.chunkBytes ?? 4 * BLOCK;
  const policy = bmapPolicy(image, map, { chunkBytes, ...options });
  const { totalBytes } = policy;
  const { bytes } = await runCopy({ policy, consumers: [consumer], chunkBytes });
  return { chunks: consumer.chunks, bytes, totalBytes };
}

function rangesOf(ranges: readonly Range[]): Range[] {
  return ranges.map(({ offset, length }) => ({ offset, length }));
}

const CONTENT = patternBytes(40 * BLOCK - 100);
const MAP: MappedImage = {
  imageSize: CONTENT.length,
  ranges: [
    { offset: 0, length: 2 * BLOCK },
    { offset: 3 * BLOCK, length: 7 * BLOCK },
    { offset: 39 * BLOCK, length: BLOCK - 100 },
  ],
};
const CHUNKS: readonly Range[] = [
  { offset: 0, length: 2 * BLOCK },
  { offset: 3 * BLOCK, length: BLOCK },
  { offset: 4 * BLOCK, length: 4 * BLOCK },
  { offset: 8 * BLOCK, length: 2 * BLOCK },
  { offset: 39 * BLOCK, length: BLOCK - 100 },
];

for (const sequential of [false, true]) {
  const kind = sequential ? "a stream" : "a file";

  Deno.test(`of ${kind} only the mapped ranges come, cut at multiples of a chunk`, async () => {
    const image = new WatchedImage(CONTENT, sequential);
    const { chunks, bytes, totalBytes } = await copied(image, MAP);
    assertEquals(rangesOf(chunks), CHUNKS);
    assertEquals(totalBytes, totalLength(MAP.ranges));
    assertEquals(bytes, totalBytes);
    for (const chunk of chunks) {
      assertBytes(chunk.bytes, CONTENT.subarray(chunk.offset, endOf(chunk)));
      assertEquals(chunk.bad, []);
    }
    if (sequential) assertEquals(image.end, CONTENT.length);
    else assertEquals(image.reads, CHUNKS);
  });

  Deno.test(`of ${kind}, with any ranges, every mapped byte comes once`, async () => {
    const next = seededNumbers(8);
    for (let round = 0; round < 30; round++) {
      const content = patternBytes(1 + next(200 * 512));
      const ranges: { offset: number; length: number }[] = [];
      for (let at = next(5) * 512; at < content.length;) {
        const length = Math.min(512 * (1 + next(30)), content.length - at);
        ranges.push({ offset: at, length });
        at += length + 512 * next(40);
      }
      const map = { imageSize: content.length, ranges };
      const grainBytes = 512 << next(5);
      const options = { grainBytes, chunkBytes: grainBytes * (1 + next(4)) };
      const { chunks } = await copied(new WatchedImage(content, sequential), map, options);
      const came = new Uint8Array(content.length);
      for (const { offset, length, bytes } of chunks) {
        assert(length <= options.chunkBytes && offset % grainBytes === 0);
        assert((offset + length) % grainBytes === 0 || offset + length === content.length);
        assertBytes(bytes, content.subarray(offset, offset + length));
        came.fill(1, offset, offset + length);
      }
      assert(ranges.every((range) => came.subarray(range.offset, endOf(range)).every(Boolean)));
      // Nothing but what the grain takes with it.
      for (let at = 0; at < content.length; at += grainBytes) {
        const grain = { offset: at, length: grainBytes };
        const isMapped = ranges.some((range) =>
          range.offset < endOf(grain) && endOf(range) > grain.offset
        );
        assertEquals(Boolean(came[at]), isMapped, `byte ${at} in round ${round}`);
      }
    }
  });

  Deno.test(`of ${kind} what is asked for comes, too`, async () => {
    const also = [{ offset: 2 * BLOCK, length: 100 }, { offset: 38 * BLOCK, length: 1 << 30 }];
    const { chunks } = await copied(new WatchedImage(CONTENT, sequential), MAP, {
      also,
      chunkBytes: 1 << 20,
    });
    assertEquals(rangesOf(chunks), [
      { offset: 0, length: 10 * BLOCK },
      { offset: 38 * BLOCK, length: 2 * BLOCK - 100 },
    ]);
  });

  Deno.test(`${kind} that ends early is another image`, async () => {
    const image = new WatchedImage(CONTENT.subarray(0, 39 * BLOCK + 7), sequential);
    const error = await assertRejects(() => copied(image, MAP), ImagingError);
    assertEquals(error.kind, "mismatch");
    assert(error.message.includes("ends at byte 159751, by the map 163740"), error.message);
    assert(image.cancelled);
  });
}

Deno.test("a stream is read to its end, also where nothing of it is mapped", async () => {
  for (const ranges of [[], [{ offset: BLOCK, length: BLOCK }]]) {
    const image = new WatchedImage(CONTENT, true);
    const { chunks } = await copied(image, { imageSize: CONTENT.length, ranges });
    assertEquals(chunks.length, ranges.length);
    assertEquals(image.end, CONTENT.length);
    // Asked for what would follow, too: there the checksum of a stream is looked at.
    assertEquals(image.reads.at(-1), { offset: CONTENT.length, length: 0 });
  }
});

Deno.test("damage that shows at the end of a stream is no success", async () => {
  const image = new WatchedImage(CONTENT, true);
  image.atEnd = () => Promise.reject(new FormatError("its checksum is wrong", 0, "CRC32"));
  const map = { imageSize: CONTENT.length, ranges: [{ offset: 0, length: BLOCK }] };
  await assertRejects(() => copied(image, map), FormatError, "its checksum is wrong");
});

Deno.test("a stream that goes on, or ends where nothing is mapped, is another image", async () => {
  const ranges = [{ offset: 0, length: BLOCK }];
  const longer = new WatchedImage(CONTENT, true);
  const rejected = (size: number, reason: string): Promise<ImagingError> =>
    assertRejects(() => copied(longer, { imageSize: size, ranges }), ImagingError, reason);
  await rejected(30 * BLOCK, "goes on at byte 122880, by the map 122880");
  const shorter = new WatchedImage(CONTENT, true);
  await assertRejects(
    () => copied(shorter, { imageSize: 50 * BLOCK, ranges }),
    ImagingError,
    "ends at byte 163740, by the map 204800",
  );
});

Deno.test("of a file nothing else is read", async () => {
  const image = new WatchedImage(CONTENT, false);
  const { chunks } = await copied(image, { imageSize: CONTENT.length, ranges: [] });
  assertEquals(chunks, []);
  assertEquals(image.reads, []);
});

Deno.test("a map of another image is refused, with both sizes", () => {
  const error = assertThrows(
    () => compareBmap({ imageSize: 821_752 }, 4_294_967_296, "card.img"),
    ImagingError,
  );
  assertEquals(error.kind, "mismatch");
  assertEquals(
    error.message,
    "the block map is that of another image: card.img has 4294967296 bytes, " +
      "by the map 821752",
  );
  compareBmap({ imageSize: 821_752 }, 821_752, "card.img");
  compareBmap({ imageSize: 821_752 }, Infinity, "card.img.gz");
});
