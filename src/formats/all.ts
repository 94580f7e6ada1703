/** Every image format there is: one line a constant. */
export { aff } from "./aff.ts";
export { ewf } from "./ewf.ts";
export { raw } from "./raw.ts";
export { splitRaw } from "./split_raw.ts";
