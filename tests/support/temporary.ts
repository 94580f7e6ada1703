/** Places and bytes that a test makes for itself, and that are gone when it ends. */
import { patternBytes } from "./pattern.ts";
import { run, tryRun } from "./run_cli.ts";

/** A folder of its own; it goes with everything in it. */
export class TemporaryFolder implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async create(): Promise<TemporaryFolder> {
    return new TemporaryFolder(await Deno.makeTempDir({ prefix: "sectorshot_cli_" }));
  }

  /** The path of a file in it. */
  file(name: string): string {
    return `${this.path}/${name}`;
  }

  /** Makes a file; answers its path. */
  async write(name: string, content: Uint8Array | string): Promise<string> {
    const path = this.file(name);
    if (typeof content === "string") await Deno.writeTextFile(path, content);
    else await Deno.writeFile(path, content);
    return path;
  }

  /** Makes a folder in it; answers its path. */
  async folder(name: string): Promise<string> {
    const path = this.file(name);
    await Deno.mkdir(path);
    return path;
  }

  /** What lies in it, sorted. */
  async names(): Promise<string[]> {
    const names: string[] = [];
    for await (const { name } of Deno.readDir(this.path)) names.push(name);
    return names.sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

/** Something mounted; it is unmounted at the end, also when it is busy then. */
export class Mounted implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Mounts a device (or "tmpfs") on an empty folder, which must exist. */
  static async create(source: string, path: string, ...options: string[]): Promise<Mounted> {
    await run("mount", [...options, source, path]);
    return new Mounted(path);
  }

  /** A file system in memory with room for that many bytes. */
  static async memory(path: string, bytes: number): Promise<Mounted> {
    return await Mounted.create("none", path, "-t", "tmpfs", "-o", `size=${bytes}`);
  }

  /** Is something mounted there? */
  async isMounted(): Promise<boolean> {
    return (await tryRun("mountpoint", ["-q", this.path])).code === 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (await this.isMounted()) await run("umount", ["--lazy", this.path]);
  }
}

/** The pattern of the tests: every sector knows its number and its disk (`seed`). */
export function numberedSectors(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  return patternBytes(length, { seed });
}

/** As {@linkcode numberedSectors}, with a part of it zero, as on most disks. */
export function numberedSectorsWithZeros(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = numberedSectors(length, seed);
  const quarter = Math.floor(length / 4 / 4096) * 4096;
  return bytes.fill(0, quarter, quarter * 3);
}

/** Waits for something to become true. */
export async function waitUntil(
  what: string,
  condition: () => boolean | Promise<boolean>,
  milliseconds = 30_000,
): Promise<void> {
  const end = performance.now() + milliseconds;
  while (!await condition()) {
    if (performance.now() > end) throw new Error(`In vain waited until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Is there something of this name? */
export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
