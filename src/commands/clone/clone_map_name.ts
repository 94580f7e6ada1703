import { ImagingError } from "../../core/errors.ts";
import type { Location } from "../../devices/device.ts";
import type { CommandContext } from "../command.ts";
import { firstBlockPath } from "./first_block_copy.ts";
import { checkNames, warnAboutSelf } from "../read/read_destination.ts";

/**
 * Refuses a name for the map that would harm what is cloned, or what is written to, before
 * anybody is asked.
 *
 * @throws {ImagingError} `usage`
 */
export async function checkCloneMap(
  context: CommandContext,
  path: string,
  source: Location | undefined,
  targetPath: string,
): Promise<void> {
  const { backend } = context;
  const refuse = (reason: string, hint: string): never => {
    throw new ImagingError("usage", `cannot keep the map in ${path}: ${reason}`, { hint });
  };
  const at = await backend.locate(path);
  if (at.kind !== "missing" && at.kind !== "file") {
    refuse("it is no ordinary file", "give the map a file name such as clone.map");
  }
  const folderPath = backend.host.paths.folderOf(path);
  const folder = await backend.locate(folderPath);
  if (folder.kind !== "directory") {
    return refuse(`there is no folder ${folderPath}`, "make the folder first");
  }
  if (folder.forDevices) refuse(`${folderPath} is for devices`, "choose another folder");
  await checkNames(context, [
    { path, role: "the map" },
    { path: `${path}.tmp`, role: "the map being saved" },
    { path: firstBlockPath(path), role: "the first block" },
    { path: `${firstBlockPath(path)}.tmp`, role: "the first block being saved" },
  ], source);
  const target = await backend.locate(targetPath);
  if (target.kind === "device") {
    const { disk } = target;
    const numbers = [disk.number, ...disk.partitions.map((partition) => partition.number)];
    const isOnTarget = [folder.onDevice, ...folder.beneath ?? []]
      .some((number) => numbers.includes(number));
    if (isOnTarget) refuse(`it lies on ${targetPath}`, "choose a folder on another disk");
    if (at.kind === "file" && at.identity === disk.backingIdentity) {
      refuse(`it is what ${targetPath} is made of`, "choose another name");
    }
  }
  await warnAboutSelf(context, path, source);
}
