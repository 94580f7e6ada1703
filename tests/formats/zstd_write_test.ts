/** What is written as Zstandard is read by zstd, and tells all that it asks for. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { ImagingError } from "../../src/core/errors.ts";
import { zstd } from "../../src/formats/zstd.ts";
import { createZstd } from "../../src/formats/zstd/zstd_writer.ts";
import { MemoryOutput } from "../support/image_output.ts";
import { assertBytes } from "../support/pattern.ts";
import { run, shell } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { digestsOf } from "./aff_tools.ts";
import {
  contents,
  KIB,
  MIB,
  mixedBytes,
  openBytes,
  readAll,
  sizesAround,
  writeImage,
} from "./piece_images.ts";

const NO_ZSTD = needs("zstd");

Deno.test({
  name: "zstd unpacks, tests and lists what is written",
  ignore: NO_ZSTD,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const pieceBytes = 64 * KIB;
    for (const size of sizesAround(pieceBytes)) {
      for (const [kind, content] of Object.entries(contents(size))) {
        const plain = await folder.write("plain", content);
        const file = await writeImage(createZstd, content, { pieceBytes, chunkBytes: 100_000 });
        const path = await folder.write(`${kind}${size}.zst`, file);
        await run("zstd", ["-q", "-t", path]);
        await shell('zstd -q -dc "$1" | cmp - "$2"', path, plain);
        const frames = Math.ceil(size / pieceBytes);
        const list = await run("zstd", ["-l", "-v", path]);
        assert(list.includes(`Zstandard Frames: ${frames}\n`), list);
        assert(list.includes(`Skippable Frames: ${size === 0 ? 2 : 3}\n`), list);
        if (size > 0) assert(list.includes(`(${size} B)`) && list.includes("XXH64"), list);
        const image = await openBytes(zstd, file);
        assertBytes(await readAll(image.media), content, `${kind} ${size}`);
        assertEquals(image.digests, await digestsOf(content));
      }
    }
  },
});

Deno.test({
  name: "frames of the usual size, packed as hard as is asked for",
  ignore: NO_ZSTD,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const program = await Deno.readFile(Deno.execPath());
    const content = program.slice(8 * MIB, 17 * MIB + 5);
    const plain = await folder.write("plain", content);
    const sizes: number[] = [];
    for (const compression of ["fast", undefined, "best", "none"] as const) {
      const file = await writeImage(zstd.create, content, { compression });
      const path = await folder.write(`${compression}.zst`, file);
      await shell('zstd -q -dc "$1" | cmp - "$2"', path, plain);
      assertBytes(await readAll((await openBytes(zstd, file)).media, 3_000_001), content);
      sizes.push(file.length);
    }
    const [fast = 0, usual = Infinity, best = Infinity] = sizes;
    assert(best < usual && usual < fast, `${sizes}`);
    const theirs = Number(await shell('zstd -q -3 -c "$1" | wc -c', plain));
    assert(usual < theirs * 1.02, `${usual}, zstd has ${theirs}`);
  },
});

Deno.test({
  name: "the seek table is that of the specification, and sums up to the file",
  ignore: NO_ZSTD,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const pieceBytes = 64 * KIB;
    const content = mixedBytes(5 * pieceBytes + 100, 8);
    const file = await writeImage(createZstd, content, { pieceBytes });
    const view = new DataView(file.buffer);
    assertEquals(view.getUint32(file.length - 4, true), 0x8f92eab1);
    assertEquals(view.getUint8(file.length - 5), 0x80);
    // Six frames with content, a mark behind the first of them, and the notes.
    const count = view.getUint32(file.length - 9, true);
    assertEquals(count, 8);
    const tableStart = file.length - 9 - 12 * count - 8;
    assertEquals(view.getUint32(tableStart, true), 0x184d2a5e);
    assertEquals(view.getUint32(tableStart + 4, true), 12 * count + 9);
    let at = 0;
    let contentEnd = 0;
    for (let index = 0; index < count; index++) {
      const entry = tableStart + 8 + 12 * index;
      const frame = file.slice(at, at + view.getUint32(entry, true));
      const contentBytes = view.getUint32(entry + 4, true);
      assertEquals(contentBytes, [pieceBytes, 0, ...Array(4).fill(pieceBytes), 100, 0][index]);
      const piece = content.slice(contentEnd, contentEnd += contentBytes);
      const path = await folder.write(`frame${index}.zst`, frame);
      const plain = await folder.write("plain", piece);
      await shell('zstd -q -dc "$1" | cmp - "$2"', path, plain);
      if (piece.length > 0) {
        // A frame ends with the same checksum of its content.
        assertEquals(frame.subarray(-4), file.subarray(entry + 8, entry + 12));
      }
      at += frame.length;
    }
    assertEquals(at, tableStart);
  },
});

Deno.test("without anybody who packs, nothing is begun", () => {
  const error = assertThrows(
    () => createZstd(new MemoryOutput(), { size: 1, sparse: true }),
    ImagingError,
  );
  assertEquals(error.kind, "usage");
});
