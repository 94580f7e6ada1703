import type {
  BlockSink,
  BlockSource,
  Bytes,
  ChunkConsumer,
  ProbeInput,
  ProbeScore,
} from "../core/block.ts";
import type { Finding } from "../core/errors.ts";
import type { Range } from "../core/range.ts";
import type { UnpackService } from "../core/unpack.ts";
import type { ZlibService } from "../core/zlib.ts";

/** A file that an image is written into. */
export interface ImageOutput extends BlockSink {
  /** Beyond this byte it reads as zeros, but for what was written since it was opened. */
  readonly initialSize: number;
  /** Cuts, or extends with zeros, to exactly this size in bytes. Takes its turn behind
   * the writes that were asked for before. */
  setSize(bytes: number): Promise<void>;
}

/** The folder that an image lies in: further files of it are found, or made, there. */
export interface ImageFolder {
  /** The name of the image's first file, without its folder: "card.E01". */
  readonly name: string;
  /** Opens another file of the folder for reading; undefined when there is none. The
   * caller closes it. */
  open(name: string): Promise<BlockSource | undefined>;
}

/** The folder that an image is made in. */
export interface OutputFolder {
  /** The name that the image's first file will have: "card.E01". */
  readonly name: string;
  /**
   * Begins another file of the image, under the name that it will have at the end. It
   * belongs to the folder, which closes it.
   *
   * @throws {ImagingError} when there is such a file already, or no room.
   */
  create(name: string): Promise<ImageOutput>;
}

/** What an examiner says of an image, and what is known of its source. */
export interface Evidence {
  readonly caseNumber?: string | undefined;
  readonly evidenceNumber?: string | undefined;
  readonly description?: string | undefined;
  readonly examiner?: string | undefined;
  readonly notes?: string | undefined;
  /** When reading began. */
  readonly acquired?: Date | undefined;
  /** Name and version of the operating system and of the program that made it. */
  readonly system?: string | undefined;
  readonly program?: string | undefined;
  readonly model?: string | undefined;
  readonly serial?: string | undefined;
  /** Is it a whole disk, and not a part of one, or a file? */
  readonly isPhysical?: boolean | undefined;
  readonly isRemovable?: boolean | undefined;
}

/** How densely an image is packed. */
export type Compression = "none" | "fast" | "best";

/** A setting of a plan that only some formats obey. */
export type PackingSetting = "compression" | "segmentBytes" | "chunkSectors" | "layout";

/** A digest that is kept in an image. */
export interface StoredDigest {
  /** "md5", "sha1", "sha256" */
  readonly algorithm: string;
  /** Lower-case hexadecimal. */
  readonly hex: string;
}

/** A hash or checksum that an image keeps of a part of itself, and what was found. */
export interface OwnCheck {
  /** What was checked, as the format calls it: "mapHash". */
  readonly name: string;
  /** "sha512", "crc32" */
  readonly algorithm: string;
  /** Lower-case hexadecimal. */
  readonly expected: string;
  /** The same; in words where there is none, because something is damaged. */
  readonly actual: string;
}

/** What is known of an image before its first byte. */
export interface ImagePlan {
  /** Bytes of the medium; Infinity for a stream. */
  readonly size: number;
  /** Leave out zeros where the file allows it. */
  readonly sparse: boolean;
  /** Bytes; 512 where it is absent. */
  readonly sectorSize?: number | undefined;
  /** Where further files go; absent where only one is possible. */
  readonly folder?: OutputFolder | undefined;
  /** Absent: formats that compress cannot be written. */
  readonly zlib?: ZlibService | undefined;
  readonly evidence?: Evidence | undefined;
  /** The format's own where it is absent: `fast` in containers, in between in packed images. */
  readonly compression?: Compression | undefined;
  /** Largest size of a file, bytes; the format's own where it is absent. */
  readonly segmentBytes?: number | undefined;
  /** Sectors that are packed together; the format's own where it is absent. */
  readonly chunkSectors?: number | undefined;
  /** Variant of the format, as the format calls it; its own choice where it is absent. */
  readonly layout?: string | undefined;
  /**
   * Digests of the content, for formats that keep them. Asked for in `finish`: settles
   * when all that is hashed beside the image is.
   */
  readonly digests?: (() => Promise<readonly StoredDigest[]>) | undefined;
}

/** What was written. */
export interface ImageSummary {
  /** Bytes of the medium that the image holds. */
  readonly size: number;
  /** Bytes that were left out as holes in this run. */
  readonly holeBytes: number;
  /** The files of the image, in their order, where they are more than one. */
  readonly files?: readonly string[] | undefined;
  /** Variant of the format, where it has several. */
  readonly layout?: string | undefined;
  /** Absent where the format knows nothing of it. */
  readonly compression?: Compression | undefined;
}

/** What opening may need. */
export interface OpenOptions {
  /** Where the other files of the image are; absent where the file stands alone. */
  readonly folder?: ImageFolder | undefined;
  readonly zlib?: ZlibService | undefined;
  /** Absent: packed streams cannot be opened. */
  readonly unpack?: UnpackService | undefined;
}

/** An image that can be read. */
export interface OpenedImage {
  /**
   * The content of the medium. Closing it closes the image. A part that is damaged in the
   * image fails with a {@linkcode DamageError}.
   */
  readonly media: BlockSource;
  /** Name and value of what else the image tells. */
  readonly metadata: readonly (readonly [name: string, value: string])[];
  readonly findings: readonly Finding[];
  /** What examiner and program wrote into it. */
  readonly evidence?: Evidence | undefined;
  /** Digests of the content that are kept in the image. */
  readonly digests?: readonly StoredDigest[] | undefined;
  /** Places that could not be read when the image was made, as it says; bytes. */
  readonly unreadable?: readonly Range[] | undefined;
  /** The files of the image, in their order, where they are more than one. */
  readonly files?: readonly string[] | undefined;
  /**
   * Checks what the image keeps of itself and reading its content does not check. Absent
   * where there is nothing of the kind. `signal` ends it early, with its reason.
   */
  readonly checkItself?:
    | ((signal?: AbortSignal) => Promise<readonly OwnCheck[]>)
    | undefined;
  /**
   * The beginning of the content, up to 1 MiB, where `media` is sequential: to see what it
   * is without reading it.
   */
  readonly head?: Bytes | undefined;
  /** Is this only the packing of another image: .gz, .zip? */
  readonly isPacking?: boolean | undefined;
}

/** A way to keep the content of a medium in files. */
export interface ImageFormat {
  readonly id: string;
  readonly title: string;
  /** Without the dot, lower case. */
  readonly extensions: readonly string[];
  /** Must the medium be written in order, from its beginning, in one go? */
  readonly inOrder?: boolean | undefined;
  /**
   * Does it only pack a raw image, as .gz and .zip do? Unpacked, that has the same name
   * without the extension, and digests beside it are those of the raw image.
   */
  readonly isPacking?: boolean | undefined;
  /** The settings of a plan that it obeys; none where it is absent. */
  readonly settings?: readonly PackingSetting[] | undefined;
  /** Is this file one of ours? Never throws, whatever the bytes. */
  probe(input: ProbeInput): ProbeScore;
  /**
   * Takes over `file` and shows what is inside.
   *
   * @throws {FormatError} when it contradicts the format.
   */
  open(file: BlockSource, options?: OpenOptions): Promise<OpenedImage>;
  /** Begins an image; absent where a format is only read. `output` stays the caller's. */
  create?(output: ImageOutput, plan: ImagePlan): Promise<ImageWriter>;
}

/** Writes an image. */
export interface ImageWriter extends ChunkConsumer<ImageSummary> {
  /** Makes every chunk durable whose `consume` had resolved. */
  sync(): Promise<void>;
}
