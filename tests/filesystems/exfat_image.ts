/** Images of exFAT volumes: exfat-fuse to fill them, and their structures to damage. */
import { assert } from "@std/assert";
import { Buffer } from "node:buffer";
import type { Bytes } from "../../src/core/block.ts";
import { LoopDevice } from "../support/loop_device.ts";
import { run } from "../support/run_cli.ts";

/** An image that exfat-fuse has mounted, by way of a loop device: it takes nothing else. */
export class MountedExfat implements AsyncDisposable {
  readonly path: string;
  readonly device: LoopDevice;

  private constructor(path: string, device: LoopDevice) {
    this.path = path;
    this.device = device;
  }

  static async create(image: string, path: string, mode: "ro" | "rw"): Promise<MountedExfat> {
    await Deno.mkdir(path);
    const device = await LoopDevice.create(image);
    try {
      await run("mount.exfat-fuse", ["-o", mode, device.path, path]);
    } catch (error) {
      await device[Symbol.asyncDispose]();
      throw error;
    }
    return new MountedExfat(path, device);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run("umount", [this.path]);
    await this.device[Symbol.asyncDispose]();
    await Deno.remove(this.path);
  }
}

/** Puts the right checksums into both boot regions (specification, section 3.4). */
export function putChecksums(volume: Bytes): void {
  const view = new DataView(volume.buffer);
  for (const start of [0, 12 * 512]) {
    let checksum = 0;
    for (let at = 0; at < 11 * 512; at++) {
      if (at === 106 || at === 107 || at === 112) continue;
      checksum = (checksum % 2 << 31 | checksum >>> 1) + (volume[start + at] ?? 0) >>> 0;
    }
    for (let at = 0; at < 512; at += 4) view.setUint32(start + 11 * 512 + at, checksum, true);
  }
}

/** A small volume, and where its structures are. */
export class Volume {
  readonly bytes: Bytes;
  readonly view: DataView;
  readonly fat: number;
  readonly #heap: number;
  readonly #clusterBytes: number;

  constructor(bytes: Bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer);
    this.fat = this.view.getUint32(80, true) * 512;
    this.#heap = this.view.getUint32(88, true) * 512;
    this.#clusterBytes = 512 * 2 ** this.view.getUint8(109);
  }

  get root(): number {
    return this.view.getUint32(96, true);
  }

  /** Byte offset of a cluster. */
  place(cluster: number): number {
    return this.#heap + (cluster - 2) * this.#clusterBytes;
  }

  /** Byte offset of an entry of the root directory. */
  entry(type: number): number {
    for (let at = this.place(this.root);; at += 32) {
      if (this.bytes[at] === type) return at;
      assert(this.bytes[at] !== 0, `no entry ${type}`);
    }
  }

  /** The cluster that an entry leads to. */
  cluster(type: number): number {
    return this.view.getUint32(this.entry(type) + 20, true);
  }

  /** Changes a byte of both boot sectors. */
  setBoot(at: number, value: number): void {
    for (const start of [0, 12 * 512]) this.bytes[start + at] = value;
  }

  /** Says in the allocation bitmap that a cluster is free. */
  setFree(cluster: number): void {
    const at = this.place(this.cluster(0x81)) + Math.floor((cluster - 2) / 8);
    this.bytes[at] = (this.bytes[at] ?? 0) & ~(1 << (cluster - 2) % 8);
  }

  /** Byte offset of the set of entries of a file; its name has at most 15 characters. */
  set(name: string): number {
    const units = Buffer.from(name, "utf16le");
    const at = Buffer.from(this.bytes.buffer).indexOf(units) - 66;
    assert(this.bytes[at] === 0x85, `${name} is not there`);
    return at;
  }

  /** The first cluster of a file. */
  first(name: string): number {
    return this.view.getUint32(this.set(name) + 52, true);
  }

  /** Changes entries of a file, and puts the right checksum (specification, section 6.3.3). */
  changeSet(name: string, change: (at: number) => void): void {
    const start = this.set(name);
    change(start);
    let checksum = 0;
    for (let at = start; at < start + 32 * (1 + (this.bytes[start + 1] ?? 0)); at++) {
      if (at === start + 2 || at === start + 3) continue;
      checksum = (checksum % 2 << 15 | checksum >>> 1) + (this.bytes[at] ?? 0) & 0xffff;
    }
    this.view.setUint16(start + 2, checksum, true);
  }

  /** The entry of the FAT. */
  getFat(cluster: number): number {
    return this.view.getUint32(this.fat + cluster * 4, true);
  }

  setFat(cluster: number, value: number): void {
    this.view.setUint32(this.fat + cluster * 4, value, true);
  }
}
