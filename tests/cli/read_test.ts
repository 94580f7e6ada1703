import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { linuxTest } from "../support/linux_test.ts";
import { LoopDevice } from "../support/loop_device.ts";
import { CLI, digestOf, run, runCli, shell, tryRun } from "../support/run_cli.ts";
import {
  exists,
  Mounted,
  numberedSectors,
  numberedSectorsWithZeros,
  TemporaryFolder,
} from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const ignore = needs("root", "losetup", "sha256sum", "cmp");
const MIB = 1024 * 1024;

for (const sectorSize of [512, 4096]) {
  linuxTest({
    name: `read: a device with ${sectorSize}-byte sectors goes into an image and back`,
    ignore,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const size = 24 * MIB + 4096;
      const from = await folder.write("from", numberedSectorsWithZeros(size));
      const to = await folder.write("to", numberedSectors(size, 99));
      await using source = await LoopDevice.create(from, { sectorSize });
      await using target = await LoopDevice.create(to, { sectorSize });
      const image = folder.file("card.img");

      const read = await runCli(["read", source.path, image]);
      assertEquals(read.code, 0, read.stderr);
      await run("cmp", [source.path, image]);
      const digest = await digestOf(source.path);
      assertStringIncludes(read.stdout, `sha256: ${digest}\n`);
      await run("sha256sum", ["--check", "--strict", "card.img.sha256"], { cwd: folder.path });

      const write = await runCli(["write", image, target.path, "--yes"]);
      assertEquals(write.code, 0, write.stderr);
      assertStringIncludes(write.stdout, "written and verified");
      assertEquals(await digestOf(target.path), digest);

      const verify = await runCli(["verify", image, target.path]);
      assertEquals(verify.code, 0, verify.stderr);
      assertEquals(
        await folder.names(),
        ["card.img", "card.img.sha256", "from", "to"],
      );
    },
  });
}

linuxTest("read: a file of odd size becomes an image of the same size", async () => {
  await using folder = await TemporaryFolder.create();
  const from = await folder.write("from", numberedSectors(5 * MIB + 13));
  const { code, stderr } = await runCli(["read", from, folder.file("odd.img")]);
  assertEquals(code, 0, stderr);
  await run("cmp", [from, folder.file("odd.img")]);
});

linuxTest("read: several hashes are printed and each is kept beside the image", async () => {
  await using folder = await TemporaryFolder.create();
  const from = await folder.write("from", numberedSectors(20 * MIB + 512));
  const image = folder.file("card.img");
  const hashes = "md5,sha1,sha256,sha512,blake3";
  const { code, stdout, stderr } = await runCli(["image", from, image, "--hash", hashes]);
  assertEquals(code, 0, stderr);
  for (const name of ["md5", "sha1", "sha256", "sha512"]) {
    assertStringIncludes(stdout, `${name}: ${await digestOf(from, name)}\n`);
    await run(`${name}sum`, ["--check", "--strict", `card.img.${name}`], { cwd: folder.path });
  }
});

linuxTest({
  name: "read: blake3 is what b3sum says",
  ignore: needs("b3sum"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const from = await folder.write("from", numberedSectors(17 * MIB + 1));
    const { code, stderr } = await runCli([
      "read",
      from,
      folder.file("card.img"),
      "--hash=blake3",
    ]);
    assertEquals(code, 0, stderr);
    await run("b3sum", ["--check", "card.img.b3"], { cwd: folder.path });
  },
});

linuxTest("read --hash none leaves no digest behind", async () => {
  await using folder = await TemporaryFolder.create();
  const from = await folder.write("from", numberedSectors(MIB));
  const { code, stdout } = await runCli([
    "read",
    from,
    folder.file("card.img"),
    "--hash",
    "none",
  ]);
  assertEquals(code, 0);
  assert(!/[0-9a-f]{32}/.test(stdout), stdout);
  assertEquals(await folder.names(), ["card.img", "from"]);
  await run("cmp", [from, folder.file("card.img")]);
});

for (
  const [offset, length, start, bytes] of [
    ["1", "3M", 1, 3 * MIB],
    ["8s", "8s", 8 * 512, 8 * 512],
    ["1000001", "12345", 1_000_001, 12_345],
    ["0x1000", "1.5M", 4096, 1.5 * MIB],
    ["6M", "", 6 * MIB, 2 * MIB],
    ["", "777", 0, 777],
  ] as const
) {
  linuxTest({
    name: `read --offset "${offset}" --length "${length}" takes just that part of a device`,
    ignore,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const from = await folder.write("from", numberedSectors(8 * MIB));
      await using source = await LoopDevice.create(from);
      const image = folder.file("part.img");
      const { code, stderr } = await runCli([
        "read",
        source.path,
        image,
        ...(offset === "" ? [] : ["--offset", offset]),
        ...(length === "" ? [] : ["--length", length]),
      ]);
      assertEquals(code, 0, stderr);
      assertEquals((await Deno.stat(image)).size, bytes);
      await run("cmp", [`--ignore-initial=${start}:0`, `--bytes=${bytes}`, from, image]);
    },
  });
}

linuxTest({
  name: "read --offset 8s counts sectors of the device",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const from = await folder.write("from", numberedSectors(MIB));
    await using source = await LoopDevice.create(from, { sectorSize: 4096 });
    const image = folder.file("part.img");
    const { code, stderr } = await runCli([
      "read",
      source.path,
      image,
      "--offset=8s",
      "--length=2s",
    ]);
    assertEquals(code, 0, stderr);
    assertEquals((await Deno.stat(image)).size, 8192);
    await run("cmp", ["--ignore-initial=32768:0", "--bytes=8192", from, image]);
  },
});

for (const size of ["512", "4K", "1M", "16M", "12800"]) {
  linuxTest({
    name: `read --block-size ${size} brings the same bytes`,
    ignore,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const from = await folder.write("from", numberedSectors(2 * MIB + 512));
      await using source = await LoopDevice.create(from);
      const image = folder.file("card.img");
      const { code, stderr } = await runCli([
        "read",
        source.path,
        image,
        "--block-size",
        size,
      ]);
      assertEquals(code, 0, stderr);
      await run("cmp", [from, image]);
      await run("sha256sum", ["--check", "--strict", "card.img.sha256"], { cwd: folder.path });
    },
  });
}

linuxTest("read --verify says that the image was read again", async () => {
  await using folder = await TemporaryFolder.create();
  const from = await folder.write("from", numberedSectors(3 * MIB + 100));
  for (const [index, hash] of ["sha256", "none"].entries()) {
    const image = folder.file(`card${index}.img`);
    const { code, events, result, stderr } = await runCli([
      "read",
      from,
      image,
      "--verify",
      "--hash",
      hash,
      "--json",
    ]);
    assertEquals(code, 0, stderr);
    assertEquals(result["verified"], true);
    const phases = events.filter(({ event }) => event === "phase").map(({ title }) => title);
    assertEquals(phases, [`reading ${from}`, `verifying ${image}.part`]);
    await run("cmp", [from, image]);
  }
});

linuxTest("read: zeros become holes, with --no-sparse they are written", async () => {
  await using folder = await TemporaryFolder.create();
  const from = await folder.write("from", numberedSectorsWithZeros(16 * MIB));
  const sparse = folder.file("sparse.img");
  const full = folder.file("full.img");
  const first = await runCli(["read", from, sparse, "--json"]);
  assertEquals(first.code, 0, first.stderr);
  assertEquals(first.result["holeBytes"], 8 * MIB);
  assertEquals((await runCli(["read", from, full, "--no-sparse"])).code, 0);
  await run("cmp", [from, sparse]);
  await run("cmp", [from, full]);
  const allocated = async (path: string): Promise<number> =>
    Number(await run("stat", ["--format=%b", path])) * 512;
  assert(await allocated(sparse) < 9 * MIB, `${await allocated(sparse)}`);
  assert(await allocated(full) >= 16 * MIB, `${await allocated(full)}`);
});

linuxTest(
  "read: a source that is nothing but zeros becomes an image of full size",
  async () => {
    await using folder = await TemporaryFolder.create();
    const from = await folder.write("from", new Uint8Array(9 * MIB + 5));
    const { code, stderr } = await runCli(["read", from, folder.file("zero.img"), "--verify"]);
    assertEquals(code, 0, stderr);
    await run("cmp", [from, folder.file("zero.img")]);
  },
);

linuxTest({
  name: "read - puts the raw bytes on stdout, and the digest on stderr",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const from = await folder.write("from", numberedSectors(9 * MIB + 512));
    await using source = await LoopDevice.create(from);
    const { code, stdoutBytes, stderr } = await runCli(["read", source.path, "-"]);
    assertEquals(code, 0, stderr);
    const out = await folder.write("out", stdoutBytes);
    await run("cmp", [from, out]);
    assertStringIncludes(stderr, `sha256: ${await digestOf(from)}\n`);
  },
});

linuxTest("read - into a slow pipe loses nothing", async () => {
  await using folder = await TemporaryFolder.create();
  const from = await folder.write("from", numberedSectors(24 * MIB));
  const digest = await shell(
    '"${@:2}" read "$1" - --hash none | (sleep 0.5; sha256sum)',
    from,
    ...CLI,
  );
  assertEquals(digest.slice(0, 64), await digestOf(from));
});

linuxTest("read from stdin makes an image", async () => {
  await using folder = await TemporaryFolder.create();
  const bytes = numberedSectorsWithZeros(9 * MIB + 77);
  const from = await folder.write("from", bytes);
  const image = folder.file("card.img");
  const { code, stderr } = await runCli(["read", "-", image], { stdin: bytes });
  assertEquals(code, 0, stderr);
  await run("cmp", [from, image]);
  await run("sha256sum", ["--check", "--strict", "card.img.sha256"], { cwd: folder.path });
});

linuxTest("read from stdin with --length takes only that much", async () => {
  await using folder = await TemporaryFolder.create();
  const bytes = numberedSectors(2 * MIB);
  const image = folder.file("card.img");
  const { code, stderr } = await runCli(
    ["read", "-", image, "--length", "1000001"],
    { stdin: bytes },
  );
  assertEquals(code, 0, stderr);
  assertEquals(await Deno.readFile(image), bytes.slice(0, 1_000_001));
});

linuxTest("read from stdin that ends before --length says so, and gives no image", async () => {
  await using folder = await TemporaryFolder.create();
  const image = folder.file("card.img");
  const { code, stderr } = await runCli(
    ["read", "-", image, "--length", "2M"],
    { stdin: numberedSectors(MIB) },
  );
  assertEquals(code, 1, stderr);
  assertMatch(stderr, /sectorshot: error: .*stdin/);
  assert(!await exists(image));
});

linuxTest("read: an empty stdin is an error, and gives no image", async () => {
  await using folder = await TemporaryFolder.create();
  const image = folder.file("card.img");
  const { code, stderr } = await runCli(["read", "-", image], { stdin: new Uint8Array() });
  assertEquals(code, 1, stderr);
  assertMatch(stderr, /sectorshot: error: .*stdin/);
  assert(!await exists(image));
});

linuxTest(
  "read: the digest line of a name with a backslash is as sha256sum wants it",
  async () => {
    await using folder = await TemporaryFolder.create();
    const from = await folder.write("from", numberedSectors(4096));
    const { code } = await runCli(["read", from, folder.file("a\\b c.img")]);
    assertEquals(code, 0);
    await run("sha256sum", ["--check", "--strict", "a\\b c.img.sha256"], { cwd: folder.path });
  },
);

linuxTest("read --format raw takes any name", async () => {
  await using folder = await TemporaryFolder.create();
  const from = await folder.write("from", numberedSectors(4096));
  const { code } = await runCli(["read", from, folder.file("card"), "--format", "raw"]);
  assertEquals(code, 0);
  await run("cmp", [from, folder.file("card")]);
});

linuxTest(
  "read --force replaces an image, and keeps it until the new one is whole",
  async () => {
    await using folder = await TemporaryFolder.create();
    const from = await folder.write("from", numberedSectors(MIB));
    const image = await folder.write("card.img", "old");
    const broken = await runCli(["read", folder.file("missing"), image, "--force"]);
    assertEquals(broken.code, 1);
    assertEquals(await Deno.readTextFile(image), "old");
    assertEquals((await runCli(["read", from, image, "--force"])).code, 0);
    await run("cmp", [from, image]);
  },
);

linuxTest({
  name: "read does not change its source, nor when it was last changed",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const from = await folder.write("from", numberedSectors(MIB));
    await using source = await LoopDevice.create(from, { readOnly: true });
    const before = await run("stat", ["--format=%y %z", from]);
    assertEquals((await runCli(["read", source.path, folder.file("card.img")])).code, 0);
    assertEquals(await run("stat", ["--format=%y %z", from]), before);
  },
});

linuxTest({
  name: "read: a mounted disk can be read",
  ignore: ignore || needs("mkfs.ext4", "mount"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const file = await folder.write("disk", new Uint8Array(8 * MIB));
    await run("mkfs.ext4", ["-q", file]);
    await using source = await LoopDevice.create(file);
    await using _mounted = await Mounted.create(
      source.path,
      await folder.folder("mnt"),
      "-o",
      "ro",
    );
    const { code, stderr } = await runCli(["read", source.path, folder.file("card.img")]);
    assertEquals(code, 0, stderr);
    assertEquals((await tryRun("e2fsck", ["-fn", folder.file("card.img")])).code, 0);
  },
});
