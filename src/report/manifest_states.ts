/** The states of a source, counted and in cells for a picture. */
import { endOf, type Range } from "../core/range.ts";
import type { AreaFacts, AreaState, PartitionFacts } from "./manifest.ts";
import type { MapCells, MapRow } from "./map_text.ts";

/** What the states mean to a reader, from the best to the worst. */
export const AREA_STATES: readonly { readonly state: AreaState; readonly name: string }[] = [
  { state: "+", name: "read" },
  { state: "?", name: "not tried" },
  { state: "*", name: "failed, edges not tried" },
  { state: "/", name: "failed, sectors not tried" },
  { state: "-", name: "bad sectors" },
];

/** What a state is called. */
export function stateName(state: AreaState): string {
  return AREA_STATES.find((each) => each.state === state)?.name ?? state;
}

/** All that the areas cover; undefined when there are none. */
export function rangeOfAreas(areas: readonly AreaFacts[]): Range | undefined {
  const first = areas[0];
  const last = areas.at(-1);
  if (first === undefined || last === undefined) return undefined;
  const { offsetBytes } = first;
  const length = last.offsetBytes + last.lengthBytes - offsetBytes;
  return length > 0 ? { offset: offsetBytes, length } : undefined;
}

/** How much there is of each state. */
export function stateRows(areas: readonly AreaFacts[]): MapRow[] {
  const totals = AREA_STATES.map(({ state, name }) => ({
    mark: state,
    name,
    bytes: 0,
    areas: 0,
  }));
  for (const { state, lengthBytes } of areas) {
    const total = totals.find(({ mark }) => mark === state);
    if (total === undefined) continue;
    total.bytes += lengthBytes;
    total.areas++;
  }
  return totals;
}

/** At most that many cells, each with the worst state in it. */
export function stateCells(
  areas: readonly AreaFacts[],
  range: Range,
  mostCells: number,
): MapCells {
  const cellBytes = Math.max(1, Math.ceil(range.length / mostCells / 512)) * 512;
  const count = Math.ceil(range.length / cellBytes);
  const worst = new Array<number>(count).fill(0);
  for (const { offsetBytes, lengthBytes, state } of areas) {
    const badness = AREA_STATES.findIndex((each) => each.state === state);
    const first = Math.floor((offsetBytes - range.offset) / cellBytes);
    const last = Math.floor((offsetBytes + lengthBytes - 1 - range.offset) / cellBytes);
    for (let cell = Math.max(0, first); cell <= Math.min(last, count - 1); cell++) {
      worst[cell] = Math.max(worst[cell] ?? 0, badness);
    }
  }
  return { cellBytes, cells: worst.map((badness) => AREA_STATES[badness]?.state ?? "+") };
}

/** Where a partition lies. */
export function rangeOfPartition({ startBytes, sizeBytes }: PartitionFacts): Range {
  return { offset: startBytes, length: sizeBytes };
}

/** Partitions as a picture shows them: those that hold others would hide them. */
export function drawnPartitions(partitions: readonly PartitionFacts[]): PartitionFacts[] {
  const ranges = partitions.map(rangeOfPartition);
  const holdsAnother = (outer: Range): boolean =>
    ranges.some((inner) =>
      inner !== outer && inner.length < outer.length && inner.offset >= outer.offset &&
      endOf(inner) <= endOf(outer)
    );
  return partitions.filter((_, index) => {
    const range = ranges[index];
    return range !== undefined && range.length > 0 && !holdsAnother(range);
  }).toSorted((a, b) => a.startBytes - b.startBytes);
}
