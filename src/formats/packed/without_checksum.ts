import type { BlockSource } from "../../core/block.ts";
import { readBytes } from "../../core/bytes.ts";
import { type Finding, ReadError } from "../../core/errors.ts";
import type { OpenedImage } from "../image_format.ts";

/** Bytes of a file's beginning that tell of checksums. */
const HEAD_BYTES = 64 * 1024;

const NO_CHECKSUM: Finding = {
  level: "warning",
  message: "the packed file has no checksum of its content: damage to it may go unseen",
};

/** The beginning of a packed file; nothing where it cannot be read, or only once. */
export async function packedHead(file: BlockSource): Promise<Uint8Array> {
  if (!Number.isFinite(file.size) || file.sequential === true) return new Uint8Array();
  try {
    return await readBytes(file, 0, HEAD_BYTES);
  } catch (error) {
    // Who reads the content hears of it.
    if (error instanceof ReadError) return new Uint8Array();
    throw error;
  }
}

/** The image with the finding that nobody can tell whether its content is right. */
export function withoutChecksum(image: OpenedImage): OpenedImage {
  return { ...image, findings: [...image.findings, NO_CHECKSUM] };
}
