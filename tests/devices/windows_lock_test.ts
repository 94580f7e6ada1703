/** Locks that keep a second run away, on Windows itself and on one that is made up. */
import { assertEquals, assertRejects } from "@std/assert";
import { FILE_STANDARD_INFORMATION, viewOf } from "../../ffi/layouts.ts";
import type { OpenOptions, WINDOWS_CALLS } from "../../ffi/windows_calls.ts";
import * as windows from "../../ffi/windows_numbers.ts";
import { type WindowsCalls, WindowsThread } from "../../ffi/windows_thread.ts";
import { ImagingError } from "../../src/core/errors.ts";
import { WindowsFiles } from "../../src/devices/windows_files.ts";
import { ERROR, failure } from "./fake_windows.ts";

type Calls = typeof WINDOWS_CALLS;

/** A system with one file, of so many bytes. */
class FakeThread implements WindowsCalls {
  /** "open C:\\a.lock" and so on. */
  readonly record: string[] = [];
  /** What the next openings answer. */
  readonly errors: number[] = [];
  opening: OpenOptions | undefined;
  readonly #size: number;

  constructor(size: number) {
    this.#size = size;
  }

  // deno-lint-ignore require-await
  async call<Name extends keyof Calls>(
    name: Name,
    ...args: Parameters<Calls[Name]>
  ): Promise<ReturnType<Calls[Name]>> {
    this.record.push([name, ...args.filter((arg) => typeof arg !== "object")].join(" "));
    return this.#answer(name, args) as ReturnType<Calls[Name]>;
  }

  abandon(): Promise<void> {
    throw new Error("Nothing hangs here");
  }

  #answer(name: keyof Calls, args: readonly unknown[]): unknown {
    if (name === "open") {
      const error = this.errors.shift();
      if (error !== undefined) throw failure(name, error);
      this.opening = args[1] as OpenOptions;
      return 7n;
    }
    if (name !== "queryInformation") return undefined;
    const answer = new Uint8Array(FILE_STANDARD_INFORMATION.bytes);
    viewOf(answer).setBigInt64(FILE_STANDARD_INFORMATION.EndOfFile, BigInt(this.#size), true);
    return answer;
  }

  [Symbol.dispose](): void {}
}

/** Files of that system, and how long was slept. */
function fakeFiles(thread: FakeThread): { files: WindowsFiles; slept: number[] } {
  const slept: number[] = [];
  const clock = {
    sleep: (milliseconds: number): Promise<void> => {
      slept.push(milliseconds);
      return Promise.resolve();
    },
  };
  return { files: new WindowsFiles(() => thread, () => false, clock), slept };
}

/** FileStandardInformation and FileDispositionInformation (wdm.h, FILE_INFORMATION_CLASS). */
const STANDARD = 5;
const DISPOSITION = 13;

Deno.test("a lock goes with its handle, and nobody else may write", async () => {
  const thread = new FakeThread(0);
  const { files } = fakeFiles(thread);
  const lock = await files.lock("C:\\a.lock");
  assertEquals(thread.record.splice(0), [
    "open C:\\a.lock",
    `queryInformation 7 ${FILE_STANDARD_INFORMATION.bytes} ${STANDARD}`,
  ]);
  const { access = 0, share = windows.FILE_SHARE_WRITE, disposition } = thread.opening ?? {};
  assertEquals(share & windows.FILE_SHARE_WRITE, 0);
  assertEquals(disposition, windows.FILE_OPEN_IF);
  // What the first one does not share, the second one asks for; DELETE is needed to remove it.
  assertEquals(access & windows.GENERIC_WRITE, windows.GENERIC_WRITE);
  assertEquals(access & windows.DELETE, windows.DELETE);
  await lock?.[Symbol.asyncDispose]();
  assertEquals(thread.record, [`setInformation 7 ${DISPOSITION}`, "close 7"]);
});

Deno.test("a lock that another run has is not waited for", async () => {
  const thread = new FakeThread(0);
  const { files, slept } = fakeFiles(thread);
  thread.errors.push(ERROR.SHARING_VIOLATION);
  assertEquals(await files.lock("C:\\a.lock"), undefined);
  assertEquals([thread.record, slept], [["open C:\\a.lock"], []]);
});

Deno.test("a lock that is being removed is waited for, but not for ever", async () => {
  const thread = new FakeThread(0);
  const { files, slept } = fakeFiles(thread);
  // What is being removed is STATUS_DELETE_PENDING, which Win32 calls ERROR_ACCESS_DENIED.
  thread.errors.push(ERROR.ACCESS_DENIED, ERROR.ACCESS_DENIED);
  const lock = await files.lock("C:\\a.lock");
  assertEquals([lock !== undefined, slept.length], [true, 2]);
  thread.errors.push(...new Array<number>(100).fill(ERROR.ACCESS_DENIED));
  const error = await assertRejects(() => files.lock("C:\\a.lock"), ImagingError);
  assertEquals(error.osCode, "ERROR_ACCESS_DENIED");
});

Deno.test("a file with content is no lock: it is closed, and stays", async () => {
  const thread = new FakeThread(1);
  const { files } = fakeFiles(thread);
  const message = "cannot lock C:\\a.lock: that is something else";
  await assertRejects(() => files.lock("C:\\a.lock"), ImagingError, message);
  assertEquals(thread.record.map((line) => line.split(" ")[0]), [
    "open",
    "queryInformation",
    "close",
  ]);
});

Deno.test({
  name: "Windows itself: a lock is had by one at a time, and leaves nothing",
  ignore: Deno.build.os !== "windows",
  async fn(): Promise<void> {
    const folder = Deno.makeTempDirSync({ prefix: "lock" });
    const names = (): string[] => [...Deno.readDirSync(folder)].map(({ name }) => name);
    const path = `${folder}\\card.img.map.lock`;
    await using first = new WindowsFiles(() => new WindowsThread(), () => false);
    await using second = new WindowsFiles(() => new WindowsThread(), () => false);
    for (const [one, other] of [[first, second], [second, first], [first, first]] as const) {
      const lock = await one.lock(path);
      assertEquals([lock === undefined, await other.lock(path)], [false, undefined]);
      assertEquals(names(), ["card.img.map.lock"]);
      await lock?.[Symbol.asyncDispose]();
      assertEquals(names(), []);
    }
    // One that was left.
    Deno.writeTextFileSync(path, "");
    await (await first.lock(path))?.[Symbol.asyncDispose]();
    assertEquals(names(), []);
    Deno.writeTextFileSync(path, "somebody's");
    await assertRejects(() => first.lock(path), ImagingError, "that is something else");
    assertEquals(Deno.readTextFileSync(path), "somebody's");
    Deno.removeSync(folder, { recursive: true });
  },
});
