import { assertEquals } from "@std/assert";
import { argumentsOf } from "../../ffi/windows_host.ts";

const isWindows = Deno.build.os === "windows";

Deno.test("a command line without the program's name, as it was typed", () => {
  const cases: readonly (readonly [line: string, rest: string])[] = [
    ["sectorshot.exe read E: card.img", "read E: card.img"],
    ['"C:\\Program Files\\sectorshot.exe" list', "list"],
    ["C:\\bin\\sectorshot.exe\tlist", "list"],
    ["sectorshot   list  --json ", "list  --json "],
    ['sectorshot write "my card.img" E:', 'write "my card.img" E:'],
    ["sectorshot read \\\\.\\PhysicalDrive1 C:\\a\\", "read \\\\.\\PhysicalDrive1 C:\\a\\"],
    // A backslash before a quotation mark means nothing in the program's name.
    ['"C:\\tools\\" list', "list"],
    ['C:\\"Program Files"\\sectorshot.exe list "a b"', 'list "a b"'],
    // As programs that start others call them: cmd, Explorer.
    ['"sectorshot"  list', "list"],
    ['""sectorshot.exe list', "list"],
    ["sectorshot", ""],
    ['"C:\\Program Files\\sectorshot.exe"', ""],
    ["sectorshot ", ""],
    ['"never closed list', ""],
    ["", ""],
    [" list", "list"],
    ['sectorshot list "" \\"', 'list "" \\"'],
    ["sectorshot größe 日本 😀.img", "größe 日本 😀.img"],
  ];
  for (const [line, rest] of cases) assertEquals(argumentsOf(line), rest, line);
});

/** What a program of its own, without a console behind stderr, says of itself. */
interface Answer {
  readonly console: boolean;
  readonly owns: boolean;
  readonly elevated: readonly unknown[];
  readonly line: string;
  readonly name: string;
  readonly version: string;
}

function askProgram(...args: string[]): Answer {
  const module = new URL("../../ffi/windows_host.ts", import.meta.url).href;
  const code = `import * as host from ${JSON.stringify(module)};
    console.log(JSON.stringify({
      console: host.prepareConsole(),
      owns: host.ownsConsole(),
      elevated: [host.isElevated(), host.isElevated()],
      line: host.commandLine(),
      name: host.computerName(),
      version: host.systemVersion(),
    }));`;
  const folder = Deno.makeTempDirSync({ prefix: "host" });
  try {
    const script = `${folder}\\probe.ts`;
    Deno.writeTextFileSync(script, code);
    const { stdout, stderr } = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-config", "--no-lock", "--no-check", "-A", script, ...args],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).outputSync();
    const text = new TextDecoder().decode(stdout);
    if (text === "") throw new Error(new TextDecoder().decode(stderr));
    return JSON.parse(text);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test({
  name: "a program whose stderr is a pipe has no console to prepare",
  ignore: !isWindows,
  fn(): void {
    assertEquals(askProgram().console, false);
  },
});

Deno.test({
  name: "a program that another one waits for does not own its console",
  ignore: !isWindows,
  fn(): void {
    assertEquals(askProgram().owns, false);
  },
});

Deno.test({
  name: "a program has the rights of an administrator or not, and not one by one",
  ignore: !isWindows,
  fn(): void {
    const [first, second] = askProgram().elevated;
    assertEquals([typeof first, second], ["boolean", first]);
  },
});

Deno.test({
  name: "the command line is as it was given, with blanks, quotes and other alphabets",
  ignore: !isWindows,
  fn(): void {
    const { line } = askProgram("read", "a b", "größe 日本 😀", "C:\\x\\", 'say "hi"');
    const rest = argumentsOf(line);
    assertEquals(rest.slice(0, 4), "run ");
    assertEquals(
      rest.slice(rest.indexOf("probe.ts")),
      'probe.ts read "a b" "größe 日本 😀" C:\\x\\ "say \\"hi\\""',
    );
  },
});

Deno.test({
  name: "the computer has the name that its programs see, and a version",
  ignore: !isWindows,
  fn(): void {
    const { name, version } = askProgram();
    // NetBIOS knows fifteen characters of it, in capitals.
    const known = Deno.env.get("COMPUTERNAME")?.slice(0, 15).toUpperCase();
    assertEquals(name.slice(0, 15).toUpperCase(), known);
    assertEquals(/^\d+\.\d+\.\d+$/.test(version), true, version);
  },
});
