/** FAT specification 1.03, section "FAT Data Structure" (clusters are numbered from 2), https://download.microsoft.com/download/1/6/1/161ba512-40e2-4cc9-843a-923143f3456c/fatgen103.doc */

/** Clusters of a volume, a bit each: cluster 2 is the lowest bit of the first byte. */
export class ClusterSet {
  readonly bits: Uint8Array;

  /** For a volume of so many clusters. */
  constructor(clusters: number) {
    this.bits = new Uint8Array(Math.ceil(clusters / 8));
  }

  has(cluster: number): boolean {
    const at = cluster - 2;
    return ((this.bits[at >>> 3] ?? 0) & 1 << (at & 7)) !== 0;
  }

  add(cluster: number): void {
    const at = cluster - 2;
    this.bits[at >>> 3] = (this.bits[at >>> 3] ?? 0) | 1 << (at & 7);
  }

  /** The lowest one that is here and not in the other; undefined when there is none. */
  firstMissingIn(other: ClusterSet): number | undefined {
    for (let index = 0; index < this.bits.length; index++) {
      const missing = (this.bits[index] ?? 0) & ~(other.bits[index] ?? 0);
      // The lowest of the bits is the only one that the two have in common.
      if (missing !== 0) return index * 8 + 31 - Math.clz32(missing & -missing) + 2;
    }
    return undefined;
  }

  /** All that are in either of them. */
  with(other: ClusterSet): ClusterSet {
    const both = new ClusterSet(this.bits.length * 8);
    for (let index = 0; index < this.bits.length; index++) {
      both.bits[index] = (this.bits[index] ?? 0) | (other.bits[index] ?? 0);
    }
    return both;
  }
}
