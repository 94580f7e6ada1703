/** A failing disk, a disk to clone it to, and a map. */
import { assert, assertEquals } from "@std/assert";
import type { ByteRange, NbdDisk } from "./bad_disk.ts";
import { LoopDevice, writeBytes } from "./loop_device.ts";
import { patternBytes } from "./pattern.ts";
import {
  areasInMap,
  assertMapIsHonest,
  assertMapIsValid,
  diskContent,
  failingDisk,
  type FailingFileOptions,
  withZerosAt,
} from "./rescue_disks.ts";
import { type CliResult, run, runCli, RunningCli } from "./run_cli.ts";
import { exists, TemporaryFolder } from "./temporary.ts";

const MIB = 1024 * 1024;

/** Bytes of the source. */
export const CLONE_BYTES = 4 * MIB;

/** See the head of this file. */
export class CloneBench implements AsyncDisposable {
  readonly folder: TemporaryFolder;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly map: string;
  /** What is behind the target. */
  readonly targetFile: string;
  readonly #target: LoopDevice;
  #source: NbdDisk | undefined;

  private constructor(
    folder: TemporaryFolder,
    bytes: Uint8Array<ArrayBuffer>,
    target: LoopDevice,
  ) {
    this.folder = folder;
    this.bytes = bytes;
    this.map = folder.file("clone.map");
    this.targetFile = folder.file("target");
    this.#target = target;
  }

  static async create(
    faults: readonly ByteRange[],
    options: FailingFileOptions = {},
    { bytes = diskContent(CLONE_BYTES), targetBytes = CLONE_BYTES } = {},
  ): Promise<CloneBench> {
    const folder = await TemporaryFolder.create();
    await folder.write("source", bytes);
    // Old content everywhere: what is not written is seen.
    const file = await folder.write("target", patternBytes(targetBytes, { seed: 7 }));
    const bench = new CloneBench(folder, bytes, await LoopDevice.create(file));
    await bench.putIn(faults, options);
    return bench;
  }

  get source(): string {
    return this.#source?.path ?? "";
  }

  get target(): string {
    return this.#target.path;
  }

  /** From now on these places of the source fail. */
  async putIn(faults: readonly ByteRange[], options: FailingFileOptions = {}): Promise<void> {
    await this.#source?.[Symbol.asyncDispose]();
    const file = this.folder.file("source");
    this.#source = await failingDisk(this.folder, file, faults, { direct: true, ...options });
  }

  /** The command line. */
  args(...options: string[]): string[] {
    const common = ["--yes", "--map", this.map, "--map-interval=0.02"];
    return ["clone", this.source, this.target, ...common, ...options];
  }

  /** Clones to the end, which must be of this exit code. */
  async clone(code: number, ...options: string[]): Promise<CliResult> {
    const result = await runCli(this.args(...options));
    assertEquals(result.code, code, result.stdout + result.stderr);
    return result;
  }

  /** Clones until the map calls so many bytes rescued, then sends the signal. */
  async interrupt(signal: Deno.Signal, bytes: number): Promise<CliResult> {
    await using running = RunningCli.start(this.args("--block-size=64K"));
    await running.until(`${bytes} bytes are rescued`, async () => {
      return await this.rescuedBytes() >= bytes;
    });
    running.signal(signal);
    return await running.end();
  }

  /** Changes what the target holds, behind our back. */
  async changeTarget(offset: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    await writeBytes(this.#target, offset, bytes);
  }

  /** Bytes that the map calls rescued; 0 while there is none. */
  async rescuedBytes(): Promise<number> {
    if (!await exists(this.map)) return 0;
    const areas = await areasInMap(this.map, "+");
    return areas.reduce((sum, { length }) => sum + length, 0);
  }

  /** Proves that what the map says is so; answers the bytes that it calls rescued. */
  async assertHonest(story = ""): Promise<number> {
    await assertMapIsValid(this.map, this.bytes.length);
    return await assertMapIsHonest(this.targetFile, this.map, this.bytes, story);
  }

  /** Proves that the target does not look whole, and that the map does not say so. */
  async assertNoFirstBlock(story = ""): Promise<void> {
    const target = await Deno.readFile(this.targetFile);
    assertEquals(target.subarray(0, MIB).findIndex((byte) => byte !== 0), -1, story);
    for (const { offset } of await areasInMap(this.map, "+")) {
      assert(offset >= MIB, `${story}: ${offset} is called rescued`);
    }
  }

  /** Proves that all is on the target but these places, which are zeros there. */
  async assertCloned(lost: readonly ByteRange[], story = ""): Promise<void> {
    const expected = withZerosAt(this.bytes, lost);
    const path = await this.folder.write(`expected_${crypto.randomUUID()}`, expected);
    await run("cmp", ["-n", String(expected.length), path, this.target]);
    await Deno.remove(path);
    assertEquals(await exists(this.map), lost.length > 0, `${story}: is the map there?`);
    assert(!await exists(`${this.map}.first`), `${story}: the first block was left`);
    if (lost.length === 0) return;
    await this.assertHonest(story);
    assertEquals(await areasInMap(this.map, "-"), lost, story);
    assertEquals(await areasInMap(this.map, "?*/"), [], story);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#source?.[Symbol.asyncDispose]();
    await this.#target[Symbol.asyncDispose]();
    await this.folder[Symbol.asyncDispose]();
  }
}
