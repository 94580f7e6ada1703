/** Requests that fit the sectors of a device, whatever the caller's bytes are like. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { addressOf, allocateAligned, nativeBytes, PAGE_BYTES } from "../../ffi/memory.ts";
import { OsError } from "../../ffi/os_error.ts";
import type { Bytes } from "../../src/core/block.ts";
import { ReadError, WriteError } from "../../src/core/errors.ts";
import { type AlignedIo, readAligned, writeAligned } from "../../src/devices/aligned_io.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";

/** How the device is. */
interface StrictIoOptions {
  readonly alignment: number;
  readonly maxBytes?: number;
  /** Transfers no more than this at once, as if a signal came between. */
  readonly piece?: number;
  /** Requests that touch this byte fail. */
  readonly bad?: number;
}

/** A device that refuses what is not aligned, and remembers what it was asked for. */
class StrictIo implements AlignedIo {
  readonly name = "strict";
  readonly alignment: number;
  readonly maxBytes: number | undefined;
  readonly content: Bytes;
  readonly requests: [direction: string, offset: number, length: number][] = [];
  readonly addresses: bigint[] = [];
  readonly #options: StrictIoOptions;

  constructor(content: Bytes, options: StrictIoOptions) {
    this.content = content;
    this.alignment = options.alignment;
    this.maxBytes = options.maxBytes;
    this.#options = options;
  }

  hintFor(code: string): string | undefined {
    return code === "EIO" ? "a hint" : undefined;
  }

  // deno-lint-ignore require-await -- It answers later, as a thread does.
  async transfer(
    direction: "read" | "write",
    address: bigint,
    length: number,
    offset: number,
  ): Promise<number> {
    this.requests.push([direction, offset, length]);
    this.addresses.push(address);
    assert(length > 0, "a request for nothing");
    assert(length <= (this.maxBytes ?? Infinity), `a request for ${length} bytes`);
    assertEquals(offset % this.alignment, 0, `a request at ${offset}`);
    assertEquals(length % this.alignment, 0, `a request for ${length} bytes`);
    assertEquals(address % BigInt(this.alignment), 0n, "memory");
    const { bad, piece = Infinity } = this.#options;
    if (bad !== undefined && bad >= offset && bad < offset + length) {
      throw new OsError("pread", 5, "EIO", "input/output error");
    }
    const count = Math.max(0, Math.min(length, piece, this.content.length - offset));
    const memory = nativeBytes(address, length).subarray(0, count);
    if (direction === "read") memory.set(this.content.subarray(offset, offset + count));
    else this.content.set(memory, offset);
    return count;
  }
}

const SIZE = 64 * 1024;

function device(options: StrictIoOptions, size = SIZE): StrictIo {
  return new StrictIo(patternBytes(size), options);
}

/** Memory with one byte before and behind it that nobody may touch. */
function guarded(length: number): { readonly bytes: Bytes; readonly whole: Bytes } {
  const whole = new Uint8Array(length + 2).fill(0xee);
  return { whole, bytes: whole.subarray(1, length + 1) };
}

const PLACES: readonly (readonly [offset: number, length: number])[] = [
  [0, 0],
  [0, 1],
  [0, 512],
  [1, 511],
  [1, 512],
  [511, 2],
  [512, 512],
  [4095, 2],
  [5000, 20_000],
  [SIZE - 1, 1],
  [SIZE - 513, 513],
  [0, SIZE],
];

Deno.test("every place of the medium is read as it is, in requests of whole sectors", async () => {
  for (const alignment of [1, 512, 4096]) {
    for (const more of [{}, { maxBytes: 4096 }, { piece: 4096 }]) {
      for (const [offset, length] of PLACES) {
        const io = device({ alignment, ...more });
        const { bytes, whole } = guarded(length);
        assertEquals(await readAligned(io, offset, bytes), length);
        assertBytes(bytes, io.content.subarray(offset, offset + length), `${offset}+${length}`);
        assertEquals([whole[0], whole.at(-1)], [0xee, 0xee], "bytes beside it");
      }
    }
  }
});

Deno.test("no more is read than the sectors that are touched", async () => {
  const io = device({ alignment: 512 });
  await readAligned(io, 1000, new Uint8Array(100));
  await readAligned(io, 1024, new Uint8Array(512));
  assertEquals(io.requests, [["read", 512, 1024], ["read", 1024, 512]]);
});

Deno.test("aligned memory is handed on as it is, other memory is not", async () => {
  const io = device({ alignment: 512 });
  using memory = allocateAligned(2 * PAGE_BYTES);
  await readAligned(io, 512, memory.bytes);
  assertEquals(io.addresses, [memory.address]);
  const odd = memory.bytes.subarray(512, 1024);
  await readAligned(io, 0, odd);
  await readAligned(io, 1, memory.bytes.subarray(0, 512));
  await readAligned(io, 0, memory.bytes.subarray(0, 100));
  assertEquals(io.addresses.includes(addressOf(odd)), false);
  assertEquals(io.addresses.filter((address) => address === memory.address).length, 1);
});

Deno.test("where nobody cares, every byte goes straight into the caller's memory", async () => {
  const io = device({ alignment: 1 });
  const { bytes } = guarded(333);
  await readAligned(io, 77, bytes);
  assertEquals(io.requests, [["read", 77, 333]]);
  assertEquals(io.addresses, [addressOf(bytes)]);
});

Deno.test("a read at the end is short, one behind it is empty", async () => {
  for (const alignment of [1, 512]) {
    const io = device({ alignment });
    for (const [offset, length, expected] of [[SIZE - 700, 5000, 700], [SIZE, 10, 0]]) {
      const { bytes } = guarded(length ?? 0);
      const count = await readAligned(io, offset ?? 0, bytes);
      assertEquals(count, expected, `${offset}+${length}, ${alignment}`);
      assertBytes(bytes.subarray(0, count), io.content.subarray(offset, SIZE));
    }
  }
});

Deno.test("every byte that is written is on the medium, and no other", async () => {
  for (const more of [{}, { maxBytes: 4096 }, { piece: 4096 }]) {
    for (const [offset, length] of [[0, 512], [512, 1024], [4096, 40_960], [0, SIZE]]) {
      const io = device({ alignment: 512, ...more });
      const expected = io.content.slice();
      const bytes = patternBytes(length ?? 0, { seed: 9 });
      expected.set(bytes, offset);
      const { bytes: odd } = guarded(bytes.length);
      odd.set(bytes);
      await writeAligned(io, offset ?? 0, odd);
      assertBytes(io.content, expected);
      assertBytes(odd, bytes, "the caller's bytes");
    }
  }
});

Deno.test("a last sector that is not whole is completed with zeros", async () => {
  const io = device({ alignment: 512 });
  const expected = io.content.slice().fill(0xaa, 1024, 1024 + 700).fill(0, 1724, 2048);
  await writeAligned(io, 1024, new Uint8Array(700).fill(0xaa));
  assertBytes(io.content, expected);
  assertEquals(io.requests, [["write", 1024, 1024]]);
});

Deno.test("to write into the middle of a sector is a bug of the caller", async () => {
  const io = device({ alignment: 512 });
  await assertRejects(() => writeAligned(io, 100, new Uint8Array(512)), RangeError);
  assertEquals(io.requests, []);
});

Deno.test("a medium that ends early is a WriteError with the place", async () => {
  const io = device({ alignment: 512, maxBytes: 1024 });
  const error = await assertRejects(
    () => writeAligned(io, SIZE - 2048, new Uint8Array(4096)),
    WriteError,
  );
  assertEquals(error.offset, SIZE);
  assertEquals(error.message, `cannot write to strict at byte ${SIZE}: the medium ends there`);
});

Deno.test("errors of the system say where, what, and what to do", async () => {
  const io = device({ alignment: 512, bad: 5000 });
  const read = await assertRejects(
    () => readAligned(io, 4000, new Uint8Array(2000)),
    ReadError,
  );
  assertEquals([read.offset, read.osCode, read.hint], [4000, "EIO", "a hint"]);
  assertStringIncludes(read.message, "cannot read strict at byte 4000: input/output error");
  const write = await assertRejects(
    () => writeAligned(io, 4608, new Uint8Array(512)),
    WriteError,
  );
  assertEquals([write.offset, write.osCode, write.hint], [4608, "EIO", "a hint"]);
  assertStringIncludes(write.message, "cannot write to strict at byte 4608: input/output");
});

Deno.test("a bug in a transfer is no error of the medium", async () => {
  const io: AlignedIo = {
    name: "broken",
    alignment: 1,
    hintFor: () => undefined,
    transfer: () => Promise.reject(new TypeError("a bug")),
  };
  await assertRejects(() => readAligned(io, 0, new Uint8Array(1)), TypeError, "a bug");
  await assertRejects(() => writeAligned(io, 0, new Uint8Array(1)), TypeError, "a bug");
});
