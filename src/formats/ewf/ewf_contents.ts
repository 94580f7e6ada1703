/**
 * EWF, section "Section types": what stands in an image beside its chunks,
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%20(EWF).asciidoc
 */
import type { Bytes } from "../../core/block.ts";
import { type Finding, FormatError } from "../../core/errors.ts";
import { formatCount } from "../../core/units.ts";
import type { ZlibService } from "../../core/zlib.ts";
import { type EwfDigests, parseDigest, parseHash } from "./ewf_digest.ts";
import { type HeaderText, parseHeader } from "./ewf_header.ts";
import { inflateAll } from "./ewf_inflate.ts";
import { type EwfSession, parseError2, parseSession, type SectorRun } from "./ewf_ranges.ts";
import type { Section } from "./ewf_scan.ts";
import type { SegmentFiles } from "./ewf_segments.ts";

/** EnCase hangs when a header is longer than 1 MiB. */
const MAX_HEADER_BYTES = 4 * 1024 * 1024;

/** Two million runs of bad sectors. */
const MAX_SECTION_BYTES = 16 * 1024 * 1024;

/** What stands in an image beside its chunks and its volume. */
export interface EwfContents {
  /** The last sound one of each kind. */
  readonly header: HeaderText | undefined;
  readonly header2: HeaderText | undefined;
  /** libewf's own extension. */
  readonly hasXheader: boolean;
  readonly digests: EwfDigests;
  readonly errors: readonly SectorRun[];
  readonly sessions: readonly EwfSession[];
  readonly findings: readonly Finding[];
}

/** Collects what the sections hold; what is damaged is a finding. */
export class ContentsReader {
  readonly #files: SegmentFiles;
  readonly #zlib: ZlibService | undefined;
  readonly #findings: Finding[] = [];
  #headers: { header?: HeaderText; header2?: HeaderText } = {};
  #hasXheader = false;
  #digests: EwfDigests = {};
  #errors: readonly SectorRun[] = [];
  #sessions: readonly EwfSession[] = [];

  constructor(files: SegmentFiles, zlib: ZlibService | undefined) {
    this.#files = files;
    this.#zlib = zlib;
  }

  async read(sections: readonly Section[]): Promise<EwfContents> {
    for (const section of sections) {
      try {
        await this.#readSection(section);
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
        this.#warn(section, error.message);
      }
    }
    return {
      header: this.#headers.header,
      header2: this.#headers.header2,
      hasXheader: this.#hasXheader,
      digests: this.#digests,
      errors: this.#errors,
      sessions: this.#sessions,
      findings: this.#findings,
    };
  }

  async #readSection(section: Section): Promise<void> {
    switch (section.type) {
      case "header":
      case "header2":
        await this.#readHeader(section, section.type);
        break;
      case "digest":
        this.#addDigests(section, parseDigest(await this.#bytesOf(section), section.start));
        break;
      case "hash":
        this.#addDigests(section, parseHash(await this.#bytesOf(section), section.start));
        break;
      case "error2":
        this.#errors = parseError2(await this.#bytesOf(section), section.start);
        break;
      case "session":
        this.#sessions = parseSession(await this.#bytesOf(section), section.start);
        break;
      case "xheader":
        this.#hasXheader = true;
        break;
      case "incomplete":
        this.#warn(section, "the program that made the image calls it incomplete");
        break;
    }
  }

  async #readHeader(section: Section, type: "header" | "header2"): Promise<void> {
    const packed = await this.#bytesOf(section);
    const [text] = await inflateAll([packed], MAX_HEADER_BYTES, this.#zlib);
    if (text === undefined) {
      throw new FormatError(`the ${type} section cannot be unpacked`, section.start, type);
    }
    this.#headers[type] = parseHeader(text, section.start);
  }

  #addDigests(section: Section, digests: EwfDigests): void {
    const known = this.#digests;
    for (const name of ["md5", "sha1"] as const) {
      if (known[name] === undefined || digests[name] === undefined) continue;
      if (known[name] === digests[name]) continue;
      this.#warn(section, `the ${section.type} section holds another ${name} than one before`);
    }
    this.#digests = {
      md5: digests.md5 ?? known.md5,
      sha1: digests.sha1 ?? known.sha1,
    };
  }

  async #bytesOf(section: Section): Promise<Bytes> {
    const length = section.end - section.start;
    if (length > MAX_SECTION_BYTES) {
      const message = `the ${section.type} section is ${formatCount(length)} bytes long`;
      throw new FormatError(message, section.start, "section size");
    }
    return await this.#files.read(section.segment, section.start, length);
  }

  #warn(section: Section, text: string): void {
    const message = `${this.#files.nameOf(section.segment)}: ${text}`;
    this.#findings.push({ level: "warning", message });
  }
}
