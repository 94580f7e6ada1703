/** What open devices and files have in common on every operating system. */
import type { BlockSource, Bytes } from "../core/block.ts";
import { ReadError } from "../core/errors.ts";
import { tooLarge, wentAway } from "./device_errors.ts";

/** What is known of something open. */
export interface OpenedTraits {
  /** As the person named it. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly sectorSize: number;
}

/** Something open for reading; a system adds how bytes come, and how to tell that it is gone. */
export abstract class OpenedSource implements BlockSource {
  readonly name: string;
  readonly size: number;
  readonly sectorSize: number;

  constructor({ name, size, sectorSize }: OpenedTraits) {
    this.name = name;
    this.size = size;
    this.sectorSize = sectorSize;
  }

  /** Reads a part of what lies within the size; fewer bytes only where it ends early. */
  protected abstract transfer(offset: number, into: Bytes): Promise<number>;

  /** After a failed or short read: was it unplugged? False for a file. */
  protected abstract isGone(error: ReadError): Promise<boolean>;

  async readAt(offset: number, into: Bytes): Promise<number> {
    const length = Math.max(0, Math.min(into.length, this.size - offset));
    if (length === 0) return 0;
    let count = 0;
    let problem: ReadError;
    try {
      count = await this.transfer(offset, into.subarray(0, length));
      if (count === length) return count;
      // A disk that was unplugged can also answer that it ends here.
      problem = new ReadError(`cannot read ${this.name}: it ends at ${offset + count}`, offset);
    } catch (error) {
      throw error instanceof ReadError ? await this.explained(error) : error;
    }
    if (await this.isGone(problem)) throw wentAway(this.name, problem);
    return count;
  }

  /** A failed read, or that the device went away, if that is why. */
  protected async explained(error: ReadError): Promise<ReadError> {
    return await this.isGone(error) ? wentAway(this.name, error) : error;
  }

  abstract [Symbol.asyncDispose](): Promise<void>;
}

/** A device open for writing. */
export abstract class OpenedSink {
  readonly name: string;
  readonly size: number;
  readonly sectorSize: number;
  readonly mediumNumber: string | undefined;

  constructor({ name, size, sectorSize }: OpenedTraits, mediumNumber: string | undefined) {
    this.name = name;
    this.size = size;
    this.sectorSize = sectorSize;
    this.mediumNumber = mediumNumber;
  }

  /** Writes a part of what lies within the size. */
  protected abstract transfer(offset: number, bytes: Bytes): Promise<void>;

  writeAt(offset: number, bytes: Bytes): Promise<void> {
    return offset + bytes.length > this.size
      ? Promise.reject(tooLarge(this.name, this.size))
      : this.transfer(offset, bytes);
  }
}
