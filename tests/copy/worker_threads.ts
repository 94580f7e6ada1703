/** Looks at the threads of this very process: the runtime itself does not report workers. */
import { OsError } from "../../ffi/os_error.ts";
import { listDirectory, readSystemFile } from "../../ffi/system_files.ts";
import { waitUntil } from "../support/temporary.ts";

/** The workers that run in this process now (Linux only). */
function runningWorkers(): string[] {
  return listDirectory("/proc/self/task").filter((task) => {
    try {
      const name = readSystemFile(`/proc/self/task/${task}/comm`);
      return new TextDecoder().decode(name).startsWith("worker-");
    } catch (error) {
      // It ended meanwhile: ENOENT, or ESRCH (3).
      if (error instanceof OsError && [2, 3].includes(error.number)) return false;
      throw error;
    }
  });
}

/** The workers that were started since this was made. */
export class NewWorkers {
  readonly #before: ReadonlySet<string> = new Set(runningWorkers());

  /** How many of them run. */
  get count(): number {
    return runningWorkers().filter((task) => !this.#before.has(task)).length;
  }

  /** Fails unless there soon are exactly so many of them. */
  async become(count: number): Promise<void> {
    await waitUntil(`${count} workers run`, () => this.count === count, 10_000);
  }
}
