/**
 * Tests of what runs on Windows, on Linux under Wine: the tests of the project that are not
 * about Linux, run by deno.exe; and device_tests.ts, which drives deno.exe from here.
 */
import { TEST_COMMAND } from "../support/test_flags.ts";
import { needs } from "../support/tools.ts";
import { WINE_TOOLS, WineRig } from "./wine.ts";

/** Those that mean something on Windows. Each ignores what it cannot do there. */
const TESTS_FOR_WINDOWS: readonly string[] = [
  "tests/blocks",
  "tests/cli_units",
  "tests/conformance",
  "tests/copy",
  "tests/core",
  "tests/devices",
  "tests/ffi",
  "tests/filesystems",
  "tests/formats",
  "tests/fuzz",
  "tests/hashes",
  "tests/report",
  "tests/volumes",
  "tests/imports_test.ts",
  "tests/mod_test.ts",
];

function say(text: string): void {
  console.error(`test:windows: ${text}`);
}

/** What the machine has not got is said, and nothing is tested. */
function isIgnored(): boolean {
  try {
    return needs(...WINE_TOOLS);
  } catch (error) {
    // Everything must be tested.
    say(error instanceof Error ? error.message : String(error));
    Deno.exit(1);
  }
}

async function testUnderWine(): Promise<number> {
  say("deno.exe test under Wine");
  await using rig = await WineRig.create();
  // Types are the same everywhere; they are checked once, on Linux.
  const args = [...TEST_COMMAND, "--no-check", "--cached-only", ...TESTS_FOR_WINDOWS];
  return (await rig.run(args, { echo: true })).code;
}

async function testDevices(): Promise<number> {
  const path = new URL("device_tests.ts", import.meta.url).pathname;
  say("disks under Wine");
  const child = new Deno.Command(Deno.execPath(), {
    args: [...TEST_COMMAND, path],
    stdin: "null",
  }).spawn();
  return (await child.status).code;
}

if (isIgnored()) {
  say("ignored");
  Deno.exit(0);
}
Deno.exit(Math.max(await testUnderWine(), await testDevices()));
