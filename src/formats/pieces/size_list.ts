/** Numbers of 32 bits, of which there can be millions: an array would take twice the memory. */
export class SizeList {
  #values = new Uint32Array(1024);
  #count = 0;

  add(value: number): void {
    if (this.#count === this.#values.length) {
      const larger = new Uint32Array(this.#count * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#count++] = value;
  }

  get values(): Uint32Array {
    return this.#values.subarray(0, this.#count);
  }
}
