import type { RangeMap } from "../copy/range_map.ts";
import type { Range } from "../core/range.ts";
import type { RescueSizes } from "./rescue_sizes.ts";
import type { WalkPlan } from "./walk.ts";

/** Troubles nearer to each other than this are one. */
export const TROUBLE_BYTES = 1024 * 1024;

/** Bad places nearer to each other than this are a cluster: it is read by sectors. */
export const CLUSTER_GAP_BYTES = 256 * 1024;

/** Above this mean distance of troubles a request may be larger than a cluster. */
export const HEALTHY_BYTES = 64 * 1024 * 1024;

/** In a cluster: by sectors up to this many times the distance of its bad places. */
const CLUSTER_CALM = 4;

/** So many clusters without trouble, and most likely the next one has none, either. */
const CALM_CLUSTERS = 2;

/**
 * How near trouble is, and how near to each other troubles are. It is told how each read
 * went, and knows two things: the way that is being gone, and the mean of the whole run.
 */
export class Trouble {
  readonly #sizes: RescueSizes;
  #clean = Infinity;
  #calm = 0;
  /** The larger of the last two distances between bad places. */
  #gap = Infinity;
  #failures = 0;
  #near = 0;
  #slowReads = 0;
  /** The physical block of the last failure. */
  #block = -1;
  #okBytes = 0;
  #troubles = 1;

  /** @param map what earlier runs found counts, too */
  constructor(map: RangeMap, sizes: RescueSizes) {
    this.#sizes = sizes;
    let before = -Infinity;
    for (const { offset, length, status } of map.areas()) {
      if (status === "+") this.#okBytes += length;
      else if (status !== "?") {
        if (offset - before >= TROUBLE_BYTES) this.#troubles++;
        before = offset + length;
      }
    }
  }

  /** Bytes read without trouble up to here, in this walk and its kin. */
  get clean(): number {
    return this.#clean;
  }

  /** By sectors, until that many bytes were clean. */
  get calm(): number {
    return this.#calm;
  }

  /** Failures without a success between them. */
  get failures(): number {
    return this.#failures;
  }

  /** Failures each of which was near the one before. */
  get near(): number {
    return this.#near;
  }

  /** Slow reads without another between them. */
  get slowReads(): number {
    return this.#slowReads;
  }

  /** Did the last read fail, or was it slow? */
  get isHere(): boolean {
    return this.#failures > 0 || this.#slowReads > 0;
  }

  /** Were there enough clean bytes for the next ones to be clean, too, most likely? */
  get isFar(): boolean {
    return this.#clean >= CALM_CLUSTERS * this.#sizes.cluster;
  }

  /** The mean distance between troubles, bytes. */
  get meanDistance(): number {
    return (this.#okBytes + HEALTHY_BYTES / 2) / this.#troubles;
  }

  /** A walk begins: all that is known is whether trouble lies before it. */
  begin({ fromTrouble = false, expected = Infinity }: WalkPlan): void {
    const isCluster = fromTrouble && expected < CLUSTER_GAP_BYTES;
    this.#clean = fromTrouble ? 0 : Infinity;
    this.#calm = isCluster ? CLUSTER_CALM * expected : 0;
    this.#gap = Infinity;
    this.#failures = 0;
    this.#near = 0;
    this.#slowReads = 0;
  }

  /** So many bytes were read. */
  succeeded(length: number): void {
    this.#clean += length;
    this.#okBytes += length;
    this.#failures = 0;
  }

  /** A successful read was slow, or it was not. */
  timed(isSlow: boolean): void {
    this.#slowReads = isSlow ? this.#slowReads + 1 : 0;
    // A large request would take long here.
    if (isSlow) this.#clean = this.#sizes.cluster;
  }

  /** This could not be read. */
  failed(range: Range): void {
    const block = this.#sizes.physicalBlock(range.offset);
    // Sectors of one physical block fail together.
    if (block === this.#block && this.#clean < this.#sizes.physical) return;
    this.#block = block;
    const distance = this.#clean;
    this.#failures++;
    this.#clean = 0;
    const isCluster = distance < CLUSTER_GAP_BYTES;
    this.#near = isCluster ? this.#near + 1 : 0;
    if (this.#failures > 1) return;
    if (distance >= TROUBLE_BYTES) this.#troubles++;
    const before = this.#gap < CLUSTER_GAP_BYTES ? this.#gap : 0;
    this.#calm = isCluster
      ? Math.min(CLUSTER_CALM * Math.max(distance, before), CLUSTER_GAP_BYTES)
      : 0;
    this.#gap = distance + range.length;
  }
}
