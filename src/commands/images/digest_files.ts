/** Files that lie beside an image and tell its digests: IMAGE.sha256 and so on. */
import type { Digest } from "../../copy/hash_consumers.ts";
import type { FileAccess } from "../../devices/device.ts";
import type { ImageFormat } from "../../formats/image_format.ts";
import { formatDigestLine } from "../../hashes/digest_file.ts";
import type { CommandContext } from "../command.ts";

/** The path that a packed image would have unpacked: card.img for card.img.gz and card.zip. */
export function unpackedPath(path: string): string {
  const bare = path.replace(/\.[^./\\]+$/, "");
  return /\.[^./\\]+$/.test(bare) ? bare : `${bare}.img`;
}

/**
 * The path that the raw image in an image has, or would have unpacked. Undefined for
 * containers: they keep their digests themselves.
 */
export function rawPathOf(path: string, format: ImageFormat): string | undefined {
  if (format.isPacking === true) return unpackedPath(path);
  return format.id === "raw" ? path : undefined;
}

/** Keeps digests beside a raw image, as `sha256sum -c` reads them. */
export async function writeDigestFiles(
  context: CommandContext,
  files: FileAccess,
  imagePath: string,
  digests: readonly Digest[],
): Promise<void> {
  for (const { algorithm, hex } of digests) {
    const line = formatDigestLine(hex, context.backend.host.paths.nameOf(imagePath));
    const path = `${imagePath}.${algorithm.extension}`;
    await files.writeAtomically(path, new TextEncoder().encode(`${line}\n`));
  }
}
