/** The commit an executable was made from: `deno task compile` writes it, in its own copy. */
export const COMMIT: string = "";
