/** Holds the table of rooms: who may import whom, who prints, who asks for the system. */
import { assertEquals } from "@std/assert";
import config from "../deno.json" with { type: "json" };

const ROOT = new URL("../", import.meta.url);

/** What each room may import beside itself, as the design has it. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  "ffi": [],
  "src/core": [],
  "src/blocks": ["src/core"],
  "src/hashes": ["src/core", "ffi"],
  "src/volumes": ["src/core", "src/blocks"],
  "src/filesystems": ["src/core", "src/blocks"],
  "src/formats": ["src/core", "src/blocks", "src/hashes"],
  "src/devices": ["src/core", "src/blocks", "ffi"],
  "src/copy": ["src/core", "src/blocks", "src/hashes", "ffi"],
  "src/rescue": ["src/core", "src/copy", "ffi"],
  "src/report": ["src/core"],
  "src/commands": [
    "ffi",
    "src/core",
    "src/blocks",
    "src/hashes",
    "src/volumes",
    "src/filesystems",
    "src/formats",
    "src/devices",
    "src/copy",
    "src/rescue",
    "src/report",
  ],
  "src/cli": ["src/core", "src/commands"],
  "main.ts": ["src/cli"],
};

/** The public library: it re-exports what it likes, but for the command line. */
const LIBRARY = "mod.ts";

/** The only file that is no code: the version is in it. */
const CONFIG = "deno.json";

/** What a file imports, in whatever way. */
interface Import {
  readonly specifier: string;
  readonly kind: "static" | "type" | "dynamic" | "worker";
}

/** A file of the project and what it says. */
interface SourceFile {
  /** From the top of the repository: "src/core/range.ts". */
  readonly path: string;
  /** Without comments. */
  readonly code: string;
  readonly imports: readonly Import[];
}

/** The code without its comments; strings stay. */
function withoutComments(code: string): string {
  return code.replace(
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)/g,
    (_, text: string | undefined) => text ?? " ",
  );
}

/** The imports of code without comments. */
function importsOf(code: string): Import[] {
  const found: Import[] = [];
  const add = (pattern: RegExp, kind: (words: string) => Import["kind"]): void => {
    for (const match of code.matchAll(pattern)) {
      found.push({ specifier: match[2] ?? "", kind: kind(match[1] ?? "") });
    }
  };
  add(
    /(?<![.\w$])(?:import|export)\s+((?:type\b)?[\w$\s{},*]*?)\bfrom\s*["']([^"']+)["']/g,
    (words) => /^type\s+[\w${*]/.test(words) ? "type" : "static",
  );
  add(/(?<![.\w$])import\s*()["']([^"']+)["']/g, () => "static");
  add(/(?<![.\w$])import\s*\(()\s*["']([^"']+)["']/g, () => "dynamic");
  add(/\bnew\s+URL\s*\(\s*()["'](\.[^"']*)["']\s*,\s*import\.meta\.url/g, () => "worker");
  return found;
}

/** The path that a specifier of a file leads to; undefined for packages. */
function target(from: string, specifier: string): string | undefined {
  if (!/^\.{0,2}\//.test(specifier) && !specifier.startsWith("file:")) return undefined;
  const url = new URL(specifier, new URL(from, ROOT)).href;
  return url.startsWith(ROOT.href) ? url.slice(ROOT.href.length) : url;
}

/** The room that a file is in: "src/core", "ffi", or the file itself at the top. */
function roomOf(path: string): string {
  return /^(src\/[^/]+|ffi)\//.exec(path)?.[1] ?? path;
}

/** What a file does that the table does not allow. */
function importViolations(file: SourceFile): string[] {
  const room = roomOf(file.path);
  const problems: string[] = [];
  const allowed = room === LIBRARY
    ? Object.keys(ROOMS).filter((each) => !["main.ts", "src/cli"].includes(each))
    : ROOMS[room];
  if (allowed === undefined) return [`${file.path}: the room ${room} is not in the table`];
  for (const { specifier } of file.imports) {
    const path = target(file.path, specifier);
    if (path === undefined) {
      const isMapped = Object.keys(config.imports).some((name) =>
        name === specifier || (name.endsWith("/") && specifier.startsWith(name))
      );
      if (!isMapped && !specifier.startsWith("node:")) {
        problems.push(`${file.path} imports ${specifier}, which deno.json does not map`);
      }
    } else if (path === CONFIG) {
      if (room !== "src/cli") problems.push(`${file.path} imports ${CONFIG}`);
    } else if (roomOf(path) !== room && !allowed.includes(roomOf(path))) {
      problems.push(`${file.path} imports ${path}`);
    }
  }
  return problems;
}

/** Which of the entries of a registry import each other. */
function siblingViolations(all: SourceFile, files: readonly SourceFile[]): string[] {
  const entries = new Set(all.imports.map(({ specifier }) => target(all.path, specifier)));
  return files.filter(({ path }) => entries.has(path)).flatMap(({ path, imports }) =>
    imports.map(({ specifier }) => target(path, specifier))
      .filter((other) => other !== path && entries.has(other))
      .map((other) => `${path} imports its sibling ${other}`)
  );
}

/** A circle of files that import each other, types apart; undefined when there is none. */
function findCycle(files: readonly SourceFile[]): string[] | undefined {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): string[] | undefined => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path];
    if (done.has(path)) return undefined;
    for (const { specifier, kind } of byPath.get(path)?.imports ?? []) {
      const next = kind === "type" ? undefined : target(path, specifier);
      const cycle = next === undefined ? undefined : visit(next, [...trail, path]);
      if (cycle !== undefined) return cycle;
    }
    done.add(path);
    return undefined;
  };
  for (const { path } of files) {
    const cycle = visit(path, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

function sourceFile(path: string, text: string): SourceFile {
  const code = withoutComments(text);
  return { path, code, imports: importsOf(code) };
}

async function filesUnder(folder: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const entry of Deno.readDir(new URL(folder, ROOT))) {
    const path = `${folder}${entry.name}`;
    if (entry.isDirectory) paths.push(...await filesUnder(`${path}/`));
    else if (/\.[cm]?[jt]sx?$/.test(entry.name)) paths.push(path);
  }
  return paths.sort();
}

async function projectFiles(): Promise<SourceFile[]> {
  const top: string[] = [];
  for await (const { name, isFile } of Deno.readDir(ROOT)) {
    if (isFile && name.endsWith(".ts")) top.push(name);
  }
  const paths = [...top, ...await filesUnder("ffi/"), ...await filesUnder("src/")];
  return await Promise.all(
    paths.map(async (path) => sourceFile(path, await Deno.readTextFile(new URL(path, ROOT)))),
  );
}

const FILES = await projectFiles();

/** Which files, but for the excepted ones, hold the pattern in their code. */
function filesWith(pattern: RegExp, except: (path: string) => boolean): string[] {
  return FILES.filter(({ path, code }) => !except(path) && pattern.test(code))
    .map(({ path, code }) => `${path}: ${pattern.exec(code)?.[0]}`);
}

Deno.test("the rooms import only what the table allows", () => {
  assertEquals(FILES.flatMap(importViolations), []);
});

Deno.test("every import leads to a file that is there", () => {
  const known = new Set([...FILES.map(({ path }) => path), CONFIG]);
  const lost = FILES.flatMap(({ path, imports }) =>
    imports.map(({ specifier }) => target(path, specifier))
      .filter((to) => to !== undefined && !known.has(to)).map((to) => `${path}: ${to}`)
  );
  assertEquals(lost, []);
});

Deno.test("entries of a registry do not import each other", () => {
  const registries = FILES.filter(({ path }) => /\/all\.ts$/.test(path));
  assertEquals(registries.map(({ path }) => roomOf(path)), [
    "src/devices",
    "src/filesystems",
    "src/formats",
    "src/hashes",
    "src/volumes",
  ]);
  assertEquals(registries.flatMap((all) => siblingViolations(all, FILES)), []);
});

Deno.test("a registry re-exports, nothing else; so does the library", () => {
  const lists = FILES.filter(({ path }) => /\/all\.ts$/.test(path) || path === LIBRARY);
  for (const { path, code } of lists) {
    const rest = code.replace(/\bexport\s+[\w$\s{},*]*?\bfrom\s*["'][^"']+["'];?/g, "").trim();
    assertEquals(rest, "", path);
  }
});

Deno.test("no file imports itself by way of others", () => {
  assertEquals(findCycle(FILES), undefined);
});

Deno.test("what is imported at run time is named by a plain text", () => {
  assertEquals(filesWith(/(?<![.\w$])import\s*\((?!\s*["'])[^)]*\)?/, () => false), []);
  assertEquals(
    filesWith(/\bnew\s+Worker\s*\((?!\s*new\s+URL\(\s*["']\.)[^)]*/, () => false),
    [],
  );
});

function isCommandLine(path: string): boolean {
  return path.startsWith("src/cli/") || path === "main.ts";
}

Deno.test("only the command line prints", () => {
  assertEquals(filesWith(/(?<![.\w$])console\s*\.\s*\w+/, isCommandLine), []);
  assertEquals(filesWith(/\bDeno\s*\.\s*(?:stdout|stderr)\b/, isCommandLine), []);
  assertEquals(filesWith(/(?<![.\w$])(?:alert|prompt)\s*\(/, isCommandLine), []);
  assertEquals(filesWith(/\bprocess\s*\.\s*(?:stdout|stderr)\b/, () => false), []);
});

Deno.test("only main.ts ends the program", () => {
  assertEquals(filesWith(/\bDeno\s*\.\s*exit(?:Code)?\b/, (path) => path === "main.ts"), []);
  assertEquals(filesWith(/\bprocess\s*\.\s*exit/, () => false), []);
});

Deno.test("only ffi and the registry of devices ask which system this is", () => {
  assertEquals(
    filesWith(
      /\bDeno\s*\.\s*build\s*\.\s*os\b|\bprocess\s*\.\s*platform\b|\bnode:os\b/,
      (path) => path.startsWith("ffi/") || path === "src/devices/registry.ts",
    ),
    [],
  );
});

Deno.test("libraries of the system are opened in ffi only, and not while it is imported", () => {
  assertEquals(filesWith(/\bDeno\s*\.\s*dlopen\b/, (path) => path.startsWith("ffi/")), []);
  // At the left margin stands what runs at import.
  assertEquals(
    filesWith(/^(?!\s|function|export function).*\bDeno\.dlopen\b/m, () => false),
    [],
  );
});

Deno.test("the parser sees every way to import, and none in comments and strings", () => {
  const { imports } = sourceFile(
    "src/core/x.ts",
    `/** import { no } from "./comment.ts"; */
import a from "./a.ts"; // import "./no.ts"
import type { B } from './b.ts';
import { type C, c } from "./c.ts";
import * as d from "./d.ts";
import {
  e,
} from "./e.ts";
import "./f.ts";
export { g } from "./g.ts";
export * from "./h.ts";
export * as i from "./i.ts";
export type { J } from "./j.ts";
export type * from "./k.ts";
import type from "./l.ts";
const m = await import("./m.ts");
new Worker(new URL("./n_worker.ts", import.meta.url), { type: "module" });
const text = "a // b"; import { o } from "pack/age";
`,
  );
  const seen = imports.map(({ specifier, kind }) => `${kind} ${specifier}`).toSorted();
  assertEquals(
    seen,
    [
      "static ./a.ts",
      "type ./b.ts",
      "static ./c.ts",
      "static ./d.ts",
      "static ./e.ts",
      "static ./f.ts",
      "static ./g.ts",
      "static ./h.ts",
      "static ./i.ts",
      "type ./j.ts",
      "type ./k.ts",
      "static ./l.ts",
      "dynamic ./m.ts",
      "worker ./n_worker.ts",
      "static pack/age",
    ].toSorted(),
  );
});

Deno.test("the rules see what breaks them", () => {
  const breaks = (path: string, specifier: string): boolean =>
    importViolations(sourceFile(path, `import { x } from "${specifier}";`)).length > 0;
  assertEquals(breaks("src/core/a.ts", "./b.ts"), false);
  assertEquals(breaks("src/core/a.ts", "../blocks/b.ts"), true);
  assertEquals(breaks("src/copy/a.ts", "../../ffi/memory.ts"), false);
  assertEquals(breaks("src/formats/a.ts", "../../ffi/memory.ts"), true);
  assertEquals(breaks("ffi/a.ts", "../src/core/b.ts"), true);
  assertEquals(breaks("src/cli/a.ts", "../devices/b.ts"), true);
  assertEquals(breaks("src/commands/a.ts", "../cli/b.ts"), true);
  assertEquals(breaks("src/cli/a.ts", "../../deno.json"), false);
  assertEquals(breaks("src/core/a.ts", "../../deno.json"), true);
  assertEquals(breaks("main.ts", "./src/core/a.ts"), true);
  assertEquals(breaks("src/core/a.ts", "../../../elsewhere.ts"), true);
  assertEquals(breaks("src/core/a.ts", "../../tests/support/a.ts"), true);
  assertEquals(breaks("src/core/a.ts", "/etc/x.ts"), true);
  assertEquals(breaks("src/core/a.ts", "file:///etc/x.ts"), true);
  assertEquals(breaks("src/core/a.ts", "@std/assert"), false);
  assertEquals(breaks("src/core/a.ts", "node:crypto"), false);
  assertEquals(breaks("src/core/a.ts", "npm:left-pad@1"), true);
  assertEquals(breaks("src/core/a.ts", "https://example.com/x.ts"), true);
  assertEquals(breaks("src/newroom/a.ts", "./b.ts"), true);

  const a = sourceFile("src/core/a.ts", 'import { b } from "./b.ts";');
  const b = sourceFile("src/core/b.ts", 'import { a } from "./a.ts";');
  const typed = sourceFile("src/core/b.ts", 'import type { A } from "./a.ts";');
  assertEquals(findCycle([a, b]), ["src/core/a.ts", "src/core/b.ts", "src/core/a.ts"]);
  assertEquals(findCycle([a, typed]), undefined);
  const all = sourceFile(
    "src/core/all.ts",
    'export { a } from "./a.ts"; export { b } from "./b.ts";',
  );
  assertEquals(siblingViolations(all, [a, sourceFile("src/core/b.ts", "")]), [
    "src/core/a.ts imports its sibling src/core/b.ts",
  ]);
});
