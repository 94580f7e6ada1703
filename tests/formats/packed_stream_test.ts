import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { MemorySource } from "../../src/blocks/memory.ts";
import type { Bytes } from "../../src/core/block.ts";
import { FormatError, ImagingError } from "../../src/core/errors.ts";
import type { UnpackedStream, UnpackService } from "../../src/core/unpack.ts";
import { openPackedStream } from "../../src/formats/packed/packed_stream.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";

const MIB = 1024 * 1024;

/** A packed file that remembers when it was closed. */
class PackedFile extends MemorySource {
  closed = 0;
  cancelled = 0;

  constructor(packedBytes = 1000) {
    super("card.img.xz", new Uint8Array(packedBytes));
  }

  cancel(): void {
    this.cancelled++;
  }

  override [Symbol.asyncDispose](): Promise<void> {
    this.closed++;
    return Promise.resolve();
  }
}

/** "Unpacks" to bytes that are given, and fails at their end where it is told to. */
class FakeUnpack implements UnpackService, UnpackedStream {
  readonly #content: Bytes;
  readonly #failure: Error | undefined;
  /** A read gives no more than that. */
  readonly #mostBytes: number;
  #at = 0;
  packedBytes = 0;
  closed = 0;
  readsUnderWay = 0;

  constructor(content: Bytes, failure?: Error, mostBytes = 100_000) {
    this.#content = content;
    this.#failure = failure;
    this.#mostBytes = mostBytes;
  }

  unpack(): UnpackedStream {
    return this;
  }

  async read(into: Bytes): Promise<number> {
    assertEquals(this.readsUnderWay++, 0, "reads must not overlap");
    await Promise.resolve();
    this.readsUnderWay--;
    if (this.closed > 0) throw new Error("it is closed");
    const piece = this.#content.subarray(this.#at, this.#at + into.length)
      .subarray(0, this.#mostBytes);
    if (piece.length === 0 && into.length > 0 && this.#failure !== undefined) {
      throw this.#failure;
    }
    into.set(piece);
    this.#at += piece.length;
    this.packedBytes = Math.floor(1000 * this.#at / Math.max(1, this.#content.length));
    return piece.length;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.closed++;
    return Promise.resolve();
  }
}

Deno.test("the content is read in order, and the head is there before", async () => {
  const content = patternBytes(3 * MIB + 5);
  for (const contentBytes of [undefined, content.length]) {
    const file = new PackedFile();
    const unpack = new FakeUnpack(content);
    const image = await openPackedStream(file, "xz", { unpack, contentBytes });
    assertBytes(image.head ?? new Uint8Array(), content.subarray(0, MIB));
    assertEquals(image.isPacking, true);
    const { media } = image;
    assertEquals([media.name, media.sequential, media.sectorSize], ["card.img.xz", true, 512]);
    assertEquals(media.size, contentBytes ?? Infinity);
    // All asked for at once: calls may overlap.
    const parts = Array.from({ length: 5 }, () => new Uint8Array(700_001));
    const counts = await Promise.all(
      parts.map((part, index) => media.readAt(700_001 * index, part)),
    );
    const whole = new Uint8Array(700_001 * 5);
    for (const [index, part] of parts.entries()) whole.set(part, 700_001 * index);
    assertEquals(counts, [700_001, 700_001, 700_001, 700_001, content.length - 4 * 700_001]);
    assertBytes(whole.subarray(0, content.length), content);
    assertEquals(await media.readAt(content.length, new Uint8Array(9)), 0);
    assertEquals(await media.readAt(content.length + 4096, new Uint8Array(9)), 0);
    assertEquals(media.fractionRead, 1);
    await media[Symbol.asyncDispose]();
    assertEquals([file.closed, unpack.closed], [1, 1]);
  }
});

Deno.test("contents around the size of the head, read in one go and in small parts", async () => {
  for (const size of [0, 1, MIB - 1, MIB, MIB + 1]) {
    const content = patternBytes(size);
    for (const portion of [size + 1, 300_000]) {
      for (const contentBytes of [undefined, size]) {
        const unpack = new FakeUnpack(content);
        const { media, head } = await openPackedStream(new PackedFile(), "gzip", {
          unpack,
          contentBytes,
        });
        assertBytes(head ?? patternBytes(1), content.subarray(0, MIB));
        const found: number[] = [];
        for (let at = 0;;) {
          const into = new Uint8Array(portion);
          const length = await media.readAt(at, into);
          assertBytes(into.subarray(0, length), content.subarray(at, at + length));
          found.push(length);
          at += length;
          if (length < portion) break;
        }
        assertEquals(found.reduce((sum, length) => sum + length, 0), size);
        await media[Symbol.asyncDispose]();
      }
    }
  }
});

Deno.test("a place out of order is refused, and the one in order still read", async () => {
  const unpack = new FakeUnpack(patternBytes(2 * MIB));
  const { media } = await openPackedStream(new PackedFile(), "gzip", { unpack });
  await media.readAt(0, new Uint8Array(512));
  await assertRejects(() => media.readAt(0, new Uint8Array(512)), RangeError);
  await assertRejects(() => media.readAt(1024, new Uint8Array(512)), RangeError);
  const into = new Uint8Array(512);
  await media.readAt(512, into);
  assertBytes(into, patternBytes(512, { offset: 512 }));
  await media[Symbol.asyncDispose]();
});

Deno.test("what is wrong at the end is an error before the end is told", async () => {
  const content = patternBytes(2 * MIB);
  const failure = new FormatError("the checksum is wrong", 999, "CRC32");
  const unpack = new FakeUnpack(content, failure);
  const { media } = await openPackedStream(new PackedFile(), "gzip", { unpack });
  assertEquals(await media.readAt(0, new Uint8Array(2 * MIB)), 2 * MIB);
  await assertRejects(() => media.readAt(2 * MIB, new Uint8Array(9)), FormatError, "checksum");
  await assertRejects(() => media.readAt(2 * MIB, new Uint8Array(9)), FormatError, "checksum");
  await media[Symbol.asyncDispose]();
  // Of a known size nobody reads beyond the end: the last read must fail.
  const sized = await openPackedStream(new PackedFile(), "gzip", {
    unpack: new FakeUnpack(content, failure),
    contentBytes: content.length,
  });
  assertEquals(await sized.media.readAt(0, new Uint8Array(MIB)), MIB);
  const last = new Uint8Array(MIB);
  await assertRejects(() => sized.media.readAt(MIB, last), FormatError, "checksum");
  await sized.media[Symbol.asyncDispose]();
});

Deno.test("a stream that ends elsewhere than it was said is an error", async () => {
  for (const size of [0, 1, 5000, 2 * MIB]) {
    for (const difference of [-1, 1, -4000, 4000]) {
      const contentBytes = size + difference;
      if (contentBytes < 0) continue;
      const file = new PackedFile();
      const unpack = new FakeUnpack(patternBytes(size));
      const error = await assertRejects(async () => {
        const { media } = await openPackedStream(file, "xz", { unpack, contentBytes });
        await using _ = media;
        const into = new Uint8Array(MIB);
        for (let at = 0; at < contentBytes; at += MIB) {
          await media.readAt(at, into.subarray(0, Math.min(MIB, contentBytes - at)));
        }
      }, FormatError);
      assertStringIncludes(error.message, difference > 0 ? `ends at ${size}` : "goes on");
      assertEquals([file.closed, unpack.closed], [1, 1]);
    }
  }
});

Deno.test("what fails on opening closes everything", async () => {
  const file = new PackedFile();
  const failure = new FormatError("this is no gzip stream", 0, "ID1");
  const unpack = new FakeUnpack(patternBytes(500), failure);
  await assertRejects(() => openPackedStream(file, "gzip", { unpack }), FormatError, "no gzip");
  assertEquals([file.closed, unpack.closed], [1, 1]);
  const other = new PackedFile();
  await assertRejects(
    () => openPackedStream(other, "gzip", {}),
    ImagingError,
    "packed with gzip",
  );
  assertEquals(other.closed, 1);
});

Deno.test("cancelling ends reads, as cancelled", async () => {
  const file = new PackedFile();
  const unpack = new FakeUnpack(patternBytes(20 * MIB), undefined, 10);
  const { media } = await openPackedStream(file, "gzip", { unpack });
  const reading = media.readAt(0, new Uint8Array(MIB + 1));
  media.cancel?.();
  assertEquals(file.cancelled, 1);
  await reading.catch(() => {});
  const error = await assertRejects(
    () => media.readAt(MIB + 1, new Uint8Array(9)),
    ImagingError,
  );
  assertEquals(error.kind, "cancelled");
  await media[Symbol.asyncDispose]();
  assertEquals([file.closed, unpack.closed], [1, 1]);
});

Deno.test("how much was read never goes back", async () => {
  const content = patternBytes(5 * MIB);
  const unpack = new FakeUnpack(content);
  const { media } = await openPackedStream(new PackedFile(), "gzip", { unpack });
  const seen = [media.fractionRead ?? -1];
  for (let at = 0; at < content.length; at += MIB) {
    await media.readAt(at, new Uint8Array(MIB));
    seen.push(media.fractionRead ?? -1);
  }
  assertEquals(seen.toSorted((a, b) => a - b), seen);
  assert((seen[0] ?? -1) > 0 && seen.at(-1) === 1, seen.join(" "));
  await media[Symbol.asyncDispose]();
});
