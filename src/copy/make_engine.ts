/** Which engine packs and unpacks: what is faster where it is there. */
import { type Libdeflate, openLibdeflate } from "../../ffi/libdeflate.ts";
import { LibdeflateEngine } from "./libdeflate_engine.ts";
import { makeRuntimeEngine, type ZlibEngine } from "./zlib_engine.ts";

/** Looked for by the first engine of a thread: what opening it takes is never given back. */
let found: { readonly library: Libdeflate | undefined } | undefined;

/** The best engine for the calling thread: libdeflate on Linux, else the runtime's own zlib. */
export function makeEngine(): ZlibEngine {
  const runtime = makeRuntimeEngine();
  const { library } = found ??= { library: openLibdeflate() };
  return library === undefined ? runtime : new LibdeflateEngine(library, runtime);
}
