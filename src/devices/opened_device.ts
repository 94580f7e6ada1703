/** What open devices and files have in common on every operating system. */
import { OsError } from "../../ffi/os_error.ts";
import { AbandonedCall } from "../../ffi/system_thread.ts";
import type { BlockSource, Bytes } from "../core/block.ts";
import { ImagingError, ReadError } from "../core/errors.ts";
import { noAnswer, tooLarge, wentAway } from "./device_errors.ts";

/** What is known of something open. */
export interface OpenedTraits {
  /** As the person named it. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly sectorSize: number;
}

/** A device whose threads were left to themselves is opened again on new ones. */
export interface Reopening {
  /** Settles when it is open: the same one. @throws {OsError | ImagingError} */
  readonly opened: Promise<void>;
  /** Settles when the old threads have returned, and what they used is closed; or never. */
  readonly returned: Promise<void>;
}

/** Times that a device is opened again while what was given up before still hangs. */
export const MAX_HANGING = 8;

/**
 * What hanging calls were given: it may not be moved or collected, whoever else has
 * forgotten it.
 */
const inUse = new Set<Bytes>();

/** Something open for reading; a system adds how bytes come, and how to tell that it is gone. */
export abstract class OpenedSource implements BlockSource {
  readonly name: string;
  readonly size: number;
  readonly sectorSize: number;
  readonly abandon?: NonNullable<BlockSource["abandon"]>;
  /** Set while it is being opened again. */
  #opening: Promise<void> | undefined;
  /** Why it could not be opened again. */
  #lost: Error | undefined;
  #hanging = 0;
  /** A sector that could be read, the last one known. */
  #readable: number | undefined;

  /** @param reopens can it be left and opened again, by `reopened`? */
  constructor({ name, size, sectorSize }: OpenedTraits, reopens: boolean) {
    this.name = name;
    this.size = size;
    this.sectorSize = sectorSize;
    if (reopens) this.abandon = () => this.#abandon();
  }

  /** Leaves the threads to themselves, and begins to open it again. */
  protected abstract reopened(): Reopening;

  #abandon(): Promise<void> | undefined {
    const isPossible = this.#opening === undefined && this.#lost === undefined;
    if (!isPossible || this.#hanging >= MAX_HANGING) return undefined;
    this.#hanging++;
    const { opened, returned } = this.reopened();
    this.#opening = this.#openedAgain(opened);
    return returned.then(() => {
      this.#hanging--;
    });
  }

  async #openedAgain(opened: Promise<void>): Promise<void> {
    try {
      await opened;
      await this.#untilItAnswers();
    } catch (error) {
      if (!(error instanceof OsError || error instanceof ImagingError)) throw error;
      this.#lost = error;
    } finally {
      this.#opening = undefined;
    }
  }

  /**
   * Waits for an answer from where there was one before: a drive that is busy with what hangs
   * answers nobody, and says nothing about other places by that.
   */
  async #untilItAnswers(): Promise<void> {
    if (this.#readable === undefined) return;
    try {
      await this.transfer(this.#readable, new Uint8Array(this.sectorSize));
    } catch (error) {
      // An answer, too.
      if (!(error instanceof ReadError)) throw error;
    }
  }

  /** Something was read there. */
  protected noteAnswer(offset: number): void {
    this.#readable = offset - offset % this.sectorSize;
  }

  /**
   * Waits while it is being opened again.
   *
   * @throws {ReadError} when that failed.
   */
  protected async settled(offset: number): Promise<void> {
    await this.#opening;
    if (this.#lost === undefined) return;
    const cause = this.#lost;
    throw wentAway(this.name, new ReadError(cause.message, offset, { cause }));
  }

  /** Settles when it is not being opened again any more. */
  protected get opening(): Promise<void> {
    return this.#opening ?? Promise.resolve();
  }

  /** Keeps memory alive that a call was given which was given up. */
  protected keep(error: unknown, ...memory: Bytes[]): void {
    if (!(error instanceof AbandonedCall)) return;
    for (const bytes of memory) inUse.add(bytes);
    error.returned.then(() => memory.forEach((bytes) => inUse.delete(bytes)));
  }

  /** Reads a part of what lies within the size; fewer bytes only where it ends early. */
  protected abstract transfer(offset: number, into: Bytes): Promise<number>;

  /** After a failed or short read: was it unplugged? False for a file. */
  protected abstract isGone(error: ReadError): Promise<boolean>;

  async readAt(offset: number, into: Bytes): Promise<number> {
    const length = Math.max(0, Math.min(into.length, this.size - offset));
    if (length === 0) return 0;
    await this.settled(offset);
    let count = 0;
    let problem: ReadError;
    try {
      count = await this.transfer(offset, into.subarray(0, length));
      if (count === length) {
        this.noteAnswer(offset);
        return count;
      }
      // A disk that was unplugged can also answer that it ends here.
      problem = new ReadError(`cannot read ${this.name}: it ends at ${offset + count}`, offset);
    } catch (error) {
      this.keep(error, into);
      if (error instanceof AbandonedCall) {
        throw await this.explained(noAnswer(this.name, offset, error));
      }
      throw error instanceof ReadError ? await this.explained(error) : error;
    }
    const explained = await this.explained(problem);
    if (explained !== problem) throw explained;
    return count;
  }

  /** A failed or short read, or that the device went away, if that is why. */
  protected async explained(error: ReadError): Promise<ReadError> {
    if (!(error.cause instanceof AbandonedCall)) {
      try {
        return await this.isGone(error) ? wentAway(this.name, error) : error;
      } catch (cause) {
        if (!(cause instanceof AbandonedCall)) throw cause;
      }
    }
    // That it could be opened again, the same one, shows that it is there.
    try {
      await this.settled(error.offset);
      return error;
    } catch (gone) {
      if (!(gone instanceof ReadError)) throw gone;
      return gone;
    }
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
