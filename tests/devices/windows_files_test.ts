/** Ordinary files on Windows itself. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { viewOf } from "../../ffi/layouts.ts";
import { OsError } from "../../ffi/os_error.ts";
import type { WINDOWS_CALLS } from "../../ffi/windows_calls.ts";
import * as windows from "../../ffi/windows_numbers.ts";
import { type WindowsCalls, WindowsThread } from "../../ffi/windows_thread.ts";
import { ImagingError, WriteError } from "../../src/core/errors.ts";
import { locateWindows } from "../../src/devices/windows_disks.ts";
import { WindowsFiles } from "../../src/devices/windows_files.ts";
import { openWindowsSource } from "../../src/devices/windows_source.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { failure } from "./fake_windows.ts";

const MIB = 1024 ** 2;

type Calls = typeof WINDOWS_CALLS;

/** The system's own calls, some of which end with an error. */
class FaultyThread implements WindowsCalls {
  readonly #thread = new WindowsThread();
  readonly #errorOf: (name: keyof Calls, args: readonly unknown[]) => number | undefined;

  constructor(errorOf: (name: keyof Calls, args: readonly unknown[]) => number | undefined) {
    this.#errorOf = errorOf;
  }

  async call<Name extends keyof Calls>(
    name: Name,
    ...args: Parameters<Calls[Name]>
  ): Promise<ReturnType<Calls[Name]>> {
    const error = this.#errorOf(name, args);
    if (error !== undefined) throw failure(name, error);
    return await this.#thread.call(name, ...args);
  }

  abandon(): Promise<void> {
    return this.#thread.abandon();
  }

  [Symbol.dispose](): void {
    this.#thread[Symbol.dispose]();
  }
}

/** A test that makes sense on Windows only, in a folder of its own. */
function windowsTest(
  name: string,
  body: (files: WindowsFiles, folder: string) => Promise<void>,
  start: () => WindowsCalls = () => new WindowsThread(),
): void {
  Deno.test({
    name,
    ignore: Deno.build.os !== "windows",
    async fn(): Promise<void> {
      const folder = Deno.makeTempDirSync({ prefix: "files" });
      try {
        await using files = new WindowsFiles(start, () => false);
        await body(files, folder);
      } finally {
        // What is left open cannot be removed, and fails the test.
        Deno.removeSync(folder, { recursive: true });
      }
    },
  });
}

function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

function text(path: string): string {
  return Deno.readTextFileSync(path);
}

// --- Images ---

windowsTest("an image is written at every place, also out of order", async (files, folder) => {
  const path = `${folder}\\card.img`;
  const image = patternBytes(2 * MIB);
  {
    await using file = await files.openImage(path);
    assertEquals([file.name, file.initialSize, file.sectorSize], [path, 0, 512]);
    // The last part first: the file is extended by a hole.
    await file.writeAt(MIB + 512, image.subarray(MIB + 512));
    await file.writeAt(512, image.subarray(512, MIB + 512));
    await file.writeAt(0, image.subarray(0, 512));
    await file.flush();
  }
  assertBytes(Deno.readFileSync(path), image);
  // It was closed: a further run may go on.
  await using again = await files.openImage(path);
  assertEquals(again.initialSize, 2 * MIB);
});

windowsTest(
  "what is asked for at once is done in the order of asking",
  async (files, folder) => {
    const path = `${folder}\\card.img`;
    {
      await using file = await files.openImage(path);
      await Promise.all([
        file.writeAt(MIB, patternBytes(4096)),
        file.writeAt(3 * MIB, patternBytes(4096)),
        file.setSize(2 * MIB),
        file.writeAt(MIB + 1024, patternBytes(512)),
        file.setSize(4 * MIB),
        file.flush(),
      ]);
    }
    const expected = new Uint8Array(4 * MIB);
    expected.set(patternBytes(4096), MIB);
    expected.set(patternBytes(512), MIB + 1024);
    assertBytes(Deno.readFileSync(path), expected);
  },
);

windowsTest("holes read as zeros, whatever stood there before", async (files, folder) => {
  const path = `${folder}\\card.img`;
  Deno.writeFileSync(path, new Uint8Array(MIB).fill(0xaa));
  {
    await using file = await files.openImage(path);
    assertEquals(file.initialSize, MIB);
    await file.setSize(1000);
    assertEquals(file.initialSize, 1000);
    await file.writeAt(MIB, patternBytes(512));
    await file.setSize(2 * MIB);
    assertEquals(
      file.initialSize,
      1000,
      "what was there when it was opened, less what was cut",
    );
    await file.setSize(2 * MIB);
  }
  const expected = new Uint8Array(2 * MIB).fill(0xaa, 0, 1000);
  expected.set(patternBytes(512), MIB);
  assertBytes(Deno.readFileSync(path), expected);
});

/** The holes that were made, from and to; and where the file ended then. */
const steps: string[] = [];

windowsTest(
  "what is left out becomes a hole before what lies behind it",
  async (files, folder) => {
    await using file = await files.openImage(`${folder}\\card.img`);
    steps.length = 0;
    await file.writeAt(0, patternBytes(512));
    await file.writeAt(4096, patternBytes(512));
    await file.writeAt(1024, patternBytes(512));
    await file.setSize(2048);
    await file.writeAt(8192, patternBytes(512));
    await file.setSize(10_000);
    assertEquals(steps, [
      "write 0+512",
      "end 4096",
      "hole 512-4096",
      "write 4096+512",
      "write 1024+512",
      "end 2048",
      "end 8192",
      "hole 2048-8192",
      "write 8192+512",
      "end 10000",
      "hole 8704-10000",
    ]);
  },
  () =>
    new FaultyThread((name, args) => {
      if (name === "write") steps.push(`write ${args[3]}+${args[2]}`);
      if (name === "setInformation") steps.push(`end ${u64(args[1], 0)}`);
      if (name === "control" && args[1] === windows.FSCTL_SET_ZERO_DATA) {
        steps.push(`hole ${u64(args[2], 0)}-${u64(args[2], 8)}`);
      }
      return undefined;
    }),
);

function u64(bytes: unknown, offset: number): bigint {
  return viewOf(bytes as Uint8Array).getBigUint64(offset, true);
}

windowsTest("beyond 4 GiB an image is its size, and takes no time", async (files, folder) => {
  const path = `${folder}\\large.img`;
  const size = 5 * 2 ** 30 + 512;
  {
    await using file = await files.openImage(path);
    await file.setSize(size);
    await file.writeAt(size - 512, patternBytes(512));
  }
  assertEquals(Deno.statSync(path).size, size);
  const file = Deno.openSync(path);
  file.seekSync(size - 512, Deno.SeekMode.Start);
  const tail = new Uint8Array(1000);
  assertEquals(file.readSync(tail), 512);
  file.close();
  assertBytes(tail.subarray(0, 512), patternBytes(512));
});

windowsTest("a second run is kept out, and a reader is not", async (files, folder) => {
  const path = `${folder}\\card.img.part`;
  await using file = await files.openImage(path);
  await file.writeAt(0, patternBytes(512));
  for (const sparse of [true, false]) {
    const error = await assertRejects(() => files.openImage(path, sparse), ImagingError);
    assertEquals([error.kind, error.osCode], ["environment", "ERROR_SHARING_VIOLATION"]);
    assertEquals(error.message, `cannot write ${path}: another run is writing it`);
    assertEquals(error.hint, "wait for it to end, or stop it");
  }
  assertBytes(await files.read(path) ?? new Uint8Array(), patternBytes(512));
  await file.writeAt(512, patternBytes(512));
});

windowsTest("an image gets its name while it is open", async (files, folder) => {
  const [from, to] = [`${folder}\\card.img.part`, `${folder}\\card.img`];
  {
    await using file = await files.openImage(from);
    await file.writeAt(0, patternBytes(512));
    await files.rename(from, to, false);
    await file.writeAt(512, patternBytes(512));
  }
  assertEquals(names(folder), ["card.img"]);
  assertEquals(Deno.statSync(to).size, 1024);
});

windowsTest(
  "where an image cannot be made, the error says what to do",
  async (files, folder) => {
    const path = `${folder}\\none\\card.img`;
    const missing = await assertRejects(() => files.openImage(path), ImagingError);
    assertEquals([missing.kind, missing.osCode], ["environment", "ERROR_PATH_NOT_FOUND"]);
    assertStringIncludes(missing.message, `cannot create ${path}: `);
    assertEquals(missing.hint, `make the folder ${folder}\\none first`);
    const invalid = await assertRejects(() => files.openImage(`${folder}\\a?b`), ImagingError);
    assertEquals(invalid.osCode, "ERROR_INVALID_NAME");
    assertStringIncludes(invalid.hint ?? "", "a name may not hold");
    const directory = await assertRejects(() => files.openImage(folder), ImagingError);
    assertEquals(directory.osCode, "ERROR_ACCESS_DENIED");
  },
);

windowsTest("a file system without holes takes images, too", async (files, folder) => {
  const path = `${folder}\\card.img`;
  {
    await using file = await files.openImage(path);
    await file.writeAt(MIB, patternBytes(512));
    await file.setSize(2 * MIB);
  }
  const expected = new Uint8Array(2 * MIB);
  expected.set(patternBytes(512), MIB);
  assertBytes(Deno.readFileSync(path), expected);
}, () =>
  new FaultyThread((name, [, code]) => {
    if (name !== "control") return undefined;
    assert(code === windows.FSCTL_SET_SPARSE, "asked for a hole where there are none");
    return 1;
  }));

windowsTest("who wants no holes is given none", async (files, folder) => {
  await using file = await files.openImage(`${folder}\\card.img`, false);
  await file.writeAt(MIB, patternBytes(512));
}, () =>
  new FaultyThread((name) => {
    assert(name !== "control", "asked for holes");
    return undefined;
  }));

/** Errors of a disk that is full, and of one that fails. */
const FULL = 112;
const IO_DEVICE = 1117;

windowsTest(
  "a full disk is told with what was tried",
  async (files, folder) => {
    const path = `${folder}\\card.img`;
    await using file = await files.openImage(path);
    const write = await assertRejects(() => file.writeAt(0, new Uint8Array(512)), WriteError);
    assertEquals([write.osCode, write.offset], ["ERROR_DISK_FULL", 0]);
    assertStringIncludes(write.hint ?? "", "free some room");
    const resize = await assertRejects(() => file.setSize(MIB), ImagingError);
    assertEquals(resize.osCode, "ERROR_DISK_FULL");
    assertStringIncludes(resize.message, `cannot make ${path} ${MIB} bytes long: `);
    const flush = await assertRejects(() => file.flush(), WriteError);
    assertEquals(flush.osCode, "ERROR_IO_DEVICE");
    assertStringIncludes(flush.message, "what was written may be lost");
  },
  () =>
    new FaultyThread((name) =>
      name === "write" || name === "setInformation"
        ? FULL
        : name === "flush"
        ? IO_DEVICE
        : undefined
    ),
);

windowsTest("a failure behind the opening leaves no handle", async (files, folder) => {
  const path = `${folder}\\card.img`;
  const error = await assertRejects(() => files.openImage(path), ImagingError);
  assertEquals(error.osCode, "ERROR_IO_DEVICE");
  Deno.removeSync(path);
  assertEquals(names(folder), []);
}, () => new FaultyThread((name) => name === "queryInformation" ? IO_DEVICE : undefined));

// --- Small files ---

windowsTest(
  "a small file is read whole; one that is not there is none",
  async (files, folder) => {
    const path = `${folder}\\card.img.map`;
    assertEquals(await files.read(path), undefined);
    assertEquals(await files.read(`${folder}\\none\\card.img.map`), undefined);
    Deno.writeTextFileSync(path, "");
    assertEquals(await files.read(path), new Uint8Array());
    Deno.writeFileSync(path, patternBytes(100_001));
    assertBytes(await files.read(path) ?? new Uint8Array(), patternBytes(100_001));
    const error = await assertRejects(() => files.read(path, 100_000), ImagingError);
    assertEquals(error.message, `cannot read ${path}: 100001 bytes are too many`);
    assertEquals((await files.read(path, 100_001))?.length, 100_001);
    const folderError = await assertRejects(() => files.read(folder), ImagingError);
    assertStringIncludes(folderError.message, `cannot open ${folder}: `);
  },
);

windowsTest(
  "a file is replaced as a whole, and nothing stays beside it",
  async (files, folder) => {
    const path = `${folder}\\card.img.map`;
    for (const content of ["first", "a longer second one", "x", ""]) {
      await files.writeAtomically(path, new TextEncoder().encode(content));
      assertEquals(text(path), content);
      assertEquals(names(folder), ["card.img.map"]);
    }
  },
);

windowsTest("what an interrupted run left beside it is replaced", async (files, folder) => {
  const path = `${folder}\\card.img.map`;
  Deno.writeTextFileSync(path, "old");
  Deno.writeTextFileSync(`${path}.tmp`, "half of something much longer");
  await files.writeAtomically(path, new TextEncoder().encode("new"));
  assertEquals([text(path), names(folder)], ["new", ["card.img.map"]]);
});

windowsTest(
  "a new content that cannot be written leaves the old one",
  async (files, folder) => {
    const path = `${folder}\\card.img.map`;
    Deno.writeTextFileSync(path, "old");
    const content = new TextEncoder().encode("new");
    const error = await assertRejects(() => files.writeAtomically(path, content), WriteError);
    assertEquals(error.osCode, "ERROR_DISK_FULL");
    assertEquals([text(path), names(folder)], ["old", ["card.img.map"]]);
  },
  () => new FaultyThread((name) => name === "write" ? FULL : undefined),
);

windowsTest("a new content that is not durable leaves the old one", async (files, folder) => {
  const path = `${folder}\\card.img.map`;
  Deno.writeTextFileSync(path, "old");
  const content = new TextEncoder().encode("new");
  await assertRejects(() => files.writeAtomically(path, content), WriteError, "may be lost");
  assertEquals([text(path), names(folder)], ["old", ["card.img.map"]]);
}, () => new FaultyThread((name) => name === "flush" ? IO_DEVICE : undefined));

windowsTest("a rename replaces only where that is wanted", async (files, folder) => {
  const [from, to] = [`${folder}\\card.img.part`, `${folder}\\card.img`];
  Deno.writeTextFileSync(from, "new");
  Deno.writeTextFileSync(to, "old");
  const error = await assertRejects(() => files.rename(from, to, false), ImagingError);
  assertEquals(error.message, `cannot name the result ${to}: it exists by now`);
  assertEquals(error.hint, `the complete image is ${from}: move it yourself`);
  assertEquals([text(from), text(to)], ["new", "old"]);
  await files.rename(from, to, true);
  assertEquals([text(to), names(folder)], ["new", ["card.img"]]);
  const missing = await assertRejects(() => files.rename(from, to, true), ImagingError);
  assertEquals(missing.osCode, "ERROR_FILE_NOT_FOUND");
  assertStringIncludes(missing.message, `cannot rename ${from} to ${to}: `);
  assertEquals(text(to), "new");
});

windowsTest(
  "a name that somebody holds open is given anew, or left alone",
  async (files, folder) => {
    const [from, to] = [`${folder}\\card.img.map.tmp`, `${folder}\\card.img.map`];
    Deno.writeTextFileSync(from, "new");
    Deno.writeTextFileSync(to, "old");
    const holder = Deno.openSync(to);
    try {
      await files.rename(from, to, true);
      assertEquals(text(to), "new");
    } catch (error) {
      // Windows, where the other program's way of opening it does not allow that.
      if (!(error instanceof ImagingError)) throw error;
      assertEquals(error.osCode, "ERROR_ACCESS_DENIED");
      assertEquals([text(from), text(to)], ["new", "old"]);
    } finally {
      holder.close();
    }
  },
);

windowsTest("removing takes along what was left beside it", async (files, folder) => {
  const path = `${folder}\\card.img.map`;
  Deno.writeTextFileSync(path, "");
  Deno.writeTextFileSync(`${path}.tmp`, "");
  Deno.writeTextFileSync(`${path}2`, "");
  await files.remove(path);
  assertEquals(names(folder), ["card.img.map2"]);
  Deno.writeTextFileSync(`${path}.tmp`, "");
  await files.remove(path);
  assertEquals(names(folder), ["card.img.map2"]);
});

windowsTest("removing what is not there does nothing", async (files, folder) => {
  await files.remove(`${folder}\\none`);
  await files.remove(`${folder}\\none\\none`);
  Deno.mkdirSync(`${folder}\\sub`);
  const error = await assertRejects(() => files.remove(`${folder}\\sub`), ImagingError);
  assertStringIncludes(error.message, `cannot remove ${folder}\\sub: `);
  assertEquals(names(folder), ["sub"]);
});

// --- Names ---

windowsTest("names may be long, and in any alphabet", async (files, folder) => {
  const deep = `${folder}\\${"d".repeat(100)}\\${"e".repeat(100)}\\${"f".repeat(100)}`;
  Deno.mkdirSync(`\\\\?\\${deep}`, { recursive: true });
  const paths = [
    `${deep}\\card.img`,
    `${folder}\\größe.img`,
    `${folder}\\日本語.img`,
    `${folder}\\😀.img`,
    `${folder}\\a b  c.img`,
    `${folder}\\.hidden`,
    `${folder}/with/../slashes.img`,
  ];
  for (const path of paths) {
    {
      await using file = await files.openImage(`${path}.part`);
      await file.writeAt(0, patternBytes(512));
    }
    await files.rename(`${path}.part`, path, false);
    await files.writeAtomically(`${path}.map`, new TextEncoder().encode(path));
    assertBytes(await files.read(path) ?? new Uint8Array(), patternBytes(512), path);
    assertEquals(new TextDecoder().decode(await files.read(`${path}.map`)), path);
    await files.remove(`${path}.map`);
    assertEquals(await files.read(`${path}.map`), undefined, path);
  }
  assertEquals(names(folder).filter((name) => name.includes(".img")), [
    "a b  c.img",
    "größe.img",
    "slashes.img",
    "日本語.img",
    "😀.img",
  ]);
});

windowsTest("dots and blanks at the end of a name do not count", async (files, folder) => {
  await files.writeAtomically(`${folder}\\name`, new TextEncoder().encode("one"));
  for (const name of ["name.", "name...", "name ", "name. ."]) {
    const content = await files.read(`${folder}\\${name}`);
    assertEquals(new TextDecoder().decode(content), "one", JSON.stringify(name));
  }
  await files.remove(`${folder}\\name.`);
  assertEquals(names(folder), []);
});

windowsTest("behind \\\\?\\ every character counts", async (files, folder) => {
  const path = `\\\\?\\${folder}\\name.`;
  await files.writeAtomically(path, new TextEncoder().encode("dotted"));
  assertEquals(new TextDecoder().decode(await files.read(path)), "dotted");
  assertEquals(await files.read(`${folder}\\name`), undefined);
  await files.remove(path);
});

// --- What a path names, and reading it ---

windowsTest("files and folders are known by every name", async (_, folder) => {
  Deno.writeTextFileSync(`${folder}\\card.img`, "12345");
  using thread = new WindowsThread();
  const identities = new Set<string>();
  const same = [
    `${folder}\\card.img`,
    `${folder}/CARD.IMG`,
    `\\\\?\\${folder}\\card.img`,
    `${folder}\\.\\card.img.`,
  ];
  for (const path of same) {
    const location = await locateWindows(thread, path);
    if (location.kind !== "file") throw new Error(`${path} is ${location.kind}`);
    assertEquals([location.path, location.size], [path, 5]);
    identities.add(location.identity);
  }
  assertEquals(identities.size, 1);
  Deno.writeTextFileSync(`${folder}\\other.img`, "12345");
  const other = await locateWindows(thread, `${folder}\\other.img`);
  assert(other.kind === "file" && !identities.has(other.identity));
  const kinds: string[] = [];
  for (const path of [folder, `${folder}\\`, `${folder}\\none`, `${folder}\\none\\x`, "NUL"]) {
    kinds.push((await locateWindows(thread, path)).kind);
  }
  assertEquals(kinds, ["directory", "directory", "missing", "missing", "character"]);
});

windowsTest("a file is read as it is, with and without the caches", async (_, folder) => {
  const path = `${folder}\\größe.img`;
  const content = patternBytes(1_000_001);
  Deno.writeFileSync(path, content);
  for (const direct of [false, true]) {
    await using source = await openWindowsSource(new WindowsThread(), path, { direct }, false);
    assertEquals(source.size, 1_000_001);
    for (const [offset, length] of [[0, 1_000_001], [4097, 8191], [999_000, 5000]] as const) {
      const into = new Uint8Array(length);
      const count = await source.readAt(offset, into);
      assertBytes(into.subarray(0, count), content.subarray(offset, offset + length));
    }
  }
});

windowsTest("a file that is not there cannot be opened", async (_, folder) => {
  using thread = new WindowsThread();
  const path = `${folder}\\none.img`;
  const error = await assertRejects(() => openWindowsSource(thread, path, {}, false), OsError);
  assertEquals(error.code, "ERROR_FILE_NOT_FOUND");
});
