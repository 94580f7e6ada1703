/**
 * Writes a ZIP archive with one entry, which is packed on all cores: APPNOTE 6.3.10,
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 *
 * The pieces are deflate blocks that end at a byte and need nothing from before; one behind
 * the other, and closed by an empty last block, they are one stream. The comment of the
 * archive tells length and digests of the content, see content_notes.ts.
 */
import type { Bytes } from "../../core/block.ts";
import { ImagingError } from "../../core/errors.ts";
import type { ZlibLevel, ZlibService } from "../../core/zlib.ts";
import type { Compression, ImageOutput, ImagePlan, ImageWriter } from "../image_format.ts";
import { type ContentNotes, formatNotes } from "../pieces/content_notes.ts";
import { Crc32Sum } from "../pieces/crc32.ts";
import {
  type ContainerEnd,
  type PieceContainer,
  PieceWriter,
  type StoredPiece,
} from "../pieces/piece_writer.ts";
import { entryName } from "./entry_names.ts";
import { METHOD_DEFLATE, METHOD_STORED } from "./records.ts";
import { formatDirectory, formatLocalHeader, type ZipEntryPlan } from "./zip_layout.ts";

/** Content that is packed together. */
const PIECE_BYTES = 1024 * 1024;

/** What zip itself takes. */
const DEFAULT_LEVEL: ZlibLevel = 6;
const LEVELS: Readonly<Record<Exclude<Compression, "none">, ZlibLevel>> = { fast: 1, best: 9 };

/** The last block of a stream: fixed codes, and nothing in it (RFC 1951, 3.2.3). */
const LAST_BLOCK = [0x03, 0x00];

/** Larger media need 64 bits; below this what packing adds has room in 32. */
const LARGEST_ZIP32_BYTES = 0xf000_0000;

/**
 * Begins an archive.
 *
 * @throws {ImagingError} `usage` when nobody is there to pack.
 */
export function createZip(
  output: ImageOutput,
  plan: ImagePlan,
  pieceBytes = PIECE_BYTES,
): ImageWriter {
  const { zlib } = plan;
  if (zlib === undefined) {
    throw new ImagingError("usage", `cannot compress ${output.name}: there is no zlib`);
  }
  return new PieceWriter(output, plan, new ZipContainer(output, plan, zlib, pieceBytes));
}

class ZipContainer implements PieceContainer {
  readonly pieceBytes: number;
  readonly head: Bytes;
  readonly #zlib: ZlibService;
  /** Undefined: the entry is stored as it is. */
  readonly #level: ZlibLevel | undefined;
  readonly #entry: ZipEntryPlan;
  readonly #crc32 = new Crc32Sum();

  constructor(output: ImageOutput, plan: ImagePlan, zlib: ZlibService, pieceBytes: number) {
    const { compression, size, folder, evidence } = plan;
    this.pieceBytes = pieceBytes;
    this.#zlib = zlib;
    this.#level = compression === undefined
      ? DEFAULT_LEVEL
      : compression === "none"
      ? undefined
      : LEVELS[compression];
    this.#entry = {
      name: entryName(folder?.name ?? output.name),
      modified: evidence?.acquired,
      method: this.#level === undefined ? METHOD_STORED : METHOD_DEFLATE,
      isZip64: size > LARGEST_ZIP32_BYTES,
    };
    const sums = { crc32: 0, contentBytes: 0, packedBytes: 0 };
    this.head = formatLocalHeader(this.#entry, sums);
  }

  async pack(bytes: Bytes): Promise<readonly StoredPiece[]> {
    const { pieceBytes } = this;
    if (this.#level === undefined) {
      const sums = await this.#zlib.checksums(bytes, pieceBytes, "crc32");
      return Array.from(sums, (crc32, index) => {
        const piece = bytes.subarray(index * pieceBytes, (index + 1) * pieceBytes);
        return { bytes: piece, contentBytes: piece.length, crc32 };
      });
    }
    const form = { packing: "deflate", level: this.#level, isOpen: true } as const;
    const pieces = await this.#zlib.pack(bytes, pieceBytes, form);
    return pieces.map((piece, index) => ({
      ...piece,
      contentBytes: Math.min(pieceBytes, bytes.length - index * pieceBytes),
    }));
  }

  add({ crc32, contentBytes }: StoredPiece): undefined {
    this.#crc32.add(crc32, contentBytes);
  }

  end(notes: ContentNotes, offset: number): ContainerEnd {
    const last = Uint8Array.from(this.#level === undefined ? [] : LAST_BLOCK);
    const end = offset + last.length;
    const sums = {
      crc32: this.#crc32.value,
      contentBytes: notes.size,
      packedBytes: end - this.head.length,
    };
    if (!this.#entry.isZip64 && Math.max(notes.size, end) > LARGEST_ZIP32_BYTES * 1.01) {
      throw new Error("More was written than the medium has");
    }
    return {
      tail: [last, ...formatDirectory(this.#entry, sums, end, formatNotes(notes))],
      head: formatLocalHeader(this.#entry, sums),
    };
  }
}
