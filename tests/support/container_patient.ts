/** Failing disks for images that can only be written in order, and what must come of them. */
import { assertEquals } from "@std/assert";
import type { ByteRange } from "./bad_disk.ts";
import {
  areasInMap,
  assertMapIsValid,
  bytesOf,
  diskContent,
  faultyPlaces,
  RESCUE_DISK_TOOLS,
  withZerosAt,
} from "./rescue_disks.ts";
import { run, RunningCli, tryRun } from "./run_cli.ts";
import { exists, type TemporaryFolder } from "./temporary.ts";

/** The tools that the tests with this file take, for `needs`. */
export const PATIENT_TOOLS = [
  ...RESCUE_DISK_TOOLS,
  "cmp",
  "ewfverify",
  "ewfexport",
  "ewfinfo",
] as const;

export const MIB = 1024 * 1024;

/** Bytes of a disk, unless it is a slow one. */
export const SIZE = 12 * MIB;

/** Bytes that are read in one go, and so begin a rescue together. */
export const CHUNK = 4 * MIB;

/** A disk in a file, and what a complete image of it holds. */
export interface Patient {
  readonly file: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly expected: string;
}

/** Makes a disk of which these places cannot be read. */
export async function makePatient(
  folder: TemporaryFolder,
  bad: readonly ByteRange[],
  size = SIZE,
): Promise<Patient> {
  const bytes = diskContent(size);
  const file = await folder.write("disk", bytes);
  const expected = await folder.write("expected", withZerosAt(bytes, bad));
  return { file, bytes, expected };
}

/** Single bad sectors, at odd places, behind the first chunk. */
export const SCATTERED: readonly ByteRange[] = [5, 6.3, 7.7, 9, 10.2].map((place) => ({
  offset: Math.floor(place * MIB / 512) * 512,
  length: 512,
}));

/** Clusters of bad sectors, the first of them in the first chunk. */
export const CLUSTERED = faultyPlaces("clusters", SIZE, 4);

/** The bad sectors that an E01 lists, as ewfinfo shows them: ranges of sectors. */
async function badSectorsOf(image: string): Promise<string[]> {
  const { stdout } = await tryRun("ewfinfo", [image]);
  return [...stdout.matchAll(/(\d+) - (\d+)(?= |\()/g)].map(([text]) => text);
}

/** Proves that an E01 is sound and holds what it should, as other programs see it. */
export async function assertE01(
  folder: TemporaryFolder,
  image: string,
  { expected }: Patient,
  bad: readonly ByteRange[],
): Promise<void> {
  await run("ewfverify", ["-q", image]);
  const raw = folder.file(`theirs_${crypto.randomUUID()}`);
  await run("ewfexport", ["-q", "-u", "-f", "raw", "-t", raw, image]);
  await run("cmp", [expected, `${raw}.raw`]);
  assertEquals(
    await badSectorsOf(image),
    bad.map(({ offset, length }) => `${offset / 512} - ${(offset + length) / 512 - 1}`),
  );
}

/** Proves that a map that stays calls everything rescued but these places. */
export async function assertFinalMap(
  map: string,
  bad: readonly ByteRange[],
  size = SIZE,
): Promise<void> {
  await assertMapIsValid(map, size);
  assertEquals(await areasInMap(map, "-"), bad);
  assertEquals(await areasInMap(map, "?*/"), []);
}

/** What lies in the folder of an image, and begins with its name. */
export async function namesOf(folder: TemporaryFolder, name: string): Promise<string[]> {
  return (await folder.names()).filter((each) => each.startsWith(name));
}

/** Bytes that a map calls rescued; 0 while there is none. */
export async function rescuedBytes(map: string): Promise<number> {
  return await exists(map) ? bytesOf(await areasInMap(map, "+")) : 0;
}

/** What is bad on a disk on which rescuing takes its time. */
export const SLOW_BAD: readonly ByteRange[] = [6, 9, 13, 17, 19, 21].map((place) => ({
  offset: place * MIB + 512 * 3,
  length: 512 * 3,
}));
export const SLOW_SIZE = 24 * MIB;

/** Runs until much is rescued, and ends it by a signal; answers what the map knows then. */
export async function interrupted(
  args: readonly string[],
  map: string,
  signal: Deno.Signal,
): Promise<{ readonly rescued: readonly ByteRange[]; readonly stderr: string }> {
  await using running = RunningCli.start([...args, "--map-interval=0.05"]);
  await running.until("much is rescued", async () => await rescuedBytes(map) > 12 * MIB);
  running.signal(signal);
  const { code, stderr } = await running.end();
  assertEquals(code, signal === "SIGKILL" ? 137 : 130, stderr);
  return { rescued: await areasInMap(map, "+"), stderr };
}
