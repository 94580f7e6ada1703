import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createHash } from "node:crypto";
import { MemorySource } from "../../src/blocks/memory.ts";
import { HashThread } from "../../src/copy/hash_thread.ts";
import { sequentialPolicy } from "../../src/copy/read_policy.ts";
import { makeChunk, runCopy } from "../../src/copy/run_copy.ts";
import {
  type HashedWindows,
  type WindowCheck,
  WindowCheckConsumer,
  WindowHashConsumer,
} from "../../src/copy/window_hash_consumer.ts";
import type { Bytes } from "../../src/core/block.ts";
import { toHex } from "../../src/core/bytes.ts";
import { ImagingError } from "../../src/core/errors.ts";
import type { HashAlgorithm } from "../../src/hashes/hash_algorithm.ts";
import { findHash, HASH_ALGORITHMS } from "../../src/hashes/registry.ts";
import {
  formatWindow,
  formatWindowEnd,
  formatWindowHead,
  type HashWindow,
  parseWindowFile,
  type WindowFile,
} from "../../src/hashes/window_file.ts";
import { CollectingConsumer } from "../support/collecting_consumer.ts";
import { patternBytes } from "../support/pattern.ts";
import { shell } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { seededNumbers } from "../volumes/image_tools.ts";
import { NewWorkers } from "./worker_threads.ts";

function algorithms(...ids: string[]): HashAlgorithm[] {
  return ids.flatMap((id) => findHash(id) ?? []);
}

/** The windows of some bytes that come in chunks. */
async function windowsOf(
  content: Bytes,
  windowBytes: number,
  options: { readonly ids?: readonly string[]; readonly chunkBytes?: number } = {},
): Promise<{ readonly windows: HashWindow[]; readonly summary: HashedWindows }> {
  const { ids = ["md5"], chunkBytes = 64 * 1024 } = options;
  const windows: HashWindow[] = [];
  const next = seededNumbers(windowBytes);
  const { results: [summary] } = await runCopy({
    policy: sequentialPolicy(new MemorySource("medium", content), {
      chunkBytes,
      onBad: "fail",
    }),
    consumers: [
      new WindowHashConsumer({
        algorithms: algorithms(...ids),
        windowBytes,
        onWindow: (window) => void windows.push(window),
      }),
      // Holds buffers back, so that chunks come at odd times.
      new CollectingConsumer({
        delay: () => next(8) ? undefined : new Promise((resolve) => setTimeout(resolve, 1)),
      }),
    ],
    chunkBytes,
    ringBytes: 4 * chunkBytes,
  });
  return { windows, summary };
}

/** What dcfldd says of the same bytes: "first end algorithm hex" a window and algorithm. */
async function dcflddWindows(
  content: Bytes,
  windowBytes: number,
  ids: readonly string[],
): Promise<string[]> {
  await using folder = await TemporaryFolder.create();
  await folder.write("content", content);
  const format = "hashformat=#window_start# #window_end# #algorithm# #hash#";
  const log = await shell(
    'cd "$1" && dcfldd if=content of=/dev/null status=off "hashwindow=$2" "hash=$3" "$4" ' +
      "hashlog=log 2>/dev/null && cat log",
    folder.path,
    String(windowBytes),
    ids.join(","),
    format,
  );
  return log.split("\n").filter((line) => /^\d/.test(line));
}

for (
  const [size, windowBytes, chunkBytes] of [
    [3_000_001, 1024 * 1024, 64 * 1024],
    [3_000_001, 1024 * 1024, 700 * 512],
    [2 * 1024 * 1024, 1024 * 1024, 4 * 1024 * 1024],
    [300_000, 512, 128 * 1024],
    [300_001, 1536, 4096],
    [65_537, 4096, 4096],
    [500, 512, 4096],
  ] as const
) {
  Deno.test({
    name: `windows of ${windowBytes} of ${size} bytes in chunks of ${chunkBytes} are dcfldd's`,
    ignore: needs("dcfldd"),
    async fn(): Promise<void> {
      const ids = ["md5", "sha1", "sha256", "sha512"];
      const content = patternBytes(size);
      const { windows, summary } = await windowsOf(content, windowBytes, { ids, chunkBytes });
      const lines = windows.flatMap(({ first, last, digests }) =>
        // dcfldd names the byte behind the window, we name the last one in it.
        digests.map(({ algorithm, hex }) => `${first} ${last + 1} ${algorithm} ${hex}`)
      );
      assertEquals(lines, await dcflddWindows(content, windowBytes, ids));
      const windowCount = Math.ceil(size / windowBytes);
      assertEquals([summary, windows.length], [{ bytes: size, windowCount }, windowCount]);
    },
  });
}

Deno.test({
  name: "windows are the digests of pieces that dd cuts out",
  ignore: needs("bash", "dd", "tee", "sha256sum"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const content = patternBytes(1_000_003);
    await folder.write("content", content);
    const { windows } = await windowsOf(content, 100_352, { ids: ["sha256"] });
    assertEquals(windows.length, 10);
    for (const [index, { first, last, digests }] of windows.entries()) {
      const line = await shell(
        'dd if="$1/content" bs=100352 skip="$2" count=1 status=none | tee "$1/piece" | sha256sum',
        folder.path,
        String(index),
      );
      assertEquals(digests, [{ algorithm: "sha256", hex: line.split(" ", 1)[0] ?? "" }]);
      assertEquals([first, last + 1 - first], [
        index * 100_352,
        (await Deno.stat(folder.file("piece"))).size,
      ]);
    }
  },
});

Deno.test({
  name: "every hash there is does it, BLAKE3 as b3sum",
  ignore: needs("b3sum"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const content = patternBytes(50_000);
    await folder.write("content", content);
    const ids = HASH_ALGORITHMS.map(({ id }) => id);
    const { windows } = await windowsOf(content, 16_384, { ids });
    assertEquals(windows.map(({ last }) => last), [16_383, 32_767, 49_151, 49_999]);
    for (const [index, { digests }] of windows.entries()) {
      const piece = content.subarray(index * 16_384, (index + 1) * 16_384);
      await folder.write("piece", piece);
      const b3 = (await shell('b3sum "$1"', folder.file("piece"))).split(" ", 1)[0];
      assertEquals(
        digests.map(({ hex }) => hex),
        ids.map((id) => id === "blake3" ? b3 : createHash(id).update(piece).digest("hex")),
      );
    }
  },
});

Deno.test("an empty medium has no windows", async () => {
  assertEquals(await windowsOf(new Uint8Array(), 512), {
    windows: [],
    summary: { bytes: 0, windowCount: 0 },
  });
});

Deno.test("a window has whole sectors, and the medium comes without gaps", async () => {
  const make = (windowBytes: number): WindowHashConsumer =>
    new WindowHashConsumer({ algorithms: [], windowBytes, onWindow(): void {} });
  for (const bytes of [0, -512, 511, 513, 0.5, NaN, Infinity]) {
    assertThrows(() => make(bytes), RangeError);
  }
  const consumer = make(512);
  await consumer.consume(makeChunk(0, patternBytes(512)));
  await assertRejects(() => consumer.consume(makeChunk(1024, patternBytes(512))), RangeError);
});

Deno.test("windows are handed over one at a time, and the flow waits for it", async () => {
  const gate = Promise.withResolvers<void>();
  const taken: number[] = [];
  let busy = 0;
  const consumer = new WindowHashConsumer({
    algorithms: algorithms("md5", "sha256"),
    windowBytes: 512,
    async onWindow({ first }): Promise<void> {
      assertEquals(busy++, 0);
      await (first === 1024 ? gate.promise : Promise.resolve());
      taken.push(first);
      busy--;
    },
  });
  const chunks = [0, 1024, 2048].map((offset) =>
    consumer.consume(makeChunk(offset, patternBytes(1024, { offset })))
  );
  await chunks[0];
  const state = await Promise.race([
    chunks[1]?.then(() => "done"),
    new Promise((resolve) => setTimeout(() => resolve("waiting"), 50)),
  ]);
  assertEquals([state, taken], ["waiting", [0, 512]]);
  gate.resolve();
  await Promise.all(chunks);
  assertEquals(taken, [0, 512, 1024, 1536, 2048, 2560]);
  await consumer.finish();
});

Deno.test({
  name: "whoever cannot take a window ends the flow; no thread is left running",
  ignore: Deno.build.os !== "linux",
  async fn(): Promise<void> {
    const workers = new NewWorkers();
    const error = new ImagingError("environment", "no space left");
    const failed = await assertRejects(() =>
      runCopy({
        policy: sequentialPolicy(new MemorySource("medium", patternBytes(100_000)), {
          chunkBytes: 4096,
          onBad: "fail",
        }),
        consumers: [
          new WindowHashConsumer({
            algorithms: algorithms("md5", "sha256"),
            windowBytes: 1024,
            onWindow: ({ first }) => first === 20_480 ? Promise.reject(error) : undefined,
          }),
        ],
        chunkBytes: 4096,
      }), ImagingError);
    assertEquals(failed, error);
    await workers.become(0);
    await windowsOf(patternBytes(1000), 512, { ids: ["md5", "sha1"] });
    await workers.become(0);
  },
});

Deno.test("one thread does windows, then a whole, then windows again", async () => {
  using thread = new HashThread("md5");
  const content = patternBytes(1300);
  const md5 = (start: number, end: number): string =>
    createHash("md5").update(content.subarray(start, end)).digest("hex");
  for (let round = 0; round < 2; round++) {
    thread.start(512);
    // Asked for at once: answers keep their order.
    const [none, two, rest] = await Promise.all([
      thread.updateWindows(content.subarray(0, 100)),
      thread.updateWindows(content.subarray(100)),
      thread.digest(),
    ]);
    assertEquals([none.length, toHex(two)], [0, md5(0, 512) + md5(512, 1024)]);
    assertEquals(toHex(rest), md5(1024, 1300));
    assertEquals((await thread.digest()).length, 0);
    thread.start();
    await thread.update(content);
    assertEquals(toHex(await thread.digest()), md5(0, 1300));
  }
});

/** The list of some bytes, as a file would hold it. */
async function listOf(content: Bytes, windowBytes: number, ids = ["md5"]): Promise<WindowFile> {
  const { windows } = await windowsOf(content, windowBytes, { ids });
  const head = formatWindowHead({
    program: "test",
    source: "medium",
    size: content.length,
    algorithms: ids,
    windowBytes,
  });
  const lines = windows.map(formatWindow).join("");
  return parseWindowFile(`${head}${lines}${formatWindowEnd(content.length)}`, "list");
}

async function check(
  file: WindowFile,
  content: Bytes,
  chunkBytes = 8192,
): Promise<WindowCheck> {
  const { results: [result] } = await runCopy({
    policy: sequentialPolicy(new MemorySource("medium", content), {
      chunkBytes,
      onBad: "fail",
    }),
    consumers: [new WindowCheckConsumer(file)],
    chunkBytes,
  });
  return result;
}

function changed(content: Bytes, ...places: number[]): Bytes {
  const bytes = content.slice();
  for (const place of places) bytes[place] = (bytes[place] ?? 0) ^ 1;
  return bytes;
}

Deno.test("the same medium has the same windows", async () => {
  const content = patternBytes(100_001);
  const same = {
    differing: [],
    differingWindows: 0,
    differingBytes: 0,
    missingBytes: 0,
    isComplete: true,
  };
  for (const windowBytes of [512, 7168, 1024 * 1024]) {
    const file = await listOf(content, windowBytes, ["md5", "sha256"]);
    assertEquals(await check(file, content), { bytes: 100_001, ...same, furtherBytes: 0 });
  }
});

Deno.test("windows that differ are told, neighbours as one range", async () => {
  const content = patternBytes(100_001);
  const file = await listOf(content, 1024);
  const result = await check(file, changed(content, 0, 5000, 5120, 6143, 6144, 100_000), 3000);
  assertEquals(result.differing, [
    { offset: 0, length: 1024 },
    { offset: 4096, length: 3072 },
    { offset: 99_328, length: 673 },
  ]);
  assertEquals([result.differingWindows, result.differingBytes], [5, 1024 + 3072 + 673]);
  assertEquals([result.missingBytes, result.furtherBytes], [0, 0]);
});

Deno.test("it is enough that one of the digests differs", async () => {
  const content = patternBytes(2048);
  const good = await listOf(content, 1024, ["md5", "sha1"]);
  const file: WindowFile = {
    ...good,
    window(index): HashWindow {
      const window = good.window(index);
      if (index === 0) return window;
      const digests = window.digests.map((each) =>
        each.algorithm === "sha1" ? { ...each, hex: "0".repeat(40) } : each
      );
      return { ...window, digests };
    },
  };
  assertEquals((await check(file, content)).differing, [{ offset: 1024, length: 1024 }]);
});

Deno.test("a medium that is shorter lacks bytes, one that is longer has further ones", async () => {
  const content = patternBytes(10_000);
  const file = await listOf(content, 1024);
  const shorter = await check(file, content.slice(0, 5000));
  assertEquals(shorter.differing, [{ offset: 4096, length: 904 }]);
  assertEquals([shorter.bytes, shorter.missingBytes, shorter.furtherBytes], [5000, 5000, 0]);
  const whole = await check(file, content.slice(0, 5120));
  assertEquals([whole.differing, whole.missingBytes], [[], 4880]);
  const none = await check(file, new Uint8Array());
  assertEquals([none.differing, none.bytes, none.missingBytes], [[], 0, 10_000]);
  // The last window of the list ends where it did, in the middle of a chunk.
  for (const chunkBytes of [512, 1000, 8192, 65_536]) {
    const longer = await check(file, patternBytes(30_000), chunkBytes);
    assertEquals(longer.differing, []);
    assertEquals([longer.bytes, longer.missingBytes, longer.furtherBytes], [10_000, 0, 20_000]);
  }
});

Deno.test("of many differing windows ten thousand ranges are kept, and all are counted", async () => {
  const content = patternBytes(512 * 20_010);
  const file = await listOf(content, 512);
  const places = Array.from({ length: 10_005 }, (_, index) => index * 1024);
  const result = await check(file, changed(content, ...places), 1024 * 1024);
  assertEquals([result.differing.length, result.differingWindows], [10_000, 10_005]);
  assertEquals(result.differing.at(-1), { offset: 9999 * 1024, length: 512 });
  assertEquals(result.differingBytes, 10_005 * 512);
});
