/** Every verb there is: one line each. */
export { clone } from "./clone.ts";
export { convert } from "./convert.ts";
export { hash } from "./hash.ts";
export { info } from "./info.ts";
export { list } from "./list.ts";
export { map } from "./map.ts";
export { read } from "./read.ts";
export { verify } from "./verify.ts";
export { write } from "./write.ts";
