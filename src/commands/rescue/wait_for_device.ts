import { GONE } from "../../copy/read_policy.ts";
import { ImagingError, ReadError } from "../../core/errors.ts";
import type { Location } from "../../devices/device.ts";
import type { CommandContext, CommandResult } from "../command.ts";

/** Time between two looks. */
const LOOK_MILLISECONDS = 1000;

/**
 * `--wait`: attempts it until the device that a path names does not go away meanwhile.
 *
 * @throws {ImagingError} what an attempt throws for another reason.
 */
export async function withPatience(
  context: CommandContext,
  path: string,
  attempt: () => Promise<CommandResult>,
): Promise<CommandResult> {
  for (;;) {
    let gone: ReadError;
    const before = await context.backend.locate(path);
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof ReadError)) throw error;
      // One that ends early, or fails everywhere, may be gone, too.
      const isGone = GONE.includes(error.osCode) ||
        !await isStillThere(context, path, before);
      if (!isGone) throw error;
      gone = error;
    }
    context.note({ level: "warning", message: `${gone.message}: waiting for it` });
    await waitForDevice(context, path, before);
  }
}

/**
 * Waits until the device that a path named is there again: the same one, by model, serial
 * number and size.
 *
 * @throws {ImagingError} `cancelled` when the user has no patience left.
 */
async function waitForDevice(
  context: CommandContext,
  path: string,
  before: Location,
): Promise<void> {
  const { signal, phase } = context;
  phase(`waiting for ${path}`);
  while (!await isStillThere(context, path, before)) {
    if (signal.aborted) throw new ImagingError("cancelled", "cancelled");
    await new Promise((resolve) => setTimeout(resolve, LOOK_MILLISECONDS));
  }
}

/** Is the same device still there? */
async function isStillThere(
  { backend }: CommandContext,
  path: string,
  before: Location,
): Promise<boolean> {
  return isSame(before, await backend.locate(path).catch(nothing));
}

/** A device that just comes up can be in a state that cannot be told. */
function nothing(error: unknown): undefined {
  if (!(error instanceof ImagingError)) throw error;
}

function isSame(before: Location, now: Location | undefined): boolean {
  if (before.kind !== "device" || now?.kind !== "device") return now?.kind === before.kind;
  const { model, serial, size } = now.disk;
  return model === before.disk.model && serial === before.disk.serial &&
    size === before.disk.size && now.partition?.start === before.partition?.start;
}
