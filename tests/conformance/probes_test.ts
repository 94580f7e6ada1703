import { assert, assertEquals } from "@std/assert";
import type { ProbeInput, ProbeScore } from "../../src/core/block.ts";
import * as fileSystems from "../../src/filesystems/all.ts";
import { identifyFileSystem } from "../../src/filesystems/identify_file_system.ts";
import * as schemes from "../../src/volumes/all.ts";
import { readPartitionTable } from "../../src/volumes/read_partition_table.ts";
import { needs } from "../support/tools.ts";
import { ImageFile, run, seededNumbers, StrictSource } from "../volumes/image_tools.ts";

const MIB = 1024 * 1024;
const HEAD_BYTES = MIB;

/** What both registries have in common. */
interface Entry {
  readonly id: string;
  readonly title: string;
  probe(input: ProbeInput): ProbeScore;
}

const REGISTRIES: Readonly<Record<string, readonly Entry[]>> = {
  volumes: Object.values(schemes),
  filesystems: Object.values(fileSystems),
};

/** An image that other programs make. */
interface Made {
  readonly title: string;
  readonly size: number;
  /** Each command, with "IMAGE" for the file. */
  readonly command: readonly string[];
  readonly input?: string;
  /** The entries that must be sure of it. */
  readonly sure: readonly string[];
}

const MADE: readonly Made[] = [
  {
    title: "DOS label",
    size: 8 * MIB,
    command: ["sfdisk", "IMAGE"],
    input: "label: dos\nsize=2M\n",
    sure: ["mbr"],
  },
  {
    title: "GPT label",
    size: 8 * MIB,
    command: ["sfdisk", "IMAGE"],
    input: "label: gpt\nsize=2M\n",
    sure: ["gpt"],
  },
  { title: "ext4", size: 16 * MIB, command: ["mkfs.ext4", "-qF", "IMAGE"], sure: ["ext"] },
  { title: "FAT12", size: MIB, command: ["mkfs.fat", "-F12", "IMAGE"], sure: ["fat"] },
  { title: "FAT32", size: 40 * MIB, command: ["mkfs.fat", "-F32", "IMAGE"], sure: ["fat"] },
  { title: "exFAT", size: 8 * MIB, command: ["mkfs.exfat", "IMAGE"], sure: ["exfat"] },
  { title: "NTFS", size: 8 * MIB, command: ["mkntfs", "-Fq", "IMAGE"], sure: ["ntfs"] },
  { title: "swap", size: MIB, command: ["mkswap", "IMAGE"], sure: ["swap"] },
  { title: "F2FS", size: 64 * MIB, command: ["mkfs.f2fs", "-q", "IMAGE"], sure: ["f2fs"] },
];

function inputOf(bytes: Uint8Array, size = bytes.length, sectorSize = 512): ProbeInput {
  return { name: "", size, sectorSize, head: bytes.subarray(0, HEAD_BYTES) };
}

async function make({ size, command, input }: Made): Promise<Uint8Array<ArrayBuffer>> {
  await using image = new ImageFile(size);
  const [tool = "", ...args] = command;
  await run(tool, args.map((word) => word === "IMAGE" ? image.path : word), input);
  return await image.bytes();
}

function sureOf(entries: readonly Entry[], input: ProbeInput): string[] {
  return entries.filter((entry) => entry.probe(input) === "exact").map(({ id }) => id);
}

for (const [room, entries] of Object.entries(REGISTRIES)) {
  Deno.test(`${room}: identifiers and titles are unique`, () => {
    assert(entries.length >= 2);
    for (const key of ["id", "title"] as const) {
      assertEquals(new Set(entries.map((entry) => entry[key])).size, entries.length);
    }
    assert(entries.every(({ id }) => /^[a-z0-9_-]+$/.test(id)));
  });

  Deno.test(`${room}: nobody is sure of zeros, of ones, or of nothing`, () => {
    for (const length of [0, 1, 511, 512, 513, 1024, 4096, 65_536, HEAD_BYTES]) {
      for (const byte of [0, 0xff, 0x55]) {
        for (const sectorSize of [512, 4096]) {
          const input = inputOf(new Uint8Array(length).fill(byte), length, sectorSize);
          assertEquals(sureOf(entries, input), [], `${length} bytes of ${byte}`);
        }
      }
    }
  });

  Deno.test(`${room}: a probe never throws on random bytes, nor is it sure of them`, () => {
    const next = seededNumbers(81);
    for (let round = 0; round < 60; round++) {
      const bytes = Uint8Array.from({ length: next(70_000) }, () => next(256));
      // A medium that is said to be larger or smaller than what is shown.
      const size = [bytes.length, 0, 2 ** 40, Number.MAX_SAFE_INTEGER][round % 4] ?? 0;
      assertEquals(sureOf(entries, inputOf(bytes, size, round % 2 ? 512 : 4096)), []);
    }
  });
}

for (const made of MADE) {
  Deno.test({
    name: `${made.title}: one entry is sure of it, also when it is cut; changes do no harm`,
    ignore: needs(made.command[0] ?? ""),
    async fn(): Promise<void> {
      const image = await make(made);
      const input = inputOf(image);
      const sure = Object.fromEntries(
        Object.entries(REGISTRIES).map(([room, entries]) => [room, sureOf(entries, input)]),
      );
      assertEquals([...sure["volumes"] ?? [], ...sure["filesystems"] ?? []], made.sure);
      // Both ways to use a registry agree that there is one answer.
      await readPartitionTable(new StrictSource(image));
      await identifyFileSystem(new StrictSource(image));

      const next = seededNumbers(82 + made.size);
      for (let round = 0; round < 120; round++) {
        const head = image.slice(0, HEAD_BYTES);
        for (let change = next(12); change > 0; change--) {
          // Where structures begin, more often than elsewhere.
          const start = [0, 446, 512, 1024, 4086, 32_768, next(HEAD_BYTES)][next(7)] ?? 0;
          const at = start + next(128);
          if (at < head.length) head[at] = next(256);
        }
        const length = next(3) === 0 ? next(70_000) : head.length;
        const size = next(3) === 0 ? length : image.length;
        for (const entries of Object.values(REGISTRIES)) {
          const count = sureOf(entries, inputOf(head.subarray(0, length), size)).length;
          assert(count <= 1, `${count} are sure, round ${round}`);
        }
      }
    },
  });
}
