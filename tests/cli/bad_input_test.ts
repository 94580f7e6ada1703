/**
 * What makes no sense: a clear error, a hint, the right exit code, no stack trace, and
 * nothing lost or half made.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { linuxTest } from "../support/linux_test.ts";
import { LoopDevice } from "../support/loop_device.ts";
import { run, runCli, tryRun } from "../support/run_cli.ts";
import { numberedSectors, TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const ignore = needs("root", "losetup");

/** A folder with a source of one MiB; `$` in arguments stands for the folder. */
async function workshop(): Promise<TemporaryFolder> {
  const folder = await TemporaryFolder.create();
  await folder.write("source", numberedSectors(1024 * 1024));
  await folder.write("empty", "");
  await folder.write("exists.img", "precious");
  await folder.folder("folder");
  await run("mkfifo", [folder.file("pipe")]);
  return folder;
}

/** Runs it twice, for people and for programs, and looks at everything a failure must keep. */
async function assertFails(
  args: readonly string[],
  error: RegExp,
  hint: RegExp | undefined,
  expectedCode = 1,
): Promise<void> {
  await using folder = await workshop();
  const before = await folder.names();
  const words = args.map((word) => word.replaceAll("$", folder.path));
  const { code, stdout, stderr } = await runCli(words);
  assertEquals(code, expectedCode, stdout + stderr);
  assertEquals(stdout, "");
  const lines = stderr.split("\n").filter((line) => line !== "");
  assertMatch(lines[0] ?? "", new RegExp(`^sectorshot: error: ${error.source}`));
  if (hint !== undefined) {
    assertMatch(lines[1] ?? "", new RegExp(`^sectorshot: hint: ${hint.source}`));
  }
  assert(lines.length <= 2, stderr);
  assert(!/\.ts:\d|^\s+at /m.test(stderr), stderr);
  assertEquals(await folder.names(), before);
  assertEquals(await Deno.readTextFile(folder.file("exists.img")), "precious");

  const { code: jsonCode, events } = await runCli([...words, "--json"]);
  assertEquals(jsonCode, expectedCode);
  const last = events.at(-1);
  assertEquals([last?.event, last?.["exitCode"]], ["result", expectedCode]);
  const told = last?.["error"] as { readonly message: string } | undefined;
  assertMatch(told?.message ?? "", error);
  assertEquals(await folder.names(), before);
}

const READ = ["read", "$/source", "$/new.img"];

const CASES: readonly (readonly [
  what: string,
  args: readonly string[],
  error: RegExp,
  hint?: RegExp,
])[] = [
  // Sources.
  [
    "a source that is missing",
    ["read", "$/missing", "$/new.img"],
    /cannot open .*missing: no such file or device \(ENOENT\)/,
    /check the name/,
  ],
  [
    "a device that is missing",
    ["read", "/dev/sectorshot_none", "$/new.img"],
    /cannot open \/dev\/sectorshot_none: no such .*\(ENOENT\)/,
    /.*`sectorshot list`/,
  ],
  [
    "a source below a file",
    ["read", "$/source/x", "$/new.img"],
    /cannot open .*source\/x/,
    /./,
  ],
  [
    "a source that is a folder",
    ["read", "$/folder", "$/new.img"],
    /cannot read .*folder: it is a folder/,
    /name a disk or an image/,
  ],
  [
    "a source that is a character device",
    ["read", "/dev/null", "$/new.img"],
    /cannot read \/dev\/null: it is a character device/,
    /disks are block devices/,
  ],
  [
    "a source that is a pipe",
    ["read", "$/pipe", "$/new.img"],
    /cannot read .*pipe: it is neither disk nor file/,
    /.*- \(stdin\)/,
  ],
  [
    "an empty source",
    ["read", "$/empty", "$/new.img"],
    /cannot read .*empty: it is empty/,
    /choose another file/,
  ],
  ["a source that is the image", ["read", "$/exists.img", "$/exists.img", "--force"], /./, /./],
  ["hash of what is missing", ["hash", "$/missing"], /cannot open .*missing/, /check the name/],
  ["hash of a folder", ["hash", "$/folder"], /cannot read .*folder: it is a folder/, /./],
  [
    "info of a character device",
    ["info", "/dev/zero"],
    /cannot read \/dev\/zero: it is a character device/,
    /./,
  ],
  ["info of nothing", ["info", "$/empty"], /cannot read .*empty: it is empty/, /./],
  [
    "verify of what is missing",
    ["verify", "$/missing", "$/source"],
    /cannot open .*missing/,
    /./,
  ],
  [
    "verify with what is missing",
    ["verify", "$/source", "$/missing"],
    /cannot open .*missing/,
    /./,
  ],
  [
    "verify with stdin as target",
    ["verify", "$/source", "-"],
    /cannot compare with stdin as TARGET/,
    /./,
  ],
  // Where it goes.
  [
    "an image that exists",
    ["read", "$/source", "$/exists.img"],
    /cannot write .*exists\.img: it exists/,
    /.*--force/,
  ],
  ["an image that is a folder", ["read", "$/source", "$/folder"], /cannot .*folder/, /./],
  [
    "an image named like a folder",
    ["read", "$/source", "$/folder", "--format=raw"],
    /cannot write the image .*folder: it is a folder/,
    /give the image a file name/,
  ],
  [
    "an image that is a character device",
    ["read", "$/source", "/dev/null", "--format=raw"],
    /cannot write the image \/dev\/null: it is no ordinary file/,
    /./,
  ],
  [
    "an image that is a pipe",
    ["read", "$/source", "$/pipe", "--format=raw"],
    /cannot write the image .*pipe: it is no ordinary file/,
    /./,
  ],
  [
    "an image in a folder that is missing",
    ["read", "$/source", "$/none/new.img"],
    /cannot write the image .*none\/new\.img: there is no folder .*none/,
    /make the folder first/,
  ],
  [
    "an image in /dev",
    ["read", "$/source", "/dev/sectorshot_none.img"],
    /cannot write the image .*: \/dev is for devices/,
    /choose another folder/,
  ],
  [
    "an image below a file",
    ["read", "$/source", "$/source/new.img"],
    /cannot write the image .*source\/new\.img: there is no folder/,
  ],
  [
    "an image without an extension",
    ["read", "$/source", "$/new"],
    /cannot tell the format of .*new by its extension/,
    /use one of \.img/,
  ],
  [
    "an image of an unknown format",
    [...READ, "--format", "vmdk9"],
    /cannot write the format "vmdk9"/,
    /formats that can be written: raw/,
  ],
  // Hashes.
  [
    "a hash that does not exist",
    [...READ, "--hash", "sha257"],
    /cannot hash with "sha257": there is no such hash/,
    /there are .*sha256.*none/,
  ],
  [
    "one of several hashes",
    [...READ, "--hash", "md5,,sha256"],
    /cannot hash with ""/,
    /there are/,
  ],
  ["none and something", [...READ, "--hash", "none,md5"], /cannot hash with "none"/, /./],
  ["no hash at all", [...READ, "--hash="], /--hash needs a value/, /./],
  ["hash with none", ["hash", "$/source", "--hash=none"], /cannot hash with none/, /./],
  // Numbers.
  ...["abc", "1e3", "12X", "1.0000001", "-1", "99999999999999999999", "0x", " "].map((text) =>
    [
      `--offset=${text}`,
      [...READ, `--offset=${text}`],
      /cannot use --offset .*: it is no number of bytes/,
      /write it as 4096, 64K/,
    ] as const
  ),
  ["--offset without a number", [...READ, "--offset="], /--offset needs a value/, /./],
  [
    "--offset at the end",
    [...READ, "--offset=1M"],
    /cannot use --offset: byte 1048576 is past the end/,
    /.* has 1048576 bytes/,
  ],
  ["--length 0", [...READ, "--length=0"], /cannot use --length: there is nothing to do/, /./],
  [
    "--length past the end",
    [...READ, "--offset=512", "--length=1M"],
    /cannot use --length: it reaches 512 bytes past the end/,
    /./,
  ],
  ...["0", "1", "511", "513", "1000", "16777217", "17M", "nonsense"].map((text) =>
    [
      `--block-size ${text}`,
      [...READ, "--block-size", text],
      /cannot use --block-size/,
      /./,
    ] as const
  ),
  ...["0", "0.001", "-5", "x", "1e2", "3601"].map((text) =>
    [
      `--map-interval=${text}`,
      [...READ, `--map-interval=${text}`],
      /cannot use --map-interval/,
      /give seconds/,
    ] as const
  ),
  // The command line itself.
  ["no verb", [], /nothing to do: no verb was given/, /`sectorshot --help`/],
  [
    "a verb that is nearly right",
    ["raed", "$/source", "$/new.img"],
    /unknown verb "raed"/,
    /did you mean read\?/,
  ],
  ["a verb that is nothing", ["defragment"], /unknown verb "defragment"/],
  [
    "an option that is nearly right",
    [...READ, "--blocksize", "1M"],
    /read has no option --blocksize/,
    /did you mean --block-size\?/,
  ],
  ["an option of another verb", ["list", "--offset=3"], /list has no option --offset/],
  ["an option with one dash", [...READ, "-f"], /read has no option -f/],
  [
    "an option twice",
    [...READ, "--hash=md5", "--hash=sha1"],
    /--hash was given 2 times/,
    /give it once/,
  ],
  ["a value for a switch", [...READ, "--force=maybe"], /.*--force/],
  [
    "a name too few",
    ["read", "$/source"],
    /cannot read: a name is missing/,
    /usage: sectorshot read SOURCE IMAGE/,
  ],
  [
    "a name too many",
    [...READ, "extra"],
    /cannot read: there is a name too many/,
    /usage: sectorshot read SOURCE IMAGE/,
  ],
  [
    "no target",
    ["write", "$/source"],
    /cannot write: a name is missing/,
    /usage: sectorshot write/,
  ],
  [
    "a name for list",
    ["list", "/dev/sda"],
    /cannot list: there is a name too many/,
    /usage: sectorshot list/,
  ],
  ["an empty name", ["read", "", "$/new.img"], /cannot open /, /./],
  [
    "a color that is none",
    ["list", "--color=pink"],
    /cannot use --color pink/,
    /say auto, always or never/,
  ],
  ["hash without a name", ["hash"], /cannot hash: a name is missing/, /usage: sectorshot hash/],
  [
    "hash --check with a name",
    ["hash", "$/source", "--check=$/empty"],
    /cannot use --check together with a SOURCE/,
    /./,
  ],
];

for (const [what, args, error, hint] of CASES) {
  linuxTest(`bad input: ${what}`, async () => {
    await assertFails(args, error, hint);
  });
}

linuxTest("bad input: --json and - both want stdout", async () => {
  await using folder = await workshop();
  const { code, stderr } = await runCli(["read", folder.file("source"), "-", "--json"]);
  assertEquals(code, 1);
  assertMatch(stderr, /^sectorshot: error: cannot use --json with -/);
});

linuxTest("bad input: stdin cannot be read from the middle", async () => {
  await using folder = await workshop();
  const args = ["read", "-", folder.file("new.img"), "--offset=512"];
  const { code, stderr } = await runCli(args, { stdin: numberedSectors(4096) });
  assertEquals(code, 1);
  assertMatch(stderr, /^sectorshot: error: cannot use --offset/);
  assertMatch(stderr, /^sectorshot: hint: /m);
});

linuxTest({
  name: "bad input: a device without a medium",
  ignore,
  async fn(): Promise<void> {
    await using folder = await workshop();
    // A loop device that nobody uses has no bytes; it is only looked at.
    const free = (await run("losetup", ["--find"])).trim();
    const { code, stderr } = await runCli(["read", free, folder.file("new.img")]);
    assertEquals(code, 1);
    assertMatch(
      stderr,
      /^sectorshot: error: cannot (read|open) \/dev\/loop\d+: .*(holds no medium|ENXIO)/,
    );
    assertMatch(stderr, /^sectorshot: hint: /m);
    assertEquals((await folder.names()).filter((name) => name.startsWith("new")), []);
  },
});

linuxTest({
  name: "bad input: a device as the image of read",
  ignore,
  async fn(): Promise<void> {
    await using folder = await workshop();
    const bytes = numberedSectors(64 * 1024, 3);
    await using disk = await LoopDevice.create(await folder.write("disk", bytes));
    for (const options of [["--format=raw"], ["--format=raw", "--force"]]) {
      const { code, stderr } = await runCli([
        "read",
        folder.file("source"),
        disk.path,
        ...options,
      ]);
      assertEquals(code, 1);
      assertMatch(stderr, /^sectorshot: error: cannot write the image .*: it is a disk/);
      assertMatch(stderr, /^sectorshot: hint: .*sectorshot clone/m);
    }
    await run("cmp", [folder.file("disk"), disk.path]);
    assertEquals((await tryRun("test", ["-e", `${disk.path}.part`])).code, 1);
  },
});

linuxTest({
  name: "bad input: the image behind the device that is read",
  ignore,
  async fn(): Promise<void> {
    await using folder = await workshop();
    const file = await folder.write("disk.img", numberedSectors(64 * 1024, 3));
    await using disk = await LoopDevice.create(file);
    const before = await run("sha256sum", [file]);
    const { code, stderr } = await runCli(["read", disk.path, file, "--force"]);
    assertEquals(code, 1, stderr);
    assertMatch(stderr, /^sectorshot: error: /);
    assertEquals(await run("sha256sum", [file]), before);
  },
});

linuxTest("help: every verb has one, on stdout, with exit code 0", async () => {
  const { code, stdout, stderr } = await runCli(["--help"]);
  assertEquals([code, stderr], [0, ""]);
  const verbs = [...stdout.matchAll(/^ {2}([a-z]+) /gm)].map(([, verb = ""]) => verb);
  for (const verb of ["list", "info", "read", "write", "verify", "clone", "hash"]) {
    assert(verbs.includes(verb), verb);
  }
  for (const verb of verbs) {
    for (const args of [[verb, "--help"], ["help", verb], [verb, "-h"]]) {
      const help = await runCli(args);
      assertEquals([help.code, help.stderr], [0, ""]);
      assertStringIncludes(help.stdout, `Usage: sectorshot ${verb}`);
      assertStringIncludes(help.stdout, "--json");
    }
  }
});

linuxTest("--version says the version of deno.json", async () => {
  const { version } = JSON.parse(
    await Deno.readTextFile(new URL("../../deno.json", import.meta.url)),
  ) as { version: string };
  const { code, stdout } = await runCli(["--version"]);
  assertEquals(code, 0);
  const commit = await tryRun("git", ["rev-parse", "--short=7", "HEAD"], {
    cwd: new URL("../..", import.meta.url).pathname,
  });
  const known = commit.code === 0 ? `, commit ${commit.stdout.trim()}` : "";
  assertEquals(stdout, `sectorshot ${version} (from source${known})\n`);
});

linuxTest("names that begin with a dash come behind --", async () => {
  await using folder = await TemporaryFolder.create();
  await folder.write("-odd", numberedSectors(4096));
  const { code, stderr } = await runCli(["read", "--hash=none", "--", "-odd", "--.img"], {
    cwd: folder.path,
  });
  assertEquals(code, 0, stderr);
  assertEquals(await folder.names(), ["--.img", "-odd"]);
});
