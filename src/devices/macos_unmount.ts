/** Unmounting on macOS, through diskutil. */
import { ImagingError } from "../core/errors.ts";
import type { DeviceClaim } from "./device.ts";
import { readLayers } from "./macos_disks.ts";
import {
  deviceIdOf,
  diskutilWords,
  type ListedDisk,
  type RunDiskutil,
  runDiskutil,
  wholeOf,
} from "./macos_diskutil.ts";
import type { MacosLayers, MacosMount } from "./macos_layers.ts";

/**
 * Unmounts what these claims say is mounted: the disk with one command where that is all
 * that is mounted of it, otherwise volume by volume.
 *
 * @throws {ImagingError} with diskutil's words, which name the program that objects.
 */
export async function unmountMacos(
  claims: readonly DeviceClaim[],
  diskutil: RunDiskutil = runDiskutil,
): Promise<void> {
  const mounted = claims.filter(({ kind }) => kind === "mounted");
  if (mounted.length === 0) return;
  const layers = await readLayers(diskutil);
  const disks = new Set(mounted.map(({ device }) => wholeOf(deviceIdOf(device) ?? "")));
  for (const disk of [...disks].flatMap((id) => layers.disk(id) ?? [])) {
    const all = layers.mountsOf(disk);
    const wanted = all.filter(({ device, where }) =>
      mounted.some((claim) => claim.device === `/dev/${device}` && claim.where === where)
    );
    for (const { verb, id, mounts } of unmountSteps(layers, disk, all, wanted)) {
      const answer = await diskutil([verb, `/dev/${id}`]);
      if (answer.code !== 0) throw unmountError(disk, mounts, diskutilWords(answer));
    }
  }
}

/** A run of diskutil, and what it unmounts. */
interface UnmountStep {
  readonly verb: "unmount" | "unmountDisk";
  readonly id: string;
  readonly mounts: readonly MacosMount[];
}

function unmountSteps(
  layers: MacosLayers,
  disk: ListedDisk,
  all: readonly MacosMount[],
  wanted: readonly MacosMount[],
): UnmountStep[] {
  // Not mounted any more: two disks of one container share its volumes.
  if (wanted.length === 0) return [];
  const whole = wanted.length === all.length;
  const ids = whole
    // Containers first: whether the disk's own command reaches them is not documented.
    ? [...layers.containersOf(disk), disk.id]
    : [...new Set(wanted.map(({ volume }) => volume))];
  return ids.map((id) => ({
    verb: whole ? "unmountDisk" : "unmount",
    id,
    mounts: wanted.filter(({ volume }) => whole ? wholeOf(volume) === id : volume === id),
  }));
}

function unmountError(
  disk: ListedDisk,
  mounts: readonly MacosMount[],
  words: string,
): ImagingError {
  const places = mounts.map(({ where }) => where).join(", ");
  const from = places === "" ? "" : ` from ${places}`;
  const isBusy = /dissent|busy|in use/i.test(words);
  return new ImagingError("environment", `cannot unmount /dev/${disk.id}${from}: ${words}`, {
    osCode: isBusy ? "EBUSY" : undefined,
    hint: isBusy || places !== ""
      ? `close the programs and terminals that use ${
        places || `/dev/${disk.id}`
      }, then try again`
      : undefined,
  });
}
