import { fileURLToPath } from "node:url";
import { assertEquals, assertStringIncludes } from "@std/assert";

const MODULE = new URL("../mod.ts", import.meta.url);

/** The program in a documentation comment, as a reader would copy it. */
function exampleOf(source: string): string {
  const block = /```ts\n([\s\S]*?)```/.exec(source)?.[1] ?? "";
  return block.replace(/^ \* ?/gm, "");
}

/** `head -c 1048576 /dev/zero | tr '\0' '\7' | sha256sum` of GNU coreutils 9.1. */
const SEVENS = "51b12eb838732b786b4d45c660a974ddf3860ae09084fd293fa6e5df46581a6c";

Deno.test("the example of mod.ts type-checks and runs", async () => {
  const example = exampleOf(await Deno.readTextFile(MODULE));
  assertStringIncludes(example, "@sectorshot/sectorshot");
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/example.ts`;
    await Deno.writeTextFile(path, example.replace("@sectorshot/sectorshot", MODULE.href));
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--check",
        "--quiet",
        `--config=${fileURLToPath(new URL("../deno.json", import.meta.url))}`,
        "--allow-read",
        "--allow-write",
        "--allow-ffi",
        path,
      ],
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    assertEquals(new TextDecoder().decode(stdout).trim(), SEVENS);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
