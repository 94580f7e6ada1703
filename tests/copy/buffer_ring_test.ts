import { assert, assertEquals, assertThrows } from "@std/assert";
import { addressOf, PAGE_BYTES } from "../../ffi/memory.ts";
import { BufferRing } from "../../src/copy/buffer_ring.ts";

Deno.test("buffers are page-aligned, of the size of a chunk, and apart from each other", async () => {
  for (const chunkBytes of [512, 4096, 4097, 100_000]) {
    using ring = new BufferRing(chunkBytes, 5);
    const slots = await Promise.all(Array.from({ length: 5 }, () => ring.acquire()));
    for (const [index, { bytes }] of slots.entries()) {
      assertEquals(addressOf(bytes) % BigInt(PAGE_BYTES), 0n);
      assertEquals(bytes.length, chunkBytes);
      bytes.fill(index + 1);
    }
    for (const [index, { bytes }] of slots.entries()) {
      assert(bytes.every((byte) => byte === index + 1));
    }
  }
});

Deno.test("whoever finds no buffer free waits for one, in turn", async () => {
  using ring = new BufferRing(512, 2);
  const first = await ring.acquire();
  const second = await ring.acquire();
  const order: string[] = [];
  const waiting = ["a", "b", "c"].map(async (name) => {
    const slot = await ring.acquire();
    order.push(name);
    return slot;
  });
  await new Promise((resolve) => setTimeout(resolve, 5));
  assertEquals(order, []);
  ring.release(second);
  assertEquals(await waiting[0], second);
  assertEquals(order, ["a"]);
  ring.release(first);
  assertEquals(await waiting[1], first);
  ring.release(first);
  await waiting[2];
  assertEquals(order, ["a", "b", "c"]);
});

Deno.test("a buffer that the system still has is replaced, and freed when it lets go", async () => {
  const ring = new BufferRing(8192, 2);
  const [lost, other] = [await ring.acquire(), await ring.acquire()];
  other.bytes.fill(1);
  const returned = Promise.withResolvers<void>();
  const fresh = ring.replace(lost, returned.promise);
  assertEquals(addressOf(fresh.bytes) % BigInt(PAGE_BYTES), 0n);
  fresh.bytes.fill(2);
  lost.bytes.fill(3);
  assert(fresh.bytes.every((byte) => byte === 2));
  assertThrows(() => ring.replace(lost, returned.promise), Error, "not of this ring");
  ring.release(fresh);
  ring.release(other);
  assertEquals(new Set([await ring.acquire(), await ring.acquire()]), new Set([fresh, other]));
  ring[Symbol.dispose]();
  // Others may get the memory of the ring now, but not this.
  const next = new BufferRing(8192, 4);
  for (let i = 0; i < 4; i++) {
    assert(addressOf((await next.acquire()).bytes) !== addressOf(lost.bytes));
  }
  next[Symbol.dispose]();
  returned.resolve();
});
