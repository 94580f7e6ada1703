import { type LibrarySymbols, openLinuxLibrary } from "./system_library.ts";

/**
 * libdeflate, where the system has it: whole streams of deflate from memory into memory.
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
  /** struct libdeflate_decompressor *libdeflate_alloc_decompressor(void); */
  libdeflate_alloc_decompressor: { parameters: [], result: "pointer" },
  /** void libdeflate_free_decompressor(struct libdeflate_decompressor *); */
  libdeflate_free_decompressor: {
    parameters: [/* struct libdeflate_decompressor * */ "pointer"],
    result: "void",
  },
  /**
   * enum libdeflate_result libdeflate_zlib_decompress_ex(decompressor, in, in_nbytes, out,
   * out_nbytes_avail, actual_in_nbytes_ret, actual_out_nbytes_ret);
   */
  libdeflate_zlib_decompress_ex: {
    parameters: [
      /* struct libdeflate_decompressor * */ "pointer",
      /* const void * */ "buffer",
      /* size_t */ "usize",
      /* void * */ "buffer",
      /* size_t */ "usize",
      /* size_t * */ "buffer",
      /* size_t * */ "buffer",
    ],
    result: "i32",
  },
  /** As libdeflate_zlib_decompress_ex, of a member of gzip. */
  libdeflate_gzip_decompress_ex: {
    parameters: [
      /* struct libdeflate_decompressor * */ "pointer",
      /* const void * */ "buffer",
      /* size_t */ "usize",
      /* void * */ "buffer",
      /* size_t */ "usize",
      /* size_t * */ "buffer",
      /* size_t * */ "buffer",
    ],
    result: "i32",
  },
  /** uint32_t libdeflate_adler32(uint32_t adler, const void *buffer, size_t len); */
  libdeflate_adler32: {
    parameters: [/* uint32_t */ "u32", /* const void * */ "buffer", /* size_t */ "usize"],
    result: "u32",
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** The functions of an opened libdeflate. */
export type Libdeflate = LibrarySymbols<typeof LIBDEFLATE_SYMBOLS>;

/** enum libdeflate_result: all was unpacked, and its checksum was right. */
export const LIBDEFLATE_SUCCESS = 0;

/** The name stands for the binary interface. */
const LIBRARY = "libdeflate.so.0";

/** Opens libdeflate for the calling thread where that can be, see {@linkcode openLinuxLibrary}. */
export function openLibdeflate(library = LIBRARY): Libdeflate | undefined {
  return openLinuxLibrary(library, LIBDEFLATE_SYMBOLS);
}
