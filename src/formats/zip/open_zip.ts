/**
 * Shows the image inside of a ZIP archive: APPNOTE 6.3.10,
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */
import { SliceSource } from "../../blocks/slice.ts";
import type { BlockSource } from "../../core/block.ts";
import { asciiText } from "../../core/bytes.ts";
import { ImagingError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";
import { formatBytes } from "../../core/units.ts";
import type { Packing, UnpackedStream } from "../../core/unpack.ts";
import { isAff4Archive } from "../aff4/is_aff4_archive.ts";
import type { OpenedImage, OpenOptions, StoredDigest } from "../image_format.ts";
import { PackedStreamSource } from "../packed/packed_stream.ts";
import { parseNotes } from "../pieces/content_notes.ts";
import { chooseEntry } from "./choose_entry.ts";
import { locateEntry, readArchive, type ZipArchive, type ZipEntry } from "./directory.ts";
import { CheckedStream, StoredStream } from "./entry_stream.ts";
import { METHOD_DEFLATE, METHOD_STORED } from "./records.ts";

/** Methods (APPNOTE, 4.4.5) that can be read. */
const PACKINGS: ReadonlyMap<number, Packing> = new Map([
  [METHOD_DEFLATE, "deflate"],
  [12, "bzip2"],
  [93, "zstd"],
  [95, "xz"],
]);

/** Some that cannot, for messages. */
const OTHER_METHODS: ReadonlyMap<number, string> = new Map([
  [1, "shrink"],
  [6, "implode"],
  [9, "Deflate64"],
  [14, "LZMA"],
  [98, "PPMd"],
]);

/** Bytes of the content's beginning that are shown beside it. */
const HEAD_BYTES = 1024 * 1024;

/**
 * Takes over `file`. The image is read as a stream, and checked at its end. What turns out to
 * be AFF4 is opened as such.
 *
 * @throws {FormatError} when the archive is damaged.
 * @throws {ImagingError} when it holds several images or none, or one that is not read.
 */
export async function openZip(
  file: BlockSource,
  options: OpenOptions = {},
): Promise<OpenedImage> {
  const archive = await readArchive(file);
  if (isAff4Archive(archive)) {
    return await (await import("../aff4/open_aff4.ts")).openAff4(file, options);
  }
  const entry = chooseEntry(file.name, archive.entries);
  const place = await locateEntry(file, entry, archive.end.offset);
  const packed = new SliceSource(file, place);
  const stream = streamOf(file, packed, entry, options);
  const checked = new CheckedStream(stream, file.name, entry.crc32);
  const media = new PackedStreamSource(packed, checked, entry.contentBytes);
  try {
    return {
      media,
      head: await media.readHead(HEAD_BYTES),
      metadata: [
        ["entry", printable(entry.name)],
        ["packed as", `ZIP, ${PACKINGS.get(entry.method) ?? "stored"}`],
        ["packed size", formatBytes(entry.packedBytes)],
      ],
      findings: [],
      digests: digestsOf(archive, entry),
      isPacking: true,
    };
  } catch (error) {
    await media[Symbol.asyncDispose]();
    throw error;
  }
}

/** @throws {ImagingError} when nobody can unpack it. */
function streamOf(
  file: BlockSource,
  packed: BlockSource,
  { name, method, contentBytes, packedBytes }: ZipEntry,
  { unpack }: OpenOptions,
): UnpackedStream {
  if (method === METHOD_STORED && contentBytes === packedBytes) return new StoredStream(packed);
  const packing = PACKINGS.get(method);
  if (packing === undefined) {
    const by = OTHER_METHODS.get(method) ?? `method ${method}`;
    throw new ImagingError(
      "environment",
      `cannot read ${file.name}: ${printable(name)} in it is packed with ${by}`,
      { hint: "unpack it first: 7z x ARCHIVE" },
    );
  }
  if (unpack === undefined) {
    throw new ImagingError("usage", `cannot read ${file.name}: it is packed with ${packing}`);
  }
  return unpack.unpack(packing, packed);
}

/** What the comment of an archive that was written here says. */
function digestsOf(
  { entries, end }: ZipArchive,
  { contentBytes }: ZipEntry,
): readonly StoredDigest[] | undefined {
  const notes = parseNotes(asciiText(end.comment));
  return entries.length === 1 && notes?.size === contentBytes ? notes.digests : undefined;
}
