import { assertEquals } from "@std/assert";
import { folderOf, nameOf } from "../../src/core/path.ts";

Deno.test("folder and name of a path, as dirname and basename have them", async () => {
  for (const path of ["card.img", "./card.img", "/card.img", "/a/b/card.img", "a/b.c/d"]) {
    const { stdout } = await new Deno.Command("sh", {
      args: ["-c", 'dirname "$1"; basename "$1"', "sh", path],
    }).output();
    const [folder, name] = new TextDecoder().decode(stdout).split("\n");
    assertEquals([folderOf(path), nameOf(path)], [folder, name]);
  }
});
