/**
 * Writes Zstandard in frames that are packed on all cores, and can be read in any order:
 * RFC 8878, https://www.rfc-editor.org/rfc/rfc8878, seek_table.ts, and notes_frames.ts.
 */
import { crc32 } from "node:zlib";
import type { Bytes } from "../../core/block.ts";
import { ImagingError } from "../../core/errors.ts";
import type { ZlibService } from "../../core/zlib.ts";
import type { Compression, ImageOutput, ImagePlan, ImageWriter } from "../image_format.ts";
import type { ContentNotes } from "../pieces/content_notes.ts";
import {
  type ContainerEnd,
  type PieceContainer,
  PieceWriter,
  type StoredPiece,
} from "../pieces/piece_writer.ts";
import { SizeList } from "../pieces/size_list.ts";
import { checksumOf, parseFrameHead } from "./frames.ts";
import { formatNotesFrame, MARK_FRAME } from "./notes_frames.ts";
import { formatSeekTable } from "./seek_table.ts";

/** Content of a frame: as much as level 3 looks back. */
const FRAME_CONTENT_BYTES = 2 * 1024 * 1024;

/** What zstd itself takes. */
const DEFAULT_LEVEL = 3;
const LEVELS: Readonly<Record<Compression, number>> = { none: 1, fast: 1, best: 12 };

/**
 * Begins a file. Frames hold `pieceBytes`.
 *
 * @throws {ImagingError} `usage` when nobody is there to pack.
 */
export function createZstd(
  output: ImageOutput,
  plan: ImagePlan,
  pieceBytes = FRAME_CONTENT_BYTES,
): ImageWriter {
  const { zlib, compression } = plan;
  if (zlib === undefined) {
    throw new ImagingError("usage", `cannot compress ${output.name}: there is no zstd`);
  }
  const level = compression === undefined ? DEFAULT_LEVEL : LEVELS[compression];
  return new PieceWriter(output, plan, new ZstdContainer(zlib, level, pieceBytes));
}

class ZstdContainer implements PieceContainer {
  readonly pieceBytes: number;
  readonly head: Bytes = new Uint8Array();
  readonly #zlib: ZlibService;
  readonly #level: number;
  readonly #stored = new SizeList();
  readonly #contents = new SizeList();
  readonly #checksums = new SizeList();

  constructor(zlib: ZlibService, level: number, pieceBytes: number) {
    this.pieceBytes = pieceBytes;
    this.#zlib = zlib;
    this.#level = level;
  }

  async pack(bytes: Bytes): Promise<readonly StoredPiece[]> {
    const form = { packing: "zstd", level: this.#level } as const;
    const frames = await this.#zlib.pack(bytes, this.pieceBytes, form);
    return frames.map(({ bytes: frame, crc32 }, index) => {
      const contentBytes = Math.min(this.pieceBytes, bytes.length - index * this.pieceBytes);
      const head = parseFrameHead(frame);
      if (head?.contentBytes !== contentBytes || !head.hasChecksum) {
        throw new Error("A frame was packed without its size or checksum");
      }
      return { bytes: frame, contentBytes, crc32 };
    });
  }

  add({ bytes, contentBytes }: StoredPiece): Bytes | undefined {
    const isFirst = this.#stored.values.length === 0;
    this.#addFrame(bytes.length, contentBytes, checksumOf(bytes));
    if (!isFirst) return undefined;
    this.#addFrame(MARK_FRAME.length, 0, 0);
    return MARK_FRAME;
  }

  end(notes: ContentNotes): ContainerEnd {
    // The table has the length of the notes, which have the checksum of the table.
    const { length } = formatNotesFrame({ ...notes, tableChecksum: 0 });
    this.#addFrame(length, 0, 0);
    const table = formatSeekTable({
      stored: this.#stored.values,
      contents: this.#contents.values,
      checksums: this.#checksums.values,
    });
    const frame = formatNotesFrame({ ...notes, tableChecksum: crc32(table) });
    return { tail: [frame, table] };
  }

  #addFrame(storedBytes: number, contentBytes: number, checksum: number): void {
    this.#stored.add(storedBytes);
    this.#contents.add(contentBytes);
    this.#checksums.add(checksum);
  }
}
