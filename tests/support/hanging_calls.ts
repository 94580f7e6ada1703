/** Calls of a made-up thread that hang, and are given up as `SystemThread` does it. */
import { AbandonedCall } from "../../ffi/system_thread.ts";

/** The calls of one thread. */
export class HangingCalls {
  readonly #underWay: {
    readonly call: string;
    resolve(): void;
    reject(error: Error): void;
  }[] = [];
  #end: PromiseWithResolvers<void> | undefined;

  /** Does one hang? Then those behind it do, too. */
  get isBusy(): boolean {
    return this.#underWay.length > 0 || this.#end !== undefined;
  }

  /** A call that is not answered before {@linkcode answer}. */
  hang<Result>(call: string, result: () => Result): Promise<Result> {
    if (this.#end !== undefined) {
      return Promise.reject(new AbandonedCall(call, this.#end.promise));
    }
    return new Promise((resolve, reject) =>
      this.#underWay.push({ call, resolve: () => resolve(result()), reject })
    );
  }

  abandon(): Promise<void> {
    if (this.#end !== undefined) return this.#end.promise;
    if (this.#underWay.length === 0) return Promise.resolve();
    const end = this.#end = Promise.withResolvers<void>();
    for (const { call, reject } of this.#underWay.splice(0)) {
      reject(new AbandonedCall(call, end.promise));
    }
    return end.promise;
  }

  /** The system returns from all that hangs, be it given up or not. */
  answer(): void {
    for (const { resolve } of this.#underWay.splice(0)) resolve();
    this.#end?.resolve();
    this.#end = undefined;
  }
}
