/** FAT specification 1.03, section "FAT Directory Structure", https://download.microsoft.com/download/1/6/1/161ba512-40e2-4cc9-843a-923143f3456c/fatgen103.doc */
import type { BlockSource, Bytes } from "../../core/block.ts";
import { FormatError } from "../../core/errors.ts";
import { piecesOf, type Range } from "../../core/range.ts";
import { readAll } from "../used_ranges.ts";
import { ClusterSet } from "./cluster_set.ts";
import {
  type DirectoryEntry,
  entriesIn,
  ENTRY_BYTES,
  entryAt,
  isNamed,
} from "./directory_entry.ts";
import type { FatBootSector } from "./fat_boot_sector.ts";
import { FatChains } from "./fat_chain.ts";

const PIECE_BYTES = 1024 * 1024;
/** The specification's limit: 65,536 entries. */
const MAX_DIRECTORY_BYTES = 65536 * ENTRY_BYTES;
/** Bounds memory: directories that were found but not read yet. */
const MAX_PENDING = 2 ** 17;
/** Of a path in a message, from its end. */
const SHOWN_CHARACTERS = 200;

/** A directory to be read. */
interface Directory {
  /** 0: the fixed root directory of FAT12 and FAT16. */
  readonly cluster: number;
  /** "" for the root. */
  readonly path: string;
}

/**
 * Reads all directories, and makes sure that each file and directory begins in a cluster that
 * is allocated. What follows the first cluster is known already: the FAT itself leads to no
 * free one.
 *
 * @throws {FormatError} when one does not, or a directory makes no sense; it names the file.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function checkFatTree(
  volume: BlockSource,
  boot: FatBootSector,
  allocated: ClusterSet,
): Promise<void> {
  await new FatTree(volume, boot, allocated).check();
}

class FatTree {
  readonly #volume: BlockSource;
  readonly #boot: FatBootSector;
  readonly #allocated: ClusterSet;
  /** Clusters of directories that were read: none is read twice. */
  readonly #visited: ClusterSet;
  readonly #chains: FatChains;
  readonly #pending: Directory[] = [];

  constructor(volume: BlockSource, boot: FatBootSector, allocated: ClusterSet) {
    this.#volume = volume;
    this.#boot = boot;
    this.#allocated = allocated;
    this.#visited = new ClusterSet(boot.clusters);
    this.#chains = new FatChains(volume, boot);
  }

  async check(): Promise<void> {
    // 0 where it is not FAT32.
    this.#pending.push({ cluster: this.#boot.BPB_RootClus, path: "" });
    for (let next = this.#pending.pop(); next !== undefined; next = this.#pending.pop()) {
      await this.#readDirectory(next);
    }
  }

  async #readDirectory(directory: Directory): Promise<void> {
    const { rootOffset, rootLength, kind } = this.#boot;
    const runs = directory.cluster === 0
      ? [{ offset: rootOffset, length: rootLength }]
      : await this.#runsOf(directory);
    let isFirst = directory.path !== "";
    for (const piece of piecesOf(runs, PIECE_BYTES)) {
      const bytes = await readAll(this.#volume, piece.offset, piece.length, "directory");
      if (isFirst) this.#checkDots(bytes, piece.offset, directory);
      for (const entry of entriesIn(bytes, kind === "fat32")) {
        const isDot = isFirst && entry.at < 2 * ENTRY_BYTES;
        if (!isDot) this.#take(entry, piece.offset + entry.at, directory);
      }
      isFirst = false;
    }
  }

  async #runsOf(directory: Directory): Promise<Range[]> {
    const { clusterBytes, fatOffset } = this.#boot;
    const fail = (message: string): never => {
      throw new FormatError(`${shown(directory)} ${message}`, fatOffset, "FAT");
    };
    let length = 0;
    return await this.#chains.runs(directory.cluster, (cluster) => {
      if (this.#visited.has(cluster)) fail(`goes on where one was already, ${cluster}`);
      this.#visited.add(cluster);
      length += clusterBytes;
      if (length > MAX_DIRECTORY_BYTES) fail("is too long for one");
    });
  }

  /** Every directory but the root begins with an entry of itself and one of its parent. */
  #checkDots(bytes: Bytes, offset: number, directory: Directory): void {
    const isFat32 = this.#boot.kind === "fat32";
    const itself = entryAt(bytes, 0, isFat32);
    const parent = entryAt(bytes, ENTRY_BYTES, isFat32);
    const isRight = isNamed(bytes, 0, ".") && isNamed(bytes, ENTRY_BYTES, "..") &&
      itself.isDirectory && parent.isDirectory && itself.cluster === directory.cluster &&
      (parent.cluster === 0 || this.#isAllocated(parent.cluster));
    if (isRight) return;
    throw new FormatError(`${shown(directory)} does not begin like one`, offset, "DIR_Name");
  }

  #take(entry: DirectoryEntry, offset: number, directory: Directory): void {
    const { cluster, size, isDirectory } = entry;
    const path = joined(directory.path, entry.name);
    const fail = (message: string, field: string): never => {
      const what = isDirectory ? "directory" : "file";
      throw new FormatError(`its ${what} "${path}" ${message}`, offset, field);
    };
    if (entry.isNonsense) fail("is none: its entry makes no sense", "DIR_Attr");
    if (cluster === 0) {
      if (isDirectory) fail("has no cluster", "DIR_FstClusLO");
      if (size > 0) fail(`has ${size} bytes but no cluster`, "DIR_FstClusLO");
      return;
    }
    if (!this.#isAllocated(cluster)) {
      fail(`begins in cluster ${cluster}, which no file has in the FAT`, "DIR_FstClusLO");
    }
    if (!isDirectory) return;
    if (this.#pending.length >= MAX_PENDING) fail("is one of too many", "DIR_Attr");
    this.#pending.push({ cluster, path });
  }

  #isAllocated(cluster: number): boolean {
    return cluster >= 2 && cluster <= this.#boot.clusters + 1 && this.#allocated.has(cluster);
  }
}

function shown({ path }: Directory): string {
  return path === "" ? "its root directory" : `its directory "${path}"`;
}

/** A path for messages, not longer than anybody wants to read. */
function joined(path: string, name: string): string {
  const whole = path === "" ? name : `${path}/${name}`;
  return whole.length <= SHOWN_CHARACTERS ? whole : `…${whole.slice(1 - SHOWN_CHARACTERS)}`;
}
