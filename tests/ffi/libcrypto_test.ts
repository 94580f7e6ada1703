import { assert, assertEquals } from "@std/assert";
import { openLibcrypto } from "../../ffi/libcrypto.ts";
import { linuxTest } from "../support/linux_test.ts";
import { run, tryRun } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const ignore = needs("libcrypto.so.3");

/** A program that says how many bytes an MD5 of libcrypto has, if it has libcrypto. */
const PROGRAM = `import { openLibcrypto } from ${
  JSON.stringify(new URL("../../ffi/libcrypto.ts", import.meta.url).href)
};
const library = openLibcrypto();
const md5 = library?.EVP_MD_fetch(null, new TextEncoder().encode("MD5\\0"), null);
console.log(md5 ? String(library.EVP_MD_get_size(md5)) : "none");`;

/** Of openssl.cnf: only algorithms that FIPS 140 allows, and nobody to provide them. */
const WITHOUT_MD5 = `openssl_conf = all
[all]
alg_section = algorithms
[algorithms]
default_properties = fips=yes
`;

linuxTest({
  name: "libcrypto is opened where the system has it",
  ignore,
  fn(): void {
    assert(openLibcrypto() !== undefined);
  },
});

linuxTest("a library that is missing, or lacks the functions, is none", () => {
  assertEquals(openLibcrypto("libno-such-thing.so.3"), undefined);
  assertEquals(openLibcrypto("libc.so.6"), undefined);
});

Deno.test({
  name: "no other system than Linux has libcrypto, whatever it has",
  ignore: Deno.build.os === "linux",
  fn(): void {
    assertEquals(openLibcrypto(), undefined);
    assertEquals(openLibcrypto("kernel32.dll"), undefined);
  },
});

linuxTest({
  name: "who may not open libraries is not asked for it at the terminal, and does without",
  ignore: ignore || needs("script", "timeout"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const path = await folder.write("program.ts", PROGRAM);
    for (const [permission, expected] of [["--allow-ffi", "16"], ["", "none"]]) {
      const command = `'${Deno.execPath()}' run --quiet ${permission} '${path}'`;
      // Who is asked waits for an answer that never comes.
      const terminal = ["script", "--quiet", "--return", "--command", command, "/dev/null"];
      const screen = await run("timeout", ["20", ...terminal]);
      assertEquals(screen.trim(), expected);
    }
  },
});

linuxTest({
  name: "what is configured for OpenSSL on the machine changes nothing",
  ignore: ignore || needs("env", "openssl"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const path = await folder.write("program.ts", PROGRAM);
    const config = await folder.write("openssl.cnf", WITHOUT_MD5);
    const environment = `OPENSSL_CONF=${config}`;
    const peer = await tryRun("env", [environment, "openssl", "md5", path]);
    assert(peer.code !== 0, "openssl has MD5 all the same: this test tests nothing");
    const words = [Deno.execPath(), "run", "--quiet", "--allow-ffi", path];
    assertEquals((await run("env", [environment, ...words])).trim(), "16");
  },
});
