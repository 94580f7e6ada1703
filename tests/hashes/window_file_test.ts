import { assert, assertEquals, assertThrows } from "@std/assert";
import { FormatError } from "../../src/core/errors.ts";
import {
  formatWindow,
  formatWindowEnd,
  formatWindowHead,
  type HashWindow,
  parseWindowFile,
  type WindowFile,
} from "../../src/hashes/window_file.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

const MD5 = "0123456789abcdef".repeat(2);
const SHA1 = "00112233445566778899aabbccddeeff01234567";

const HEAD = `# program: sectorshot 1.0
# source: /dev/sdb
# size: 1234
# algorithms: md5 sha1
# window: 512
`;

const LIST = `${HEAD}0 511 md5 ${MD5}
0 511 sha1 ${SHA1}
512 1023 md5 ${MD5}
512 1023 sha1 ${SHA1}
1024 1233 md5 ${MD5}
1024 1233 sha1 ${SHA1}
# end: 1234
`;

const DIGESTS = [{ algorithm: "md5", hex: MD5 }, { algorithm: "sha1", hex: SHA1 }];

function windowsOf(file: WindowFile): HashWindow[] {
  return Array.from({ length: file.windowCount }, (_, index) => file.window(index));
}

/** The error that a list causes; it must name the list and the line. */
function refusal(text: string, line: number, field: string): string {
  const error = assertThrows(() => parseWindowFile(text, "card.windows"), FormatError);
  assertEquals([error.offset, error.field], [line, field], error.message);
  assert(error.message.includes(`card.windows: line ${line}: `), error.message);
  return error.message;
}

Deno.test("a list says what was hashed, and each window", () => {
  const file = parseWindowFile(LIST, "list");
  assertEquals(file.head, {
    program: "sectorshot 1.0",
    source: "/dev/sdb",
    size: 1234,
    algorithms: ["md5", "sha1"],
    windowBytes: 512,
  });
  assertEquals(file.algorithms.map(({ id }) => id), ["md5", "sha1"]);
  assertEquals([file.coveredBytes, file.windowCount, file.complete], [1234, 3, true]);
  assertEquals(windowsOf(file), [
    { first: 0, last: 511, digests: DIGESTS },
    { first: 512, last: 1023, digests: DIGESTS },
    { first: 1024, last: 1233, digests: DIGESTS },
  ]);
});

Deno.test("what is written looks like this, and is read back", () => {
  const text = formatWindowHead({
    program: "sectorshot 1.0",
    source: "odd\nname\x1b[31m",
    size: Infinity,
    algorithms: ["sha1", "md5"],
    windowBytes: 1024,
  }) + formatWindow({ first: 0, last: 699, digests: DIGESTS.toReversed() }) +
    formatWindowEnd(700);
  assertEquals(
    text,
    `# program: sectorshot 1.0
# source: odd\\x0aname\\x1b[31m
# size: unknown
# algorithms: sha1 md5
# window: 1024
# first byte, last byte (of the window), algorithm, digest:
0 699 sha1 ${SHA1}
0 699 md5 ${MD5}
# end: 700
`,
  );
  const file = parseWindowFile(text, "list");
  assertEquals([file.head.size, file.coveredBytes, file.complete], [Infinity, 700, true]);
  assertEquals(windowsOf(file), [{ first: 0, last: 699, digests: DIGESTS.toReversed() }]);
});

Deno.test("thousands of windows keep their digests", () => {
  const hexOf = (index: number): string => (index + 1).toString(16).padStart(64, "0");
  const count = 5000;
  const text = formatWindowHead({
    program: "",
    source: "",
    size: count * 512,
    algorithms: ["sha256"],
    windowBytes: 512,
  }) + Array.from({ length: count }, (_, index) =>
    formatWindow({
      first: index * 512,
      last: index * 512 + 511,
      digests: [{ algorithm: "sha256", hex: hexOf(index) }],
    })).join("") +
    formatWindowEnd(count * 512);
  const windows = windowsOf(parseWindowFile(new TextEncoder().encode(text), "list"));
  assertEquals(
    windows.map(({ digests }) => digests[0]?.hex),
    Array.from(windows, (_, i) => hexOf(i)),
  );
  assertEquals(windows.at(-1)?.last, count * 512 - 1);
});

Deno.test("an empty medium has a list without windows", () => {
  const file = parseWindowFile(`${HEAD}# end: 0\n`, "list");
  assertEquals([file.coveredBytes, file.windowCount, file.complete], [0, 0, true]);
});

Deno.test("what editors do to a list does no harm", () => {
  const edited = [
    LIST.replaceAll("\n", "\r\n"),
    `\ufeff${LIST}`,
    LIST.trimEnd(),
    LIST.replaceAll("\n", "\n\n"),
    LIST.replaceAll(" md5 ", "  md5\t"),
    LIST.replaceAll(MD5, MD5.toUpperCase()),
    `# my notes: none\n#\n#!\n${LIST}`,
    LIST.replace("512 1023 md5", "# here it is odd\n# window: 4096\n512 1023 md5"),
  ];
  const expected = windowsOf(parseWindowFile(LIST, "list"));
  for (const text of edited) {
    const file = parseWindowFile(text, "list");
    assertEquals([windowsOf(file), file.complete, file.head.windowBytes], [
      expected,
      true,
      512,
    ]);
  }
});

Deno.test("a list that was cut behind a window is not complete; elsewhere it is an error", () => {
  const lines = LIST.trimEnd().split("\n");
  const cutTo = (count: number): string => lines.slice(0, count).join("\n");
  for (const [count, windows] of [[5, 0], [7, 1], [9, 2], [11, 3]] as const) {
    const file = parseWindowFile(cutTo(count), "list");
    assertEquals([file.windowCount, file.complete], [windows, false]);
  }
  assert(refusal(cutTo(6), 6, "algorithm").includes("before all digests"));
  refusal(cutTo(8), 8, "algorithm");
  // In the middle of a line.
  refusal(LIST.slice(0, LIST.indexOf(SHA1) + 39), 7, "window");
  refusal("", 1, "window");
  refusal(cutTo(3), 3, "window");
});

Deno.test("a head that makes no sense is an error that names its line", () => {
  const broken = (from: string, to: string, line: number, field: string): string =>
    refusal(LIST.replace(from, to), line, field);
  for (
    const bytes of ["0", "511", "-512", "1e3", "x", "99999999999999999999", "9007199254740992"]
  ) {
    broken("window: 512", `window: ${bytes}`, 6, "window");
  }
  assert(broken("# window: 512\n", "", 5, "window").includes('"# window:"'));
  broken("# algorithms: md5 sha1\n", "", 5, "algorithms");
  broken("# size: 1234\n", "", 5, "size");
  broken("size: 1234", "size: many", 6, "size");
  assert(broken("md5 sha1\n", "md5 crc\x1b\n", 6, "algorithms").includes('"crc\\x1b"'));
  broken("md5 sha1\n", "\n", 6, "algorithms");
  broken("md5 sha1\n", "md5 md5\n", 6, "algorithms");
});

Deno.test("a window that does not fit is an error that names its line", () => {
  const broken = (from: string, to: string, line: number): string =>
    refusal(LIST.replace(from, to), line, "window");
  assert(broken(`0 511 md5 ${MD5}\n`, "0 - 512: 0123\n", 6).includes('"0 - 512: 0123"'));
  assert(broken("512 1023 md5", "1024 1535 md5", 8).includes("begins at 512, not at 1024"));
  assert(broken("512 1023 md5", "0 511 md5", 8).includes("not at 0"));
  assert(broken("0 511 md5", "0 512 md5", 6).includes("cannot end with 512"));
  assert(broken("512 1023 md5", "512 511 md5", 8).includes("cannot end with 511"));
  assert(broken("0 511 sha1", "0 510 sha1", 7).includes("ended with 511"));
  assert(broken("0 511 sha1", "0 511 md5", 7).includes("sha1 comes here"));
  assert(broken("0 511 sha1", "0 511 sha256", 7).includes("sha1 comes here"));
  assert(broken(SHA1, SHA1.slice(1), 7).includes("40 digits"));
  assert(broken(SHA1, `${SHA1}00`, 7).includes("40 digits"));
  assert(broken(SHA1, SHA1.replace("a", "g"), 7).includes('not "first'));
  const huge = LIST.replace("window: 512", "window: 9007199254740480")
    .replaceAll("0 511 ", "0 9007199254740479 ")
    .replaceAll("512 1023 ", "9007199254740480 9999999999999999 ");
  assert(refusal(huge, 8, "window").includes("cannot end with"));
  const short = LIST.replaceAll("512 1023 ", "512 1000 ");
  assert(refusal(short, 10, "window").includes("before it is short"));
});

Deno.test("an end that says something else, or is none, is an error", () => {
  for (const end of ["1233", "1235", "", "01234", "1234 bytes"]) {
    assert(refusal(LIST.replace("end: 1234", `end: ${end}`), 12, "end").includes("1234"));
  }
  refusal(`${LIST}# more\n`, 13, "end");
  refusal(`${LIST}1536 2047 md5 ${MD5}\n`, 13, "end");
  refusal(LIST.replace("0 511 sha1", "# end: 512\n0 511 sha1"), 7, "end");
});

Deno.test("a line without an end is refused before it is looked at", () => {
  refusal(`${HEAD}${"0".repeat(40_000)}`, 6, "line");
  refusal("\0".repeat(40_000), 1, "line");
});

Deno.test("whatever a list holds, it is a list by its rules or an error that names a line", () => {
  const words = [
    "# window: 512\n",
    "# window: 1024\n",
    "# algorithms: md5\n",
    "# size: unknown\n",
    `0 511 md5 ${MD5}\n`,
    `512 1023 md5 ${MD5}\n`,
    `512 600 md5 ${MD5}\n`,
    `0 511 sha1 ${SHA1}\n`,
    "# end: 512\n",
    "# end: 1024\n",
    "# end: 0\n",
    "\n",
    "#",
    "0 ",
    "9007199254740991 ",
    "\0",
    "\r",
    "x",
  ];
  const next = seededNumbers(95);
  let lists = 0;
  for (let round = 0; round < 20_000; round++) {
    let text = next(4) ? "# size: 9\n# algorithms: md5\n# window: 512\n" : "";
    for (let count = next(8); count > 0; count--) text += words[next(words.length)] ?? "";
    if (next(4) === 0) text = text.slice(0, next(text.length + 1));
    let file: WindowFile;
    try {
      file = parseWindowFile(text, "list");
    } catch (error) {
      if (!(error instanceof FormatError)) {
        throw new Error(JSON.stringify(text), { cause: error });
      }
      assert(
        error.offset >= 1 && error.offset <= text.split("\n").length,
        JSON.stringify(text),
      );
      continue;
    }
    lists++;
    let end = 0;
    for (const { first, last, digests } of windowsOf(file)) {
      assertEquals([first, digests.length], [end, file.algorithms.length]);
      assert(last >= first && last - first < file.head.windowBytes);
      end = last + 1;
    }
    assertEquals(end, file.coveredBytes);
  }
  assert(lists > 1000, `only ${lists} lists: the words are badly chosen`);
});
