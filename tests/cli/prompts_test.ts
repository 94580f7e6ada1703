/** What is asked, and what happens without an answer. script(1) is the terminal. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { linuxTest } from "../support/linux_test.ts";
import { BAD_DISK_TOOLS, NbdDisk } from "../support/bad_disk.ts";
import { LoopDevice } from "../support/loop_device.ts";
import { CLI, digestOf, run, runCli } from "../support/run_cli.ts";
import { Mounted, numberedSectors, TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const ignore = needs("root", "losetup", "script");
const MIB = 1024 * 1024;

/**
 * Runs it on a terminal of its own, where somebody types these lines. `<wipe>` stands
 * for the escape sequence that wipes the rest of a line.
 */
async function onTerminal(
  args: readonly string[],
  lines: readonly string[],
  columns = 80,
): Promise<{ code: number; screen: string }> {
  const quoted = [...CLI, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  const child = new Deno.Command("script", {
    args: [
      "--quiet",
      "--return",
      "--command",
      `stty cols ${columns}; ${quoted.join(" ")}`,
      "/dev/null",
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  let screen = "";
  const reading = (async (): Promise<void> => {
    let asked = 0;
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      screen += text;
      const questions = screen.match(/go on: |\[y\/N\] /g)?.length ?? 0;
      while (asked < questions) {
        const line = lines[asked++];
        // Ctrl-D: nobody has anything to say any more. Keys such as Ctrl-C need no Enter.
        const keys = line === undefined
          ? "\x04"
          : line < " " && line !== ""
          ? line
          : `${line}\n`;
        await writer.write(new TextEncoder().encode(keys));
      }
    }
  })();
  const { code } = await child.status;
  await reading;
  await child.stderr.cancel();
  try {
    await writer.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
  return { code, screen: screen.replaceAll("\r\n", "\n").replaceAll("\x1b[K", "<wipe>") };
}

async function prepared(
  folder: TemporaryFolder,
): Promise<{ image: string; target: LoopDevice; before: string }> {
  const image = await folder.write("card.img", numberedSectors(2 * MIB));
  const target = await LoopDevice.create(
    await folder.write("target", numberedSectors(2 * MIB, 7)),
  );
  return { image, target, before: await digestOf(target.path) };
}

linuxTest({
  name: "prompt: the right name goes on",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const { image, target } = await prepared(folder);
    await using _target = target;
    const { code, screen } = await onTerminal(["write", image, target.path], [target.path]);
    assertEquals(code, 0, screen);
    assertMatch(screen, new RegExp(`${target.path}: .*2,097,152 bytes \\(2 MiB\\)`));
    assertStringIncludes(screen, "Everything on it will be lost");
    assertStringIncludes(screen, "written and verified");
    await run("cmp", [image, target.path]);
  },
});

for (const answer of ["yes", "y", "", "/dev/loop", "/dev/sda", undefined]) {
  const typed = answer === undefined ? "Ctrl-D" : `"${answer}"`;
  linuxTest({
    name: `prompt: ${typed} is not the name, nothing is written`,
    ignore,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const { image, target, before } = await prepared(folder);
      await using _target = target;
      const lines = answer === undefined ? [] : [answer];
      const { code, screen } = await onTerminal(["write", image, target.path], lines);
      assert(code === 130 || code === 1, `${code} ${screen}`);
      assertMatch(screen, /nothing was written|cannot ask/);
      assertEquals(await digestOf(target.path), before);
    },
  });
}

linuxTest({
  name: "prompt: Ctrl-C ends with 130, nothing is written",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const { image, target, before } = await prepared(folder);
    await using _target = target;
    const { code, screen } = await onTerminal(["write", image, target.path], ["\x03"]);
    assertEquals(code, 130, screen);
    assertMatch(screen, /sectorshot: cancelled/);
    assertEquals(await digestOf(target.path), before);
  },
});

linuxTest({
  name: "prompt: two targets are asked for one by one, and one wrong name stops both",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const { image, target, before } = await prepared(folder);
    await using _target = target;
    await using other = await LoopDevice.create(
      await folder.write("other", numberedSectors(2 * MIB, 8)),
    );
    const otherBefore = await digestOf(other.path);
    const args = ["write", image, target.path, other.path];
    const { code, screen } = await onTerminal(args, [target.path, "no"]);
    assertEquals(code, 130, screen);
    assertEquals(await digestOf(target.path), before);
    assertEquals(await digestOf(other.path), otherBefore);
  },
});

for (const verb of ["write", "clone"]) {
  linuxTest({
    name: `prompt: ${verb} without --yes and without a terminal is refused`,
    ignore,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const { image, target, before } = await prepared(folder);
      await using _target = target;
      const stdin = new TextEncoder().encode(`${target.path}\n`);
      const { code, stdout, stderr } = await runCli([verb, image, target.path], { stdin });
      assertEquals(code, 1, stderr);
      assertMatch(stderr, /^sectorshot: error: cannot ask: stdin is no terminal$/m);
      assertMatch(stderr, /^sectorshot: hint: add --yes/m);
      assertEquals(stdout, "");
      assertEquals(await digestOf(target.path), before);
    },
  });
}

for (const option of ["--yes=false", "--yes=no", "--no-yes"]) {
  linuxTest({
    name: `prompt: ${option} is not taken for --yes`,
    ignore,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const { image, target, before } = await prepared(folder);
      await using _target = target;
      const { code, stderr } = await runCli(["write", image, target.path, option]);
      assertEquals(await digestOf(target.path), before);
      assertEquals(code, 1, stderr);
    },
  });
}

linuxTest({
  name: "prompt: an image on stdin cannot be asked about",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const { target, before } = await prepared(folder);
    await using _target = target;
    const { code, stderr } = await runCli(["write", "-", target.path], {
      stdin: numberedSectors(MIB),
    });
    assertEquals(code, 1, stderr);
    assertMatch(stderr, /^sectorshot: error: cannot ask: stdin carries the image$/m);
    assertEquals(await digestOf(target.path), before);
  },
});

linuxTest({
  name: "prompt: what is mounted is unmounted after a yes, and left alone otherwise",
  ignore: ignore || needs("mkfs.ext4", "mount", "umount"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", numberedSectors(2 * MIB));
    const file = await folder.write("target", new Uint8Array(8 * MIB));
    await run("mkfs.ext4", ["-q", file]);
    await using target = await LoopDevice.create(file);
    await using mounted = await Mounted.create(target.path, await folder.folder("mnt"));
    const args = ["write", image, target.path];
    const no = await onTerminal(args, ["n"]);
    assertEquals(no.code, 1, no.screen);
    assertMatch(no.screen, /is mounted at/);
    assert(await mounted.isMounted());
    const wrong = await onTerminal(args, ["y", "wrong"]);
    assertEquals(wrong.code, 130, wrong.screen);
    assert(await mounted.isMounted(), "unmounted although the person did not go on");
    const yes = await onTerminal(args, ["y", target.path]);
    assertEquals(yes.code, 0, yes.screen);
    assert(!await mounted.isMounted());
    await run("cmp", ["-n", String(2 * MIB), image, target.path]);
  },
});

for (const columns of [200, 0]) {
  linuxTest({
    name: `a terminal of ${columns} columns (0: unknown) shows progress in one line, ` +
      "which is wiped before the result",
    ignore: ignore || needs(...BAD_DISK_TOOLS, "stty"),
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const file = await folder.write("slow", numberedSectors(8 * MIB));
      const filter = ["--filter=delay", "file", file, "rdelay=20ms"];
      await using disk = await NbdDisk.create(folder, filter);
      const args = ["read", disk.path, folder.file("card.img"), "--block-size=256K"];
      const { code, screen } = await onTerminal(args, [], columns);
      assertEquals(code, 0, screen);
      assertMatch(screen, /\r<wipe>reading \/dev\/loop\d+: [\d.]+ \w+ of 8 MiB, \d+%/);
      if (columns > 0) {
        assertMatch(screen, /, .*\/s \(average .*\/s\), \d+:\d\d left, 0 unreadable/);
      }
      assertMatch(screen, /\r<wipe>[^\r]*card\.img: 8,388,608 bytes/);
    },
  });
}
