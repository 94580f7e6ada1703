/** Every verb there is: one line each. */
export { hash } from "./hash.ts";
export { read } from "./read.ts";
export { verify } from "./verify.ts";
