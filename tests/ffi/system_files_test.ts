import { assert, assertEquals, assertThrows } from "@std/assert";
import { errnoError, lastErrno } from "../../ffi/libc.ts";
import { linuxLibc } from "../../ffi/linux_libc.ts";
import { O_CLOEXEC, O_DIRECTORY, O_RDONLY } from "../../ffi/linux.ts";
import { OsError } from "../../ffi/os_error.ts";
import { cString } from "../../ffi/strings.ts";
import {
  listDirectory,
  readLink,
  readSystemFile,
  realPath,
  statOpened,
  statPath,
} from "../../ffi/system_files.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { TemporaryFolder } from "../support/temporary.ts";

const ignore = Deno.build.os !== "linux";

function assertOsError(action: () => unknown, code: string, call: string): void {
  const error = assertThrows(action, OsError);
  assertEquals([error.code, error.call], [code, call]);
}

/** "major:minor" of a dev_t, as in include/linux/kdev_t.h (new_decode_dev). */
function deviceNumber(dev: number): string {
  const value = BigInt(dev);
  const major = (value >> 8n) & 0xfffn;
  const minor = (value & 0xffn) | ((value >> 12n) & 0xfff00n);
  return `${major}:${minor}`;
}

Deno.test({
  name: "statPath agrees with Deno.stat",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const file = await folder.write("file", patternBytes(1234));
    const sparse = await folder.write("sparse", "");
    // More than 32 bits.
    await Deno.truncate(sparse, 5 * 1024 ** 3 + 7);
    for (
      const [path, mode] of [[file, 0o640], [sparse, 0o4755], [folder.path, 0o700]] as const
    ) {
      await Deno.chmod(path, mode);
      const expected = await Deno.stat(path);
      const { kind, size, inode, permissions, dev } = statPath(path);
      assertEquals(kind, expected.isFile ? "file" : "directory");
      assertEquals(size, expected.size);
      assertEquals(inode, BigInt(expected.ino ?? 0));
      assertEquals(permissions, mode);
      assertEquals(dev, deviceNumber(expected.dev));
    }
  },
});

Deno.test({
  name: "statOpened knows a file that has no name any more",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const file = await folder.write("file", patternBytes(1234));
    const named = statPath(file);
    const descriptor = linuxLibc().open(cString(file), O_RDONLY | O_CLOEXEC, 0);
    try {
      assertEquals(statOpened(descriptor), named);
      await Deno.remove(file);
      assertEquals(statOpened(descriptor), named);
    } finally {
      linuxLibc().close(descriptor);
    }
    assertOsError(() => statOpened(descriptor), "EBADF", "statx");
  },
});

Deno.test({
  name: "statPath follows links, unless it is told not to",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const file = await folder.write("file", "12345");
    await Deno.symlink("file", folder.file("link"));
    assertEquals(statPath(folder.file("link")), statPath(file));
    const link = statPath(folder.file("link"), false);
    assertEquals(link.kind, "other");
    assertEquals(link.inode, BigInt((await Deno.lstat(folder.file("link"))).ino ?? 0));
  },
});

Deno.test({
  name: "devices have a number: /dev/null is 1:3 (Documentation/admin-guide/devices.txt)",
  ignore,
  fn(): void {
    const { kind, rdev, size } = statPath("/dev/null");
    assertEquals([kind, rdev, size], ["character", "1:3", 0]);
  },
});

Deno.test({
  name: "what cannot be found has the code of the system, and the call that failed",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const file = await folder.write("file", "");
    await Deno.symlink("circle", folder.file("circle"));
    const missing = folder.file("missing");
    const below = `${file}/below`;
    assertOsError(() => statPath(missing), "ENOENT", "statx");
    assertOsError(() => statPath(below), "ENOTDIR", "statx");
    assertOsError(() => statPath(folder.file("circle")), "ELOOP", "statx");
    assertOsError(() => statPath(folder.file("x".repeat(300))), "ENAMETOOLONG", "statx");
    assertOsError(() => readSystemFile(missing), "ENOENT", "open");
    assertOsError(() => readSystemFile(below), "ENOTDIR", "open");
    assertOsError(() => readSystemFile(folder.path), "EISDIR", "read");
    assertOsError(() => listDirectory(missing), "ENOENT", "opendir");
    assertOsError(() => listDirectory(file), "ENOTDIR", "opendir");
    assertOsError(() => readLink(missing), "ENOENT", "readlink");
    assertOsError(() => readLink(file), "EINVAL", "readlink");
    assertOsError(() => realPath(missing), "ENOENT", "realpath");
    assertOsError(() => realPath(folder.file("circle")), "ELOOP", "realpath");
  },
});

Deno.test({
  name: "O_DIRECTORY is the flag of this machine: a file is refused",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const file = await folder.write("file", "");
    const flags = O_RDONLY | O_CLOEXEC | O_DIRECTORY;
    assertEquals(linuxLibc().open(cString(file), flags, 0), -1);
    assertEquals(errnoError("open", lastErrno()).code, "ENOTDIR");
    const descriptor = linuxLibc().open(cString(folder.path), flags, 0);
    assert(descriptor >= 0);
    assertEquals(linuxLibc().close(descriptor), 0);
  },
});

Deno.test({
  name: "readSystemFile gives the whole file, around the 64 KiB that are read at once",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    for (const length of [0, 1, 65535, 65536, 65537, 200_001]) {
      const content = patternBytes(length);
      assertBytes(readSystemFile(await folder.write("file", content)), content);
    }
  },
});

Deno.test({
  name: "readSystemFile leaves no descriptor open, also when it fails",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const file = await folder.write("file", "content");
    // Listing opens one, so the count itself is one too many each time.
    const before = listDirectory("/proc/self/fd").length;
    for (let round = 0; round < 20; round++) {
      readSystemFile(file);
      assertThrows(() => readSystemFile(folder.path), OsError);
      listDirectory(folder.path);
      assertThrows(() => listDirectory(file), OsError);
    }
    assertEquals(listDirectory("/proc/self/fd").length, before);
  },
});

Deno.test({
  name: "listDirectory gives every name, sorted, also odd ones and many",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    assertEquals(listDirectory(folder.path), []);
    const odd = [".hidden", "..two", "with blank", "new\nline", "ä 漢字 💾", "-dash"];
    const many = Array.from({ length: 2000 }, (_, index) => `file ${index}`);
    for (const name of [...odd, ...many]) await folder.write(name, "");
    assertEquals(listDirectory(folder.path), await folder.names());
    assertEquals(listDirectory(folder.path).length, odd.length + many.length);
  },
});

Deno.test({
  name: "readLink gives the target as it stands there; realPath resolves it",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const target = `${"d/".repeat(1000)}ä`;
    await Deno.symlink(target, folder.file("long"));
    assertEquals(readLink(folder.file("long")), target);

    await folder.folder("inner");
    await folder.write("inner/file", "");
    await Deno.symlink("inner", folder.file("first"));
    await Deno.symlink("first", folder.file("second"));
    const path = folder.file("second/../second/./file");
    assertEquals(readLink(folder.file("second")), "first");
    assertEquals(realPath(path), await Deno.realPath(path));
  },
});
