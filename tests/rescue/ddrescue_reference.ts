/**
 * What GNU ddrescue does, from its manual (1.27, chapters "Algorithm" and "Invoking
 * ddrescue", option --skip-size), to measure against. Not how it does it.
 */
import type { RangeMap } from "../../src/copy/range_map.ts";
import { endOf, type Range } from "../../src/core/range.ts";
import type { SimulatedDrive } from "./simulated_drive.ts";

/** As ddrescue's options. */
export interface ReferenceOptions {
  readonly sectorSize?: number;
  readonly clusterBytes?: number;
  readonly retries?: number;
  /** Told after each read. */
  readonly onRead?: (() => void) | undefined;
}

/** Rescues the drive into the map, as ddrescue would. */
export function referenceRescue(
  drive: SimulatedDrive,
  map: RangeMap,
  options: ReferenceOptions = {},
): void {
  const { sectorSize = 512, clusterBytes = 64 * 1024, retries = 0, onRead } = options;
  const skipMin = Math.max(
    64 * 1024,
    Math.ceil(drive.size / 100_000 / sectorSize) * sectorSize,
  );
  const skipMax = Math.max(skipMin, drive.size / 100);

  const tryRead = (range: Range, failed: "*" | "-"): boolean => {
    const { ok } = drive.read(range);
    map.set(range, ok ? "+" : failed);
    onRead?.();
    return ok;
  };

  /** One pass of copying; skips after failures, or leaves the block, or neither. */
  const copy = (pass: number): void => {
    const forward = pass % 2 === 1;
    const blocks = map.ranges("?");
    if (!forward) blocks.reverse();
    let skip = 0;
    /** A skip goes on from one block into the next. */
    let resumeAt = forward ? -Infinity : Infinity;
    for (const block of blocks) {
      let low = forward ? Math.max(block.offset, resumeAt) : block.offset;
      let high = forward ? endOf(block) : Math.min(endOf(block), resumeAt);
      while (low < high) {
        const length = Math.min(clusterBytes, high - low);
        const range = { offset: forward ? low : high - length, length };
        if (forward) low += length;
        else high -= length;
        if (tryRead(range, "*")) {
          skip = 0;
          continue;
        }
        if (pass > 1 && pass < 5) break;
        if (pass === 5) continue;
        skip = skip === 0 ? skipMin : Math.min(skip * 2, skipMax);
        skip -= skip % sectorSize;
        resumeAt = forward ? low + skip : high - skip;
        if (forward) low = resumeAt;
        else high = resumeAt;
      }
    }
  };
  for (let pass = 1; pass <= 5 && map.total("?") > 0; pass++) copy(pass);

  for (const block of map.ranges("*")) {
    let low = block.offset;
    let high = endOf(block);
    let isBad = map.areaAt(low - 1)?.status === "-";
    while (low < high && !isBad) {
      const length = Math.min(sectorSize, high - low);
      isBad = !tryRead({ offset: low, length }, "-");
      low += length;
    }
    isBad = map.areaAt(high)?.status === "-";
    while (low < high && !isBad) {
      const length = Math.min(sectorSize, high - low);
      high -= length;
      isBad = !tryRead({ offset: high, length }, "-");
    }
    if (low < high) map.set({ offset: low, length: high - low }, "/");
  }
  const bySector = (ranges: readonly Range[]): void => {
    for (const range of ranges) {
      for (let at = range.offset; at < endOf(range); at += sectorSize) {
        tryRead({ offset: at, length: Math.min(sectorSize, endOf(range) - at) }, "-");
      }
    }
  };
  bySector(map.ranges("/"));
  for (let pass = 0; pass < retries; pass++) bySector(map.ranges("-"));
}
