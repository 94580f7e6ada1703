import { assertEquals, assertRejects } from "@std/assert";
import { LibcThread } from "../../ffi/libc_thread.ts";
import { AT_FDCWD, O_CLOEXEC, O_CREAT, O_EXCL, O_RDONLY, O_RDWR } from "../../ffi/linux.ts";
import { allocateAligned } from "../../ffi/memory.ts";
import { OsError } from "../../ffi/os_error.ts";
import { AbandonedCall } from "../../ffi/system_thread.ts";
import { cString } from "../../ffi/strings.ts";
import { patternBytes } from "../support/pattern.ts";
import { run } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const ignore = Deno.build.os !== "linux";

async function codeOf(call: Promise<number>): Promise<string> {
  const error = await assertRejects(() => call, OsError);
  return `${error.call} ${error.code}`;
}

Deno.test({
  name: "a call that fails has the errno of its own thread",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const file = await folder.write("file", "");
    using thread = new LibcThread();
    const missing = cString(folder.file("missing"));
    // Many under way at once: each answer belongs to its own question.
    const codes = await Promise.all(
      Array.from({ length: 30 }, (_, index) => [
        codeOf(thread.call("open", missing, O_RDONLY, 0)),
        codeOf(thread.call("open", cString(file), O_CREAT | O_EXCL, 0o600)),
        codeOf(thread.call("close", 1_000_000 + index)),
        codeOf(thread.call("unlink", cString(folder.path))),
      ]).flat(),
    );
    assertEquals(
      codes,
      Array.from({ length: 30 }, () => [
        "open ENOENT",
        "open EEXIST",
        "close EBADF",
        "unlink EISDIR",
      ]).flat(),
    );
  },
});

Deno.test({
  name: "calls are made in the order in which they were asked for",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    using thread = new LibcThread();
    const path = folder.file("file");
    const descriptor = await thread.call(
      "open",
      cString(path),
      O_RDWR | O_CREAT | O_CLOEXEC,
      0o600,
    );
    const sizes = Array.from({ length: 200 }, (_, index) => (index * 7919) % 1000);
    const calls: Promise<number>[] = [];
    for (const size of sizes) {
      calls.push(thread.call("ftruncate", descriptor, BigInt(size)));
    }
    // Each renames what the one before it left.
    for (let step = 0; step < 50; step++) {
      const [from, to] = [folder.file(step === 0 ? "file" : `${step - 1}`), `${step}`];
      calls.push(thread.call("rename", cString(from), cString(folder.file(to))));
    }
    assertEquals(new Set(await Promise.all(calls)), new Set([0]));
    assertEquals(await folder.names(), ["49"]);
    assertEquals((await Deno.stat(folder.file("49"))).size, sizes.at(-1));
    assertEquals(await thread.call("close", descriptor), 0);
    assertEquals(await codeOf(thread.call("fsync", descriptor)), "fsync EBADF");
  },
});

Deno.test({
  name: "memory is read and written by its address",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    using thread = new LibcThread();
    using memory = allocateAligned(8192);
    const path = cString(folder.file("file"));
    const descriptor = await thread.call("open", path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600);
    const content = patternBytes(8192);
    memory.bytes.set(content);
    // Farther than 32 bits reach.
    const far = 5n * 1024n ** 3n;
    assertEquals(await thread.call("pwrite", descriptor, memory.address, 8192, far), 8192);
    memory.bytes.fill(0);
    assertEquals(await thread.call("pread", descriptor, memory.address, 8192, far), 8192);
    assertEquals(memory.bytes, content);
    // A short read is no error.
    assertEquals(
      await thread.call("pread", descriptor, memory.address, 8192, far + 8000n),
      192,
    );
    assertEquals(await thread.call("close", descriptor), 0);
    assertEquals((await Deno.stat(folder.file("file"))).size, Number(far) + 8192);
  },
});

Deno.test({
  name: "renameat2 with RENAME_NOREPLACE keeps what is there",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const from = cString(await folder.write("from", "from"));
    const to = cString(await folder.write("to", "to"));
    using thread = new LibcThread();
    const call = thread.call("renameat2", AT_FDCWD, from, AT_FDCWD, to, 1);
    assertEquals(await codeOf(call), "renameat2 EEXIST");
    assertEquals(await Deno.readTextFile(folder.file("to")), "to");
  },
});

Deno.test({
  name: "while a call blocks, this thread is free; dispose does not wait for it",
  ignore: ignore || needs("mkfifo"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const fifo = folder.file("fifo");
    await run("mkfifo", [fifo]);
    const settled: string[] = [];
    {
      using thread = new LibcThread();
      // The thread answers at all before it is blocked.
      assertEquals(await codeOf(thread.call("close", 1_000_000)), "close EBADF");
      // Opening it blocks until somebody opens the other end.
      const blocked = thread.call("open", cString(fifo), O_RDONLY | O_CLOEXEC, 0);
      const behind = thread.call("close", 1_000_000);
      for (const [name, call] of Object.entries({ blocked, behind })) {
        call.then(() => settled.push(`${name} done`), () => settled.push(`${name} failed`));
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
      assertEquals(settled, []);
    }
    // The system still has the memory of the call: nobody is told that it was given back.
    await new Promise((resolve) => setTimeout(resolve, 50));
    assertEquals(settled, []);
    // Lets go of the thread, which is still in the system call.
    (await Deno.open(fifo, { read: true, write: true })).close();
  },
});

Deno.test({
  name: "a call to a thread that was ended fails at once: nobody waits for ever",
  ignore,
  async fn(): Promise<void> {
    const thread = new LibcThread();
    thread[Symbol.dispose]();
    const waited = new Promise<string>((resolve) => setTimeout(() => resolve("nothing"), 200));
    const call = thread.call("close", 1_000_000).then(() => "done", () => "failed");
    assertEquals(await Promise.race([call, waited]), "failed");
  },
});

Deno.test({
  name: "whoever asks a thread that has died is told so, and does not wait",
  ignore,
  async fn(): Promise<void> {
    using thread = new LibcThread();
    // Too few arguments: a bug, which ends the thread.
    await assertRejects(() => thread.call("close"), Error, "died");
    const waited = new Promise<string>((resolve) => setTimeout(() => resolve("nothing"), 200));
    const call = thread.call("close", 1_000_000).then(() => "done", () => "failed");
    assertEquals(await Promise.race([call, waited]), "failed");
  },
});

Deno.test({
  name: "calls that hang are given up; the thread is of use again when they have returned",
  ignore: ignore || needs("mkfifo"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const fifo = folder.file("fifo");
    await run("mkfifo", [fifo]);
    using thread = new LibcThread();
    await thread.abandon();
    assertEquals(await codeOf(thread.call("close", 1_000_000)), "close EBADF");
    const blocked = thread.call("open", cString(fifo), O_RDONLY | O_CLOEXEC, 0);
    const behind = thread.call("close", 1_000_000);
    const returned = thread.abandon();
    let hasReturned = false;
    returned.then(() => {
      hasReturned = true;
    });
    const further = thread.call("close", 1_000_000);
    for (const call of [blocked, behind, further]) {
      const error = await assertRejects(() => call, AbandonedCall);
      assertEquals(error.returned, returned);
    }
    assertEquals(thread.abandon(), returned);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assertEquals(hasReturned, false);
    (await Deno.open(fifo, { read: true, write: true })).close();
    await returned;
    assertEquals(await codeOf(thread.call("close", 1_000_000)), "close EBADF");
  },
});
