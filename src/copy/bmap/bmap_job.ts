/** Block maps made and checked from the bytes that pass: what both have in common. */
import type { Bytes } from "../../core/block.ts";
import type { Range } from "../../core/range.ts";
import { BmapBuild, type FoundMap } from "./bmap_build.ts";
import {
  BmapCheck,
  type CheckableMap,
  type CheckedMap,
  type WrongRange,
} from "./bmap_check.ts";

/** What is to be done with the bytes of a medium. */
export type BmapTask = { readonly build: true } | { readonly check: CheckableMap };

/** Does it. */
export interface BmapJob {
  /** Takes the next bytes; `bad` are the unreadable places among them. Answers the first
   * range that was found to be wrong. */
  add(offset: number, bytes: Bytes, bad: readonly Range[]): WrongRange | undefined;
  /** No more bytes come. */
  finish(): FoundMap | CheckedMap;
}

/** Begins a task. */
export function bmapJob(task: BmapTask): BmapJob {
  return "build" in task ? new BmapBuild() : new BmapCheck(task.check);
}
