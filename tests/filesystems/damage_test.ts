import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import type { ProbeInput } from "../../src/core/block.ts";
import { FormatError } from "../../src/core/errors.ts";
import * as all from "../../src/filesystems/all.ts";
import type { FileSystem } from "../../src/filesystems/file_system.ts";
import { identifyFileSystem } from "../../src/filesystems/identify_file_system.ts";
import { needs } from "../support/tools.ts";
import {
  ImageFile,
  run,
  seededNumbers,
  StrictSource,
  withFlippedByte,
} from "../volumes/image_tools.ts";

const MIB = 1024 * 1024;
const HEAD_BYTES = 1 * MIB;
const ROUNDS = 300;

/** Small volumes; "IMAGE" stands for the file, and is the last argument where it is not named. */
const MAKERS: readonly (readonly [FileSystem, number, readonly string[]])[] = [
  [all.ext, 4 * MIB, ["mkfs.ext4", "-q", "-F"]],
  [all.fat, 2 * MIB, ["mkfs.fat", "-F", "12", "-n", "LABEL"]],
  [all.fat, 40 * MIB, ["mkfs.fat", "-F", "32", "-n", "LABEL"]],
  [all.exfat, 8 * MIB, ["mkfs.exfat", "-L", "label"]],
  [all.ntfs, 8 * MIB, ["mkntfs", "-F", "-q", "-L", "label"]],
  [all.f2fs, 64 * MIB, ["mkfs.f2fs", "-q"]],
  [all.swap, 1 * MIB, ["mkswap"]],
  [all.udf, 0, ["genisoimage", "-quiet", "-udf", "-J", "-o", "IMAGE", "/etc/hostname"]],
];

function inputOf(volume: Uint8Array): ProbeInput {
  const head = volume.subarray(0, HEAD_BYTES);
  return { name: "", size: volume.length, sectorSize: 512, head };
}

async function made(
  size: number,
  command: readonly string[],
): Promise<Uint8Array<ArrayBuffer>> {
  await using image = new ImageFile(size);
  const [tool = "", ...args] = command;
  const named = args.includes("IMAGE") ? args : [...args, "IMAGE"];
  await run(tool, named.map((argument) => argument === "IMAGE" ? image.path : argument));
  return await image.bytes();
}

Deno.test({
  name: "random damage never makes a probe throw, nor read outside the volume",
  ignore: needs(...new Set(MAKERS.map(([, , command]) => command[0] ?? ""))),
  async fn(t): Promise<void> {
    for (const [maker, size, command] of MAKERS) {
      await t.step(command.join(" "), async () => {
        const volume = await made(size, command);
        assertEquals(maker.probe(inputOf(volume)), "exact");
        // Where such structures have numbers that lead elsewhere.
        const places = [0, 1024, 4096 - 16, 16384 + 3 * 1024, 32768, 2048 * 256]
          .flatMap((start) => Array.from({ length: 512 }, (_, index) => start + index))
          .filter((place) => place < volume.length);
        const next = seededNumbers(19700101 + size);
        for (let round = 0; round < ROUNDS; round++) {
          const undo: [number, number][] = [];
          for (let change = next(6); change >= 0; change--) {
            const place = places[next(places.length)] ?? 0;
            undo.unshift([place, volume[place] ?? 0]);
            volume[place] = next(3) === 0 ? 0xff : next(256);
          }
          const length = next(4) === 0 ? next(volume.length) : volume.length;
          await probeAll(volume.subarray(0, length));
          for (const [place, byte] of undo) volume[place] = byte;
        }
      });
    }
  },
});

async function probeAll(volume: Uint8Array): Promise<void> {
  const input = inputOf(volume);
  for (const fileSystem of Object.values(all)) {
    if (fileSystem.probe(input) === "no") continue;
    fileSystem.identify(input);
    await fileSystem.readLabel?.(new StrictSource(volume), input);
  }
}

Deno.test("random bytes never make a probe throw", async () => {
  const next = seededNumbers(42);
  for (let round = 0; round < 50; round++) {
    await probeAll(Uint8Array.from({ length: next(70_000) }, () => next(256)));
  }
});

/** A byte that the checksum covers and nothing else looks at. */
const CHECKED: readonly (readonly [FileSystem, number, readonly string[], number])[] = [
  [all.ext, 16 * MIB, ["mkfs.ext4", "-q", "-F"], 1024 + 48],
  [all.xfs, 300 * MIB, ["mkfs.xfs", "-q"], 140],
  [all.btrfs, 128 * MIB, ["mkfs.btrfs", "-q"], 65536 + 1000],
  [all.btrfs, 128 * MIB, ["mkfs.btrfs", "-q", "--csum", "sha256"], 65536 + 1000],
  [
    all.f2fs,
    64 * MIB,
    ["mkfs.f2fs", "-q", "-O", "extra_attr,sb_checksum"],
    1024 + 300,
  ],
  [all.exfat, 8 * MIB, ["mkfs.exfat"], 1024],
];

for (const [fileSystem, size, command, place] of CHECKED) {
  Deno.test({
    name: `${command.join(" ")}: a wrong checksum makes it doubtful, not unknown`,
    ignore: needs(command[0] ?? ""),
    async fn(): Promise<void> {
      await using image = new ImageFile(size);
      const [tool = "", ...args] = command;
      await run(tool, [...args, image.path]);
      const volume = new Uint8Array(HEAD_BYTES);
      using file = await Deno.open(image.path);
      await file.read(volume);
      assertEquals(fileSystem.probe(inputOf(volume)), "exact");
      const damaged = withFlippedByte(volume, place);
      assertEquals(fileSystem.probe(inputOf(damaged)), "maybe");
      assertEquals(fileSystem.identify(inputOf(damaged)).family, fileSystem.id);
    },
  });
}

Deno.test({
  name: "a LUKS2 header with a wrong checksum is doubtful",
  ignore: needs("cryptsetup"),
  async fn(): Promise<void> {
    await using image = new ImageFile(24 * MIB);
    const args = "luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000";
    await run("cryptsetup", [...args.split(" "), image.path, "-"], "secret");
    const volume = await image.bytes();
    assertEquals(all.luks.probe(inputOf(volume)), "exact");
    assertEquals(all.luks.probe(inputOf(withFlippedByte(volume, 5000))), "maybe");
  },
});

Deno.test({
  name: "a leftover of an older file system beside a new one is an error naming both",
  ignore: needs("mkswap", "mkfs.ext4"),
  async fn(): Promise<void> {
    const swap = await made(4 * MIB, ["mkswap"]);
    const volume = await made(4 * MIB, ["mkfs.ext4", "-q", "-F", "-b", "4096"]);
    volume.set(swap.subarray(4086, 4096), 4086);
    new DataView(volume.buffer).setUint32(1024, 1, true);
    // The inode count is where swap has its version: the checksum of ext4 is wrong now.
    assertEquals(all.ext.probe(inputOf(volume)), "maybe");
    assertEquals((await identifyFileSystem(new StrictSource(volume)))?.id, "swap");

    const plain = await made(4 * MIB, ["mkfs.ext4", "-q", "-F", "-O", "^metadata_csum"]);
    plain.set(swap.subarray(4086, 4096), 4086);
    new DataView(plain.buffer).setUint32(1024, 1, true);
    const error = await assertRejects(
      () => identifyFileSystem(new StrictSource(plain)),
      FormatError,
    );
    assert(error.message.includes(all.ext.title) && error.message.includes(all.swap.title));
  },
});

Deno.test({
  name: "identifying foreign bytes is a FormatError",
  async fn(): Promise<void> {
    for (const fileSystem of Object.values(all)) {
      const input = inputOf(new Uint8Array(2 * MIB));
      assertEquals(fileSystem.probe(input), "no");
      await assertRejects(
        () => Promise.resolve().then(() => fileSystem.identify(input)),
        FormatError,
      );
      assertEquals(
        await fileSystem.readLabel?.(new StrictSource(input.head), input),
        undefined,
      );
    }
  },
});

Deno.test({
  name: "a hybrid image with a boot record is still ISO 9660",
  ignore: needs("genisoimage"),
  async fn(): Promise<void> {
    const volume = await made(0, ["genisoimage", "-quiet", "-o", "IMAGE", "/etc/hostname"]);
    new DataView(volume.buffer).setUint16(510, 0xaa55, true);
    volume.set([0x80, 0, 0, 0, 0x17, 0, 0, 0, 0, 0, 0, 0, 0xff], 446);
    assertEquals((await identifyFileSystem(new StrictSource(volume)))?.id, "iso9660");
  },
});

Deno.test("registry identifiers are unique", () => {
  const ids = Object.values(all).map(({ id }) => id);
  assertEquals(new Set(ids).size, ids.length);
  assertNotEquals(ids.length, 0);
});
