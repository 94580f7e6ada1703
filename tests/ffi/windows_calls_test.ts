/** The calls of Windows against the system itself. */
import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import * as layouts from "../../ffi/layouts.ts";
import { allocateAligned } from "../../ffi/memory.ts";
import { OsError } from "../../ffi/os_error.ts";
import { type OpenOptions, WINDOWS_CALLS as calls } from "../../ffi/windows_calls.ts";
import * as windows from "../../ffi/windows_numbers.ts";
import { prepareWindowsThread, WindowsThread } from "../../ffi/windows_thread.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";

const { FILE_INFORMATION_CLASS, FS_INFORMATION_CLASS } = windows;
const SHARE_ALL = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE |
  windows.FILE_SHARE_DELETE;

const READING: OpenOptions = {
  access: windows.GENERIC_READ | windows.SYNCHRONIZE,
  share: SHARE_ALL,
  disposition: windows.FILE_OPEN,
  options: windows.FILE_SYNCHRONOUS_IO_NONALERT | windows.FILE_NON_DIRECTORY_FILE,
};
const WRITING: OpenOptions = {
  ...READING,
  access: READING.access | windows.GENERIC_WRITE | windows.DELETE,
  disposition: windows.FILE_OPEN_IF,
};
/** Also for folders. */
const ASKING: OpenOptions = {
  ...READING,
  access: windows.FILE_READ_ATTRIBUTES | windows.SYNCHRONIZE,
  options: windows.FILE_SYNCHRONOUS_IO_NONALERT | windows.FILE_OPEN_FOR_BACKUP_INTENT,
};

/** A test that makes sense on Windows only, in a folder of its own. */
function windowsTest(name: string, body: (folder: string) => void | Promise<void>): void {
  Deno.test({
    name,
    ignore: Deno.build.os !== "windows",
    async fn(): Promise<void> {
      const folder = Deno.makeTempDirSync({ prefix: "calls" });
      try {
        await body(folder);
      } finally {
        Deno.removeSync(folder, { recursive: true });
      }
    },
  });
}

function withFile<Result>(
  path: string,
  opening: OpenOptions,
  use: (handle: bigint) => Result,
): Result {
  const handle = calls.open(path, opening);
  try {
    return use(handle);
  } finally {
    calls.close(handle);
  }
}

function errorOf(run: () => unknown): string {
  const { call, code } = assertThrows(run, OsError);
  return `${call} ${code}`;
}

function write(handle: bigint, offset: number, bytes: Uint8Array): number {
  using memory = allocateAligned(bytes.length);
  memory.bytes.set(bytes);
  return calls.write(handle, memory.address, bytes.length, offset);
}

function read(handle: bigint, offset: number, length: number): Uint8Array {
  using memory = allocateAligned(length);
  memory.bytes.fill(0xee);
  const count = calls.read(handle, memory.address, length, offset);
  assert(memory.bytes.subarray(count).every((byte) => byte === 0xee), "bytes behind them");
  return memory.bytes.slice(0, count);
}

function sizeOf(handle: bigint): number {
  const kind = FILE_INFORMATION_CLASS.FileStandardInformation;
  const { bytes } = layouts.FILE_STANDARD_INFORMATION;
  return layouts.fileStandardInformation(calls.queryInformation(handle, bytes, kind)).size;
}

function setSize(handle: bigint, size: number): void {
  const information = layouts.fileEndOfFileInformation(size);
  calls.setInformation(handle, information, FILE_INFORMATION_CLASS.FileEndOfFileInformation);
}

// --- Opening ---

windowsTest("what cannot be opened has the system's name for it", (folder) => {
  Deno.writeTextFileSync(`${folder}\\file`, "");
  const attempts: readonly [string, OpenOptions, string][] = [
    [`${folder}\\none`, READING, "ERROR_FILE_NOT_FOUND"],
    [`${folder}\\none\\none`, READING, "ERROR_PATH_NOT_FOUND"],
    [`${folder}\\file\\none`, READING, "ERROR_PATH_NOT_FOUND"],
    [`${folder}\\a<b`, WRITING, "ERROR_INVALID_NAME"],
    [folder, READING, "ERROR_ACCESS_DENIED"],
    [
      `${folder}\\file`,
      { ...WRITING, disposition: windows.FILE_CREATE },
      "ERROR_ALREADY_EXISTS",
    ],
    ["\\\\.\\PhysicalDrive987", ASKING, "ERROR_FILE_NOT_FOUND"],
  ];
  for (const [path, opening, code] of attempts) {
    assertEquals(errorOf(() => calls.open(path, opening)), `NtCreateFile ${code}`, path);
  }
});

windowsTest("who shares nothing lets nobody in, until it is closed", (folder) => {
  const path = `${folder}\\file`;
  withFile(path, { ...WRITING, share: 0 }, () => {
    const refused = errorOf(() => calls.open(path, READING));
    assertEquals(refused, "NtCreateFile ERROR_SHARING_VIOLATION");
  });
  withFile(path, READING, () => {});
});

windowsTest("a handle is closed once, and used no more", (folder) => {
  const handle = calls.open(`${folder}\\file`, WRITING);
  calls.close(handle);
  assertEquals(errorOf(() => read(handle, 0, 1)), "NtReadFile ERROR_INVALID_HANDLE");
  assertEquals(errorOf(() => write(handle, 0, new Uint8Array(1))).split(" ")[0], "NtWriteFile");
  assertEquals(errorOf(() => calls.close(handle)), "NtClose ERROR_INVALID_HANDLE");
});

windowsTest(
  "names are the same in whatever case, with either slash, and relative",
  (folder) => {
    const path = `${folder}\\Größe 日本 😀.img`;
    withFile(path, WRITING, (handle) => write(handle, 0, Uint8Array.of(7)));
    const before = Deno.cwd();
    Deno.chdir(folder);
    try {
      const names = [
        path.replaceAll("\\", "/"),
        `\\\\?\\${path}`,
        `${folder}\\.\\x\\..\\Größe 日本 😀.img`,
        "Größe 日本 😀.img",
        ".\\Größe 日本 😀.img",
        `${folder}\\GRÖßE 日本 😀.IMG`,
      ];
      for (const name of names.slice(1)) {
        withFile(name, READING, (handle) => assertEquals(sizeOf(handle), 1, name));
      }
      withFile(
        `${folder}\\GRÖßE 日本 😀.IMG`,
        READING,
        (handle) => assertEquals(sizeOf(handle), 1),
      );
    } finally {
      Deno.chdir(before);
    }
  },
);

windowsTest("a name that holds a NUL names nothing", (folder) => {
  const path = `${folder}\\a\0b`;
  assertThrows(() => calls.open(path, WRITING), TypeError, "NUL");
  assertEquals([...Deno.readDirSync(folder)], []);
});

windowsTest("names are as long as they like", (folder) => {
  let path = folder;
  for (let level = 0; level < 12; level++) {
    path = `${path}\\${String(level).repeat(30)}`;
    Deno.mkdirSync(`\\\\?\\${path}`);
  }
  const file = `${path}\\card.img`;
  assert(file.length > 380);
  withFile(file, WRITING, (handle) => write(handle, 0, Uint8Array.of(1, 2, 3)));
  withFile(`\\\\?\\${file}`, READING, (handle) => assertEquals(sizeOf(handle), 3));
});

// --- Reading and writing ---

windowsTest("what is written beyond 4 GiB is there, and not 4 GiB before", (folder) => {
  const far = 5 * 2 ** 30 + 12_345;
  const bytes = patternBytes(10_000);
  withFile(`${folder}\\large`, WRITING, (handle) => {
    calls.control(handle, windows.FSCTL_SET_SPARSE, null, 0);
    setSize(handle, far);
    assertEquals(write(handle, far, bytes), 10_000);
    assertEquals(sizeOf(handle), far + 10_000);
    assertBytes(read(handle, far, 10_000), bytes);
    assertBytes(read(handle, far - 2 ** 32, 100), new Uint8Array(100));
  });
});

windowsTest("a read at the end is short, and behind it empty", (folder) => {
  const bytes = patternBytes(1000);
  withFile(`${folder}\\file`, WRITING, (handle) => {
    write(handle, 0, bytes);
    assertBytes(read(handle, 0, 5000), bytes);
    assertBytes(read(handle, 900, 5000), bytes.subarray(900));
    for (const offset of [1000, 1001, 2 ** 40]) {
      assertEquals(read(handle, offset, 10).length, 0, `${offset}`);
    }
  });
});

windowsTest("rights that a handle lacks are missed", (folder) => {
  const path = `${folder}\\file`;
  Deno.writeTextFileSync(path, "old");
  withFile(path, READING, (handle) => {
    const denied = "ERROR_ACCESS_DENIED";
    assertEquals(
      errorOf(() => write(handle, 0, new Uint8Array(1))),
      `NtWriteFile ${denied}`,
    );
    assertThrows(() => setSize(handle, 0), OsError);
  });
  assertEquals(Deno.readTextFileSync(path), "old");
});

windowsTest("a flush of what was written", (folder) => {
  withFile(`${folder}\\file`, WRITING, (handle) => {
    write(handle, 0, new Uint8Array(10));
    calls.flush(handle);
  });
});

// --- Names and facts ---

windowsTest("a file is cut, extended by zeros, renamed and removed", (folder) => {
  const [from, to] = [`${folder}\\from`, `${folder}\\sub\\to`];
  Deno.mkdirSync(`${folder}\\sub`);
  withFile(from, WRITING, (handle) => {
    write(handle, 0, patternBytes(100));
    setSize(handle, 50);
    setSize(handle, 200);
    assertBytes(read(handle, 0, 300).subarray(50), new Uint8Array(150));
    calls.rename(handle, to, false);
  });
  assertEquals(Deno.statSync(to).size, 200);
  withFile(to, WRITING, (handle) => {
    const remove = layouts.fileDispositionInformation(true);
    calls.setInformation(handle, remove, FILE_INFORMATION_CLASS.FileDispositionInformation);
  });
  assertEquals([...Deno.readDirSync(`${folder}\\sub`)], []);
});

windowsTest("a name that is taken is given anew only where that is wanted", (folder) => {
  const [from, to] = [`${folder}\\from`, `${folder}\\to`];
  Deno.writeTextFileSync(from, "new");
  Deno.writeTextFileSync(to, "old");
  withFile(from, WRITING, (handle) => {
    assertEquals(
      errorOf(() => calls.rename(handle, to, false)),
      "NtSetInformationFile ERROR_ALREADY_EXISTS",
    );
    assertEquals(Deno.readTextFileSync(to), "old");
    calls.rename(handle, to, true);
  });
  assertEquals(Deno.readTextFileSync(to), "new");
  assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["to"]);
});

windowsTest("the system says what a file or folder is", (folder) => {
  Deno.writeTextFileSync(`${folder}\\a`, "1234567");
  Deno.writeTextFileSync(`${folder}\\b`, "");
  const idOf = (path: string): string =>
    withFile(path, ASKING, (handle) => {
      const { bytes } = layouts.FILE_ID_INFORMATION;
      const kind = FILE_INFORMATION_CLASS.FileIdInformation;
      const { volume, file } = layouts.fileIdInformation(
        calls.queryInformation(handle, bytes, kind),
      );
      return `${volume}/${file}`;
    });
  assertEquals(idOf(`${folder}\\a`), idOf(`${folder.toUpperCase()}\\A`));
  assert(idOf(`${folder}\\a`) !== idOf(`${folder}\\b`));
  withFile(folder, ASKING, (handle) => {
    const kind = FILE_INFORMATION_CLASS.FileStandardInformation;
    const answer = calls.queryInformation(handle, 24, kind);
    assertEquals(layouts.fileStandardInformation(answer).directory, true);
    const attributes = calls.queryVolume(
      handle,
      512,
      FS_INFORMATION_CLASS.FileFsAttributeInformation,
    );
    assertMatch(layouts.fileSystemAttributes(attributes).name, /^[A-Za-z0-9]+$/);
    const device = calls.queryVolume(handle, 8, FS_INFORMATION_CLASS.FileFsDeviceInformation);
    // Wine says that it is a file system's, Windows that it is a disk's.
    const media = [windows.FILE_DEVICE_DISK, windows.FILE_DEVICE_DISK_FILE_SYSTEM];
    assert(media.includes(layouts.fileSystemDevice(device).type));
  });
});

windowsTest("NUL is a device and no file", () => {
  withFile("NUL", ASKING, (handle) => {
    const device = calls.queryVolume(handle, 8, FS_INFORMATION_CLASS.FileFsDeviceInformation);
    const { type } = layouts.fileSystemDevice(device);
    const media = [windows.FILE_DEVICE_DISK, windows.FILE_DEVICE_DISK_FILE_SYSTEM];
    assertEquals(media.includes(type), false, `FILE_DEVICE ${type}`);
  });
});

windowsTest("a control code that a file does not know is an error", (folder) => {
  withFile(`${folder}\\file`, WRITING, (handle) => {
    for (const code of [windows.IOCTL_DISK_GET_LENGTH_INFO, 0x8000_2000]) {
      assertThrows(() => calls.control(handle, code, null, 64), OsError);
    }
  });
});

// --- The machine ---

windowsTest("paths become absolute, with backslashes", () => {
  const here = Deno.cwd().replace(/\\$/, "");
  const cases = [
    ["card.img", `${here}\\card.img`],
    ["./a/../card.img", `${here}\\card.img`],
    ["C:/images/./card.img", "C:\\images\\card.img"],
    ["\\\\server\\share/card.img", "\\\\server\\share\\card.img"],
    ["//./physicaldrive1", "\\\\.\\physicaldrive1"],
  ] as const;
  for (const [path, full] of cases) assertEquals(calls.fullPath(path), full, path);
});

windowsTest("Windows lives on one of the volumes", () => {
  const directory = calls.windowsDirectory() ?? "";
  assertMatch(directory, /^[A-Z]:\\\w+$/);
  const root = directory.slice(0, 3);
  const volumes = calls.volumes();
  for (const { name, paths } of volumes) {
    assertMatch(name, /^\\\\\?\\Volume\{[0-9a-f-]{36}\}$/);
    for (const path of paths) assertMatch(path, /\\$/);
  }
  assertEquals(new Set(volumes.map(({ name }) => name)).size, volumes.length);
  const home = volumes.find(({ paths }) => paths.includes(root));
  if (home === undefined) throw new Error(`${root} is not among the volumes`);
  for (const letter of "ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
    const name = calls.volumeOf(`${letter}:\\`);
    if (name === undefined) continue;
    const volume = volumes.find((each) => each.name === name);
    assert(volume?.paths.includes(`${letter}:\\`), `${letter}: among the volumes`);
  }
  for (const path of [directory, root, `${directory}\\none\\none`]) {
    assertEquals(calls.volumeOf(path), home.name, path);
  }
});

windowsTest("a path that no volume has is on none", () => {
  assertEquals(calls.volumeOf("\\\\server.invalid\\share\\card.img"), undefined);
});

windowsTest("drives have types, and letters that nobody uses have none", () => {
  const root = (calls.windowsDirectory() ?? "").slice(0, 3);
  assertEquals(calls.driveType(root), windows.DRIVE_FIXED);
  const used = calls.volumes().flatMap(({ paths }) => paths);
  const free = [..."QRSTUVWXY"].map((letter) => `${letter}:\\`)
    .filter((path) => !used.includes(path));
  assert(free.some((path) => calls.driveType(path) === windows.DRIVE_NO_ROOT_DIR));
});

// --- On a thread ---

windowsTest(
  "calls on a thread are made in order, and each has its own error",
  async (folder) => {
    prepareWindowsThread();
    using thread = new WindowsThread();
    const handle = await thread.call("open", `${folder}\\file`, WRITING);
    using memory = allocateAligned(4096);
    memory.bytes.set(patternBytes(4096));
    const answers = await Promise.allSettled([
      thread.call("write", handle, memory.address, 4096, 0),
      thread.call("read", 0x7fff_fff0n, memory.address, 10, 0),
      thread.call("open", `${folder}\\none`, READING),
      thread.call("write", handle, memory.address, 100, 4096),
      thread.call("queryInformation", handle, 24, 5),
    ]);
    const told = answers.map((answer) =>
      answer.status === "fulfilled"
        ? typeof answer.value
        : answer.reason instanceof OsError
        ? `${answer.reason.call} ${answer.reason.code}`
        : answer.reason
    );
    assertEquals(told, [
      "number",
      "read ERROR_INVALID_HANDLE",
      "open ERROR_FILE_NOT_FOUND",
      "number",
      "object",
    ]);
    const [last] = answers.slice(-1);
    const answer = last?.status === "fulfilled" ? last.value as Uint8Array : new Uint8Array();
    assertEquals(layouts.fileStandardInformation(answer).size, 4196);
    await thread.call("close", handle);
    assertBytes(Deno.readFileSync(`${folder}\\file`).subarray(0, 4096), patternBytes(4096));
  },
);

windowsTest("a thread that was ended makes no more calls", async () => {
  const thread = new WindowsThread();
  assertEquals(await thread.call("fullPath", "C:\\a\\..\\b"), "C:\\b");
  thread[Symbol.dispose]();
  await assertRejects(() => thread.call("windowsDirectory"), Error, "was ended");
});
