import { assert, assertEquals } from "@std/assert";
import { formatMapFile, parseMapFile } from "../../src/copy/map_file.ts";
import { parseByteCount } from "../../src/core/units.ts";
import { FormatError } from "../../src/core/errors.ts";
import { endOf } from "../../src/core/range.ts";
import {
  formatDigestLine,
  formatTaggedLine,
  parseDigestLine,
} from "../../src/hashes/digest_file.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

/** A round takes some microseconds. */
const ROUNDS = 30_000;

/** Puts words together, then changes some characters. */
function randomText(
  next: (limit: number) => number,
  words: readonly string[],
  most: number,
): string {
  let text = "";
  for (let count = next(most); count > 0; count--) text += words[next(words.length)] ?? "";
  if (next(3) > 0) return text;
  const at = next(text.length + 1);
  const inserted = String.fromCharCode([next(128), next(65_536)][next(2)] ?? 0);
  return text.slice(0, at) + inserted + text.slice(at + next(3));
}

Deno.test("whatever a map file holds, it is a map or a FormatError that names a line", () => {
  const words = [
    "0x0",
    "0",
    "512",
    "0x200",
    "1024",
    "0x1FFFFFFFFFFFFF",
    "99999999999999999999",
    " ",
    "  ",
    "\t",
    "\n",
    "\n0 512 +\n",
    "\n512 512 -\n",
    "0x00 ? 1\n",
    "# comment\n",
    "#",
    "?",
    "*",
    "/",
    "-",
    "+",
    "F",
    "\r",
    "\0",
  ];
  const next = seededNumbers(91);
  let maps = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const text = (next(2) ? "0 ? 1\n" : "") + randomText(next, words, 14);
    const lines = text.split("\n").length;
    let file;
    try {
      file = parseMapFile(text, "map");
    } catch (error) {
      if (!(error instanceof FormatError)) {
        throw new Error(`not for ${JSON.stringify(text)}`, { cause: error });
      }
      assert(error.offset >= 1 && error.offset <= lines, JSON.stringify(text));
      continue;
    }
    maps++;
    // What was accepted is a map by its own rules, and survives being written.
    const areas = [...file.map.areas()];
    for (const [index, area] of areas.entries()) {
      assert(area.length > 0 && Number.isSafeInteger(endOf(area)));
      const before = areas[index - 1];
      if (before === undefined) continue;
      assertEquals(endOf(before), area.offset);
      assert(before.status !== area.status);
    }
    assertEquals([...parseMapFile(formatMapFile(file), "map").map.areas()], areas);
  }
  assert(maps > ROUNDS / 20, `only ${maps} maps: the words are badly chosen`);
});

const HEX = "0123456789abcdef".repeat(8);

Deno.test("whatever a line holds, it is a digest with its name or it is none", () => {
  const words = [
    HEX.slice(0, 32),
    HEX.slice(0, 40),
    HEX.slice(0, 64).toUpperCase(),
    HEX,
    "0",
    " ",
    "  ",
    " *",
    "\\",
    "\\n",
    "\\\\",
    "(",
    ")",
    " = ",
    ") = ",
    "SHA256 (",
    "MD5",
    "card.img",
    "/",
    "\r",
    "\t",
  ];
  const next = seededNumbers(92);
  let found = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const line = randomText(next, words, 9);
    const parsed = parseDigestLine(line);
    if (parsed === undefined) continue;
    found++;
    assert(/^[0-9a-f]{32,128}$/.test(parsed.hex), JSON.stringify(line));
    assert(line.toLowerCase().includes(parsed.hex), JSON.stringify(line));
  }
  assert(found > ROUNDS / 100, `only ${found} lines: the words are badly chosen`);
});

Deno.test("whatever a file is called, its line is read back", () => {
  const words = [
    "a",
    " ",
    "\\",
    "\n",
    "\r",
    "n",
    ")",
    " = ",
    "*",
    "(",
    "ä",
    "💾",
    "#",
    HEX,
    "\t",
    ".",
  ];
  const next = seededNumbers(93);
  for (let round = 0; round < ROUNDS; round++) {
    let name = "";
    for (let count = 1 + next(8); count > 0; count--) name += words[next(words.length)] ?? "";
    const hex = HEX.slice(0, [32, 40, 64, 128][next(4)]);
    const plain = formatDigestLine(hex, name);
    assert(!plain.includes("\n"));
    assertEquals(parseDigestLine(plain), { hex, name, algorithm: undefined }, plain);
    const tagged = formatTaggedLine("sha256", hex, name);
    assert(!tagged.includes("\n"));
    assertEquals(parseDigestLine(tagged), { hex, name, algorithm: "sha256" }, tagged);
  }
});

Deno.test("whatever is written for a number of bytes, it is a whole one or none", () => {
  const words = [
    "0",
    "1",
    "9",
    "512",
    ".",
    ".5",
    "x",
    "0x",
    "f",
    "k",
    "M",
    "g",
    "T",
    "p",
    "i",
    "B",
    "s",
    "-",
    "e",
    " ",
  ];
  const next = seededNumbers(94);
  for (let round = 0; round < ROUNDS; round++) {
    const text = randomText(next, words, 6);
    const count = parseByteCount(text, 512 << next(4));
    assert(count === undefined || (Number.isSafeInteger(count) && count >= 0), text);
  }
});
