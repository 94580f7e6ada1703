import { FirstBlockLastSink } from "../../blocks/first_block_last.ts";
import { ImagingError } from "../../core/errors.ts";
import type { CommandContext } from "../command.ts";
import type { ApprovedTarget } from "./targets.ts";
import type { OpenTarget } from "./write_job.ts";

export async function openTarget(
  context: CommandContext,
  approved: ApprovedTarget,
): Promise<OpenTarget> {
  const { target } = approved;
  const sink = await context.backend.openSink(target.path);
  try {
    const expected = target.partition?.size ?? target.disk.size;
    const shown = target.disk.mediumNumber;
    const change = sink.size !== expected
      ? `it has ${sink.size} bytes, it had ${expected}`
      : shown !== undefined && sink.mediumNumber !== undefined && shown !== sink.mediumNumber
      ? "the medium in it was changed"
      : undefined;
    if (change !== undefined) {
      throw new ImagingError("environment", `cannot write to ${target.path}: ${change}`, {
        hint: "look at `sectorshot list` again, then start anew",
      });
    }
    return { approved, sink, held: new FirstBlockLastSink(sink) };
  } catch (error) {
    await sink[Symbol.asyncDispose]();
    throw error;
  }
}
