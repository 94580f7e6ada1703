/**
 * What the text of a block map says, before it is compared with itself: see bmap.ts
 * (https://github.com/yoctoproject/bmaptool, README and the comments in each map).
 */
import type { BmapReader, BmapTag, BmapText } from "./bmap_reader.ts";

/** How a version writes what has changed over time. */
export interface BmapDialect {
  /** Fields that must be there, each once. */
  readonly fields: readonly string[];
  /** The kind of all checksums; undefined where the field ChecksumType says it. */
  readonly checksumType: string | undefined;
  /** The field with the checksum of the file. */
  readonly fileChecksum: string | undefined;
  /** The attribute of a range with its checksum. */
  readonly attribute: string;
}

const COUNTS = ["ImageSize", "BlockSize", "BlocksCount", "MappedBlocksCount"] as const;

const CURRENT: BmapDialect = {
  fields: [...COUNTS, "ChecksumType", "BmapFileChecksum"],
  checksumType: undefined,
  fileChecksum: "BmapFileChecksum",
  attribute: "chksum",
};

const DIALECTS: Readonly<Record<string, BmapDialect>> = {
  "1.2": {
    fields: COUNTS,
    checksumType: "sha1",
    fileChecksum: undefined,
    attribute: "sha1",
  },
  "1.3": {
    fields: [...COUNTS, "BmapFileSHA1"],
    checksumType: "sha1",
    fileChecksum: "BmapFileSHA1",
    attribute: "sha1",
  },
  "1.4": CURRENT,
  "2.0": CURRENT,
};

/** A range as it stands in the text. */
export interface BlockRun {
  /** Place in the text. */
  readonly at: number;
  readonly first: number;
  readonly last: number;
  readonly checksum: string | undefined;
}

/** What the text says, before it is compared with itself. */
export interface RawBmap {
  readonly dialect: BmapDialect;
  readonly fields: ReadonlyMap<string, BmapText>;
  readonly runs: readonly BlockRun[];
}

/** @throws {FormatError} where it is no block map of a known version. */
export function readBmap(reader: BmapReader): RawBmap {
  const root = reader.next("");
  if (root === undefined) return reader.fail({ at: 0, field: "bmap", reason: "it is empty" });
  const dialect = dialectOf(reader, root);
  const fields = new Map<string, BmapText>();
  let runs: BlockRun[] | undefined;
  for (let tag = reader.next("bmap"); tag !== undefined; tag = reader.next("bmap")) {
    const { at, name: field } = tag;
    const isKnown = field === "BlockMap" || dialect.fields.includes(field);
    if (!isKnown) reader.fail({ at, field, reason: `unknown field ${field}` });
    if (fields.has(field) || (field === "BlockMap" && runs !== undefined)) {
      reader.fail({ at, field, reason: `a second ${field}` });
    }
    refuseAttributes(reader, tag);
    if (field === "BlockMap") runs = readRuns(reader, dialect);
    else fields.set(field, reader.text(field));
  }
  const after = reader.next("");
  if (after !== undefined) {
    reader.fail({ at: after.at, field: after.name, reason: "something follows the map" });
  }
  for (const field of dialect.fields) {
    if (!fields.has(field)) {
      reader.fail({ at: root.at, field, reason: `there is no ${field}` });
    }
  }
  if (runs === undefined) {
    return reader.fail({ at: root.at, field: "BlockMap", reason: "there is no BlockMap" });
  }
  return { dialect, fields, runs };
}

function dialectOf(reader: BmapReader, { at, name, attributes }: BmapTag): BmapDialect {
  if (name !== "bmap") {
    return reader.fail({ at, field: "bmap", reason: `it is no block map but ${name}` });
  }
  const version = attributes.get("version") ?? "";
  const dialect = Object.hasOwn(DIALECTS, version) ? DIALECTS[version] : undefined;
  if (dialect === undefined || attributes.size > 1) {
    return reader.fail({
      at,
      field: "version",
      reason: `only versions ${Object.keys(DIALECTS).join(", ")} can be read, ` +
        (version === "" ? "and it names none" : `not ${version.slice(0, 40)}`),
      hint: "make the map anew with bmaptool create, or do without it",
    });
  }
  return dialect;
}

function refuseAttributes(reader: BmapReader, { at, name, attributes }: BmapTag): void {
  const [key] = attributes.keys();
  if (key === undefined) return;
  reader.fail({ at, field: name, reason: `${name} has an unknown attribute ${key}` });
}

/** The ranges of the element BlockMap: ascending, without overlaps. */
function readRuns(reader: BmapReader, { attribute }: BmapDialect): BlockRun[] {
  const runs: BlockRun[] = [];
  const field = "Range";
  let next = 0;
  for (let tag = reader.next("BlockMap"); tag !== undefined; tag = reader.next("BlockMap")) {
    const { at, name, attributes } = tag;
    const checksum = attributes.get(attribute);
    if (name !== field) reader.fail({ at, field: name, reason: `unknown field ${name}` });
    if (attributes.size > (checksum === undefined ? 0 : 1)) {
      const reason = `the only attribute of a range is ${attribute}`;
      reader.fail({ at, field, reason });
    }
    const { text } = reader.text(field);
    const [, from, to] = /^(\d{1,16})(?:[ \t\r\n]*-[ \t\r\n]*(\d{1,16}))?$/.exec(text) ?? [];
    const first = Number(from);
    const last = to === undefined ? first : Number(to);
    if (from === undefined || !Number.isSafeInteger(last + 1)) {
      reader.fail({ at, field, reason: "a range is two block numbers, or one" });
    }
    if (last < first) {
      reader.fail({ at, field, reason: `the range ends before it begins: ${first}-${last}` });
    }
    if (first < next) {
      const reason = `block ${first} comes after block ${next - 1}: ranges must ascend`;
      reader.fail({ at, field, reason });
    }
    next = last + 1;
    runs.push({ at, first, last, checksum });
  }
  return runs;
}
