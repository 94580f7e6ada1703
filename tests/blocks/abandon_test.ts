/** What stands before a device passes on that its calls are to be given up. */
import { assertEquals } from "@std/assert";
import { DamageTolerantSource } from "../../src/blocks/damage_tolerant.ts";
import { PatchedSource } from "../../src/blocks/patched.ts";
import { SelectedSource } from "../../src/blocks/selected.ts";
import { SliceSource } from "../../src/blocks/slice.ts";
import { TimedSource } from "../../src/blocks/timed_source.ts";
import { WatchedSource } from "../../src/blocks/watched_source.ts";
import type { BlockSource } from "../../src/core/block.ts";
import { PatternSource } from "../support/pattern.ts";

const WRAPPERS: Readonly<Record<string, (source: BlockSource) => BlockSource>> = {
  damage: (source) => new DamageTolerantSource(source),
  patched: (source) => new PatchedSource(source, []),
  selected: (source) => new SelectedSource(source, []),
  slice: (source) => new SliceSource(source, { offset: 512, length: 512 }),
  timed: (source) => new TimedSource(source),
  watched: (source) => new WatchedSource(source),
};

class Hanging extends PatternSource {
  answer: Promise<void> | undefined = Promise.resolve();

  abandon(): Promise<void> | undefined {
    return this.answer;
  }
}

for (const [name, wrap] of Object.entries(WRAPPERS)) {
  Deno.test(`${name}: hanging calls are given up where the source can, and only there`, () => {
    const source = new Hanging(4096);
    const { answer } = source;
    const wrapped = wrap(source);
    assertEquals(wrapped.abandon?.(), answer);
    source.answer = undefined;
    assertEquals(wrapped.abandon?.(), undefined);
    assertEquals(wrap(new PatternSource(4096)).abandon, undefined);
  });
}
