import { assertEquals, assertThrows } from "@std/assert";
import {
  fileSystemMacos,
  parseStat,
  parseStatfs,
  realPathMacos,
  statMacos,
} from "../../ffi/macos_files.ts";
import { OsError } from "../../ffi/os_error.ts";

/** Puts little-endian numbers and texts at offsets of a structure. */
function structure(bytes: number, fill: (view: DataView) => void): Uint8Array {
  // Whatever is not read must not matter; nor where the structure lies in its buffer.
  const buffer = new Uint8Array(bytes + 16).fill(0xee);
  fill(new DataView(buffer.buffer, 8, bytes));
  return buffer.subarray(8, 8 + bytes);
}

function putText(view: DataView, at: number, text: string): void {
  for (const [index, byte] of new TextEncoder().encode(`${text}\0`).entries()) {
    view.setUint8(at + index, byte);
  }
}

Deno.test("a struct stat is read", () => {
  // Offsets by offsetof in a C program with the declaration of bsd/sys/stat.h.
  const stat = (mode: number): Uint8Array =>
    structure(144, (view) => {
      view.setInt32(0, 0x0100000d, true);
      view.setUint16(4, mode, true);
      view.setBigUint64(8, 1_152_921_500_312_345_678n, true);
      view.setInt32(24, -0x10000000 + 7, true);
      view.setBigInt64(96, 5_368_709_121n, true);
    });
  assertEquals(parseStat(stat(0o100644)), {
    kind: "file",
    size: 5_368_709_121,
    rdev: "240:7",
    dev: "1:13",
    inode: 1_152_921_500_312_345_678n,
    permissions: 0o644,
  });
  const kinds = [0o040755, 0o060640, 0o020640, 0o120755, 0o010644].map((mode) =>
    parseStat(stat(mode)).kind
  );
  assertEquals(kinds, ["directory", "block", "character", "other", "other"]);
});

Deno.test("a struct statfs is read", () => {
  const bytes = structure(2168, (view) => {
    putText(view, 72, "msdos");
    putText(view, 88, "/Volumes/KÄRTE");
    putText(view, 1112, "/dev/disk4s1");
  });
  assertEquals(parseStatfs(bytes), {
    type: "msdos",
    mountPoint: "/Volumes/KÄRTE",
    source: "/dev/disk4s1",
  });
});

Deno.test("a name of full length has no closing NUL to end at", () => {
  const bytes = structure(2168, (view) => {
    for (let at = 72; at < 88; at++) view.setUint8(at, 0x61);
    putText(view, 88, "/");
    putText(view, 1112, "devfs");
  });
  assertEquals(parseStatfs(bytes).type, "a".repeat(16));
});

const ignore = Deno.build.os !== "darwin";

Deno.test({
  name: "this Mac: what paths name, and where they lie",
  ignore,
  async fn(): Promise<void> {
    const file = await Deno.makeTempFile();
    try {
      await Deno.writeTextFile(file, "sector");
      const { size, kind, inode } = statMacos(file);
      assertEquals({ size, kind }, { size: 6, kind: "file" });
      assertEquals(inode, BigInt((await Deno.stat(file)).ino ?? 0));
      assertEquals(realPathMacos(file), await Deno.realPath(file));
      assertEquals(fileSystemMacos("/").mountPoint, "/");
      assertEquals(fileSystemMacos("/dev").type, "devfs");
      assertEquals(statMacos("/dev/null").kind, "character");
      assertEquals(assertThrows(() => statMacos(`${file}.none`), OsError).code, "ENOENT");
    } finally {
      await Deno.remove(file);
    }
  },
});
