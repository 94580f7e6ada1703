import type { Bytes, Chunk } from "../../core/block.ts";
import { ImagingError } from "../../core/errors.ts";
import { endOf } from "../../core/range.ts";
import type {
  Compression,
  ImageOutput,
  ImagePlan,
  ImageSummary,
  ImageWriter,
} from "../image_format.ts";
import { formatHead, formatTrailer } from "./image_segments.ts";
import { type PackedPage, packPage } from "./page_packer.ts";
import { pageName } from "./segment_names.ts";
import { formatSegment, segmentFrame } from "./segments.ts";

/**
 * A quarter of what AFFLIB makes (AFF_DEFAULT_PAGESIZE; it unpacks no larger ones): several
 * pages are in memory at once, each as it is and packed.
 */
const DEFAULT_PAGE_BYTES = 4 * 1024 * 1024;

/** Pages that are being packed or written, beside the one that is being filled. */
const PAGES_UNDER_WAY = 4;

const DEFAULT_COMPRESSION: Compression = "fast";

/**
 * Begins an AFF image. Pages hold `pageBytes`, or less where that is no whole number of
 * sectors.
 *
 * @throws {ImagingError} `usage` when it cannot be packed as the plan says.
 */
export function createAff(
  output: ImageOutput,
  plan: ImagePlan,
  pageBytes = DEFAULT_PAGE_BYTES,
): ImageWriter {
  const { zlib, compression = DEFAULT_COMPRESSION, sectorSize = 512 } = plan;
  if (zlib === undefined && compression !== "none") {
    throw new ImagingError("usage", `cannot compress ${output.name}: there is no zlib`, {
      hint: "write it without compression",
    });
  }
  return new AffWriter(output, plan, Math.floor(pageBytes / sectorSize) * sectorSize);
}

/**
 * Writes an AFF image: what is known beforehand, pages, digests. Some numbers at its
 * beginning are put right at the end.
 *
 * Unreadable places are zeros in the page, as the flow gives them, so that the digests of
 * the content are those of the image. Their number is stored. The pattern of the segment
 * badflag, which marks them in images of AFFLIB, stands in none of the pages: affcat would
 * show zeros in its place, affverify and the digests would not.
 */
class AffWriter implements ImageWriter {
  readonly name: string;
  readonly #output: ImageOutput;
  readonly #plan: ImagePlan;
  readonly #pageBytes: number;
  readonly #sectorSize: number;
  readonly #badFlag: Bytes;
  /** Bytes of the medium so far. */
  #size = 0;
  #badSectors = 0;
  /** The first sector that was not counted as bad yet. */
  #nextSector = 0;
  #pages = 0;
  /** The page that is being filled, and how far it is. */
  #page: Bytes | undefined;
  #filled = 0;
  /** Buffers of pages that are written. */
  readonly #free: Bytes[] = [];
  readonly #underWay = new Set<Promise<void>>();
  /** End of what is written or will be, once the pages before are packed. */
  #fileEnd: Promise<number>;
  /** Settles when all chunks before have been taken. */
  #turn: Promise<unknown>;
  #failure: { readonly cause: unknown } | undefined;

  constructor(output: ImageOutput, plan: ImagePlan, pageBytes: number) {
    this.name = output.name;
    this.#output = output;
    this.#plan = plan;
    this.#pageBytes = pageBytes;
    this.#sectorSize = plan.sectorSize ?? 512;
    this.#badFlag = badFlag(this.#sectorSize);
    const size = Number.isFinite(plan.size) ? plan.size : undefined;
    const head = this.#head(size);
    this.#fileEnd = Promise.resolve(head.length);
    this.#turn = output.writeAt(0, head).catch((cause) => this.#fail(cause));
  }

  consume(chunk: Chunk): Promise<void> {
    const taken = this.#turn.then(() => this.#take(chunk));
    this.#turn = taken.catch((cause) => this.#fail(cause));
    return taken;
  }

  /** The page that is not full is in no file yet: AFF is written in one go. */
  async sync(): Promise<void> {
    await this.#turn;
    await this.#allWritten();
    await this.#output.flush();
  }

  async finish(): Promise<ImageSummary> {
    await this.#turn;
    this.#throwFailure();
    if (this.#filled > 0) this.#closePage();
    await this.#allWritten();
    const digests = await this.#plan.digests?.() ?? [];
    const end = await this.#fileEnd;
    const trailer = formatTrailer(digests);
    await this.#output.writeAt(end, trailer);
    await this.#output.writeAt(0, this.#head(this.#size));
    await this.#output.setSize(end + trailer.length);
    await this.#output.flush();
    return {
      size: this.#size,
      holeBytes: 0,
      compression: this.#plan.compression ?? DEFAULT_COMPRESSION,
    };
  }

  abort(cause: unknown): Promise<void> {
    this.#fail(cause);
    this.#free.length = 0;
    this.#page = undefined;
    return Promise.resolve();
  }

  /** What stands in front of the pages: always of the same length. */
  #head(size: number | undefined): Bytes {
    return formatHead({
      size,
      sectorSize: this.#sectorSize,
      pageBytes: this.#pageBytes,
      badFlag: this.#badFlag,
      badSectors: this.#badSectors,
      evidence: this.#plan.evidence ?? {},
    });
  }

  async #take(chunk: Chunk): Promise<void> {
    this.#throwFailure();
    if (chunk.offset !== this.#size) {
      throw new Error(`A chunk begins at ${chunk.offset} instead of ${this.#size}`);
    }
    for (let at = 0; at < chunk.length;) {
      const page = this.#page ??= await this.#emptyPage();
      const part = chunk.bytes.subarray(at, at + this.#pageBytes - this.#filled);
      page.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === this.#pageBytes) this.#closePage();
    }
    this.#size = endOf(chunk);
    this.#countBadSectors(chunk);
  }

  /** A sector counts once, also when it lies in two chunks. */
  #countBadSectors(chunk: Chunk): void {
    for (const range of chunk.bad) {
      const first = Math.max(this.#nextSector, Math.floor(range.offset / this.#sectorSize));
      const end = Math.ceil(endOf(range) / this.#sectorSize);
      this.#badSectors += Math.max(0, end - first);
      this.#nextSector = Math.max(this.#nextSector, end);
    }
  }

  /** A buffer to fill, once fewer pages than allowed are under way. */
  async #emptyPage(): Promise<Bytes> {
    while (this.#underWay.size >= PAGES_UNDER_WAY) await Promise.race(this.#underWay);
    this.#throwFailure();
    return this.#free.pop() ?? new Uint8Array(this.#pageBytes);
  }

  /** Sends the page that was filled on its way. */
  #closePage(): void {
    const page = this.#page as Bytes;
    const number = this.#pages++;
    const { compression = DEFAULT_COMPRESSION, zlib } = this.#plan;
    const packed = packPage(page.subarray(0, this.#filled), compression, zlib)
      .then((result) => partsOf(number, result));
    const start = this.#fileEnd;
    this.#fileEnd = Promise.all([start, packed])
      .then(([offset, parts]) => offset + parts.reduce((sum, part) => sum + part.length, 0));
    // Whoever waits for the page is told.
    this.#fileEnd.catch(() => {});
    const written = Promise.all([start, packed])
      .then(([offset, parts]) => this.#write(offset, parts))
      .then(() => void this.#free.push(page), (cause) => this.#fail(cause))
      .finally(() => this.#underWay.delete(written));
    this.#underWay.add(written);
    this.#page = undefined;
    this.#filled = 0;
  }

  /** Writes the parts one behind the other. */
  async #write(offset: number, parts: readonly Bytes[]): Promise<void> {
    this.#throwFailure();
    const writes: Promise<void>[] = [];
    let at = offset;
    for (const part of parts) {
      writes.push(this.#output.writeAt(at, part));
      at += part.length;
    }
    // All of them, also after a failure: they still use the page.
    for (const result of await Promise.allSettled(writes)) {
      if (result.status === "rejected") throw result.reason;
    }
  }

  async #allWritten(): Promise<void> {
    await Promise.all(this.#underWay);
    this.#throwFailure();
  }

  #fail(cause: unknown): void {
    this.#failure ??= { cause };
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.cause;
  }
}

/** The segments of a page, in pieces that are written one behind the other. */
function partsOf(number: number, { flag, data, md5 }: PackedPage): Bytes[] {
  const name = pageName(number);
  const { head, tail } = segmentFrame(name, flag, data.length);
  const digest = md5 === undefined ? [] : [formatSegment(`${name}_md5`, 0, md5)];
  return [...digest, head, data, tail];
}

/** A sector that is in no other image: text, and random bytes behind it. */
function badFlag(sectorSize: number): Bytes {
  const bytes = crypto.getRandomValues(new Uint8Array(sectorSize));
  bytes.set(new TextEncoder().encode("BAD SECTOR\0"));
  return bytes;
}
