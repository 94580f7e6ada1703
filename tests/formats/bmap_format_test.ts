import { assert, assertEquals, assertThrows } from "@std/assert";
import { makeChunk } from "../../src/copy/run_copy.ts";
import { BmapConsumer } from "../../src/copy/bmap/bmap_consumer.ts";
import type { Bytes } from "../../src/core/block.ts";
import { FormatError } from "../../src/core/errors.ts";
import type { Bmap } from "../../src/formats/bmap/bmap.ts";
import { formatBmap } from "../../src/formats/bmap/format_bmap.ts";
import { parseBmap } from "../../src/formats/bmap/parse_bmap.ts";
import { assertBytes } from "../support/pattern.ts";
import { run, tryRun } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { seededNumbers } from "../volumes/image_tools.ts";
import { type BlockRun, expectedRanges, mediumOf } from "./bmap_samples.ts";

const BLOCK = 4096;

/** A medium: its size in bytes, and the blocks that hold data, neighbours joined. */
interface Shape {
  readonly name: string;
  readonly size: number;
  readonly runs: readonly BlockRun[];
}

const SHAPES: readonly Shape[] = [
  { name: "only data", size: 40 * BLOCK, runs: [[0, 39]] },
  { name: "only data, not whole blocks", size: 40 * BLOCK - 1, runs: [[0, 39]] },
  { name: "only zeros", size: 300 * BLOCK, runs: [] },
  { name: "only zeros, not whole blocks", size: 300 * BLOCK + 1, runs: [] },
  { name: "less than a sector", size: 100, runs: [[0, 0]] },
  { name: "one block", size: BLOCK, runs: [[0, 0]] },
  { name: "the last block only, cut", size: 100 * BLOCK + 511, runs: [[100, 100]] },
  { name: "the first block only", size: 100 * BLOCK, runs: [[0, 0]] },
  {
    name: "every other block",
    size: 201 * BLOCK,
    runs: Array.from({ length: 100 }, (_, index): BlockRun => [index * 2 + 1, index * 2 + 1]),
  },
  ...Array.from({ length: 6 }, (_, index) => randomShape(index + 1)),
];

function randomShape(seed: number): Shape {
  const next = seededNumbers(seed);
  const runs: BlockRun[] = [];
  for (let block = next(3); block < 2000;) {
    const length = 1 + next(next(4) === 0 ? 200 : 5);
    runs.push([block, block + length - 1]);
    block += length + 1 + next(next(4) === 0 ? 200 : 5);
  }
  const blocks = (runs.at(-1)?.[1] ?? 0) + 1;
  const hasHole = next(2) === 0;
  return {
    name: `seed ${seed}`,
    size: blocks * BLOCK - (hasHole ? -next(9 * BLOCK) : next(BLOCK)),
    runs,
  };
}

/** A file in which the blocks without data are holes. */
async function writeSparse(path: string, medium: Bytes, { runs }: Shape): Promise<void> {
  using file = await Deno.open(path, { create: true, write: true });
  await file.truncate(medium.length);
  for (const [first, last] of runs) {
    await file.seek(first * BLOCK, Deno.SeekMode.Start);
    let rest: Bytes = medium.subarray(first * BLOCK, (last + 1) * BLOCK);
    while (rest.length > 0) rest = rest.subarray(await file.write(rest));
  }
  await file.syncData();
}

/** The map that sectorshot makes of a medium, and its text. */
async function ourMap(medium: Bytes): Promise<{ map: Bmap; text: string }> {
  const consumer = new BmapConsumer(medium.length);
  await consumer.consume(makeChunk(0, medium));
  const map = await consumer.finish();
  return { map, text: formatBmap(map) };
}

for (const shape of SHAPES) {
  Deno.test({
    name: `bmaptool and we make the same map, and write it alike: ${shape.name}`,
    ignore: needs("bmaptool"),
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const medium = mediumOf(shape.size, shape.runs);
      const image = folder.file("card.img");
      await writeSparse(image, medium, shape);
      const theirs = folder.file("theirs.bmap");
      await run("bmaptool", ["create", "--output", theirs, image]);
      const { map, text } = await ourMap(medium);
      assertEquals(map.ranges, expectedRanges(medium, shape.runs, "sha256"));
      assertEquals(parseBmap(await Deno.readFile(theirs), "theirs.bmap"), map);
      assertEquals(parseBmap(text, "ours.bmap"), map);

      const ours = await folder.write("ours.bmap", text);
      const target = folder.file("target");
      await run("bmaptool", ["copy", "--bmap", ours, image, target]);
      assertBytes(await Deno.readFile(target), medium);
    },
  });
}

Deno.test({
  name: "bmaptool writes only what our map says, and sees an image that was damaged there",
  ignore: needs("bmaptool"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const medium = mediumOf(20 * BLOCK, [[0, 3], [9, 11]]);
    const ours = await folder.write("ours.bmap", (await ourMap(medium)).text);
    const noisy = medium.slice().fill(1, 5 * BLOCK, 6 * BLOCK);
    const image = await folder.write("card.img", noisy);
    const target = folder.file("target");
    await run("bmaptool", ["copy", "--bmap", ours, image, target]);
    assertBytes(await Deno.readFile(target), medium);

    noisy[10 * BLOCK] = ~(noisy[10 * BLOCK] ?? 0);
    await folder.write("card.img", noisy);
    const { code, stderr } = await tryRun("bmaptool", ["copy", "--bmap", ours, image, target]);
    assert(code !== 0);
    assert(stderr.includes("checksum mismatch for blocks range 9-11"), stderr);
  },
});

Deno.test({
  name: "a changed map is refused by its checksum: bmaptool's by us, ours by bmaptool",
  ignore: needs("bmaptool"),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const shape: Shape = { name: "", size: 20 * BLOCK, runs: [[0, 3], [9, 11]] };
    const medium = mediumOf(shape.size, shape.runs);
    const image = folder.file("card.img");
    await writeSparse(image, medium, shape);
    const path = folder.file("theirs.bmap");
    await run("bmaptool", ["create", "--output", path, image]);
    const theirs = await Deno.readTextFile(path);
    const changed = theirs.replace(" 9-11 ", " 8-10 ");
    assert(changed !== theirs);
    const error = assertThrows(() => parseBmap(changed, "theirs.bmap"), FormatError);
    assertEquals(error.field, "BmapFileChecksum");

    const { text } = await ourMap(medium);
    const ours = await folder.write("ours.bmap", text.replace(" 9-11 ", " 8-10 "));
    const target = folder.file("target");
    const { code, stderr } = await tryRun("bmaptool", ["copy", "--bmap", ours, image, target]);
    assert(code !== 0);
    assert(stderr.includes("checksum mismatch for bmap file"), stderr);
  },
});

Deno.test("a map without some checksums, or with others, is written and read back", () => {
  const range = { offset: 0, length: BLOCK };
  for (
    const [algorithm, digits] of [["sha1", 40], ["sha3-256", 64], ["blake2b512", 128]] as const
  ) {
    const map: Bmap = {
      imageSize: 3 * BLOCK - 5,
      blockSize: BLOCK,
      algorithm,
      ranges: [
        { ...range, checksum: undefined },
        { offset: 2 * BLOCK, length: BLOCK - 5, checksum: "5f".repeat(digits / 2) },
      ],
    };
    assertEquals(parseBmap(formatBmap(map), "card.bmap"), map);
  }
});

Deno.test("a medium of no bytes has a map, too", () => {
  const map: Bmap = { imageSize: 0, blockSize: BLOCK, algorithm: "sha256", ranges: [] };
  assertEquals(parseBmap(formatBmap(map), "card.bmap"), map);
});

Deno.test("what no map can say is not written", () => {
  const map: Bmap = { imageSize: 10_000, blockSize: BLOCK, algorithm: "sha256", ranges: [] };
  const refused = (offset: number, length: number): void => {
    const ranges = [{ offset, length, checksum: undefined }];
    assertThrows(() => formatBmap({ ...map, ranges }), RangeError, `${length} bytes at`);
  };
  refused(512, BLOCK);
  refused(0, 512);
  refused(0, 0);
  refused(8192, 10_000);
  assertThrows(() => formatBmap({ ...map, algorithm: "crc32" }), RangeError, "crc32");
});
