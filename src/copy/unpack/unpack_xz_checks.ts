/** Checks of the content of xz blocks: .xz file format, 2.1.1.2 and 3.4. */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { createCRC64 } from "hash-wasm";
import type { Bytes } from "../../core/block.ts";

/** Forms a check, block by block. */
export interface XzCheck {
  /** "CRC-64" */
  readonly name: string;
  /** Begins a block. */
  start(): void;
  update(bytes: Bytes): void;
  /** The check as it stands behind the block. */
  digest(): Uint8Array;
}

/** The checks by their number. Others are nowhere in use. */
export async function makeXzChecks(): Promise<ReadonlyMap<number, XzCheck>> {
  return new Map<number, XzCheck>([
    [0x00, new NoCheck()],
    [0x01, new Crc32Check()],
    [0x04, new Crc64Check(await createCRC64())],
    [0x0a, new Sha256Check()],
  ]);
}

class NoCheck implements XzCheck {
  readonly name = "check";

  start(): void {}

  update(): void {}

  digest(): Uint8Array {
    return new Uint8Array();
  }
}

class Crc32Check implements XzCheck {
  readonly name = "CRC-32";
  #crc = 0;

  start(): void {
    this.#crc = 0;
  }

  update(bytes: Bytes): void {
    this.#crc = crc32(bytes, this.#crc);
  }

  digest(): Uint8Array {
    return Uint8Array.from([0, 8, 16, 24], (shift) => this.#crc >>> shift & 0xff);
  }
}

class Crc64Check implements XzCheck {
  readonly name = "CRC-64";
  readonly #hash: Awaited<ReturnType<typeof createCRC64>>;

  constructor(hash: Awaited<ReturnType<typeof createCRC64>>) {
    this.#hash = hash;
  }

  start(): void {
    this.#hash.init();
  }

  update(bytes: Bytes): void {
    this.#hash.update(bytes);
  }

  digest(): Uint8Array {
    return this.#hash.digest("binary").reverse();
  }
}

class Sha256Check implements XzCheck {
  readonly name = "SHA-256";
  #hash = createHash("sha256");

  start(): void {
    this.#hash = createHash("sha256");
  }

  update(bytes: Bytes): void {
    this.#hash.update(bytes);
  }

  digest(): Uint8Array {
    return new Uint8Array(this.#hash.digest());
  }
}
