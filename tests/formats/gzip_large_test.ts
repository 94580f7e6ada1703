/** More than 4 GiB, which is more than 32 bits count: gzip, Zstandard and ZIP. */
import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import { assert, assertEquals } from "@std/assert";
import { makeChunk } from "../../src/copy/run_copy.ts";
import type { Bytes } from "../../src/core/block.ts";
import type { ImageFormat, ImageOutput, ImagePlan } from "../../src/formats/image_format.ts";
import { gzip } from "../../src/formats/gzip.ts";
import { isZero } from "../../src/formats/pieces/chunk_cutter.ts";
import { zip } from "../../src/formats/zip.ts";
import { zstd } from "../../src/formats/zstd.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { run, shell } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { FileSource } from "../volumes/image_tools.ts";
import { MIB, POOL } from "./piece_images.ts";
import { unpack } from "./zip_tools.ts";

/** Unpacking it by other programs takes minutes: `SECTORSHOT_LARGE=1`. */
const IS_LONG = Deno.env.get("SECTORSHOT_LARGE") !== undefined;

const SIZE = 4096 * MIB + 12 * MIB + 512;
const CHUNK = 4 * MIB;
const FIRST = patternBytes(CHUNK);
const LAST_START = 4104 * MIB;
const LAST = patternBytes(SIZE - LAST_START, { offset: LAST_START });
const ZEROS = new Uint8Array(CHUNK);

/** The content: zeros, but for the first 4 MiB and all that lies behind 4,104 MiB. */
function contentAt(offset: number): Bytes {
  if (offset === 0) return FIRST;
  if (offset >= LAST_START) return LAST.subarray(offset - LAST_START).subarray(0, CHUNK);
  return ZEROS;
}

/** A file in which zeros are holes. */
class SparseOutput implements ImageOutput {
  readonly name: string;
  readonly sectorSize = 512;
  readonly initialSize = 0;
  readonly #file: Deno.FsFile;

  constructor(path: string) {
    this.name = path;
    this.#file = Deno.openSync(path, { create: true, write: true });
  }

  writeAt(offset: number, bytes: Bytes): Promise<void> {
    if (isZero(bytes)) return Promise.resolve();
    this.#file.seekSync(offset, Deno.SeekMode.Start);
    for (let at = 0; at < bytes.length;) at += this.#file.writeSync(bytes.subarray(at));
    return Promise.resolve();
  }

  async setSize(bytes: number): Promise<void> {
    await this.#file.truncate(bytes);
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#file.close();
    return Promise.resolve();
  }
}

type Writable = Required<Pick<ImageFormat, "create">>;

async function writeLarge(
  format: Writable,
  path: string,
  plan: Partial<ImagePlan> = {},
): Promise<void> {
  await using output = new SparseOutput(path);
  const writer = await format.create(output, { size: SIZE, sparse: true, zlib: POOL, ...plan });
  for (let at = 0; at < SIZE; at += CHUNK) {
    await writer.consume(makeChunk(at, contentAt(at)));
  }
  assertEquals((await writer.finish()).size, SIZE);
}

/** Does what the command writes have the right length and end? Is it read here, too? */
async function assertUnpacked(
  command: string,
  path: string,
  folder: TemporaryFolder,
): Promise<void> {
  const end = await folder.write("end", LAST.subarray(-MIB));
  await shell(`${command} "$1" | tail -c ${MIB} | cmp - "$2"`, path, end);
  assertEquals(Number(await shell(`${command} "$1" | wc -c`, path)), SIZE);
}

/** Reads around places that matter. */
async function assertReadable(format: ImageFormat, path: string): Promise<void> {
  const { media } = await format.open(new FileSource(path), { zlib: POOL });
  await using _media = media;
  assertEquals(media.size, SIZE);
  for (const offset of [0, CHUNK - 1000, 4096 * MIB - 1000, LAST_START - 1000]) {
    const into = new Uint8Array(2000);
    assertEquals(await media.readAt(offset, into), into.length);
    const start = Math.floor(offset / CHUNK) * CHUNK;
    const both = new Uint8Array(2 * CHUNK);
    both.set(contentAt(start));
    both.set(contentAt(start + CHUNK), CHUNK);
    assertBytes(into, both.subarray(offset - start, offset - start + into.length), `${offset}`);
  }
  const end = new Uint8Array(MIB);
  assertEquals(await media.readAt(SIZE - MIB, end), MIB);
  assertBytes(end, LAST.subarray(-MIB));
}

Deno.test({
  name: "Zstandard: more than 4 GiB, mostly zeros",
  ignore: needs("zstd"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const path = folder.file("card.img.zst");
    await writeLarge(zstd, path);
    await assertReadable(zstd, path);
    await assertUnpacked("zstd -q -dc", path, folder);
  },
});

Deno.test({
  name: "gzip: more than 4 GiB, mostly zeros",
  ignore: needs("gzip"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const path = folder.file("card.img.gz");
    await writeLarge(gzip, path);
    await assertReadable(gzip, path);
    // From any member on it is a file of gzip: here from the one at 4,104 MiB. Behind the
    // content there are members with the notes, the index, and its end.
    const members = await memberOffsets(path);
    const rest = members.at(-Math.ceil(LAST.length / MIB) - 3) ?? 0;
    const last = await folder.write("last", LAST);
    await shell('tail -c +$(($3 + 1)) "$1" | gzip -dc | cmp - "$2"', path, last, `${rest}`);
    if (IS_LONG) await assertUnpacked("gzip -dc", path, folder);
  },
});

/** Where members begin: with method, flags and no time as they are written here. */
async function memberOffsets(path: string): Promise<number[]> {
  const bytes = Buffer.from(await Deno.readFile(path));
  const head = Buffer.from("1f8b080400000000", "hex");
  const offsets: number[] = [];
  for (let at = bytes.indexOf(head); at >= 0; at = bytes.indexOf(head, at + 1)) {
    offsets.push(at);
  }
  return offsets;
}

const PYTHON_LIST = `
import sys, zipfile
[entry] = zipfile.ZipFile(sys.argv[1]).infolist()
print(entry.file_size, entry.compress_size, entry.CRC)
`;

Deno.test({
  name: "ZIP: more than 4 GiB, packed and stored",
  ignore: needs("python3", "zipinfo", "unzip"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    let sum = 0;
    for (let at = 0; at < SIZE; at += CHUNK) sum = crc32(contentAt(at), sum);
    for (const compression of ["fast", "none"] as const) {
      const path = folder.file("card.img.zip");
      await writeLarge(zip, path, { compression });
      const listed = (await run("python3", ["-c", PYTHON_LIST, path])).trim().split(" ");
      const [size, packed, crc] = listed.map(Number);
      assertEquals([size, crc], [SIZE, sum]);
      assert(compression === "none" ? packed === SIZE : (packed ?? SIZE) < 40 * MIB);
      await run("zipinfo", ["-v", path]);
      const { media } = await zip.open(new FileSource(path), { unpack });
      const into = new Uint8Array(CHUNK);
      assertEquals([media.size, await media.readAt(0, into)], [SIZE, CHUNK]);
      assertBytes(into, FIRST);
      await media[Symbol.asyncDispose]();
      if (IS_LONG) await assertUnpacked("unzip -p", path, folder);
      await Deno.remove(path);
    }
  },
});
