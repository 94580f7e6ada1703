/** Archives that are written are read by every program for them. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { ImagingError } from "../../src/core/errors.ts";
import type { OutputFolder } from "../../src/formats/image_format.ts";
import { entryName, isImageName } from "../../src/formats/zip/entry_names.ts";
import { createZip } from "../../src/formats/zip/zip_writer.ts";
import { zip } from "../../src/formats/zip.ts";
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
  readAll,
  sizesAround,
  writeImage,
} from "./piece_images.ts";
import { openArchive } from "./zip_tools.ts";

const NO_TOOLS = needs("unzip", "zipinfo", "7z", "python3");

/** A folder in which an archive of this name is made. */
function folderOf(name: string): OutputFolder {
  return { name, create: () => Promise.reject(new Error("There is one file only")) };
}

const PYTHON_TEST = `
import sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
assert archive.testzip() is None
[entry] = archive.infolist()
assert entry.filename == sys.argv[3], entry.filename
assert archive.read(entry) == open(sys.argv[2], "rb").read()
`;

/** Fails unless each of the programs unpacks the same bytes. */
async function assertUnpacked(path: string, plain: string, name: string): Promise<void> {
  await run("unzip", ["-tqq", path]);
  await shell('unzip -p "$1" | cmp - "$2"', path, plain);
  await run("7z", ["t", path]);
  await shell('7z x -so "$1" | cmp - "$2"', path, plain);
  await run("python3", ["-c", PYTHON_TEST, path, plain, name]);
}

Deno.test({
  name: "unzip, 7z and Python unpack what is written, with 64 bits for sizes and without",
  ignore: NO_TOOLS,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const pieceBytes = 64 * KIB;
    for (const size of sizesAround(pieceBytes)) {
      for (const [kind, content] of Object.entries(contents(size))) {
        const plain = await folder.write("plain", content);
        // Nobody knows how long a stream will be.
        for (const known of [size, Infinity]) {
          const file = await writeImage(createZip, content, {
            pieceBytes,
            chunkBytes: 100_000,
            size: known,
            folder: folderOf("card.zip"),
          });
          const path = await folder.write(`${kind}${size}${known}.zip`, file);
          await assertUnpacked(path, plain, "card.img");
          const image = await openArchive(file);
          assertBytes(await readAll(image.media), content, `${kind} ${size}`);
          assertEquals(image.digests, await digestsOf(content));
        }
      }
    }
  },
});

Deno.test({
  name: "pieces of the usual size, packed as hard as is asked for",
  ignore: NO_TOOLS,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const content = mixedBytes(9 * MIB + 5, 3);
    const plain = await folder.write("plain", content);
    const sizes: number[] = [];
    for (const compression of ["none", "fast", undefined, "best"] as const) {
      const file = await writeImage(zip.create, content, { compression });
      const path = await folder.write(`${compression}.zip`, file);
      await assertUnpacked(path, plain, "memory.img");
      assertBytes(await readAll((await openArchive(file)).media, 3_000_001), content);
      sizes.push(file.length);
      const info = await run("zipinfo", ["-v", path]);
      const method = compression === "none" ? "none (stored)" : "deflated";
      assert(info.includes(`compression method:                             ${method}`), info);
    }
    assertEquals(sizes.toSorted((a, b) => b - a), sizes);
    assert(new Set(sizes).size === 4, `${sizes}`);
  },
});

Deno.test({
  name: "zipinfo shows when it was made, and the digests of what is inside",
  ignore: NO_TOOLS,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const content = mixedBytes(100_000, 4);
    const file = await writeImage(createZip, content, {
      folder: folderOf("Größe.iso.zip"),
      evidence: { acquired: new Date(2024, 1, 29, 13, 14, 16) },
    });
    const path = await folder.write("card.zip", file);
    const info = await run("zipinfo", ["-v", path]);
    assert(info.includes("2024 Feb 29 13:14:16"), info);
    assert(info.includes("Unix file attributes (100644 octal):            -rw-r--r--"), info);
    const comment = await run("zipinfo", ["-z", path]);
    for (const { algorithm, hex } of await digestsOf(content)) {
      assert(comment.includes(`${algorithm}: ${hex}`), comment);
    }
    const script = "import sys, zipfile; print(ascii(zipfile.ZipFile(sys.argv[1]).namelist()))";
    assertEquals(await run("python3", ["-c", script, path]), "['Gr\\xf6\\xdfe.iso']\n");
  },
});

Deno.test("the image in an archive is called like the archive", () => {
  const names = {
    "card.zip": "card.img",
    "card.img.zip": "card.img",
    "card.ISO.ZIP": "card.ISO",
    "/folder.zip/card.zip.part": "card.img",
    "C:\\images\\card 1.2.zip": "card 1.2.img",
    ".zip": "image.img",
    "card.img.xz.zip": "card.img.xz",
  };
  for (const [archive, name] of Object.entries(names)) assertEquals(entryName(archive), name);
  for (const name of ["a.img", "b/c.ISO", "x.wic.gz", "d.rpi-sdimg", "e.E01"]) {
    assert(isImageName(name));
  }
  for (const name of ["readme.txt", "img", ".img", "x.gz", "x.img.sha256"]) {
    assert(!isImageName(name));
  }
});

Deno.test("without anybody who packs, nothing is begun", () => {
  const error = assertThrows(
    () => createZip(new MemoryOutput(), { size: 1, sparse: true }),
    ImagingError,
  );
  assertEquals(error.kind, "usage");
});
