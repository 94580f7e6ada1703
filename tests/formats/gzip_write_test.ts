/** What is written as gzip is read by every program for it. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { ImagingError } from "../../src/core/errors.ts";
import { createGzip } from "../../src/formats/gzip/gzip_writer.ts";
import { gzip } from "../../src/formats/gzip.ts";
import { assertBytes } from "../support/pattern.ts";
import { MemoryOutput } from "../support/image_output.ts";
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

const NO_TOOLS = needs("gzip", "pigz", "python3", "7z");

/** Fails unless each of the programs unpacks the same bytes. */
async function assertUnpacked(path: string, plain: string): Promise<void> {
  await run("gunzip", ["-t", path]);
  await run("pigz", ["-t", path]);
  await shell('gzip -dc "$1" | cmp - "$2"', path, plain);
  await shell('pigz -dc "$1" | cmp - "$2"', path, plain);
  await run("7z", ["t", path]);
  const script =
    "import gzip, sys\nassert gzip.open(sys.argv[1]).read() == open(sys.argv[2], 'rb').read()";
  await run("python3", ["-c", script, path, plain]);
}

Deno.test({
  name: "gzip, pigz, 7z and Python unpack what is written",
  ignore: NO_TOOLS,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const pieceBytes = 64 * KIB;
    for (const size of sizesAround(pieceBytes)) {
      for (const [kind, content] of Object.entries(contents(size))) {
        const plain = await folder.write("plain", content);
        const file = await writeImage(createGzip, content, { pieceBytes, chunkBytes: 100_000 });
        const path = await folder.write(`${kind}${size}.gz`, file);
        await assertUnpacked(path, plain);
        const image = await openBytes(gzip, file);
        assertBytes(await readAll(image.media), content, `${kind} ${size}`);
        assertEquals(image.digests, await digestsOf(content));
      }
    }
  },
});

Deno.test({
  name: "members of the usual size, packed as hard as is asked for",
  ignore: NO_TOOLS,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const content = mixedBytes(9 * MIB + 5, 3);
    const plain = await folder.write("plain", content);
    const sizes: number[] = [];
    for (const compression of ["none", "fast", undefined, "best"] as const) {
      const file = await writeImage(gzip.create, content, { compression });
      await assertUnpacked(await folder.write(`${compression}.gz`, file), plain);
      assertBytes(await readAll((await openBytes(gzip, file)).media, 3_000_001), content);
      sizes.push(file.length);
    }
    assert(new Set(sizes).size === 4, `${sizes}`);
    assertEquals(sizes.toSorted((a, b) => b - a), sizes);
    const theirs = Number(await shell('gzip -6c "$1" | wc -c', plain));
    assert((sizes[2] ?? Infinity) < theirs * 1.03, `${sizes[2]}, gzip has ${theirs}`);
  },
});

Deno.test("without anybody who packs, nothing is begun", () => {
  const error = assertThrows(
    () => createGzip(new MemoryOutput(), { size: 1, sparse: true }),
    ImagingError,
  );
  assertEquals(error.kind, "usage");
});
