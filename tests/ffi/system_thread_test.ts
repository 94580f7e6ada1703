/** Threads for system calls, and what becomes of their workers. */
import { assertEquals } from "@std/assert";
import { OsError } from "../../ffi/os_error.ts";
import { SpareWorkers, type SystemRequest, SystemThread } from "../../ffi/system_thread.ts";

/** Answers calls when it is told to. */
class FakeWorker {
  onmessage: ((event: MessageEvent) => void) | null = null;
  onerror: ((event: ErrorEvent) => void) | null = null;
  readonly asked: SystemRequest[] = [];
  isTerminated = false;

  postMessage(request: SystemRequest): void {
    this.asked.push(request);
  }

  answer(): void {
    const id = this.asked.shift()?.id;
    this.onmessage?.(new MessageEvent("message", { data: { id, result: 7 } }));
  }

  terminate(): void {
    this.isTerminated = true;
  }
}

class TestThread extends SystemThread {
  protected override errorOf(call: string, number: number): OsError {
    return OsError.named(call, number, {});
  }

  call(): Promise<unknown> {
    return this.ask("read", []);
  }
}

/** Workers that are made of fakes. */
function fakes(): { started: FakeWorker[]; workers: SpareWorkers } {
  const started: FakeWorker[] = [];
  const workers = new SpareWorkers(() => {
    started.push(new FakeWorker());
    return started.at(-1) as unknown as Worker;
  });
  return { started, workers };
}

Deno.test("without preparation a worker ends with its thread", () => {
  const { started, workers } = fakes();
  new TestThread(workers)[Symbol.dispose]();
  new TestThread(workers)[Symbol.dispose]();
  assertEquals(started.map(({ isTerminated }) => isTerminated), [true, true]);
});

Deno.test("a worker that was started ahead is the next thread's, and then another one's", async () => {
  const { started, workers } = fakes();
  workers.prepare();
  workers.prepare();
  assertEquals(started.length, 1);
  for (let round = 0; round < 3; round++) {
    using thread = new TestThread(workers);
    const answer = thread.call();
    started[0]?.answer();
    assertEquals(await answer, 7);
  }
  assertEquals(started.map(({ isTerminated }) => isTerminated), [false]);
});

Deno.test("a worker that is given back twice belongs to one thread", () => {
  const { started, workers } = fakes();
  workers.prepare();
  const ended = new TestThread(workers);
  ended[Symbol.dispose]();
  ended[Symbol.dispose]();
  using _first = new TestThread(workers);
  using _second = new TestThread(workers);
  assertEquals(started.length, 2);
});

Deno.test("a worker in the middle of a call is no other thread's", async () => {
  const { started, workers } = fakes();
  workers.prepare();
  const busy = new TestThread(workers);
  busy.call();
  busy[Symbol.dispose]();
  const hanging = new TestThread(workers);
  const given = hanging.call().catch((error: Error) => error.name);
  hanging.abandon();
  assertEquals(await given, "AbandonedCall");
  hanging[Symbol.dispose]();
  assertEquals(started.map(({ isTerminated }) => isTerminated), [true, true]);
});

Deno.test("no more than a few workers are kept", () => {
  const { started, workers } = fakes();
  workers.prepare();
  const threads = Array.from({ length: 10 }, () => new TestThread(workers));
  for (const thread of threads) thread[Symbol.dispose]();
  const kept = started.filter(({ isTerminated }) => !isTerminated);
  assertEquals([started.length, kept.length], [10, 4]);
});
