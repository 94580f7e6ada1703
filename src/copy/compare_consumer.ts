import { allocateAligned, equalBytes, type NativeMemory } from "../../ffi/memory.ts";
import type { BlockSource, Bytes, Chunk, ChunkConsumer } from "../core/block.ts";
import { endOf, mergeRanges, type Range } from "../core/range.ts";
import { type RangeReader, salvagingReader } from "./read_policy.ts";

/** Ranges beyond this many are counted, not kept. */
const KEPT_RANGES = 10_000;

/** What a comparison found. */
export interface Comparison {
  /** Bytes that were compared. */
  readonly bytes: number;
  /** Where the contents differ, in whole sectors, ascending; the first ten thousand. */
  readonly differing: readonly Range[];
  /** How many such ranges there are. */
  readonly differingCount: number;
  /** Bytes in all of them. */
  readonly differingBytes: number;
  /** The first byte that differs; undefined when all are the same. */
  readonly firstDifference: number | undefined;
  /** Where the other medium could not be read. */
  readonly unreadable: readonly Range[];
  /** Bytes that the other medium lacks because it ended early. */
  readonly missingBytes: number;
}

/**
 * Compares what comes with the bytes of another medium at the same offsets. Reads ahead of
 * the comparison by what the flow itself reads ahead.
 */
export class CompareConsumer implements ChunkConsumer<Comparison> {
  readonly name: string;
  readonly #reader: RangeReader;
  readonly #sectorSize: number;
  readonly #idle: NativeMemory[] = [];
  readonly #all = new Set<NativeMemory>();
  readonly #busy = new Set<Promise<void>>();
  #turn: Promise<void> = Promise.resolve();
  #bytes = 0;
  #missingBytes = 0;
  #differing: { offset: number; length: number }[] = [];
  #differingCount = 0;
  #differingBytes = 0;
  #differingEnd = -1;
  #firstDifference: number | undefined;
  readonly #unreadable: Range[] = [];

  /** `other` stays the caller's to close; `reader` reads it. */
  constructor(other: BlockSource, reader: RangeReader = salvagingReader(other)) {
    this.name = other.name;
    this.#reader = reader;
    this.#sectorSize = other.sectorSize;
  }

  consume(chunk: Chunk): Promise<void> {
    const before = this.#turn;
    const done = this.#compare(chunk, before);
    // The next chunk is judged after this one, also when this one failed.
    this.#turn = done.then(() => {}, () => {});
    this.#busy.add(done);
    done.then(() => this.#busy.delete(done), () => this.#busy.delete(done));
    return done;
  }

  finish(): Promise<Comparison> {
    this.#free();
    return Promise.resolve({
      bytes: this.#bytes,
      differing: this.#differing,
      differingCount: this.#differingCount,
      differingBytes: this.#differingBytes,
      firstDifference: this.#firstDifference,
      unreadable: mergeRanges(this.#unreadable),
      missingBytes: this.#missingBytes,
    });
  }

  abort(): Promise<void> {
    // Memory that a blocked call still fills must stay allocated.
    if (this.#busy.size === 0) this.#free();
    return Promise.resolve();
  }

  #free(): void {
    for (const memory of this.#all) memory[Symbol.dispose]();
    this.#all.clear();
  }

  async #compare(chunk: Chunk, before: Promise<void>): Promise<void> {
    const memory = this.#memoryFor(chunk.length);
    let lentUntil: Promise<void> | undefined;
    try {
      const into = memory.bytes.subarray(0, chunk.length);
      const outcome = await this.#reader.read(chunk, into, (returned) => {
        lentUntil = returned;
      });
      await before;
      const { bytes: theirs = into } = outcome;
      this.#unreadable.push(...outcome.bad);
      this.#bytes += outcome.length;
      this.#missingBytes += chunk.length - outcome.length;
      const ours = chunk.bytes.subarray(0, outcome.length);
      const same = outcome.bad.length === 0 &&
        equalBytes(ours, theirs.subarray(0, outcome.length));
      if (!same) this.#locate(chunk.offset, ours, theirs, [...chunk.bad, ...outcome.bad]);
    } finally {
      if (lentUntil === undefined) this.#idle.push(memory);
      else this.#leave(memory, lentUntil);
    }
  }

  /** A call that was given up can write to it until `returned` settles. */
  #leave(memory: NativeMemory, returned: Promise<void>): void {
    this.#all.delete(memory);
    returned.then(() => memory[Symbol.dispose]());
  }

  #memoryFor(length: number): NativeMemory {
    const index = this.#idle.findIndex((memory) => memory.bytes.length >= length);
    const found = index < 0 ? undefined : this.#idle.splice(index, 1)[0];
    if (found !== undefined) return found;
    const memory = allocateAligned(length);
    this.#all.add(memory);
    return memory;
  }

  /** Finds the sectors that differ. */
  #locate(offset: number, ours: Bytes, theirs: Bytes, unreadable: readonly Range[]): void {
    for (let at = 0; at < ours.length; at += this.#sectorSize) {
      const end = Math.min(at + this.#sectorSize, ours.length);
      if (
        unreadable.some((range) => range.offset < offset + end && endOf(range) > offset + at)
      ) {
        continue;
      }
      const a = ours.subarray(at, end);
      const b = theirs.subarray(at, end);
      if (equalBytes(a, b)) continue;
      this.#firstDifference ??= offset + at + a.findIndex((byte, index) => byte !== b[index]);
      this.#add(offset + at, end - at);
    }
  }

  #add(offset: number, length: number): void {
    this.#differingBytes += length;
    const joins = this.#differingEnd === offset;
    this.#differingEnd = offset + length;
    if (joins) {
      const last = this.#differing.at(-1);
      if (last !== undefined && endOf(last) === offset) last.length += length;
      return;
    }
    this.#differingCount++;
    if (this.#differing.length < KEPT_RANGES) this.#differing.push({ offset, length });
  }
}
