import type { Packing } from "../../core/unpack.ts";
import type { Decoder } from "./unpack_flow.ts";

/** A decoder of that packing, for one file. */
export async function makeDecoder(packing: Packing): Promise<Decoder> {
  // Loaded when they are needed: most runs need none of them.
  switch (packing) {
    case "gzip":
      return (await import("./unpack_gzip.ts")).gzipDecoder();
    case "deflate":
      return (await import("./unpack_deflate.ts")).deflateDecoder();
    case "zstd":
      return (await import("./unpack_zstd.ts")).zstdDecoder();
    case "xz":
      return await (await import("./unpack_xz.ts")).xzDecoder();
    case "bzip2":
      return (await import("./unpack_bzip2.ts")).bzip2Decoder();
    case "lz4":
      return await (await import("./unpack_lz4.ts")).lz4Decoder();
  }
}
