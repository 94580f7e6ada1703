/** Text as C functions take and give it. */

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * The text as UTF-8 with a closing NUL byte.
 *
 * @throws {TypeError} when the text itself holds a NUL: C would cut it there,
 * and another file would be opened than the one that was named.
 */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) {
    throw new TypeError(
      `Cannot pass ${JSON.stringify(text)} to the system: it contains a NUL`,
    );
  }
  return encoder.encode(text + "\0");
}

/** The text up to the first NUL byte, or all of it where there is none. */
export function fromCString(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
}
