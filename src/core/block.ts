/** The words that all rooms share: where bytes come from and where they go. */
import type { ReadError } from "./errors.ts";
import type { Range } from "./range.ts";

/** A medium to read from. It has no method that writes. */
export interface BlockSource extends AsyncDisposable {
  /** As the user named it. */
  readonly name: string;
  /** Bytes; Infinity for a stream, whose end a short read shows. */
  readonly size: number;
  /** Logical sector size in bytes; 512 where there is none. */
  readonly sectorSize: number;
  /** Set where offsets must be asked for in order, once: a stream, or a part of one. */
  readonly sequential?: boolean | undefined;
  /**
   * How much of it was read, 0 to 1, where the size is not known before the end but this
   * is: a packed stream. Never goes back.
   */
  readonly fractionRead?: number | undefined;
  /** Bytes by which offset 0 lies behind the beginning of a sector; 0 where it is absent. */
  readonly sectorPhase?: number | undefined;
  /** Ends reads under way early, where that is possible; absent where it is not. */
  cancel?(): void;
  /**
   * Gives up the calls under way, which do not answer. When the same medium could be
   * opened again, and answers elsewhere, they reject with a {@linkcode ReadError} of code
   * `ETIMEDOUT`, and later calls go there; when not, they reject as for one that went
   * away. What was read of a series is still told. The system may write to the memory that
   * these calls were given until the answer settles, which may be never: before that it is
   * neither used nor freed. Undefined, and nothing was done, while it is being opened
   * again, or too many calls hang already. Absent where it is not possible.
   */
  abandon?(): Promise<void> | undefined;
  /**
   * Reads from `offset` until `into` is full or the medium ends, and answers how
   * many bytes that were: fewer than asked only at the end. Calls may overlap.
   * `into` belongs to the source until the promise settles.
   *
   * @throws {ReadError} when the medium does not deliver.
   */
  readAt(offset: number, into: Bytes): Promise<number>;
  /**
   * Reads places one after the other up to the first that fails: what `readAt` does, in one
   * go. With `ahead` the next one may be under way while one is read. Absent where it would
   * save nothing.
   */
  readSeries?(reads: readonly PlacedRead[], ahead: boolean): Promise<SeriesOutcome>;
}

/** One of a series of reads. */
export interface PlacedRead {
  readonly offset: number;
  readonly into: Bytes;
}

/**
 * What a series of reads brought. It may also end early behind a slow read, or before one
 * that `readAt` has to be asked for: then there is no error.
 */
export interface SeriesOutcome {
  /** How long each of the reads took that brought all its bytes; they are the first ones. */
  readonly milliseconds: readonly number[];
  /** Why the next one failed. */
  readonly error: ReadError | undefined;
  /**
   * What came of those behind it that were begun before it had failed, by their index: how
   * long they took, or why they failed, too.
   */
  readonly behind?: ReadonlyMap<number, number | ReadError> | undefined;
}

/** How long a read of a series took, or why it failed; undefined where it was not tried. */
export function seriesResult(
  { milliseconds, error, behind }: SeriesOutcome,
  index: number,
): number | ReadError | undefined {
  if (index === milliseconds.length) return error;
  return index < milliseconds.length ? milliseconds[index] : behind?.get(index);
}

/** A medium to write to. */
export interface BlockSink extends AsyncDisposable {
  /** As the user named it. */
  readonly name: string;
  /** Logical sector size in bytes; 512 where there is none. */
  readonly sectorSize: number;
  /**
   * Writes all of `bytes`, or throws. Calls may overlap. `bytes` belongs to the
   * sink until the promise settles.
   *
   * @throws {WriteError} when the medium does not take it.
   */
  writeAt(offset: number, bytes: Bytes): Promise<void>;
  /**
   * Puts zeros there without being sent them; false, and nothing was done, where that is not
   * possible. Absent where it never is.
   *
   * @throws {WriteError} when the medium does not take it.
   */
  writeZeros?(range: Range): Promise<boolean>;
  /**
   * Makes everything that was written durable: on the medium when it resolves.
   *
   * @throws {WriteError} when the medium lost something.
   */
  flush(): Promise<void>;
}

/** Bytes that system calls can take: not shared, at a fixed address. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** A piece of a medium on its way through the flow. */
export interface Chunk extends Range {
  /** Its content; unreadable places are zero. */
  readonly bytes: Bytes;
  /** The unreadable places, in offsets of the medium; mostly none. */
  readonly bad: readonly Range[];
  /**
   * Parts that hold zeros only, in whole blocks of {@linkcode ZERO_BLOCK_BYTES} on
   * multiples of it (the last one may be short), neighbours joined. Looked for at the
   * first call; call it while the bytes are still there.
   */
  zeros(): readonly Range[];
}

/** The grain in which zeros are found. */
export const ZERO_BLOCK_BYTES = 64 * 1024;

/** One end of the flow: a hash, a writer, a comparer. */
export interface ChunkConsumer<Result = unknown> {
  /** For messages: "sha256", "card.img". */
  readonly name: string;
  /**
   * Takes the next chunk; chunks come in ascending order without overlaps. Calls
   * may overlap: the next chunk can arrive before the promise settles. The bytes
   * may not be kept once it resolves.
   */
  consume(chunk: Chunk): Promise<void>;
  /** No more chunks come. */
  finish(): Promise<Result>;
  /**
   * The flow failed, or finishing did: give up, free what is held. Can come more than
   * once and behind `finish`. Must not throw.
   */
  abort(cause: unknown): Promise<void>;
}

/** How far a copy is. */
export interface CopyProgress {
  /** Bytes that went through every consumer. */
  readonly doneBytes: number;
  /** Bytes in all; Infinity when that is not known. */
  readonly totalBytes: number;
  /** Bytes that could not be read so far. */
  readonly badBytes: number;
  /** How much is done, 0 to 1, where that is known and `totalBytes` is not. */
  readonly fraction?: number | undefined;
  /** Set while a failing medium is being rescued. */
  readonly rescue?: RescueFigures | undefined;
}

/** How far a rescue is, beside what every copy tells. */
export interface RescueFigures {
  /** "copying, pass 2", "trimming", "scraping", "retrying" */
  readonly phase: string;
  /** Bytes that are left to try. */
  readonly pendingBytes: number;
  /** Areas of unreadable sectors. */
  readonly badAreas: number;
  /** Since a read brought something. */
  readonly secondsSinceSuccess: number;
}

/** How sure a format, table or file system is that some bytes are its own. */
export type ProbeScore = "no" | "maybe" | "exact";

/** What a probe looks at. */
export interface ProbeInput {
  /** File name or device path; "" where there is none. */
  readonly name: string;
  /** Bytes of the whole medium. */
  readonly size: number;
  readonly sectorSize: number;
  /** The beginning, up to 1 MiB; shorter where the medium is. */
  readonly head: Uint8Array;
}
