/**
 * What was read of the first MiB, in a file beside the map of a clone: on the target it comes
 * last, and a dying source may not deliver it a second time. A line of JSON, then the bytes of
 * the areas that it names, one behind the other.
 */
import type { Bytes } from "../../core/block.ts";
import { toHex } from "../../core/bytes.ts";
import { intersection, type Range, totalLength } from "../../core/range.ts";
import type { MapOwners } from "../rescue/rescue_map.ts";
import { FIRST_BLOCK } from "../write/write_job.ts";

/** What is known of the first MiB. */
export interface FirstBlock {
  /** From the first byte on; what is in no area counts for nothing. */
  readonly bytes: Bytes;
  /** Ascending. */
  readonly areas: readonly Range[];
}

/** The line of JSON. */
interface Head {
  readonly areas: readonly (readonly [offset: number, length: number])[];
  readonly sha256: string;
  readonly owners: MapOwners;
}

const LINE_FEED = 0x0a;

/** Where it lies. */
export function firstBlockPath(mapPath: string): string {
  return `${mapPath}.first`;
}

/** The content of the file. */
export async function firstBlockFile(
  { bytes, areas }: FirstBlock,
  owners: MapOwners,
): Promise<Bytes> {
  const body = new Uint8Array(totalLength(areas));
  let at = 0;
  for (const { offset, length } of areas) {
    body.set(bytes.subarray(offset, offset + length), at);
    at += length;
  }
  const head: Head = {
    areas: areas.map(({ offset, length }) => [offset, length]),
    sha256: await sha256(body),
    owners,
  };
  const line = new TextEncoder().encode(`${JSON.stringify(head)}\n`);
  const content = new Uint8Array(line.length + body.length);
  content.set(line);
  content.set(body, line.length);
  return content;
}

/**
 * What such a file holds; undefined where it is damaged or belongs to others. Then the first
 * MiB is read from the source again.
 */
export async function readFirstBlock(
  content: Bytes,
  owners: MapOwners,
): Promise<FirstBlock | undefined> {
  const end = content.indexOf(LINE_FEED);
  const head = parseHead(content.subarray(0, Math.max(0, end)));
  if (head === undefined || JSON.stringify(head.owners) !== JSON.stringify(owners)) {
    return undefined;
  }
  const body = content.subarray(end + 1);
  const areas = head.areas.map(([offset, length]) => ({ offset, length }));
  const isWhole = totalLength(areas) === body.length && areas.every(isInside) &&
    await sha256(body) === head.sha256;
  if (!isWhole) return undefined;
  const bytes = new Uint8Array(FIRST_BLOCK.length);
  let at = 0;
  for (const { offset, length } of areas) {
    bytes.set(body.subarray(at, at + length), offset);
    at += length;
  }
  return { bytes, areas };
}

function parseHead(line: Bytes): Head | undefined {
  let head: unknown;
  try {
    head = JSON.parse(new TextDecoder().decode(line));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
  const { areas, sha256, owners } = Object(head) as Partial<Head>;
  const isHead = Array.isArray(areas) && areas.every(isPair) && sha256 !== undefined &&
    owners !== undefined;
  return isHead ? { areas, sha256, owners } : undefined;
}

function isPair(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && value.every(Number.isSafeInteger);
}

function isInside(area: Range): boolean {
  return area.offset >= 0 && intersection(area, FIRST_BLOCK)?.length === area.length;
}

async function sha256(bytes: Bytes): Promise<string> {
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}
