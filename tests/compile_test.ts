/** Which executables are made, of what, and that the check of them sees what is wrong. */
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { type Packed, problemsOf, readPacked } from "../.ci/check_package.ts";
import {
  needless,
  startFlags,
  sumsText,
  TARGETS,
  targetsNamed,
  workersNamed,
} from "../.ci/compile.ts";
import config from "../deno.json" with { type: "json" };

const [WINDOWS] = targetsNamed(["windows-x64"]);
const [MACOS] = targetsNamed(["macos-arm64"]);

Deno.test("targets: all without words, else those that are named", () => {
  assertEquals(targetsNamed([]).map(({ file }) => file), [
    "sectorshot-windows-x64.exe",
    "sectorshot-windows-arm64.exe",
    "sectorshot-macos-arm64",
    "sectorshot-macos-x64",
    "sectorshot-linux-x64",
    "sectorshot-linux-arm64",
  ]);
  const some = targetsNamed(["linux-x64", "windows-x64", "linux-x64"]);
  assertEquals(some.map(({ name }) => name), ["windows-x64", "linux-x64"]);
  const error = assertThrows(() => targetsNamed(["linux-x64", "linux", "beos-ppc"]), Error);
  assertStringIncludes(error.message, "no such target: linux, beos-ppc;");
});

Deno.test("flags are those of the task start; programs are run on macOS only", () => {
  const command =
    "deno run --quiet --allow-read --allow-run=/usr/sbin/diskutil --allow-env=A,B main.ts";
  assertEquals(WINDOWS && startFlags(command, WINDOWS), ["--allow-read", "--allow-env=A,B"]);
  assertEquals(
    MACOS && startFlags(command, MACOS),
    ["--allow-read", "--allow-run=/usr/sbin/diskutil", "--allow-env=A,B"],
  );
  for (const other of ["deno run main.ts", "deno run --quiet main.ts x", "sh -c main.ts"]) {
    assertThrows(() => WINDOWS && startFlags(other, WINDOWS), Error, "not understood");
  }
});

Deno.test("no executable may use the network, write by Deno, or do just anything", () => {
  for (const target of TARGETS) {
    for (const flag of startFlags(config.tasks.start.command, target)) {
      assertEquals(
        /^--allow-(?:read|ffi|env=.+|run=.+)$|^--(?:no-prompt|deny-.+)$/.test(flag),
        true,
        flag,
      );
    }
  }
});

Deno.test("workers are found however they are started", () => {
  const code = `
new Worker(new URL("./a_worker.ts", import.meta.url), { type: "module" });
const URL_OF_B = new URL(
  '../b/b_worker.js',
  import.meta.url,
);
const folder = new URL("../", import.meta.url);
const data = new URL("./data.txt", import.meta.url);
const other = new URL("./c.ts", base);
`;
  assertEquals(workersNamed(code), ["./a_worker.ts", "../b/b_worker.js"]);
});

Deno.test("what is needless is named by the largest folders without what is kept", () => {
  const files = ["a/b/1.js", "a/b/2.js", "a/c/3.js", "a/c/d/4.js", "e/f/5.js", "g.md", "h.js"];
  assertEquals(needless(files, new Set(["a/c/3.js", "h.js"])), ["a/b", "a/c/d", "e", "g.md"]);
  assertEquals(needless(files, new Set(files)), []);
  assertEquals(needless(["ab/1.js", "a/2.js"], new Set(["ab/1.js"])), ["a"]);
});

Deno.test("the list of digests is in the form of sha256sum, by name", () => {
  const digests = new Map([["b.exe", "0".repeat(64)], ["a", "f".repeat(64)]]);
  assertEquals(sumsText(digests), `${"f".repeat(64)}  a\n${"0".repeat(64)}  b.exe\n`);
  assertEquals(sumsText(new Map()), "");
});

const PACKAGES = ".deno_compile_node_modules/localhost/";
const FLAGS = ["--allow-read", "--allow-env=NO_COLOR"];

/** Something packed as it should be. */
function goodFiles(): Map<string, string> {
  return new Map([
    ["main.ts", 'import { a } from "./src/a.ts"; // import "./not.ts"'],
    ["src/a.ts", 'import c from "../c.json" with { type: "json" }; await import("./b.ts");'],
    [
      "src/b.ts",
      'import "node:fs"; import { d } from "d";\n' +
      'new Worker(new URL("./w.ts", import.meta.url)); export { e } from "@e/e";',
    ],
    ["src/w.ts", ""],
    ["c.json", "{}"],
    [`${PACKAGES}d/1.0.0/package.json`, '{"main":"lib/d.js"}'],
    [`${PACKAGES}d/1.0.0/LICENSE`, "Free"],
    [`${PACKAGES}d/1.0.0/lib/d.js`, 'module.exports = require("./d2.js");'],
    [`${PACKAGES}d/1.0.0/lib/d2.js`, ""],
    [`${PACKAGES}@e/e/2.0.0/package.json`, "{}"],
    [`${PACKAGES}@e/e/2.0.0/x/e.js`, ""],
  ]);
}

function packedOf(files: ReadonlyMap<string, string>, more: Partial<Packed> = {}): Packed {
  const encoder = new TextEncoder();
  return {
    files: new Map(
      [...files].map(([path, code]) => [path, { source: encoder.encode(code), code }]),
    ),
    bytes: 1000,
    entry: "main.ts",
    keepsCode: false,
    imports: { d: "npm:d@1", "@e/e": "npm:@e/e@^2.0.0/x/e.js" },
    permissions: {
      allow_read: [],
      allow_env: ["NO_COLOR"],
      allow_net: null,
      allow_write: null,
      allow_sys: null,
      allow_run: null,
      allow_import: ["somewhere:443"],
      deny_read: null,
      prompt: true,
    },
    ...more,
  };
}

Deno.test("what is packed as it should be has no problems", () => {
  assertEquals(problemsOf(packedOf(goodFiles()), FLAGS), []);
});

Deno.test("what only looks like an import, and a folder's own place, is no module", () => {
  const files = goodFiles();
  const main = [...files.keys()].find((path) => path.endsWith("main.ts")) ?? "";
  const added = `
    if (text.includes("an import")) { log("nothing"); }
    const folder = new URL(".", import.meta.url);`;
  files.set(main, `${files.get(main)}${added}`);
  assertEquals(problemsOf(packedOf(files), FLAGS), []);
});

Deno.test("everything that is missing is seen", () => {
  for (const path of goodFiles().keys()) {
    if (/LICENSE|package\.json/.test(path)) continue;
    const files = goodFiles();
    files.delete(path);
    const problems = problemsOf(packedOf(files), FLAGS);
    assertEquals(problems.includes(`${path} is missing`), true, `${path}: ${problems}`);
  }
  const files = goodFiles();
  files.delete(`${PACKAGES}d/1.0.0/package.json`);
  assertEquals(problemsOf(packedOf(files), FLAGS)[0], "d is missing");
});

Deno.test("everything that is needless is seen", () => {
  for (
    const path of [
      "README.md",
      "LICENSE",
      "tests/a_test.ts",
      ".git/HEAD",
      "src/other.ts",
      "not.ts",
      `${PACKAGES}d/1.0.0/README.md`,
      `${PACKAGES}d/1.0.0/lib/d3.js`,
      `${PACKAGES}f/1.0.0/f.js`,
    ]
  ) {
    const files = goodFiles().set(path, "");
    assertEquals(problemsOf(packedOf(files), FLAGS), [`${path} is needless`]);
  }
  assertEquals(problemsOf(packedOf(goodFiles(), { keepsCode: true }), FLAGS), [
    "it would leave a file in the temporary folder",
  ]);
  const bytes = 7 * 1024 * 1024;
  assertEquals(problemsOf(packedOf(goodFiles(), { bytes }), FLAGS), [
    "7340032 bytes are too much",
  ]);
});

Deno.test("every permission too much or too little is seen", () => {
  const { permissions } = packedOf(goodFiles());
  const problems = (changed: Packed["permissions"], flags = FLAGS): string[] =>
    problemsOf(packedOf(goodFiles(), { permissions: { ...permissions, ...changed } }), flags);
  assertEquals(problems({ allow_read: null }), ["allow_read is nothing, not everything"]);
  assertEquals(problems({ allow_env: [] }), ["allow_env is everything, not NO_COLOR"]);
  assertEquals(problems({ allow_run: ["sh"] }), ["allow_run is sh, not nothing"]);
  // The network is refused, whatever the flags say.
  assertEquals(problems({ allow_net: [] }, [...FLAGS, "--allow-net"]), [
    "it may use --allow-net",
  ]);
});

/** An executable with something packed in it, as Deno 2.9 does that. */
function executable(metadata: unknown, entries: unknown, lists = 3): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const number = (bytes: number, value: number): number[] =>
    Array.from({ length: bytes }, (_, index) => Math.floor(value / 2 ** (8 * index)) % 256);
  const block = (text: string): number[] => {
    const bytes = encoder.encode(text);
    return [...number(8, bytes.length), ...bytes];
  };
  return Uint8Array.from([
    ...encoder.encode("the runtime, which names d3n0l4nd itself: d3n0l4nd "),
    ...encoder.encode("d3n0l4nd"),
    ...block(JSON.stringify(metadata)),
    ...block("npm"),
    ...Array.from({ length: lists }, () => number(4, 0)).flat(),
    ...block(JSON.stringify(entries)),
    ...block("typed;code;"),
    ...encoder.encode("d3n0l4nd"),
  ]);
}

const METADATA = {
  argv: [],
  entrypoint_key: "main.ts",
  code_cache_key: 1234,
  permissions: { allow_read: [] },
  workspace_resolver: { import_map: { json: '{"imports":{"d":"npm:d@1"}}' } },
};

Deno.test("what is packed is read: folders, sources and what is run of them", () => {
  const packed = readPacked(executable(METADATA, [
    { Dir: { n: "src", e: [{ File: { n: "a.ts", o: [0, 6], m: [6, 5], t: 1 } }] } },
    { File: { n: "b.js", o: [6, 5] } },
  ]));
  const files = [...packed.files].map(([path, { source, code }]) => [
    path,
    new TextDecoder().decode(source),
    code,
  ]);
  assertEquals(files, [["src/a.ts", "typed;", "code;"], ["b.js", "code;", "code;"]]);
  const { bytes, entry, keepsCode, imports, permissions } = packed;
  assertEquals({ bytes, entry, keepsCode, imports, permissions }, {
    bytes: 11,
    entry: "main.ts",
    keepsCode: true,
    imports: { d: "npm:d@1" },
    permissions: { allow_read: [] },
  });
});

Deno.test("what is packed in another way is refused, not taken for nothing", () => {
  assertThrows(() => readPacked(new Uint8Array(100)), Error, "nothing is packed");
  const { argv, ...rest } = METADATA;
  assertThrows(() => readPacked(executable({ ...rest, argv }, [])), Error, "nothing is packed");
  assertThrows(() => readPacked(executable(METADATA, [{ Symlink: { n: "x" } }])), Error, "Sym");
  assertThrows(() => readPacked(executable(METADATA, [], 1)), Error);
});
