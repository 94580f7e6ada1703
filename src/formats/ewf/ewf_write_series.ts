/**
 * The files of an EWF image as they are written, one after the other,
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%20(EWF).asciidoc
 */
import type { Bytes } from "../../core/block.ts";
import type { ZlibService } from "../../core/zlib.ts";
import type { Evidence, ImageOutput, OutputFolder } from "../image_format.ts";
import {
  DIGEST_BYTES,
  type EwfDigests,
  formatDigest,
  formatHash,
  HASH_BYTES,
} from "./ewf_digest.ts";
import { formatHeaders } from "./ewf_header.ts";
import { segmentName } from "./ewf_names.ts";
import { formatError2, type SectorRun } from "./ewf_ranges.ts";
import { DESCRIPTOR_BYTES, formatFileHeader } from "./ewf_sections.ts";
import {
  FLAG_IMAGE,
  FLAG_PHYSICAL,
  formatSmartVolume,
  formatVolume,
  MEDIA_FIXED,
  MEDIA_REMOVABLE,
  VOLUME_BYTES,
} from "./ewf_volume.ts";
import type { PackedChunk } from "./ewf_write_chunks.ts";
import { checkCounts, type EwfSettings, tooManySegments } from "./ewf_write_plan.ts";
import {
  type EwfSection,
  type Outlook,
  sectionBytes,
  SegmentWriter,
} from "./ewf_write_segment.ts";

/** What libewf packs headers with. */
const HEADER_LEVEL = 6;

const NO_ERROR2_BYTES = formatError2([]).length;
const ERROR2_ENTRY_BYTES = formatError2([{ first: 0, count: 1 }]).length - NO_ERROR2_BYTES;

/** Sectors from here on cannot be named in an error2 section. */
const ERROR2_SECTORS = 2 ** 32;

/** Where the image goes, and what is said of it. */
export interface SeriesOptions {
  readonly output: ImageOutput;
  readonly folder: OutputFolder | undefined;
  readonly settings: EwfSettings;
  readonly zlib: ZlibService;
  readonly evidence: Evidence | undefined;
}

/** What is known at the end. */
export interface SeriesEnd {
  readonly sectorCount: number;
  /** In ascending order. */
  readonly badSectors: readonly SectorRun[];
  readonly digests: EwfDigests;
}

/** A file, and where it tells the size of the medium. */
interface Segment {
  readonly name: string;
  readonly writer: SegmentWriter;
  /** Of what stands in its volume or data section; absent where it has none. */
  readonly volumeOffset: number | undefined;
}

/** See the head of this file. Calls must not overlap, but for `flush`. */
export class SegmentSeries {
  readonly #options: SeriesOptions;
  readonly #settings: EwfSettings;
  readonly #setIdentifier = randomIdentifier();
  readonly #segments: Segment[] = [];
  readonly #unflushed = new Set<SegmentWriter>();
  /** What volume sections say: 0 as long as it is not known. */
  #sectorCount: number;
  #chunkCount = 0;

  constructor(options: SeriesOptions) {
    const { settings } = options;
    this.#options = options;
    this.#settings = settings;
    this.#sectorCount = Number.isFinite(settings.size)
      ? settings.size / settings.sectorBytes
      : 0;
  }

  /** The names of the files so far. */
  get names(): readonly string[] {
    return this.#segments.map(({ name }) => name);
  }

  /**
   * Writes chunks that follow those of the call before. `badRuns` is how many runs of bad
   * sectors are known now: room for them is kept.
   *
   * @throws {ImagingError} when there are no more files to be had.
   */
  async add(chunks: readonly PackedChunk[], badRuns: number): Promise<void> {
    let { writer } = this.#segments.at(-1) ?? await this.#begin();
    for (const chunk of chunks) {
      while (!writer.add(chunk, this.#outlook(badRuns))) {
        await writer.end([], "next");
        ({ writer } = await this.#begin());
      }
      this.#chunkCount++;
    }
    await writer.write();
  }

  /** Writes what stands at the end, corrects what was not known before, and flushes. */
  async finish(end: SeriesEnd): Promise<void> {
    const { writer } = this.#segments.at(-1) ?? await this.#begin();
    const isCorrect = this.#sectorCount === end.sectorCount;
    checkCounts(this.#settings, end.sectorCount);
    this.#sectorCount = end.sectorCount;
    await writer.end(this.#tail(end), "done");
    if (!isCorrect) await this.#correctVolumes();
    await this.flush();
  }

  /** Makes durable what is written. */
  async flush(): Promise<void> {
    for (const writer of [...this.#unflushed]) {
      // Asked first: what is written during the flush needs another one.
      const { isEnded } = writer;
      await writer.output.flush();
      if (isEnded) this.#unflushed.delete(writer);
    }
  }

  async #begin(): Promise<Segment> {
    const number = this.#segments.length + 1;
    const { name, output } = await this.#open(number);
    const writer = new SegmentWriter(output, this.#settings);
    this.#unflushed.add(writer);
    writer.append(formatFileHeader(number));
    if (number === 1) await this.#appendHeaders(writer);
    const hasVolume = number === 1 || !this.#settings.layout.isSmart;
    if (hasVolume) {
      writer.appendSection({ type: number === 1 ? "volume" : "data", data: this.#volume() });
    }
    const volumeOffset = hasVolume ? writer.position - this.#volume().length : undefined;
    const segment = { name, writer, volumeOffset };
    this.#segments.push(segment);
    return segment;
  }

  async #open(number: number): Promise<{ name: string; output: ImageOutput }> {
    const { output, folder } = this.#options;
    const { name, maxSegments, segmentBytes } = this.#settings;
    if (number === 1) return { name, output };
    const next = segmentName(name, number);
    if (next === undefined || folder === undefined) {
      throw tooManySegments(name, maxSegments, segmentBytes);
    }
    return { name: next, output: await folder.create(next) };
  }

  async #appendHeaders(writer: SegmentWriter): Promise<void> {
    const { zlib, evidence } = this.#options;
    const { layout, level, compression } = this.#settings;
    const sections = formatHeaders(layout.headers, {
      ...evidence,
      systemTime: evidence?.acquired,
      compression,
    });
    for (const { type, text } of sections) {
      const headerLevel = layout.isSmart ? level : HEADER_LEVEL;
      const [data = new Uint8Array()] = await zlib.deflate(text, text.length, headerLevel);
      writer.appendSection({ type, data });
    }
  }

  /** What stands in a volume or data section, as far as it is known. */
  #volume(): Bytes {
    const { layout, chunkSectors, sectorBytes, compression } = this.#settings;
    const sectorCount = this.#sectorCount;
    const geometry = {
      chunkCount: Math.ceil(sectorCount / chunkSectors),
      chunkSectors,
      sectorBytes,
      sectorCount,
    };
    if (layout.isSmart) return formatSmartVolume(geometry);
    const { isPhysical, isRemovable } = this.#options.evidence ?? {};
    const hasMore = layout.hasSetIdentifier;
    return formatVolume({
      ...geometry,
      mediaType: isRemovable === true ? MEDIA_REMOVABLE : MEDIA_FIXED,
      mediaFlags: FLAG_IMAGE | (isPhysical === true ? FLAG_PHYSICAL : 0),
      compressionLevel: hasMore ? ["none", "fast", "best"].indexOf(compression) : 0,
      // Each sector is tried on its own.
      errorGranularity: hasMore ? 1 : 0,
      setIdentifier: hasMore ? this.#setIdentifier : new Uint8Array(16),
    });
  }

  /** The sections at the end of the last file, but for the last one, as libewf orders them. */
  #tail({ badSectors, digests }: SeriesEnd): EwfSection[] {
    const { layout } = this.#settings;
    const { md5, sha1 } = digests;
    const sections: EwfSection[] = [];
    if (this.#segments.length === 1 && !layout.isSmart) {
      sections.push({ type: "data", data: this.#volume() });
    }
    const runs = layout.hasError2 ? badSectors.flatMap(nameable) : [];
    if (runs.length > 0) sections.push({ type: "error2", data: formatError2(runs) });
    if (layout.hasDigest && (md5 ?? sha1) !== undefined) {
      sections.push({ type: "digest", data: formatDigest(digests) });
    }
    if (md5 !== undefined) sections.push({ type: "hash", data: formatHash(digests) });
    return sections;
  }

  #outlook(badRuns: number): Outlook {
    const { layout } = this.#settings;
    const chunkCount = Math.ceil(this.#sectorCount / this.#settings.chunkSectors);
    const tailBytes = DESCRIPTOR_BYTES + sectionBytes(DIGEST_BYTES) + sectionBytes(HASH_BYTES) +
      (this.#segments.length === 1 ? sectionBytes(VOLUME_BYTES) : 0) +
      (layout.hasError2 && badRuns > 0 ? sectionBytes(error2Bytes(badRuns)) : 0);
    return {
      tailBytes,
      chunksLeft: chunkCount === 0 ? Infinity : Math.max(chunkCount - this.#chunkCount, 1),
    };
  }

  async #correctVolumes(): Promise<void> {
    const volume = this.#volume();
    for (const { writer, volumeOffset } of this.#segments) {
      if (volumeOffset === undefined) continue;
      this.#unflushed.add(writer);
      await writer.output.writeAt(volumeOffset, volume);
    }
  }
}

/** As much of a run of sectors as has room in an error2 section. */
function nameable({ first, count }: SectorRun): SectorRun[] {
  if (first >= ERROR2_SECTORS) return [];
  return [{ first, count: Math.min(count, ERROR2_SECTORS - 1, ERROR2_SECTORS - first) }];
}

/** Bytes behind the descriptor of an error2 section. */
function error2Bytes(runs: number): number {
  return NO_ERROR2_BYTES + runs * ERROR2_ENTRY_BYTES;
}

/** A random UUID, version 4 (RFC 9562), in the order of Windows. */
function randomIdentifier(): Uint8Array {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[7] = 0x40 | ((bytes[7] ?? 0) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  return bytes;
}
