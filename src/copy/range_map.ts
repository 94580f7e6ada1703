import { endOf, intersection, type Range } from "../core/range.ts";

/**
 * The state of an area of a medium that is being rescued; the character is the
 * one that GNU ddrescue writes for it (manual, chapter "Mapfile structure").
 *
 * `?` not tried · `*` failed, edges not trimmed · `/` failed, sectors not tried one
 * by one · `-` unreadable · `+` rescued
 */
export type AreaStatus = "?" | "*" | "/" | "-" | "+";

/** All states, in the order in which an area goes through them. */
export const AREA_STATUSES: readonly AreaStatus[] = ["?", "*", "/", "-", "+"];

/** An area of one state. */
export interface Area extends Range {
  readonly status: AreaStatus;
}

/**
 * What is known of every byte of a medium. Areas are contiguous, in ascending
 * order, and neighbours always differ. Changing one area costs a binary search and
 * a splice of the list.
 */
export class RangeMap {
  /** First bytes of the areas. */
  #starts: number[];
  #statuses: AreaStatus[];
  readonly #end: number;

  /** A map of `range` in which all of it has one state. */
  constructor(range: Range, status: AreaStatus = "?") {
    this.#starts = range.length > 0 ? [range.offset] : [];
    this.#statuses = range.length > 0 ? [status] : [];
    this.#end = endOf(range);
  }

  /**
   * The map that these areas make.
   *
   * @throws {RangeError} unless they are ascending, contiguous and not empty.
   */
  static fromAreas(areas: readonly Area[]): RangeMap {
    const offset = areas[0]?.offset ?? 0;
    const map = new RangeMap({ offset, length: 0 });
    let at = offset;
    for (const area of areas) {
      if (area.offset !== at || area.length <= 0) {
        throw new RangeError(
          `Cannot make a map: the area at ${area.offset} does not follow ${at}`,
        );
      }
      if (map.#statuses.at(-1) !== area.status) {
        map.#starts.push(area.offset);
        map.#statuses.push(area.status);
      }
      at = endOf(area);
    }
    const whole = new RangeMap({ offset, length: at - offset });
    whole.#starts = map.#starts;
    whole.#statuses = map.#statuses;
    return whole;
  }

  /** What the map covers. */
  get range(): Range {
    const offset = this.#starts[0] ?? this.#end;
    return { offset, length: this.#end - offset };
  }

  /** How many areas there are. */
  get areaCount(): number {
    return this.#starts.length;
  }

  /** The areas in ascending order. The map may not change meanwhile. */
  *areas(): Generator<Area> {
    for (let i = 0; i < this.#starts.length; i++) yield this.#areaAt(i);
  }

  /** The area that holds this byte; undefined outside the map. */
  areaAt(offset: number): Area | undefined {
    const { range } = this;
    if (offset < range.offset || offset >= this.#end) return undefined;
    return this.#areaAt(this.#indexOf(offset));
  }

  /** Gives a range, as far as the map covers it, a new state. */
  set(range: Range, status: AreaStatus): void {
    const part = intersection(range, this.range);
    if (part === undefined) return;
    const first = this.#indexOf(part.offset);
    const last = this.#indexOf(endOf(part) - 1);
    const head = this.#areaAt(first);
    const tail = this.#areaAt(last);
    const starts: number[] = [];
    const statuses: AreaStatus[] = [];
    const push = (start: number, state: AreaStatus): void => {
      const before = statuses.at(-1) ?? this.#statuses[first - 1];
      if (before === state) return;
      starts.push(start);
      statuses.push(state);
    };
    if (head.offset < part.offset) push(head.offset, head.status);
    push(part.offset, status);
    if (endOf(tail) > endOf(part)) push(endOf(part), tail.status);
    // The neighbour behind may now have the same state: then it starts here already.
    const after = last + 1;
    const joins = after < this.#starts.length &&
      (statuses.at(-1) ?? this.#statuses[first - 1]) === this.#statuses[after];
    const removed = after - first + (joins ? 1 : 0);
    this.#starts.splice(first, removed, ...starts);
    this.#statuses.splice(first, removed, ...statuses);
  }

  /** The areas of these states, in ascending order. */
  ranges(...statuses: AreaStatus[]): Range[] {
    const found: Range[] = [];
    for (const { offset, length, status } of this.areas()) {
      if (statuses.includes(status)) found.push({ offset, length });
    }
    return found;
  }

  /** Bytes in all areas of these states. */
  total(...statuses: AreaStatus[]): number {
    let sum = 0;
    for (const area of this.areas()) if (statuses.includes(area.status)) sum += area.length;
    return sum;
  }

  /** A map that does not change when this one does. */
  clone(): RangeMap {
    const copy = new RangeMap({ offset: this.#end, length: 0 });
    copy.#starts = this.#starts.slice();
    copy.#statuses = this.#statuses.slice();
    return copy;
  }

  #areaAt(index: number): Area {
    const offset = this.#starts[index];
    const status = this.#statuses[index];
    if (offset === undefined || status === undefined) {
      throw new RangeError(`Cannot find area ${index} of ${this.#starts.length}`);
    }
    return { offset, length: (this.#starts[index + 1] ?? this.#end) - offset, status };
  }

  /** Index of the area that holds a byte of the map. */
  #indexOf(offset: number): number {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#starts[middle] ?? Infinity) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
