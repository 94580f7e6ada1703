import { assertEquals } from "@std/assert";
import { constants } from "node:os";
import { LINUX_ERRORS } from "../../ffi/linux_errors.ts";
import { OsError } from "../../ffi/os_error.ts";

/** From Linux's include/uapi/asm-generic/errno-base.h and errno.h. */
const NUMBERS = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOTTY: 25,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  ESPIPE: 29,
  EROFS: 30,
  EPIPE: 32,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ELOOP: 40,
  ENODATA: 61,
  EILSEQ: 84,
  EOPNOTSUPP: 95,
  ETIMEDOUT: 110,
  EREMOTEIO: 121,
  EDQUOT: 122,
  ENOMEDIUM: 123,
  EMEDIUMTYPE: 124,
};

Deno.test("numbers have the names that Linux gives them", () => {
  for (const [code, number] of Object.entries(NUMBERS)) {
    const error = OsError.named("pread", number, LINUX_ERRORS);
    assertEquals(error.code, code);
    assertEquals(error.number, number);
    assertEquals(error.call, "pread");
    assertEquals(error.message, `${error.text} (${code})`);
  }
});

Deno.test({
  name: "every name that there is agrees with the runtime's own list",
  ignore: Deno.build.os !== "linux",
  fn(): void {
    const runtime = new Map(Object.entries(constants.errno));
    const aliases: Record<string, string> = { EOPNOTSUPP: "ENOTSUP" };
    for (let number = 1; number < 134; number++) {
      const { code } = OsError.named("read", number, LINUX_ERRORS);
      if (code === `E${number}`) continue;
      const known = runtime.get(code) ?? runtime.get(aliases[code] ?? "");
      if (known !== undefined) assertEquals(known, number, code);
    }
    assertEquals(runtime.get("EIO"), 5);
  },
});

Deno.test("a number without a name is still told", () => {
  const error = OsError.named("ioctl", 4095, LINUX_ERRORS);
  assertEquals([error.code, error.text], ["E4095", "error 4095"]);
});
