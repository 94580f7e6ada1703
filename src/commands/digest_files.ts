import type { Digest } from "../copy/hash_consumers.ts";
import type { FileAccess } from "../devices/device.ts";
import { formatDigestLine } from "../hashes/digest_file.ts";
import type { CommandContext } from "./command.ts";

/** Keeps digests beside a raw image, as `sha256sum -c` reads them: IMAGE.sha256 and so on. */
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
