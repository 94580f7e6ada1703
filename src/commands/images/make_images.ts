/**
 * Makes one image, or two at once, of a medium that is read once, in order: containers can
 * only be written so. One image that fails does not spoil the other.
 */
import { type Digest, hashConsumers } from "../../copy/hash_consumers.ts";
import { IsolatedGroup, type MemberResult } from "../../copy/isolated_group.ts";
import { changedPolicy, type ReadPolicy } from "../../copy/read_policy.ts";
import { runCopy } from "../../copy/run_copy.ts";
import { makeUnpackService } from "../../copy/unpack/unpack_service.ts";
import { ZlibPool } from "../../copy/zlib_pool.ts";
import type { BlockSource, ChunkConsumer, CopyProgress } from "../../core/block.ts";
import { ImagingError, VerifyError } from "../../core/errors.ts";
import { intersection, mergeRanges, type Range } from "../../core/range.ts";
import type {
  ImageFormat,
  ImagePlan,
  ImageSummary,
  ImageWriter,
  OpenedImage,
  OpenOptions,
  StoredDigest,
} from "../../formats/image_format.ts";
import type { HashAlgorithm } from "../../hashes/hash_algorithm.ts";
import type { CommandContext } from "../command.ts";
import { hashMedium } from "../media/hash_medium.ts";
import type { ImageFiles } from "./image_files.ts";

/** An image to be made. */
export interface ImageTarget {
  readonly path: string;
  readonly format: ImageFormat;
  readonly files: ImageFiles;
}

/** What to make, of what. */
export interface ImagesPlan {
  readonly context: CommandContext;
  readonly policy: ReadPolicy;
  readonly chunkBytes: number;
  readonly algorithms: readonly HashAlgorithm[];
  readonly targets: readonly ImageTarget[];
  readonly image: Omit<ImagePlan, "folder" | "zlib" | "digests">;
  /** Read every image again and compare its digest. */
  readonly verify: boolean;
  /** Called before images get their names; what it throws ends the run. */
  readonly check?: ((digests: readonly Digest[]) => void) | undefined;
  /** What else looks at the bytes. */
  readonly witnesses?: readonly ChunkConsumer[] | undefined;
  readonly onProgress?: ((progress: CopyProgress) => void) | undefined;
  /** Ends the reading; that of the context where it is absent. */
  readonly signal?: AbortSignal | undefined;
}

/** What became of one of the images. */
export interface MadeImage {
  readonly target: ImageTarget;
  /** Absent when it failed. */
  readonly summary: ImageSummary | undefined;
  readonly error: ImagingError | undefined;
  /** The digest of what was read again, after `verify`. */
  readonly verified: Digest | undefined;
}

/** What it came to. */
export interface MadeImages {
  readonly bytes: number;
  readonly bad: readonly Range[];
  readonly digests: readonly Digest[];
  readonly images: readonly MadeImage[];
}

/**
 * Makes the images. They have their final names when this resolves, but for those that
 * failed.
 *
 * @throws {ImagingError} when the medium cannot be read, or all images failed.
 */
export async function makeImages(plan: ImagesPlan): Promise<MadeImages> {
  const { context, policy, chunkBytes, algorithms, targets, witnesses = [] } = plan;
  using zlib = new ZlibPool();
  const hashes = hashConsumers(algorithms, policy.totalBytes).map(shared);
  const digests = async (): Promise<readonly StoredDigest[]> =>
    (await Promise.all(hashes.map(({ result }) => result))).map(({ algorithm, hex }) => ({
      algorithm: algorithm.id,
      hex,
    }));
  const writers = await beginImages(plan, { zlib, digests });
  const group = new IsolatedGroup(writers);
  const { bytes, bad, results } = await runCopy({
    policy,
    consumers: [
      ...group.consumers,
      ...hashes.map(({ consumer }) => consumer),
      ...witnesses,
    ],
    chunkBytes,
    onProgress: (progress) => (plan.onProgress ?? context.progress)(progress),
    signal: plan.signal ?? context.signal,
  });
  const written = results.slice(0, targets.length) as MemberResult<ImageSummary>[];
  const all = await Promise.all(hashes.map(({ result }) => result));
  const failures = group.allFailed;
  if (failures?.[0] !== undefined) throw failures[0];
  plan.check?.(all);
  const images: MadeImage[] = [];
  for (const [index, target] of targets.entries()) {
    const { result: summary, error } = written[index] as {
      result?: ImageSummary;
      error?: ImagingError;
    };
    images.push(
      summary === undefined
        ? { target, summary, error, verified: undefined }
        : await completed(plan, target, summary, all, zlib),
    );
  }
  if (images.every(({ error }) => error !== undefined)) throw images[0]?.error;
  return { bytes, bad, digests: all, images };
}

/** Begins all images, or none: what a format cannot do is found out before it is read. */
async function beginImages(
  { targets, image }: ImagesPlan,
  services: Pick<ImagePlan, "zlib" | "digests">,
): Promise<ImageWriter[]> {
  const writers: ImageWriter[] = [];
  try {
    for (const { format, files } of targets) {
      const output = await files.create(files.name);
      const writer = await format.create?.(output, { ...image, ...services, folder: files });
      if (writer === undefined) throw new Error(`The format ${format.id} cannot be written`);
      writers.push(writer);
    }
    return writers;
  } catch (error) {
    for (const { files } of targets) await files.discard();
    throw error;
  }
}

/** Verifies an image where that was asked for, and gives it its name. */
async function completed(
  plan: ImagesPlan,
  target: ImageTarget,
  summary: ImageSummary,
  digests: readonly Digest[],
  zlib: ZlibPool,
): Promise<MadeImage> {
  try {
    const verified = plan.verify ? await readAgain(plan, target, digests, zlib) : undefined;
    await target.files.complete();
    return { target, summary, error: undefined, verified };
  } catch (error) {
    if (!(error instanceof ImagingError) || plan.targets.length === 1) throw error;
    return { target, summary: undefined, error, verified: undefined };
  }
}

/**
 * Reads an image as it is on the medium, and compares its digest.
 *
 * @throws {VerifyError}
 */
async function readAgain(
  { context, chunkBytes }: ImagesPlan,
  { format, files, path }: ImageTarget,
  digests: readonly Digest[],
  zlib: ZlibPool,
): Promise<Digest> {
  const [expected] = digests;
  if (expected === undefined) {
    throw new ImagingError("usage", "cannot verify without a hash", {
      hint: "leave out --hash none, or --verify",
    });
  }
  context.phase(`verifying ${path}`);
  const first = await context.backend.openSource(files.partPath(), { direct: true });
  const { media } = await opened(format, first, {
    folder: files.written,
    zlib,
    unpack: makeUnpackService(),
  });
  await using _media = media;
  const again = await hashMedium(context, media, [expected.algorithm], chunkBytes, "fail");
  const [digest] = again.digests;
  if (digest !== undefined && digest.hex === expected.hex) return digest;
  throw new VerifyError(
    `verification failed: ${files.partPath()} does not hold what was read`,
    [],
    { hint: "the destination or the memory of this machine may be failing: do not rely on it" },
  );
}

async function opened(
  format: ImageFormat,
  file: BlockSource,
  options: OpenOptions,
): Promise<OpenedImage> {
  try {
    return await format.open(file, options);
  } catch (error) {
    await file[Symbol.asyncDispose]();
    throw error;
  }
}

/** A consumer whose result others wait for, too. */
function shared<Result>(
  consumer: ChunkConsumer<Result>,
): { readonly consumer: ChunkConsumer<Result>; readonly result: Promise<Result> } {
  const { promise, resolve, reject } = Promise.withResolvers<Result>();
  // Where nobody waits any more, a failure is told by the flow.
  promise.catch(() => {});
  return {
    result: promise,
    consumer: {
      name: consumer.name,
      consume: (chunk) => consumer.consume(chunk),
      async finish(): Promise<Result> {
        try {
          const result = await consumer.finish();
          resolve(result);
          return result;
        } catch (error) {
          reject(error);
          throw error;
        }
      },
      async abort(cause): Promise<void> {
        reject(cause);
        await consumer.abort(cause);
      },
    },
  };
}

/** A policy whose chunks also tell of places that are known to be unreadable. */
export function markingPolicy(policy: ReadPolicy, known: () => readonly Range[]): ReadPolicy {
  return changedPolicy(policy, (range, _into, outcome) => {
    const { bad } = outcome;
    const marked = known().flatMap((area) => intersection(area, range) ?? []);
    return { ...outcome, bad: marked.length === 0 ? bad : mergeRanges([...bad, ...marked]) };
  });
}
