import { SliceSource } from "../../blocks/slice.ts";
import { StreamSource } from "../../blocks/stdio.ts";
import type { BlockSource } from "../../core/block.ts";
import { ImagingError } from "../../core/errors.ts";
import type { Location } from "../../devices/device.ts";
import { makeUnpackService } from "../../copy/unpack/unpack_service.ts";
import { ZlibPool } from "../../copy/zlib_pool.ts";
import type { OpenedImage } from "../../formats/image_format.ts";
import { openImage } from "../../formats/registry.ts";
import { imageFolder } from "./image_folder.ts";
import { missingPath } from "./missing_path.ts";
import { bytesOption, type CommandContext, type Invocation } from "../command.ts";

/** At the end: how long closing the device may take. */
const CLOSE_MILLISECONDS = 1000;

/** Something to read from: a device, the content of an image, or stdin. */
export interface OpenedMedium extends AsyncDisposable {
  readonly source: BlockSource;
  /** Undefined for stdin. */
  readonly location: Location | undefined;
  /** Can it be read more than once, and in any order? */
  readonly seekable: boolean;
  /** What else a file tells that is an image; undefined for all others. */
  readonly image: OpenedImage | undefined;
}

/** How a medium is opened. */
export interface OpenMediumOptions {
  /** Read past the system's caches, also a file. */
  readonly direct?: boolean;
}

/** The device or file of this name; an error that helps when it is neither. */
export async function locateReadable(
  context: CommandContext,
  path: string,
): Promise<Extract<Location, { kind: "file" | "device" }>> {
  const location = await context.backend.locate(path);
  switch (location.kind) {
    case "device":
      noteMeaning(context, location);
      return location;
    case "file":
      return location;
    case "missing":
      throw missingPath(context, path);
    case "directory":
      throw new ImagingError("environment", `cannot read ${path}: it is a folder`, {
        hint: "name a disk or an image file; `sectorshot list` shows the disks",
      });
    case "character":
      throw new ImagingError("environment", `cannot read ${path}: it is a character device`, {
        hint: "disks are block devices; `sectorshot list` shows them",
      });
    case "other":
      throw new ImagingError(
        "environment",
        `cannot read ${path}: it is neither disk nor file`,
        {
          hint: "to read from a pipe, use - (stdin)",
        },
      );
  }
}

/** Shows how a path was understood, where that is not obvious. */
export function noteMeaning(context: CommandContext, location: Location): void {
  if (location.kind !== "device" || location.meaning === undefined) return;
  context.note({ level: "note", message: location.meaning });
}

/**
 * Opens what the user named, read-only.
 *
 * @throws {ImagingError}
 */
export async function openMedium(
  context: CommandContext,
  path: string,
  options: OpenMediumOptions = {},
): Promise<OpenedMedium> {
  if (path === "-") {
    const source = new StreamSource("stdin", context.stdin);
    // A program that failed before us in a pipe must not end as success.
    if (await source.isEmpty()) {
      throw new ImagingError("environment", "cannot read stdin: it is empty", {
        hint: "look at the program that should have written to it",
      });
    }
    return ownedMedium(source, undefined, false);
  }
  context.backend.prepare();
  const location = await locateReadable(context, path);
  const opened = await context.backend.openSource(path, options);
  try {
    if (opened.size === 0) {
      const isDevice = location.kind === "device";
      throw new ImagingError(
        "environment",
        `cannot read ${path}: it ${isDevice ? "holds no medium" : "is empty"}`,
        { hint: isDevice ? "put a card or disc into the drive" : "choose another file" },
      );
    }
    if (location.kind === "device") return ownedMedium(opened, location, true);
    return await openImageMedium(context, path, opened, location);
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    throw error;
  }
}

/** A device that hangs holds up its own closing, too: the end does not wait for that. */
export function closedInTime(medium: AsyncDisposable): AsyncDisposable {
  return {
    async [Symbol.asyncDispose](): Promise<void> {
      const late = Promise.withResolvers<void>();
      const timer = setTimeout(late.resolve, CLOSE_MILLISECONDS);
      await Promise.race([medium[Symbol.asyncDispose](), late.promise]);
      clearTimeout(timer);
    },
  };
}

async function openImageMedium(
  context: CommandContext,
  path: string,
  file: BlockSource,
  location: Location,
): Promise<OpenedMedium> {
  const zlib = new ZlibPool();
  try {
    const image = await openImage(file, {
      folder: imageFolder(context, path),
      zlib,
      unpack: makeUnpackService(),
    });
    for (const finding of image.findings) context.note(finding);
    const medium = ownedMedium(image.media, location, !image.media.sequential, image);
    return {
      ...medium,
      async [Symbol.asyncDispose](): Promise<void> {
        await medium[Symbol.asyncDispose]();
        zlib[Symbol.dispose]();
      },
    };
  } catch (error) {
    zlib[Symbol.dispose]();
    throw error;
  }
}

function ownedMedium(
  source: BlockSource,
  location: Location | undefined,
  seekable: boolean,
  image?: OpenedImage,
): OpenedMedium {
  return {
    source,
    location,
    seekable,
    image,
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
}

/**
 * The part of a medium that `--offset` and `--length` name.
 *
 * @throws {ImagingError} `usage` when it lies outside of the medium.
 */
export function chosenPart(
  invocation: Invocation,
  medium: OpenedMedium,
): { readonly source: BlockSource; readonly offset: number } {
  const { source } = medium;
  const offset = bytesOption(invocation, "offset", source.sectorSize) ?? 0;
  const length = bytesOption(invocation, "length", source.sectorSize);
  if (offset === 0 && length === undefined) return { source, offset };
  const refuse = (option: string, reason: string): never => {
    throw new ImagingError("usage", `cannot use --${option}: ${reason}`, {
      hint: `${source.name} has ${source.size} bytes`,
    });
  };
  if (!medium.seekable && offset > 0) {
    throw new ImagingError(
      "usage",
      "cannot use --offset: stdin can only be read from its start",
      { hint: "name a file or device, or leave out --offset" },
    );
  }
  if (offset >= source.size) refuse("offset", `byte ${offset} is past the end`);
  if (length === 0) refuse("length", "there is nothing to do");
  if (length !== undefined && offset + length > source.size) {
    refuse("length", `it reaches ${offset + length - source.size} bytes past the end`);
  }
  return { source: new SliceSource(source, { offset, length: length ?? Infinity }), offset };
}
