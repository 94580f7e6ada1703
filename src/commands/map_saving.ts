/** When the map of an unfinished image is saved. */
import { SAVE_INTERVAL_MILLISECONDS, type TrackedConsumer } from "../copy/tracked_consumer.ts";
import { ImagingError } from "../core/errors.ts";
import type { ImageSummary } from "../formats/image_format.ts";
import { type CommandContext, type Invocation, valueOf } from "./command.ts";

/** After a failure: how long saving the map may take. */
const LAST_SAVE_MILLISECONDS = 400;

/**
 * `--map-interval`, in milliseconds.
 *
 * @throws {ImagingError} `usage`
 */
export function intervalOption(invocation: Invocation): number {
  const text = valueOf(invocation, "map-interval");
  if (text === undefined) return SAVE_INTERVAL_MILLISECONDS;
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (seconds >= 0.01 && seconds <= 3600) return seconds * 1000;
  throw new ImagingError("usage", `cannot use --map-interval ${text}`, {
    hint: "give seconds, from 0.01 to 3600",
  });
}

/** After a failure: what was written is still worth keeping. */
export async function saveAfterFailure(
  context: CommandContext,
  tracked: TrackedConsumer<ImageSummary>,
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
