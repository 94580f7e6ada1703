import type { RescueStrategyOptions } from "./strategy_options.ts";

/** Behind a bad sector, the rest of such a block (on multiples of it) is put off. */
const PHYSICAL_BYTES = 4096;

/** The sizes that a rescue goes by, bytes, as the options and the medium have them. */
export class RescueSizes {
  /** The smallest request. */
  readonly sector: number;
  /** What most likely fails together: a physical sector, or a page of a cache. */
  readonly physical: number;
  /** The largest area that becomes "*" by one failing read. */
  readonly cluster: number;
  /** The largest request. */
  readonly largest: number;
  /** The first skip; 0: nothing is skipped. */
  readonly skipMin: number;
  readonly skipMax: number;
  readonly #sectorPhase: number;

  constructor(options: RescueStrategyOptions) {
    const { map, sectorSize = 512, sectorPhase = 0, clusterBytes = 64 * 1024 } = options;
    const size = map.range.length;
    this.sector = sectorSize;
    this.physical = Math.max(PHYSICAL_BYTES, sectorSize);
    this.cluster = Math.max(sectorSize, clusterBytes);
    this.largest = Math.max(this.cluster, options.maxRequestBytes ?? 1024 * 1024);
    this.skipMin = options.skipMin ?? Math.max(16 * 1024, size / 100_000);
    this.skipMax = Math.max(
      this.skipMin,
      options.skipMax ?? Math.max(1024 * 1024, size / 32),
    );
    this.#sectorPhase = sectorPhase;
  }

  /** Where the unit of so many bytes begins that holds this place. */
  alignDown(offset: number, bytes: number): number {
    return offset - (offset + this.#sectorPhase) % bytes;
  }

  /** Bytes between the beginning of a physical block and this place in it. */
  inPhysical(offset: number): number {
    return (offset + this.#sectorPhase) % this.physical;
  }

  /** The number of the physical block that holds this place. */
  physicalBlock(offset: number): number {
    return Math.floor((offset + this.#sectorPhase) / this.physical);
  }
}
