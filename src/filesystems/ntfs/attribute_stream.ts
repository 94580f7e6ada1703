/** NTFS documentation, concept Attribute, https://flatcap.github.io/linux-ntfs/ntfs/concepts/attribute.html */
import type { BlockSource, Bytes } from "../../core/block.ts";
import { FormatError } from "../../core/errors.ts";
import { readAll } from "../used_ranges.ts";
import type { Attribute, NonResidentAttribute } from "./attribute.ts";
import type { NtfsGeometry } from "./ntfs_boot.ts";
import { parseRunList, type Run } from "./run_list.ts";

/** Runs of one attribute: more would be 30 MiB of a file record's own table. */
const MAX_RUNS = 1_000_000;

/** The content of an attribute, wherever it lies: plain, neither compressed nor encrypted. */
export class AttributeStream {
  /** Bytes of the content. */
  readonly size: number;
  /** Bytes that were ever written; what follows counts as zeros. */
  readonly initializedBytes: number;
  readonly #volume: BlockSource;
  readonly #geometry: NtfsGeometry;
  readonly #first: Attribute;
  readonly #runs: Run[] = [];

  /** @throws {FormatError} when it is stored in a way that only ordinary files are. */
  constructor(volume: BlockSource, geometry: NtfsGeometry, first: Attribute) {
    this.#volume = volume;
    this.#geometry = geometry;
    this.#first = first;
    if (first.flags !== 0) throw this.#fail("compressed, sparse or encrypted");
    if (first.content === undefined) {
      this.size = first.dataBytes;
      this.initializedBytes = first.initializedBytes;
      this.append(first);
    } else {
      this.size = first.content.length;
      this.initializedBytes = this.size;
    }
    if (this.initializedBytes > this.size) throw this.#fail("longer than it is");
  }

  /** The first cluster; undefined when the content lies in none. */
  get firstCluster(): number | undefined {
    return this.#runs[0]?.lcn;
  }

  /** Clusters of it that are known so far. */
  get #clusters(): number {
    const last = this.#runs.at(-1);
    return last === undefined ? 0 : last.vcn + last.count;
  }

  /**
   * The next extent of it, from another file record.
   *
   * @throws {FormatError} when it does not follow the one before.
   */
  append(extent: NonResidentAttribute): void {
    const runs = parseRunList(extent, this.#geometry.clusterCount);
    if (extent.firstVcn !== this.#clusters) throw this.#fail("in extents with gaps");
    if (runs.some((run) => run.lcn === undefined)) throw this.#fail("sparse");
    if (this.#runs.length + runs.length > MAX_RUNS) throw this.#fail("in too many pieces");
    for (const run of runs) this.#runs.push(run);
  }

  /** @throws {FormatError} when the extents are not as much as the first one promises. */
  checkComplete(): void {
    const first = this.#first;
    if (first.content !== undefined) return;
    const bytes = this.#clusters * this.#geometry.clusterBytes;
    if (bytes !== first.allocatedBytes || this.size > bytes) {
      throw this.#fail("of another size than its clusters");
    }
  }

  /**
   * Reads a piece of what was ever written. It is held in memory.
   *
   * @throws {FormatError} when there is not as much.
   * @throws {ReadError} when the medium does not deliver.
   */
  async read(offset: number, length: number): Promise<Bytes> {
    if (offset + length > this.initializedBytes) throw this.#fail("shorter than it must be");
    const { content } = this.#first;
    if (content !== undefined) return content.slice(offset, offset + length);
    const bytes = new Uint8Array(length);
    const { clusterBytes } = this.#geometry;
    for (let done = 0; done < length;) {
      const at = offset + done;
      const run = this.#runAt(Math.floor(at / clusterBytes));
      if (run?.lcn === undefined) throw this.#fail("shorter than it must be");
      const skip = at - run.vcn * clusterBytes;
      const count = Math.min(length - done, run.count * clusterBytes - skip);
      const place = run.lcn * clusterBytes + skip;
      bytes.set(await readAll(this.#volume, place, count, "system file"), done);
      done += count;
    }
    return bytes;
  }

  /** Where on the volume this byte of the content is; undefined when that is not known. */
  placeOf(offset: number): number | undefined {
    const { clusterBytes } = this.#geometry;
    const run = this.#runAt(Math.floor(offset / clusterBytes));
    if (run?.lcn === undefined) return undefined;
    return (run.lcn - run.vcn) * clusterBytes + offset;
  }

  /** The run that holds this cluster of the content. */
  #runAt(vcn: number): Run | undefined {
    let [low, high] = [0, this.#runs.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#runs[middle]?.vcn ?? 0) <= vcn) low = middle + 1;
      else high = middle;
    }
    const run = this.#runs[low - 1];
    return run !== undefined && vcn < run.vcn + run.count ? run : undefined;
  }

  #fail(how: string): FormatError {
    const { type, offset } = this.#first;
    const name = `attribute ${type.toString(16)}h of the file record at byte ${offset}`;
    return new FormatError(`${name} is ${how}`, offset, "attribute");
  }
}
