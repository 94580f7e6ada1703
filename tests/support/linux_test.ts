/** Tests that drive sectorshot with the devices and tools of Linux. */

/** As Deno.test; ignored on other systems. */
export function linuxTest(
  test: string | Deno.TestDefinition,
  fn?: (context: Deno.TestContext) => void | Promise<void>,
): void {
  const definition = typeof test === "string" ? { name: test, fn: fn ?? (() => {}) } : test;
  if (typeof test === "string" && fn === undefined) throw new TypeError(`${test}: no test`);
  const ignore = Deno.build.os !== "linux" || (definition.ignore ?? false);
  Deno.test({ ...definition, ignore });
}
