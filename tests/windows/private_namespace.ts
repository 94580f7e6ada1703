/** Processes and mounts of their own: unshare(1), nsenter(1). */
import { run } from "../support/run_cli.ts";

/**
 * A namespace of mounts and processes. Its first process waits until its stdin ends, which
 * happens when this is disposed, or when the process that made it is gone, for whatever
 * reason. Then the kernel kills whatever runs inside and undoes the mounts. Nothing outside
 * ever sees those mounts.
 */
export class PrivateNamespace implements AsyncDisposable {
  readonly #keeper: Deno.ChildProcess;
  readonly #pid: string;
  /** Ends with the keeper. */
  readonly #output: Promise<unknown>;

  private constructor(keeper: Deno.ChildProcess, pid: string, output: Promise<unknown>) {
    this.#keeper = keeper;
    this.#pid = pid;
    this.#output = output;
  }

  /**
   * Sets one up by lines of shell (under `set -eu`) with these arguments.
   *
   * @throws {Error} with what the script said when it failed.
   */
  static async create(
    setup = ":",
    args: readonly string[] = [],
  ): Promise<PrivateNamespace> {
    // /proc is still that of outside here, so this is the number that nsenter wants.
    const script = `
      read -r pid rest </proc/self/stat
      { ${setup}
      } </dev/null >&2
      echo "$pid"
      exec cat >/dev/null 2>&1`;
    const keeper = new Deno.Command("unshare", {
      args: [
        ...["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"],
        ...["sh", "-euc", script, "sh", ...args],
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const message = new Response(keeper.stderr).text();
    // unshare keeps its stdout open: the first line is all there is.
    const reader = keeper.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const { value: line = "" } = await reader.read();
    if (/^\d+\n$/.test(line)) {
      return new PrivateNamespace(keeper, line.trim(), Promise.all([reader.read(), message]));
    }
    await keeper.stdin.close();
    const { code } = await keeper.status;
    throw new Error(`unshare: exit code ${code}: ${(await message).trim()}`);
  }

  /** The command line that runs a command inside: it has one child, which is that command. */
  commandLine(command: readonly string[]): string[] {
    return ["nsenter", "--target", this.#pid, "--mount", "--pid", ...command];
  }

  /** Runs a command inside, which must succeed; answers its stdout. */
  async run(command: readonly string[]): Promise<string> {
    const [program = "", ...args] = this.commandLine(command);
    return await run(program, args);
  }

  /** Ends all processes inside; waits until they are gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#keeper.stdin.close();
    await this.#keeper.status;
    await this.#output;
  }
}
