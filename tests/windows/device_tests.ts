/**
 * Disks of Windows, from end to end: sectorshot runs in deno.exe under Wine on loop devices
 * of Linux, and Linux' own tools say whether the bytes are right. Run by `run.ts`.
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { LoopDevice } from "../support/loop_device.ts";
import { digestOf, run, shell } from "../support/run_cli.ts";
import {
  exists,
  numberedSectors,
  numberedSectorsWithZeros,
  TemporaryFolder,
} from "../support/temporary.ts";
import { WineRig } from "./wine.ts";
import type { WineResult } from "./wine_process.ts";

/** sectorshot with the permissions that it has in deno.json. */
const CLI: readonly string[] = config.tasks.start.command.split(/\s+/).slice(1);

const MIB = 1024 ** 2;

/** Whole sectors of 512 bytes, but neither of 4096 nor of the chunks. */
const DISK_BYTES = 20 * MIB + 3 * 512;

/** A machine with disks, and what is in the folder that both sides see. */
class Machine implements AsyncDisposable {
  readonly rig: WineRig;
  readonly #resources: AsyncDisposableStack;
  readonly #folder: TemporaryFolder;

  private constructor(rig: WineRig, folder: TemporaryFolder, resources: AsyncDisposableStack) {
    this.rig = rig;
    this.#folder = folder;
    this.#resources = resources;
  }

  static async create(): Promise<Machine> {
    await using resources = new AsyncDisposableStack();
    const folder = resources.use(await TemporaryFolder.create());
    const rig = resources.use(await WineRig.create());
    return new Machine(rig, folder, resources.move());
  }

  /** A loop device with this content, under one or several names of Windows. */
  async disk(content: Uint8Array<ArrayBuffer>, ...names: string[]): Promise<string> {
    const file = await this.#folder.write(`disk_${names.join("_")}`, content);
    const { path } = this.#resources.use(await LoopDevice.create(file));
    for (const name of names) this.#resources.use(await this.rig.drive(name, path));
    return path;
  }

  /** A file in the folder that both sides see: its path here, and there. */
  file(name: string): { readonly here: string; readonly there: string } {
    const here = `${this.rig.folder}/${name}`;
    return { here, there: this.rig.windowsPath(here) };
  }

  async cli(...args: string[]): Promise<WineResult> {
    return await this.rig.run([...CLI, ...args]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

/** The disk of Windows itself; nothing of it can be read under Wine. */
const SYSTEM_DISK = "\\\\.\\PhysicalDrive0";

function assertOk({ code, stderr }: WineResult): void {
  assertEquals(code, 0, stderr);
}

Deno.test("list and info show the disk that Windows runs from, with its letters", async () => {
  await using machine = await Machine.create();
  const list = await machine.cli("list");
  assertOk(list);
  assertMatch(list.stdout, /^\\\\\.\\PhysicalDrive0 .* SYSTEM DISK; .*\bC:/m);
  const json = await machine.cli("list", "--json");
  const { disks } = JSON.parse(json.stdout) as { disks: Record<string, unknown>[] };
  assertEquals(disks.map(({ path }) => path), [SYSTEM_DISK]);
  const [disk] = disks;
  assertEquals([disk?.["system"], disk?.["sectorSize"]], [true, 512]);
  assert((disk?.["volumes"] as string[]).includes("C:"));
  const info = await machine.cli("info", SYSTEM_DISK);
  assertEquals(info.code, 4, info.stderr);
  assertMatch(info.stdout, /PhysicalDrive0: [\d,]+ bytes .* sectors$/m);
  assertStringIncludes(info.stderr, "ERROR_INVALID_FUNCTION");
  const letter = await machine.cli("info", "c:");
  assertStringIncludes(letter.stderr, `C: lies on ${SYSTEM_DISK}: the whole disk is meant`);
});

Deno.test("a raw device is read, byte for byte and to its last sector", async () => {
  await using machine = await Machine.create();
  const path = await machine.disk(numberedSectorsWithZeros(DISK_BYTES), "E");
  const image = machine.file("Ä 日本.img");
  const read = await machine.cli("read", "\\\\.\\E:", image.there, "--verify", "--json");
  assertOk(read);
  const digest = await digestOf(path);
  assertEquals(await digestOf(image.here), digest);
  const result = JSON.parse(read.stdout.trim().split("\n").at(-1) ?? "") as {
    hashes: Record<string, string>;
    bytes: number;
    verified: boolean;
  };
  assertEquals([result.bytes, result.verified], [DISK_BYTES, true]);
  assertEquals(result.hashes, { sha256: digest });
  // Coreutils checks what lies beside it.
  await run("sha256sum", ["-c", "Ä 日本.img.sha256"], { cwd: machine.rig.folder });
  const [blocks = ""] = (await run("stat", ["-c", "%b", image.here])).split("\n");
  assert(Number(blocks) * 512 < DISK_BYTES * 0.6, "zeros take room");
  const hash = await machine.cli("hash", "\\\\.\\e:");
  assertOk(hash);
  assertStringIncludes(hash.stdout, digest);
  const alone = await machine.cli("verify", image.there);
  assertOk(alone);
});

Deno.test("an image is written and proved; a changed byte is found", async () => {
  await using machine = await Machine.create();
  const path = await machine.disk(numberedSectors(DISK_BYTES, 1), "E");
  const image = machine.file("new.img");
  await Deno.writeFile(image.here, numberedSectorsWithZeros(DISK_BYTES, 2));
  const write = await machine.cli("write", image.there, "\\\\.\\E:", "--yes");
  assertOk(write);
  assertStringIncludes(write.stdout, "written and verified");
  assertEquals(await digestOf(path), await digestOf(image.here));
  assertOk(await machine.cli("verify", image.there, "\\\\.\\E:"));
  const place = DISK_BYTES - 700;
  const change = 'printf "\\102" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none';
  await shell(change, path, String(place));
  const verify = await machine.cli("verify", image.there, "\\\\.\\E:", "--json");
  assertEquals(verify.code, 2, verify.stderr);
  const result = JSON.parse(verify.stdout.trim().split("\n").at(-1) ?? "") as {
    firstDifference: number;
    differing: unknown;
  };
  assertEquals(result.firstDifference, place);
  assertEquals(result.differing, [{ offset: place - place % 512, length: 512 }]);
});

Deno.test("an image that ends inside of a sector leaves the rest of the disk alone", async () => {
  await using machine = await Machine.create();
  const before = numberedSectors(DISK_BYTES, 1);
  const path = await machine.disk(before, "E");
  const image = machine.file("short.img");
  const content = numberedSectors(5 * MIB + 512, 2).subarray(0, 5 * MIB + 100);
  await Deno.writeFile(image.here, content);
  assertOk(await machine.cli("write", image.there, "\\\\.\\E:", "--yes"));
  before.fill(0, 5 * MIB, 5 * MIB + 512);
  before.set(content);
  const expected = machine.file("expected");
  await Deno.writeFile(expected.here, before);
  assertEquals(await digestOf(path), await digestOf(expected.here));
});

Deno.test("from stdin, and from disk to disk", async () => {
  await using machine = await Machine.create();
  const first = await machine.disk(numberedSectors(DISK_BYTES, 1), "E");
  const second = await machine.disk(numberedSectors(DISK_BYTES, 2), "F");
  const content = numberedSectorsWithZeros(6 * MIB, 3);
  const args = ["write", "-", "\\\\.\\E:", "--yes"];
  assertOk(await machine.rig.run([...CLI, ...args], { stdin: content }));
  const image = machine.file("stdin.img");
  await Deno.writeFile(image.here, content);
  await run("cmp", ["-n", String(content.length), image.here, first]);
  assertOk(await machine.cli("clone", "\\\\.\\E:", "\\\\.\\F:", "--yes"));
  assertEquals(await digestOf(second), await digestOf(first));
});

Deno.test("a whole disk: its table is read, and a letter means all of it", async () => {
  await using machine = await Machine.create();
  const path = await machine.disk(new Uint8Array(DISK_BYTES), "PhysicalDrive1", "E");
  const table = "label: dos\\n2048,4096,c\\n8192,,83\\n";
  await shell(`printf "${table}" | sfdisk --quiet --no-reread --no-tell-kernel "$1"`, path);
  const list = await machine.cli("list");
  assertMatch(list.stdout, /^\\\\\.\\PhysicalDrive1 +20\.0 MiB /m);
  const info = await machine.cli("info", "E:");
  assertOk(info);
  assertStringIncludes(
    info.stderr,
    "E: lies on \\\\.\\PhysicalDrive1: the whole disk is meant",
  );
  assertMatch(info.stdout, /^1 +2,048 +4,096 /m);
  assertMatch(info.stdout, /^2 +8,192 /m);
  const image = machine.file("disk.img");
  assertOk(await machine.cli("read", "//./physicaldrive1", image.there));
  assertEquals(await digestOf(image.here), await digestOf(path));
});

Deno.test("what must not be written is refused, and what is not there", async () => {
  await using machine = await Machine.create();
  const path = await machine.disk(numberedSectors(4 * MIB), "E");
  const before = await digestOf(path);
  const image = machine.file("image.img");
  await Deno.writeFile(image.here, numberedSectors(5 * MIB, 2));
  const refusals: readonly (readonly [target: string, message: RegExp])[] = [
    [SYSTEM_DISK, /cannot write to \\\\\.\\PhysicalDrive0: the running system lives on it/],
    ["C:", /cannot write to \\\\\.\\PhysicalDrive0: the running system lives on it/],
    ["\\\\.\\C:", /cannot write to \\\\\.\\C:: .*the running system lives there/],
    ["\\\\.\\PhysicalDrive7", /PhysicalDrive7: there is no such device/],
    ["Q:", /cannot write to Q:: there is no such device/],
    ["/dev/sdb", /\/dev\/sdb: that is how Linux names things, and this is Windows/],
    ["/dev/disk4", /\/dev\/disk4: that is how macOS names things, and this is Windows/],
    ["\\\\.\\E:", /cannot write to \\\\\.\\E:: the image is larger by .* DOES contain data/],
    [image.there, /it is a file, not a disk/],
    ["NUL", /it is a character device, not a disk/],
  ];
  for (const [target, message] of refusals) {
    const { code, stderr } = await machine.cli("write", image.there, target, "--yes");
    assertEquals(code, 1, target);
    assertMatch(stderr, message);
    assertMatch(stderr, /sectorshot: hint: /);
  }
  const small = machine.file("small.img");
  await Deno.writeFile(small.here, numberedSectors(MIB, 2));
  const unasked = await machine.cli("write", small.there, "\\\\.\\E:");
  assertEquals(unasked.code, 1);
  assertMatch(unasked.stderr, /cannot ask: stdin is no terminal/);
  const self = await machine.cli("clone", "\\\\.\\E:", "\\\\.\\E:", "--yes");
  assertEquals(self.code, 1);
  assertMatch(self.stderr, /it is the source/);
  assertEquals(await digestOf(path), before);
});

Deno.test("what must not be read, and where an image must not go", async () => {
  await using machine = await Machine.create();
  await machine.disk(numberedSectors(MIB), "E");
  const image = machine.file("image.img");
  await Deno.writeFile(image.here, numberedSectors(MIB, 2));
  const refusals: readonly (readonly [source: string, target: string, message: RegExp])[] = [
    ["Q:", machine.file("q.img").there, /cannot open Q:: no such file or device/],
    ["/dev/sdb", machine.file("q.img").there, /how Linux names things, and this is Windows/],
    [SYSTEM_DISK, machine.file("q.img").there, /\(ERROR_INVALID_FUNCTION\)/],
    ["\\\\.\\E:", image.there, /image\.img: it exists/],
    ["\\\\.\\E:", `${image.there}\\x.img`, /there is no folder/],
    ["\\\\.\\E:", machine.file("no/x.img").there, /there is no folder .*\\no/],
    ["\\\\.\\E:", machine.file("a?.img").there, /\(ERROR_INVALID_NAME\)/],
    ["\\\\.\\E:", "C:\\x.img:stream.img", /it names a stream within a file/],
    ["NUL", machine.file("q.img").there, /cannot read NUL: it is a character device/],
  ];
  for (const [source, target, message] of refusals) {
    const { code, stderr } = await machine.cli("read", source, target);
    assertEquals(code, 1, `${source} ${target}: ${stderr}`);
    assertMatch(stderr, message);
  }
  assertEquals(await Deno.readFile(image.here), numberedSectors(MIB, 2));
});

Deno.test("the demonstration runs", async () => {
  await using machine = await Machine.create();
  const permissions = config.tasks.demo.command.split(/\s+/).slice(1);
  const { code, stdout, stderr } = await machine.rig.run(permissions);
  assertEquals(code, 0, stderr);
  assertStringIncludes(stdout, "All of it went as it should.");
});

Deno.test("after Ctrl-C the map is saved, and the same command goes on", async () => {
  await using machine = await Machine.create();
  const source = machine.file("large.bin");
  await Deno.writeFile(source.here, numberedSectors(8 * MIB, 5));
  await Deno.truncate(source.here, 1024 * MIB);
  const image = machine.file("large.img");
  const args = ["read", source.there, image.there, "--hash", "sha512,md5"];
  await using running = machine.rig.start([...CLI, ...args]);
  await running.until("the image grows", async () => {
    return await exists(`${image.here}.part`) &&
      (await Deno.stat(`${image.here}.part`)).size >= 4 * MIB;
  });
  await running.interrupt();
  const { code, stderr } = await running.end();
  assertEquals(code, 130, stderr);
  assertMatch(stderr, /sectorshot: cancelled/);
  assertMatch(stderr, /large\.img\.part: run the same command again to go on/);
  const map = await Deno.readTextFile(`${image.here}.map`);
  assertMatch(map, /^0x00000000 +0x[0-9A-F]+ +\+$/m);
  const again = await machine.cli(...args);
  assertOk(again);
  assertMatch(again.stderr, /going on with .*large\.img\.part/);
  assertStringIncludes(again.stdout, await digestOf(source.here, "md5"));
  assertEquals(await digestOf(image.here), await digestOf(source.here));
});
