/** Every hash there is: one line a constant. */
export { md5, sha1, sha256, sha512 } from "./md5_and_sha.ts";
export { blake3 } from "./blake3.ts";
