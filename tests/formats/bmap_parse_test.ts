import { assert, assertEquals, assertThrows } from "@std/assert";
import { FormatError } from "../../src/core/errors.ts";
import { parseBmap } from "../../src/formats/bmap/parse_bmap.ts";
import { run } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { type BlockRun, expectedRanges, mediumOf, sampleMap } from "./bmap_samples.ts";

const RUNS: readonly BlockRun[] = [[0, 1], [3, 3], [4, 9], [20, 24]];
/** The last block is cut. */
const SIZE = 24 * 4096 + 1000;
const MEDIUM = mediumOf(SIZE, RUNS);
const VERSIONS = ["1.2", "1.3", "1.4", "2.0"] as const;

function failure(text: string | Uint8Array): FormatError {
  return assertThrows(() => parseBmap(text, "card.bmap"), FormatError, "card.bmap: line ");
}

/** Lets bmaptool itself write the medium with this map; answers whether it did it right. */
async function bmaptoolCopies(medium: Uint8Array, map: string): Promise<boolean> {
  await using folder = await TemporaryFolder.create();
  const image = await folder.write("card.img", medium);
  const path = await folder.write("card.map", map);
  const target = folder.file("target");
  await run("bmaptool", ["copy", "--bmap", path, image, target]);
  const written = await Deno.readFile(target);
  return written.length === medium.length && written.every((byte, at) => byte === medium[at]);
}

for (const version of VERSIONS) {
  Deno.test(`a map of version ${version} is read`, () => {
    const algorithm = version < "1.4" ? "sha1" : "sha256";
    assertEquals(parseBmap(sampleMap({ version, medium: MEDIUM, runs: RUNS }), "card.bmap"), {
      imageSize: SIZE,
      blockSize: 4096,
      algorithm,
      ranges: expectedRanges(MEDIUM, RUNS, algorithm),
    });
  });

  Deno.test({
    name: `bmaptool takes our idea of version ${version} for a map`,
    ignore: needs("bmaptool"),
    async fn(): Promise<void> {
      const map = sampleMap({ version, medium: MEDIUM, runs: RUNS });
      assert(await bmaptoolCopies(MEDIUM, map));
    },
  });
}

const KINDS: readonly (readonly [type: string, algorithm: string])[] = [
  ["md5", "md5"],
  ["sha1", "sha1"],
  ["sha224", "sha224"],
  ["sha256", "sha256"],
  ["sha384", "sha384"],
  ["sha512", "sha512"],
  ["sha3_224", "sha3-224"],
  ["sha3_256", "sha3-256"],
  ["sha3_384", "sha3-384"],
  ["sha3_512", "sha3-512"],
  ["blake2s", "blake2s256"],
  ["blake2b", "blake2b512"],
];

for (const [type, algorithm] of KINDS) {
  Deno.test({
    name: `checksums of kind ${type} are read, as by bmaptool`,
    ignore: needs("bmaptool"),
    async fn(): Promise<void> {
      const map = sampleMap({ version: "2.0", medium: MEDIUM, runs: RUNS, type, algorithm });
      assert(await bmaptoolCopies(MEDIUM, map));
      const read = parseBmap(map, "card.bmap");
      assertEquals(read.algorithm, algorithm);
      assertEquals(read.ranges, expectedRanges(MEDIUM, RUNS, algorithm));
    },
  });
}

Deno.test("checksums of ranges may be absent, and there may be no range at all", () => {
  const map = sampleMap({
    version: "2.0",
    medium: MEDIUM,
    runs: RUNS,
    change: (text) => text.replace(/ chksum="[^"]*"> 3 /, "> 3 "),
  });
  const checksums = parseBmap(map, "card.bmap").ranges.map(({ checksum }) => checksum?.length);
  assertEquals(checksums, [64, undefined, 64, 64]);
  const zeros = sampleMap({ version: "2.0", medium: new Uint8Array(9000), runs: [] });
  assertEquals(parseBmap(zeros, "card.bmap").ranges, []);
});

Deno.test("other sizes of blocks", () => {
  for (const blockSize of [512, 1024, 65_536, 1 << 20]) {
    const runs: readonly BlockRun[] = [[0, 0], [2, 3]];
    const medium = mediumOf(blockSize * 4 - 1, runs, blockSize);
    const map = parseBmap(sampleMap({ version: "2.0", medium, runs, blockSize }), "card.bmap");
    assertEquals(map.blockSize, blockSize);
    assertEquals(map.ranges, expectedRanges(medium, runs, "sha256", blockSize));
  }
});

Deno.test("bytes are read as text is, comments in UTF-8 and a byte order mark included", () => {
  const map = sampleMap({
    version: "2.0",
    medium: MEDIUM,
    runs: RUNS,
    change: (text) => `\ufeff${text.replace("by hand", "von Händen 💾 & <Range>")}`,
  });
  const bytes = new TextEncoder().encode(map);
  assertEquals(bytes[0], 0xef);
  assertEquals(parseBmap(bytes, "card.bmap"), parseBmap(map, "card.bmap"));
});

Deno.test("every changed character of a map with a checksum is noticed", () => {
  const map = sampleMap({ version: "2.0", medium: MEDIUM, runs: RUNS });
  for (let at = 0; at < map.length; at++) {
    const digit = map[at] === "7" ? "6" : "7";
    failure(map.slice(0, at) + digit + map.slice(at + 1));
  }
});

Deno.test("the checksum of the map is named when it is wrong", () => {
  const changed = sampleMap({ version: "2.0", medium: MEDIUM, runs: RUNS })
    .replace(/chksum="[^"]*"/, `chksum="${"ab".repeat(32)}"`);
  const error = failure(changed);
  assertEquals(error.field, "BmapFileChecksum");
  assertEquals(
    error.message,
    "cannot use the block map card.bmap: line 11: the map was changed or damaged: " +
      "its sha256 is not BmapFileChecksum",
  );
  const old = sampleMap({ version: "1.3", medium: MEDIUM, runs: RUNS });
  assertEquals(failure(old.replace("by hand", "by hAnd")).field, "BmapFileSHA1");
});

/** Changes of a map, the field that is named, and what is said. */
const WRONG: readonly (readonly [string | RegExp, string, field: string, reason: string])[] = [
  [/^[\s\S]*$/, "", "bmap", "it is empty"],
  [/^[\s\S]*$/, " \n<!-- -->\n", "bmap", "it is empty"],
  [/^[\s\S]*$/, "<!DOCTYPE html>", "bmap", '"<!DOCTYPE html>" has no place in a block map'],
  [/^[\s\S]*$/, "<html>", "bmap", "it is no block map but html"],
  ["<?xml", "<?xmlx", "bmap", "has no place in a block map"],
  ["<bmap", '<!DOCTYPE a [<!ENTITY b "c">]><bmap', "bmap", '"<!DOCTYPE a [<!ENTITY'],
  ["<bmap", "<![CDATA[ ]]><bmap", "bmap", "has no place"],
  ["<bmap", "<?php ?><bmap", "bmap", "has no place"],
  [' version="1.2"', "", "version", "1.2, 1.3, 1.4, 2.0 can be read, and it names none"],
  ['version="1.2"', 'version="2.1"', "version", "not 2.1"],
  ['version="1.2"', 'version="constructor"', "version", "not constructor"],
  ['version="1.2"', 'version="1.2" x="y"', "version", "can be read"],
  ['version="1.2"', 'version="1.2" version="1.2"', "bmap", "bmap has version twice"],
  ['version="1.2"', 'version="&lt;"', "bmap", "has no place"],
  ["</bmap>", "", "bmap", "the file ends inside of bmap"],
  ["</bmap>", "</bmap", "bmap", "the file ends in the middle of a tag"],
  ["</bmap>", "</bmap><bmap>", "bmap", "something follows the map"],
  ["</bmap>", "</bmap> x", "bmap", '"x" has no place in a block map'],
  ["</bmap>", "</BlockMap>", "bmap", '"</BlockMap>" has no place inside of bmap'],
  [/(<ImageSize>.*<\/ImageSize>)/, "$1$1", "ImageSize", "a second ImageSize"],
  [/(<BlockMap>[\s\S]*<\/BlockMap>)/, "$1$1", "BlockMap", "a second BlockMap"],
  [/<BlockMap>[\s\S]*<\/BlockMap>/, "", "BlockMap", "there is no BlockMap"],
  [/<BlocksCount>.*<\/BlocksCount>/, "", "BlocksCount", "there is no BlocksCount"],
  ["<BlockSize>", '<BlockSize a="b">', "BlockSize", "BlockSize has an unknown attribute a"],
  ["<BlockSize>", "<Other> 1 </Other><BlockSize>", "Other", "unknown field Other"],
  ["<BlockSize>", "<BmapFileSHA1> 1 </BmapFileSHA1><BlockSize>", "BmapFileSHA1", "unknown"],
  ["4096 </BlockSize>", "4096 <!-- --> </BlockSize>", "BlockSize", "has no place inside of"],
  ["4096 </BlockSize>", "4096 </Blocksize>", "BlockSize", "has no place inside of BlockSize"],
  ["4096 </BlockSize>", `${" ".repeat(2000)} </BlockSize>`, "BlockSize", "too long a text"],
  [" 4096 ", " &#52;096 ", "BlockSize", "BlockSize is no whole number"],
  [" 4096 ", " 0x1000 ", "BlockSize", "no whole number"],
  [" 4096 ", " -4096 ", "BlockSize", "no whole number"],
  [" 4096 ", " 4 096 ", "BlockSize", "no whole number"],
  [" 4096 ", " 0 ", "BlockSize", "there are no blocks of 0 bytes"],
  [" 4096 ", " 4095 ", "BlockSize", "there are no blocks of 4095 bytes"],
  [" 4096 ", " 256 ", "BlockSize", "there are no blocks of 256 bytes"],
  [" 4096 ", ` ${2 ** 40} `, "BlockSize", "there are no blocks of"],
  [
    " 4096 ",
    " 8192 ",
    "BlocksCount",
    "an image of 99304 bytes has 13 blocks of 8192 bytes, not 25",
  ],
  [` ${SIZE} `, ` ${SIZE + 4096} `, "BlocksCount", "has 26 blocks of 4096 bytes, not 25"],
  [` ${SIZE} `, " 99999999999999999999 ", "ImageSize", "is impossible: it is too large"],
  [` ${SIZE} `, " 9999999999999999 ", "ImageSize", "is impossible: it is too large"],
  [" 14  ", " 13  ", "MappedBlocksCount", "the ranges have 14 blocks, not 13"],
  [" 20-24 ", " 20-25 ", "Range", "block 25 is behind the end of the image, which has 25"],
  [" 20-24 ", " 9-24 ", "Range", "block 9 comes after block 9: ranges must ascend"],
  [" 20-24 ", " 2 ", "Range", "block 2 comes after block 9"],
  [" 20-24 ", " 24-20 ", "Range", "the range ends before it begins: 24-20"],
  [" 20-24 ", " 20-9007199254740991 ", "Range", "a range is two block numbers, or one"],
  [" 20-24 ", " 20-99999999999999999999 ", "Range", "a range is two block numbers"],
  [" 20-24 ", " 20-21-24 ", "Range", "a range is two block numbers"],
  [" 20-24 ", " -24 ", "Range", "a range is two block numbers"],
  [" 20-24 ", " ", "Range", "a range is two block numbers"],
  ["</BlockMap>", "<Rage> 1 </Rage></BlockMap>", "Rage", "unknown field Rage"],
  ["<Range sha1=", "<Range chksum=", "Range", "the only attribute of a range is sha1"],
  ["<Range sha1=", '<Range a="" sha1=', "Range", "the only attribute of a range is sha1"],
  ['<Range sha1="', '<Range sha1="0', "Range", "no sha1 in lower case"],
  ['<Range sha1="', '<Range sha1="" a="', "Range", "the only attribute"],
  ["</bmap>", "<!-- </bmap>", "bmap", "a comment has no end"],
  [/^/, "x", "bmap", '"x<?xml version="1.0" ?>" has no place in a block map'],
  ["<BlockMap>", `<BlockMap><Range ${"x".repeat(2000)}`, "BlockMap", "a tag that is too long"],
  [
    "<BlockMap>",
    "<BlockMap>\x1b[2J",
    "BlockMap",
    '"\\x1b[2J" has no place inside of BlockMap',
  ],
];

for (const [from, to, field, reason] of WRONG) {
  const change = `${from} -> ${to}`.replace(/\s+/g, " ").slice(0, 60);
  Deno.test(`refused: ${change}: ${reason}`, () => {
    // No checksum hides what is wrong.
    const map = sampleMap({ version: "1.2", medium: MEDIUM, runs: RUNS });
    const changed = map.replace(from, to);
    assert(changed !== map);
    const error = failure(changed);
    assert(error.message.includes(reason), error.message);
    assertEquals(error.field, field, error.message);
    const lines = changed.split("\n").length;
    assert(error.offset >= 1 && error.offset <= lines, error.message);
  });
}

Deno.test("what only newer versions have is compared, too", () => {
  const options = { version: "2.0", medium: MEDIUM, runs: RUNS } as const;
  const wrong = (from: string | RegExp, to: string): FormatError =>
    failure(sampleMap({ ...options, change: (text) => text.replace(from, to) }));
  const unknown = wrong("> sha256 <", "> crc32 <");
  assertEquals(unknown.field, "ChecksumType");
  assert(unknown.message.includes("unknown kind of checksum crc32; known are sha256, sha1"));
  assertEquals(wrong("> sha256 <", "> __proto__ <").field, "ChecksumType");
  assertEquals(wrong("> sha256 <", "> sha512 <").field, "BmapFileChecksum");
  assertEquals(wrong(/<BmapFileChecksum>.*\n/, "").field, "BmapFileChecksum");
  assertEquals(wrong(/<ChecksumType>.*\n/, "").field, "ChecksumType");
  assertEquals(wrong("chksum=", "sha1=").field, "Range");
});

Deno.test("a line is named, counted from 1", () => {
  const map = sampleMap({ version: "1.2", medium: MEDIUM, runs: RUNS });
  const line = map.split("\n").findIndex((text) => text.includes("20-24")) + 1;
  assertEquals(failure(map.replace(" 20-24 ", " 24-20 ")).offset, line);
});

Deno.test("a map that was signed in its text is told from one that is damaged", () => {
  const map = sampleMap({ version: "2.0", medium: MEDIUM, runs: RUNS });
  const error = failure(`-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n${map}`);
  assert(error.message.includes("it stands inside of a signed message"), error.message);
  assert(error.hint?.includes("gpg"), error.hint);
});

Deno.test("what is no text is refused", () => {
  const map = sampleMap({ version: "2.0", medium: MEDIUM, runs: RUNS });
  const wide = new Uint8Array(
    Uint16Array.from(`\ufeff${map}`, (each) => each.charCodeAt(0)).buffer,
  );
  assert(failure(wide).message.includes("it is no text in UTF-8"));
  assert(failure(Uint8Array.of(0xff, 0x00)).message.includes("it is no text in UTF-8"));
});

Deno.test("blanks, comments and tags without end take no more time than their length", () => {
  const many = 1 << 20;
  for (const text of [" ", "<!-- ", "<!---->", "<", "<a ", '<a b="', "<bmap", "-", "\n<"]) {
    failure(text.repeat(many));
    failure(`<bmap version="1.2">${text.repeat(many)}`);
    failure(`<bmap version="1.2"><BlockSize>${text.repeat(many)}`);
    failure(`<bmap version="1.2"><BlockMap><Range sha1="${text.repeat(many)}`);
  }
});

Deno.test("a map of a hundred thousand ranges is read", () => {
  const runs = Array.from({ length: 100_000 }, (_, index): BlockRun => [index * 2, index * 2]);
  const medium = new Uint8Array(200_000 * 512);
  const map = parseBmap(sampleMap({ version: "2.0", medium, runs, blockSize: 512 }), "x.bmap");
  assertEquals(map.ranges.length, runs.length);
  assertEquals(map.ranges.at(-1)?.offset, 199_998 * 512);
});
