/**
 * The card that copies of used blocks are measured with: 4 GiB, MBR, a FAT32 boot partition
 * of 256 MiB and an ext4 root of 3 GiB that is a fifth full of this machine's own files. Its
 * free space holds old data, as that of every card that was in use. Needs root,
 * sfdisk, mkfs.fat, mtools, mke2fs and a kernel that mounts ext4 from a file.
 */
import { run } from "../support/run_cli.ts";
import { Mounted, type TemporaryFolder } from "../support/temporary.ts";
import { noise } from "./bench_data.ts";

const MIB = 1024 * 1024;

/** Bytes. Partitions begin on multiples of 4 MiB, as on cards. */
const CARD = {
  size: 4096 * MIB,
  boot: { offset: 4 * MIB, length: 256 * MIB },
  root: { offset: 260 * MIB, length: 3072 * MIB },
} as const;

/** Of files on the partitions. */
const BOOT_FILES_BYTES = 48 * MIB;
const ROOT_FILES_BYTES = 614 * MIB;

/** Where files are taken from, in turn: programs, libraries, texts, sources. */
const FOLDERS = ["/usr/bin", "/usr/lib", "/usr/share", "/usr/include", "/usr/sbin"] as const;

const PIECE_BYTES = MIB;

/** Makes the card in this folder; answers its path. Takes a minute, and 5 GiB there. */
export async function makeSmallCard(folder: TemporaryFolder): Promise<string> {
  const path = folder.file("card.img");
  await fillWithNoise(path, CARD.size, 1);
  await divide(path);
  await makeBoot(folder, path);
  await makeRoot(folder, path);
  return path;
}

/** What was on the card before. Answers how many bytes there was room for. */
async function fillWithNoise(path: string, size: number, seed: number): Promise<number> {
  using file = await Deno.open(path, { create: true, write: true, truncate: true });
  let written = 0;
  while (written < size) {
    const length = Math.min(PIECE_BYTES, size - written);
    let rest: Uint8Array = noise(length, seed * 100_003 + written / PIECE_BYTES);
    while (rest.length > 0) {
      const count = await writeSome(file, rest);
      if (count === 0) return written;
      written += count;
      rest = rest.subarray(count);
    }
  }
  return written;
}

/** Answers 0 where there is no room left. */
async function writeSome(file: Deno.FsFile, bytes: Uint8Array): Promise<number> {
  try {
    return await file.write(bytes);
  } catch (error) {
    if (error instanceof Error && /ENOSPC|No space left|os error 28/.test(error.message)) {
      return 0;
    }
    throw error;
  }
}

/** Writes the partition table; behind the root partition nothing is allocated. */
async function divide(path: string): Promise<void> {
  const line = ({ offset, length }: { offset: number; length: number }, type: string): string =>
    `start=${offset / 512}, size=${length / 512}, type=${type}`;
  const table = [
    "label: dos",
    "label-id: 0x5ec70126",
    line(CARD.boot, "c"),
    line(CARD.root, "83"),
  ];
  const child = new Deno.Command("sfdisk", {
    args: ["--quiet", "--no-reread", "--no-tell-kernel", "--wipe", "never", path],
    env: { PATH: `${Deno.env.get("PATH") ?? ""}:/usr/sbin:/sbin` },
    stdin: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(`${table.join("\n")}\n`));
  await writer.close();
  if (!(await child.status).success) throw new Error("sfdisk failed");
}

/** FAT32, filled once with a file that is gone, and then with some programs. */
async function makeBoot(folder: TemporaryFolder, path: string): Promise<void> {
  const { offset, length } = CARD.boot;
  const volume = `${path}@@${offset}`;
  const boot = folder.file("boot.img");
  await Deno.writeFile(boot, new Uint8Array());
  await Deno.truncate(boot, length);
  await run("mkfs.fat", ["-F", "32", "-i", "5ec70126", "-n", "BOOT", boot]);
  const old = folder.file("OLD.BIN");
  await fillWithNoise(old, length - 8 * MIB, 2);
  await run("mcopy", ["-i", boot, old, "::OLD.BIN"]);
  await run("mdel", ["-i", boot, "::OLD.BIN"]);
  await Deno.remove(old);
  await run("dd", [
    `if=${boot}`,
    `of=${path}`,
    "bs=1M",
    `seek=${offset / MIB}`,
    "conv=notrunc",
    "status=none",
  ]);
  await Deno.remove(boot);
  let left = BOOT_FILES_BYTES;
  const files: string[] = [];
  for (const file of filesBelow("/usr/bin")) {
    if (left <= 0) break;
    files.push(file.path);
    left -= file.size;
  }
  await run("mcopy", ["-i", volume, "-D", "s", ...files, "::"]);
}

/** ext4, filled once with files that are gone, and then with a tree of files. */
async function makeRoot(folder: TemporaryFolder, path: string): Promise<void> {
  const { offset, length } = CARD.root;
  await run("mke2fs", [
    "-q",
    "-F",
    ...["-t", "ext4", "-b", "4096", "-L", "root"],
    ...["-U", "5ec70126-0000-4000-8000-000000000001"],
    "-E",
    `offset=${offset},nodiscard,lazy_itable_init=0,lazy_journal_init=0,` +
    "hash_seed=5ec70126-0000-4000-8000-000000000002",
    path,
    `${length / 1024}k`,
  ]);
  const point = await folder.folder("root");
  {
    const options = `loop,offset=${offset},sizelimit=${length}`;
    await using mounted = await Mounted.create(path, point, "-t", "ext4", "-o", options);
    await fillAndEmpty(`${mounted.path}/old`);
    await copyTree(mounted.path, ROOT_FILES_BYTES);
    // Not lazily: the image is complete when this returns.
    await run("umount", [mounted.path]);
  }
  await Deno.remove(point);
}

/** Makes noise of all the room there is, and deletes it. */
async function fillAndEmpty(folder: string): Promise<void> {
  await Deno.mkdir(folder);
  const fileBytes = 64 * MIB;
  for (let number = 0; number * fileBytes < CARD.root.length; number++) {
    const path = `${folder}/${number}`;
    if (await fillWithNoise(path, fileBytes, 100 + number) < fileBytes) break;
  }
  await run("sync", ["-f", folder]);
  await Deno.remove(folder, { recursive: true });
  await run("sync", ["-f", folder.slice(0, folder.lastIndexOf("/"))]);
}

/** Copies files of this machine until there are so many bytes of them. */
async function copyTree(target: string, bytes: number): Promise<void> {
  let left = bytes;
  for (let round = 1; left > 0; round++) {
    const top = round === 1 ? target : `${target}/copy${round}`;
    const sources = FOLDERS.filter((folder) => isFolder(folder)).map(filesBelow);
    const before = left;
    for (let open = sources; open.length > 0 && left > 0;) {
      const ended = new Set<Generator<FoundFile>>();
      for (const source of open) {
        const { value } = source.next();
        if (value === undefined) ended.add(source);
        else if (left > 0) left -= await copyFile(value, `${top}${value.path}`);
      }
      open = open.filter((source) => !ended.has(source));
    }
    if (left === before) throw new Error("There are no files to fill the card with");
  }
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Answers how many bytes were copied. */
async function copyFile({ path, size }: FoundFile, target: string): Promise<number> {
  await Deno.mkdir(target.slice(0, target.lastIndexOf("/")), { recursive: true });
  await Deno.copyFile(path, target);
  return size;
}

interface FoundFile {
  readonly path: string;
  readonly size: number;
}

/** The files below a folder, by name; links, very large ones and other things are left out. */
function* filesBelow(folder: string): Generator<FoundFile> {
  const largest = 128 * MIB;
  const entries = [...Deno.readDirSync(folder)].toSorted((a, b) => a.name < b.name ? -1 : 1);
  for (const { name, isFile, isDirectory } of entries) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* filesBelow(path);
    if (!isFile) continue;
    const { size } = Deno.lstatSync(path);
    if (size <= largest) yield { path, size };
  }
}
