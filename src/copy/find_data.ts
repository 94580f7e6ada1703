import type { BlockSource } from "../core/block.ts";
import { SliceSource } from "../blocks/slice.ts";
import { totalLength } from "../core/range.ts";
import { sequentialPolicy } from "./read_policy.ts";
import { DEFAULT_CHUNK_BYTES, runCopy } from "./run_copy.ts";

/** Does everything from `offset` to the end of the medium hold zeros only? */
export async function isZeroFrom(
  source: BlockSource,
  offset: number,
  signal?: AbortSignal,
): Promise<boolean> {
  let onlyZeros = true;
  const tail = new SliceSource(source, { offset, length: Infinity });
  const sequential = sequentialPolicy(tail, { chunkBytes: DEFAULT_CHUNK_BYTES, onBad: "fail" });
  await runCopy({
    policy: {
      ...sequential,
      // The first byte of data is enough.
      next: () => onlyZeros ? sequential.next() : undefined,
    },
    consumers: [{
      name: "zeros",
      consume(chunk): Promise<void> {
        if (totalLength(chunk.zeros()) < chunk.length) onlyZeros = false;
        return Promise.resolve();
      },
      finish: () => Promise.resolve(),
      abort: () => Promise.resolve(),
    }],
    signal,
  });
  return onlyZeros;
}
