/** exFAT specification, sections 6 and 7.4 to 7.7, https://learn.microsoft.com/en-us/windows/win32/fileio/exfat-specification */
import { FormatError } from "../../core/errors.ts";
import { type Range, totalLength } from "../../core/range.ts";
import { ClusterClaims } from "./cluster_claims.ts";
import { EntrySets } from "./entry_set.ts";
import type { ExfatBootSector } from "./exfat_boot_sector.ts";
import type { ExfatClusters } from "./exfat_chain.ts";
import { type ExfatRoot, MAX_DIRECTORY_BYTES } from "./exfat_root.ts";
import { type ExfatAllocation, type ExfatFile, parseFileSet } from "./file_set.ts";

/** Bounds memory: directories that were found but not read yet. */
const MAX_PENDING = 2 ** 17;
/** Of a path in a message, from its end. */
const SHOWN_CHARACTERS = 200;

/** A directory to be read. */
interface Directory extends ExfatAllocation {
  readonly path: string;
}

/**
 * Reads all directories, and makes sure that all clusters of all files are marked in the
 * allocation bitmap, and that none belongs to two of them.
 *
 * @throws {FormatError} when it is not so, or a directory makes no sense; it names the file.
 * @throws {ReadError} when the medium does not deliver.
 */
export async function checkExfatTree(
  clusters: ExfatClusters,
  boot: ExfatBootSector,
  root: ExfatRoot,
  bitmap: Uint8Array,
): Promise<void> {
  const claims = new ClusterClaims(clusters, boot, bitmap);
  claims.claimRuns(root.runs, "own structure");
  await new ExfatTree(clusters, boot, claims).check(root);
}

class ExfatTree {
  readonly #clusters: ExfatClusters;
  readonly #boot: ExfatBootSector;
  readonly #claims: ClusterClaims;
  readonly #pending: Directory[] = [];

  constructor(clusters: ExfatClusters, boot: ExfatBootSector, claims: ClusterClaims) {
    this.#clusters = clusters;
    this.#boot = boot;
    this.#claims = claims;
  }

  async check({ directory: { runs, length } }: ExfatRoot): Promise<void> {
    await this.#readDirectory(runs, length, undefined);
    for (let next = this.#pending.pop(); next !== undefined; next = this.#pending.pop()) {
      await this.#readDirectory(await this.#runsOf(next), next.DataLength, next.path);
    }
  }

  /** Its clusters are claimed already, so that none is read twice. */
  async #runsOf(directory: Directory): Promise<readonly Range[]> {
    const { FirstCluster, DataLength, NoFatChain, path } = directory;
    const { clusterBytes } = this.#boot;
    const what = `directory "${path}"`;
    const count = Math.ceil(DataLength / clusterBytes);
    if (NoFatChain) {
      return [{ offset: this.#clusters.place(FirstCluster), length: count * clusterBytes }];
    }
    const runs = await this.#clusters.chain(FirstCluster, count, what);
    if (totalLength(runs) < DataLength) fail(`its ${what} is not all there`, "DataLength");
    return runs;
  }

  async #readDirectory(
    runs: readonly Range[],
    length: number,
    path: string | undefined,
  ): Promise<void> {
    const what = path === undefined ? "root directory" : `directory "${path}"`;
    const sets = new EntrySets(what, path === undefined);
    for await (const bytes of this.#clusters.read(runs, length, what)) {
      for (const set of sets.add(bytes)) {
        await this.#take(parseFileSet(set, what), path);
      }
    }
    sets.finish();
  }

  async #take(file: ExfatFile, parent: string | undefined): Promise<void> {
    const path = joined(parent, file.name);
    const what = `${file.isDirectory ? "directory" : "file"} "${path}"`;
    for (const allocation of file.allocations) await this.#claims.claim(allocation, what);
    const [content] = file.allocations;
    if (!file.isDirectory || content === undefined) return;
    const { FirstCluster, DataLength } = content;
    // There are systems that make directories of no size at all, without a cluster.
    if (FirstCluster === 0) return;
    const isSize = DataLength > 0 && DataLength <= MAX_DIRECTORY_BYTES &&
      DataLength % this.#boot.clusterBytes === 0;
    if (!isSize) fail(`its ${what} has ${DataLength} bytes`, "DataLength");
    if (this.#pending.length >= MAX_PENDING) {
      fail(`its ${what} is one of too many`, "EntryType");
    }
    this.#pending.push({ ...content, path });
  }
}

function fail(message: string, field: string): never {
  throw new FormatError(message, 0, field);
}

/** A path for messages, not longer than anybody wants to read. */
function joined(parent: string | undefined, name: string): string {
  const whole = parent === undefined ? name : `${parent}/${name}`;
  if (whole.length <= SHOWN_CHARACTERS) return whole;
  return `…${whole.slice(1 - SHOWN_CHARACTERS)}`.toWellFormed();
}
