/**
 * EWF version 2, section "The sections": what stands in an image beside its chunks,
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%202%20(EWF2).asciidoc
 */
import type { Bytes } from "../../core/block.ts";
import { toHex } from "../../core/bytes.ts";
import { type Finding, FormatError } from "../../core/errors.ts";
import { formatCount } from "../../core/units.ts";
import type { ZlibService } from "../../core/zlib.ts";
import { inflateAll } from "../ewf/ewf_inflate.ts";
import type { EwfSession, SectorRun } from "../ewf/ewf_ranges.ts";
import { requireSound } from "../ewf/ewf_sections.ts";
import type { SegmentFiles } from "../ewf/ewf_segments.ts";
import { type Ewf2Case, type Ewf2Device, parseCase, parseDevice } from "./ewf2_geometry.ts";
import type { Section } from "./ewf2_scan.ts";
import { hasIntegrityHash, isKnownType, SECTION, sectionTitle } from "./ewf2_sections.ts";
import { type Attributes, numberOf, parseAttributes } from "./ewf2_serialized.ts";
import { parseErrorTable, parseSessionTable } from "./ewf2_tables.ts";

/** EnCase limits each of a few texts to 3000 characters. */
const MAX_TEXT_BYTES = 4 * 1024 * 1024;

/** A million runs of bad sectors. */
const MAX_SECTION_BYTES = 16 * 1024 * 1024;

// MD5 hash: 16 bytes and their Adler-32; SHA1 hash: 20 bytes and theirs.
const DIGEST_BYTES = { md5: 16, sha1: 20 } as const;

/** What stands in an image beside its chunks. */
export interface Ewf2Contents {
  /** The first sound one of all segments. */
  readonly device: Ewf2Device | undefined;
  readonly case: Ewf2Case | undefined;
  /** In lower-case hexadecimal. */
  readonly digests: { readonly md5?: string; readonly sha1?: string };
  readonly errors: readonly SectorRun[];
  readonly sessions: readonly EwfSession[];
  /** Bytes that were not written since a pattern fills them, as EnCase says. */
  readonly filledBytes: number | undefined;
  readonly findings: readonly Finding[];
}

/** Collects what the sections hold; what is damaged is a finding. */
export class ContentsReader {
  readonly #files: SegmentFiles;
  readonly #zlib: ZlibService | undefined;
  readonly #findings: Finding[] = [];
  #device: Ewf2Device | undefined;
  #case: Ewf2Case | undefined;
  #digests: { md5?: string; sha1?: string } = {};
  #errors: readonly SectorRun[] = [];
  #sessions: readonly EwfSession[] = [];
  #filledBytes: number | undefined;

  constructor(files: SegmentFiles, zlib: ZlibService | undefined) {
    this.#files = files;
    this.#zlib = zlib;
  }

  async read(sections: readonly Section[]): Promise<Ewf2Contents> {
    for (const section of sections) {
      try {
        await this.#readSection(section);
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
        this.#add("warning", section, error.message);
      }
    }
    return {
      device: this.#device,
      case: this.#case,
      digests: this.#digests,
      errors: this.#errors,
      sessions: this.#sessions,
      filledBytes: this.#filledBytes,
      findings: this.#findings,
    };
  }

  async #readSection(section: Section): Promise<void> {
    const { type, start } = section;
    switch (type) {
      case SECTION.device:
        this.#addDevice(section, parseDevice(await this.#attributesOf(section), start));
        break;
      case SECTION.case:
        this.#addCase(section, parseCase(await this.#attributesOf(section), start));
        break;
      case SECTION.md5:
        await this.#readDigest(section, "md5");
        break;
      case SECTION.sha1:
        await this.#readDigest(section, "sha1");
        break;
      case SECTION.errors:
        this.#errors = parseErrorTable(await this.#bytesOf(section), start);
        break;
      case SECTION.sessions:
        this.#sessions = parseSessionTable(await this.#bytesOf(section), start);
        break;
      case SECTION.analytical: {
        const attributes = await this.#attributesOf(section);
        this.#filledBytes = numberOf(attributes, "tps", "number of filled bytes", start);
        break;
      }
      case SECTION.increment:
        this.#add(
          "warning",
          section,
          "it holds increment data: what that changes is not known",
        );
        break;
      case SECTION.restart:
        this.#add("note", section, "the acquisition was interrupted and gone on with");
        break;
      case SECTION.memory:
        this.#add("note", section, "its list of memory extents is not shown");
        break;
      default:
        if (isKnownType(type)) break;
        this.#add("warning", section, `nothing is known of its section ${sectionTitle(type)}`);
    }
  }

  #addDevice(section: Section, device: Ewf2Device): void {
    const { sectorBytes, sectorCount } = this.#device ?? device;
    this.#device ??= device;
    if (device.sectorBytes === sectorBytes && device.sectorCount === sectorCount) return;
    this.#add("warning", section, "its device information tells of another medium");
  }

  #addCase(section: Section, data: Ewf2Case): void {
    const { chunkSectors, chunkCount } = this.#case ?? data;
    this.#case ??= data;
    if (data.chunkSectors === chunkSectors && data.chunkCount === chunkCount) return;
    this.#add("warning", section, "its case data tells of another medium");
  }

  async #readDigest(section: Section, name: "md5" | "sha1"): Promise<void> {
    const bytes = await this.#bytesOf(section);
    const length = DIGEST_BYTES[name];
    requireSound(bytes, length + 4, sectionTitle(section.type), section.start);
    const digest = toHex(bytes.subarray(0, length));
    const known = this.#digests[name];
    if (known !== undefined && known !== digest) {
      const text = `its ${sectionTitle(section.type)} is another one than the one before`;
      this.#add("warning", section, text);
    }
    this.#digests[name] = digest;
  }

  async #attributesOf(section: Section): Promise<Attributes> {
    const title = sectionTitle(section.type);
    const packed = await this.#bytesOf(section);
    const [text] = await inflateAll([packed], MAX_TEXT_BYTES, this.#zlib);
    if (text === undefined) {
      throw new FormatError(`its ${title} cannot be unpacked`, section.start, title);
    }
    return parseAttributes(text, title, section.start);
  }

  async #bytesOf(section: Section): Promise<Bytes> {
    return await readSection(this.#files, section, MAX_SECTION_BYTES);
  }

  #add(level: Finding["level"], section: Section, text: string): void {
    const message = `${this.#files.nameOf(section.segment)}: ${text}`;
    this.#findings.push({ level, message });
  }
}

/**
 * The data of a section of at most `maxBytes`.
 *
 * @throws {FormatError} when it is longer, or does not fit its integrity hash.
 */
export async function readSection(
  files: SegmentFiles,
  { type, segment, start, end, md5 }: Section,
  maxBytes: number,
): Promise<Bytes> {
  const title = sectionTitle(type);
  if (end - start > maxBytes) {
    const message = `its ${title} is ${formatCount(end - start)} bytes long`;
    throw new FormatError(message, start, "data size");
  }
  const data = await files.read(segment, start, end - start);
  if (md5 !== undefined && !hasIntegrityHash(data, md5)) {
    const message = `its ${title} does not fit its integrity hash`;
    throw new FormatError(message, start, "data integrity hash");
  }
  return data;
}
