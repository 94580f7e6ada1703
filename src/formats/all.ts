/** Every image format there is: one line a constant. */
export { aff } from "./aff.ts";
export { aff4 } from "./aff4.ts";
export { bzip2 } from "./bzip2.ts";
export { ewf } from "./ewf.ts";
export { ewf2 } from "./ewf2.ts";
export { gzip } from "./gzip.ts";
export { lz4 } from "./lz4.ts";
export { raw } from "./raw.ts";
export { splitRaw } from "./split_raw.ts";
export { xz } from "./xz.ts";
export { zip } from "./zip.ts";
export { zstd } from "./zstd.ts";
