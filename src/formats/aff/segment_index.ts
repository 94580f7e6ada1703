import type { BlockSource, Bytes } from "../../core/block.ts";
import { readBytes } from "../../core/bytes.ts";
import { type Finding, FormatError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";
import { type PageAlgorithm, pageAlgorithm } from "./page_flags.ts";
import { segmentKind } from "./segment_names.ts";
import { type PlacedSegment, walkSegments } from "./segment_walk.ts";

/** 64 TiB in pages of 16 MiB; this bounds what a file can make us remember. */
const MAX_SEGMENTS = 4 * 1024 * 1024;

/** Values that are kept; longer ones are known by their length only. */
const MAX_VALUE_BYTES = 64 * 1024;
const MAX_VALUES = 1000;
const MAX_ALL_VALUES_BYTES = 4 * 1024 * 1024;

/** More of them would not be read by anybody. */
const MAX_WARNINGS = 50;

/** Bytes of the digests that pages can have. */
const DIGEST_BYTES: Readonly<Record<string, number>> = { md5: 16, sha1: 20, sha256: 32 };

/** What a segment holds that is no page. */
export interface SegmentValue {
  readonly flag: number;
  readonly dataBytes: number;
  /** Undefined when it is too long to be kept. */
  readonly data: Bytes | undefined;
  /** Where its data lie in the file. */
  readonly offset: number;
}

/** Digests of pages: for each algorithm and page, where in the file the digest lies. */
export type PageDigests = ReadonlyMap<string, ReadonlyMap<number, number>>;

/** What is where in an AFF file. */
export interface SegmentIndex {
  /** By the number of a page, the first byte of its segment. */
  readonly pages: ReadonlyMap<number, number>;
  /** Pages that are there more than once: nobody can tell which one is right. */
  readonly repeatedPages: ReadonlySet<number>;
  readonly pageDigests: PageDigests;
  /** How pages are packed. */
  readonly algorithms: ReadonlySet<PageAlgorithm>;
  /** All other segments by their names. */
  readonly values: ReadonlyMap<string, SegmentValue>;
  readonly encryptedCount: number;
  readonly signatureCount: number;
  readonly findings: readonly Finding[];
}

/**
 * Reads the heads of all segments, and the values of small ones.
 *
 * @throws {FormatError} when there are too many of them.
 * @throws {ReadError} when the file cannot be read.
 */
export async function readSegmentIndex(file: BlockSource): Promise<SegmentIndex> {
  const builder = new IndexBuilder(file);
  for await (const segment of walkSegments(file, (finding) => builder.findings.push(finding))) {
    await builder.add(segment);
  }
  return builder;
}

class IndexBuilder implements SegmentIndex {
  readonly pages = new Map<number, number>();
  readonly repeatedPages = new Set<number>();
  readonly pageDigests = new Map<string, Map<number, number>>();
  readonly algorithms = new Set<PageAlgorithm>();
  readonly values = new Map<string, SegmentValue>();
  readonly findings: Finding[] = [];
  encryptedCount = 0;
  signatureCount = 0;
  readonly #file: BlockSource;
  #segments = 0;
  #valueBytes = 0;

  constructor(file: BlockSource) {
    this.#file = file;
  }

  async add(segment: PlacedSegment): Promise<void> {
    this.#segments++;
    if (this.#segments > MAX_SEGMENTS) {
      throw new FormatError(
        `there are more than ${MAX_SEGMENTS} segments in the AFF file`,
        segment.offset,
        "segment",
      );
    }
    const what = segmentKind(segment.name);
    if (what.kind === "page") this.#addPage(what.page, segment);
    else if (what.kind === "pageDigest") this.#addDigest(what.algorithm, what.page, segment);
    else if (what.kind === "encrypted") this.encryptedCount++;
    else if (what.kind === "signature") this.signatureCount++;
    else if (what.kind === "value") await this.#addValue(segment);
  }

  #addPage(page: number, { offset, flag }: PlacedSegment): void {
    if (this.pages.has(page)) this.repeatedPages.add(page);
    else this.pages.set(page, offset);
    this.algorithms.add(pageAlgorithm(flag));
  }

  #addDigest(algorithm: string, page: number, segment: PlacedSegment): void {
    if (segment.dataBytes !== DIGEST_BYTES[algorithm]) {
      this.#warn(`the segment ${printable(segment.name)} holds no digest: it is not used`);
      return;
    }
    let places = this.pageDigests.get(algorithm);
    if (places === undefined) this.pageDigests.set(algorithm, places = new Map());
    places.set(page, segment.offset + segment.dataOffset);
  }

  async #addValue(segment: PlacedSegment): Promise<void> {
    const { name, flag, dataBytes } = segment;
    if (this.values.has(name)) {
      // The first one is what AFFLIB finds, too.
      this.#warn(
        `the segment ${printable(name)} is there more than once: the first one counts`,
      );
      return;
    }
    if (this.values.size >= MAX_VALUES) return;
    const offset = segment.offset + segment.dataOffset;
    const isKept = dataBytes <= MAX_VALUE_BYTES &&
      this.#valueBytes + dataBytes <= MAX_ALL_VALUES_BYTES;
    if (isKept) this.#valueBytes += dataBytes;
    const data = isKept ? (await readBytes(this.#file, offset, dataBytes)).slice() : undefined;
    this.values.set(name, { flag, dataBytes, data, offset });
  }

  #warn(message: string): void {
    if (this.findings.length < MAX_WARNINGS) {
      this.findings.push({ level: "warning", message });
    }
  }
}
