import { assert, assertEquals } from "@std/assert";
import { endOf, piecesOf, type Range, totalLength } from "../../src/core/range.ts";
import { ntfs } from "../../src/filesystems/all.ts";
import { patternBytes } from "../support/pattern.ts";
import { TemporaryFolder, waitUntil } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { FileSource, run, seededNumbers } from "../volumes/image_tools.ts";

const MIB = 1024 * 1024;

/** The real thing, mounted by FUSE. */
class NtfsMount implements AsyncDisposable {
  readonly path: string;
  readonly #child: Deno.ChildProcess;

  private constructor(path: string, child: Deno.ChildProcess) {
    this.path = path;
    this.#child = child;
  }

  static async create(image: string, path: string, ...options: string[]): Promise<NtfsMount> {
    await Deno.mkdir(path, { recursive: true });
    const child = new Deno.Command("ntfs-3g", {
      args: ["-o", ["no_detach", ...options].join(","), image, path],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const before = (await Deno.lstat(path.replace(/\/[^/]*$/, ""))).dev;
    await waitUntil(
      "ntfs-3g has mounted it",
      async () => (await Deno.lstat(path)).dev !== before,
    );
    return new NtfsMount(path, child);
  }

  /** When it resolves, all is written. */
  async [Symbol.asyncDispose](): Promise<void> {
    await run("umount", [this.path]);
    await this.#child.status;
  }
}

async function usedOf(path: string, sectorSize = 512): Promise<readonly Range[]> {
  await using volume = new FileSource(path, sectorSize);
  const ranges = await ntfs.usedRanges?.(volume);
  if (ranges === undefined) throw new Error("NTFS has no usedRanges");
  return ranges;
}

/** A file of the same size in which only these ranges are not zeros. */
async function copyOf(path: string, ranges: readonly Range[], to: string): Promise<void> {
  await using from = new FileSource(path);
  using file = await Deno.create(to);
  await file.truncate(from.size);
  for (const { offset, length } of piecesOf(ranges, MIB)) {
    const bytes = new Uint8Array(length);
    assertEquals(await from.readAt(offset, bytes), length);
    await file.seek(offset, Deno.SeekMode.Start);
    for (let done = 0; done < length;) done += await file.write(bytes.subarray(done));
  }
}

/** The clusters that The Sleuth Kit calls allocated, as bytes; joined. */
async function sleuthkitAllocated(path: string, clusterBytes: number): Promise<Range[]> {
  const { stdout } = await run("blkls", ["-f", "ntfs", "-l", "-e", path]);
  const ranges: { offset: number; length: number }[] = [];
  for (const [, block, state] of stdout.matchAll(/^(\d+)\|([af])$/gm)) {
    if (state !== "a") continue;
    const offset = Number(block) * clusterBytes;
    const last = ranges.at(-1);
    if (last !== undefined && endOf(last) === offset) last.length += clusterBytes;
    else ranges.push({ offset, length: clusterBytes });
  }
  return ranges;
}

/** Digests of all files below a folder, streams of no interest. */
async function digestsOf(folder: string): Promise<Map<string, string>> {
  const digests = new Map<string, string>();
  for await (const entry of Deno.readDir(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) {
      for (const [name, digest] of await digestsOf(path)) {
        digests.set(`${entry.name}/${name}`, digest);
      }
    } else {
      const hash = await crypto.subtle.digest("SHA-256", await Deno.readFile(path));
      digests.set(entry.name, new Uint8Array(hash).toHex());
    }
  }
  return new Map([...digests].sort());
}

async function contentOf(image: string, mountPoint: string): Promise<Map<string, string>> {
  await using mounted = await NtfsMount.create(image, mountPoint, "ro");
  return await digestsOf(mounted.path);
}

/** Writes files until the volume is full; answers their paths. */
async function fillUp(folder: string, bytes: () => number, most = 4000): Promise<string[]> {
  const paths: string[] = [];
  for (let number = 0; number < most; number++) {
    const path = `${folder}/file ${number}`;
    try {
      await Deno.writeFile(path, patternBytes(bytes(), { seed: number + 1 }));
    } catch {
      // Full. What there is of it stays, as it would.
      break;
    }
    paths.push(path);
  }
  return paths;
}

type Fill = (folder: string, clusterBytes: number) => Promise<void>;

const few: Fill = async (folder, clusterBytes) => {
  await Deno.mkdir(`${folder}/a folder/one more`, { recursive: true });
  await Deno.writeTextFile(`${folder}/a folder/tiny`, "resident");
  await Deno.writeFile(`${folder}/a folder/one more/Größe`, patternBytes(3 * clusterBytes + 1));
  await Deno.writeFile(`${folder}/gone`, patternBytes(5 * clusterBytes, { seed: 9 }));
  await Deno.writeFile(`${folder}/stays`, patternBytes(2 * clusterBytes, { seed: 10 }));
  await Deno.remove(`${folder}/gone`);
  using sparse = await Deno.create(`${folder}/sparse`);
  await sparse.truncate(4 * MIB);
  await sparse.seek(3 * MIB, Deno.SeekMode.Start);
  await sparse.write(patternBytes(clusterBytes, { seed: 11 }));
};

const fragmented: Fill = async (folder, clusterBytes) => {
  const next = seededNumbers(clusterBytes);
  const small = await fillUp(folder, () => 1 + next(12 * clusterBytes), 500);
  for (const [index, path] of small.entries()) if (index % 2 === 0) await Deno.remove(path);
  await Deno.writeFile(`${folder}/in pieces`, patternBytes(2 * MIB, { seed: 77 }));
  await Deno.truncate(`${folder}/in pieces`, MIB);
};

const full: Fill = async (folder, clusterBytes) => {
  const next = seededNumbers(clusterBytes + 1);
  await fillUp(folder, () => 1 + next(MIB));
  await fillUp(`${folder}`, () => 1 + next(clusterBytes));
};

/** Small files in every second cluster, so that $MFT has to grow in the gaps between them. */
const fragmentedTable: Fill = async (folder, clusterBytes) => {
  await Deno.mkdir(`${folder}/first`);
  const paths = await fillUp(`${folder}/first`, () => 2 * clusterBytes + 800, 6000);
  for (const [index, path] of paths.entries()) if (index % 2 === 0) await Deno.remove(path);
  await Deno.mkdir(`${folder}/second`);
  await fillUp(`${folder}/second`, () => 20, 6000);
};

const compressed: Fill = async (folder, clusterBytes) => {
  await Deno.mkdir(`${folder}/packed`);
  await run("setfattr", [
    "-n",
    "system.ntfs_attrib_be",
    "-v",
    "0x00000800",
    `${folder}/packed`,
  ]);
  for (let number = 0; number < 20; number++) {
    const text = `number ${number} `.repeat(20_000);
    await Deno.writeTextFile(`${folder}/packed/${number}`, text);
  }
  await Deno.writeFile(`${folder}/packed/noise`, patternBytes(64 * clusterBytes));
  const { stdout } = await run("getfattr", [
    "-n",
    "system.ntfs_attrib_be",
    "-e",
    "hex",
    "--absolute-names",
    `${folder}/packed/7`,
  ]);
  assert(/=0x....08/.test(stdout), `it is not compressed: ${stdout}`);
};

interface Scenario {
  readonly name: string;
  readonly fill: Fill;
  readonly size: number;
  readonly clusterBytes: number;
  readonly sectorBytes: number;
  readonly tools: readonly string[];
  /** Checks that the volume is what the scenario is about. */
  readonly check?: (image: string) => Promise<void>;
}

function scenario(
  name: string,
  fill: Fill,
  clusterBytes: number,
  more: Partial<Scenario> = {},
): Scenario {
  const size = Math.max(24 * MIB, clusterBytes * 256) + 4096;
  return { name, fill, size, clusterBytes, sectorBytes: 512, tools: [], ...more };
}

const nothing: Fill = async () => {};

const SCENARIOS: readonly Scenario[] = [
  ...[512, 1024, 2048, 4096, 8192, 16384, 32768, 65536].flatMap((clusterBytes) => [
    scenario("a few files", few, clusterBytes),
    scenario("fragmented files", fragmented, clusterBytes),
  ]),
  scenario("no file", nothing, 4096),
  scenario("no file", nothing, 512, { size: 2 * MIB }),
  scenario("no room", full, 512, { size: 8 * MIB + 512 * 7 }),
  scenario("no room", full, 4096),
  scenario("no room", full, 65536, { size: 64 * MIB + 1024 }),
  scenario("compressed files", compressed, 4096, { tools: ["setfattr", "getfattr"] }),
  ...[4096, 65536].flatMap((clusterBytes) =>
    [few, fragmented].map((fill) =>
      scenario(fill === few ? "a few files" : "fragmented files", fill, clusterBytes, {
        sectorBytes: 4096,
      })
    )
  ),
  scenario("a few files", few, 128 * 1024),
  scenario("a few files", few, 2 * MIB),
  // Of its $Bitmap more than a piece is read.
  scenario("a few files on 40 GiB", few, 4096, { size: 40 * 1024 * MIB + 4096 }),
  scenario("a table of files in many pieces", fragmentedTable, 512, {
    size: 12 * MIB,
    check: async (image): Promise<void> => {
      const { stdout } = await run("ntfsinfo", ["-f", "-i", "0", image]);
      assert(/\$ATTRIBUTE_LIST.*\n\s*Resident:\s+No/.test(stdout), "$MFT is in few pieces");
    },
  }),
];

for (const made of SCENARIOS) {
  const { name, fill, size, clusterBytes, sectorBytes, tools, check } = made;
  Deno.test({
    name: `NTFS, clusters of ${clusterBytes} on sectors of ${sectorBytes}, ${name}: ` +
      "what is used is enough",
    ignore: needs(
      ...["root", "mkntfs", "ntfs-3g", "ntfsfix", "ntfsclone", "ntfsinfo", "umount", "blkls"],
      ...tools,
    ),
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const image = folder.file("volume");
      await makeVolume(image, size, clusterBytes, sectorBytes);
      {
        await using mounted = await NtfsMount.create(
          image,
          folder.file("mount"),
          "compression",
        );
        await fill(mounted.path, clusterBytes);
      }
      await check?.(image);
      const used = await usedOf(image, sectorBytes);
      const isLarge = size > 1024 * MIB;
      if (!isLarge && clusterBytes <= 65536) {
        await checkAgainstSleuthkit(image, used, clusterBytes);
      }
      await checkAgainstNtfsinfo(image, used, clusterBytes);

      const copy = folder.file("copy");
      await copyOf(image, used, copy);
      await run("ntfsfix", ["-n", copy]);
      const expected = await contentOf(image, folder.file("mount"));
      assert(fill === nothing || expected.size > 3);
      assertEquals(await contentOf(copy, folder.file("mount")), expected);
      if (!isLarge) await checkAgainstNtfsclone(folder, image, copy);
    },
  });
}

async function makeVolume(
  image: string,
  size: number,
  clusterBytes: number,
  sectorBytes: number,
): Promise<void> {
  await Deno.writeFile(image, patternBytes(Math.min(size, 64 * MIB), { seed: 1234 }));
  await Deno.truncate(image, size);
  const geometry = ["-s", String(sectorBytes), "-c", String(clusterBytes)];
  await run("mkntfs", ["-F", "-Q", "-q", "-L", "used", ...geometry, image]);
}

/** What is used is what that program calls allocated, and what is behind the last cluster. */
async function checkAgainstSleuthkit(
  image: string,
  used: readonly Range[],
  clusterBytes: number,
): Promise<void> {
  const { size } = await Deno.stat(image);
  const allocated = await sleuthkitAllocated(image, clusterBytes);
  const last = used.at(-1);
  if (last === undefined) throw new Error("nothing is used");
  assert(allocated.length > 0);
  assertEquals(endOf(last), size, "the end of the volume is used");
  const clusterEnd = Math.floor((size - 1) / clusterBytes) * clusterBytes;
  const inClusters = used.flatMap(({ offset, length }) => {
    const cut = Math.min(offset + length, clusterEnd) - offset;
    return cut > 0 ? [{ offset, length: cut }] : [];
  });
  assertEquals(
    inClusters,
    allocated.filter(({ offset }) => offset < clusterEnd),
  );
}

/** As many bytes are used as that program says: it also knows clusters of more than 64 KiB. */
async function checkAgainstNtfsinfo(
  image: string,
  used: readonly Range[],
  clusterBytes: number,
): Promise<void> {
  const { size } = await Deno.stat(image);
  const { stdout } = await run("ntfsinfo", ["-m", image]);
  const clusters = Number(/Volume Size in Clusters: (\d+)/.exec(stdout)?.[1]);
  const free = Number(/Free Clusters: (\d+)/.exec(stdout)?.[1]);
  const behind = size - clusters * clusterBytes;
  assert(behind > 0);
  assertEquals(totalLength(used), (clusters - free) * clusterBytes + behind, stdout);
}

/** ntfsclone, which asks the files and not $Bitmap, has nothing that the copy has not. */
async function checkAgainstNtfsclone(
  folder: TemporaryFolder,
  image: string,
  copy: string,
): Promise<void> {
  const saved = folder.file("saved");
  const restored = folder.file("restored");
  await run("ntfsclone", ["--save-image", "--quiet", "--output", saved, image]);
  await Deno.truncate(await folder.write("restored", ""), (await Deno.stat(image)).size);
  await run("ntfsclone", ["--restore-image", "--quiet", "--overwrite", restored, saved]);
  await using theirs = new FileSource(restored);
  await using ours = new FileSource(copy);
  const [a, b] = [new Uint8Array(MIB), new Uint8Array(MIB)];
  let same = 0;
  for (let at = 0; at < ours.size; at += MIB) {
    const count = await theirs.readAt(at, a);
    assertEquals(await ours.readAt(at, b), count);
    for (let index = 0; index < count; index++) {
      if (a[index] === 0) continue;
      if (a[index] !== b[index]) throw new Error(`byte ${at + index} is not in the copy`);
      same++;
    }
  }
  assert(same > 10_000);
}
