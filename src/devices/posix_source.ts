/** Devices and files of Linux and macOS, open for reading. */
import type { Bytes, PlacedRead, SeriesOutcome } from "../core/block.ts";
import { OpenedSource, type OpenedTraits } from "./opened_device.ts";
import { type Channel, closeChannel, readChannel, readChannelSeries } from "./posix_io.ts";

/** What is known of an opened source. */
export interface PosixTraits extends Omit<OpenedTraits, "name"> {
  /** Does the thread end with the source? */
  readonly ownsThread: boolean;
}

/** A system adds how to tell that it is gone. */
export abstract class PosixSource extends OpenedSource {
  /** Where the bytes come from now. */
  protected channel: Channel;
  readonly #ownsThread: boolean;

  constructor(channel: Channel, traits: PosixTraits) {
    super({ name: channel.name, ...traits });
    this.channel = channel;
    this.#ownsThread = traits.ownsThread;
  }

  protected override transfer(offset: number, into: Bytes): Promise<number> {
    return readChannel(this.channel, offset, into);
  }

  async readSeries(reads: readonly PlacedRead[]): Promise<SeriesOutcome> {
    const { milliseconds, error } = await readChannelSeries(this.channel, reads);
    return { milliseconds, error: error && await this.explained(error) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { thread, descriptor } = this.channel;
    await closeChannel({ thread, descriptor });
    if (this.#ownsThread) thread[Symbol.dispose]();
  }
}
