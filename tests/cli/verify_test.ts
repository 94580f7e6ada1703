import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { linuxTest } from "../support/linux_test.ts";
import { LoopDevice, writeBytes } from "../support/loop_device.ts";
import { digestOf, run, runCli, tryRun } from "../support/run_cli.ts";
import { numberedSectors, TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const ignore = needs("root", "losetup", "cmp", "dd");
const MIB = 1024 * 1024;

/** The first byte that differs, as cmp sees it (it counts from 1). */
async function firstDifference(a: string, b: string): Promise<number> {
  const { stdout } = await tryRun("cmp", [a, b]);
  return Number(/byte (\d+)/.exec(stdout)?.[1]) - 1;
}

/** Another program that has a device open for reading. */
async function holdOpen(device: string): Promise<AsyncDisposable> {
  const child = new Deno.Command("bash", {
    args: ["-c", 'exec < "$1" && echo open && exec sleep 60', "bash", device],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  return {
    async [Symbol.asyncDispose](): Promise<void> {
      await reader.cancel();
      child.kill("SIGKILL");
      await child.status;
    },
  };
}

for (const sectorSize of [512, 4096]) {
  linuxTest({
    name: `verify: differences are ranges of whole ${sectorSize}-byte sectors, exit code 2`,
    ignore,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const image = await folder.write("card.img", numberedSectors(12 * MIB));
      await Deno.copyFile(image, folder.file("target"));
      await using target = await LoopDevice.create(folder.file("target"), { sectorSize });
      const patch = new TextEncoder().encode("XYZ");
      for (const at of [100_000, 4 * MIB - 1, 12 * MIB - 3]) {
        await writeBytes(target, at, patch);
      }
      const { code, stdout, result, stderr } = await runCli([
        "verify",
        image,
        target.path,
        "--json",
      ]);
      assertEquals(code, 2, stderr + stdout);
      const sector = (at: number): number => at - at % sectorSize;
      assertEquals(result["differing"], [
        { offset: sector(100_000), length: sectorSize },
        // Three bytes across the border of two sectors, and of two chunks.
        { offset: 4 * MIB - sectorSize, length: 2 * sectorSize },
        { offset: 12 * MIB - sectorSize, length: sectorSize },
      ]);
      assertEquals(result["differingBytes"], 4 * sectorSize);
      assertEquals(result["firstDifference"], await firstDifference(image, target.path));
      assertEquals(result["same"], false);
    },
  });
}

linuxTest({
  name: "verify: prints the first 20 differing ranges, and how many there are",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = numberedSectors(MIB);
    const image = await folder.write("card.img", bytes);
    for (let index = 0; index < 25; index++) {
      const at = index * 8192 + 7;
      bytes[at] = (bytes[at] ?? 0) ^ 1;
    }
    await using target = await LoopDevice.create(await folder.write("target", bytes));
    const { code, stdout } = await runCli(["verify", image, target.path]);
    assertEquals(code, 2);
    assertStringIncludes(stdout, "first difference at byte 7\n");
    assertStringIncludes(stdout, "differing: 25 areas, 12,800 bytes (12.5 KiB)\n");
    assertEquals(stdout.match(/^ +at [\d,]+: 512 bytes \(sector [\d,]+\)$/gm)?.length, 20);
    assertStringIncludes(stdout, "  at 8,192: 512 bytes (sector 16)\n");
    assertStringIncludes(stdout, "and 5 more\n");
  },
});

linuxTest({
  name: "verify: an image that is shorter is compared over its own length, and this is said",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = numberedSectors(6 * MIB);
    const image = await folder.write("card.img", bytes.slice(0, 5 * MIB + 100));
    await using target = await LoopDevice.create(await folder.write("target", bytes));
    const { code, stdout, stderr } = await runCli(["verify", image, target.path]);
    assertEquals(code, 0, stderr);
    assertMatch(stdout, /hold the same bytes: 5,242,980 bytes/);
    assertMatch(stdout, /not compared: the last 1,048,476 bytes .* the image is shorter/);
  },
});

linuxTest({
  name: "verify: an image that is longer than the target is a difference",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = numberedSectors(6 * MIB);
    const image = await folder.write("card.img", bytes);
    await using target = await LoopDevice.create(
      await folder.write("target", bytes.slice(0, 5 * MIB)),
    );
    const { code, stdout } = await runCli(["verify", image, target.path]);
    assertEquals(code, 2);
    assertMatch(stdout, /ends 1,048,576 bytes .* before .*card\.img does/);
  },
});

linuxTest("verify: image against image", async () => {
  await using folder = await TemporaryFolder.create();
  const one = await folder.write("one.img", numberedSectors(3 * MIB + 5));
  const two = await folder.write("two.img", numberedSectors(3 * MIB + 5));
  assertEquals((await runCli(["verify", one, two])).code, 0);
  const last = await Deno.open(two, { write: true });
  await last.seek(3 * MIB + 4, Deno.SeekMode.Start);
  await last.write(new Uint8Array([1]));
  last.close();
  const { code, result } = await runCli(["verify", one, two, "--json"]);
  assertEquals(code, 2);
  assertEquals(result["firstDifference"], await firstDifference(one, two));
  assertEquals(result["differing"], [{ offset: 3 * MIB, length: 5 }]);
});

linuxTest({
  name: "verify: stdin against a device",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const bytes = numberedSectors(9 * MIB);
    await using target = await LoopDevice.create(await folder.write("target", bytes));
    const same = await runCli(["verify", "-", target.path], { stdin: bytes });
    assertEquals(same.code, 0, same.stderr);
    bytes[8 * MIB] = (bytes[8 * MIB] ?? 0) ^ 1;
    const other = await runCli(["verify", "-", target.path], { stdin: bytes });
    assertEquals(other.code, 2, other.stderr);
    assertStringIncludes(other.stdout, "first difference at byte 8,388,608\n");
  },
});

linuxTest("verify: an empty stdin is an error, not the same bytes", async () => {
  await using folder = await TemporaryFolder.create();
  const target = await folder.write("target.img", numberedSectors(MIB));
  const { code, stdout, stderr } = await runCli(["verify", "-", target], {
    stdin: new Uint8Array(),
  });
  assertEquals(code, 1, stdout);
  assertMatch(stderr, /^sectorshot: error: .*stdin/m);
});

linuxTest({
  name: "verify: looks past the page cache at what is really on the device",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const file = await folder.write("target", numberedSectors(4 * MIB));
    const image = folder.file("card.img");
    await Deno.copyFile(file, image);
    await using target = await LoopDevice.create(file);
    // While somebody has it open, its cache keeps the old bytes.
    await using _open = await holdOpen(target.path);
    await run("cmp", [image, target.path]);
    const behind = await Deno.open(file, { write: true });
    await behind.seek(2 * MIB, Deno.SeekMode.Start);
    await behind.write(new Uint8Array(512));
    behind.close();
    await run("cmp", [image, target.path]);
    const { code, result } = await runCli(["verify", image, target.path, "--json"]);
    assertEquals(code, 2);
    assertEquals(result["differing"], [{ offset: 2 * MIB, length: 512 }]);
  },
});

const FORMS: readonly (readonly [what: string, file: string, command: string])[] = [
  ["IMAGE.sha256", "card.img.sha256", "sha256sum card.img"],
  ["IMAGE.sha256 in binary mode", "card.img.sha256", "sha256sum --binary card.img"],
  ["IMAGE.sha256 with a tag", "card.img.sha256", "sha256sum --tag card.img"],
  [
    "IMAGE.sha256 that is only the digest",
    "card.img.sha256",
    "sha256sum < card.img | cut -c -64",
  ],
  [
    "IMAGE.sha256 with line ends of Windows",
    "card.img.sha256",
    "sha256sum card.img | sed 's/$/\\r/'",
  ],
  [
    "IMAGE.sha256 under its old name",
    "card.img.sha256",
    "sha256sum card.img | sed s/card/old/",
  ],
  ["IMAGE.sha1", "card.img.sha1", "sha1sum card.img"],
  ["IMAGE.md5", "card.img.md5", "md5sum card.img"],
  ["IMAGE.sha512", "card.img.sha512", "sha512sum card.img"],
  ["SHA256SUMS", "SHA256SUMS", "sha256sum other card.img third"],
  ["SHA256SUMS with ./", "SHA256SUMS", "sha256sum ./other ./card.img"],
  ["SHA512SUMS", "SHA512SUMS", "sha512sum other card.img"],
  ["SHA1SUMS", "SHA1SUMS", "sha1sum other card.img"],
  ["MD5SUMS", "MD5SUMS", "md5sum other card.img"],
  [
    "CHECKSUM with a tag",
    "CHECKSUM",
    "echo '# card.img: 1 bytes'; sha256sum --tag other card.img",
  ],
];

for (const [what, file, command] of FORMS) {
  linuxTest(`verify: the digest beside the image in the form of ${what}`, async () => {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", numberedSectors(MIB + 1));
    await folder.write("other", "other");
    await folder.write("third", "third");
    await run("bash", ["-c", `{ ${command}; } > ${file}`], { cwd: folder.path });
    const good = await runCli(["verify", image]);
    assertEquals(good.code, 0, good.stderr);
    assertMatch(good.stdout, new RegExp(`: OK, as in .*/${file}$`, "m"));
    const relative = await runCli(["verify", "card.img"], { cwd: folder.path });
    assertEquals(relative.code, 0, relative.stderr);

    await Deno.writeFile(image, numberedSectors(MIB + 1, 2));
    const bad = await runCli(["verify", image, "--json"]);
    assertEquals(bad.code, 2, bad.stderr);
    assertEquals(bad.result["same"], false);
  });
}

linuxTest({
  name: "verify: the digest beside the image in the form of b3sum",
  ignore: needs("b3sum"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", numberedSectors(MIB + 1));
    await run("bash", ["-c", "b3sum card.img > card.img.b3"], { cwd: folder.path });
    assertEquals((await runCli(["verify", image])).code, 0);
    await Deno.writeFile(image, numberedSectors(MIB + 1, 2));
    assertEquals((await runCli(["verify", image])).code, 2);
  },
});

linuxTest("verify: of several digests a wrong one decides", async () => {
  await using folder = await TemporaryFolder.create();
  const image = await folder.write("card.img", numberedSectors(MIB));
  await run("bash", ["-c", "sha256sum card.img > card.img.sha256"], { cwd: folder.path });
  await folder.write("card.img.md5", `${"0".repeat(32)}  card.img\n`);
  const { code, stdout } = await runCli(["verify", image]);
  assertEquals(code, 2);
  assertMatch(stdout, /^sha256: OK/m);
  assertMatch(stdout, /^md5: DIFFERS/m);
});

linuxTest("verify: what read made is verified by what read kept", async () => {
  await using folder = await TemporaryFolder.create();
  const from = await folder.write("from", numberedSectors(2 * MIB));
  const image = folder.file("card.img");
  assertEquals((await runCli(["read", from, image, "--hash=md5,blake3"])).code, 0);
  const { code, result } = await runCli(["verify", image, "--json"]);
  assertEquals(code, 0);
  const checks = result["checks"] as { readonly algorithm: string }[];
  assertEquals(checks.map(({ algorithm }) => algorithm).sort(), ["blake3", "md5"]);
});

for (
  const [what, content] of [
    ["is empty", ""],
    ["is no list of digests", "hello\n"],
    ["has a digest of another length", `${"a".repeat(32)}  card.img\n`],
    ["names two other files", `${"a".repeat(64)}  one\n${"b".repeat(64)}  two\n`],
  ] as const
) {
  linuxTest(`verify: a .sha256 that ${what} is an error that names it`, async () => {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", numberedSectors(4096));
    await folder.write("card.img.sha256", content);
    const { code, stderr } = await runCli(["verify", image]);
    assertEquals(code, 2, stderr);
    assertMatch(stderr, /^sectorshot: error: cannot use .*card\.img\.sha256: /m);
    assertMatch(stderr, /^sectorshot: hint: /m);
  });
}

linuxTest("verify: without any digest it says what to do", async () => {
  await using folder = await TemporaryFolder.create();
  const image = await folder.write("card.img", numberedSectors(4096));
  const { code, stderr } = await runCli(["verify", image]);
  assertEquals(code, 1);
  assertMatch(stderr, /^sectorshot: error: cannot verify .*: there is no digest beside it$/m);
  assertMatch(stderr, /^sectorshot: hint: .*--expect/m);
});

linuxTest("verify --expect: right, wrong, in capitals, of every hash", async () => {
  await using folder = await TemporaryFolder.create();
  const image = await folder.write("card.img", numberedSectors(MIB));
  for (const name of ["md5", "sha1", "sha256", "sha512"]) {
    const hex = await digestOf(image, name);
    const right = await runCli(["verify", image, "--expect", `${name}:${hex.toUpperCase()}`]);
    assertEquals(right.code, 0, right.stderr);
    const digit = hex.endsWith("0") ? "1" : "0";
    const wrong = await runCli([
      "verify",
      image,
      "--expect",
      `${name}:${hex.slice(0, -1)}${digit}`,
    ]);
    assertEquals(wrong.code, 2);
    assertStringIncludes(wrong.stdout, `  found    ${hex}\n`);
  }
});

linuxTest({
  name: "verify --expect: a device",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    await using disk = await LoopDevice.create(
      await folder.write("disk", numberedSectors(MIB)),
    );
    const expect = `--expect=sha256:${await digestOf(disk.path)}`;
    assertEquals((await runCli(["verify", disk.path, expect])).code, 0);
  },
});

for (
  const expect of [
    "sha256",
    "sha256:",
    "sha256:abc",
    `sha3:${"a".repeat(64)}`,
    `md5:${"a".repeat(64)}`,
    `sha256:${"g".repeat(64)}`,
    "a".repeat(64),
  ]
) {
  linuxTest(`verify --expect ${expect.slice(0, 20)} is an error of usage`, async () => {
    await using folder = await TemporaryFolder.create();
    const image = await folder.write("card.img", numberedSectors(4096));
    const { code, stdout, stderr } = await runCli(["verify", image, "--expect", expect]);
    assertEquals(code, 1, stdout);
    assertMatch(stderr, /^sectorshot: error: cannot use --expect /m);
    assertMatch(stderr, /^sectorshot: hint: write it as sha256:HEX$/m);
  });
}

linuxTest("verify: --expect together with a TARGET is an error of usage", async () => {
  await using folder = await TemporaryFolder.create();
  const image = await folder.write("card.img", numberedSectors(4096));
  const { code, stderr } = await runCli(["verify", image, image, "--expect=md5:00"]);
  assertEquals(code, 1);
  assertMatch(stderr, /^sectorshot: error: cannot use --expect together with a TARGET$/m);
});

linuxTest("verify writes nothing", async () => {
  await using folder = await TemporaryFolder.create();
  const image = await folder.write("card.img", numberedSectors(MIB));
  await Deno.chmod(image, 0o400);
  await runCli(["verify", image, image]);
  await runCli(["verify", image, `--expect=sha256:${await digestOf(image)}`]);
  assertEquals(await folder.names(), ["card.img"]);
  assert((await Deno.stat(image)).size === MIB);
});
