import { assertEquals } from "@std/assert";
import { win32 } from "node:path";
import { POSIX_PATHS, WINDOWS_PATHS } from "../../src/core/path.ts";
import { needs } from "../support/tools.ts";

Deno.test({
  name: "folder and name of a path, as dirname and basename have them",
  ignore: needs("dirname", "basename"),
  async fn(): Promise<void> {
    for (const path of ["card.img", "./card.img", "/card.img", "/a/b/card.img", "a/b.c/d"]) {
      const { stdout } = await new Deno.Command("sh", {
        args: ["-c", 'dirname "$1"; basename "$1"', "sh", path],
      }).output();
      const [folder, name] = new TextDecoder().decode(stdout).split("\n");
      assertEquals([POSIX_PATHS.folderOf(path), POSIX_PATHS.nameOf(path)], [folder, name]);
    }
  },
});

Deno.test("paths of Windows, as node:path takes them apart", () => {
  const paths = [
    "card.img",
    ".\\card.img",
    "C:\\card.img",
    "C:\\a\\b\\card.img",
    "C:/a/b/card.img",
    "a/b\\c.d",
    "\\card.img",
    "\\\\server\\share\\folder\\card.img",
    "C:card.img",
    "C:a\\card.img",
    "Ä\\日本.img",
  ];
  for (const path of paths) {
    // "C:" alone would mean the whole disk under C:, not the current folder there.
    const folder = win32.dirname(path).replace(/^[A-Z]:$/, "$&.");
    assertEquals(
      [WINDOWS_PATHS.folderOf(path), WINDOWS_PATHS.nameOf(path)],
      [folder, win32.basename(path)],
      path,
    );
  }
});
