/** Devices and files of Linux and macOS, open for reading. */
import type { LibcCalls } from "../../ffi/libc_thread.ts";
import type { Bytes, PlacedRead, SeriesOutcome } from "../core/block.ts";
import { OpenedSource, type OpenedTraits } from "./opened_device.ts";
import { type Channel, closeChannel, readChannel, readChannelSeries } from "./posix_io.ts";

/** What is known of an opened source. */
export interface PosixTraits extends Omit<OpenedTraits, "name"> {
  /** Does the thread end with the source? */
  readonly ownsThread: boolean;
  /** Starts a further thread, which the source ends. Absent: one is enough. */
  readonly startThread?: (() => LibcCalls) | undefined;
}

/** A system adds how to tell that it is gone. */
export abstract class PosixSource extends OpenedSource {
  /** Where the bytes come from now. */
  protected channel: Channel;
  readonly #ownsThread: boolean;
  readonly #startThread: (() => LibcCalls) | undefined;
  /** Reads beside the channel's own thread; started when it is needed. */
  #second: LibcCalls | undefined;
  #closing: Promise<void> | undefined;

  constructor(channel: Channel, traits: PosixTraits) {
    super({ name: channel.name, ...traits });
    this.channel = channel;
    this.#ownsThread = traits.ownsThread;
    this.#startThread = traits.startThread;
  }

  protected override transfer(offset: number, into: Bytes): Promise<number> {
    return readChannel(this.channel, offset, into);
  }

  async readSeries(reads: readonly PlacedRead[], ahead: boolean): Promise<SeriesOutcome> {
    const { thread } = this.channel;
    if (ahead) this.#second ??= this.#startThread?.();
    const threads = ahead && this.#second !== undefined ? [thread, this.#second] : [thread];
    const outcome = await readChannelSeries(this.channel, threads, reads);
    const { error } = outcome;
    return error === undefined ? outcome : { ...outcome, error: await this.explained(error) };
  }

  /** More than once is once. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    const { thread, descriptor } = this.channel;
    this.#second?.[Symbol.dispose]();
    await closeChannel({ thread, descriptor });
    if (this.#ownsThread) thread[Symbol.dispose]();
  }
}
