import type { ZlibService } from "../../src/core/zlib.ts";

function refuse(): never {
  throw new Error("This test has no use for that");
}

/** Stands in for what a test does not expect to be asked for. */
export const refusingZlib: ZlibService = {
  deflate: refuse,
  inflate: refuse,
  pack: refuse,
  unpack: refuse,
  checksums: refuse,
};
