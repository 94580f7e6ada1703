/**
 * What a container tells of case and disk: the terms of its reference images (AFF4 Standard
 * v1.0, section 2, https://github.com/aff4/Standard).
 */
import type { Evidence } from "../image_format.ts";
import { Aff4Thing } from "./description.ts";
import { toldHash, toldHashes } from "./hashes.ts";
import { schemaName } from "./names.ts";
import { RDF_TYPE, type Term } from "./turtle.ts";
import type { Aff4Volume } from "./volume.ts";

/** Name and value of something that is told. */
type Fact = readonly [name: string, value: string];

/** More would not be read by anybody. */
const MAX_FACTS = 500;
const MAX_VALUE_LENGTH = 16 * 1024;

/** What people call these properties; others keep their names. */
const TITLES: Readonly<Record<string, string>> = {
  caseNumber: "case number",
  caseName: "case name",
  caseDescription: "case description",
  evidenceNumber: "evidence number",
  examiner: "examiner",
  notes: "notes",
  timestamp: "time of the notes",
  diskMake: "manufacturer",
  diskModel: "model",
  diskSerial: "serial",
  diskFirmware: "firmware",
  diskInterfaceType: "interface",
  diskDeviceName: "device",
  diskDeviceType: "kind of device",
  diskDeviceRole: "role of the device",
  diskNumberOfPartitions: "partitions",
  diskPartitionTableType: "partition table when it was made",
  sectorCount: "sectors",
  blockSize: "sector size when it was made",
  acquisitionCompletionState: "completion",
  acquisitionType: "acquisition",
  operation: "operation",
  startTime: "begun",
  endTime: "ended",
  timeSource: "source of the times",
  creationTime: "created",
};

/** Structure, which people do not ask for. */
const HIDDEN: ReadonlySet<string> = new Set(["size", "stored", "version", "chunkSize"]);

/** Things that hold bytes: what is told of them is shown in other ways. */
const STRUCTURES: readonly string[] = ["Map", "ImageStream", "BlockHashes"];

/** Things that are told of, those that are about a case first. */
const ORDER: readonly string[] = [
  "CaseDetails",
  "CaseNotes",
  "Image",
  "DiskImage",
  "TimeStamps",
];

/** What is described. */
export interface DescribedImage {
  readonly volume: Aff4Volume;
  readonly others: readonly Aff4Volume[];
  readonly image: Aff4Thing;
  /** How chunks are packed. */
  readonly packing: readonly string[];
}

/** All that is told, for people. */
export function describeContainer({ volume, others, image, packing }: DescribedImage): Fact[] {
  const { major, minor, tool } = volume.facts.version;
  const facts: Fact[] = [["AFF4 version", `${major}.${minor}`]];
  if (tool !== undefined) facts.push(["program", tool]);
  facts.push(["container", volume.urn], ["packed as", packing.join(", ")]);
  for (const other of others) facts.push(["further container", `${other.name}, ${other.urn}`]);
  for (const { kind, hex, isBlockMap } of toldHashes(image, "hash")) {
    if (isBlockMap) facts.push(["block map hash", `${kind.id} ${hex}`]);
  }
  for (const fact of thingsOf(volume).flatMap(factsOf)) facts.push(fact);
  if (facts.length <= MAX_FACTS) return facts;
  return [...facts.slice(0, MAX_FACTS), [
    "further facts",
    `${facts.length - MAX_FACTS}, not shown`,
  ]];
}

/** What examiner and program wrote; of several notes all, the oldest first. */
export function evidenceOf(volume: Aff4Volume, image: Aff4Thing): Evidence {
  const things = thingsOf(volume);
  const texts = (name: string): string[] =>
    things.flatMap((thing) => thing.all(name)).map(({ value }) => shortened(value)).filter(
      Boolean,
    );
  const text = (name: string): string | undefined => texts(name)[0];
  const made = things.find((thing) => thing.is("TimeStamps"))?.all("startTime")[0]?.value;
  const acquired = new Date(made ?? NaN);
  const model = ["diskMake", "diskModel"].flatMap((name) => image.all(name)[0]?.value ?? []);
  return {
    caseNumber: text("caseNumber"),
    evidenceNumber: text("evidenceNumber"),
    description: text("caseDescription") ?? text("caseName"),
    examiner: text("examiner"),
    notes: shortened([...new Set(texts("notes"))].join("; ")) || undefined,
    acquired: Number.isNaN(acquired.getTime()) ? undefined : acquired,
    program: volume.facts.version.tool,
    model: model.length === 0 ? undefined : model.join(" "),
    serial: image.all("diskSerial")[0]?.value,
    isPhysical: image.all("diskDeviceType").some(({ value }) => value === "Disk") || undefined,
  };
}

/** Things that are no structures, in an order that makes sense: notes by their time. */
function thingsOf({ facts: { graph } }: Aff4Volume): Aff4Thing[] {
  return [...graph.keys()].map((urn) => new Aff4Thing(graph, urn))
    .filter((thing) => !STRUCTURES.some((name) => thing.is(name)))
    .toSorted((a, b) => rankOf(a) - rankOf(b) || compare(timeOf(a), timeOf(b)));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function rankOf(thing: Aff4Thing): number {
  const rank = ORDER.findIndex((name) => thing.is(name));
  return rank < 0 ? ORDER.length : rank;
}

function timeOf(thing: Aff4Thing): string {
  return thing.all("timestamp")[0]?.value ?? "";
}

/** The texts of a thing; hashes are told where they are checked. */
function factsOf(thing: Aff4Thing): Fact[] {
  return [...thing.properties].flatMap(([address, terms]) => {
    const name = schemaName(address) ?? address;
    if (address === RDF_TYPE || HIDDEN.has(name)) return [];
    const values = terms.filter((term) => term.kind === "literal" && !isHash(term));
    return values.map(({ value }): Fact => [TITLES[name] ?? name, shortened(value)]);
  });
}

function shortened(value: string): string {
  return value.length <= MAX_VALUE_LENGTH ? value : `${value.slice(0, MAX_VALUE_LENGTH)} ...`;
}

function isHash(term: Term): boolean {
  return toldHash(term) !== undefined;
}
