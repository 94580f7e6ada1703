import { assert, assertEquals } from "@std/assert";
import { BufferPool } from "../../src/formats/ewf/buffer_pool.ts";

const MIB = 1024 * 1024;

Deno.test("memory is one work's alone until its lease ends, then another one's", () => {
  const pool = new BufferPool();
  const first = pool.lease();
  const [a, b] = [first.take(1000), first.take(MIB + 1)];
  assertEquals([a.length, b.length], [1000, MIB + 1]);
  assert(a.buffer !== b.buffer);
  {
    using second = pool.lease();
    const other = second.take(10);
    assert(other.buffer !== a.buffer && other.buffer !== b.buffer);
  }
  first[Symbol.dispose]();
  using third = pool.lease();
  assert([a.buffer, b.buffer].includes(third.take(MIB + 2).buffer));
});

Deno.test("of much memory, and of large pieces, not everything is kept", () => {
  const pool = new BufferPool();
  const buffers: ArrayBufferLike[] = [];
  {
    using lease = pool.lease();
    for (let count = 0; count < 20; count++) buffers.push(lease.take(MIB).buffer);
    buffers.push(lease.take(9 * MIB).buffer);
  }
  using lease = pool.lease();
  const again = Array.from({ length: 20 }, () => lease.take(MIB).buffer);
  assertEquals(again.filter((buffer) => buffers.includes(buffer)).length, 8);
  assert(!buffers.includes(lease.take(9 * MIB).buffer));
});
