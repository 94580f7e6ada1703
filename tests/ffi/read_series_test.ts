import { assert, assertEquals } from "@std/assert";
import { LibcThread } from "../../ffi/libc_thread.ts";
import { O_RDONLY } from "../../ffi/linux.ts";
import { allocateAligned } from "../../ffi/memory.ts";
import {
  doneReads,
  isBegun,
  readSeries,
  type SeriesRead,
  seriesState,
  stopSeries,
} from "../../ffi/read_series.ts";
import { cString } from "../../ffi/strings.ts";
import { patternBytes } from "../support/pattern.ts";
import { TemporaryFolder } from "../support/temporary.ts";

const EIO = 5;
const NO_LIMITS = { each: Infinity, all: Infinity };

function reads(
  ...ranges: readonly (readonly [offset: number, length: number])[]
): SeriesRead[] {
  return ranges.map(([offset, length]) => ({ address: BigInt(offset), offset, length }));
}

/** Reads of a file of 10,000 bytes that fails at some, and gives at most `most` at a time. */
function file(bad: readonly number[], most = Infinity): {
  readonly asked: [address: bigint, length: number, offset: number][];
  readonly pread: Parameters<typeof readSeries>[4];
} {
  const asked: [bigint, number, number][] = [];
  return {
    asked,
    pread: (address, length, offset) => {
      asked.push([address, length, offset]);
      if (bad.some((place) => place >= offset && place < offset + length)) {
        return { result: -1, errno: EIO };
      }
      return { result: Math.max(0, Math.min(length, most, 10_000 - offset)), errno: 0 };
    },
  };
}

Deno.test("a series ends at the first read that fails, and tells its number", () => {
  const { asked, pread } = file([2100]);
  const { done, failed } = readSeries(
    reads([0, 512], [512, 512], [2048, 512], [4096, 512]),
    seriesState(10),
    NO_LIMITS,
    512,
    pread,
  );
  assertEquals(done.map(([index]) => index), [0, 1]);
  assertEquals(failed, { index: 2, errno: EIO });
  assertEquals(asked.length, 3);
});

Deno.test("a read that brings a part is continued behind it", () => {
  const { asked, pread } = file([], 1024);
  const { done } = readSeries(reads([512, 2560]), seriesState(10), NO_LIMITS, 512, pread);
  assertEquals(done.length, 1);
  assertEquals(asked, [[512n, 2560, 512], [1536n, 1536, 1536], [2560n, 512, 2560]]);
});

Deno.test("a series ends without an error where the file does", () => {
  for (const alignment of [1, 512]) {
    const { pread } = file([]);
    const series = reads([9000, 512], [9512, 512], [0, 512]);
    const state = seriesState(10);
    const { done, failed } = readSeries(series, state, NO_LIMITS, alignment, pread);
    assertEquals([done.length, failed], [1, undefined]);
    // Others that share it stop, too.
    assertEquals(readSeries(series, state, NO_LIMITS, alignment, pread).done, []);
  }
});

Deno.test("a series ends behind a slow read, and when it takes long in all", () => {
  const slowly = (wait: number): Parameters<typeof readSeries>[4] => (_address, length) => {
    const end = performance.now() + wait;
    while (performance.now() < end);
    return { result: length, errno: 0 };
  };
  const ten = reads(...Array.from({ length: 10 }, (_, index) => [index * 512, 512] as const));
  const slow = readSeries(ten, seriesState(10), { each: 5, all: Infinity }, 512, slowly(6));
  assertEquals(slow.done.length, 1);
  assert((slow.done[0]?.[1] ?? 0) >= 6);
  const long = readSeries(ten, seriesState(10), { each: Infinity, all: 10 }, 512, slowly(4));
  // Three on a machine that does nothing else.
  assert(long.done.length >= 1 && long.done.length <= 3, `${long.done.length} reads`);
});

Deno.test("what is done can be seen while the series goes on, and it can be stopped", () => {
  const { pread } = file([]);
  const series = reads([0, 512], [512, 512], [1024, 512], [1536, 512]);
  const state = seriesState(series.length);
  const seen: unknown[] = [];
  const { done } = readSeries(series, state, NO_LIMITS, 512, (address, length, offset) => {
    const begun = series.map((_, index) => isBegun(state, index));
    seen.push([doneReads(state).map(([index]) => index), begun.indexOf(false)]);
    if (offset === 1024) stopSeries(state);
    return pread(address, length, offset);
  });
  assertEquals(seen, [[[], 1], [[0], 2], [[0, 1], 3]]);
  assertEquals(doneReads(state).map(([index]) => index), done.map(([index]) => index));
  assertEquals(done.length, 3);
  assert(doneReads(state).every(([, milliseconds]) => milliseconds > 0));
});

Deno.test({
  name: "a series on the thread of system calls has the bytes of its places",
  ignore: Deno.build.os === "windows",
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const content = patternBytes(10_000);
    const path = await folder.write("file", content);
    using thread = new LibcThread();
    const descriptor = await thread.call("open", cString(path), O_RDONLY, 0);
    using memory = allocateAligned(4096);
    const series = [[100, 50, 0], [9000, 100, 50], [9950, 100, 150]] as const;
    const { done, failed } = await thread.readSeries(
      descriptor,
      series.map(([offset, length, at]) => ({
        address: memory.address + BigInt(at),
        offset,
        length,
      })),
      seriesState(10),
      NO_LIMITS,
      1,
    );
    assertEquals([done.length, failed], [2, undefined]);
    assertEquals(memory.bytes.subarray(0, 50), content.subarray(100, 150));
    assertEquals(memory.bytes.subarray(50, 150), content.subarray(9000, 9100));
    await thread.call("close", descriptor);
    const closed = await thread.readSeries(
      descriptor,
      [{ address: memory.address, offset: 0, length: 10 }],
      seriesState(10),
      NO_LIMITS,
      1,
    );
    assertEquals([closed.done, closed.failed], [[], { index: 0, errno: 9 }]);
  },
});

Deno.test({
  name: "two threads share a series: each read is made once, all of them before a failure",
  ignore: Deno.build.os === "windows",
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const content = patternBytes(1_000_000);
    const path = await folder.write("file", content);
    using one = new LibcThread();
    using other = new LibcThread();
    const descriptor = await one.call("open", cString(path), O_RDONLY, 0);
    using memory = allocateAligned(1_000_000);
    const series = Array.from({ length: 1000 }, (_, index) => ({
      address: memory.address + BigInt(index * 1000),
      offset: index * 1000,
      length: 1000,
    }));
    const run = async (reads: readonly SeriesRead[]): Promise<[number[], number]> => {
      const state = seriesState(reads.length);
      const replies = await Promise.all(
        [one, other].map((thread) => thread.readSeries(descriptor, reads, state, NO_LIMITS, 1)),
      );
      const indexes = replies.flatMap(({ done }) => done.map(([index]) => index));
      return [
        indexes.toSorted((a, b) => a - b),
        replies.filter(({ failed }) => failed).length,
      ];
    };
    const all = series.map((_, index) => index);
    assertEquals(await run(series), [all, 0]);
    assertEquals(memory.bytes, content);
    // An address that nobody may write to: EFAULT.
    const broken = series.map((read, index) => index === 500 ? { ...read, address: 8n } : read);
    const [done, failures] = await run(broken);
    assertEquals(failures, 1);
    assertEquals(done.slice(0, 500), all.slice(0, 500));
    // How soon the other thread sees it is the system's matter.
    assert(!done.includes(500));
    await one.call("close", descriptor);
  },
});
