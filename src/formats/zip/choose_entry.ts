/** Which entry of an archive is the image. */
import { ImagingError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";
import type { ZipEntry } from "./directory.ts";
import { isImageName } from "./entry_names.ts";
import {
  FLAG_ENCRYPTED,
  FLAG_MASKED,
  FLAG_PATCH,
  FLAG_STRONG_ENCRYPTION,
  METHOD_AES,
} from "./records.ts";

/** More names would not be read by anybody. */
const MOST_NAMES = 10;

/**
 * The only file of an archive, or the only one that is named like an image of a disk.
 *
 * @throws {ImagingError} when nobody can tell which one is meant, or it is encrypted.
 */
export function chooseEntry(archive: string, entries: readonly ZipEntry[]): ZipEntry {
  const files = entries.filter(isFile);
  const images = files.filter(({ name }) => isImageName(name));
  const [chosen, ...others] = files.length === 1 ? files : images;
  if (chosen === undefined) {
    throw new ImagingError(
      "corrupt",
      files.length === 0
        ? `cannot read ${archive}: there is no file in it`
        : `cannot read ${archive}: none of its files is named like an image of a disk: ` +
          namesOf(files),
      { hint: "unpack the archive, and name the file that you want" },
    );
  }
  if (others.length > 0) {
    throw new ImagingError(
      "usage",
      `cannot tell which file of ${archive} is meant: ${namesOf(images)}`,
      { hint: "unpack the archive, and name the file that you want" },
    );
  }
  refuseEncrypted(archive, chosen);
  return chosen;
}

/** No folder, and nothing that macOS keeps beside files. */
function isFile({ name }: ZipEntry): boolean {
  return !/[/\\]$/.test(name) && !/^__MACOSX[/\\]/.test(name);
}

function namesOf(files: readonly ZipEntry[]): string {
  const names = files.slice(0, MOST_NAMES).map(({ name }) => printable(name.slice(0, 200)));
  const more = files.length - names.length;
  return names.join(", ") + (more > 0 ? ` and ${more} more` : "");
}

function refuseEncrypted(archive: string, { name, flags, method }: ZipEntry): void {
  const encrypted = FLAG_ENCRYPTED | FLAG_STRONG_ENCRYPTION | FLAG_MASKED;
  if ((flags & encrypted) !== 0 || method === METHOD_AES) {
    throw new ImagingError(
      "environment",
      `cannot read ${archive}: ${printable(name)} in it is encrypted`,
      { hint: "unpack it with its password first: 7z x ARCHIVE" },
    );
  }
  if ((flags & FLAG_PATCH) !== 0) {
    throw new ImagingError(
      "environment",
      `cannot read ${archive}: ${printable(name)} in it is a patch of another file`,
    );
  }
}
