import { assert, assertEquals } from "@std/assert";
import { GLOBAL_OPTIONS } from "../../src/cli/arguments.ts";
import { commandHelp, programHelp } from "../../src/cli/help.ts";
import { loadCommands } from "../../src/commands/registry.ts";

const COMMANDS = await loadCommands();

/** What a terminal of the usual width shows without a break, as help.ts promises. */
const WIDTH = 88;

Deno.test("the program's help lists every verb with its summary, and the version", () => {
  const lines = programHelp(COMMANDS, "1.2.3");
  assert(lines[0]?.includes("1.2.3"));
  for (const { name, usage, summary } of COMMANDS) {
    const line = lines.find((each) => each.startsWith(`  ${name} ${usage}`.trimEnd())) ?? "";
    // The columns do not run into each other.
    assert(line.endsWith(`  ${summary}`), name);
  }
});

Deno.test(`no line of the program's help is wider than ${WIDTH} columns`, () => {
  assertEquals(programHelp(COMMANDS, "1.2.3").filter((line) => line.length > WIDTH), []);
});

for (const command of COMMANDS) {
  Deno.test(`${command.name}: the help lists its names and every option`, () => {
    const lines = commandHelp(command);
    const [usage = ""] = lines;
    assert(usage.startsWith(`Usage: sectorshot ${command.name} `));
    assert(usage.includes(command.usage) && usage.includes("[OPTIONS]"));
    for (const alias of command.aliases) assert(usage.includes(alias));
    for (const { name, value, help } of [...command.options, ...GLOBAL_OPTIONS]) {
      const title = value === undefined ? `--${name}` : `--${name} ${value}`;
      const at = lines.findIndex((line) => line.trimStart().startsWith(title));
      assert(at >= 0, title);
      // All of its words, also where they go over lines.
      const text = lines.slice(at).join(" ").replace(/\s+/g, " ");
      assert(text.startsWith(` ${title} ${help}`.replace(/\s+/g, " ")), title);
    }
    for (const example of command.examples) assert(lines.includes(`  ${example}`));
    const words = lines.join(" ").replace(/\s+/g, " ");
    for (const detail of command.details) assert(words.includes(detail.replace(/\s+/g, " ")));
  });

  Deno.test(`${command.name}: no line of the help is wider than ${WIDTH} columns`, () => {
    assertEquals(commandHelp(command).filter((line) => line.length > WIDTH), []);
  });

  Deno.test(`${command.name}: options are named once, and the verb takes a number of names`, () => {
    const names = [...command.options, ...GLOBAL_OPTIONS].map(({ name }) => name);
    assertEquals(new Set(names).size, names.length);
    assert(names.every((name) => /^[a-z]+(-[a-z]+)*$/.test(name)), `${names}`);
    const { min, max } = command.positionals;
    assert(min >= 0 && max >= min);
    // As many names as the usage shows can be given.
    const shown = command.usage.match(/[A-Z]+/g) ?? [];
    assert(min <= shown.length && max >= shown.length);
    assertEquals(max > 100, command.usage.includes("..."));
  });
}

Deno.test("verbs and their aliases are named once", () => {
  const names = COMMANDS.flatMap(({ name, aliases }) => [name, ...aliases]);
  assertEquals(new Set(names).size, names.length);
});

Deno.test("a verb is loaded alone, by its name and by each of its aliases", async () => {
  for (const command of COMMANDS) {
    for (const name of [command.name, ...command.aliases]) {
      assertEquals(await loadCommands(name), [command], name);
    }
  }
  assertEquals(await loadCommands("nothing"), COMMANDS);
});
