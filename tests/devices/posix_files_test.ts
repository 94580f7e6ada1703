/** Locks that keep a second run away, on Linux itself. */
import { assertEquals, assertRejects } from "@std/assert";
import type { LibcArgument, LibcCall } from "../../ffi/libc.ts";
import { type LibcCalls, LibcThread } from "../../ffi/libc_thread.ts";
import { ImagingError } from "../../src/core/errors.ts";
import { linuxSystem } from "../../src/devices/linux_system.ts";
import { PosixFiles } from "../../src/devices/posix_files.ts";
import { linuxTest } from "../support/linux_test.ts";
import { TemporaryFolder } from "../support/temporary.ts";

/** The system's own calls, before one of which something happens. */
class WatchedThread implements LibcCalls {
  readonly #thread = new LibcThread();
  readonly #before: (call: LibcCall) => Promise<void>;

  constructor(before: (call: LibcCall) => Promise<void>) {
    this.#before = before;
  }

  async call(call: LibcCall, ...args: LibcArgument[]): Promise<number> {
    await this.#before(call);
    return await this.#thread.call(call, ...args);
  }

  readSeries(
    ...args: Parameters<LibcCalls["readSeries"]>
  ): ReturnType<LibcCalls["readSeries"]> {
    return this.#thread.readSeries(...args);
  }

  abandon(): Promise<void> {
    return this.#thread.abandon();
  }

  [Symbol.dispose](): void {
    this.#thread[Symbol.dispose]();
  }
}

function openFiles(): PosixFiles {
  return new PosixFiles(linuxSystem, () => new LibcThread());
}

/** Locks, and fails where another one has it. */
async function held(files: PosixFiles, path: string): Promise<AsyncDisposable> {
  const lock = await files.lock(path);
  if (lock === undefined) throw new Error(`${path} is locked`);
  return lock;
}

linuxTest("a lock is had by one at a time, and leaves nothing", async () => {
  await using folder = await TemporaryFolder.create();
  const path = folder.file("card.img.map.lock");
  await using first = openFiles();
  await using second = openFiles();
  for (const [one, other] of [[first, second], [second, first], [first, first]] as const) {
    const lock = await held(one, path);
    assertEquals(await other.lock(path), undefined);
    assertEquals(await other.lock(path), undefined);
    assertEquals(await folder.names(), ["card.img.map.lock"]);
    await lock[Symbol.asyncDispose]();
    assertEquals(await folder.names(), []);
  }
});

linuxTest("an empty file that nobody has locked is taken over", async () => {
  await using folder = await TemporaryFolder.create();
  const path = await folder.write("card.img.map.lock", "");
  await using files = openFiles();
  const lock = await held(files, path);
  assertEquals(await files.lock(path), undefined);
  await lock[Symbol.asyncDispose]();
  assertEquals(await folder.names(), []);
});

linuxTest("what is no lock is not touched", async () => {
  await using folder = await TemporaryFolder.create();
  await using files = openFiles();
  const data = await folder.write("data", "somebody's");
  const empty = await folder.write("empty", "");
  await folder.folder("folder");
  await Deno.symlink(data, folder.file("link"));
  await Deno.symlink(empty, folder.file("link to empty"));
  await Deno.symlink(folder.file("nothing"), folder.file("link to nothing"));
  const before = await folder.names();
  const paths = ["data", "folder", "link", "link to empty", "link to nothing"];
  for (const path of [...paths.map((name) => folder.file(name)), "/dev/null"]) {
    const error = await assertRejects(() => files.lock(path), ImagingError);
    assertEquals(error.kind, "environment");
    assertEquals(error.message, `cannot lock ${path}: that is something else`);
  }
  assertEquals(await folder.names(), before);
  assertEquals(await Deno.readTextFile(data), "somebody's");
});

linuxTest("where nothing can be made, that is said", async () => {
  await using folder = await TemporaryFolder.create();
  await using files = openFiles();
  const path = folder.file("none/card.img.map.lock");
  const error = await assertRejects(() => files.lock(path), ImagingError);
  assertEquals(error.osCode, "ENOENT");
  assertEquals(error.hint, `make the folder ${folder.file("none")} first`);
});

linuxTest("a lock that is given back between opening and locking is made anew", async () => {
  await using folder = await TemporaryFolder.create();
  const path = folder.file("card.img.map.lock");
  await using first = openFiles();
  let lock: AsyncDisposable | undefined = await held(first, path);
  let attempts = 0;
  await using second = new PosixFiles(linuxSystem, () =>
    new WatchedThread(async (call) => {
      if (call !== "flock") return;
      attempts++;
      await lock?.[Symbol.asyncDispose]();
      lock = undefined;
    }));
  // Its file had lost its name: a third one would have made, and locked, another.
  await using _mine = await held(second, path);
  assertEquals(attempts, 2);
  assertEquals(await first.lock(path), undefined);
});

linuxTest("a lock whose name is another's by now is not removed", async () => {
  await using folder = await TemporaryFolder.create();
  const path = folder.file("card.img.map.lock");
  await using files = openFiles();
  const first = await held(files, path);
  await Deno.remove(path);
  const second = await held(files, path);
  await first[Symbol.asyncDispose]();
  assertEquals(await files.lock(path), undefined);
  await second[Symbol.asyncDispose]();
  assertEquals(await folder.names(), []);
});

linuxTest("others that keep replacing a lock are not fought with for ever", async () => {
  await using folder = await TemporaryFolder.create();
  const path = folder.file("card.img.map.lock");
  await using files = new PosixFiles(
    linuxSystem,
    () =>
      new WatchedThread(async (call) => {
        if (call === "flock") await Deno.remove(path);
      }),
  );
  await assertRejects(
    () => files.lock(path),
    ImagingError,
    `cannot lock ${path}: others keep replacing it`,
  );
});
