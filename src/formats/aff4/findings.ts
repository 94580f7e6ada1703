/** What is odd about an AFF4 image, and what is not checked of it. */
import type { Finding } from "../../core/errors.ts";
import { totalLength } from "../../core/range.ts";
import { formatBytes, plural } from "../../core/units.ts";
import { hasChunks } from "./aff4_media.ts";
import type { Aff4Thing } from "./description.ts";
import { toldHash } from "./hashes.ts";
import type { ImageContent } from "./image_content.ts";
import { schemaName } from "./names.ts";
import { isBlockMapClear, readersOf } from "./own_checks.ts";
import { UNKNOWN_DATA } from "./symbolic.ts";

/** Hashes that are checked; of others nobody knows what they are over. */
const CHECKED: ReadonlySet<string> = new Set([
  "hash",
  "mapHash",
  "mapIdxHash",
  "mapPointHash",
  "mapPathHash",
  "blockMapHash",
  "imageStreamIndexHash",
]);

/** All of them. */
export function findingsOf(
  image: Aff4Thing,
  content: ImageContent,
): Finding[] {
  return [
    ...completionFindings(image, content),
    ...unknownFindings(content),
    ...hashFindings(image, content),
  ];
}

function completionFindings(image: Aff4Thing, { table }: ImageContent): Finding[] {
  const findings: Finding[] = [];
  const state = image.one("acquisitionCompletionState")?.value ?? "Completed Normally";
  if (state !== "Completed Normally") {
    const message = `the image may lack something: its acquisition ended with "${state}"`;
    findings.push({ level: "warning", message });
  }
  const [count, bytes] = [image.one("sectorCount")?.value, image.one("blockSize")?.value];
  if (
    count !== undefined && bytes !== undefined && Number(count) * Number(bytes) !== table.size
  ) {
    const message =
      `the disk had ${count.slice(0, 20)} sectors of ${bytes.slice(0, 20)} bytes, ` +
      `as the image tells, and it has ${plural(table.size, "byte")}`;
    findings.push({ level: "warning", message });
  }
  return findings;
}

/** Places that nobody looked at: section 4.4. */
function unknownFindings({ table, targets }: ImageContent): Finding[] {
  const ranges = targets.flatMap((target, number) =>
    !hasChunks(target) && target.name === UNKNOWN_DATA ? table.placesOf(number) : []
  );
  if (ranges.length === 0) return [];
  const message = `${formatBytes(totalLength(ranges))} of the disk in ${
    plural(ranges.length, "place")
  } were left out when the image was made: the word UNKNOWN, over and over, is in their place`;
  return [{ level: "warning", message }];
}

function hashFindings(
  image: Aff4Thing,
  content: ImageContent,
): Finding[] {
  const findings: Finding[] = [];
  const readers = readersOf(content);
  if (readers.some(({ stream }) => stream.chunkHashes.length === 0)) {
    findings.push({
      level: "warning",
      message: "the image has no hashes of its chunks: that one is damaged is found out by " +
        "`verify` only, and not which one",
    });
  }
  const streams = readers.map(({ stream }) => stream.volume.thing(stream.urn));
  const map = content.map === undefined ? [] : [content.map.thing];
  const names = new Set([image, ...map, ...streams].flatMap(uncheckedHashes));
  const isBlockMapTold = [image, ...map].some((thing) =>
    thing.all("blockMapHash").length > 0 ||
    thing.all("hash").some((term) => toldHash(term)?.isBlockMap)
  );
  if (isBlockMapTold && !isBlockMapClear(image, content)) names.add("blockMapHash");
  if (names.size > 0) {
    const message = `not checked, for the AFF4 Standard does not say what they are over: ` +
      [...names].join(", ");
    findings.push({ level: "note", message });
  }
  return findings;
}

/** The names of properties that tell of hashes which are not checked. */
function uncheckedHashes(thing: Aff4Thing): string[] {
  return [...thing.properties].flatMap(([address, terms]) => {
    const name = schemaName(address) ?? "";
    if (!/hash$/i.test(name)) return [];
    const isKnown = CHECKED.has(name) && terms.every((term) => toldHash(term) !== undefined);
    return isKnown ? [] : [name];
  });
}
