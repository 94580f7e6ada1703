/**
 * The containers of an image that has several: AFF4 Standard v1.0, section 2.2 (`stored`),
 * https://github.com/aff4/Standard
 *
 * The standard does not say what their files are called. Those of its reference images have
 * the same name but for a number at its end: disk_1.aff4, disk_2.aff4.
 */
import type { BlockSource } from "../../core/block.ts";
import { ImagingError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";
import type { ImageFolder } from "../image_format.ts";
import { type Aff4Volume, openVolume } from "./volume.ts";

/** More containers are not looked for. */
const MOST_VOLUMES = 64;

/** A name with a number at its end. */
const NUMBERED = /^(.*?)(\d{1,4})(\.[^.]*)?$/;

/**
 * Opens the containers of these addresses, beside the one that is open. The caller closes
 * them.
 *
 * @throws {ImagingError} when one is not found, or cannot be opened.
 */
export async function findVolumes(
  first: Aff4Volume,
  wanted: ReadonlySet<string>,
  folder: ImageFolder | undefined,
): Promise<Aff4Volume[]> {
  const found: Aff4Volume[] = [];
  const tried: string[] = [];
  const missing = new Set(wanted);
  try {
    for (const name of folder === undefined ? [] : neighbours(folder.name)) {
      if (missing.size === 0) break;
      const file = await folder?.open(name);
      if (file === undefined) {
        // The numbers have no gaps, but for the one that is open already.
        if (tried.length > 0) break;
        continue;
      }
      const volume = await openOther(file);
      tried.push(volume instanceof ImagingError ? `${name} (${volume.message})` : name);
      if (volume instanceof ImagingError) continue;
      if (missing.delete(volume.urn)) found.push(volume);
      else await volume[Symbol.asyncDispose]();
    }
    const [urn] = missing;
    if (urn !== undefined) throw missingVolume(first, urn, tried);
    return found;
  } catch (error) {
    for (const volume of found) await volume[Symbol.asyncDispose]();
    throw error;
  }
}

/** The number in the name of a container; 0 where there is none. */
export function volumeNumber(name: string): number {
  return Number(NUMBERED.exec(name)?.[2] ?? 0);
}

/** The names that other containers may have, in the order of their numbers. */
function* neighbours(name: string): Generator<string> {
  const [, start, digits, end = ""] = NUMBERED.exec(name) ?? [];
  if (start === undefined || digits === undefined) return;
  // Of "disk.aff4" the number is a part of the extension.
  if (end === "" && /\.[a-z]+$/i.test(start)) return;
  const own = Number(digits);
  for (let number = Math.max(0, own - MOST_VOLUMES); number <= own + MOST_VOLUMES; number++) {
    if (number === own) continue;
    yield `${start}${String(number).padStart(digits.length, "0")}${end}`;
  }
}

/** The container in a file, which it takes over; or why there is none. */
async function openOther(file: BlockSource): Promise<Aff4Volume | ImagingError> {
  try {
    return await openVolume(file);
  } catch (error) {
    await file[Symbol.asyncDispose]();
    if (error instanceof ImagingError) return error;
    throw error;
  }
}

function missingVolume(first: Aff4Volume, urn: string, tried: readonly string[]): ImagingError {
  const others = tried.length === 0 ? "there is none beside it" : `not in ${tried.join(", ")}`;
  return new ImagingError(
    "environment",
    `cannot read ${first.name}: a part of its image is in another container, ` +
      `${printable(urn)}: ${printable(others)}`,
    {
      hint: "put all files of the image into one folder, under names that differ in a number " +
        "at their end only: disk_1.aff4, disk_2.aff4",
    },
  );
}
