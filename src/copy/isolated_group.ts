import type { Chunk, ChunkConsumer } from "../core/block.ts";
import { ImagingError } from "../core/errors.ts";

/** What became of a member: its result, or the error that ended it. */
export type MemberResult<Result> =
  | { readonly result: Result; readonly error?: undefined }
  | { readonly error: ImagingError };

/**
 * Consumers of which a failing one does not end the flow for the others. When the last
 * one has failed the flow ends: nobody is left to take the bytes.
 */
export class IsolatedGroup<Result> {
  /** The members, to be given to the flow. */
  readonly consumers: readonly ChunkConsumer<MemberResult<Result>>[];
  readonly #failures = new Map<ChunkConsumer<Result>, ImagingError>();
  readonly #members: readonly ChunkConsumer<Result>[];

  constructor(members: readonly ChunkConsumer<Result>[]) {
    this.#members = members;
    this.consumers = members.map((member) => this.#isolated(member));
  }

  /** The error of each member in their order, once all have failed; else undefined. */
  get allFailed(): readonly ImagingError[] | undefined {
    const errors = this.#members.flatMap((member) => this.#failures.get(member) ?? []);
    return errors.length === this.#members.length ? errors : undefined;
  }

  #isolated(member: ChunkConsumer<Result>): ChunkConsumer<MemberResult<Result>> {
    const failures = this.#failures;
    const fail = (error: unknown): ImagingError => {
      if (!(error instanceof ImagingError)) throw error;
      failures.set(member, error);
      return error;
    };
    return {
      name: member.name,
      consume: async (chunk: Chunk): Promise<void> => {
        if (failures.has(member)) return;
        try {
          await member.consume(chunk);
        } catch (error) {
          // Of several chunks under way the first failure is the one that tells.
          if (failures.has(member)) return;
          const failure = fail(error);
          await member.abort(failure);
          if (this.allFailed !== undefined) throw failure;
        }
      },
      finish: async (): Promise<MemberResult<Result>> => {
        const failure = failures.get(member);
        if (failure !== undefined) return { error: failure };
        try {
          return { result: await member.finish() };
        } catch (error) {
          return { error: fail(error) };
        }
      },
      abort: async (cause: unknown): Promise<void> => {
        if (!failures.has(member)) await member.abort(cause);
      },
    };
  }
}
