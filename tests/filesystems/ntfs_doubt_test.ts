/** What makes an NTFS volume doubtful, so that it is copied whole. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { FormatError } from "../../src/core/errors.ts";
import { endOf, type Range, totalLength } from "../../src/core/range.ts";
import { ntfs } from "../../src/filesystems/all.ts";
import { patternBytes } from "../support/pattern.ts";
import { TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";
import { run, StrictSource } from "../volumes/image_tools.ts";
import {
  attributeAt,
  attributeBytes,
  catalogBlock,
  DATA,
  dataBytes,
  FILE_NAME,
  finishRestartPage,
  NtfsImage,
  residentAttribute,
  type RestartPage,
  restartPage,
  setAttributes,
  VOLUME_INFORMATION,
  VSS_GUID,
  withSplitBitmap,
} from "./ntfs_image.ts";

const MIB = 1024 * 1024;
const SIZE = 4 * MIB;
const TOOLS = ["mkntfs", "ntfscp"];

async function usedOf(image: NtfsImage): Promise<readonly Range[]> {
  const ranges = await ntfs.usedRanges?.(new StrictSource(image.bytes));
  if (ranges === undefined) throw new Error("NTFS has no usedRanges");
  return ranges;
}

async function refused(image: NtfsImage, why: string): Promise<void> {
  await assertRejects(() => usedOf(image), FormatError, why);
}

/** Does ntfsclone, which wants a volume that is clean, take it? */
async function isTakenByNtfsclone(image: NtfsImage): Promise<boolean> {
  await using folder = await TemporaryFolder.create();
  const path = await folder.write("volume", image.bytes);
  try {
    await run("ntfsclone", ["--save-image", "--quiet", "--output", folder.file("out"), path]);
    return true;
  } catch {
    return false;
  }
}

/** Will ntfs-3g, told not to repair anything, write to it? */
async function isMountedForWriting(image: NtfsImage): Promise<boolean> {
  await using folder = await TemporaryFolder.create();
  const path = await folder.write("volume", image.bytes);
  const { stdout, stderr } = await run("ntfs-3g.probe", ["--readwrite", path], "", [
    0,
    12,
    13,
    14,
    15,
    16,
    17,
    18,
    19,
    20,
    21,
  ]);
  return stdout + stderr === "";
}

Deno.test({
  name: "the flags and the version of an NTFS volume",
  ignore: needs(...TOOLS, "ntfsclone"),
  async fn(): Promise<void> {
    const image = await NtfsImage.made(SIZE);
    const whole = await usedOf(image);
    const withState = (major: number, minor: number, flags: number): NtfsImage =>
      image.clone().edit(3, (view, record) => {
        const attribute = attributeAt(record, VOLUME_INFORMATION);
        const content = attribute + view.getUint16(attribute + 20, true);
        view.setUint8(content + 8, major);
        view.setUint8(content + 9, minor);
        view.setUint16(content + 10, flags, true);
      });
    for (const flags of [0, 0x8000, 0x0080, 0x0008, 0x0026]) {
      assertEquals(await usedOf(withState(3, 1, flags)), whole);
    }
    assertEquals(await usedOf(withState(3, 0, 0)), whole);
    assert(await isTakenByNtfsclone(withState(3, 1, 0)));
    assert(!await isTakenByNtfsclone(withState(3, 1, 1)));
    await refused(withState(3, 1, 0x0001), "marked as dirty");
    await refused(withState(3, 1, 0x8001), "marked as dirty");
    await refused(withState(3, 1, 0x0010), "change journal");
    await refused(withState(3, 1, 0x4000), "chkdsk");
    await refused(withState(3, 1, 0x0040), "flags 40h");
    await refused(withState(3, 1, 0x0100), "flags 100h");
    await refused(withState(1, 2, 0), "NTFS 1.2");
    await refused(withState(3, 2, 0), "NTFS 3.2");
  },
});

/** The volume with these at the beginning of its $LogFile. */
function withPages(
  image: NtfsImage,
  first: RestartPage,
  second: RestartPage = first,
): NtfsImage {
  const logBytes = dataBytes(image, 2);
  const changed = image.clone();
  const log = new Uint8Array(logBytes).fill(0xff);
  log.set(finishRestartPage(restartPage(first), logBytes));
  log.set(finishRestartPage(restartPage(second), logBytes), 4096);
  changed.setContent(2, log);
  return changed;
}

Deno.test({
  name: "the journal of an NTFS volume tells whether it was dismounted cleanly",
  ignore: needs(...TOOLS, "ntfs-3g.probe"),
  async fn(): Promise<void> {
    const image = await NtfsImage.made(SIZE);
    const whole = await usedOf(image);
    const clean = { flags: 2 };
    const open = { flags: 0 };
    const fast = { major: 2, minor: 0 };
    const cases: readonly (readonly [NtfsImage, string])[] = [
      [withPages(image, clean), ""],
      [withPages(image, { flags: 0, clientInUse: 0xffff }), ""],
      [withPages(image, { ...open, sequence: 5n }, { ...clean, sequence: 6n }), ""],
      [withPages(image, { ...clean, sequence: 6n }, { ...open, sequence: 5n }), ""],
      [withPages(image, open), "not dismounted cleanly"],
      [
        withPages(image, { ...clean, sequence: 5n }, { ...open, sequence: 6n }),
        "not dismounted",
      ],
      [
        withPages(image, { ...open, sequence: 6n }, { ...clean, sequence: 5n }),
        "not dismounted",
      ],
      [withPages(image, { ...clean, ...fast }), "has not let go of it"],
      [withPages(image, { ...open, ...fast }), "has not let go of it"],
    ];
    for (const [changed, why] of cases) {
      assertEquals(await isMountedForWriting(changed), why === "", why);
      if (why === "") assertEquals(await usedOf(changed), whole);
      else await refused(changed, why);
    }
  },
});

Deno.test({
  name: "a journal of an NTFS volume that ntfs-3g does not mind, but that leaves a doubt",
  ignore: needs(...TOOLS),
  async fn(): Promise<void> {
    const image = await NtfsImage.made(SIZE);
    const clean = withPages(image, { flags: 2 });
    await refused(withPages(image, { flags: 2 }, { flags: 0 }), "not dismounted");
    await refused(withPages(image, { major: 0, minor: 0 }), "version of its $LogFile");
    const log = image.firstCluster(2) * image.clusterBytes;
    const torn = clean.clone();
    torn.bytes[log + 4096 + 1023] = 99;
    await refused(torn, "is torn");
    const checked = clean.clone();
    checked.bytes.set(new TextEncoder().encode("CHKD"), log);
    await refused(checked, "$LogFile is damaged");
    const zero = image.clone();
    zero.bytes.fill(0, log, log + 8192);
    await refused(zero, "$LogFile is damaged");
  },
});

Deno.test({
  name: "a hibernated Windows in an NTFS volume",
  ignore: needs(...TOOLS, "ntfs-3g.probe"),
  async fn(): Promise<void> {
    for (const length of [100, 4096, 40_000]) {
      const withFile = async (name: string, start: string): Promise<NtfsImage> => {
        const content = new Uint8Array(length);
        content.set(new TextEncoder().encode(start));
        return await NtfsImage.made(SIZE, 4096, { [name]: content });
      };
      for (const start of ["hibr", "HIBR"]) {
        const asleep = await withFile("hiberfil.sys", start);
        await refused(asleep, "a hibernated Windows");
        if (length >= 4096) assert(!await isMountedForWriting(asleep), start);
      }
      await refused(await withFile("HIBERFIL.SYS", "hibr"), "a hibernated Windows");
      await refused(await withFile("hiberfil.sys", "rstr"), "may hold");
      await refused(await withFile("hiberfil.sys", "\x01"), "may hold");
      for (const start of ["wake", "WAKE", ""]) {
        const awake = await withFile("hiberfil.sys", start);
        assert((await usedOf(awake)).length > 0);
        if (length >= 4096) assert(await isMountedForWriting(awake), start);
      }
      assert((await usedOf(await withFile("hiberfil.txt", "hibr"))).length > 0);
    }
  },
});

Deno.test({
  name: "shadow copies read free clusters of an NTFS volume",
  ignore: needs(...TOOLS, "vshadowinfo"),
  async fn(): Promise<void> {
    const image = await NtfsImage.made(SIZE);
    const whole = await usedOf(image);
    const first = SIZE - 200 * 1024;
    const second = first + 16384;
    const withHeader = (catalog: number, version = 1): NtfsImage => {
      const changed = image.clone();
      const at = 7680;
      changed.bytes.set(VSS_GUID, at);
      changed.view.setUint32(at + 16, version, true);
      changed.view.setUint32(at + 20, 1, true);
      changed.view.setBigUint64(at + 24, 7680n, true);
      changed.view.setBigUint64(at + 32, 7680n, true);
      changed.view.setBigUint64(at + 48, BigInt(catalog), true);
      return changed;
    };
    const withCatalog = (entries: readonly number[], next = 0): NtfsImage => {
      const changed = withHeader(first);
      changed.bytes.set(catalogBlock(first, next, entries), first);
      changed.bytes.set(catalogBlock(second, 0, [0, 2]), second);
      return changed;
    };
    assertEquals(await usedOf(withHeader(0)), whole);
    assertEquals(await usedOf(withHeader(0, 2)), whole);
    assertEquals(await usedOf(withCatalog([])), whole);
    assertEquals(await usedOf(withCatalog([1, 0, 1])), whole);
    await refused(withCatalog([1, 2]), "shadow copies (restore points)");
    await refused(withCatalog([1, 3]), "shadow copies (restore points)");
    await refused(withCatalog([], second), "shadow copies (restore points)");
    await refused(withCatalog([], first), "endless");
    await refused(withHeader(first), "damaged list");
    await refused(withHeader(SIZE), "reaches past the end");
    await refused(withHeader(0, 3), "unknown version");
    const elsewhere = withCatalog([]);
    elsewhere.bytes[7680 + 80] = 1;
    await refused(elsewhere, "another volume");

    // The layout is the one that libvshadow reads.
    await using folder = await TemporaryFolder.create();
    const path = await folder.write("volume", withCatalog([1, 0, 1]).bytes);
    const { stdout } = await run("vshadowinfo", [path]);
    assert(/Number of stores:\s+0\b/.test(stdout), stdout);
  },
});

Deno.test({
  name: "clusters of NTFS files that $Bitmap calls free",
  ignore: needs(...TOOLS, "ntfsclone"),
  async fn(): Promise<void> {
    const image = await NtfsImage.made(SIZE, 4096, { "one file": patternBytes(50_000) });
    assert(await isTakenByNtfsclone(image));
    // $MFT, $MFTMirr, $LogFile, $AttrDef, $Bitmap, $Boot, $UpCase; files begin at 64.
    for (const number of [0, 1, 2, 4, 6, 7, 10, 64]) {
      const changed = image.clone().free(image.firstCluster(number));
      await refused(changed, "clusters that $Bitmap calls free");
      assert(!await isTakenByNtfsclone(changed), `record ${number}`);
    }
    await refused(image.clone().free(image.firstCluster(64) + 12), "$Bitmap calls free");
  },
});

/** A copy of the volume with another record; `at` is where its data is told of. */
function edited(
  image: NtfsImage,
  number: number,
  change: (view: DataView, at: number) => void,
): NtfsImage {
  return image.clone().edit(number, (view, record) => change(view, attributeAt(record, DATA)));
}

Deno.test({
  name: "file records of NTFS that are torn, or not those of the copy",
  ignore: needs(...TOOLS),
  async fn(): Promise<void> {
    const image = await NtfsImage.made(SIZE, 4096, { "one file": patternBytes(50_000) });
    const changed = (change: (copy: NtfsImage) => void): NtfsImage => {
      const copy = image.clone();
      change(copy);
      return copy;
    };
    await refused(
      changed((copy) => copy.bytes[copy.mirrorOffset(2) + 300] = 9),
      "not the same in $MFT and in $MFTMirr",
    );
    for (const number of [0, 6, 64]) {
      await refused(
        changed((copy) => copy.bytes[copy.recordOffset(number) + 1023] = 0xab),
        `file record ${number} is torn`,
      );
      await refused(
        changed((copy) =>
          copy.bytes.set(new TextEncoder().encode("BAAD"), copy.recordOffset(number))
        ),
        "is damaged",
      );
    }
  },
});

Deno.test({
  name: "file records of NTFS that contradict themselves",
  ignore: needs(...TOOLS),
  async fn(): Promise<void> {
    const image = await NtfsImage.made(SIZE, 4096, { "one file": patternBytes(50_000) });
    await refused(edited(image, 64, (view) => view.setUint32(44, 65, true)), "is another one");
    await refused(
      edited(image, 64, (view) => view.setUint32(24, 5000, true)),
      "impossible size",
    );
    await refused(
      edited(image, 64, (view) => view.setUint32(28, 4096, true)),
      "impossible size",
    );
    await refused(
      edited(image, 64, (view) => view.setUint16(20, 57, true)),
      "impossible header",
    );
    await refused(
      edited(image, 64, (view, at) => view.setUint32(at + 4, 800, true)),
      "an impossible length",
    );
    await refused(
      edited(image, 64, (view, at) => view.setUint8(at + 8, 2)),
      `the file record at byte ${image.recordOffset(64)} holds an attribute with an impossible`,
    );
    await refused(
      edited(image, 64, (view, at) => view.setBigInt64(at + 24, 99n, true)),
      "how many clusters it has in two ways",
    );
    await refused(
      edited(image, 64, (view, at) => view.setUint8(at + view.getUint16(at + 32, true), 0x77)),
      "about its clusters",
    );
  },
});

Deno.test({
  name: "the file record of $Bitmap of NTFS",
  ignore: needs(...TOOLS),
  async fn(): Promise<void> {
    const image = await NtfsImage.made(SIZE);
    await refused(
      edited(image, 6, (view) => view.setUint16(22, 0, true)),
      "is not that of $Bitmap",
    );
    await refused(
      image.clone().edit(6, (view, record) => {
        const name = attributeAt(record, FILE_NAME);
        view.setUint8(name + view.getUint16(name + 20, true) + 66 + 2, "X".charCodeAt(0));
      }),
      "is not that of $Bitmap",
    );
    await refused(
      edited(image, 6, (view, at) => view.setUint16(at + 12, 1, true)),
      "compressed, sparse or encrypted",
    );
    await refused(
      edited(image, 6, (view, at) => view.setBigUint64(at + 56, 100n, true)),
      "shorter than it must be",
    );
    await refused(
      edited(image, 6, (view, at) => view.setBigUint64(at + 40, 8192n, true)),
      "of another size than its clusters",
    );
  },
});

Deno.test({
  name: "the boot sector and the size of an NTFS volume",
  ignore: needs(...TOOLS),
  async fn(): Promise<void> {
    const image = await NtfsImage.made(SIZE);
    const whole = await usedOf(image);
    const changed = (change: (view: DataView) => void): NtfsImage => {
      const copy = image.clone();
      change(copy.view);
      return copy;
    };
    const last = whole.at(-1);
    if (last === undefined) throw new Error("nothing is used");
    assert(endOf(last) === SIZE && last.length === 4096);
    // A partition may be larger than what is in it.
    const longer = new NtfsImage(new Uint8Array(SIZE + 12_345));
    longer.bytes.set(image.bytes);
    assertEquals(
      await usedOf(longer),
      [...whole.slice(0, -1), { offset: last.offset, length: 4096 + 12_345 }],
    );
    assertEquals(totalLength(await usedOf(longer)), totalLength(whole) + 12_345);
    // Without the copy of the boot sector, but with every cluster.
    const shorter = new NtfsImage(image.bytes.slice(0, SIZE - 512));
    assertEquals(totalLength(await usedOf(shorter)), totalLength(whole) - 512);
    await refused(new NtfsImage(image.bytes.slice(0, SIZE - 1024)), "more than there are");
    await refused(changed((view) => view.setBigUint64(40, 2n ** 60n, true)), "more than there");
    await refused(changed((view) => view.setBigUint64(40, 0n, true)), "outside of the volume");
    await refused(changed((view) => view.setUint16(510, 0, true)), "55 AA");
    await refused(changed((view) => view.setUint8(13, 0xf0)), "clusters of 33554432 bytes");
    await refused(changed((view) => view.setUint8(64, 3)), "12288 bytes");
    await refused(changed((view) => view.setBigUint64(48, 99_999n, true)), "$MFT lies outside");
    await refused(changed((view) => view.setBigUint64(56, 2n ** 63n, true)), "$MFTMirr");
    await refused(changed((view) => view.setBigUint64(56, 5n, true)), "$MFTMirr is not where");
    await refused(changed((view) => view.setUint8(3, 0)), "does not begin like NTFS");
  },
});

Deno.test({
  name: "$Bitmap of NTFS in its file record",
  ignore: needs(...TOOLS),
  async fn(): Promise<void> {
    const image = await NtfsImage.made(SIZE);
    const bitmap = image.firstCluster(6) * image.clusterBytes;
    const content = image.bytes.slice(bitmap, bitmap + 128);
    const resident = image.clone().edit(6, (_, record) => {
      const attribute = residentAttribute(DATA, content);
      const others = [0x10, FILE_NAME].map((type) => attributeBytes(record, type));
      setAttributes(record, [...others, attribute]);
    });
    assertEquals(await usedOf(resident), await usedOf(image));
  },
});

Deno.test({
  name: "$Bitmap of NTFS in the extents of an attribute list",
  ignore: needs(...TOOLS, "ntfsclone", "ntfsinfo"),
  async fn(): Promise<void> {
    // 8192 clusters: 1024 bytes, two clusters.
    const image = await NtfsImage.made(SIZE, 512, { "one file": patternBytes(50_000) });
    assert(dataBytes(image, 6) > 512);
    const split = withSplitBitmap(image);
    assertEquals(await usedOf(split), await usedOf(image));
    await using folder = await TemporaryFolder.create();
    const figures = async (each: NtfsImage): Promise<RegExpExecArray | null> => {
      const path = await folder.write("volume", each.bytes);
      const { stdout } = await run("ntfsinfo", ["-m", path]);
      return /Free Clusters: \d+ \(.*\)/.exec(stdout);
    };
    assertEquals((await figures(split))?.[0], (await figures(image))?.[0]);
    assert(await figures(image) !== null);
    assert(await isTakenByNtfsclone(split));

    await refused(withSplitBitmap(image, [1, 2]), "the list of attributes");
    const gone = split.clone().edit(25, (view) => view.setUint16(22, 0, true));
    await refused(gone, "the list of attributes");
    const stranger = split.clone().edit(25, (view) => view.setUint32(32, 7, true));
    await refused(stranger, "the list of attributes");
    const later = split.clone().edit(25, (view, record) => {
      view.setBigUint64(attributeAt(record, DATA) + 16, 2n, true);
      view.setBigUint64(attributeAt(record, DATA) + 24, 2n, true);
    });
    await refused(later, "the list of attributes");
  },
});
