import { type LibrarySymbols, openLinuxLibrary } from "./system_library.ts";

/**
 * libcrypto of OpenSSL 3, where the system has it: the functions that digests take. Beside
 * each parameter stands its C type, from OpenSSL's manual pages EVP_DigestInit(3) and
 * OPENSSL_init_crypto(3).
 */
const LIBCRYPTO_SYMBOLS = {
  /** int OPENSSL_init_crypto(uint64_t options, const OPENSSL_INIT_SETTINGS *settings); */
  OPENSSL_init_crypto: {
    parameters: [/* uint64_t */ "u64", /* const OPENSSL_INIT_SETTINGS * */ "pointer"],
    result: "i32",
  },
  /** EVP_MD *EVP_MD_fetch(OSSL_LIB_CTX *, const char *algorithm, const char *properties); */
  EVP_MD_fetch: {
    parameters: [
      /* OSSL_LIB_CTX * */ "pointer",
      /* const char * */ "buffer",
      /* const char * */ "pointer",
    ],
    result: "pointer",
  },
  /** int EVP_MD_get_size(const EVP_MD *); */
  EVP_MD_get_size: { parameters: [/* const EVP_MD * */ "pointer"], result: "i32" },
  /** EVP_MD_CTX *EVP_MD_CTX_new(void); */
  EVP_MD_CTX_new: { parameters: [], result: "pointer" },
  /** void EVP_MD_CTX_free(EVP_MD_CTX *); */
  EVP_MD_CTX_free: { parameters: [/* EVP_MD_CTX * */ "pointer"], result: "void" },
  /** int EVP_DigestInit_ex(EVP_MD_CTX *, const EVP_MD *, ENGINE *); */
  EVP_DigestInit_ex: {
    parameters: [
      /* EVP_MD_CTX * */ "pointer",
      /* const EVP_MD * */ "pointer",
      /* ENGINE * */ "pointer",
    ],
    result: "i32",
  },
  /** int EVP_DigestUpdate(EVP_MD_CTX *, const void *data, size_t length); */
  EVP_DigestUpdate: {
    parameters: [
      /* EVP_MD_CTX * */ "pointer",
      /* const void * */ "buffer",
      /* size_t */ "usize",
    ],
    result: "i32",
  },
  /** int EVP_DigestFinal_ex(EVP_MD_CTX *, unsigned char *digest, unsigned int *length); */
  EVP_DigestFinal_ex: {
    parameters: [
      /* EVP_MD_CTX * */ "pointer",
      /* unsigned char * */ "buffer",
      /* unsigned int * */ "pointer",
    ],
    result: "i32",
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** The functions of an opened libcrypto. */
export type Libcrypto = LibrarySymbols<typeof LIBCRYPTO_SYMBOLS>;

/** The name stands for the binary interface: OpenSSL 4 has another one. */
const LIBRARY = "libcrypto.so.3";

/** openssl/crypto.h: what is configured on this machine loads no further code. */
const OPENSSL_INIT_NO_LOAD_CONFIG = 0x80n;

/** openssl/crypto.h: the end of the process takes nothing away from threads that go on. */
const OPENSSL_INIT_NO_ATEXIT = 0x80000n;

/** Opens libcrypto for the calling thread where that can be, see {@linkcode openLinuxLibrary}. */
export function openLibcrypto(library = LIBRARY): Libcrypto | undefined {
  const symbols = openLinuxLibrary(library, LIBCRYPTO_SYMBOLS);
  const options = OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT;
  return symbols?.OPENSSL_init_crypto(options, null) === 1 ? symbols : undefined;
}
