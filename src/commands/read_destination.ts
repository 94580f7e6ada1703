/** What must hold of the names that a read writes to, found out before anything is read. */
import { ImagingError } from "../core/errors.ts";
import { folderOf, nameOf } from "../core/path.ts";
import type { Location } from "../devices/device.ts";
import type { HashAlgorithm } from "../hashes/hash_algorithm.ts";
import type { CommandContext } from "./command.ts";

/** Refuses before anything is opened what could only fail at the end. */
export async function checkDestination(
  context: CommandContext,
  path: string,
  replace: boolean,
): Promise<void> {
  const refuse = (reason: string, hint: string): never => {
    throw new ImagingError("usage", `cannot write the image ${path}: ${reason}`, { hint });
  };
  const { kind } = await context.backend.locate(path);
  switch (kind) {
    case "missing":
      break;
    case "file":
      if (!replace) refuse("it exists", "choose another name, or add --force to replace it");
      return;
    case "device":
      return refuse("it is a disk", "to copy disk to disk use `sectorshot clone`");
    default:
      return refuse(
        kind === "directory" ? "it is a folder" : "it is no ordinary file",
        "give the image a file name such as card.img",
      );
  }
  const folder = await context.backend.locate(folderOf(path));
  if (folder.kind !== "directory") {
    refuse(`there is no folder ${folderOf(path)}`, "make the folder first");
  }
  // A disk that is not there must not become a file: all would seem to be well.
  const devices = await context.backend.locate("/dev");
  const root = await context.backend.locate("/");
  if (
    devices.kind === "directory" && folder.kind === "directory" &&
    root.kind === "directory" && devices.onDevice !== root.onDevice &&
    folder.onDevice === devices.onDevice
  ) {
    refuse("/dev is for devices", "choose another folder; `sectorshot list` shows the disks");
  }
}

/** A file that a read makes, and what it is for. */
interface OwnFile {
  readonly path: string;
  readonly role: string;
}

/**
 * No two of the files that a read makes may be one, and none may be what is read: that
 * would be found out at the end, by the loss of it.
 */
export async function checkNames(
  context: CommandContext,
  own: readonly OwnFile[],
  location: Location | undefined,
): Promise<void> {
  const { backend } = context;
  const source = location?.kind === "file"
    ? location.identity
    : location?.kind === "device"
    ? location.disk.backingIdentity
    : undefined;
  const seen = new Map<string, string>();
  if (source !== undefined) seen.set(source, "what is read");
  for (const { path, role } of own) {
    const at = await backend.locate(path);
    const folder = await backend.locate(folderOf(path));
    const keys = [
      ...(at.kind === "file" ? [at.identity] : []),
      ...(folder.kind === "directory" ? [`${folder.identity}/${nameOf(path)}`] : []),
    ];
    for (const key of keys) {
      const other = seen.get(key);
      if (other !== undefined && other !== role) {
        throw new ImagingError("usage", `cannot use ${path} for ${role}: it is ${other}`, {
          hint: "choose another name",
        });
      }
      seen.set(key, role);
    }
  }
}

/** A digest that somebody else put there is replaced only by --force. */
export async function checkDigests(
  context: CommandContext,
  imagePath: string,
  mapPath: string,
  algorithms: readonly HashAlgorithm[],
  replace: boolean,
): Promise<void> {
  // A run that goes on may have written its digests before it was stopped.
  if (replace || (await context.backend.locate(mapPath)).kind === "file") return;
  for (const { extension } of algorithms) {
    const path = `${imagePath}.${extension}`;
    if ((await context.backend.locate(path)).kind === "missing") continue;
    throw new ImagingError("usage", `cannot write the digest ${path}: it exists`, {
      hint: "move it away, choose another name, or add --force to replace it",
    });
  }
}

/** An image on the disk that it is made of. */
export async function warnAboutSelf(
  context: CommandContext,
  imagePath: string,
  location: Location | undefined,
): Promise<void> {
  if (location?.kind !== "device") return;
  const home = await context.backend.locate(folderOf(imagePath));
  if (home.kind !== "directory") return;
  const { disk } = location;
  const numbers = [disk.number, ...disk.partitions.map((partition) => partition.number)];
  if (!numbers.includes(home.onDevice)) return;
  context.note({
    level: "warning",
    message: `${imagePath} lies on ${disk.path} itself, which changes while it is being read`,
  });
}
