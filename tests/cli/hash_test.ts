import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { linuxTest } from "../support/linux_test.ts";
import { LoopDevice } from "../support/loop_device.ts";
import { CLI, digestOf, run, runCli, shell } from "../support/run_cli.ts";
import {
  numberedSectors,
  numberedSectorsWithZeros,
  TemporaryFolder,
} from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const ignore = needs("root", "losetup");
const MIB = 1024 * 1024;

for (const [name, tool] of [["md5"], ["sha1"], ["sha256"], ["sha512"], ["blake3", "b3"]]) {
  linuxTest({
    name: `hash --hash ${name}: the same lines as ${tool ?? name}sum`,
    ignore: needs(`${tool ?? name}sum`),
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const files = [
        await folder.write("small", numberedSectors(1)),
        await folder.write("chunk", numberedSectors(4 * MIB)),
        await folder.write("large", numberedSectorsWithZeros(17 * MIB + 513)),
      ];
      const { code, stdout, stderr } = await runCli(["hash", ...files, `--hash=${name}`]);
      assertEquals(code, 0, stderr);
      assertEquals(stdout, await run(`${tool ?? name}sum`, files));
    },
  });
}

for (const sectorSize of [512, 4096]) {
  linuxTest({
    name: `hash: a device with ${sectorSize}-byte sectors`,
    ignore,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const file = await folder.write("disk", numberedSectorsWithZeros(18 * MIB + 4096));
      await using disk = await LoopDevice.create(file, { sectorSize });
      const { code, stdout, stderr } = await runCli(["hash", disk.path]);
      assertEquals(code, 0, stderr);
      assertEquals(stdout, await run("sha256sum", [disk.path]));
    },
  });
}

linuxTest("hash: several hashes at once are tagged lines that cksum checks", async () => {
  await using folder = await TemporaryFolder.create();
  const file = await folder.write("card.img", numberedSectors(17 * MIB));
  const { code, stdout } = await runCli(["hash", file, "--hash", "md5,sha256"]);
  assertEquals(code, 0);
  assertEquals(
    stdout,
    await run("md5sum", ["--tag", file]) + await run("sha256sum", ["--tag", file]),
  );
});

linuxTest("hash: --offset and --length", async () => {
  await using folder = await TemporaryFolder.create();
  const file = await folder.write("card.img", numberedSectors(3 * MIB));
  const { code, stdout } = await runCli(["hash", file, "--offset=1000001", "--length=777777"]);
  assertEquals(code, 0);
  const expected = await shell("tail -c +1000002 $1 | head -c 777777 | sha256sum", file)
    .catch((error: unknown) => {
      // head leaves early, and tail dies of it: that is how it should be.
      if (!(error instanceof Error)) throw error;
      return shell("dd if=$1 bs=1 skip=1000001 count=777777 status=none | sha256sum", file);
    });
  assertEquals(stdout.slice(0, 64), expected.slice(0, 64));
});

linuxTest("hash: stdin", async () => {
  await using folder = await TemporaryFolder.create();
  const bytes = numberedSectors(17 * MIB + 3);
  const file = await folder.write("card.img", bytes);
  const { code, stdout } = await runCli(["hash", "-"], { stdin: bytes });
  assertEquals(code, 0);
  assertEquals(stdout, `${await digestOf(file)}  -\n`);
});

linuxTest(
  "hash: a name with a line feed and a backslash is written as sha256sum does",
  async () => {
    await using folder = await TemporaryFolder.create();
    const file = await folder.write("a\\b\nc", "content");
    const { code, stdout } = await runCli(["hash", file]);
    assertEquals(code, 0);
    assertEquals(stdout, await run("sha256sum", [file]));
  },
);

linuxTest("hash: of several sources one that is missing fails alone", async () => {
  await using folder = await TemporaryFolder.create();
  const file = await folder.write("card.img", numberedSectors(4096));
  const missing = folder.file("missing");
  const { code, stdout, stderr } = await runCli(["hash", missing, file]);
  assertEquals(code, 1);
  assertEquals(stdout, await run("sha256sum", [file]));
  assertMatch(stderr, /cannot open .*missing: .*\(ENOENT\)/);
});

for (const name of ["md5", "sha1", "sha256", "sha512"]) {
  linuxTest(`hash --check: a list of ${name}sum`, async () => {
    await using folder = await TemporaryFolder.create();
    await folder.write("one", "1");
    await folder.write("two", "2");
    await run("bash", ["-c", `${name}sum one two > list`], { cwd: folder.path });
    const { code, stdout, stderr } = await runCli(["hash", "--check", "list"], {
      cwd: folder.path,
    });
    assertEquals(code, 0, stderr);
    assertEquals(stdout, "one: OK\ntwo: OK\n");
  });
}

linuxTest(
  "hash --check: a wrong digest is exit code 2, the others are still checked",
  async () => {
    await using folder = await TemporaryFolder.create();
    await folder.write("one", "1");
    await folder.write("two", "2");
    await run("bash", ["-c", "sha256sum one two > SHA256SUMS"], { cwd: folder.path });
    await folder.write("one", "x");
    const { code, stdout } = await runCli(["hash", "--check", "SHA256SUMS"], {
      cwd: folder.path,
    });
    assertEquals(code, 2);
    assertEquals(stdout, "one: FAILED\ntwo: OK\n");
  },
);

linuxTest("hash --check: a file that is missing is exit code 1 and named", async () => {
  await using folder = await TemporaryFolder.create();
  await folder.write("one", "1");
  await folder.write("two", "2");
  await run("bash", ["-c", "sha256sum one two > SHA256SUMS"], { cwd: folder.path });
  await Deno.remove(folder.file("one"));
  const { code, stdout } = await runCli(["hash", "--check", "SHA256SUMS"], {
    cwd: folder.path,
  });
  assertEquals(code, 1);
  assertMatch(stdout, /^one: FAILED \(.*ENOENT.*\)$/m);
  assertStringIncludes(stdout, "two: OK\n");
});

linuxTest("hash --check: what hash itself printed", async () => {
  await using folder = await TemporaryFolder.create();
  await folder.write("one", "1");
  await shell(
    'cd "$1" && "${@:2}" hash one --hash md5,sha512 > list',
    folder.path,
    ...CLI,
  );
  const { code, stdout } = await runCli(["hash", "--check", "list"], { cwd: folder.path });
  assertEquals(code, 0);
  assertEquals(stdout, "one: OK\none: OK\n");
});

linuxTest(
  "hash --check: a list with a line that is none is not passed over in silence",
  async () => {
    await using folder = await TemporaryFolder.create();
    await folder.write("one", "1");
    await run("bash", ["-c", "{ sha256sum one; echo garbage; } > list"], { cwd: folder.path });
    const { stderr, stdout } = await runCli(["hash", "--check", "list"], { cwd: folder.path });
    assertMatch(stdout, /^one: OK$/m);
    assertMatch(stderr, /line/);
  },
);

for (
  const [what, content, code] of [["missing", undefined, 1], ["no list", "hello\n", 2]] as const
) {
  linuxTest(`hash --check: a list that is ${what}`, async () => {
    await using folder = await TemporaryFolder.create();
    if (content !== undefined) await folder.write("list", content);
    const result = await runCli(["hash", "--check", folder.file("list")]);
    assertEquals(result.code, code);
    assertMatch(result.stderr, /^sectorshot: error: cannot (open|check) .*list: /m);
    assertMatch(result.stderr, /^sectorshot: hint: /m);
  });
}
