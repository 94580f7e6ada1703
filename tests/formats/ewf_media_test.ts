import { assert, assertEquals, assertRejects } from "@std/assert";
import { deflateSync } from "node:zlib";
import type { BlockSource, Bytes } from "../../src/core/block.ts";
import { ReadError } from "../../src/core/errors.ts";
import { openEwf } from "../../src/formats/ewf/ewf_reader.ts";
import {
  DESCRIPTOR_BYTES,
  formatDescriptor,
  formatFileHeader,
  putChecksum,
} from "../../src/formats/ewf/ewf_sections.ts";
import { formatTable, PACKED } from "../../src/formats/ewf/ewf_table.ts";
import { formatVolume } from "../../src/formats/ewf/ewf_volume.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { run } from "../support/run_cli.ts";
import { numberedSectorsWithZeros, TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { FileSource, seededNumbers } from "../volumes/image_tools.ts";
import { acquire, CountingZlib, MemoryFolder, openFolder, readAll } from "./ewf_images.ts";

const isMissing = needs("ewfacquire");
const MIB = 1024 * 1024;
const CHUNK_BYTES = 32 * 1024;

/** Text-like: every chunk can be packed. */
function packable(size: number): Bytes {
  const next = seededNumbers(501);
  return Uint8Array.from({ length: size }, () => 97 + next(8));
}

Deno.test({
  name: "reads fall anywhere, overlap, and are right",
  ignore: isMissing,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = numberedSectorsWithZeros(3 * MIB + 512);
    const args = ["-S", `${MIB}`];
    for (const compression of ["none", "fast"]) {
      const files = await acquire(folder, bytes, { compression, args });
      const { media } = await openFolder(new MemoryFolder(files));
      const next = seededNumbers(502);
      for (let round = 0; round < 40; round++) {
        await Promise.all(Array.from({ length: 8 }, async () => {
          const offset = next(4) === 0 ? next(100) * CHUNK_BYTES : next(bytes.length + 1);
          const into = new Uint8Array(
            next([100, 5000, 200_000, 2 * CHUNK_BYTES + 2][next(4)] ?? 1),
          );
          const expected = bytes.subarray(offset, offset + into.length);
          assertEquals(await media.readAt(offset, into), expected.length);
          assertBytes(into.subarray(0, expected.length), expected, `at ${offset}`);
        }));
      }
      assertEquals(await media.readAt(bytes.length + 1000, new Uint8Array(5)), 0);
      assertEquals(await media.readAt(0, new Uint8Array()), 0);
    }
  },
});

Deno.test({
  name: "a large read is one call to unpack all of it, and few reads of the file",
  ignore: isMissing,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = packable(16 * MIB);
    const source = new MemoryFolder(await acquire(folder, bytes));
    const zlib = new CountingZlib();
    const { media } = await openFolder(source, zlib);
    // The table is read once.
    await media.readAt(0, new Uint8Array(CHUNK_BYTES));
    zlib.calls.length = 0;
    source.reads = 0;
    source.readBytes = 0;
    const into = new Uint8Array(4 * MIB);
    for (let at = 0; at < bytes.length; at += into.length) {
      await media.readAt(at, into);
      assertBytes(into, bytes.subarray(at, at + into.length));
    }
    assertEquals(zlib.calls, [128, 128, 128, 128]);
    assertEquals(source.reads, 4);
    // Each chunk was read once.
    assert(source.readBytes < bytes.length);
    // However much is asked for, what is in memory at a time is bounded.
    zlib.calls.length = 0;
    assertBytes(await readAll(media, bytes.length), bytes);
    assertEquals(zlib.calls, [256, 256]);
  },
});

Deno.test({
  name: "small reads unpack a chunk once, also when they come at the same time",
  ignore: isMissing,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = packable(8 * MIB);
    const source = new MemoryFolder(await acquire(folder, bytes));
    const zlib = new CountingZlib();
    const { media } = await openFolder(source, zlib);
    zlib.calls.length = 0;
    const shown = new Uint8Array(4 * CHUNK_BYTES);
    const pieces = Array.from({ length: shown.length / 1024 }, (_, index) => index * 1024);
    await Promise.all(pieces.map((at) => media.readAt(at, shown.subarray(at, at + 1024))));
    assertBytes(shown, bytes.subarray(0, shown.length));
    assertEquals(zlib.calls, [1, 1, 1, 1]);
    // 64 chunks are kept, 65 are not.
    const touch = async (count: number): Promise<number> => {
      zlib.calls.length = 0;
      for (let number = 0; number < count; number++) {
        await media.readAt(number * CHUNK_BYTES, new Uint8Array(10));
      }
      return zlib.calls.length;
    };
    await touch(64);
    assertEquals(await touch(64), 0);
    await touch(100);
    assertEquals(await touch(65), 65);
    // A chunk that begins in the cache and goes on behind it.
    zlib.calls.length = 0;
    const into = new Uint8Array(3 * CHUNK_BYTES);
    await media.readAt(64 * CHUNK_BYTES + 5, into);
    assertBytes(into, bytes.subarray(64 * CHUNK_BYTES + 5, 67 * CHUNK_BYTES + 5));
    assertEquals(zlib.calls, [3]);
  },
});

Deno.test({
  name: "a file that cannot be read is no damage, and is tried again",
  ignore: isMissing,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = packable(4 * CHUNK_BYTES);
    const [file = new Uint8Array()] = (await acquire(folder, bytes)).values();
    let fails = false;
    const source: BlockSource = {
      name: "card.E01",
      size: file.length,
      sectorSize: 512,
      readAt(offset, into): Promise<number> {
        if (fails) return Promise.reject(new ReadError("input/output error", offset));
        const piece = file.subarray(offset, offset + into.length);
        into.set(piece);
        return Promise.resolve(piece.length);
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    const { media } = await openEwf(source);
    fails = true;
    const into = new Uint8Array(100);
    const error = await assertRejects(() => media.readAt(50_000, into), ReadError);
    assertEquals(error.offset, 50_000);
    fails = false;
    assertEquals(await media.readAt(50_000, into), 100);
    assertBytes(into, bytes.subarray(50_000, 50_100));
  },
});

/** Puts an image together that takes nearly no room, however long it is. */
class SparseImage {
  readonly #file: Deno.FsFile;
  #end = 0;

  constructor(path: string) {
    this.#file = Deno.openSync(path, { write: true, create: true });
  }

  put(offset: number, bytes: Uint8Array): void {
    this.#file.seekSync(offset, Deno.SeekMode.Start);
    assertEquals(this.#file.writeSync(bytes), bytes.length);
    this.#end = Math.max(this.#end, offset + bytes.length);
  }

  section(offset: number, type: string, content: Uint8Array, next?: number): number {
    const end = next ?? offset + DESCRIPTOR_BYTES + content.length;
    const isLast = type === "done";
    const descriptor = { type, next: isLast ? offset : end, size: isLast ? 0 : end - offset };
    this.put(offset, formatDescriptor(descriptor));
    this.put(offset + DESCRIPTOR_BYTES, content);
    return end;
  }

  [Symbol.dispose](): void {
    this.#file.truncateSync(this.#end);
    this.#file.close();
  }
}

/** The header that EnCase 6 would write, as far as libewf asks for it. */
const HEADER = deflateSync(
  "1\r\nmain\r\nc\tn\ta\te\tt\tav\tov\tm\tu\tp\r\n\t\t\t\t\t6\t\t\t\t0\r\n\r\n",
);

/** A chunk as it is stored; packed at level 0, so that its length is known. */
function storedChunk(content: Bytes, isPacked: boolean): Bytes {
  if (isPacked) return new Uint8Array(deflateSync(content, { level: 0 }));
  const stored = new Uint8Array(content.length + 4);
  stored.set(content);
  putChecksum(stored, content.length);
  return stored;
}

/**
 * An image of which the chunks begin at `first`, one behind the other, every other one
 * packed as long as it ends before `packedBelow`. Answers its content.
 */
function sparseImage(
  path: string,
  { base, first, packedBelow }: {
    readonly base: number;
    readonly first: number;
    readonly packedBelow: number;
  },
): Bytes {
  using image = new SparseImage(path);
  const bytes = patternBytes(12 * CHUNK_BYTES);
  image.put(0, formatFileHeader(1));
  let at = image.section(13, "header", HEADER);
  const volume = {
    chunkCount: 12,
    chunkSectors: 64,
    sectorBytes: 512,
    sectorCount: bytes.length / 512,
    mediaType: 1,
    mediaFlags: 3,
    compressionLevel: 0,
    errorGranularity: 64,
    setIdentifier: new Uint8Array(16).fill(3),
  };
  at = image.section(at, "volume", formatVolume(volume));
  const entries: number[] = [];
  let end = first;
  for (let chunk = 0; chunk < bytes.length; chunk += CHUNK_BYTES) {
    const isPacked = entries.length % 2 === 0 && end + 2 * CHUNK_BYTES < packedBelow;
    const stored = storedChunk(bytes.slice(chunk, chunk + CHUNK_BYTES), isPacked);
    image.put(end, stored);
    entries.push(end - base + (isPacked ? PACKED : 0));
    end += stored.length;
  }
  image.section(at, "sectors", new Uint8Array(), end);
  at = image.section(end, "table", formatTable(base, entries));
  at = image.section(at, "table2", formatTable(base, entries));
  at = image.section(at, "data", formatVolume(volume));
  image.section(at, "done", new Uint8Array());
  return bytes;
}

for (
  const { title, ...options } of [
    {
      title: "with a base",
      base: 5_000_000_000,
      first: 5_000_000_076,
      packedBelow: Infinity,
    },
    {
      title: "without, as EnCase 6.7 wrote them",
      base: 0,
      first: 2 ** 31 - 200_000,
      packedBelow: 2 ** 31,
    },
  ]
) {
  Deno.test({
    name: `segments of more than 2 GiB, ${title}, are read as ewfexport reads them`,
    ignore: needs("ewfexport"),
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const path = folder.file("card.E01");
      const bytes = sparseImage(path, options);
      const image = await openEwf(new FileSource(path));
      assertEquals(image.findings, []);
      assertBytes(await readAll(image.media), bytes);
      await image.media[Symbol.asyncDispose]();
      await run("ewfexport", ["-q", "-u", "-f", "raw", "-t", `${path}.out`, path]);
      assertBytes(await Deno.readFile(`${path}.out.raw`), bytes, "ewfexport");
    },
  });
}
