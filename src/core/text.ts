/** Control characters, and those that turn the direction of writing. */
const UNSAFE = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu;

/**
 * Text from a disk (labels, models, mount points) is chosen by whoever made it: control
 * characters must not steer a terminal. They are shown as \x1b and the like.
 */
export function printable(text: string): string {
  return text.replace(
    UNSAFE,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
