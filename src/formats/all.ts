/** Every image format there is: one line a constant. */
export { raw } from "./raw.ts";
export { splitRaw } from "./split_raw.ts";
