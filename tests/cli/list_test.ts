import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { linuxTest } from "../support/linux_test.ts";
import { LoopDevice } from "../support/loop_device.ts";
import { run, runCli } from "../support/run_cli.ts";
import { Mounted, numberedSectors, TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const ignore = needs("root", "losetup", "lsblk");
const MIB = 1024 * 1024;

interface ListedDisk {
  readonly path: string;
  readonly size: number;
  readonly sectorSize: number;
  readonly physicalSectorSize: number;
  readonly model: string | null;
  readonly serial: string | null;
  readonly bus: string;
  readonly system: boolean;
  readonly removable: boolean;
  readonly readOnly: boolean;
  readonly virtual: boolean;
  readonly claims: readonly { kind: string; device: string; where: string }[];
  readonly partitions: readonly { path: string; index: number; start: number; size: number }[];
  readonly backingFile: string | null;
}

async function listed(...options: string[]): Promise<readonly ListedDisk[]> {
  const { code, result, stderr } = await runCli(["list", "--json", ...options]);
  assertEquals(code, 0, stderr);
  assertEquals([result.event, result["command"], result["exitCode"]], ["result", "list", 0]);
  return result["disks"] as ListedDisk[];
}

/** What lsblk says of one disk, with its partitions. */
async function lsblk(path: string): Promise<Readonly<Record<string, unknown>>> {
  const columns = "PATH,SIZE,LOG-SEC,PHY-SEC,RO,RM,TYPE,START";
  const text = await run("lsblk", ["--json", "--bytes", "--output", columns, path]);
  const { blockdevices } = JSON.parse(text) as {
    readonly blockdevices: readonly Readonly<Record<string, unknown>>[];
  };
  const [only] = blockdevices;
  if (only === undefined) throw new Error(`lsblk does not know ${path}`);
  return only;
}

for (const [sectorSize, readOnly] of [[512, false], [4096, true]] as const) {
  linuxTest({
    name: `list --all: a loop device with ${sectorSize}-byte sectors, as lsblk sees it`,
    ignore,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const file = await folder.write("disk one", numberedSectors(3 * MIB));
      await using disk = await LoopDevice.create(file, { sectorSize, readOnly });
      const found = (await listed("--all")).find(({ path }) => path === disk.path);
      const expected = await lsblk(disk.path);
      assertEquals({
        path: found?.path,
        size: found?.size,
        "log-sec": found?.sectorSize,
        "phy-sec": found?.physicalSectorSize,
        ro: found?.readOnly,
        rm: found?.removable,
        type: found?.bus,
        start: null,
      }, expected);
      assertEquals(found?.backingFile, await Deno.realPath(file));
      assertEquals([found?.system, found?.virtual, found?.claims], [false, true, []]);
    },
  });
}

linuxTest({
  name: "list: disks that one can hold are those of lsblk; virtual ones only with --all",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    await using disk = await LoopDevice.create(
      await folder.write("disk", numberedSectors(MIB)),
    );
    const some = await listed();
    const all = await listed("--all");
    assert(!some.some(({ path }) => path === disk.path));
    assert(all.some(({ path }) => path === disk.path));
    const text = await run("lsblk", ["--json", "--bytes", "--nodeps", "-o", "PATH,SIZE,TYPE"]);
    const { blockdevices } = JSON.parse(text) as {
      readonly blockdevices: readonly { path: string; size: number; type: string }[];
    };
    const real = blockdevices.filter(({ type, size }) => type === "disk" && size > 0);
    for (const { path, size } of real.filter(({ path }) => !/\/(zram|ram|nbd)\d/.test(path))) {
      assertEquals(some.find((each) => each.path === path)?.size, size, path);
    }
  },
});

linuxTest({
  name: "list: the disk of / is the system disk",
  ignore: ignore || needs("findmnt"),
  async fn(): Promise<void> {
    const source = (await run("findmnt", ["-n", "-o", "SOURCE", "/"])).trim();
    const system = (await listed("--all")).filter((disk) => disk.system);
    const holdsRoot = system.some(({ path, partitions }) =>
      [path, ...partitions.map((each) => each.path)].includes(source)
    );
    // Overlays and device mapper hide the disk: then nothing can be said here.
    if (/^\/dev\/(sd|vd|nvme|xvd|mmcblk)/.test(source)) assert(holdsRoot, source);
    else assertEquals(holdsRoot, false);
    const { stdout } = await runCli(["list", "--all"]);
    assertEquals(stdout.match(/SYSTEM DISK/g)?.length ?? 0, system.length);
  },
});

linuxTest({
  name: "list: partitions, and where they are mounted",
  ignore: ignore || needs("addpart", "mkfs.ext4", "mount", "umount"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    await using disk = await LoopDevice.create(
      await folder.write("disk", new Uint8Array(12 * MIB)),
    );
    const one = await disk.addPartition(1, MIB, 8 * MIB);
    const three = await disk.addPartition(3, 10 * MIB, MIB);
    await run("mkfs.ext4", ["-q", one]);
    const place = await folder.folder("my card");
    await using _mounted = await Mounted.create(one, place, "-o", "ro");
    const found = (await listed("--all")).find(({ path }) => path === disk.path);
    assertEquals(found?.partitions, [
      { path: one, index: 1, start: MIB, size: 8 * MIB },
      { path: three, index: 3, start: 10 * MIB, size: MIB },
    ]);
    assertEquals(found?.claims, [{ kind: "mounted", device: one, where: place }]);
    const { stdout } = await runCli(["list", "--all"]);
    const line = stdout.split("\n").find((text) => text.startsWith(`${disk.path} `));
    assertMatch(line ?? "", /12 MiB +loop .*mounted at .*my card/);
  },
});

linuxTest({
  name: "list: says how many virtual disks are not shown",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    await using disk = await LoopDevice.create(
      await folder.write("disk", numberedSectors(MIB)),
    );
    const { code, stdout } = await runCli(["list"]);
    assertEquals(code, 0);
    assertMatch(stdout, /^\d+ virtual disks? not shown: --all shows all$/m);
    assert(!stdout.includes(`${disk.path} `), stdout);
  },
});

linuxTest("list: says nothing of virtual disks where all are shown", async () => {
  const hidden = async (): Promise<number> =>
    (await listed("--all")).filter((each) => each.virtual).length;
  const before = await hidden();
  const { code, stdout } = await runCli(["list"]);
  assertEquals(code, 0);
  // Other tests come and go with disks of theirs.
  if (before + await hidden() === 0) assert(!stdout.includes("not shown"), stdout);
});

linuxTest({
  name: "list: control characters of a file name do not reach the terminal",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const file = await folder.write("a\x1b[31m\nb", numberedSectors(MIB));
    await using disk = await LoopDevice.create(file);
    const { stdout } = await runCli(["list", "--all"]);
    assert(!stdout.includes("\x1b"));
    assertStringIncludes(stdout, `${disk.path} `);
    assertEquals(stdout.split("\n").filter((line) => /^b/.test(line)), []);
  },
});
