/**
 * Makes the executables, and the list of their digests:
 *
 * ```
 * deno task compile [target...]
 * ```
 *
 * They are compiled from a copy that holds what main.ts leads to and nothing else; the
 * folder of the project stays as it is, but for `dist`. There everything appears at the
 * end, or nothing does. The permissions are those of the task `start`.
 */
import { createHash } from "node:crypto";
import { dirname, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** What an executable can be made for. */
export interface Target {
  /** The word for it: "linux-x64". */
  readonly name: string;
  /** Deno's name for it. */
  readonly triple: string;
  /** The executable's name in `dist`. */
  readonly file: string;
}

function target(name: string, triple: string, suffix = ""): Target {
  return { name, triple, file: `sectorshot-${name}${suffix}` };
}

export const TARGETS: readonly Target[] = [
  target("windows-x64", "x86_64-pc-windows-msvc", ".exe"),
  target("windows-arm64", "aarch64-pc-windows-msvc", ".exe"),
  target("macos-arm64", "aarch64-apple-darwin"),
  target("macos-x64", "x86_64-apple-darwin"),
  target("linux-x64", "x86_64-unknown-linux-gnu"),
  target("linux-arm64", "aarch64-unknown-linux-gnu"),
];

/** The name of the digest list in `dist`. */
const SUMS = "SHA256SUMS";

/** Where the copy holds the commit, which `--version` shows. */
const COMMIT_FILE = "src/cli/commit.ts";

/** Names the file with a runtime to use in place of Deno's own. */
export const RUNTIME_VARIABLE = "DENORT_BIN";

/** The folder of the project. */
export const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** What the person at the keyboard can do something about. */
export class CompileError extends Error {}

/** Deno has no runtime for the target, and cannot download it. */
export class RuntimeMissing extends CompileError {}

/** The targets that the words name; all of them when there are no words. */
export function targetsNamed(words: readonly string[]): readonly Target[] {
  const known = TARGETS.map(({ name }) => name);
  const lost = words.filter((word) => !known.includes(word));
  if (lost.length > 0) {
    throw new CompileError(`no such target: ${lost.join(", ")}; there are ${known.join(", ")}`);
  }
  return TARGETS.filter(({ name }) => words.length === 0 || words.includes(name));
}

/**
 * What an executable is allowed, and all else that Deno is told when the task `start`
 * runs main.ts. Programs may be run on macOS only.
 */
export function startFlags(command: string, { name }: Target): string[] {
  const flags = /^deno run ((?:--\S+ )+)main\.ts$/.exec(command)?.[1];
  if (flags === undefined) throw new CompileError(`not understood in deno.json: ${command}`);
  return flags.trim().split(" ").filter((flag) =>
    flag !== "--quiet" && (name.startsWith("macos-") || !flag.startsWith("--allow-run"))
  );
}

/**
 * The workers that a module names: each script in `new URL("./x.ts", import.meta.url)`.
 * Deno's graph does not follow those.
 */
export function workersNamed(code: string): string[] {
  const pattern =
    /\bnew\s+URL\s*\(\s*["'](\.[^"']*\.[cm]?[jt]sx?)["']\s*,\s*import\.meta\.url/g;
  return [...code.matchAll(pattern)].map((match) => match[1] ?? "");
}

/**
 * The paths to leave out so that, of `files`, those in `kept` stay: a folder in place of
 * all the files in it wherever none of them stays.
 */
export function needless(files: readonly string[], kept: ReadonlySet<string>): string[] {
  const holdsKept = (folder: string): boolean =>
    kept.values().some((path) => path.startsWith(`${folder}/`));
  const paths = files.filter((path) => !kept.has(path)).map((path) => {
    const parts = path.split("/");
    const folders = parts.map((_, index) => parts.slice(0, index).join("/")).slice(1);
    return folders.find((folder) => !holdsKept(folder)) ?? path;
  });
  return [...new Set(paths)];
}

/** The list of digests as `sha256sum -c` reads it, sorted by name. */
export function sumsText(digests: ReadonlyMap<string, string>): string {
  const lines = [...digests].map(([name, digest]) => `${digest}  ${name}\n`);
  return lines.toSorted((a, b) => a.slice(64) < b.slice(64) ? -1 : 1).join("");
}

/** How a program ended. */
interface Ending {
  readonly success: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(
  program: string,
  args: readonly string[],
  options: Pick<Deno.CommandOptions, "cwd" | "env" | "signal"> = {},
): Promise<Ending> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    ...options,
    args: [...args],
    stdin: "null",
    env: { NO_COLOR: "1", ...options.env },
  }).output();
  const decoder = new TextDecoder();
  return { success, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** What `deno info --json` tells of a module and all that it leads to. */
interface ModuleGraph {
  readonly modules: readonly {
    readonly specifier: string;
    readonly error?: string;
    readonly npmPackage?: string;
  }[];
  readonly npmPackages: Readonly<Record<string, { readonly localPath: string }>>;
}

async function moduleGraph(path: string): Promise<ModuleGraph> {
  const { success, stdout, stderr } = await run(
    Deno.execPath(),
    ["info", "--json", path],
    { cwd: ROOT },
  );
  if (!success) throw new CompileError(`cannot follow ${path}: ${stderr}`);
  const graph: ModuleGraph = JSON.parse(stdout);
  const broken = graph.modules.find(({ error }) => error !== undefined);
  if (broken !== undefined) throw new CompileError(`${broken.specifier}: ${broken.error}`);
  return graph;
}

/** The files on this machine that a module leads to, itself included. */
function localFiles({ modules }: ModuleGraph): string[] {
  return modules.map(({ specifier }) => specifier).filter((it) => it.startsWith("file:"))
    .map((specifier) => fileURLToPath(specifier));
}

/** What main.ts leads to. */
interface Reach {
  /** The project's own files. */
  readonly files: ReadonlySet<string>;
  /** Those of the files that are workers. */
  readonly workers: ReadonlySet<string>;
  /** Folders of npm packages, and what is imported from each by its `npm:` name. */
  readonly packages: ReadonlyMap<string, ReadonlySet<string>>;
}

async function reachOf(entry: string): Promise<Reach> {
  const files = new Set<string>();
  const workers = new Set<string>();
  const packages = new Map<string, Set<string>>();
  const follow = async (path: string): Promise<void> => {
    const graph = await moduleGraph(path);
    for (const { npmPackage, specifier } of graph.modules) {
      const folder = graph.npmPackages[npmPackage ?? ""]?.localPath;
      if (folder === undefined) continue;
      packages.set(folder, (packages.get(folder) ?? new Set()).add(specifier));
    }
    for (const file of localFiles(graph).filter((file) => !files.has(file))) {
      files.add(file);
      for (const name of workersNamed(await Deno.readTextFile(file))) {
        const worker = fileURLToPath(new URL(name, pathToFileURL(file)));
        if (workers.has(worker)) continue;
        workers.add(worker);
        await follow(worker);
      }
    }
  };
  await follow(entry);
  return { files, workers, packages };
}

/** The paths of all files below a folder, from there, with "/". */
export async function filesBelow(folder: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (!isDirectory) paths.push(name);
    else paths.push(...(await filesBelow(`${folder}/${name}`)).map((it) => `${name}/${it}`));
  }
  return paths.toSorted();
}

/**
 * What to leave out of a package: all but the modules that are reached, the package's
 * own description, and its licence.
 */
async function needlessInPackage(
  folder: string,
  specifiers: ReadonlySet<string>,
): Promise<string[]> {
  const files = await filesBelow(folder);
  const kept = new Set(
    files.filter((path) => /^(package\.json|(licen[cs]e|notice)\b.*)$/i.test(path)),
  );
  for (const specifier of specifiers) {
    const entry = fileURLToPath(import.meta.resolve(specifier));
    for (const path of localFiles(await moduleGraph(entry))) {
      kept.add(path.slice(folder.length + 1).replaceAll("\\", "/"));
    }
  }
  return needless(files, kept).map((path) => resolve(folder, path));
}

/** The commit that the folder of the project is at, "-dirty" when it holds other things. */
async function currentCommit(): Promise<string> {
  // The folder may be another user's, as when root runs this.
  const git = (...words: string[]): Promise<Ending> =>
    run("git", ["-c", "safe.directory=*", "-C", ROOT, ...words]);
  try {
    const [head, status] = [await git("rev-parse", "HEAD"), await git("status", "--porcelain")];
    if (!head.success || !status.success) return "unknown";
    return head.stdout.slice(0, 7) + (status.stdout === "" ? "" : "-dirty");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "unknown";
    throw error;
  }
}

/** A copy of the project that is ready to be compiled. */
export interface Preparation {
  readonly folder: string;
  /** What `--version` will say. */
  readonly version: string;
  /** The command of the task `start`. */
  readonly start: string;
  /** From the folder, as all paths to include are. */
  readonly workers: readonly string[];
  /** Absolute paths of what packages hold beyond need. */
  readonly excluded: readonly string[];
}

/** Copies what main.ts leads to into a folder, with the commit. */
export async function prepare(folder: string): Promise<Preparation> {
  const { files, workers, packages } = await reachOf(resolve(ROOT, "main.ts"));
  const fromRoot = (path: string): string => {
    if (!path.startsWith(ROOT)) throw new CompileError(`${path} is not in ${ROOT}`);
    return path.slice(ROOT.length).replaceAll("\\", "/");
  };
  for (
    const path of new Set([...files, resolve(ROOT, "deno.json"), resolve(ROOT, "deno.lock")])
  ) {
    const copy = resolve(folder, fromRoot(path));
    await Deno.mkdir(dirname(copy), { recursive: true });
    await Deno.copyFile(path, copy);
  }
  const commit = await currentCommit();
  await Deno.writeTextFile(
    resolve(folder, COMMIT_FILE),
    `/** Written by \`deno task compile\`. */\nexport const COMMIT: string = "${commit}";\n`,
  );
  const config: { version: string; tasks: { start: { command: string } } } = JSON.parse(
    await Deno.readTextFile(resolve(folder, "deno.json")),
  );
  const excluded: string[] = [];
  for (const [path, specifiers] of packages) {
    excluded.push(...await needlessInPackage(path, specifiers));
  }
  return {
    folder,
    version: `sectorshot ${config.version} (commit ${commit})`,
    start: config.tasks.start.command,
    workers: [...workers].map(fromRoot),
    excluded,
  };
}

/** How one executable is made. */
export interface CompileOptions {
  /** The file with the runtime to put everything into; else Deno sees to one. */
  readonly runtime?: string | undefined;
  /** Gives up. */
  readonly signal?: AbortSignal;
}

/** Makes the executable of a target at a path. */
export async function compile(
  preparation: Preparation,
  target: Target,
  path: string,
  { runtime, signal }: CompileOptions = {},
): Promise<void> {
  const { success, stderr } = await run(Deno.execPath(), [
    "compile",
    "--quiet",
    "--no-check",
    "--frozen",
    // Without this it would leave a file in the temporary folder of whoever runs it.
    "--no-code-cache",
    "--exclude-unused-npm",
    ...startFlags(preparation.start, target),
    ...preparation.workers.map((worker) => `--include=${worker}`),
    ...preparation.excluded.map((needless) => `--exclude=${needless}`),
    `--target=${target.triple}`,
    `--output=${path}`,
    "main.ts",
  ], {
    cwd: preparation.folder,
    ...(runtime === undefined ? {} : { env: { [RUNTIME_VARIABLE]: runtime } }),
    ...(signal === undefined ? {} : { signal }),
  });
  if (success) return;
  if (runtime === undefined && (signal?.aborted || /base binary|denort/.test(stderr))) {
    throw new RuntimeMissing(
      missingText(target, signal?.aborted ? "it took too long" : stderr),
    );
  }
  const [reason = ""] = stderr.split("\nStack backtrace");
  throw new CompileError(`${target.name} could not be compiled: ${reason.trim()}`);
}

function missingText({ name, triple }: Target, why: string): string {
  const cause = /^\s*\d+: (error .*)$/m.exec(why)?.[1] ?? why.trim();
  return [
    `Deno's runtime for ${name} is not on this machine and could not be downloaded: ${cause}`,
    `Give one by hand: denort of denort-${triple}.zip, from Deno's release ` +
    `v${Deno.version.deno}, then`,
    `${RUNTIME_VARIABLE}=path/to/denort deno task compile ${name}`,
  ].join("\n");
}

/** The target that runs on this machine. */
export function hostTarget(): Target | undefined {
  const os = { darwin: "macos" }[Deno.build.os as string] ?? Deno.build.os;
  const name = `${os}-${Deno.build.arch === "aarch64" ? "arm64" : "x64"}`;
  return TARGETS.find((target) => target.name === name);
}

/** Refuses an executable that is not sectorshot, such as one made with a wrong runtime. */
async function checkVersion(path: string, version: string): Promise<void> {
  const { stdout, stderr } = await run(path, ["--version"]);
  if (stdout.trim() === version) return;
  throw new CompileError(
    `what was made does not work: it says "${(stdout + stderr).trim()}" and not "${version}"`,
  );
}

/** The runtime that the environment names for the only target; undefined when it names none. */
export async function givenRuntime(targets: readonly Target[]): Promise<string | undefined> {
  const path = Deno.env.get(RUNTIME_VARIABLE);
  if (path === undefined) return undefined;
  if (targets.length !== 1) {
    throw new CompileError(`${RUNTIME_VARIABLE} is the runtime of one target: name that one`);
  }
  try {
    return await Deno.realPath(path);
  } catch {
    throw new CompileError(`${RUNTIME_VARIABLE}: there is no file ${path}`);
  }
}

/** Puts a file into `dist` under its name, whole or not at all. */
async function publish(path: string, dist: string, name: string): Promise<void> {
  const partial = resolve(dist, `.${name}.part`);
  try {
    await Deno.copyFile(path, partial);
    await Deno.rename(partial, resolve(dist, name));
  } catch (error) {
    await Deno.remove(partial).catch(() => {});
    throw error;
  }
}

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  const file = await Deno.open(path);
  for await (const chunk of file.readable) hash.update(chunk);
  return hash.digest("hex");
}

/** The digests of all executables in `dist`, those of earlier runs included. */
async function sumsOf(dist: string): Promise<string> {
  const digests = new Map<string, string>();
  const names = new Set((await filesBelow(dist)).filter((name) => !name.includes("/")));
  for (const { file } of TARGETS.filter(({ file }) => names.has(file))) {
    digests.set(file, await sha256(resolve(dist, file)));
  }
  return sumsText(digests);
}

/** Makes the executables in a temporary folder, then puts them into `dist`. */
async function compileAll(targets: readonly Target[], folder: string): Promise<void> {
  const runtime = await givenRuntime(targets);
  const source = resolve(folder, "source");
  await Deno.mkdir(source);
  const preparation = await prepare(source);
  for (const target of targets) {
    console.log(`${target.file}: ${preparation.version}`);
    const path = resolve(folder, target.file);
    await compile(preparation, target, path, { runtime });
    if (target === hostTarget()) await checkVersion(path, preparation.version);
    else console.log("  it was not run: it is for another machine");
    if (target.name === "macos-x64" && Deno.build.os !== "darwin") {
      console.log("  it is not signed: that can be done on macOS only");
    }
  }
  const dist = resolve(ROOT, "dist");
  await Deno.mkdir(dist, { recursive: true });
  for (const { file } of targets) await publish(resolve(folder, file), dist, file);
  await Deno.writeTextFile(resolve(folder, SUMS), await sumsOf(dist));
  await publish(resolve(folder, SUMS), dist, SUMS);
  console.log(`in dist, with ${SUMS}`);
}

/** Does something in a temporary folder, which is gone afterwards. */
export async function inTemporaryFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "sectorshot-compile-" }));
  try {
    return await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) {
  try {
    const targets = targetsNamed(Deno.args);
    await inTemporaryFolder((folder) => compileAll(targets, folder));
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    console.error(`error: ${error.message}`);
    Deno.exitCode = 1;
  }
}
