import { FormatError } from "../../src/core/errors.ts";
import * as all from "../../src/volumes/all.ts";
import { gaps } from "../../src/volumes/partition_table.ts";
import { readPartitionTable } from "../../src/volumes/read_partition_table.ts";
import { needs } from "../support/tools.ts";
import { ImageFile, run, seededNumbers, StrictSource } from "./image_tools.ts";

const MIB = 1024 * 1024;
const DISK_BYTES = 8 * MIB;
const ROUNDS = 400;

const LAYOUTS = {
  mbr: "label: dos\nsize=1M,type=83\nsize=4M,type=5\nsize=1M,type=83\nsize=1M,type=83\n",
  gpt: "label: gpt\nsize=1M,type=U\nsize=2M,type=L\n",
};

/** Reads in every way; anything but a FormatError fails the test. */
async function readEverything(source: StrictSource): Promise<void> {
  const readers = [
    readPartitionTable,
    ...Object.values(all).map((scheme) => scheme.read.bind(scheme)),
  ];
  for (const read of readers) {
    try {
      gaps(await read(source), source.size);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
    }
  }
}

for (const [name, layout] of Object.entries(LAYOUTS)) {
  Deno.test({
    name: `random damage to a disk with ${name} only leads to findings or a FormatError`,
    ignore: needs("sfdisk"),
    async fn(): Promise<void> {
      await using image = new ImageFile(DISK_BYTES);
      await run("sfdisk", [image.path], layout);
      const disk = await image.bytes();
      // Where the table is: elsewhere a change would change nothing.
      const table = await readPartitionTable(new StrictSource(disk));
      const places = table.metadata.flatMap(({ offset, length }) =>
        Array.from({ length: Math.min(length, 512) }, (_, index) => offset + index)
      );
      const next = seededNumbers(20260101);
      for (let round = 0; round < ROUNDS; round++) {
        const undo: [number, number][] = [];
        for (let change = next(8); change >= 0; change--) {
          const place = places[next(places.length)] ?? 0;
          undo.unshift([place, disk[place] ?? 0]);
          disk[place] = next(3) === 0 ? 0xff : next(256);
        }
        const size = next(4) === 0 ? next(DISK_BYTES) : DISK_BYTES;
        await readEverything(new StrictSource(disk.subarray(0, size), next(5) ? 512 : 4096));
        for (const [place, byte] of undo) disk[place] = byte;
      }
    },
  });
}
