/**
 * `deno task test`: all tests, in two processes at once where there are two cores. What the
 * second says is shown when the first is through. With arguments, only those:
 * `deno task test tests/core`.
 */
import { TEST_COMMAND } from "./support/test_flags.ts";

/** Those of the command line mostly wait for programs; the others compute. */
const FIRST = ["tests/cli"];
const SECOND = ["--ignore=tests/cli", "tests"];

/** Runs these tests; their output is shown at once, or kept. */
async function test(
  words: readonly string[],
  output: "inherit" | "piped",
): Promise<Deno.CommandOutput | number> {
  const command = new Deno.Command(Deno.execPath(), {
    args: [...TEST_COMMAND, ...words],
    stdin: "inherit",
    stdout: output,
    stderr: output,
  });
  return output === "piped" ? await command.output() : (await command.spawn().status).code;
}

/** Shows what was kept; answers the exit code. */
async function show(ended: Deno.CommandOutput | number): Promise<number> {
  if (typeof ended === "number") return ended;
  await new Response(ended.stderr).body?.pipeTo(Deno.stderr.writable, { preventClose: true });
  await new Response(ended.stdout).body?.pipeTo(Deno.stdout.writable, { preventClose: true });
  return ended.code;
}

async function main(): Promise<number> {
  if (Deno.args.length > 0) return await show(await test(Deno.args, "inherit"));
  const first = test(FIRST, "inherit");
  if (navigator.hardwareConcurrency < 2) await first;
  const second = test(SECOND, "piped");
  const code = await show(await first);
  return Math.max(code, await show(await second));
}

Deno.exit(await main());
