import { ImagingError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";
import { foreignSystem } from "../../devices/path_forms.ts";
import type { CommandContext } from "../command.ts";

/** Where disks are shown; also what a system without one of this name is told. */
const LIST = "`sectorshot list` shows the disks";

/**
 * A name of another operating system's: an error that tells how disks are named here;
 * undefined when it is none.
 *
 * @param tried "open", "write to"
 */
export function foreignName(
  { backend }: CommandContext,
  tried: string,
  path: string,
): ImagingError | undefined {
  const { host, os } = backend;
  const foreign = foreignSystem(path, os);
  return foreign === undefined ? undefined : new ImagingError(
    "usage",
    `cannot ${tried} ${printable(path)}: that is how ${foreign} names things, and this is ` +
      host.title,
    { osCode: "ENOENT", hint: `here a disk is called ${host.exampleDisk}; ${LIST}` },
  );
}

/** There is nothing of this name. */
export function missingPath(context: CommandContext, path: string): ImagingError {
  return foreignName(context, "open", path) ?? new ImagingError(
    "environment",
    `cannot open ${path}: no such file or device (ENOENT)`,
    { osCode: "ENOENT", hint: `check the name; ${LIST}` },
  );
}
