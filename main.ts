import { runProgram } from "./src/cli/run.ts";

Deno.exit(await runProgram(Deno.args));
