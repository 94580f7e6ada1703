import type { Command, OptionSpec } from "../commands/command.ts";
import { GLOBAL_OPTIONS } from "./arguments.ts";

/** Widest line of the help. */
const WIDTH = 88;

function wrap(text: string, indent: string): string[] {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(" ")) {
    if (line.trim() !== "" && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = indent;
    }
    line += line.trim() === "" ? word : ` ${word}`;
  }
  return [...lines, line];
}

function optionLine(spec: OptionSpec): string {
  const name = spec.value === undefined ? `--${spec.name}` : `--${spec.name} ${spec.value}`;
  return `  ${name.padEnd(24)}${spec.help}`;
}

/** The help of the program. */
export function programHelp(commands: readonly Command[], version: string): string[] {
  return [
    `sectorshot ${version}: copy disks sector by sector, and prove it`,
    "",
    "Usage: sectorshot VERB NAMES... [OPTIONS]",
    "",
    ...commands.map((command) =>
      `  ${`${command.name} ${command.usage}`.padEnd(28)}${command.summary}`
    ),
    "",
    "`sectorshot VERB --help` tells all about a verb.",
    "",
    "Exit codes: 0 done (and verified, where asked), 1 usage or environment, 2 the data",
    "does not agree, 3 a bug, 4 some sectors could not be read, 130 cancelled.",
  ];
}

/** The help of a verb. */
export function commandHelp(command: Command): string[] {
  const names = command.aliases.length === 0 ? "" : `   (also: ${command.aliases.join(", ")})`;
  return [
    `Usage: sectorshot ${command.name} ${command.usage} [OPTIONS]${names}`.replace("  [", " ["),
    "",
    ...command.details.flatMap((paragraph) => [...wrap(paragraph, ""), ""]),
    ...[...command.options, ...GLOBAL_OPTIONS].map(optionLine),
    "",
    ...command.examples.map((example) => `  ${example}`),
  ];
}
