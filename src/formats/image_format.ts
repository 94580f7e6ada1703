import type {
  BlockSink,
  BlockSource,
  ChunkConsumer,
  ProbeInput,
  ProbeScore,
} from "../core/block.ts";
import type { Finding } from "../core/errors.ts";

/** The file that an image is written into. */
export interface ImageOutput extends BlockSink {
  /** Beyond this byte it reads as zeros, but for what was written since it was opened. */
  readonly initialSize: number;
  /** Cuts, or extends with zeros, to exactly this size in bytes. Takes its turn behind
   * the writes that were asked for before. */
  setSize(bytes: number): Promise<void>;
}

/** What is known of an image before its first byte. */
export interface ImagePlan {
  /** Bytes of the medium; Infinity for a stream. */
  readonly size: number;
  /** Leave out zeros where the file allows it. */
  readonly sparse: boolean;
}

/** What was written. */
export interface ImageSummary {
  /** Bytes of the medium that the image holds. */
  readonly size: number;
  /** Bytes that were left out as holes in this run. */
  readonly holeBytes: number;
}

/** An image that can be read. */
export interface OpenedImage {
  /** The content of the medium. Closing it closes the image. */
  readonly media: BlockSource;
  /** Name and value of what else the image tells. */
  readonly metadata: readonly (readonly [name: string, value: string])[];
  readonly findings: readonly Finding[];
}

/** A way to keep the content of a medium in files. */
export interface ImageFormat {
  readonly id: string;
  readonly title: string;
  /** Without the dot, lower case. */
  readonly extensions: readonly string[];
  /** Is this file one of ours? Never throws, whatever the bytes. */
  probe(input: ProbeInput): ProbeScore;
  /**
   * Takes over `file` and shows what is inside.
   *
   * @throws {FormatError} when it contradicts the format.
   */
  open(file: BlockSource): Promise<OpenedImage>;
  /** Begins an image; absent where a format is only read. `output` stays the caller's. */
  create?(output: ImageOutput, plan: ImagePlan): ImageWriter;
}

/** Writes an image. */
export interface ImageWriter extends ChunkConsumer<ImageSummary> {
  /** Makes every chunk durable whose `consume` had resolved. */
  sync(): Promise<void>;
}
