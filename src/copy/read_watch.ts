import type { BlockSource } from "../core/block.ts";

/** A request that hangs is given up after this, unless the user says otherwise. */
export const READ_TIMEOUT_MILLISECONDS = 60_000;

/** Where nothing more can be given up, it is tried again after this. */
const AGAIN_MILLISECONDS = 1000;

/** Timers that are longer fire at once. */
const MAX_TIMER_MILLISECONDS = 2 ** 31 - 1;

/** A timer that is so late tells that the whole program stood still. */
const LATE_MILLISECONDS = 1000;

/** A read under way. */
export interface WatchedRead {
  /**
   * Set when it was given up: it settles when the system can no longer write to the memory
   * that the read was given, which may be never.
   */
  readonly returned: Promise<void> | undefined;
  /** Was it the one that hung? Others are given up with it, which waited behind it. */
  readonly hung: boolean;
  /** It has settled, one way or the other. */
  end(): void;
}

/** A read, and when its turn came. */
interface Entry {
  since: number;
  returned: Promise<void> | undefined;
  hung: boolean;
}

/**
 * Watches over the reads of a source that makes one at a time, in the order of asking, and
 * gives them up ({@linkcode BlockSource.abandon}) when one takes too long. Where that is not
 * possible, nothing happens but that they are counted.
 */
export class ReadWatch {
  readonly #source: BlockSource;
  readonly #limit: number;
  /** Those under way, in the order of asking. */
  readonly #entries = new Set<Entry>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isStopped = false;

  /** @param limitMilliseconds Infinity: nothing is given up. */
  constructor(source: BlockSource, limitMilliseconds = Infinity) {
    this.#source = source;
    this.#limit = source.abandon === undefined ? Infinity : limitMilliseconds;
  }

  /** How long the oldest has been under way; 0 without one. */
  get milliseconds(): number {
    const [oldest] = this.#entries;
    return oldest === undefined ? 0 : performance.now() - oldest.since;
  }

  /** A read is about to be asked for. */
  begin(): WatchedRead {
    const entry: Entry = { since: performance.now(), returned: undefined, hung: false };
    this.#entries.add(entry);
    if (this.#entries.size === 1) this.#wait(this.#limit);
    return {
      get returned(): Promise<void> | undefined {
        return entry.returned;
      },
      get hung(): boolean {
        return entry.hung;
      },
      end: () => this.#end(entry),
    };
  }

  /** Nothing is given up any more. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #end(entry: Entry): void {
    const [oldest] = this.#entries;
    this.#entries.delete(entry);
    if (entry !== oldest) return;
    clearTimeout(this.#timer);
    const [next] = this.#entries;
    if (next === undefined) return;
    // Until now it waited for the one before.
    next.since = performance.now();
    this.#wait(this.#limit);
  }

  #wait(milliseconds: number): void {
    if (milliseconds === Infinity || this.#isStopped) return;
    clearTimeout(this.#timer);
    const wait = Math.min(milliseconds, MAX_TIMER_MILLISECONDS);
    const due = performance.now() + wait;
    this.#timer = setTimeout(() => this.#giveUp(due), wait);
  }

  #giveUp(due: number): void {
    if (performance.now() - due > LATE_MILLISECONDS) {
      // The answer may be there, and was not looked at.
      this.#wait(this.#limit);
      return;
    }
    const returned = this.#source.abandon?.();
    if (returned === undefined) {
      this.#wait(AGAIN_MILLISECONDS);
      return;
    }
    let isFirst = true;
    for (const entry of this.#entries) {
      // Those given up before wait for the medium to be opened again.
      if (entry.returned !== undefined) continue;
      entry.returned = returned;
      entry.hung = isFirst;
      isFirst = false;
    }
  }
}
