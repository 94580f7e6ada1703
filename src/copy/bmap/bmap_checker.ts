import type { Chunk, ChunkConsumer } from "../../core/block.ts";
import { VerifyError } from "../../core/errors.ts";
import { totalLength } from "../../core/range.ts";
import type { CheckableMap, CheckedMap, WrongRange } from "./bmap_check.ts";
import { beginBmapWork, type BmapWork } from "./bmap_thread.ts";

/**
 * Checks each range of a block map as its bytes pass. A wrong one ends the flow while its last
 * chunk is still under way: nothing that is wrong goes through to the end.
 */
export class BmapChecker implements ChunkConsumer<CheckedMap> {
  readonly name = "block map";
  readonly #imageName: string;
  readonly #algorithm: string;
  readonly #work: BmapWork;

  /** `imageName` is for messages. */
  constructor(map: CheckableMap, imageName: string) {
    this.#imageName = imageName;
    this.#algorithm = map.algorithm;
    const { algorithm, ranges } = map;
    this.#work = beginBmapWork({ check: { algorithm, ranges } }, totalLength(ranges));
  }

  /** @throws {VerifyError} naming the range of the map that is wrong. */
  async consume(chunk: Chunk): Promise<void> {
    const wrong = await this.#work.add(chunk);
    if (wrong !== undefined) throw this.#error(wrong);
  }

  async finish(): Promise<CheckedMap> {
    const result = await this.#work.finish();
    this.#work[Symbol.dispose]();
    if ("checkedRanges" in result) return result;
    throw new Error("A block map was to be checked, not made");
  }

  abort(): Promise<void> {
    this.#work[Symbol.dispose]();
    return Promise.resolve();
  }

  #error({ offset, length, expected, actual }: WrongRange): VerifyError {
    return new VerifyError(
      `${this.#imageName} is not what its block map says: the ${length} bytes at byte ` +
        `${offset} have the ${this.#algorithm} ${actual}, not ${expected}`,
      [{ offset, length }],
      { hint: "the image is damaged, or the map is that of another one; get both again" },
    );
  }
}
