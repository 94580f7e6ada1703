/** How Deno runs the tests, and what they may do. */
export const TEST_COMMAND: readonly string[] = [
  "test",
  "--quiet",
  "--allow-read",
  "--allow-write",
  "--allow-ffi",
  "--allow-run",
  "--allow-env",
];
