import { type Area, AREA_STATUSES, type AreaStatus, type RangeMap } from "../copy/range_map.ts";
import { endOf, intersection, mergeRanges, type Range, totalLength } from "../core/range.ts";

/** With more areas than that, nothing is split for the order of work alone. */
export const MAX_SPLIT_AREAS = 65_536;

/** Bytes of the domain in each state, and more. */
export interface RescueTotals {
  readonly bytes: Readonly<Record<AreaStatus, number>>;
  /** Areas of bad sectors in the map. */
  readonly badAreas: number;
}

/** The map of a rescue, which places of it are asked for, and what these come to. */
export class CountedMap {
  readonly #map: RangeMap;
  readonly #domain: readonly Range[];
  readonly #bytes: Record<AreaStatus, number> = { "?": 0, "*": 0, "/": 0, "-": 0, "+": 0 };
  #badAreas: number;

  /** @param domain only these places; all of the map when absent */
  constructor(map: RangeMap, domain: readonly Range[] | undefined) {
    this.#map = map;
    this.#domain = domainOf(map.range, domain);
    this.#badAreas = map.ranges("-").length;
    for (const status of AREA_STATUSES) {
      this.#bytes[status] = totalLength(this.ranges(status));
    }
  }

  /** Bytes of the domain in each state; costs nothing. */
  get totals(): RescueTotals {
    return { bytes: { ...this.#bytes }, badAreas: this.#badAreas };
  }

  /** Bytes of the domain in this state. */
  bytes(status: AreaStatus): number {
    return this.#bytes[status];
  }

  /** Areas of bad sectors in the map. */
  get badAreas(): number {
    return this.#badAreas;
  }

  /** May areas be split for the order of work alone? */
  get canSplit(): boolean {
    return this.#map.areaCount < MAX_SPLIT_AREAS;
  }

  /** As {@linkcode RangeMap.areaAt}. */
  areaAt(offset: number): Area | undefined {
    return this.#map.areaAt(offset);
  }

  /** Did reading fail at this place? */
  isTrouble(offset: number): boolean {
    const status = this.areaAt(offset)?.status;
    return status === "*" || status === "/" || status === "-";
  }

  /** What the domain holds in this state; ascending. */
  ranges(status: AreaStatus): Range[] {
    const found: Range[] = [];
    let index = 0;
    for (const range of this.#map.ranges(status)) {
      for (;;) {
        const part = this.#domain[index];
        if (part === undefined) return found;
        const common = intersection(range, part);
        if (common !== undefined) found.push(common);
        if (endOf(part) > endOf(range)) break;
        index++;
      }
    }
    return found;
  }

  /** Gives a range of the domain a new state. */
  set(range: Range, status: AreaStatus): void {
    const around = { offset: range.offset - 1, length: range.length + 2 };
    this.#badAreas -= this.#countBadAreas(around);
    for (const part of this.#areasIn(range)) this.#bytes[part.status] -= part.length;
    this.#map.set(range, status);
    this.#bytes[status] += range.length;
    this.#badAreas += this.#countBadAreas(around);
  }

  #countBadAreas(range: Range): number {
    let count = 0;
    for (const { status } of this.#areasIn(range)) if (status === "-") count++;
    return count;
  }

  /** The areas that a range touches, cut to it. */
  *#areasIn(range: Range): Generator<Area> {
    let at = Math.max(range.offset, this.#map.range.offset);
    while (at < endOf(range)) {
      const area = this.#map.areaAt(at);
      if (area === undefined) return;
      const end = Math.min(endOf(area), endOf(range));
      yield { offset: at, length: end - at, status: area.status };
      at = end;
    }
  }
}

/** What is asked of a map; ascending, without overlaps. */
function domainOf(whole: Range, domain: readonly Range[] | undefined): Range[] {
  const parts = domain === undefined ? [whole] : mergeRanges(domain);
  return parts.map((part) => intersection(part, whole)).filter((part) => part !== undefined);
}
