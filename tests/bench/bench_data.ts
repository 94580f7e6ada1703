/** The disk that is measured: the same bytes on every run of one machine. */

/** One repetition of the pattern: binaries, noise, zeros. */
const GROUP_BYTES = 64 * 1024 * 1024;
const PIECE_BYTES = 1024 * 1024;

/** Numbers from a seed: xorshift128 (G. Marsaglia, "Xorshift RNGs", 2003). */
export function noise(length: number, seed: number): Uint8Array<ArrayBuffer> {
  let [x, y, z, w] = [seed | 0 || 1, 362436069, 521288629, 88675123];
  const words = new Uint32Array(length / 4);
  for (let i = 0; i < words.length; i++) {
    const t = x ^ (x << 11);
    [x, y, z] = [y, z, w];
    w = w ^ (w >>> 19) ^ t ^ (t >>> 8);
    words[i] = w;
  }
  return new Uint8Array(words.buffer);
}

/** The machine's own programs, one after the other, round and round. */
class Binaries {
  readonly #paths: string[] = [];
  #index = 0;
  #left: Uint8Array = new Uint8Array();

  constructor() {
    for (
      const folder of ["/usr/bin", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"]
    ) {
      try {
        for (const entry of Deno.readDirSync(folder)) {
          if (entry.isFile) this.#paths.push(`${folder}/${entry.name}`);
        }
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    this.#paths.sort();
    if (this.#paths.length === 0) this.#paths.push(Deno.execPath());
  }

  take(length: number): Uint8Array {
    const taken = new Uint8Array(length);
    let at = 0;
    while (at < length) {
      if (this.#left.length === 0) {
        const path = this.#paths[this.#index++ % this.#paths.length] ?? Deno.execPath();
        this.#left = Deno.readFileSync(path);
        continue;
      }
      const piece = this.#left.subarray(0, length - at);
      taken.set(piece, at);
      at += piece.length;
      this.#left = this.#left.subarray(piece.length);
    }
    return taken;
  }
}

/** Writes `size` bytes: a quarter binaries, a quarter noise, half zeros, in turn. */
export function makeBenchDisk(path: string, size: number): void {
  using file = Deno.openSync(path, { create: true, write: true, truncate: true });
  const binaries = new Binaries();
  const zeros = new Uint8Array(PIECE_BYTES);
  for (let at = 0; at < size; at += PIECE_BYTES) {
    const place = at % GROUP_BYTES / GROUP_BYTES;
    const piece = place < 0.25
      ? binaries.take(PIECE_BYTES)
      : place < 0.5
      ? noise(PIECE_BYTES, at / PIECE_BYTES + 1)
      : zeros;
    let rest: Uint8Array = piece.subarray(0, size - at);
    while (rest.length > 0) rest = rest.subarray(file.writeSync(rest));
  }
}
