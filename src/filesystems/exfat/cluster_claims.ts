/** exFAT specification, sections 5 and 7.1.5, https://learn.microsoft.com/en-us/windows/win32/fileio/exfat-specification */
import { FormatError } from "../../core/errors.ts";
import type { Range } from "../../core/range.ts";
import type { ExfatBootSector } from "./exfat_boot_sector.ts";
import type { ExfatClusters } from "./exfat_chain.ts";
import type { ExfatAllocation } from "./file_set.ts";

/** Which clusters are somebody's: each must be marked in the bitmap, and is so only once. */
export class ClusterClaims {
  readonly #clusters: ExfatClusters;
  readonly #boot: ExfatBootSector;
  /** The allocation bitmap: cluster 2 is the lowest bit of the first byte. */
  readonly #bitmap: Uint8Array;
  readonly #claimed: Uint8Array;

  constructor(clusters: ExfatClusters, boot: ExfatBootSector, bitmap: Uint8Array) {
    this.#clusters = clusters;
    this.#boot = boot;
    this.#bitmap = bitmap;
    this.#claimed = new Uint8Array(bitmap.length);
  }

  /** Claims what is there, in bytes of the volume. */
  claimRuns(runs: readonly Range[], what: string): void {
    const { clusterBytes } = this.#boot;
    for (const { offset, length } of runs) {
      const first = (offset - this.#clusters.place(2)) / clusterBytes + 2;
      this.#claimRun(first, length / clusterBytes, what);
    }
  }

  /**
   * Claims all clusters of a file.
   *
   * @throws {FormatError} when one of them is free, or is claimed already, or is none.
   * @throws {ReadError} when the medium does not deliver.
   */
  async claim(allocation: ExfatAllocation, what: string): Promise<void> {
    const { FirstCluster, DataLength, NoFatChain } = allocation;
    if (FirstCluster === 0) {
      if (DataLength > 0) this.#fail(what, `has ${DataLength} bytes but no cluster`);
      return;
    }
    if (NoFatChain) {
      // Without a byte in it the first one is named nevertheless.
      const count = Math.max(1, Math.ceil(DataLength / this.#boot.clusterBytes));
      this.#claimRun(FirstCluster, count, what);
    } else {
      await this.#clusters.follow(
        FirstCluster,
        what,
        (cluster) => this.#claimOne(cluster, what),
      );
    }
  }

  #claimRun(first: number, count: number, what: string): void {
    const { ClusterCount } = this.#boot;
    if (first < 2 || first + count > ClusterCount + 2) {
      this.#fail(what, `has ${count} clusters from ${first} on: they are not all there`);
    }
    for (let cluster = first; cluster < first + count; cluster++) this.#claimOne(cluster, what);
  }

  #claimOne(cluster: number, what: string): void {
    const at = (cluster - 2) >>> 3;
    const bit = 1 << (cluster - 2 & 7);
    if (((this.#bitmap[at] ?? 0) & bit) === 0) {
      this.#fail(what, `is in cluster ${cluster}, which its allocation bitmap calls free`);
    }
    const claimed = this.#claimed[at] ?? 0;
    if ((claimed & bit) !== 0) {
      this.#fail(what, `is in cluster ${cluster}, where something else is, too`);
    }
    this.#claimed[at] = claimed | bit;
  }

  #fail(what: string, message: string): never {
    throw new FormatError(`its ${what} ${message}`, 0, "FirstCluster");
  }
}
