import { ImagingError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";

/** The refusal of a container of a kind that is not read here, by its name. */
export function refused(
  name: string,
  reason: string,
  hint = "convert it with the program that made it, to AFF4 1.0 or to a raw image",
): ImagingError {
  return new ImagingError("environment", `cannot read ${name}: ${printable(reason)}`, { hint });
}
