/**
 * Text from a disk (labels, models, mount points) is chosen by whoever made it: control
 * characters must not steer a terminal. They are shown as \x1b and the like.
 */
export function printable(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,
    (character) => {
      return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
    },
  );
}
