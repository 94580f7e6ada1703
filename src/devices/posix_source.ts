/** Devices and files of Linux and macOS, open for reading. */
import type { LibcCalls } from "../../ffi/libc_thread.ts";
import type { Bytes, PlacedRead, SeriesOutcome } from "../core/block.ts";
import { OpenedSource, type OpenedTraits, type Reopening } from "./opened_device.ts";
import { type Channel, closeChannel, readChannel, readChannelSeries } from "./posix_io.ts";

/** What is known of an opened source. */
export interface PosixTraits extends Omit<OpenedTraits, "name"> {
  readonly isDevice: boolean;
  /** Does the thread end with the source? */
  readonly ownsThread: boolean;
  /** Starts a further thread, which the source ends. Absent: one is enough. */
  readonly startThread?: (() => LibcCalls) | undefined;
}

/** A system adds how to tell that it is gone, and how to open it again. */
export abstract class PosixSource extends OpenedSource {
  /** Where the bytes come from now. */
  protected channel: Channel;
  readonly #ownsThread: boolean;
  readonly #startThread: (() => LibcCalls) | undefined;
  /** Reads beside the channel's own thread; started when it is needed. */
  #second: LibcCalls | undefined;
  /** Is the channel open? Not while its thread is left and there is no other yet. */
  #isOpen = true;
  #closing: Promise<void> | undefined;

  constructor(channel: Channel, traits: PosixTraits) {
    const { isDevice, ownsThread, startThread } = traits;
    super(
      { name: channel.name, ...traits },
      isDevice && ownsThread && startThread !== undefined,
    );
    this.channel = channel;
    this.#ownsThread = ownsThread;
    this.#startThread = startThread;
  }

  /**
   * Opens the same device again, read-only.
   *
   * @param before its descriptor, which stays open meanwhile: so its number is not given to
   * another device.
   * @throws {OsError | ImagingError} also when it is another one.
   */
  protected abstract openAgain(thread: LibcCalls, before: number): Promise<Channel>;

  protected override transfer(offset: number, into: Bytes): Promise<number> {
    return readChannel(this.channel, offset, into);
  }

  async readSeries(reads: readonly PlacedRead[], ahead: boolean): Promise<SeriesOutcome> {
    await this.settled(reads[0]?.offset ?? 0);
    const { thread } = this.channel;
    if (ahead) this.#second ??= this.#startThread?.();
    const threads = ahead && this.#second !== undefined ? [thread, this.#second] : [thread];
    const outcome = await readChannelSeries(this.channel, threads, reads);
    const { error, behind, milliseconds } = outcome;
    const last = reads[milliseconds.length - 1];
    if (last !== undefined) this.noteAnswer(last.offset);
    for (const each of [error, ...behind?.values() ?? []]) {
      if (typeof each !== "number") this.keep(each?.cause, ...reads.map(({ into }) => into));
    }
    return error === undefined ? outcome : { ...outcome, error: await this.explained(error) };
  }

  protected override reopened(): Reopening {
    const { thread, descriptor } = this.channel;
    const threads = this.#second === undefined ? [thread] : [thread, this.#second];
    this.#second = undefined;
    this.#isOpen = false;
    const idle = Promise.all(threads.map((each) => each.abandon()));
    const opened = this.#open(descriptor);
    return { opened, returned: this.#tidied(threads, descriptor, idle, opened) };
  }

  async #open(before: number): Promise<void> {
    const thread = this.#startThread?.();
    if (thread === undefined) throw new Error("There is no other thread");
    try {
      this.channel = await this.openAgain(thread, before);
      this.#isOpen = true;
    } catch (error) {
      thread[Symbol.dispose]();
      throw error;
    }
  }

  /** Ends threads that have returned. */
  async #tidied(
    threads: readonly LibcCalls[],
    descriptor: number,
    idle: Promise<unknown>,
    opened: Promise<void>,
  ): Promise<void> {
    await Promise.all([idle, opened.catch(() => {})]); // The reader is told why.
    const [thread] = threads;
    if (thread !== undefined) await closeChannel({ thread, descriptor });
    for (const each of threads) each[Symbol.dispose]();
  }

  /** More than once is once. What hangs is not waited for: it is closed when it returns. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    await this.opening;
    this.#second?.[Symbol.dispose]();
    if (!this.#isOpen) return;
    const { thread, descriptor } = this.channel;
    await closeChannel({ thread, descriptor });
    if (this.#ownsThread) thread[Symbol.dispose]();
  }
}
