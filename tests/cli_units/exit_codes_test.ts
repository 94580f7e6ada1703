import { assertEquals } from "@std/assert";
import { EXIT_BUG, EXIT_OF_ERROR, EXIT_OF_OUTCOME } from "../../src/cli/exit_codes.ts";
import { programHelp } from "../../src/cli/help.ts";
import { type Outcome, worstOutcome } from "../../src/commands/command.ts";
import { loadCommands } from "../../src/commands/registry.ts";

const COMMANDS = await loadCommands();

/** The rows "| code | meaning |" of a file, behind a heading. */
async function tableOf(path: string, heading: string): Promise<Record<string, string>> {
  const whole = await Deno.readTextFile(new URL(path, import.meta.url));
  const [text = ""] = whole.slice(whole.indexOf(heading) + heading.length).split("\n## ");
  const rows = text.matchAll(/^(?: \* )?\| *`?(\d+)`? *\| *(.*?) *\|$/gm);
  return Object.fromEntries(Array.from(rows, ([, code = "", meaning = ""]) => [code, meaning]));
}

Deno.test("the codes are the promised ones", () => {
  assertEquals(EXIT_OF_OUTCOME, { done: 0, failed: 1, mismatch: 2, unreadable: 4 });
  assertEquals(EXIT_OF_ERROR, {
    usage: 1,
    environment: 1,
    mismatch: 2,
    corrupt: 2,
    cancelled: 130,
  });
  assertEquals(EXIT_BUG, 3);
});

const SOURCE = ["../../src/cli/exit_codes.ts", " * Exit codes"] as const;

Deno.test("the README has the same table", async () => {
  assertEquals(await tableOf("../../README.md", "## Exit codes"), await tableOf(...SOURCE));
});

Deno.test("the table above them has every code, and no other", async () => {
  const table = await tableOf(...SOURCE);
  const codes = new Set([
    ...Object.values(EXIT_OF_OUTCOME),
    ...Object.values(EXIT_OF_ERROR),
    EXIT_BUG,
  ]);
  assertEquals(new Set(Object.keys(table).map(Number)), codes);
  assertEquals(table["130"]?.startsWith("cancelled"), true);
  assertEquals(table["4"]?.includes("could not be read"), true);
});

Deno.test("the help names every code", () => {
  const text = programHelp(COMMANDS, "1.2.3").join(" ");
  const listed = text.slice(text.indexOf("Exit codes:"));
  for (
    const code of new Set([
      ...Object.values(EXIT_OF_OUTCOME),
      ...Object.values(EXIT_OF_ERROR),
      3,
    ])
  ) {
    assertEquals(new RegExp(`\\b${code}\\b`).test(listed), true, `${code}`);
  }
});

Deno.test("of several outcomes the worst is told, in whatever order they came", () => {
  const order: readonly Outcome[] = ["done", "unreadable", "failed", "mismatch"];
  for (const [a, first] of order.entries()) {
    for (const [b, second] of order.entries()) {
      assertEquals(worstOutcome(first, second), order[Math.max(a, b)]);
    }
  }
});
