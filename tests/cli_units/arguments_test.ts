import { assert, assertEquals, assertThrows } from "@std/assert";
import { parseCommandLine, type Request } from "../../src/cli/arguments.ts";
import type { Command, Invocation } from "../../src/commands/command.ts";
import { loadCommands } from "../../src/commands/registry.ts";
import { ImagingError } from "../../src/core/errors.ts";

const COMMANDS = await loadCommands();

function command(
  name: string,
  positionals: Command["positionals"],
  aliases: readonly string[] = [],
): Command {
  return {
    name,
    aliases,
    usage: "SOURCE IMAGE",
    summary: `to ${name}`,
    details: [],
    examples: [],
    options: [
      { name: "hash", value: "NAMES", help: "digests" },
      { name: "block-size", value: "N", help: "bytes a request" },
      { name: "yes", help: "do not ask" },
      { name: "no-verify", help: "do not read again" },
    ],
    positionals,
    run: () => Promise.reject(new Error("nobody runs it here")),
  };
}

const READ = command("read", { min: 2, max: 2 }, ["image"]);
const HASH = command("hash", { min: 1, max: Infinity });
const LIST = command("list", { min: 0, max: 0 });
const VERBS = [READ, HASH, LIST];

function parse(...argv: string[]): Request {
  return parseCommandLine(argv, VERBS);
}

function run(...argv: string[]): Invocation {
  const request = parse(...argv);
  if (request.kind !== "run") throw new Error(`${argv.join(" ")} is ${request.kind}`);
  return request.invocation;
}

/** The message and the hint. */
function refused(...argv: string[]): string {
  const error = assertThrows(() => parse(...argv), ImagingError);
  assertEquals(error.kind, "usage");
  assert(error.hint !== undefined, "there is no hint");
  return `${error.message} | ${error.hint}`;
}

Deno.test("names and options, in any order", () => {
  const expected = {
    positionals: ["/dev/sdb", "card.img"],
    options: { hash: "md5,sha256", yes: true as const, json: true as const },
  };
  for (
    const line of [
      "read /dev/sdb card.img --hash md5,sha256 --yes --json",
      "read --hash=md5,sha256 --yes --json /dev/sdb card.img",
      "read --json /dev/sdb --yes card.img --hash md5,sha256",
      "--json --yes read /dev/sdb card.img --hash md5,sha256",
      "image --yes /dev/sdb --hash md5,sha256 --json card.img",
    ]
  ) assertEquals(run(...line.split(" ")), expected, line);
});

Deno.test("what was not given is absent", () => {
  assertEquals(run("list"), { positionals: [], options: {} });
});

Deno.test("names stay text, whatever they look like", () => {
  for (
    const name of ["0x10", "007", "1e3", "NaN", "null", "a=b", "", " ", "\\\\.\\PhysicalDrive2"]
  ) {
    assertEquals(run("hash", name).positionals, [name]);
  }
  for (const value of ["0x10", "007", "a=b=c", "--yes", "-", " "]) {
    assertEquals(run("hash", "x", `--hash=${value}`).options["hash"], value);
  }
});

Deno.test("a switch takes no value: what follows it is a name", () => {
  for (const name of ["true", "false", "0", "1"]) {
    assertEquals(run("hash", "--yes", name), { positionals: [name], options: { yes: true } });
    assertEquals(run("read", "--no-verify", name, "b").positionals, [name, "b"]);
  }
});

Deno.test("a switch with a value is refused, never guessed", () => {
  for (const value of ["true", "false", "no", ""]) {
    const text = refused("hash", "x", `--yes=${value}`);
    assert(text.includes("--yes"), text);
  }
});

Deno.test("a dash alone is stdin or stdout", () => {
  assertEquals(run("read", "-", "card.img").positionals, ["-", "card.img"]);
  assertEquals(run("read", "/dev/sdb", "-").positionals, ["/dev/sdb", "-"]);
  assertEquals(run("hash", "-", "--yes").positionals, ["-"]);
});

Deno.test("behind two dashes everything is a name", () => {
  assertEquals(run("hash", "--", "--yes").positionals, ["--yes"]);
  assertEquals(run("hash", "--yes", "--", "-x", "--", "-"), {
    positionals: ["-x", "--", "-"],
    options: { yes: true },
  });
  for (const name of ["--help", "-h", "--version", "-V"]) {
    assertEquals(run("hash", "--", name).positionals, [name]);
  }
});

Deno.test("an unknown option is refused with the nearest name", () => {
  const table: readonly (readonly [string, string])[] = [
    ["--hahs", "--hash"],
    ["--hash-names", "--hash"],
    ["--blocksize=4M", "--block-size"],
    ["--noverify", "--no-verify"],
    ["--jsn", "--json"],
    ["--quite", "--quiet"],
    ["-yes", "--yes"],
  ];
  for (const [wrong, near] of table) {
    const text = refused("read", "a", "b", wrong);
    assert(text.includes(`read has no option ${wrong.replace(/=.*/, "")}`), text);
    assert(text.endsWith(`did you mean ${near}?`), text);
  }
});

Deno.test("nothing that looks like an option slips through", () => {
  for (
    const wrong of [
      "-y",
      "-5",
      "-abc",
      "-=",
      "--=x",
      "---yes",
      "--_",
      "--_=x",
      "--no-json",
      "--yes.x",
      "--hash.x=y",
      "--__proto__",
      "--__proto__.x=1",
      "--constructor",
      "--toString",
      "--Yes",
    ]
  ) assert(refused("hash", wrong, "x").includes("hash has no option"), wrong);
});

Deno.test("an option that needs a value and has none", () => {
  for (
    const argv of [
      ["hash", "x", "--hash"],
      ["hash", "x", "--hash="],
      ["hash", "x", "--hash", ""],
      ["hash", "x", "--hash", "--yes"],
    ]
  ) assert(refused(...argv).includes("--hash needs a value: NAMES"), argv.join(" "));
});

Deno.test("an option with a value that comes twice is not clear", () => {
  assert(
    refused("hash", "x", "--hash", "md5", "--hash=sha1").includes("--hash was given 2 times"),
  );
  assert(refused("hash", "x", "--hash=a", "--hash=a", "--hash=a").includes("3 times"));
  // A switch is either set or not.
  assertEquals(run("hash", "x", "--yes", "--yes").options, { yes: true });
});

Deno.test("too few names and too many", () => {
  const usage = "usage: sectorshot read SOURCE IMAGE";
  assertEquals(refused("read"), `cannot read: a name is missing | ${usage}`);
  assertEquals(refused("read", "a"), `cannot read: a name is missing | ${usage}`);
  assertEquals(
    refused("read", "a", "b", "c"),
    `cannot read: there is a name too many | ${usage}`,
  );
  assert(refused("list", "x").includes("a name too many"));
  assertEquals(run("hash", ..."abcdefgh").positionals.length, 8);
});

Deno.test("an unknown verb, none at all, and options in its place", () => {
  assertEquals(refused("raed", "a", "b"), 'unknown verb "raed" | did you mean read?');
  assertEquals(refused("imge"), 'unknown verb "imge" | did you mean image?');
  assert(refused("").includes("unknown verb"));
  assert(refused("-").includes('unknown verb "-"'));
  assert(refused().includes("no verb"));
  assert(refused("--yes").includes("unknown option --yes before a verb"));
});

Deno.test("--help, anywhere: of the program or of the verb", () => {
  for (const line of ["--help", "-h", "help", "--quiet --help", "help nothing"]) {
    assertEquals(parse(...line.split(" ")), { kind: "help", command: undefined }, line);
  }
  for (
    const line of [
      "read --help",
      "--help read",
      "read -h",
      "image --help",
      "help read",
      "help image",
      "read a --help",
      "read a b c d --help",
      "read --wrong --help",
    ]
  ) assertEquals(parse(...line.split(" ")), { kind: "help", command: READ }, line);
});

Deno.test("--version, anywhere", () => {
  for (
    const line of ["--version", "-V", "--version read", "--json --version", "read --version"]
  ) {
    assertEquals(parse(...line.split(" ")), { kind: "version" }, line);
  }
});

Deno.test("a value of signs belongs to its option, and - alone to it or to nobody", () => {
  const parsed = (...argv: string[]): Invocation => {
    const request = parseCommandLine(argv, COMMANDS);
    if (request.kind !== "run") throw new Error(`${argv} asks for ${request.kind}`);
    return request.invocation;
  };
  const options = (...argv: string[]): Invocation["options"] => parsed(...argv).options;
  assertEquals(options("map", "m", "--list", "-/*"), { list: "-/*" });
  assertEquals(options("map", "m", "--list", "-"), { list: "-" });
  assertEquals(options("map", "--list", "+", "m"), { list: "+" });
  assertEquals(options("map", "m", "--and", "-", "--json"), { and: "-", json: true });
  assertEquals(parsed("read", "--quiet", "-", "card.img").positionals, ["-", "card.img"]);
});
