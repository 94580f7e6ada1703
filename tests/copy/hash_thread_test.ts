import { assertEquals, assertRejects } from "@std/assert";
import { HashThread } from "../../src/copy/hash_thread.ts";
import { toHex } from "../../src/core/bytes.ts";
import { patternBytes } from "../support/pattern.ts";

/** The outcome of something that might never end. */
async function outcomeOf(work: Promise<unknown>): Promise<string> {
  const late = Promise.withResolvers<string>();
  const timer = setTimeout(() => late.resolve("nothing came"), 1000);
  const outcome = await Promise.race([
    work.then(() => "resolved", () => "rejected"),
    late.promise,
  ]);
  clearTimeout(timer);
  return outcome;
}

Deno.test("one thread computes one digest after the other", async () => {
  using thread = new HashThread("sha256");
  // "abc", FIPS 180-2, appendix B.1; piece by piece.
  const pieces = ["a", "b", "c"].map((letter) => new TextEncoder().encode(letter));
  for (let round = 0; round < 3; round++) {
    thread.start();
    await Promise.all(pieces.map((piece) => thread.update(piece)));
    assertEquals(
      toHex(await thread.digest()),
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      `round ${round} of ${pieces.length} pieces`,
    );
  }
});

Deno.test("threads that are ended in the middle of a digest do no harm to the next", async () => {
  const bytes = patternBytes(4 * 1024 * 1024);
  for (const algorithm of ["md5", "sha512", "md5", "sha512"]) {
    using thread = new HashThread(algorithm);
    thread.start();
    await thread.update(bytes);
    thread.update(bytes).catch(() => {});
  }
  using thread = new HashThread("md5");
  thread.start();
  await thread.update(new TextEncoder().encode("abc"));
  // RFC 1321, appendix A.5.
  assertEquals(toHex(await thread.digest()), "900150983cd24fb0d6963f7d28e17f72");
});

Deno.test("whoever asks a thread that has died is told so, and does not wait", async () => {
  using thread = new HashThread("no such hash");
  thread.start();
  await assertRejects(() => thread.update(patternBytes(4096)), Error, "died");
  assertEquals(await outcomeOf(thread.update(patternBytes(4096))), "rejected");
  assertEquals(await outcomeOf(thread.digest()), "rejected");
});

Deno.test("what was asked for before the thread died is told so, too", async () => {
  using thread = new HashThread("no such hash");
  thread.start();
  const work = [thread.update(patternBytes(512)), thread.update(patternBytes(512))];
  const outcomes = await Promise.all([...work, thread.digest()].map(outcomeOf));
  assertEquals(outcomes, ["rejected", "rejected", "rejected"]);
});
