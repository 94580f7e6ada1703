/** Archives that others made, and that no byte of an image is ever shown wrong. */
import { Buffer } from "node:buffer";
import { crc32, deflateRawSync } from "node:zlib";
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import type { Bytes } from "../../src/core/block.ts";
import { ImagingError } from "../../src/core/errors.ts";
import { createZip } from "../../src/formats/zip/zip_writer.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { run, shell } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { KIB, MIB, mixedBytes, readAll, writeImage } from "./piece_images.ts";
import { archiveContent, openArchive } from "./zip_tools.ts";

async function assertContent(path: string, content: Bytes, message: string): Promise<void> {
  const { media, isPacking } = await openArchive(await Deno.readFile(path));
  await using _media = media;
  assertEquals([media.size, media.sequential, isPacking], [content.length, true, true]);
  assertBytes(await readAll(media), content, message);
}

Deno.test({
  name: "archives of zip and 7z, packed in every way that is read",
  ignore: needs("zip", "7z"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const content = mixedBytes(3 * MIB + 77, 31);
    await folder.write("card.img", content);
    const commands: Readonly<Record<string, string>> = {
      "stored": "zip -q -0 a.zip card.img",
      "deflated": "zip -q -9 a.zip card.img",
      "bzip2": "zip -q -Z bzip2 a.zip card.img",
      "from stdin, sizes behind the content": "cat card.img | zip -q a.zip -",
      "from stdin, stored": "cat card.img | zip -q -0 a.zip -",
      "with a comment":
        "zip -q -z a.zip card.img < /dev/null; echo 'PK\\005\\006' | zip -q -z a.zip",
      "7z": "7z a -bd -tzip a.zip card.img > /dev/null",
      "7z, bzip2": "7z a -bd -tzip -mm=BZip2 a.zip card.img > /dev/null",
      "7z, xz": "7z a -bd -tzip -mm=xz a.zip card.img > /dev/null",
    };
    for (const [what, command] of Object.entries(commands)) {
      await shell(`cd "$1"; rm -f a.zip; ${command}`, folder.path);
      await assertContent(folder.file("a.zip"), content, what);
    }
  },
});

const PYTHON_ARCHIVES = `
import io, sys, zipfile
content = open(sys.argv[1], "rb").read()
folder = sys.argv[2]
class Unseekable(io.RawIOBase):
    def __init__(self, path): self.file = open(path, "wb")
    def writable(self): return True
    def write(self, data): return self.file.write(data)
for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
    for forced in (False, True):
        for place in ("file", "stream"):
            name = f"{folder}/{method} {forced} {place}.zip"
            target = name if place == "file" else Unseekable(name)
            with zipfile.ZipFile(target, "w", method) as archive:
                archive.comment = b"PK\\x05\\x06 is what an end begins with" * 3
                info = zipfile.ZipInfo("folder/card.img")
                info.compress_type = method
                with archive.open(info, "w", force_zip64=forced) as entry:
                    entry.write(content)
with zipfile.ZipFile(f"{folder}/several.zip", "w") as archive:
    archive.mkdir("folder") if hasattr(archive, "mkdir") else archive.writestr("folder/", b"")
    archive.writestr("README.txt", b"read me")
    archive.writestr("__MACOSX/folder/._card.img", b"resources")
    archive.writestr("folder/card.img", content)
    archive.writestr("folder/card.img.sha256", b"0" * 64)
with zipfile.ZipFile(f"{folder}/only.zip", "w") as archive:
    archive.writestr("any name", content)
with zipfile.ZipFile(f"{folder}/two.zip", "w") as archive:
    archive.writestr("a.img", content)
    archive.writestr("b\\x1b[1m.iso", content)
with zipfile.ZipFile(f"{folder}/none.zip", "w") as archive:
    for number in range(20): archive.writestr(f"{number}.txt", b"text")
with zipfile.ZipFile(f"{folder}/empty.zip", "w") as archive: pass
with zipfile.ZipFile(f"{folder}/lzma.zip", "w", zipfile.ZIP_LZMA) as archive:
    archive.writestr("card.img", content)
with zipfile.ZipFile(f"{folder}/many.zip", "w") as archive:
    for number in range(70000): archive.writestr(f"{number}", b"")
    archive.writestr("card.img", content)
`;

Deno.test({
  name: "archives of Python: with Zip64, data descriptors, comments, several entries",
  ignore: needs("python3"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const content = mixedBytes(400_000, 32);
    const path = await folder.write("content", content);
    await run("python3", ["-c", PYTHON_ARCHIVES, path, folder.path]);
    const names = (await folder.names()).filter((name) => /^(\d|several|only|many)/.test(name));
    assertEquals(names.length, 15);
    for (const name of names) await assertContent(folder.file(name), content, name);
    const metadata =
      (await openArchive(await Deno.readFile(folder.file("several.zip")))).metadata;
    assertEquals(metadata[0], ["entry", "folder/card.img"]);
    const refused: Readonly<Record<string, readonly [kind: string, message: string]>> = {
      "two.zip": ["usage", "cannot tell which file of card.zip is meant: a.img, b\\x1b[1m.iso"],
      "none.zip": ["corrupt", "9.txt and 10 more"],
      "empty.zip": ["corrupt", "there is no file in it"],
      "lzma.zip": ["environment", "is packed with LZMA"],
    };
    for (const [name, [kind, message]] of Object.entries(refused)) {
      const error = await archiveContent(await Deno.readFile(folder.file(name)));
      if (!(error instanceof ImagingError)) throw new Error(`${name} was read`);
      assertEquals(error.kind, kind, name);
      assert(error.message.includes(message), error.message);
      assert(error.hint !== undefined, name);
    }
  },
});

Deno.test({
  name: "encrypted archives are refused as such",
  ignore: needs("zip", "7z"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    await folder.write("card.img", mixedBytes(10_000, 33));
    for (
      const command of [
        "zip -q -P secret a.zip card.img",
        "7z a -bd -tzip -psecret -mem=AES256 a.zip card.img > /dev/null",
      ]
    ) {
      await shell(`cd "$1"; rm -f a.zip; ${command}`, folder.path);
      const file = await Deno.readFile(folder.file("a.zip"));
      const error = await assertRejects(() => openArchive(file), ImagingError, "encrypted");
      assertEquals(error.kind, "environment");
    }
  },
});

Deno.test({
  name: "an archive that was written here can get another file, or a comment",
  ignore: needs("zip"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const content = mixedBytes(300_000, 34);
    for (const size of [content.length, Infinity]) {
      const file = await writeImage(createZip, content, { size, pieceBytes: 64 * KIB });
      const path = await folder.write("card.zip", file);
      await folder.write("note.txt", "a note");
      await shell('cd "$1"; zip -q card.zip note.txt', folder.path);
      await assertContent(path, content, `${size}`);
      const { digests } = await openArchive(await Deno.readFile(path));
      assertEquals(digests, undefined, "the digests are of an archive with one entry");
    }
  },
});

/** An archive with one entry, by the specification and not by the code that is tested. */
function archiveOf(content: Uint8Array, change: {
  /** Bytes that the directory and the local header say. */
  readonly contentBytes?: number;
  readonly packed?: Uint8Array;
  readonly crc?: number;
  readonly localMethod?: number;
  readonly localName?: string;
  readonly offset?: number;
}): Bytes {
  const packed = change.packed ?? deflateRawSync(content);
  const shared = (method: number): Buffer => {
    const bytes = Buffer.alloc(26);
    bytes.writeUInt16LE(20, 0);
    bytes.writeUInt16LE(method, 4);
    bytes.writeUInt32LE(change.crc ?? crc32(content), 10);
    bytes.writeUInt32LE(packed.length, 14);
    bytes.writeUInt32LE(change.contentBytes ?? content.length, 18);
    bytes.writeUInt16LE(8, 22);
    return bytes;
  };
  const local = Buffer.concat([
    Buffer.from("PK\x03\x04", "latin1"),
    shared(change.localMethod ?? 8),
    Buffer.from(change.localName ?? "card.img"),
    packed,
  ]);
  const directory = Buffer.concat([
    Buffer.from("PK\x01\x02\x14\x00", "latin1"),
    shared(8),
    Buffer.alloc(14),
    Buffer.from("card.img"),
  ]);
  directory.writeUInt32LE(change.offset ?? 0, 42);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(local.length, 16);
  return new Uint8Array(Buffer.concat([local, directory, end]));
}

Deno.test("an entry that is not what the directory says is an error", async () => {
  const content = patternBytes(5000).fill(9, 100, 3000);
  const good = await archiveContent(archiveOf(content, {}));
  assertBytes(good as Bytes, content);
  const bad: Readonly<Record<string, Bytes>> = {
    "another checksum": archiveOf(content, { crc: 1 }),
    "more content": archiveOf(content, { contentBytes: 4999 }),
    "less content": archiveOf(content, { contentBytes: 5001 }),
    "another method in front": archiveOf(content, { localMethod: 0 }),
    "another name in front": archiveOf(content, { localName: "card.iso" }),
    "another place": archiveOf(content, { offset: 1 }),
    "a place behind the end": archiveOf(content, { offset: 0xffff_fff0 }),
    "no deflate": archiveOf(content, { packed: new Uint8Array(100).fill(0xff) }),
    "half of it": archiveOf(content, { packed: deflateRawSync(content).subarray(0, 1000) }),
    "nothing": archiveOf(content, { packed: new Uint8Array() }),
  };
  for (const [what, file] of Object.entries(bad)) {
    assertInstanceOf(await archiveContent(file), ImagingError, what);
  }
});

Deno.test("any byte changed: an error, or the same content; cut anywhere: an error", async () => {
  const content = mixedBytes(4000, 35, 1500);
  for (const [size, compression] of [[4000, undefined], [Infinity, "none"]] as const) {
    const file = await writeImage(createZip, content, { size, compression, pieceBytes: 1000 });
    let same = 0;
    for (let at = 0; at < file.length; at++) {
      for (const change of [0xff, 1 << at % 8]) {
        const changed = file.slice();
        changed[at] = (changed[at] ?? 0) ^ change;
        const result = await archiveContent(changed);
        if (result instanceof ImagingError) continue;
        assertBytes(result, content, `byte ${at} changed by ${change}`);
        same++;
      }
    }
    // Versions, times, attributes, the name of the entry in the directory, the comment.
    assert(same > 50 && same < 900, `${same}`);
    for (let length = 0; length < file.length; length++) {
      assertInstanceOf(await archiveContent(file.slice(0, length)), ImagingError, `${length}`);
    }
  }
});
