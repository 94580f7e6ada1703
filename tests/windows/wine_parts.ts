/** What the rig is made of, kept between runs: Debian with Wine, a Wine prefix, deno.exe. */
import { run } from "../support/run_cli.ts";
import { exists } from "../support/temporary.ts";
import { PrivateNamespace } from "./private_namespace.ts";

/** Programs that a machine must have for the rig, for `needs`. */
export const WINE_TOOLS = [
  "root",
  "chroot",
  "debootstrap",
  "losetup",
  "nsenter",
  "npm",
  "tar",
  "unshare",
] as const;

/** Changes whenever what is prepared changes: then it is prepared again. */
const RECIPE = "1: trixie minbase wine wine64";

/** Where Wine keeps its C: and its registry, seen from inside. */
export const WINE_PREFIX = "/wine";

/**
 * Mounts what Linux programs expect; lines of shell, in the folder that becomes the root.
 * Of the devices there are none but the harmless ones.
 */
export const SYSTEM_MOUNTS = `
  mount -t proc proc proc
  mount -t tmpfs -o mode=755 devices dev
  for node in null zero full random urandom tty; do
    : >"dev/$node"
    mount --bind "/dev/$node" "dev/$node"
  done
  mkdir dev/pts dev/shm
  mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
  mount -t tmpfs -o mode=1777 memory dev/shm
  ln -s pts/ptmx dev/ptmx
  ln -s /proc/self/fd dev/fd`;

/** What was prepared. It is not replaced before this is disposed. */
export interface WineParts extends Disposable {
  /** A Debian with Wine and the folder {@linkcode WINE_PREFIX}. Not to be changed. */
  readonly root: string;
  /** The folder of deno.exe. */
  readonly deno: string;
}

/** The words in front of a command that is to be run in such a root, with Wine's variables. */
export function chrootCommand(
  root: string,
  folder: string,
  env: Readonly<Record<string, string>> = {},
): string[] {
  const variables: Record<string, string> = {
    PATH: "/usr/bin:/bin",
    HOME: "/root",
    LANG: "C.UTF-8",
    XDG_RUNTIME_DIR: "/tmp",
    WINEPREFIX: WINE_PREFIX,
    WINEDEBUG: "-all",
    ...env,
  };
  return [
    ...["chroot", root, "env", "--ignore-environment", `--chdir=${folder}`],
    ...Object.entries(variables).map(([name, value]) => `${name}=${value}`),
  ];
}

/**
 * Prepares what is missing; says on stderr what it does, as it takes a minute.
 * Two processes that want this at the same time wait for each other.
 */
export async function prepareWine(): Promise<WineParts> {
  const cache = cacheFolder();
  const folder = `${cache}/wine-trixie`;
  await Deno.mkdir(cache, { recursive: true });
  const lock = await Deno.open(`${folder}.lock`, { create: true, write: true });
  try {
    await lock.lock(false);
    if (!await isComplete(folder)) {
      await lock.unlock();
      await lock.lock(true);
      await completeParts(folder);
      await lock.unlock();
      await lock.lock(false);
    }
  } catch (error) {
    lock.close();
    throw error;
  }
  return {
    root: `${folder}/root`,
    deno: denoFolder(folder),
    [Symbol.dispose]: (): void => lock.close(),
  };
}

function cacheFolder(): string {
  const own = Deno.env.get("SECTORSHOT_CACHE");
  if (own) return own;
  const home = Deno.env.get("XDG_CACHE_HOME") || `${Deno.env.get("HOME") || "/root"}/.cache`;
  return `${home}/sectorshot`;
}

function denoFolder(folder: string): string {
  return `${folder}/deno-${Deno.version.deno}`;
}

async function isComplete(folder: string): Promise<boolean> {
  return await hasSystem(folder) && await exists(denoFolder(folder));
}

async function hasSystem(folder: string): Promise<boolean> {
  try {
    return await Deno.readTextFile(`${folder}/recipe`) === RECIPE;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Everything is made under another name first: what was interrupted is never used. */
async function completeParts(folder: string): Promise<void> {
  if (!await hasSystem(folder)) {
    const part = `${folder}.part`;
    await removeTree(part);
    await Deno.mkdir(part);
    await installSystem(`${part}/root`);
    await initialisePrefix(`${part}/root`);
    await Deno.writeTextFile(`${part}/recipe`, RECIPE);
    await removeTree(folder);
    await Deno.rename(part, folder);
  }
  if (!await exists(denoFolder(folder))) await fetchDeno(folder);
}

async function installSystem(root: string): Promise<void> {
  say("installing Debian trixie with Wine");
  // In a namespace: debootstrap mounts, and leaves that behind when it is interrupted.
  await using namespace = await PrivateNamespace.create();
  await namespace.run([
    "debootstrap",
    "--variant=minbase",
    "--include=wine,wine64",
    "trixie",
    root,
  ]);
  await namespace.run(["chroot", root, "apt-get", "clean"]);
}

async function initialisePrefix(root: string): Promise<void> {
  say("initialising Wine");
  await using namespace = await PrivateNamespace.create(`cd "$1"; ${SYSTEM_MOUNTS}`, [root]);
  // Neither .NET nor HTML: those would be downloaded.
  const wine = chrootCommand(root, "/", { WINEDLLOVERRIDES: "mscoree,mshtml=" });
  await namespace.run([...wine, "wineboot", "--init"]);
  await namespace.run([...wine, "wineserver", "--wait"]);
  for (const file of ["system.reg", "drive_c/windows/system32/kernel32.dll"]) {
    if (!await exists(`${root}${WINE_PREFIX}/${file}`)) {
      throw new Error(`wineboot made no ${file}`);
    }
  }
}

async function fetchDeno(folder: string): Promise<void> {
  const version = Deno.version.deno;
  say(`fetching deno.exe ${version}`);
  const part = `${folder}/deno.part`;
  await removeTree(part);
  await Deno.mkdir(part);
  await run("npm", ["pack", "--silent", `@deno/win32-x64@${version}`], { cwd: part });
  const packed = `deno-win32-x64-${version}.tgz`;
  const unpack = ["-xzf", packed, "--strip-components=1", "package/deno.exe"];
  await run("tar", unpack, { cwd: part });
  await Deno.remove(`${part}/${packed}`);
  await Deno.rename(part, denoFolder(folder));
}

/** Leaves alone what is mounted in it, should that ever be. */
async function removeTree(path: string): Promise<void> {
  await run("rm", ["-rf", "--one-file-system", path]);
}

function say(what: string): void {
  console.error(`wine: ${what}`);
}
