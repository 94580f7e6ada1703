/**
 * Checks what the executables hold, and that they run:
 *
 * ```
 * deno task package [--must-run]
 * ```
 *
 * For each target all is packed as `deno task compile` does it, but into the mere shell of
 * an executable. What was packed is then read from there, held against the rules, unpacked
 * and run. Where a runtime for this machine can be had, its executable is made and run;
 * with `--must-run` it is an error when that cannot be done.
 */
import { posix, resolve } from "node:path";
import {
  compile,
  CompileError,
  filesBelow,
  givenRuntime,
  hostTarget,
  inTemporaryFolder,
  type Preparation,
  prepare,
  ROOT,
  RuntimeMissing,
  startFlags,
  type Target,
  TARGETS,
} from "./compile.ts";

/** All that is packed may take this much. */
const LIMIT_BYTES = 6 * 1024 * 1024;

/** Downloading the runtime may take this long; otherwise it cannot be had. */
const DOWNLOAD_MILLISECONDS = 60_000;

/** Where npm packages lie in what is packed: name/version/files. */
const PACKAGES = ".deno_compile_node_modules/localhost/";

/** What Deno packs. */
export interface Packed {
  /** Each file's path, and its text as it is run: without types. */
  readonly files: ReadonlyMap<string, PackedFile>;
  /** All bytes of files, with source maps and what else Deno adds. */
  readonly bytes: number;
  /** "allow_read" and so on: null is nothing, an empty list everything. */
  readonly permissions: Readonly<Record<string, readonly string[] | boolean | null>>;
  readonly entry: string;
  /** Whether Deno keeps compiled code in the temporary folder of whoever runs it. */
  readonly keepsCode: boolean;
  /** What the names in imports stand for. */
  readonly imports: Readonly<Record<string, string>>;
}

interface PackedFile {
  readonly source: Uint8Array<ArrayBuffer>;
  /** What is run: the source, or what Deno made of its TypeScript. */
  readonly code: string;
}

const MAGIC = new TextEncoder().encode("d3n0l4nd");
const decoder = new TextDecoder();

/** What Deno puts before all that is packed: only what is looked at here. */
interface Metadata {
  readonly entrypoint_key: string;
  readonly code_cache_key: number | null;
  readonly permissions: Packed["permissions"];
  readonly workspace_resolver: { readonly import_map: { readonly json: string } | null };
}

/** A file's or folder's name and place, as Deno lists them. */
type Entry =
  | { readonly Dir: { readonly n: string; readonly e: readonly Entry[] } }
  | { readonly File: { readonly n: string; readonly o: Place; readonly m?: Place } };

type Place = readonly [offset: number, length: number];

/** What is packed, or what it does, is not as it should be. */
class CheckError extends Error {}

/** Reads blocks one after the other; each has its length in front. */
class Blocks {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  #at: number;

  constructor(bytes: Uint8Array<ArrayBuffer>, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  next(): Uint8Array<ArrayBuffer> {
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset);
    const start = this.#at + 8;
    this.#at = start + Number(view.getBigUint64(this.#at, true));
    if (this.#at > this.#bytes.length) throw new RangeError("a block goes beyond the end");
    return this.#bytes.subarray(start, this.#at);
  }

  /** Passes a list of 32-bit length that must be empty. */
  emptyList(name: string): void {
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset);
    if (view.getUint32(this.#at, true) !== 0) throw new Error(`there are ${name}`);
    this.#at += 4;
  }
}

/** Where the metadata of what is packed begin, behind the mark that the bytes hold. */
function findMetadata(bytes: Uint8Array<ArrayBuffer>): number {
  for (let at = bytes.indexOf(0x64); at >= 0; at = bytes.indexOf(0x64, at + 1)) {
    if (!MAGIC.every((byte, index) => bytes[at + index] === byte)) continue;
    const text = bytes.subarray(at + 16, at + 24);
    if (decoder.decode(text) === '{"argv":') return at + MAGIC.length;
  }
  throw new Error("nothing is packed in it that looks like what Deno packs");
}

/**
 * What is packed in an executable: Deno's own list of it, as cli/standalone/binary.rs of
 * Deno 2.9 writes it. Throws where it is anything else.
 */
export function readPacked(executable: Uint8Array<ArrayBuffer>): Packed {
  const blocks = new Blocks(executable, findMetadata(executable));
  const metadata: Metadata = JSON.parse(decoder.decode(blocks.next()));
  blocks.next(); // The versions of the npm packages.
  for (const name of ["names of modules", "redirects", "remote modules"]) {
    blocks.emptyList(name);
  }
  const entries: readonly Entry[] = JSON.parse(decoder.decode(blocks.next()));
  const content = blocks.next();
  const files = new Map<string, PackedFile>();
  const part = ([offset, length]: Place): Uint8Array<ArrayBuffer> =>
    content.subarray(offset, offset + length);
  const visit = (entry: Entry, folder: string): void => {
    if ("Dir" in entry) {
      for (const inner of entry.Dir.e) visit(inner, `${folder}${entry.Dir.n}/`);
    } else if ("File" in entry) {
      const { n, o, m = o } = entry.File;
      files.set(folder + n, { source: part(o), code: decoder.decode(part(m)) });
    } else throw new Error(`neither file nor folder: ${JSON.stringify(entry)}`);
  };
  for (const entry of entries) visit(entry, "");
  const { entrypoint_key: entry, permissions, workspace_resolver } = metadata;
  const { imports = {} } = JSON.parse(workspace_resolver.import_map?.json ?? "{}");
  const keepsCode = metadata.code_cache_key !== null;
  return { files, bytes: content.length, permissions, entry, keepsCode, imports };
}

/** What code names at run time: modules in every way of importing, and workers. */
function specifiersIn(code: string): string[] {
  // Strings become numbers: what looks like an import inside of one is none.
  const strings: string[] = [];
  const text = code.replace(
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)/g,
    (_, string: string | undefined) =>
      string === undefined ? " " : `"${strings.push(string.slice(1, -1)) - 1}"`,
  );
  const patterns = [
    /(?<![.\w$])(?:import|export)\s+[\w$\s{},*]*?\bfrom\s*"(\d+)"/g,
    /(?<![.\w$])import\s*\(?\s*"(\d+)"/g,
    /\bnew\s+URL\s*\(\s*"(\d+)"\s*,\s*import\.meta\.url/g,
    /(?<![.\w$])require\s*\(\s*"(\d+)"/g,
  ];
  const [importFrom = [], imported = [], located = [], required = []] = patterns.map((it) =>
    [...text.matchAll(it)].map((match) => strings[Number(match[1])] ?? "")
  );
  // A place is a file's where it names one, not the folder itself.
  const files = located.filter((place) => /^\.+\/.*[^/.]$/.test(place));
  const own = required.filter((place) => place.startsWith("."));
  return [...importFrom, ...imported, ...files, ...own];
}

/** The path of what a file names; the name itself where there is no such file. */
function pathOf(packed: Packed, from: string, specifier: string): string {
  if (specifier.startsWith(".")) return posix.join(posix.dirname(from), specifier);
  const npm = /^npm:\/?((?:@[^/]+\/)?[^@/]+)@[^/]+(?:\/(.+))?$/
    .exec(packed.imports[specifier] ?? specifier);
  const [, name, file] = npm ?? [];
  const description = [...packed.files.keys()].find((path) =>
    path.startsWith(`${PACKAGES}${name}/`) && path.split("/").at(-1) === "package.json"
  );
  if (description === undefined) return specifier;
  const { main = "index.js" }: { main?: string } = JSON.parse(
    packed.files.get(description)?.code ?? "{}",
  );
  return posix.join(posix.dirname(description), file ?? main);
}

/** What is needed at run time: all that the entry leads to, packed or not. */
function neededPaths(packed: Packed): Set<string> {
  const needed = new Set([packed.entry]);
  for (const path of needed) {
    if (!/\.[cm]?[jt]sx?$/.test(path)) continue;
    for (const specifier of specifiersIn(packed.files.get(path)?.code ?? "")) {
      if (!specifier.startsWith("node:")) needed.add(pathOf(packed, path, specifier));
    }
  }
  return needed;
}

/** A package's description and licence go with its code. */
function belongsToPackage(path: string): boolean {
  return path.startsWith(PACKAGES) &&
    /\/(package\.json|licen[cs]e[^/]*|notice[^/]*)$/i.test(path);
}

/** What the flags allow, in the words of what is packed. */
function permissionsOf(flags: readonly string[]): Map<string, string> {
  const allowed = flags.flatMap((flag) => {
    const [, name = "", list] = /^--(allow-[a-z]+)(?:=(.+))?$/.exec(flag) ?? [];
    return name === "" ? [] : [[name.replace("-", "_"), list ?? ""] as const];
  });
  return new Map(allowed);
}

function extent(list: string | undefined): string {
  return list === undefined ? "nothing" : list === "" ? "everything" : list;
}

/** What is packed that should not be allowed, or the other way round. */
function permissionProblems(packed: Packed, flags: readonly string[]): string[] {
  const wanted = permissionsOf(flags);
  const problems = ["net", "write", "sys"].filter((name) =>
    packed.permissions[`allow_${name}`] !== null
  ).map((name) => `it may use --allow-${name}`);
  for (const [name, value] of Object.entries(packed.permissions)) {
    // Modules from elsewhere: Deno always names its places, and none is ever imported.
    if (!name.startsWith("allow_") || name === "allow_import") continue;
    const list = Array.isArray(value) ? value.join(",") : undefined;
    const right = wanted.get(name);
    if (list !== right) problems.push(`${name} is ${extent(list)}, not ${extent(right)}`);
  }
  return problems;
}

/** What is wrong with what is packed, when it should be allowed what the flags say. */
export function problemsOf(packed: Packed, flags: readonly string[]): string[] {
  const needed = neededPaths(packed);
  const paths = [...packed.files.keys()];
  const problems = permissionProblems(packed, flags);
  for (const path of needed) {
    if (!packed.files.has(path)) problems.push(`${path} is missing`);
  }
  for (const path of paths) {
    if (!needed.has(path) && !belongsToPackage(path)) problems.push(`${path} is needless`);
  }
  if (packed.keepsCode) problems.push("it would leave a file in the temporary folder");
  if (packed.bytes > LIMIT_BYTES) problems.push(`${packed.bytes} bytes are too much`);
  return problems;
}

/** The bytes of small numbers, low byte first, at their offsets in a file of this size. */
function fileOf(
  size: number,
  numbers: readonly (readonly [offset: number, bytes: 1 | 2 | 4 | 8, value: number])[],
  texts: readonly (readonly [offset: number, text: string])[],
): Uint8Array<ArrayBuffer> {
  const file = new Uint8Array(size);
  for (const [offset, bytes, value] of numbers) {
    for (let i = 0; i < bytes; i++) file[offset + i] = Math.floor(value / 2 ** (8 * i)) % 256;
  }
  for (const [offset, text] of texts) file.set(new TextEncoder().encode(text), offset);
  return file;
}

/** The least that Deno takes for a Windows program (PE32+): headers and one section. */
function windowsShell(machine: number): Uint8Array<ArrayBuffer> {
  return fileOf(0x600, [
    [60, 4, 64], // where the headers are
    [68, 2, machine],
    [70, 2, 1], // sections
    [84, 2, 240], // size of the optional header
    [86, 2, 0x22], // executable, large addresses
    [88, 2, 0x20b], // PE32+
    [88 + 32, 4, 0x1000], // alignment in memory
    [88 + 36, 4, 0x200], // and in the file
    [88 + 56, 4, 0x2000], // size in memory
    [88 + 60, 4, 0x400], // size of all headers
    [88 + 68, 2, 3], // console
    [88 + 108, 4, 16], // directories
    [328 + 8, 4, 0x200], // the section's size in memory
    [328 + 12, 4, 0x1000], // its address
    [328 + 16, 4, 0x200], // its size in the file
    [328 + 20, 4, 0x400], // its offset
    [328 + 36, 4, 0x60000020], // code
  ], [[0, "MZ"], [64, "PE"], [328, ".text"]]);
}

/** The least that Deno takes for a macOS program (Mach-O): where its signature may be. */
function macosShell(machine: number): Uint8Array<ArrayBuffer> {
  return fileOf(0x1000, [
    [0, 4, 0xfeedfacf],
    [4, 4, 0x1000000 + machine],
    [12, 4, 2], // an executable
    [16, 4, 2], // load commands
    [20, 4, 72 + 16], // and their size
    [32, 4, 0x19], // LC_SEGMENT_64
    [36, 4, 72],
    [32 + 40, 8, 0x800], // the segment's offset
    [32 + 48, 8, 0x800], // and size
    [104, 4, 0x1d], // LC_CODE_SIGNATURE
    [108, 4, 16],
    [112, 4, 0x1000], // the signature's offset
  ], [[40, "__LINKEDIT"]]);
}

/** The least that Deno takes for a Linux program (ELF): a header and one segment. */
function linuxShell(machine: number): Uint8Array<ArrayBuffer> {
  return fileOf(120, [
    [0, 1, 0x7f],
    [4, 1, 2], // 64 bits
    [5, 1, 1], // low byte first
    [6, 1, 1],
    [16, 2, 2], // an executable
    [18, 2, machine],
    [20, 4, 1],
    [32, 8, 64], // the segments' offset
    [52, 2, 64],
    [54, 2, 56],
    [56, 2, 1], // segments
    [64, 4, 1], // PT_LOAD
    [104, 8, 0x1000], // its size in memory
  ], [[1, "ELF"]]);
}

/** The number of a kind of processor is another in each format. */
const SHELLS: Readonly<Record<string, () => Uint8Array<ArrayBuffer>>> = {
  "windows-x64": () => windowsShell(0x8664),
  "windows-arm64": () => windowsShell(0xaa64),
  "macos-x64": () => macosShell(7),
  "macos-arm64": () => macosShell(12),
  "linux-x64": () => linuxShell(62),
  "linux-arm64": () => linuxShell(183),
};

/** Packs everything for a target as `deno task compile` does, into a shell. */
async function packed(
  preparation: Preparation,
  target: Target,
  folder: string,
): Promise<Packed> {
  const runtime = resolve(folder, `shell-${target.name}`);
  const shell = SHELLS[target.name];
  if (shell === undefined) throw new Error(`there is no shell for ${target.name}`);
  await Deno.writeFile(runtime, shell());
  const path = resolve(folder, `packed-${target.file}`);
  await compile(preparation, target, path, { runtime });
  return readPacked(await Deno.readFile(path));
}

/** A program and the words in front of the command line's. */
type Program = readonly [string, ...string[]];

/** Runs a command line that must end with an exit code; answers what it printed. */
async function expectExit(
  [program, ...front]: Program,
  words: readonly string[],
  cwd: string,
  expected: number,
): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...front, ...words],
    cwd,
    stdin: "null",
  }).output();
  const text = decoder.decode(stdout);
  if (code === expected) return text;
  throw new CheckError(
    `sectorshot ${words.join(" ")}: exit code ${code}, not ${expected}\n` +
      text + decoder.decode(stderr),
  );
}

/** Every worker and every package has something to do in this. */
async function checkRuns(program: Program, version: string, folder: string): Promise<void> {
  await Deno.mkdir(folder);
  const said = await expectExit(program, ["--version"], folder, 0);
  if (said.trim() !== version) {
    throw new CheckError(`--version says ${said.trim()}, not ${version}`);
  }
  // Below 16 MiB hashes have no thread of their own.
  const card = new Uint8Array(24 * 1024 * 1024).map((_, index) => index * 7 + (index >> 12));
  await Deno.writeFile(resolve(folder, "card"), card);
  const expectCode = (code: number, ...words: string[]): Promise<string> =>
    expectExit(program, words, folder, code);
  await expectCode(0, "info", "card");
  await expectCode(0, "read", "card", "card.img", "--hash=sha256,blake3", "--verify");
  await expectCode(0, "verify", "card.img");
  await expectCode(0, "verify", "card.img", "card");
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", card)).toHex();
  await expectCode(0, "verify", "card.img", `--expect=sha256:${digest}`);
  card[20_000_000] = (card[20_000_000] ?? 0) ^ 1;
  await Deno.writeFile(resolve(folder, "card"), card);
  await expectCode(2, "verify", "card.img", "card");
  await expectCode(1, "read", "crad", "other.img");
  await checkPackedImages(expectCode, folder);
}

/** 4096 zeros, packed by xz 5.4. */
const PACKED_ZEROS =
  "/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4A//ABldAABv/f//o7f/Rz5IFXI5YVG4kijmo4SeKUYAAAAApfDqJZTT0yYAATWAIAAAAG9dNoaxxGf7AgAAAAAEWVo=";

/** SHA-256 of 4096 zeros. */
const ZEROS_DIGEST = "ad7facb2586fc6e966c004d7d1d16b024f5805ff7cb47c7a85dabd8b48892ca7";

/** Images that are packed, small and large: threads and packages that others do not need. */
async function checkPackedImages(
  expectCode: (code: number, ...words: string[]) => Promise<string>,
  folder: string,
): Promise<void> {
  await Deno.writeFile(resolve(folder, "zeros.xz"), Uint8Array.fromBase64(PACKED_ZEROS));
  await expectCode(0, "verify", "zeros.xz", `--expect=sha256:${ZEROS_DIGEST}`);
  const noise = new Uint8Array(1024 * 1024);
  for (let at = 0; at < noise.length; at += 65536) {
    crypto.getRandomValues(noise.subarray(at, at + 65536));
  }
  const stream = new Blob([noise]).stream().pipeThrough(new CompressionStream("gzip"));
  await Deno.writeFile(resolve(folder, "noise.gz"), stream);
  await Deno.writeFile(resolve(folder, "noise"), noise);
  await expectCode(0, "verify", "noise.gz", "noise");
  for (const name of ["out.img.gz", "out.img.zst", "out.zip", "out.E01"]) {
    await expectCode(0, "convert", "noise", name, "--force");
    await expectCode(0, "verify", name, "noise");
  }
}

/** Lays out what is packed as files that Deno itself can run; answers how. */
async function unpack(
  { files, entry }: Packed,
  flags: readonly string[],
  folder: string,
): Promise<Program> {
  for (const [path, { source }] of files) {
    const [name = "", ...rest] = path.startsWith(PACKAGES)
      ? path.slice(PACKAGES.length).split(/\/\d[^/]*\//)
      : [];
    const place = resolve(
      folder,
      name === "" ? path : `node_modules/${name}/${rest.join("/")}`,
    );
    await Deno.mkdir(resolve(place, ".."), { recursive: true });
    await Deno.writeFile(place, source);
  }
  return [
    Deno.execPath(),
    "run",
    "--quiet",
    "--cached-only",
    "--no-lock",
    "--node-modules-dir=manual",
    ...flags,
    resolve(folder, entry),
  ];
}

/** Makes and runs the executable for this machine; undefined when it ran, or why not. */
async function checkExecutable(
  preparation: Preparation,
  target: Target,
  folder: string,
): Promise<string | undefined> {
  const path = resolve(folder, target.file);
  try {
    await compile(preparation, target, path, {
      runtime: await givenRuntime([target]),
      signal: AbortSignal.timeout(DOWNLOAD_MILLISECONDS),
    });
  } catch (error) {
    if (error instanceof RuntimeMissing) return error.message;
    throw error;
  }
  await checkRuns([path], preparation.version, resolve(folder, "run-executable"));
  return undefined;
}

/** The workers in the rooms of the project that are not packed, in whatever way they start. */
async function forgottenWorkers({ files }: Packed): Promise<string[]> {
  const paths: string[] = [];
  for (const room of ["src", "ffi"]) {
    paths.push(...(await filesBelow(resolve(ROOT, room))).map((path) => `${room}/${path}`));
  }
  const workers = paths.filter((path) => path.endsWith("worker.ts"));
  if (workers.length === 0) throw new Error("where are the workers?");
  return workers.filter((path) => !files.has(path)).map((path) => `${path} is forgotten`);
}

/** Packs for all targets and holds each against the rules; answers this machine's. */
async function checkAll(preparation: Preparation, folder: string): Promise<Packed | undefined> {
  let own: Packed | undefined;
  for (const target of TARGETS) {
    const it = await packed(preparation, target, folder);
    const flags = startFlags(preparation.start, target);
    const problems = [...problemsOf(it, flags), ...await forgottenWorkers(it)];
    if (problems.length > 0) {
      throw new CheckError(`${target.file}:\n  ${problems.join("\n  ")}`);
    }
    const size = (it.bytes / 1024 / 1024).toFixed(2);
    console.log(`${target.file}: ${it.files.size} files, ${size} MiB, ${flags.join(" ")}`);
    if (target === hostTarget()) own = it;
  }
  return own;
}

/**
 * Checks everything. Where no executable can be run here it says so; when one must run,
 * that is an error.
 */
async function check(folder: string, mustRun: boolean): Promise<void> {
  const source = resolve(folder, "source");
  await Deno.mkdir(source);
  const preparation = await prepare(source);
  const own = await checkAll(preparation, folder);
  const target = hostTarget();
  if (own === undefined || target === undefined) {
    throw new CheckError("there is no executable for this machine");
  }
  const flags = startFlags(preparation.start, target);
  const program = await unpack(own, flags, resolve(folder, "unpacked"));
  await checkRuns(program, preparation.version, resolve(folder, "run-unpacked"));
  console.log(`unpacked: it runs, as ${preparation.version}`);
  const why = await checkExecutable(preparation, target, folder);
  if (why !== undefined && mustRun) throw new CheckError(why);
  console.log(
    why === undefined ? `${target.file}: it runs` : `NOT RUN: ${target.file}. ${why}`,
  );
}

if (import.meta.main) {
  try {
    await inTemporaryFolder((folder) => check(folder, Deno.args.includes("--must-run")));
  } catch (error) {
    if (!(error instanceof CheckError || error instanceof CompileError)) throw error;
    console.error(`error: ${error.message}`);
    Deno.exitCode = 1;
  }
}
