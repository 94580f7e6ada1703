/** Images of FAT volumes: mtools to fill them, and their FATs to damage. */
import type { Bytes } from "../../src/core/block.ts";
import { run } from "../support/run_cli.ts";

/** mtools would like old geometries to make sense. */
export async function mtools(tool: string, image: string, ...args: string[]): Promise<string> {
  return await run("env", ["MTOOLS_SKIP_CHECK=1", tool, "-i", image, ...args]);
}

/** Reads and changes entries of all FATs, after the specification. */
export class FatEntries {
  readonly view: DataView;
  readonly #bits: number;

  constructor(volume: Bytes, kind: "fat12" | "fat16" | "fat32") {
    this.view = new DataView(volume.buffer);
    this.#bits = Number(kind.slice(3));
  }

  get #fats(): number[] {
    const start = this.view.getUint16(14, true) * this.view.getUint16(11, true);
    const sectors = this.view.getUint16(22, true) || this.view.getUint32(36, true);
    return Array.from(
      { length: this.view.getUint8(16) },
      (_, index) => start + index * sectors * this.view.getUint16(11, true),
    );
  }

  get(cluster: number, fatIndex = 0): number {
    const at = (this.#fats[fatIndex] ?? 0) + Math.floor(cluster * this.#bits / 8);
    if (this.#bits === 32) return this.view.getUint32(at, true);
    if (this.#bits === 16) return this.view.getUint16(at, true);
    return this.view.getUint16(at, true) >>> (cluster % 2 === 0 ? 0 : 4) & 0xfff;
  }

  /** Sets it in all FATs, or in one. */
  set(cluster: number, value: number, fatIndex?: number): void {
    for (const [index, start] of this.#fats.entries()) {
      if (fatIndex !== undefined && index !== fatIndex) continue;
      const at = start + Math.floor(cluster * this.#bits / 8);
      if (this.#bits === 32) this.view.setUint32(at, value, true);
      else if (this.#bits === 16) this.view.setUint16(at, value, true);
      else {
        const other = this.view.getUint16(at, true) & (cluster % 2 === 0 ? 0xf000 : 0x000f);
        this.view.setUint16(at, other | value << (cluster % 2 === 0 ? 0 : 4), true);
      }
    }
  }

  /** A cluster, from 20 on, that is followed by another one. */
  get linked(): number {
    for (let cluster = 20;; cluster++) {
      if (this.get(cluster) > 2 && this.get(cluster) < 4000) return cluster;
    }
  }

  /** A cluster that is free, but not the last of all. */
  get free(): number {
    for (let cluster = 20;; cluster++) if (this.get(cluster) === 0) return cluster;
  }
}
