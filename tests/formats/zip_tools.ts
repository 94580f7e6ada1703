/** Archives that are opened in tests. */
import { MemorySource } from "../../src/blocks/memory.ts";
import { makeUnpackService } from "../../src/copy/unpack/unpack_service.ts";
import type { Bytes } from "../../src/core/block.ts";
import { ImagingError } from "../../src/core/errors.ts";
import type { OpenedImage } from "../../src/formats/image_format.ts";
import { zip } from "../../src/formats/zip.ts";
import { readAll } from "./piece_images.ts";

export const unpack = makeUnpackService();

/** Opens an archive in memory. */
export async function openArchive(file: Bytes): Promise<OpenedImage> {
  return await zip.open(new MemorySource("card.zip", file), { unpack });
}

/**
 * What the image in an archive is, or the error of opening or reading it.
 *
 * @throws when it is an error that is none of ours.
 */
export async function archiveContent(file: Bytes): Promise<Bytes | ImagingError> {
  try {
    const { media } = await openArchive(file);
    await using _media = media;
    return await readAll(media);
  } catch (error) {
    if (error instanceof ImagingError) return error;
    throw error;
  }
}
