import { assertEquals } from "@std/assert";
import { toHex } from "../../src/core/bytes.ts";
import * as all from "../../src/hashes/all.ts";
import {
  formatDigestLine,
  formatTaggedLine,
  parseDigestLine,
  parseDigestList,
} from "../../src/hashes/digest_file.ts";
import type { HashAlgorithm } from "../../src/hashes/hash_algorithm.ts";
import { run, tryRun } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

/** Names that are hard to write down. */
const NAMES = [
  "card.img",
  "with blank.img",
  " blank first",
  "blank last ",
  "star *.img",
  "*star",
  "two  blanks",
  "back\\slash",
  "\\first",
  "last\\",
  "back\\nslash n",
  "new\nline",
  "\nfirst",
  "last\n",
  "return\rhere",
  "last\r",
  "all \\ \n \r of them",
  "par) = (en",
  "a) = 0123",
  "ä 漢字 💾",
  "tab\tand\x01control",
  "#comment",
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  x",
];

/** The programs that write such lists, and the hash of each. */
const PROGRAMS: readonly (readonly [string, HashAlgorithm])[] = [
  ["md5sum", all.md5],
  ["sha1sum", all.sha1],
  ["sha256sum", all.sha256],
  ["sha512sum", all.sha512],
];

async function digestOfText(algorithm: HashAlgorithm, text: string): Promise<string> {
  const hasher = await algorithm.create();
  hasher.update(new TextEncoder().encode(text));
  return toHex(hasher.digest());
}

for (const [program, algorithm] of PROGRAMS) {
  Deno.test({
    name: `lines are those of ${program}, whatever the name of the file`,
    ignore: needs(program),
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      for (const name of NAMES) {
        await folder.write(name, name);
        const hex = await digestOfText(algorithm, name);
        const cwd = { cwd: folder.path };
        const plain = await run(program, ["--", name], cwd);
        assertEquals(`${formatDigestLine(hex, name)}\n`, plain);
        const expected = { hex, name, algorithm: undefined };
        assertEquals(parseDigestLine(plain.slice(0, -1)), expected);
        const binary = await run(program, ["--binary", "--", name], cwd);
        assertEquals(parseDigestLine(binary.slice(0, -1)), expected);
        const tagged = await run(program, ["--tag", "--", name], cwd);
        assertEquals(`${formatTaggedLine(algorithm.id, hex, name)}\n`, tagged);
        assertEquals(parseDigestLine(tagged.slice(0, -1)), {
          ...expected,
          algorithm: algorithm.id,
        });
      }
    },
  });
}

Deno.test({
  name: "sha256sum --check accepts our lines, and sees a wrong one",
  ignore: needs("sha256sum"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    await folder.folder("files");
    const lines: string[] = [];
    for (const [index, name] of NAMES.entries()) {
      await folder.write(`files/${name}`, name);
      const hex = await digestOfText(all.sha256, name);
      lines.push(
        index % 2 === 0 ? formatDigestLine(hex, name) : formatTaggedLine("sha256", hex, name),
      );
    }
    const list = await folder.write("SHA256SUMS", lines.join("\n") + "\n");
    const check = ["--check", "--strict", "--quiet", list];
    const cwd = { cwd: folder.file("files") };
    assertEquals((await tryRun("sha256sum", check, cwd)).stderr, "");
    await folder.write(`files/${NAMES[0]}`, "changed");
    assertEquals((await tryRun("sha256sum", check, cwd)).code, 1);
  },
});

Deno.test({
  name: "lines of cksum --algorithm, which name their hash, are understood",
  ignore: needs("cksum"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    for (const name of NAMES) await folder.write(name, name);
    for (const [, algorithm] of PROGRAMS) {
      for (const name of NAMES) {
        const args = ["--algorithm", algorithm.id, "--", name];
        const line = await run("cksum", args, { cwd: folder.path });
        const hex = await digestOfText(algorithm, name);
        assertEquals(parseDigestLine(line.slice(0, -1)), {
          hex,
          name,
          algorithm: algorithm.id,
        });
      }
    }
  },
});

Deno.test({
  name: "lines of b3sum, plain and tagged",
  ignore: needs("b3sum"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const cwd = { cwd: folder.path };
    for (const name of ["card.img", "with blank", "back\\slash", "new\nline"]) {
      await folder.write(name, name);
      const hex = await digestOfText(all.blake3, name);
      const line = await run("b3sum", ["--", name], cwd);
      assertEquals(`${formatDigestLine(hex, name)}\n`, line);
      assertEquals(parseDigestLine(line.slice(0, -1)), { hex, name, algorithm: undefined });
      const tagged = await tryRun("b3sum", ["--tag", "--", name], cwd);
      // Older versions have no --tag.
      if (tagged.code !== 0) continue;
      assertEquals(parseDigestLine(tagged.stdout.slice(0, -1)), {
        hex,
        name,
        algorithm: "blake3",
      });
    }
    const list = await folder.write(
      "list.b3",
      formatDigestLine(await digestOfText(all.blake3, "card.img"), "card.img") + "\n",
    );
    assertEquals((await tryRun("b3sum", ["--check", list], cwd)).code, 0);
  },
});

Deno.test({
  name: "only a line feed ends a line: other separators of Unicode are part of a name",
  ignore: needs("sha256sum"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    for (const name of ["next\u0085line", "line\u2028separator", "paragraph\u2029separator"]) {
      await folder.write(name, name);
      for (const options of [[], ["--tag"]]) {
        const line = await run("sha256sum", [...options, "--", name], { cwd: folder.path });
        assertEquals(parseDigestLine(line.slice(0, -1))?.name, name);
      }
    }
  },
});

const HEX = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

Deno.test("other ways in which lists are found in the wild", () => {
  const expected = { hex: HEX, name: "card.img", algorithm: undefined };
  for (
    const line of [
      `${HEX}  card.img`,
      `${HEX} *card.img`,
      `${HEX.toUpperCase()}  card.img`,
      `${HEX}  card.img\r`,
    ]
  ) assertEquals(parseDigestLine(line), expected, JSON.stringify(line));
  // The digest alone, as some vendors publish it.
  for (const line of [HEX, `${HEX} `, `${HEX}\r`]) {
    assertEquals(parseDigestLine(line), { ...expected, name: "" }, JSON.stringify(line));
  }
  // As OpenBSD and OpenSSL's users write it.
  for (const tag of ["SHA256", "sha256", "SHA-256"]) {
    assertEquals(parseDigestLine(`${tag} (card.img) = ${HEX}`), {
      ...expected,
      algorithm: "sha256",
    });
  }
});

Deno.test("what is no line of such a list", () => {
  for (
    const line of [
      "",
      " ",
      "# comment",
      "card.img",
      `${HEX.slice(0, 31)}  short`,
      `g${HEX.slice(1)}  card.img`,
      `${HEX}card.img`,
      `${HEX}${HEX}${HEX}  long`,
      ` ${HEX}  card.img`,
      `SHA256 (card.img) = `,
      `SHA256 (card.img) = ${HEX}x`,
      `SHA256 card.img = ${HEX}`,
      "-----BEGIN PGP SIGNED MESSAGE-----",
      "Hash: SHA256",
    ]
  ) assertEquals(parseDigestLine(line), undefined, JSON.stringify(line));
});

Deno.test("only a backslash in front makes backslashes special", () => {
  assertEquals(parseDigestLine(`${HEX}  a\\nb`)?.name, "a\\nb");
  assertEquals(parseDigestLine(`\\${HEX}  a\\nb`)?.name, "a\nb");
  assertEquals(parseDigestLine(`SHA256 (a\\nb) = ${HEX}`)?.name, "a\\nb");
  assertEquals(parseDigestLine(`\\SHA256 (a\\nb) = ${HEX}`)?.name, "a\nb");
  assertEquals(parseDigestLine(`\\${HEX}  a\\\\nb`)?.name, "a\\nb");
});

Deno.test("a list tells how many of its lines are no digests; blank ones and comments are fine", () => {
  const line = `${HEX}  card.img`;
  const { lines, malformed } = parseDigestList(
    `# made by hand\n${line}\n\n${HEX} *b\r\nnonsense\n${
      HEX.slice(1)
    }x  c\nSHA256 (d) = ${HEX}\n`,
  );
  assertEquals(lines.map(({ name }) => name), ["card.img", "b", "d"]);
  assertEquals(malformed, 2);
  assertEquals(parseDigestList(""), { lines: [], malformed: 0 });
  assertEquals(parseDigestList(line), { lines: [parseDigestLine(line)], malformed: 0 });
});
