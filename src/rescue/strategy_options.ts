import type { RangeMap } from "../copy/range_map.ts";
import type { Range } from "../core/range.ts";

/** What is being done: copying, trimming, scraping, retrying, nothing any more. */
export type RescuePhase = "?" | "*" | "/" | "-" | "+";

/** How to rescue. */
export interface RescueStrategyOptions {
  /** What is known; changed by `report`. */
  readonly map: RangeMap;
  /** Only these places, in bytes of the medium; all of the map when absent. */
  readonly domain?: readonly Range[] | undefined;
  /** Smallest request, bytes (512): a power of two times 512, or what the device has. */
  readonly sectorSize?: number | undefined;
  /** As `BlockSource.sectorPhase`. */
  readonly sectorPhase?: number | undefined;
  /** Largest area that becomes "*" by one failing read, bytes (64 KiB). */
  readonly clusterBytes?: number | undefined;
  /** Largest request, bytes (1 MiB); at least `clusterBytes`. */
  readonly maxRequestBytes?: number | undefined;
  /** How often bad sectors are tried again; Infinity is allowed (0). */
  readonly retries?: number | undefined;
  readonly trim?: boolean | undefined;
  readonly scrape?: boolean | undefined;
  /** Every pass the other way round. */
  readonly reverse?: boolean | undefined;
  /** First skip, bytes (16 KiB, or a 100,000th of the medium); 0: nothing is skipped. */
  readonly skipMin?: number | undefined;
  /** Largest skip, bytes (a 32nd of the medium, at least 1 MiB). */
  readonly skipMax?: number | undefined;
  /**
   * Areas read at fewer bytes a second are skipped in passes 1 and 2. 0: a tenth of the
   * average so far. Absent: no area is slow.
   */
  readonly minRate?: number | undefined;
  /** In passes 1 and 2 a read that took longer is slow, too (Infinity). */
  readonly slowMilliseconds?: number | undefined;
  /** With more areas of bad sectors than this it is given up. */
  readonly maxBadAreas?: number | undefined;
  /** Where the map's status line says that an earlier run was. */
  readonly phase?: RescuePhase | "F" | "G" | undefined;
  readonly pass?: number | undefined;
}
