/** What must hold of the names that a read writes to, found out before anything is read. */
import { ImagingError } from "../../core/errors.ts";
import { sizeText } from "../../report/rate_text.ts";
import type { Location } from "../../devices/device.ts";
import type { HashAlgorithm } from "../../hashes/hash_algorithm.ts";
import type { CommandContext } from "../command.ts";

/** Refuses before anything is opened what could only fail at the end. */
export async function checkDestination(
  context: CommandContext,
  path: string,
  replace: boolean,
  existsHint = "choose another name, or add --force to replace it",
): Promise<void> {
  const refuse = (reason: string, hint: string): never => {
    throw new ImagingError("usage", `cannot write the image ${path}: ${reason}`, { hint });
  };
  const { kind } = await context.backend.locate(path);
  switch (kind) {
    case "missing":
      break;
    case "file":
      if (!replace) refuse("it exists", existsHint);
      return;
    case "device":
      return refuse("it is a disk", "to copy disk to disk use `sectorshot clone`");
    default:
      return refuse(
        kind === "directory" ? "it is a folder" : "it is no ordinary file",
        "give the image a file name such as card.img",
      );
  }
  const { backend } = context;
  const folderPath = backend.host.paths.folderOf(path);
  const folder = await backend.locate(folderPath);
  if (folder.kind !== "directory") {
    return refuse(`there is no folder ${folderPath}`, "make the folder first");
  }
  // A disk that is not there must not become a file: all would seem to be well.
  if (folder.forDevices) {
    refuse(
      `${folderPath} is for devices`,
      "choose another folder; `sectorshot list` shows the disks",
    );
  }
}

/**
 * An image that the destination's file system cannot hold would only fail at the end. Says
 * where zeros will take room.
 */
export async function checkFileLimit(
  context: CommandContext,
  path: string,
  bytes: number,
  sparse: boolean,
): Promise<void> {
  const { backend } = context;
  const folder = await backend.locate(backend.host.paths.folderOf(path));
  const without = folder.kind === "directory" ? folder.withoutHoles : undefined;
  if (sparse && without !== undefined) {
    context.note({
      level: "note",
      message: `${without} has no holes: zeros take room in ${path}; a packed image ` +
        "(.img.gz, .img.zst) stays small there",
    });
  }
  const limit = folder.kind === "directory" ? folder.fileLimit : undefined;
  if (limit === undefined || !Number.isFinite(bytes) || bytes <= limit.bytes) return;
  throw new ImagingError(
    "environment",
    `cannot write the image ${path}: it would have ${sizeText(bytes)}, and ` +
      `${limit.fileSystem} takes no file of more than ${sizeText(limit.bytes)}`,
    {
      hint: "choose a folder on another file system (exFAT, NTFS, ext4 ...), or read a part " +
        "at a time with --offset and --length",
    },
  );
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
  const { paths } = backend.host;
  const source = location?.kind === "file"
    ? location.identity
    : location?.kind === "device"
    ? location.disk.backingIdentity
    : undefined;
  const seen = new Map<string, string>();
  if (source !== undefined) seen.set(source, "what is read");
  for (const { path, role } of own) {
    const at = await backend.locate(path);
    const folder = await backend.locate(paths.folderOf(path));
    const keys = [
      ...(at.kind === "file" ? [at.identity] : []),
      ...(folder.kind === "directory"
        ? [`${folder.identity}/${paths.keyOf(paths.nameOf(path))}`]
        : []),
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
  const { backend } = context;
  const home = await backend.locate(backend.host.paths.folderOf(imagePath));
  if (home.kind !== "directory") return;
  const { disk } = location;
  const numbers = [disk.number, ...disk.partitions.map((partition) => partition.number)];
  if (![home.onDevice, ...home.beneath ?? []].some((number) => numbers.includes(number))) {
    return;
  }
  context.note({
    level: "warning",
    message: `${imagePath} lies on ${disk.path} itself, which changes while it is being read`,
  });
}
