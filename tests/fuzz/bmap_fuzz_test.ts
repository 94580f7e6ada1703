import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { FormatError } from "../../src/core/errors.ts";
import { endOf } from "../../src/core/range.ts";
import type { Bmap } from "../../src/formats/bmap/bmap.ts";
import { formatBmap } from "../../src/formats/bmap/format_bmap.ts";
import { parseBmap } from "../../src/formats/bmap/parse_bmap.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

/** A round takes some 100 microseconds. `SECTORSHOT_FUZZ=1000000` takes three minutes. */
const ROUNDS = Number(Deno.env.get("SECTORSHOT_FUZZ") ?? 20_000);

type Next = (limit: number) => number;

const VERSIONS = ["1.2", "1.3", "1.4", "2.0"] as const;

/** Numbers that break counting. */
const NUMBERS = [
  0,
  1,
  2,
  511,
  512,
  4095,
  4096,
  2 ** 26,
  2 ** 32,
  2 ** 52,
  2 ** 53 - 1,
  2 ** 63,
];

/** Mostly the number itself. */
function maybe(next: Next, value: number): number {
  return next(60) > 0 ? value : NUMBERS[next(NUMBERS.length)] ?? 0;
}

/** A map of which most numbers fit each other, with the right checksum or none. */
function crafted(next: Next): string {
  const version = VERSIONS[next(VERSIONS.length)] ?? "2.0";
  const blockSize = maybe(next, 512 << next(9));
  const runs: string[] = [];
  let blocks = 0;
  let mapped = 0;
  for (let count = next(6); count > 0; count--) {
    const first = blocks + next(3);
    const length = 1 + next(4);
    const last = first + length - 1;
    const text = length === 1
      ? maybe(next, first)
      : `${maybe(next, first)}-${maybe(next, last)}`;
    const attribute = version < "1.4" ? "sha1" : "chksum";
    const hex = "a5".repeat(version < "1.4" ? 20 : 32);
    runs.push(`<Range${next(3) === 0 ? "" : ` ${attribute}="${hex}"`}> ${text} </Range>`);
    mapped += length;
    blocks = last + 1;
  }
  blocks += next(4);
  const imageSize = maybe(next, Math.max(0, blocks * blockSize - next(2) * next(512)));
  const zeros = "0".repeat(version === "1.3" ? 40 : 64);
  const own = version === "1.3"
    ? `<BmapFileSHA1> ${zeros} </BmapFileSHA1>`
    : `<ChecksumType> sha256 </ChecksumType> <BmapFileChecksum> ${zeros} </BmapFileChecksum>`;
  return `<bmap version="${version}">
<ImageSize> ${imageSize} </ImageSize> <BlockSize> ${blockSize} </BlockSize>
<BlocksCount> ${maybe(next, blocks)} </BlocksCount>
<MappedBlocksCount> ${maybe(next, mapped)} </MappedBlocksCount>
${version === "1.2" ? "" : own}
<BlockMap>
${runs.join("\n")}
</BlockMap>
</bmap>
`;
}

/** What breaks readers of XML, and of numbers. */
const NASTY = [
  "",
  " ",
  "\n",
  "\0",
  "<",
  ">",
  "/",
  "<!--",
  "-->",
  "<!-- x -->",
  "&lt;",
  "<![CDATA[",
  "]]>",
  "\t \r\n",
  "<!---->",
  "<!DOCTYPE a>",
  "<?x ?>",
  '"',
  "=",
  "-",
  ",",
  "0",
  "7",
  "8",
  "00",
  "999999999999999",
  "9007199254740991",
  "18446744073709551616",
  "1e3",
  "0x7",
  "\u0663",
  "\ufeff",
  "\ud800",
  "<Range> 2 </Range>",
  "<Range> 0-0 </Range>",
  "<BlockMap>",
  "</BlockMap>",
  "</bmap>",
  "<ImageSize> 4096 </ImageSize>",
];

/** Changes at places that are picked with a taste for numbers and tags. */
function mutated(next: Next, sample: string): string {
  let text = sample;
  for (let changes = next(2) === 0 ? 1 : 3; changes > 0; changes--) {
    const found = [...text.matchAll(/\d+(?= |-)|[<>"]/g)].map(({ index }) => index);
    const isPicked = next(3) > 0 && found.length > 0;
    const at = isPicked ? found[next(found.length)] ?? 0 : next(text.length + 1);
    const removed = [0, 0, 0, 0, 1, 1, 2, 8, 60, 2000][next(10)] ?? 0;
    const inserted = next(3) === 0
      ? text.slice(next(text.length + 1)).slice(0, next(100))
      : NASTY[next(NASTY.length)] ?? "";
    text = text.slice(0, at) + inserted + text.slice(at + removed);
  }
  return text;
}

/** Puts the right checksum into a map, where it has a place for one. */
function signed(text: string): string {
  const [, field = "", hex = ""] = /<(BmapFile\w+)>\s*([0-9a-f]+)\s*<\//.exec(text) ?? [];
  if (field === "") return text;
  const zeros = text.replace(hex, "0".repeat(hex.length));
  const algorithm = field === "BmapFileSHA1" ? "sha1" : "sha256";
  return text.replace(hex, createHash(algorithm).update(zeros).digest("hex"));
}

/** What was accepted is inside of its image, and survives being written. */
function assertSound(map: Bmap): void {
  const { imageSize, blockSize, ranges } = map;
  assert(Number.isSafeInteger(imageSize) && imageSize >= 0);
  let end = 0;
  for (const range of ranges) {
    assert(range.length > 0 && range.offset >= end && range.offset % blockSize === 0);
    end = endOf(range);
    assert(end <= imageSize && (end % blockSize === 0 || end === imageSize));
    assert(range.checksum === undefined || /^[0-9a-f]{32,128}$/.test(range.checksum));
  }
  assertEquals(parseBmap(formatBmap(map), "again.bmap"), map);
}

Deno.test("whatever a block map holds, it is sound or a FormatError that names a line", () => {
  const next = seededNumbers(97);
  const encoder = new TextEncoder();
  const counts = { read: 0, changed: 0, refused: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const whole = crafted(next);
    const plain = next(2) === 0 ? whole : mutated(next, whole);
    const text = next(9) > 0 ? signed(plain) : plain;
    const content = next(2) === 0 ? text : encoder.encode(text);
    let map: Bmap;
    try {
      map = parseBmap(content, "card.bmap");
    } catch (error) {
      if (!(error instanceof FormatError)) {
        throw new Error(`round ${round}: ${JSON.stringify(text)}`, { cause: error });
      }
      const lines = text.split("\n").length;
      assert(error.offset >= 1 && error.offset <= lines, JSON.stringify(text));
      assert(error.field !== "" && error.message.length < 400, error.message);
      counts.refused++;
      continue;
    }
    counts.read++;
    if (plain !== whole) counts.changed++;
    assertSound(map);
  }
  for (const [name, count] of Object.entries(counts)) {
    assert(ROUNDS < 1000 || count > ROUNDS / 500, `only ${count} ${name} of ${ROUNDS}`);
  }
});

Deno.test("whatever bytes a block map holds, it is sound or a FormatError", () => {
  const next = seededNumbers(98);
  const encoder = new TextEncoder();
  let read = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const bytes = encoder.encode(signed(crafted(next)));
    for (let changes = next(4); changes > 0; changes--) bytes[next(bytes.length)] = next(256);
    const cut = next(4) === 0 ? bytes.subarray(0, next(bytes.length)) : bytes;
    try {
      assertSound(parseBmap(cut, "card.bmap"));
      read++;
    } catch (error) {
      if (!(error instanceof FormatError)) throw new Error(`round ${round}`, { cause: error });
    }
  }
  assert(ROUNDS < 1000 || read > ROUNDS / 50, `only ${read} of ${ROUNDS}`);
});
