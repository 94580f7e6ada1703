/// <reference lib="deno.worker" />
/**
 * Makes or checks a block map on a thread of its own, over memory that other threads own.
 * Driven by bmap_thread.ts.
 */
import { nativeBytes } from "../../../ffi/memory.ts";
import type { Range } from "../../core/range.ts";
import type { FoundMap } from "./bmap_build.ts";
import type { CheckedMap, WrongRange } from "./bmap_check.ts";
import { type BmapJob, bmapJob, type BmapTask } from "./bmap_job.ts";

/** What the worker is told. Answers come in the same order; to a task there is none. */
export type BmapRequest =
  | { readonly task: BmapTask }
  | {
    /** Of the first byte, on the medium. */
    readonly offset: number;
    readonly address: bigint;
    readonly length: number;
    readonly bad: readonly Range[];
  }
  | { readonly finish: true };

/** After bytes `wrong`, after `finish` the result. */
export type BmapReply =
  | { readonly wrong: WrongRange | undefined }
  | { readonly result: FoundMap | CheckedMap };

let job: BmapJob | undefined;

self.onmessage = ({ data }: MessageEvent<BmapRequest>): void => {
  if ("task" in data) job = bmapJob(data.task);
  else if (job === undefined) throw new Error("The worker for block maps has no task");
  else self.postMessage(answer(job, data));
};

function answer(job: BmapJob, request: Exclude<BmapRequest, { task: BmapTask }>): BmapReply {
  if ("finish" in request) return { result: job.finish() };
  const { offset, address, length, bad } = request;
  return { wrong: job.add(offset, nativeBytes(address, length), bad) };
}
