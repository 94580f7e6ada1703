import { parseArgs } from "@std/cli/parse-args";
import { closestString } from "@std/text/closest-string";
import type { Command, Invocation, OptionSpec } from "../commands/command.ts";
import { ImagingError } from "../core/errors.ts";

/** Options that every verb knows. */
export const GLOBAL_OPTIONS: readonly OptionSpec[] = [
  { name: "json", help: "events on stdout, a line each; the last one is the result" },
  { name: "quiet", help: "no progress and no notes" },
  { name: "color", value: "WHEN", help: "auto, always or never (NO_COLOR is heeded)" },
  { name: "elevate", help: "on Windows: start anew with an administrator's rights" },
  { name: "help", help: "this text" },
];

/** What the command line asks for. */
export type Request =
  | { readonly kind: "help"; readonly command: Command | undefined }
  | { readonly kind: "version" }
  | { readonly kind: "run"; readonly command: Command; readonly invocation: Invocation };

function closest(word: string, words: readonly string[], prefix: string): string | undefined {
  if (words.length === 0) return undefined;
  const nearest: string = closestString(word, [...words]);
  return `did you mean ${prefix}${nearest}?`;
}

/** What can be options: they end at "--". */
function wordsBeforeEnd(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf("--");
  return end < 0 ? argv : argv.slice(0, end);
}

/** Where the verb stands: the first word that is no option. */
function verbIndex(argv: readonly string[]): number {
  return argv.findIndex((word) => word === "-" || !word.startsWith("-"));
}

/** The word that names the verb, whether there is such a verb or not. */
export function verbOf(argv: readonly string[]): string | undefined {
  return argv[verbIndex(argv)];
}

/**
 * Reads the command line. `commands` are all verbs, or the one that it names.
 *
 * @throws {ImagingError} `usage`, with the nearest name where a name is unknown.
 */
export function parseCommandLine(
  argv: readonly string[],
  commands: readonly Command[],
): Request {
  const index = verbIndex(argv);
  const before = index < 0 ? argv : argv.slice(0, index);
  const optionWords = wordsBeforeEnd(argv);
  if (["--version", "-V"].some((word) => optionWords.includes(word))) {
    return { kind: "version" };
  }
  const name = index < 0 ? undefined : argv[index];
  const command = findCommand(name, commands);
  if (name === "help" && command === undefined) {
    return { kind: "help", command: findCommand(argv[index + 1], commands) };
  }
  const wantsHelp = optionWords.includes("--help") || optionWords.includes("-h");
  if (name === undefined) {
    if (wantsHelp) return { kind: "help", command: undefined };
    const unknown = before.find((word) =>
      !GLOBAL_OPTIONS.some((spec) => spec.name === word.replace(/^--|=.*$/gs, ""))
    );
    if (unknown === undefined) {
      throw new ImagingError("usage", "nothing to do: no verb was given", {
        hint: "`sectorshot --help` lists the verbs",
      });
    }
    throw new ImagingError("usage", `unknown option ${unknown} before a verb`, {
      hint: "`sectorshot --help` lists the verbs; options come behind the verb",
    });
  }
  if (command === undefined) {
    const names = commands.flatMap((each) => [each.name, ...each.aliases]);
    throw new ImagingError("usage", `unknown verb "${name}"`, {
      hint: closest(name, names, ""),
    });
  }
  if (wantsHelp) return { kind: "help", command };
  const rest = [...before, ...argv.slice(index + 1)];
  return { kind: "run", command, invocation: parseOptions(rest, command) };
}

function findCommand(
  name: string | undefined,
  commands: readonly Command[],
): Command | undefined {
  return commands.find((each) =>
    each.name === name || (name !== undefined && each.aliases.includes(name))
  );
}

/** "--yes=no" must not count as yes. */
function checkSwitches(
  argv: readonly string[],
  specs: readonly OptionSpec[],
  command: Command,
): void {
  for (const word of wordsBeforeEnd(argv)) {
    const name = /^--([^=]+)=/s.exec(word)?.[1];
    const spec = specs.find((each) => each.name === name);
    if (name === "_" || word === "--_") {
      // The library keeps the names under this key.
      throw new ImagingError("usage", `${command.name} has no option --_`, {
        hint: `\`sectorshot ${command.name} --help\` lists the options`,
      });
    }
    if (spec === undefined || spec.value !== undefined) continue;
    throw new ImagingError("usage", `--${spec.name} takes no value`, {
      hint: `write --${spec.name}, or leave it out`,
    });
  }
}

/** Otherwise "true" or "false" behind a switch would be its value, and no name. */
function withPlainSwitches(argv: readonly string[], specs: readonly OptionSpec[]): string[] {
  const end = wordsBeforeEnd(argv).length;
  const switches = specs.filter((spec) => spec.value === undefined).map((spec) =>
    `--${spec.name}`
  );
  return argv.flatMap((word, index) =>
    index < end && switches.includes(word) ? [word, "true"] : [word]
  );
}

/**
 * A value of dashes and signs only, such as "-" for stdin or "-/*" for states of a map, would
 * be taken for an option: it is joined to its own.
 */
function withJoinedValues(argv: readonly string[], specs: readonly OptionSpec[]): string[] {
  const valued = specs.filter((spec) => spec.value !== undefined).map(({ name }) =>
    `--${name}`
  );
  const joined: string[] = [];
  for (const word of argv) {
    const before = joined.at(-1) ?? "";
    const isValue = /^-(?!-)[^A-Za-z0-9]*$/.test(word) && valued.includes(before);
    if (isValue && !joined.includes("--")) joined.splice(-1, 1, `${before}=${word}`);
    else joined.push(word);
  }
  return joined;
}

function parseOptions(words: string[], command: Command): Invocation {
  const specs = [...command.options, ...GLOBAL_OPTIONS];
  const argv = withJoinedValues(words, specs);
  checkSwitches(argv, specs, command);
  const unknown: string[] = [];
  const withValue = specs.filter((spec) => spec.value !== undefined);
  const parsed: Record<string, unknown> & { _: unknown[] } = parseArgs(
    withPlainSwitches(argv, specs),
    {
      string: ["_", ...withValue.map((spec) => spec.name)],
      boolean: specs.filter((spec) => spec.value === undefined).map((spec) => spec.name),
      collect: withValue.map((spec) => spec.name),
      // Otherwise "-y" would quietly be an option of its own.
      unknown(argument: string, key?: string): boolean {
        if (key === undefined) return true;
        unknown.push(argument);
        return false;
      },
    },
  );
  const [wrong] = unknown;
  if (wrong !== undefined) {
    const option = wrong.replace(/=.*$/s, "");
    throw new ImagingError("usage", `${command.name} has no option ${option}`, {
      hint: closest(option.replace(/^-+/, ""), specs.map((spec) => spec.name), "--"),
    });
  }
  const options: Record<string, string | true> = {};
  for (const spec of specs) {
    const value = parsed[spec.name];
    if (spec.value === undefined) {
      if (value === true) options[spec.name] = true;
      continue;
    }
    const values = value as string[];
    if (values.length > 1) {
      throw new ImagingError("usage", `--${spec.name} was given ${values.length} times`, {
        hint: "give it once",
      });
    }
    const [only] = values;
    if (only === undefined) continue;
    if (only === "") {
      throw new ImagingError("usage", `--${spec.name} needs a value: ${spec.value}`, {
        hint: `write --${spec.name}=${spec.value}`,
      });
    }
    options[spec.name] = only;
  }
  const positionals = parsed._.map(String);
  const { min, max } = command.positionals;
  if (positionals.length < min || positionals.length > max) {
    const problem = positionals.length < min ? "a name is missing" : "there is a name too many";
    throw new ImagingError("usage", `cannot ${command.name}: ${problem}`, {
      hint: `usage: sectorshot ${command.name} ${command.usage}`.trimEnd(),
    });
  }
  return { positionals, options };
}
