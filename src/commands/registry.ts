import type { Command } from "./command.ts";

/** The disks of the machine that the verbs work on. */
export { backend } from "../devices/registry.ts";

/** A verb before it is loaded: all of them take longer to load than a small copy takes. */
interface Verb {
  /** The name and its aliases. */
  readonly names: readonly string[];
  load(): Promise<Command>;
}

/** Every verb there is, in the order of the help: one line each. */
const VERBS: readonly Verb[] = [
  { names: ["list"], load: async () => (await import("./list.ts")).list },
  { names: ["info"], load: async () => (await import("./info.ts")).info },
  { names: ["read", "image"], load: async () => (await import("./read.ts")).read },
  { names: ["write", "flash"], load: async () => (await import("./write.ts")).write },
  { names: ["verify"], load: async () => (await import("./verify.ts")).verify },
  { names: ["clone"], load: async () => (await import("./clone.ts")).clone },
  { names: ["hash"], load: async () => (await import("./hash.ts")).hash },
  { names: ["convert"], load: async () => (await import("./convert.ts")).convert },
  { names: ["map"], load: async () => (await import("./map.ts")).map },
];

/** The verb of this name alone, or all of them, in the order of the help, where none has it. */
export async function loadCommands(name?: string): Promise<readonly Command[]> {
  const named = VERBS.filter(({ names }) => name !== undefined && names.includes(name));
  return await Promise.all((named.length > 0 ? named : VERBS).map((verb) => verb.load()));
}
