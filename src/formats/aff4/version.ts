/**
 * The version of a container: AFF4 Standard v1.0, section 1,
 * https://github.com/aff4/Standard
 *
 * Only version 1.0 is read: nothing else has a specification.
 */
import type { BlockSource } from "../../core/block.ts";
import { FormatError, ImagingError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";
import { OLD_SCHEMA, VERSION_NAME } from "./names.ts";

/** What version.txt says. */
export interface ContainerVersion {
  readonly major: number;
  readonly minor: number;
  /** The program that made it. */
  readonly tool: string | undefined;
}

/**
 * Reads the lines of version.txt.
 *
 * @throws {FormatError} when there is no version in them.
 */
export function parseVersion(file: BlockSource, text: string): ContainerVersion {
  const values = new Map(
    text.split(/\r\n|\r|\n/).map((line) => {
      const end = line.indexOf("=");
      return [line.slice(0, Math.max(0, end)).trim(), line.slice(end + 1).trim()] as const;
    }),
  );
  const number = (name: string): number => {
    const value = values.get(name) ?? "";
    if (/^\d{1,6}$/.test(value)) return Number(value);
    throw new FormatError(
      `cannot read the AFF4 container ${file.name}: ${VERSION_NAME} does not tell its version`,
      0,
      name,
    );
  };
  return { major: number("major"), minor: number("minor"), tool: values.get("tool") };
}

/** What is wrong with images that hold files. */
export const LOGICAL = "it is a logical AFF4 image (AFF4-L): it holds files, and no disk";
export const LOGICAL_HINT = "take the files out with aff4.py of pyaff4";

/**
 * Refuses what is no container of AFF4 1.0, by its name.
 *
 * @throws {ImagingError} `environment`.
 */
export function refuseVersion(
  name: string,
  version: string | undefined,
  information: string | undefined,
): void {
  const refuse = (reason: string, hint: string): never => {
    throw new ImagingError("environment", `cannot read ${name}: ${reason}`, { hint });
  };
  const makers = "convert it with the program that made it, to AFF4 1.0 or to a raw image";
  if (information?.includes(`<${OLD_SCHEMA}`)) {
    refuse("it is an AFF4 image from before the AFF4 Standard", makers);
  }
  if (version === undefined) {
    refuse(`it is an AFF4 container without ${VERSION_NAME}: only AFF4 1.0 is read`, makers);
  }
  const match = /^major\s*=\s*(\S*)$/m.exec(version ?? "");
  const minor = /^minor\s*=\s*(\S*)$/m.exec(version ?? "");
  const text = `${match?.[1] ?? "?"}.${minor?.[1] ?? "?"}`;
  if (text === "1.0" || !/^\d+\.\d+$/.test(text)) return;
  if (information !== undefined && /[:#](?:FileImage|FolderImage)\b/.test(information)) {
    refuse(LOGICAL, LOGICAL_HINT);
  }
  if (information !== undefined && /[:#]EncryptedStream\b/.test(information)) {
    refuse("it is encrypted", "decrypt it with the program that made it");
  }
  refuse(`it is AFF4 of version ${printable(text)}, and only 1.0 is read`, makers);
}
