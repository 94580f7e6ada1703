/** Runs sectorshot as a person does: as a process of its own, with its named permissions. */
import { fileURLToPath } from "node:url";
import config from "../../deno.json" with { type: "json" };

const decoder = new TextDecoder();

/** The program with the permissions that it has in deno.json. */
export const CLI: readonly string[] = [
  Deno.execPath(),
  ...config.tasks.start.command.split(/\s+/).slice(1, -1),
  fileURLToPath(new URL("../../main.ts", import.meta.url)),
];

/** An event of `--json`. */
export type CliEvent = Readonly<Record<string, unknown>> & { readonly event: string };

/** How it ended. */
export interface CliResult {
  /** 128 plus the number of the signal when one killed it. */
  readonly code: number;
  readonly stdout: string;
  readonly stdoutBytes: Uint8Array<ArrayBuffer>;
  readonly stderr: string;
  /** With `--json`: stdout, a line each. */
  readonly events: readonly CliEvent[];
  /** The last of the events. */
  readonly result: CliEvent;
}

/** How it is run. */
export interface CliOptions {
  /** What comes from stdin; nothing, and no terminal, when absent. */
  readonly stdin?: Uint8Array<ArrayBuffer> | undefined;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Words in front of the command line, such as `prlimit --fsize=1000`. */
  readonly prefix?: readonly string[];
}

/** A run that goes on beside the test. It is killed at the end of its scope. */
export class RunningCli implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #args: readonly string[];
  readonly #stdoutReader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  readonly #stdout: Promise<Uint8Array<ArrayBuffer>>;
  readonly #stderr: Promise<void>;
  readonly #stdin: Promise<void>;
  #ended = false;
  /** What came on stderr so far. */
  stderr = "";
  /** What came on stdout so far, as text. */
  stdout = "";

  private constructor(args: readonly string[], options: CliOptions) {
    const [program = "", ...rest] = [...options.prefix ?? [], ...CLI, ...args];
    this.#args = args;
    this.#child = new Deno.Command(program, {
      args: rest,
      stdin: options.stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
      env: { ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    }).spawn();
    this.#stdoutReader = this.#child.stdout.getReader();
    this.#stdout = this.#readStdout();
    this.#stderr = this.#readStderr();
    this.#stdin = this.#feed(options.stdin);
  }

  static start(args: readonly string[], options: CliOptions = {}): RunningCli {
    return new RunningCli(args, options);
  }

  get isRunning(): boolean {
    return !this.#ended;
  }

  /** Sends a signal; does nothing when the run has ended by itself. */
  signal(name: Deno.Signal): void {
    try {
      this.#child.kill(name);
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Waits until the condition holds; an error when the run ends before that. */
  async until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    const end = performance.now() + 30_000;
    while (true) {
      const ended = this.#ended;
      if (await condition()) return;
      if (ended || performance.now() > end) {
        throw new Error(
          `sectorshot ${this.#args.join(" ")} ${
            ended ? "ended" : "went on"
          } and it never came to this: ${what}\n${this.stderr}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Goes away as a reader of its stdout. */
  async closeStdout(): Promise<void> {
    await this.#stdoutReader.cancel();
  }

  /** Waits for its end. */
  async end(): Promise<CliResult> {
    const { code } = await this.#child.status;
    this.#ended = true;
    const [stdoutBytes] = await Promise.all([this.#stdout, this.#stderr, this.#stdin]);
    const stdout = decoder.decode(stdoutBytes);
    const events = this.#args.includes("--json") ? parseEvents(stdout) : [];
    const result = events.at(-1) ?? { event: "" };
    return { code, stdout, stdoutBytes, stderr: this.stderr, events, result };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return;
    this.signal("SIGKILL");
    await this.end();
  }

  async #readStdout(): Promise<Uint8Array<ArrayBuffer>> {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    while (true) {
      const { value, done } = await this.#stdoutReader.read();
      if (done) break;
      parts.push(value);
      if (this.#args.includes("--json")) this.stdout += decoder.decode(value);
    }
    return new Uint8Array(await new Blob(parts).arrayBuffer());
  }

  async #readStderr(): Promise<void> {
    for await (const text of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      this.stderr += text;
    }
    this.#ended = true;
  }

  async #feed(bytes: Uint8Array<ArrayBuffer> | undefined): Promise<void> {
    if (bytes === undefined) return;
    const writer = this.#child.stdin.getWriter();
    try {
      await writer.write(bytes);
      await writer.close();
    } catch (error) {
      // It did not want to hear all of it: what it says about that is what counts.
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    }
  }
}

function parseEvents(stdout: string): CliEvent[] {
  return stdout.split("\n").filter((line) => line !== "")
    .map((line) => JSON.parse(line) as CliEvent);
}

/** Runs sectorshot to its end. */
export async function runCli(
  args: readonly string[],
  options: CliOptions = {},
): Promise<CliResult> {
  await using running = RunningCli.start(args, options);
  return await running.end();
}

/** How another program ended. */
export interface ToolResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs another program, whatever it answers. */
export async function tryRun(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string } = {},
): Promise<ToolResult> {
  const PATH = `${Deno.env.get("PATH") ?? ""}:/usr/sbin:/sbin`;
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    stdin: "null",
    env: { PATH, LC_ALL: "C.UTF-8" },
    ...options,
  }).output();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Runs another program that must succeed; answers its stdout. */
export async function run(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string } = {},
): Promise<string> {
  const { code, stdout, stderr } = await tryRun(program, args, options);
  if (code !== 0) throw new Error(`${program} ${args.join(" ")}: exit code ${code}\n${stderr}`);
  return stdout;
}

/** Runs a line of shell that must succeed; answers its stdout. `$1` … are `args`. */
export async function shell(line: string, ...args: string[]): Promise<string> {
  return await run("bash", ["-o", "pipefail", "-c", line, "bash", ...args]);
}

/** The digest of a file or device, as coreutils see it: "sha256", "md5", "b3" … */
export async function digestOf(path: string, name = "sha256"): Promise<string> {
  const line = await run(`${name}sum`, [path]);
  return line.split(" ", 1)[0] ?? "";
}
