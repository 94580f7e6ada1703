/**
 * Addresses of things and names of segments: AFF4 Standard v1.0, sections 2, 4.4 and 5,
 * https://github.com/aff4/Standard
 */

/** What the properties and classes of the standard begin with. */
export const SCHEMA = "http://aff4.org/Schema#";

/** The same of the format before there was a standard. */
export const OLD_SCHEMA = "http://afflib.org/2009/aff4#";

/** Every address of a container or a thing in it begins so. */
export const URN_START = "aff4://";

export const DESCRIPTION_NAME = "container.description";
export const VERSION_NAME = "version.txt";
export const INFORMATION_NAME = "information.turtle";

/** Where streams stand that are not relative to their container. */
const ESCAPED_START = /^aff4%3A%2F%2F/i;

/** Is an entry of an archive called as only AFF4 does it? */
export function isSegmentName(name: string): boolean {
  return name === DESCRIPTION_NAME || ESCAPED_START.test(name);
}

/**
 * The name of the segment of an address, in a container of another: section 5.1. It is in
 * its canonical form, see {@linkcode canonicalName}.
 */
export function segmentName(volume: string, urn: string): string {
  if (urn.startsWith(`${volume}/`)) return canonicalName(urn.slice(volume.length + 1));
  const end = urn.indexOf("/", URN_START.length);
  if (!urn.startsWith(URN_START) || end < 0) return encoded(urn);
  return `${encoded(urn.slice(0, end))}/${canonicalName(urn.slice(end + 1))}`;
}

/**
 * The name of an entry as all programs would write it: which characters are escaped, and
 * whether in upper case, differs.
 */
export function canonicalName(name: string): string {
  return name.split("/").map((part) => encoded(decoded(part))).join("/");
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function encoded(part: string): string {
  return encodeURIComponent(part.toWellFormed());
}

/** The last part of an address of the standard: "DiskImage"; undefined for others. */
export function schemaName(address: string): string | undefined {
  return address.startsWith(SCHEMA) ? address.slice(SCHEMA.length) : undefined;
}
