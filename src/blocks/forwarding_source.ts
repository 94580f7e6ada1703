import type { BlockSource, Bytes, PlacedRead, SeriesOutcome } from "../core/block.ts";

/** As {@linkcode BlockSource.readSeries}, of a source that has it. */
export type ReadSeries = NonNullable<BlockSource["readSeries"]>;

/** What is not as the source behind it has it. */
export interface ForwardingTraits {
  /** Bytes. */
  readonly size?: number | undefined;
  /** As {@linkcode BlockSource.sectorPhase}. */
  readonly sectorPhase?: number | undefined;
}

/**
 * Stands before another source, and can all that that one can. Calls that are given up reject
 * here, too: whoever changes how it reads must not use their memory any more then.
 */
export abstract class ForwardingSource implements BlockSource {
  readonly name: string;
  readonly size: number;
  readonly sectorSize: number;
  readonly sequential: boolean | undefined;
  readonly sectorPhase: number | undefined;
  readonly readSeries?: ReadSeries;
  readonly abandon?: NonNullable<BlockSource["abandon"]>;
  /** What it stands before. */
  protected readonly source: BlockSource;

  /** Closing this closes `source`, unless it says otherwise. */
  constructor(source: BlockSource, traits: ForwardingTraits = {}) {
    this.name = source.name;
    this.size = traits.size ?? source.size;
    this.sectorSize = source.sectorSize;
    this.sequential = source.sequential;
    this.sectorPhase = traits.sectorPhase ?? source.sectorPhase;
    this.source = source;
    if (source.abandon !== undefined) this.abandon = source.abandon.bind(source);
    if (source.readSeries !== undefined) {
      const read = source.readSeries.bind(source);
      this.readSeries = (reads, ahead) => this.series(read, reads, ahead);
    }
  }

  /** Of the source: where this is a part of it, that may be done sooner. */
  get fractionRead(): number | undefined {
    return this.source.fractionRead;
  }

  abstract readAt(offset: number, into: Bytes): Promise<number>;

  /** Reads a series as `readAt` would; `read` is how the source does it. */
  protected abstract series(
    read: ReadSeries,
    reads: readonly PlacedRead[],
    ahead: boolean,
  ): Promise<SeriesOutcome>;

  cancel(): void {
    this.source.cancel?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.source[Symbol.asyncDispose]();
  }
}
