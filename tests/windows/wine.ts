/** deno.exe under Wine, and block devices of Linux that Windows programs see as disks. */
import { run } from "../support/run_cli.ts";
import { PrivateNamespace } from "./private_namespace.ts";
import { chrootCommand, prepareWine, SYSTEM_MOUNTS, WINE_PREFIX } from "./wine_parts.ts";
import { type WineOptions, WineProcess, type WineResult } from "./wine_process.ts";

export { WINE_TOOLS } from "./wine_parts.ts";

/** The folder of the project. */
const REPOSITORY = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

/** Where folders of Linux are inside. */
const INSIDE = { repository: "/repository", folder: "/exchange" } as const;

/** The program, as Windows names it. */
const DENO = "Z:\\deno\\deno.exe";

/**
 * The folder `$1/system` becomes a root whose changes are in memory only. `$2` is what it
 * consists of, `$3` the project, `$4` the folder of deno.exe, `$5` npm packages.
 */
const SETUP = `
  mount -t tmpfs -o mode=755 changes "$1/system"
  cd "$1/system"
  mkdir upper work root
  mount -t overlay -o "lowerdir=$2,upperdir=upper,workdir=work" wine root
  cd root
  mkdir -p deno deno_dir/npm .${INSIDE.repository} .${INSIDE.folder}
  mount -o bind,ro "$3" .${INSIDE.repository}
  mount -o bind,ro "$4" deno
  mount -o bind,ro "$5" deno_dir/npm
  mount --bind "$1/exchange" .${INSIDE.folder}
  ${SYSTEM_MOUNTS}`;

/**
 * A Windows of its own, with its own drives and processes; nothing of it remains. The project
 * is there, read-only, and a folder for what goes in and out.
 */
export class WineRig implements AsyncDisposable {
  /** A folder that both sides see. */
  readonly folder: string;
  readonly #root: string;
  readonly #registry: string;
  readonly #namespace: PrivateNamespace;
  readonly #resources: AsyncDisposableStack;

  private constructor(
    top: string,
    registry: string,
    namespace: PrivateNamespace,
    resources: AsyncDisposableStack,
  ) {
    this.folder = `${top}/exchange`;
    this.#root = `${top}/system/root`;
    this.#registry = registry;
    this.#namespace = namespace;
    this.#resources = resources;
  }

  /** Takes a second; a minute when everything has to be fetched first. */
  static async create(): Promise<WineRig> {
    await using resources = new AsyncDisposableStack();
    const parts = resources.use(await prepareWine());
    const packages = await npmPackages();
    const top = await Deno.makeTempDir({ prefix: "sectorshot_wine_" });
    resources.defer(() => Deno.remove(top, { recursive: true }));
    await Deno.mkdir(`${top}/exchange`);
    await Deno.mkdir(`${top}/system`);
    const namespace = resources.use(
      await PrivateNamespace.create(SETUP, [
        top,
        parts.root,
        REPOSITORY,
        parts.deno,
        packages.folder,
      ]),
    );
    const rig = new WineRig(top, packages.registry, namespace, resources.move());
    try {
      await rig.#startWine();
      return rig;
    } catch (error) {
      await rig[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Runs deno.exe with these arguments to its end, whatever that is. */
  async run(args: readonly string[], options: WineOptions = {}): Promise<WineResult> {
    await using process = this.start(args, options);
    return await process.end();
  }

  /** Starts deno.exe with these arguments. */
  start(args: readonly string[], options: WineOptions = {}): WineProcess {
    const mark = `SECTORSHOT_RUN=${crypto.randomUUID()}`;
    const command = chrootCommand(this.#root, insidePath(options.cwd ?? REPOSITORY, this), {
      DENO_DIR: "Z:\\deno_dir",
      DENO_NO_UPDATE_CHECK: "1",
      NO_COLOR: "1",
      NPM_CONFIG_REGISTRY: this.#registry,
      ...options.env,
      COMMAND_LINE: windowsCommandLine([DENO, ...args]),
    });
    // A program of many threads now and then ends with 0 for Linux, whatever it ended with for
    // Windows (Wine 10). The shell of Windows waits for it, and is right about that. It takes
    // the command line from a variable as it is, without looking for what is special in it.
    const shell = ["C:\\windows\\system32\\cmd.exe", "/d", "/v:on", "/c", "!COMMAND_LINE!"];
    return new WineProcess(
      this.#namespace.commandLine([...command, mark, "wine", ...shell]),
      options,
      (signal, whom) => this.#signal(signal, mark, whom === "program" ? DENO : ""),
    );
  }

  /**
   * Makes a loop device (or a partition of one) a raw device of Windows: `\\.\E:` when `name`
   * is "E", `\\.\PhysicalDrive1` when it is that. It is gone when the answer is disposed.
   */
  async drive(name: string, device: string): Promise<AsyncDisposable> {
    if (!/^([A-Za-z]|PhysicalDrive\d+)$/.test(name)) throw new Error(`no drive name: ${name}`);
    // Nothing else: a disk of this machine is not for Windows programs under test.
    if (!/^\/dev\/loop\d+(p\d+)?$/.test(device)) throw new Error(`no loop device: ${device}`);
    const lowered = name.toLowerCase();
    const link = `${WINE_PREFIX}/dosdevices/${lowered.length === 1 ? `${lowered}::` : lowered}`;
    const numbers = (await run("stat", ["--format=0x%t 0x%T", device])).trim().split(" ");
    await this.#runInside(
      "sh",
      "-euc",
      'rm -f "$1"; mknod -m 600 "$1" b "$3" "$4"; ln -s "$1" "$2"',
      "sh",
      device,
      link,
      ...numbers,
    );
    return {
      [Symbol.asyncDispose]: async (): Promise<void> => {
        await this.#runInside("rm", link);
      },
    };
  }

  /** What a path in the project or in {@linkcode folder} is called in Windows. */
  windowsPath(path: string): string {
    return `Z:${insidePath(path, this).replaceAll("/", "\\")}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }

  /**
   * Programs start much faster when what they all need is there already. Started here it
   * also keeps no test waiting for the end of its stdout.
   */
  async #startWine(): Promise<void> {
    const line = "{ wineserver --persistent && wine cmd /c exit 0; } >/dev/null 2>&1";
    await this.#runInside("sh", "-c", line);
  }

  /** To all processes that have `mark` in their environment, and this argument unless "". */
  async #signal(name: Deno.Signal, mark: string, argument: string): Promise<void> {
    const script = `
      for process in /proc/[0-9]*; do
        grep -Fsqxz "$2" "$process/environ" || continue
        [ -z "$3" ] || grep -Fsqxz "$3" "$process/cmdline" || continue
        kill -s "$1" "\${process#/proc/}" || true
      done`;
    await this.#runInside("sh", "-euc", script, "sh", name.slice(3), mark, argument);
  }

  async #runInside(...command: string[]): Promise<void> {
    await this.#namespace.run([...chrootCommand(this.#root, "/"), ...command]);
  }
}

/**
 * A command line that a program of Windows takes apart into these words.
 *
 * @throws {Error} when it is longer than the shell of Windows takes.
 */
function windowsCommandLine(words: readonly string[]): string {
  const quoted = words.map((word) =>
    `"${word.replace(/(\\*)"/g, '$1$1\\"').replace(/\\+$/, "$&$&")}"`
  );
  const line = quoted.join(" ");
  if (line.length > 8000) throw new Error(`a command line of ${line.length} characters`);
  return line;
}

function insidePath(path: string, rig: WineRig): string {
  const places = [[rig.folder, INSIDE.folder], [REPOSITORY, INSIDE.repository]] as const;
  for (const [outside, inside] of places) {
    if (path === outside || path.startsWith(`${outside}/`)) {
      return `${inside}${path.slice(outside.length)}`;
    }
  }
  throw new Error(`not visible in Windows: ${path}`);
}

/** The project's npm packages, as this Deno has them, and where they are from. */
interface NpmPackages {
  readonly folder: string;
  readonly registry: string;
}

async function npmPackages(): Promise<NpmPackages> {
  const deno = Deno.execPath();
  const here = { cwd: REPOSITORY };
  await run(deno, ["install", "--quiet", "--frozen"], here);
  const { npmCache: folder } = JSON.parse(await run(deno, ["info", "--json"], here));
  const { npmPackages: used } = JSON.parse(await run(deno, ["info", "--json", "mod.ts"], here));
  const registry = Object.values(used as Record<string, { registryUrl?: string }>)[0];
  if (typeof folder !== "string" || typeof registry?.registryUrl !== "string") {
    throw new Error("deno info does not say where npm packages are");
  }
  return { folder, registry: registry.registryUrl };
}
