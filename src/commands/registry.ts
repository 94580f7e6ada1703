import * as all from "./all.ts";
import type { Command } from "./command.ts";

/** The disks of the machine that the verbs work on. */
export { backend } from "../devices/registry.ts";

/** The verbs in the order of the help. */
const ORDER = ["list", "info", "read", "write", "verify", "clone", "hash", "convert", "map"];

/** Every verb. */
export const COMMANDS: readonly Command[] = Object.values(all).toSorted(
  (a: Command, b: Command) => ORDER.indexOf(a.name) - ORDER.indexOf(b.name),
);
