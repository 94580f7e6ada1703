import type { BufferRing, RingSlot } from "../copy/buffer_ring.ts";
import { mergeRanges, type Range } from "../core/range.ts";

/** Neighbours wait for each other for so many milliseconds. */
const GATHER_MILLISECONDS = 500;

/** Downwards the bytes have to be moved: only up to so many. */
const GATHER_DOWN_BYTES = 64 * 1024;

/** Bytes of the medium in a buffer. */
export interface Gathered {
  readonly slot: RingSlot;
  readonly parts: readonly GatheredPart[];
}

/** Neighbouring bytes. */
interface GatheredPart extends Range {
  /** Where they begin in the buffer. */
  readonly at: number;
}

/**
 * What was read in small parts, until it goes on together: up to a buffer, or for a moment.
 * Many small writes would cost more.
 */
export class GatheredChunks {
  readonly #ring: BufferRing;
  readonly #hand: (gathered: Gathered) => void;
  #gathered: { slot: RingSlot; offset: number; length: number } | undefined;
  /** When the first of them came. */
  #since = 0;

  /** @param hand takes what was gathered, and releases its buffer */
  constructor(ring: BufferRing, hand: (gathered: Gathered) => void) {
    this.#ring = ring;
    this.#hand = hand;
  }

  /**
   * What was read of a buffer that begins at byte `low` goes on; answers whether it was
   * anything: else the buffer stays its owner's.
   *
   * @param good neighbours, but for what could not be read between them
   */
  keep(slot: RingSlot, low: number, good: readonly Range[]): boolean {
    const [only, ...others] = mergeRanges(good);
    if (only === undefined) return false;
    if (others.length > 0) {
      const parts = [only, ...others].map((range) => ({ ...range, at: range.offset - low }));
      this.#hand({ slot, parts });
      return true;
    }
    const { offset, length } = only;
    // Downwards, a series that was not read to its end leaves room before it.
    if (offset > low) slot.bytes.copyWithin(0, offset - low, offset - low + length);
    if (this.#join(slot, offset, length)) return true;
    this.handOver();
    this.#gathered = { slot, offset, length };
    this.#since = performance.now();
    if (length >= slot.bytes.length / 2) this.handOver();
    return true;
  }

  /** Appends to what is gathered, where that is next to it and there is room. */
  #join(slot: RingSlot, offset: number, length: number): boolean {
    const gathered = this.#gathered;
    if (gathered === undefined) return false;
    const { bytes } = gathered.slot;
    const total = gathered.length + length;
    if (total > bytes.length) return false;
    if (offset === gathered.offset + gathered.length) {
      bytes.set(slot.bytes.subarray(0, length), gathered.length);
    } else if (offset + length === gathered.offset && total <= GATHER_DOWN_BYTES) {
      bytes.copyWithin(length, 0, gathered.length);
      bytes.set(slot.bytes.subarray(0, length));
      gathered.offset = offset;
    } else return false;
    gathered.length = total;
    this.#ring.release(slot);
    return true;
  }

  /** Hands on what is there, if anything. */
  handOver(): void {
    const gathered = this.#gathered;
    this.#gathered = undefined;
    if (gathered === undefined) return;
    const { slot, offset, length } = gathered;
    this.#hand({ slot, parts: [{ at: 0, offset, length }] });
  }

  /** Hands on what has waited long enough. */
  handOverInTime(): void {
    if (performance.now() - this.#since > GATHER_MILLISECONDS) this.handOver();
  }
}
