import { assert, assertEquals } from "@std/assert";
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
