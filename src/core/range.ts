/** A run of bytes on a medium. */
export interface Range {
  /** First byte. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

/** The byte after the last one. */
export function endOf(range: Range): number {
  return range.offset + range.length;
}

/** What both ranges have in common; undefined when that is nothing. */
export function intersection(a: Range, b: Range): Range | undefined {
  const offset = Math.max(a.offset, b.offset);
  const length = Math.min(endOf(a), endOf(b)) - offset;
  return length > 0 ? { offset, length } : undefined;
}

/** The same bytes in ascending order, touching and overlapping ranges joined. */
export function mergeRanges(ranges: readonly Range[]): Range[] {
  const merged: { offset: number; length: number }[] = [];
  for (const range of ranges.toSorted((a, b) => a.offset - b.offset)) {
    if (range.length <= 0) continue;
    const last = merged.at(-1);
    if (last !== undefined && range.offset <= endOf(last)) {
      last.length = Math.max(endOf(last), endOf(range)) - last.offset;
    } else merged.push({ ...range });
  }
  return merged;
}

/** What a range has in common with others, which ascend without overlaps. */
export function partsWithin(range: Range, others: readonly Range[]): Range[] {
  let low = 0;
  let high = others.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = others[middle];
    if (other !== undefined && endOf(other) <= range.offset) low = middle + 1;
    else high = middle;
  }
  const parts: Range[] = [];
  for (let index = low; index < others.length; index++) {
    const part = intersection(others[index] ?? range, range);
    if (part === undefined) break;
    parts.push(part);
  }
  return parts;
}

/** The parts of `whole` that no range covers, in ascending order. */
export function gapsBetween(whole: Range, ranges: readonly Range[]): Range[] {
  const gaps: Range[] = [];
  let at = whole.offset;
  for (const range of mergeRanges(ranges)) {
    if (range.offset >= endOf(whole)) break;
    if (range.offset > at) gaps.push({ offset: at, length: range.offset - at });
    at = Math.max(at, endOf(range));
  }
  if (at < endOf(whole)) gaps.push({ offset: at, length: endOf(whole) - at });
  return gaps;
}

/** Bytes in all; ranges must not overlap. */
export function totalLength(ranges: readonly Range[]): number {
  return ranges.reduce((sum, range) => sum + range.length, 0);
}

/** The same bytes in runs of at most `length` bytes, one after the other. */
export function* piecesOf(ranges: readonly Range[], length: number): Generator<Range> {
  for (const range of ranges) {
    for (let at = range.offset; at < endOf(range); at += length) {
      yield { offset: at, length: Math.min(length, endOf(range) - at) };
    }
  }
}
