/** What a read can do beside the image: hash again, hash in pieces, tell about it. */
import type { Digest } from "../../copy/hash_consumers.ts";
import { sequentialPolicy } from "../../copy/read_policy.ts";
import { runCopy } from "../../copy/run_copy.ts";
import type { BlockSource } from "../../core/block.ts";
import { ImagingError } from "../../core/errors.ts";
import type { FileAccess } from "../../devices/device.ts";
import type { HashAlgorithm } from "../../hashes/hash_algorithm.ts";
import type { HashFacts } from "../../report/manifest.ts";
import type { CommandContext } from "../command.ts";
import { hashMedium } from "../media/hash_medium.ts";
import { WindowList, windowListPath } from "../images/hash_windows.ts";
import { type InOrderOptions, USUAL_IN_ORDER } from "../rescue/rescue_options.ts";

/**
 * Reads the source once more, with the first of the hashes.
 *
 * @throws {ImagingError} `usage` where that is not possible.
 */
export async function sourceAgain(
  context: CommandContext,
  source: BlockSource,
  [expected]: readonly Digest[],
  chunkBytes: number,
  options: InOrderOptions = USUAL_IN_ORDER,
): Promise<Digest | undefined> {
  if (expected === undefined || source.sequential) {
    throw new ImagingError("usage", "cannot use --verify-source here", {
      hint: expected === undefined ? "leave out --hash none" : "a stream comes only once",
    });
  }
  context.phase(`reading ${source.name} again`);
  const again = await hashMedium(context, source, [expected.algorithm], chunkBytes, options);
  return again.digests[0];
}

/** Is the source another one than when it was read first? */
export function hasChanged(digests: readonly Digest[], again: Digest): boolean {
  return digests.every(({ algorithm, hex }) =>
    algorithm !== again.algorithm || hex !== again.hex
  );
}

/** What came of reading the source again, in words; nothing where that was not done. */
export function againLines(digests: readonly Digest[], again: Digest | undefined): string[] {
  if (again === undefined) return [];
  if (!hasChanged(digests, again)) return ["the source was read again and is the same"];
  return [
    "the source was read again, and DIFFERS from what was read first",
    `  ${again.algorithm.id}: ${again.hex}`,
  ];
}

/** Every digest there is, and what it is of. */
export function hashFactsOf(
  digests: readonly Digest[],
  images: readonly { readonly path: string; readonly verified: Digest | undefined }[],
  again: Digest | undefined,
): HashFacts[] {
  const first = digests[0]?.algorithm.id ?? "sha256";
  return [
    ...digests.map(({ algorithm, hex }): HashFacts => ({
      subject: "source",
      image: null,
      algorithm: algorithm.id,
      hex,
      verdict: "reference",
    })),
    ...images.map(({ path, verified }): HashFacts => ({
      subject: "image",
      image: path,
      algorithm: verified?.algorithm.id ?? first,
      hex: verified?.hex ?? null,
      verdict: verified === undefined ? "not done" : "same",
    })),
    {
      subject: "sourceAgain",
      image: null,
      algorithm: again?.algorithm.id ?? first,
      hex: again?.hex ?? null,
      verdict: again === undefined
        ? "not done"
        : hasChanged(digests, again)
        ? "different"
        : "same",
    },
  ];
}

/** An image whose windows are to be hashed after it was made. */
export interface WindowedImage {
  readonly context: CommandContext;
  readonly files: FileAccess;
  /** Where it lies now, and its name. */
  readonly partPath: string;
  readonly imagePath: string;
  readonly source: BlockSource;
  readonly algorithms: readonly HashAlgorithm[];
  readonly windowBytes: number;
  readonly chunkBytes: number;
  readonly replace: boolean;
}

/** Writes the list of an image's windows; answers its path. */
export async function listWindows(image: WindowedImage): Promise<string> {
  const { context, files, partPath, imagePath, source, algorithms, chunkBytes } = image;
  const path = windowListPath(imagePath);
  context.phase(`hashing the windows of ${partPath}`);
  await using content = await context.backend.openSource(partPath, { direct: false });
  await using list = await WindowList.begin(
    files,
    path,
    {
      program: context.program.text,
      source: source.name,
      size: source.size,
      windowBytes: image.windowBytes,
    },
    algorithms,
  );
  await runCopy({
    policy: sequentialPolicy(content, { chunkBytes, onBad: "fail" }),
    consumers: [list.consumer],
    chunkBytes,
    onProgress: (progress) => context.progress(progress),
    signal: context.signal,
  });
  await list.complete(image.replace);
  return path;
}
