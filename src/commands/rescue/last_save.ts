import type { TrackedConsumer } from "../../copy/tracked_consumer.ts";
import { ImagingError } from "../../core/errors.ts";
import type { CommandContext } from "../command.ts";

/** After a failure: how long saving the map may take. */
const LAST_SAVE_MILLISECONDS = 400;

/** After a failure: what was written is still worth keeping. */
export async function saveAfterFailure(
  context: CommandContext,
  tracked: TrackedConsumer<unknown>,
): Promise<void> {
  const late = Promise.withResolvers<"late">();
  const timer = setTimeout(() => late.resolve("late"), LAST_SAVE_MILLISECONDS);
  const saving = tracked.saveNow().catch((error: unknown) => {
    if (!(error instanceof ImagingError)) throw error;
    context.note({
      level: "warning",
      message: `the map could not be brought up to date (${error.message}); ` +
        "the one saved before still holds, so a little more is read again",
    });
  });
  await (context.signal.aborted ? Promise.race([saving, late.promise]) : saving);
  clearTimeout(timer);
}
