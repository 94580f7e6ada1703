import type { BlockSource, Bytes } from "../../core/block.ts";
import { readBytes, toHex, viewOf } from "../../core/bytes.ts";
import { DamageError, ImagingError } from "../../core/errors.ts";
import type { Range } from "../../core/range.ts";
import type { ZlibService } from "../../core/zlib.ts";
import type { HashAlgorithm } from "../../hashes/hash_algorithm.ts";
import { md5, sha1, sha256 } from "../../hashes/md5_and_sha.ts";
import { FileWindow } from "./file_window.ts";
import { pageAlgorithm } from "./page_flags.ts";
import type { SegmentIndex } from "./segment_index.ts";
import { segmentHeadAt } from "./segment_walk.ts";

/** What a packed page may be longer than the page itself; mostly it is shorter. */
const MAX_EXCESS_BYTES = 64 * 1024;

const PAGE_DIGESTS: readonly HashAlgorithm[] = [md5, sha1, sha256];

/** What page readers need to know. */
export interface PageReaderOptions {
  readonly file: BlockSource;
  readonly index: SegmentIndex;
  readonly pageBytes: number;
  readonly zlib: ZlibService | undefined;
}

/** What is stored of a page, or why that cannot be told. */
export type StoredPage =
  | { readonly bytes: Bytes; readonly problem: undefined }
  | { readonly bytes: undefined; readonly problem: string };

/** Reads pages and unpacks them. Keeps none. */
export class PageReader {
  readonly #options: PageReaderOptions;

  constructor(options: PageReaderOptions) {
    this.#options = options;
  }

  /**
   * The bytes of a page that lie in `range`, a part of the medium that begins where the page
   * does; or the error that says why they cannot be told.
   *
   * @throws {ReadError} when the file cannot be read.
   */
  async read(page: number, range: Range): Promise<Bytes | DamageError> {
    const { bytes, problem } = await this.stored(page);
    const damage = problem ?? this.#lengthProblem(bytes.length, range.length);
    if (damage === undefined && bytes !== undefined) return bytes.subarray(0, range.length);
    return new DamageError(
      `the image is damaged: page ${page}, from byte ${range.offset} on, ${damage}`,
      range,
    );
  }

  /**
   * All that is stored of a page: as many bytes as a page has, or fewer.
   *
   * @throws {ReadError} when the file cannot be read.
   */
  async stored(page: number): Promise<StoredPage> {
    const { file, index, pageBytes } = this.#options;
    const offset = index.pages.get(page);
    if (offset === undefined) return broken("is not in the file");
    if (index.repeatedPages.has(page)) return broken("is there more than once");
    const head = await segmentHeadAt(new FileWindow(file), offset);
    if (head === undefined || head.dataBytes > pageBytes + MAX_EXCESS_BYTES) {
      return broken("is longer than a page can be");
    }
    const data = await readBytes(file, offset + head.dataOffset, head.dataBytes);
    if (data.length < head.dataBytes) return broken("is cut off");
    const unpacked = await this.#unpack(head.flag, data);
    if (unpacked.bytes === undefined) return unpacked;
    const problem = await this.#digestProblem(page, unpacked.bytes);
    return problem === undefined ? unpacked : broken(problem);
  }

  async #unpack(flag: number, data: Bytes): Promise<StoredPage> {
    const { pageBytes, zlib } = this.#options;
    switch (pageAlgorithm(flag)) {
      case "plain":
        return data.length > pageBytes ? broken("is longer than a page") : whole(data);
      case "zero": {
        const length = data.length === 4 ? viewOf(data).getUint32(0) : undefined;
        if (length === undefined || length > pageBytes) return broken("tells no length");
        return whole(new Uint8Array(length));
      }
      case "zlib": {
        if (zlib === undefined) {
          throw new ImagingError("environment", "cannot unpack the pages of an AFF file here");
        }
        const [bytes] = await zlib.inflate([data], pageBytes);
        return bytes === undefined ? broken("cannot be unpacked") : whole(bytes);
      }
      default:
        return broken("is packed in an unknown way");
    }
  }

  /**
   * The last page holds what is left of the medium, or is as long as the others. Any other
   * length contradicts the sizes that the file tells.
   */
  #lengthProblem(length: number, wanted: number): string | undefined {
    if (length === wanted || length === this.#options.pageBytes) return undefined;
    return `has ${length} bytes instead of ${wanted}`;
  }

  async #digestProblem(page: number, bytes: Bytes): Promise<string | undefined> {
    const { file, index } = this.#options;
    for (const algorithm of PAGE_DIGESTS) {
      const offset = index.pageDigests.get(algorithm.id)?.get(page);
      if (offset === undefined) continue;
      const hasher = await algorithm.create();
      hasher.update(bytes);
      const expected = await readBytes(file, offset, algorithm.digestBytes);
      if (toHex(hasher.digest()) !== toHex(expected)) {
        return `does not have its ${algorithm.id} digest`;
      }
    }
    return undefined;
  }
}

function whole(bytes: Bytes): StoredPage {
  return { bytes, problem: undefined };
}

function broken(problem: string): StoredPage {
  return { bytes: undefined, problem };
}
