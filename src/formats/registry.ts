import type { BlockSource, Bytes, ProbeInput } from "../core/block.ts";
import { ImagingError, ReadError } from "../core/errors.ts";
import * as all from "./all.ts";
import type { ImageFormat, OpenedImage, OpenOptions } from "./image_format.ts";

/** Every image format, in the order of the registry. */
export const IMAGE_FORMATS: readonly ImageFormat[] = Object.values(all);

/** Bytes of a file's beginning that formats are recognized by. */
const HEAD_BYTES = 1024 * 1024;

/**
 * Opens the image in `file` in the format that knows it best. Takes over `file`.
 *
 * @throws {ImagingError} `corrupt` when two formats are equally sure.
 */
export async function openImage(
  file: BlockSource,
  options: OpenOptions = {},
): Promise<OpenedImage> {
  const head = new Uint8Array(Math.min(HEAD_BYTES, Number.isFinite(file.size) ? file.size : 0));
  const length = await readHead(file, head);
  const input: ProbeInput = {
    name: file.name,
    size: file.size,
    sectorSize: file.sectorSize,
    head: head.subarray(0, length),
  };
  const exact = IMAGE_FORMATS.filter((format) => format.probe(input) === "exact");
  if (exact.length > 1) {
    const names = exact.map((format) => format.title).join(" and ");
    throw new ImagingError(
      "corrupt",
      `cannot tell what ${file.name} is: it looks like ${names}`,
      {
        hint: "say which one it is with --format",
      },
    );
  }
  const likely = IMAGE_FORMATS.filter((format) => format.probe(input) === "maybe");
  // Any file can be a raw image: another guess is the better one.
  const best = exact[0] ?? likely.find(({ id }) => id !== "raw") ?? likely[0];
  if (best === undefined) throw new Error("No format takes unknown files");
  const image = await best.open(file, options);
  if (image.isPacking !== true) return image;
  try {
    await checkContent(image);
    return image;
  } catch (error) {
    await image.media[Symbol.asyncDispose]();
    throw error;
  }
}

/** What is packed must be a raw image: an archive in an archive is nobody's disk. */
async function checkContent({ media, head }: OpenedImage): Promise<void> {
  const { name, size, sectorSize } = media;
  const beginning = head ?? await beginningOf(media);
  const inner = IMAGE_FORMATS.find((format) =>
    format.probe({ name: "", size, sectorSize, head: beginning }) === "exact"
  );
  if (inner === undefined) return;
  throw new ImagingError(
    "corrupt",
    `cannot use ${name}: what is packed in it is a ${inner.title}`,
    {
      hint: "unpack it once with its own program, and name the file that comes out",
    },
  );
}

async function beginningOf(media: BlockSource): Promise<Bytes> {
  const head = new Uint8Array(Math.min(HEAD_BYTES, media.size));
  return head.subarray(0, await readHead(media, head));
}

/** A file whose beginning cannot be read has no format: its readable rest is raw. */
async function readHead(file: BlockSource, head: Bytes): Promise<number> {
  try {
    return await file.readAt(0, head);
  } catch (error) {
    if (!(error instanceof ReadError)) throw error;
    return 0;
  }
}

/**
 * The format for a new image: the one named, or the one of the file's extension.
 *
 * @throws {ImagingError} `usage` when there is none that can be written.
 */
export function formatForOutput(path: string, id?: string): ImageFormat {
  // What most people want is named first.
  const writable = IMAGE_FORMATS.filter((format) => format.create !== undefined)
    .toSorted((a, b) => Number(b.id === "raw") - Number(a.id === "raw"));
  if (id !== undefined) {
    const named = writable.find((format) => format.id === id);
    if (named !== undefined) return named;
    const names = writable.map((format) => format.id).join(", ");
    throw new ImagingError("usage", `cannot write the format "${id}"`, {
      hint: `formats that can be written: ${names}`,
    });
  }
  const extension = /\.([^./]+)$/.exec(path)?.[1]?.toLowerCase() ?? "";
  const found = writable.find((format) => format.extensions.includes(extension));
  if (found !== undefined) return found;
  const known = writable.flatMap((format) => format.extensions.map((each) => `.${each}`));
  throw new ImagingError("usage", `cannot tell the format of ${path} by its extension`, {
    hint: `use one of ${known.join(" ")}, or say --format raw`,
  });
}
