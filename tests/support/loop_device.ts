/** Block devices made of files: losetup(8), addpart(8). */
import { run, tryRun } from "./run_cli.ts";

/** How a loop device is made. */
export interface LoopOptions {
  /** Bytes of a logical sector: 512 (default) or 4096. */
  readonly sectorSize?: number;
  readonly readOnly?: boolean;
  /** Reads and writes the file past the page cache. */
  readonly direct?: boolean;
}

/** A loop device. It is detached at the end; its file stays. */
export class LoopDevice implements AsyncDisposable {
  /** "/dev/loop7" */
  readonly path: string;
  readonly #file: string;
  readonly #partitions: number[] = [];

  private constructor(path: string, file: string) {
    this.path = path;
    this.#file = file;
  }

  static async create(file: string, options: LoopOptions = {}): Promise<LoopDevice> {
    const { sectorSize = 512, readOnly = false, direct = false } = options;
    const path = await run("losetup", [
      "--find",
      "--show",
      "--sector-size",
      String(sectorSize),
      ...(readOnly ? ["--read-only"] : []),
      ...(direct ? ["--direct-io=on"] : []),
      file,
    ]);
    if (!/^\/dev\/loop\d+\n$/.test(path)) throw new Error(`losetup answered ${path}`);
    return new LoopDevice(path.trim(), file);
  }

  /** Makes a node for a part of it, which starts and ends on 512-byte sectors. */
  async addPartition(number: number, startBytes: number, lengthBytes: number): Promise<string> {
    await run("addpart", [
      this.path,
      String(number),
      String(startBytes / 512),
      String(lengthBytes / 512),
    ]);
    this.#partitions.push(number);
    return `${this.path}p${number}`;
  }

  /** Pulls it out: reading fails from now on, and its size is 0. The file is emptied. */
  async vanish(): Promise<void> {
    await Deno.truncate(this.#file);
    await run("losetup", ["--set-capacity", this.path]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const number of this.#partitions) {
      // Someone may have removed it: that is what BLKRRPART does.
      await tryRun("delpart", [this.path, String(number)]);
    }
    await run("losetup", ["--detach", this.path]);
  }
}

/** Bytes of a device or file, read past our own process: Deno keeps its hands off /dev. */
export async function readBytes(
  path: string,
  offset: number,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const { code, stdout, stderr } = await new Deno.Command("dd", {
    args: [
      `if=${path}`,
      "bs=1M",
      "status=none",
      "iflag=skip_bytes,count_bytes,fullblock",
      `skip=${offset}`,
      `count=${length}`,
    ],
  }).output();
  if (code !== 0) throw new Error(`dd: ${new TextDecoder().decode(stderr)}`);
  return stdout;
}

/** Puts bytes onto a device that the test made. */
export async function writeBytes(
  device: LoopDevice,
  offset: number,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const child = new Deno.Command("dd", {
    args: [
      `of=${device.path}`,
      "bs=1M",
      "status=none",
      "iflag=fullblock",
      "oflag=seek_bytes",
      "conv=notrunc,fsync",
      `seek=${offset}`,
    ],
    stdin: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(bytes);
  await writer.close();
  const { code } = await child.status;
  if (code !== 0) throw new Error(`dd: exit code ${code}`);
}
