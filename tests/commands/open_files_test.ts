import { assertEquals, assertRejects } from "@std/assert";
import { OpenFiles, type OpenFilesOptions } from "../../src/commands/media/open_files.ts";

/** A file that tells what happens to it. */
class FakeFile implements AsyncDisposable {
  readonly path: string;
  readonly #record: string[];

  constructor(path: string, record: string[]) {
    this.path = path;
    this.#record = record;
    record.push(`open ${path}`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#record.push(`close ${this.path}`);
    return Promise.resolve();
  }
}

function openFiles(
  options: Partial<OpenFilesOptions<FakeFile>> = {},
): { files: OpenFiles<FakeFile>; record: string[] } {
  const record: string[] = [];
  const open = (path: string): Promise<FakeFile> => Promise.resolve(new FakeFile(path, record));
  return { files: new OpenFiles({ open, limit: 2, ...options }), record };
}

const nothing = (): Promise<void> => Promise.resolve();

Deno.test("open files: the ones used last stay open", async () => {
  const { files, record } = openFiles();
  for (const path of ["a", "b", "a", "c", "a", "b"]) await files.use(path, nothing);
  assertEquals(record, ["open a", "open b", "open c", "close b", "open b", "close c"]);
  await files[Symbol.asyncDispose]();
  assertEquals(record.slice(-2), ["close a", "close b"]);
});

Deno.test("open files: what one owner closes stays open for another who is at it", async () => {
  const { files, record } = openFiles();
  const busy = Promise.withResolvers<void>();
  const using = files.use("a", () => busy.promise);
  await files.close("a");
  assertEquals(record, ["open a"]);
  busy.resolve();
  await using;
  assertEquals(record, ["open a", "close a"]);
});

Deno.test("open files: who needs one more than there may be waits", async () => {
  const { files, record } = openFiles({ isPinned: (path) => path === "first" });
  const busy = ["first", "a", "b"].map(() => Promise.withResolvers<void>());
  const using = ["first", "a", "b"].map((path, index) =>
    files.use(path, () => busy[index]?.promise ?? nothing())
  );
  let isDone = false;
  const more = files.use("c", nothing).then(() => {
    isDone = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 5));
  assertEquals([isDone, record], [false, ["open first", "open a", "open b"]]);
  busy[1]?.resolve();
  await more;
  assertEquals(record.slice(3), ["open c", "close a"]);
  for (const { resolve } of busy) resolve();
  await Promise.all(using);
  assertEquals(record.includes("close first"), false);
});

Deno.test("open files: what fails before closing is told, and the file is closed", async () => {
  const { files, record } = openFiles({
    limit: 1,
    beforeClosing: (file) => Promise.reject(new Error(`cannot flush ${file.path}`)),
  });
  await files.use("a", nothing);
  await assertRejects(() => files.use("b", nothing), Error, "cannot flush a");
  assertEquals(record, ["open a", "open b", "close a"]);
});

Deno.test("open files: one that could not be opened is tried again", async () => {
  let tries = 0;
  const { files } = openFiles({
    open: (path) =>
      tries++ === 0
        ? Promise.reject(new Error("not there"))
        : Promise.resolve(new FakeFile(path, [])),
  });
  await assertRejects(() => files.use("a", nothing), Error, "not there");
  assertEquals(await files.use("a", (file) => Promise.resolve(file.path)), "a");
});
