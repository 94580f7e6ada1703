import { assertEquals, assertRejects } from "@std/assert";
import type { Bytes } from "../../src/core/block.ts";
import { FormatError } from "../../src/core/errors.ts";
import type { Range } from "../../src/core/range.ts";
import { swap } from "../../src/filesystems/all.ts";
import { patternBytes } from "../support/pattern.ts";
import { needs } from "../support/tools.ts";
import { ImageFile, run, StrictSource } from "../volumes/image_tools.ts";

const SIZE = 4 * 1024 * 1024;
const PAGES = [4096, 8192, 16384, 32768, 65536];

async function usedRanges(bytes: Bytes): Promise<readonly Range[]> {
  const ranges = await swap.usedRanges?.(new StrictSource(bytes));
  if (ranges === undefined) throw new Error("swap has no usedRanges");
  return ranges;
}

/** A swap area that mkswap made on bytes that are not zero. */
async function made(size: number, ...options: string[]): Promise<Bytes> {
  await using image = new ImageFile(size);
  await Deno.writeFile(image.path, patternBytes(size));
  await run("mkswap", [...options, image.path]);
  return await image.bytes();
}

/** The bytes with a text at the end of the first page. */
function withMagic(bytes: Bytes, magic: string, pageBytes = 4096): Bytes {
  const copy = bytes.slice();
  copy.set(
    Uint8Array.from(magic.padEnd(10, "\0"), (each) => each.charCodeAt(0)),
    pageBytes - 10,
  );
  return copy;
}

for (const pageBytes of PAGES) {
  Deno.test({
    name: `of swap space with pages of ${pageBytes} bytes only the first is used`,
    ignore: needs("mkswap", "swaplabel", "blkid"),
    async fn(): Promise<void> {
      const bytes = await made(SIZE, "-p", String(pageBytes), "-L", "spare");
      assertEquals(await usedRanges(bytes), [{ offset: 0, length: pageBytes }]);

      await using copy = new ImageFile(SIZE);
      const file = await Deno.open(copy.path, { write: true });
      await file.write(bytes.subarray(0, pageBytes));
      file.close();
      await using original = new ImageFile(SIZE);
      await Deno.writeFile(original.path, bytes);
      const told = async (path: string): Promise<string[]> => [
        (await run("swaplabel", [path])).stdout,
        (await run("blkid", ["-p", "-o", "export", path])).stdout.replace(/^DEVNAME=.*$/m, ""),
      ];
      assertEquals(await told(copy.path), await told(original.path));
    },
  });
}

Deno.test({
  name: "swap of the other byte order, and what lies behind its last page",
  ignore: needs("mkswap"),
  async fn(): Promise<void> {
    const bytes = await made(SIZE);
    const view = new DataView(bytes.buffer);
    for (const at of [1024, 1028, 1032]) view.setUint32(at, view.getUint32(at, true), false);
    assertEquals(await usedRanges(bytes), [{ offset: 0, length: 4096 }]);
    // An array of disks keeps its superblock at the end, where the swap area does not reach.
    const longer = new Uint8Array(SIZE + 65536 + 100);
    longer.set(bytes);
    assertEquals(await usedRanges(longer), [
      { offset: 0, length: 4096 },
      { offset: SIZE, length: 65536 + 100 },
    ]);
  },
});

Deno.test({
  name: "swap space with bad pages",
  ignore: needs("mkswap"),
  async fn(): Promise<void> {
    const bytes = await made(SIZE);
    const view = new DataView(bytes.buffer);
    view.setUint32(1032, 2, true);
    view.setUint32(1536, 17, true);
    view.setUint32(1540, 18, true);
    assertEquals(await usedRanges(bytes), [{ offset: 0, length: 4096 }]);
    view.setUint32(1032, 638, true);
    await assertRejects(() => usedRanges(bytes), FormatError, "638 bad pages");
  },
});

Deno.test({
  name: "swap space that may hold something is doubtful",
  ignore: needs("mkswap"),
  async fn(): Promise<void> {
    const bytes = await made(SIZE);
    const refused = async (changed: Bytes, why: string): Promise<void> => {
      await assertRejects(() => usedRanges(changed), FormatError, why);
    };
    const tuxOnIce = "\xed\xc3\x02\xe9\x98\x56\xe5\x0c";
    const suspends = ["S1SUSPEND", "S2SUSPEND", "ULSUSPEND", "LINHIB0001", tuxOnIce];
    for (const magic of suspends) {
      await refused(withMagic(bytes, magic), "a hibernated system");
      await refused(withMagic(bytes, magic, 65536), "a hibernated system");
    }
    for (const offset of [0, 1024]) {
      const changed = bytes.slice();
      changed.set(Uint8Array.from(tuxOnIce, (each) => each.charCodeAt(0)), offset);
      await refused(changed, "a hibernated system");
    }
    await refused(withMagic(bytes, "SWAPSPACE2", 8192), "several page sizes");
    await refused(withMagic(bytes, "SWAP-SPACE"), "Linux 2.2");
    await refused(withMagic(bytes, "nothing"), "does not begin like Linux swap");
    await refused(new Uint8Array(100), "does not begin like Linux swap");

    const field = (at: number, value: number): Bytes => {
      const changed = bytes.slice();
      new DataView(changed.buffer).setUint32(at, value, true);
      return changed;
    };
    await refused(field(1024, 2), "version");
    await refused(field(1028, 0), "last page 0");
    await refused(field(1028, SIZE / 4096), "last page 1024");
    await refused(field(1028, 0xffff_ffff), "last page");
    await refused(bytes.slice(0, SIZE - 512), "last page 1023");
  },
});
