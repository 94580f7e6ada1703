import { type LibrarySymbols, openLinuxLibrary } from "./system_library.ts";

/**
 * libdeflate, where the system has it: what packs into whole streams.
 * Beside each parameter stands its C type, from libdeflate.h.
 */
const LIBDEFLATE_SYMBOLS = {
  /** struct libdeflate_compressor *libdeflate_alloc_compressor(int level); */
  libdeflate_alloc_compressor: { parameters: [/* int */ "i32"], result: "pointer" },
  /** void libdeflate_free_compressor(struct libdeflate_compressor *); */
  libdeflate_free_compressor: {
    parameters: [/* struct libdeflate_compressor * */ "pointer"],
    result: "void",
  },
  /** size_t libdeflate_zlib_compress(compressor, in, in_nbytes, out, out_nbytes_avail); */
  libdeflate_zlib_compress: {
    parameters: [
      /* struct libdeflate_compressor * */ "pointer",
      /* const void * */ "buffer",
      /* size_t */ "usize",
      /* void * */ "buffer",
      /* size_t */ "usize",
    ],
    result: "usize",
  },
  /** size_t libdeflate_deflate_compress(compressor, in, in_nbytes, out, out_nbytes_avail); */
  libdeflate_deflate_compress: {
    parameters: [
      /* struct libdeflate_compressor * */ "pointer",
      /* const void * */ "buffer",
      /* size_t */ "usize",
      /* void * */ "buffer",
      /* size_t */ "usize",
    ],
    result: "usize",
  },
  /** uint32_t libdeflate_adler32(uint32_t adler, const void *buffer, size_t len); */
  libdeflate_adler32: {
    parameters: [/* uint32_t */ "u32", /* const void * */ "buffer", /* size_t */ "usize"],
    result: "u32",
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** The functions of an opened libdeflate. */
export type Libdeflate = LibrarySymbols<typeof LIBDEFLATE_SYMBOLS>;

/** The name stands for the binary interface. */
const LIBRARY = "libdeflate.so.0";

/** Opens libdeflate for the calling thread where that can be, see {@linkcode openLinuxLibrary}. */
export function openLibdeflate(library = LIBRARY): Libdeflate | undefined {
  return openLinuxLibrary(library, LIBDEFLATE_SYMBOLS);
}
