/** A digest in the making. */
export interface Hasher {
  /** Takes the next bytes; they are not kept. */
  update(bytes: Uint8Array): void;
  /** The digest. Call it once, at the end. */
  digest(): Uint8Array;
}

/** A way to compute digests. */
export interface HashAlgorithm {
  /** As it is written on the command line: "sha256". */
  readonly id: string;
  readonly digestBytes: number;
  /** Extension of the file beside an image that holds its digest: "sha256". */
  readonly extension: string;
  create(): Promise<Hasher>;
}
