/**
 * Writes images in the Expert Witness Compression Format, version 1,
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%20(EWF).asciidoc
 */
import type { Chunk } from "../../core/block.ts";
import { endOf, mergeRanges, type Range } from "../../core/range.ts";
import type { ImageOutput, ImagePlan, ImageSummary, ImageWriter } from "../image_format.ts";
import type { EwfDigests } from "./ewf_digest.ts";
import type { SectorRun } from "./ewf_ranges.ts";
import { ChunkCutter, ChunkPacker, type PackedChunk } from "./ewf_write_chunks.ts";
import { type EwfSettings, ewfSettings, oddSize } from "./ewf_write_plan.ts";
import { SegmentSeries } from "./ewf_write_series.ts";

/**
 * Begins an image; the bytes of the medium must come in order, without gaps.
 *
 * @throws {ImagingError} `usage` when the layout cannot hold what is planned.
 */
export function createEwf(output: ImageOutput, plan: ImagePlan): ImageWriter {
  return new EwfWriter(output, plan);
}

class EwfWriter implements ImageWriter {
  readonly name: string;
  readonly #settings: EwfSettings;
  readonly #plan: ImagePlan;
  readonly #cutter: ChunkCutter;
  readonly #packer: ChunkPacker;
  readonly #series: SegmentSeries;
  readonly #badSectors: SectorRun[] = [];
  /** Bytes that came. */
  #end = 0;
  /** The last of the writes, each of which waits for the one before. */
  #stored: Promise<void> = Promise.resolve();
  #aborted: { readonly cause: unknown } | undefined;

  constructor(output: ImageOutput, plan: ImagePlan) {
    const { zlib, folder, evidence } = plan;
    if (zlib === undefined) throw new Error("An EWF image cannot be written without zlib");
    const settings = ewfSettings(output, plan);
    const { chunkBytes, level, layout } = settings;
    this.name = settings.name;
    this.#settings = settings;
    this.#plan = plan;
    this.#cutter = new ChunkCutter(chunkBytes);
    this.#packer = new ChunkPacker({ zlib, chunkBytes, level, always: layout.isSmart });
    this.#series = new SegmentSeries({ output, folder, settings, zlib, evidence });
  }

  async consume(chunk: Chunk): Promise<void> {
    if (chunk.offset !== this.#end) {
      throw new Error(`${this.name} got ${chunk.offset} instead of ${this.#end}`);
    }
    this.#end = endOf(chunk);
    for (const range of mergeRanges(chunk.bad)) this.#addBad(range);
    const chunks = this.#cutter.cut(chunk.bytes);
    if (chunks.length > 0) await this.#store(this.#packer.pack(chunks));
  }

  /** Neighbours are joined. */
  #addBad(range: Range): void {
    const { sectorBytes } = this.#settings;
    const first = Math.floor(range.offset / sectorBytes);
    const end = Math.ceil(endOf(range) / sectorBytes);
    const last = this.#badSectors.at(-1);
    if (last === undefined || first > last.first + last.count) {
      this.#badSectors.push({ first, count: end - first });
    } else {
      const joined = { first: last.first, count: Math.max(end - last.first, last.count) };
      this.#badSectors.splice(-1, 1, joined);
    }
  }

  /** Writes chunks when they are packed and all before them are written. */
  #store(packing: Promise<readonly PackedChunk[]>): Promise<void> {
    const before = this.#stored;
    const stored = (async (): Promise<void> => {
      // Both, also after a failure: packing still looks at the bytes.
      await Promise.allSettled([packing, before]);
      await before;
      if (this.#aborted !== undefined) throw this.#aborted.cause;
      await this.#series.add(await packing, this.#badSectors.length);
    })();
    this.#stored = stored;
    return stored;
  }

  async sync(): Promise<void> {
    await this.#series.flush();
  }

  async finish(): Promise<ImageSummary> {
    const rest = this.#cutter.end();
    const { sectorBytes } = this.#settings;
    if (this.#end % sectorBytes !== 0) throw oddSize(this.#settings, this.#end);
    if (rest !== undefined) await this.#store(this.#packer.pack([rest]));
    await this.#stored;
    await this.#series.finish({
      sectorCount: this.#end / sectorBytes,
      badSectors: this.#badSectors,
      digests: await this.#digests(),
    });
    const { names } = this.#series;
    return {
      size: this.#end,
      holeBytes: 0,
      files: names.length > 1 ? names : undefined,
      layout: this.#settings.layout.name,
      compression: this.#settings.compression,
    };
  }

  async #digests(): Promise<EwfDigests> {
    const digests = await this.#plan.digests?.() ?? [];
    const hexOf = (wanted: string): string | undefined =>
      digests.find(({ algorithm }) => algorithm === wanted)?.hex;
    return { md5: hexOf("md5"), sha1: hexOf("sha1") };
  }

  abort(cause: unknown): Promise<void> {
    this.#aborted ??= { cause };
    return Promise.resolve();
  }
}
