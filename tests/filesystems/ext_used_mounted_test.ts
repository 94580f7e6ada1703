/** Volumes that Linux itself wrote to. */
import { assert, assertRejects } from "@std/assert";
import { FormatError } from "../../src/core/errors.ts";
import { LoopDevice } from "../support/loop_device.ts";
import { patternBytes } from "../support/pattern.ts";
import { run, tryRun } from "../support/run_cli.ts";
import { Mounted, TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { seededNumbers } from "../volumes/image_tools.ts";
import {
  assertClean,
  assertCopyIsWhole,
  assertSameFolder,
  copyRanges,
  E2FSPROGS,
  mke2fs,
  usedOf,
} from "./ext_used_images.ts";

const MIB = 1024 * 1024;

/** Writes, cuts, punches and deletes files below a folder. */
async function useAtRandom(folder: string, seed: number, rounds: number): Promise<void> {
  const next = seededNumbers(seed);
  for (let round = 0; round < rounds; round++) {
    const path = `${folder}/${next(4)}/${next(60)}`;
    await Deno.mkdir(path.replace(/\/[^/]*$/, ""), { recursive: true });
    const length = next(3) === 0 ? next(900_000) : next(30_000);
    const action = next(8);
    if (action < 4) {
      await Deno.writeFile(path, patternBytes(length, { seed: round + 1 }), {
        append: next(2) === 0,
      });
      continue;
    }
    if (!await Deno.stat(path).then(() => true, () => false)) continue;
    if (action === 4) await Deno.truncate(path, length);
    // ext2 and ext3 cannot do these, which does no harm.
    if (action === 5) await tryRun("fallocate", ["-o", `${length}`, "-l", "100000", path]);
    if (action === 6) await tryRun("fallocate", ["-p", "-o", "8192", "-l", "65536", path]);
    if (action === 7) await Deno.remove(path);
    if (round % 50 === 0) await run("sync", ["-f", folder]);
  }
}

for (
  const [name, options, mountOptions] of [
    ["ext4", "-t ext4", "rw"],
    ["ext4 in small groups", "-t ext4 -b 1024 -g 2048", "rw"],
    [
      "ext4 with orphan_file, quota and fast_commit",
      "-t ext4 -O orphan_file,fast_commit",
      "rw",
    ],
    ["ext4 with uninit_bg", "-t ext4 -b 1024 -O ^metadata_csum,uninit_bg", "rw"],
    ["ext4 with bigalloc", "-t ext4 -O bigalloc -C 16384", "rw"],
    ["ext4 with meta_bg", "-t ext4 -b 1024 -g 1024 -O meta_bg,^resize_inode", "rw"],
    ["ext4 with inline_data, without a journal", "-t ext4 -O inline_data,^has_journal", "rw"],
    ["ext3", "-t ext3 -b 1024", "rw,data=journal"],
    ["ext2", "-t ext2 -b 1024", "rw"],
  ] as const
) {
  Deno.test({
    name: `what ext uses after Linux wrote to it: ${name}`,
    ignore: needs("root", "losetup", "mount", "fallocate", ...E2FSPROGS),
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const path = folder.file("volume");
      await mke2fs(path, 96 * MIB, options.split(" "));
      const place = await folder.folder("mounted");
      const expected = folder.file("expected");
      {
        await using device = await LoopDevice.create(path);
        {
          await using mounted = await Mounted.create(device.path, place, "-o", mountOptions);
          await useAtRandom(mounted.path, options.length, 400);
          await run("sync", ["-f", place]);
          // What lies on the card of somebody who pulls it out now.
          const pulled = folder.file("pulled");
          await run("cp", ["--sparse=always", path, pulled]);
          const error = await assertRejects(() => usedOf(pulled), FormatError);
          assert(/not cleanly unmounted/.test(error.message), error.message);
          await run("cp", ["-a", place, expected]);
          await run("umount", [place]);
        }
      }
      await assertCopyIsWhole(path, folder.path);
      await using device = await LoopDevice.create(`${path}.copy`, { readOnly: true });
      await using mounted = await Mounted.create(device.path, place, "-o", "ro");
      await assertSameFolder(mounted.path, expected);
    },
  });
}

Deno.test({
  name: "what ext uses: a pulled card is told again once its journal was replayed",
  ignore: needs("root", "losetup", "mount", ...E2FSPROGS),
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const path = folder.file("volume");
    await mke2fs(path, 64 * MIB, ["-t", "ext4"]);
    const place = await folder.folder("mounted");
    const pulled = folder.file("pulled");
    {
      await using device = await LoopDevice.create(path);
      await using mounted = await Mounted.create(device.path, place, "-o", "rw");
      await useAtRandom(mounted.path, 12, 200);
      await run("sync", ["-f", place]);
      await run("cp", ["--sparse=always", path, pulled]);
    }
    await assertRejects(() => usedOf(pulled), FormatError);
    {
      // Linux replays it, also when it is mounted to be read only.
      await using device = await LoopDevice.create(pulled);
      await using _mounted = await Mounted.create(device.path, place, "-o", "ro");
    }
    const copy = folder.file("copy");
    await copyRanges(pulled, copy, await usedOf(pulled));
    await assertClean(copy);
  },
});
