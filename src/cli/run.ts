import type { Command, CommandContext, CommandResult } from "../commands/command.ts";
import { backend, loadCommands } from "../commands/registry.ts";
import { ImagingError } from "../core/errors.ts";
import { parseCommandLine, type Request, verbOf } from "./arguments.ts";
import { Console, type ConsoleOptions } from "./console.ts";
import { EXIT_BUG, EXIT_OF_ERROR, EXIT_OF_OUTCOME } from "./exit_codes.ts";
import { commandHelp, programHelp } from "./help.ts";
import { COMMIT } from "./commit.ts";
import { VERSION, versionText } from "./version.ts";

/** After Ctrl-C the program ends within this time, whatever a device does. */
const CANCEL_MILLISECONDS = 900;

/** Runs the program; answers its exit code. Throws nothing. */
export async function runProgram(argv: readonly string[]): Promise<number> {
  const exitCode = await runRequest(argv);
  // Whoever started it by a double click, or by --elevate, wants to read how it ended.
  const isScript = ["--yes", "--json", "--quiet"].some((option) => argv.includes(option));
  const isCancelled = exitCode === EXIT_OF_ERROR.cancelled;
  if (!isScript && !isCancelled && backend.host.ownsTerminal()) {
    using console = new Console(PLAIN_CONSOLE);
    await console.hold();
  }
  return exitCode;
}

/** How the console is before the command line is understood. */
const PLAIN_CONSOLE: ConsoleOptions = {
  json: false,
  quiet: false,
  color: "auto",
  escapes: false,
};

async function runRequest(argv: readonly string[]): Promise<number> {
  const commands = await loadCommands(verbOf(argv));
  let request: Request;
  try {
    request = parseCommandLine(argv, commands);
    if (request.kind === "run") checkColor(request.invocation.options["color"]);
  } catch (error) {
    using console = new Console({ ...PLAIN_CONSOLE, json: argv.includes("--json") });
    return reportError(console, error, "");
  }
  if (request.kind === "run") return await runCommand(request);
  using console = new Console(PLAIN_CONSOLE);
  console.result(
    request.kind === "version"
      ? [await versionText()]
      : request.command === undefined
      ? programHelp(commands, VERSION)
      : commandHelp(request.command),
  );
  return 0;
}

function checkColor(value: string | true | undefined): void {
  if (value === undefined || ["auto", "always", "never"].includes(String(value))) return;
  throw new ImagingError("usage", `cannot use --color ${value}`, {
    hint: "say auto, always or never",
  });
}

async function runCommand(request: Extract<Request, { kind: "run" }>): Promise<number> {
  const { command, invocation } = request;
  const { options } = invocation;
  const consoleOptions: ConsoleOptions = {
    json: options["json"] === true,
    quiet: options["quiet"] === true,
    color: (options["color"] ?? "auto") as ConsoleOptions["color"],
    escapes: Deno.stderr.isTerminal() && backend.host.prepareTerminal(),
  };
  using console = new Console(consoleOptions);
  const cancel = new AbortController();
  const overdue = Promise.withResolvers<"overdue">();
  let cancelHint: string | undefined;
  const onSignal = (): void => {
    cancel.abort();
    setTimeout(() => overdue.resolve("overdue"), CANCEL_MILLISECONDS);
  };
  for (const signal of backend.host.stopSignals) Deno.addSignalListener(signal, onSignal);
  const context: CommandContext = {
    program: {
      text: `sectorshot ${VERSION}`,
      version: VERSION,
      commit: COMMIT === "" ? undefined : COMMIT,
      arguments: Deno.args,
    },
    backend,
    json: consoleOptions.json,
    signal: cancel.signal,
    phase: (title) => console.phase(title),
    progress: (progress) => console.progress(progress),
    note: (finding) => console.note(finding),
    ask: (lines, question) => Promise.race([console.ask(lines, question), whenAborted(cancel)]),
    whenCancelled(hint): void {
      cancelHint = hint;
    },
    get stdin() {
      return Deno.stdin.readable;
    },
    writeStdout: (bytes) => Deno.stdout.write(bytes),
  };
  try {
    if (options["elevate"] === true) {
      const exitCode = await elevate();
      if (exitCode !== undefined) return exitCode;
    }
    const result = await Promise.race([command.run(invocation, context), overdue.promise]);
    if (result === "overdue") throw new ImagingError("cancelled", "cancelled");
    return reportResult(console, command, result);
  } catch (error) {
    const known = cancelHint !== undefined && error instanceof ImagingError &&
      error.kind === "cancelled";
    return reportError(
      console,
      known
        ? new ImagingError("cancelled", "cancelled", { cause: error, hint: cancelHint })
        : error,
      command.name,
    );
  } finally {
    for (const signal of backend.host.stopSignals) {
      Deno.removeSignalListener(signal, onSignal);
    }
  }
}

/**
 * Lets the program run anew with more rights; answers how that ended, or undefined when it
 * has them.
 */
async function elevate(): Promise<number | undefined> {
  const { host } = backend;
  if (host.elevate !== undefined) return await host.elevate();
  throw new ImagingError("usage", `cannot use --elevate: ${host.title} has sudo for that`, {
    hint: "leave out --elevate, and put sudo before the command",
  });
}

/** Rejects when the user stops the program. */
function whenAborted(cancel: AbortController): Promise<never> {
  return new Promise((_, reject) => {
    cancel.signal.addEventListener(
      "abort",
      () => reject(new ImagingError("cancelled", "cancelled")),
    );
  });
}

function reportResult(console: Console, command: Command, result: CommandResult): number {
  const exitCode = EXIT_OF_OUTCOME[result.outcome];
  if (result.stdoutIsData) console.lines(result.text);
  else {
    console.event("result", { command: command.name, ...result.json, exitCode });
    if (!console.isJson) console.result(result.text);
  }
  // Whoever was to read the result did not get it.
  const problem = console.stdoutProblem;
  if (problem instanceof ImagingError) console.error(problem.message, problem.hint);
  return problem !== undefined && exitCode === 0 ? EXIT_OF_OUTCOME.failed : exitCode;
}

function reportError(console: Console, error: unknown, command: string): number {
  if (!(error instanceof ImagingError)) {
    const text = error instanceof Error ? error.stack ?? error.message : String(error);
    console.error(
      `this is a bug in sectorshot: ${text}`,
      "please report it with the line above",
    );
    console.event("result", {
      command,
      error: { kind: "bug", message: text },
      exitCode: EXIT_BUG,
    });
    return EXIT_BUG;
  }
  const exitCode = EXIT_OF_ERROR[error.kind];
  if (error.kind === "cancelled") console.cancelled(error.message, error.hint);
  else console.error(error.message, error.hint);
  const { kind, message, hint = null, osCode = null } = error;
  console.event("result", { command, error: { kind, message, hint, osCode }, exitCode });
  return exitCode;
}
