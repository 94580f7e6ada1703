/** A program under Wine while it runs. */
import { waitUntil } from "../support/temporary.ts";

const decoder = new TextDecoder();

/** How a program is run. */
export interface WineOptions {
  /** What comes from stdin; nothing when absent. There is never a terminal. */
  readonly stdin?: Uint8Array<ArrayBuffer>;
  /** Further variables; of those of this process it has none. */
  readonly env?: Readonly<Record<string, string>>;
  /** A folder of Linux that is visible in Windows; that of the project when absent. */
  readonly cwd?: string;
  /** Shows what it says also here, as it comes. */
  readonly echo?: boolean;
}

/** How it ended. */
export interface WineResult {
  /** Of the exit code of Windows the low eight bits. 128 and more for signals. */
  readonly code: number;
  readonly stdout: string;
  readonly stdoutBytes: Uint8Array<ArrayBuffer>;
  readonly stderr: string;
}

/** Sends a signal to the program, or to all processes that it consists of. */
export type WineSignal = (name: Deno.Signal, whom: "program" | "all") => Promise<void>;

/** Goes on beside the test. It is killed when disposed. */
export class WineProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #streams: Promise<readonly Uint8Array<ArrayBuffer>[]>;
  readonly #stdin: Promise<void>;
  readonly #signal: WineSignal;
  #ended = false;
  /** What came so far, as text. */
  stdout = "";
  stderr = "";

  constructor(commandLine: readonly string[], options: WineOptions, signal: WineSignal) {
    this.#signal = signal;
    const [program = "", ...args] = commandLine;
    this.#child = new Deno.Command(program, {
      args,
      stdin: options.stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const echo = options.echo === true;
    this.#streams = Promise.all([
      collect(this.#child.stdout, (bytes) => {
        this.stdout += decoder.decode(bytes);
        if (echo) Deno.stdout.writeSync(bytes);
      }),
      collect(this.#child.stderr, (bytes) => {
        this.stderr += decoder.decode(bytes);
        if (echo) Deno.stderr.writeSync(bytes);
      }),
    ]);
    this.#stdin = feed(this.#child, options.stdin);
    this.#child.status.then(() => this.#ended = true);
  }

  get isRunning(): boolean {
    return !this.#ended;
  }

  /** Waits until the condition holds; an error when the program ends before that. */
  async until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    await waitUntil(what, async () => {
      const ended = this.#ended;
      if (await condition()) return true;
      if (ended) throw new Error(`it ended and never came to this: ${what}\n${this.stderr}`);
      return false;
    });
  }

  /** What Ctrl-C is: SIGINT for the program. Nothing happens when it does not run (yet). */
  async interrupt(): Promise<void> {
    await this.#signal("SIGINT", "program");
  }

  /** Ends it, without its being asked. */
  async kill(): Promise<void> {
    // It may just be starting a part of itself.
    while (!this.#ended) {
      await this.#signal("SIGKILL", "all");
      await Promise.race([this.#child.status, new Promise((wake) => setTimeout(wake, 50))]);
    }
  }

  /** Waits for its end. */
  async end(): Promise<WineResult> {
    const { code } = await this.#child.status;
    const [[stdout = new Uint8Array(), stderr = new Uint8Array()]] = await Promise.all([
      this.#streams,
      this.#stdin,
    ]);
    return {
      code,
      stdout: decoder.decode(stdout),
      stdoutBytes: stdout,
      stderr: decoder.decode(stderr),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.end();
  }
}

async function collect(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  seen: (bytes: Uint8Array<ArrayBuffer>) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for await (const bytes of stream) {
    parts.push(bytes);
    seen(bytes);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

async function feed(
  child: Deno.ChildProcess,
  bytes: Uint8Array<ArrayBuffer> | undefined,
): Promise<void> {
  if (bytes === undefined) return;
  try {
    await new Blob([bytes]).stream().pipeTo(child.stdin);
  } catch (error) {
    // It did not want to hear all of it: what it says about that is what counts.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}
