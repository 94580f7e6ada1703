/**
 * Zstandard: RFC 8878, https://www.rfc-editor.org/rfc/rfc8878, with the seek table of the
 * Zstandard Seekable Format.
 */
import type { BlockSource, ProbeInput, ProbeScore } from "../core/block.ts";
import type {
  ImageFormat,
  ImageOutput,
  ImagePlan,
  ImageWriter,
  OpenedImage,
  OpenOptions,
} from "./image_format.ts";
import { firstFrameMagic } from "./packed/frame_magic.ts";
import { FRAME_MAGIC, skippableBytes } from "./zstd/frames.ts";

export const zstd: ImageFormat & Required<Pick<ImageFormat, "create">> = {
  id: "zstd",
  title: "Zstandard",
  extensions: ["zst", "zstd"],
  inOrder: true,
  isPacking: true,
  settings: ["compression"],
  probe({ head }: ProbeInput): ProbeScore {
    const magic = firstFrameMagic(head);
    if (magic === FRAME_MAGIC) return "exact";
    // Nothing but frames that are skipped: LZ4 has the same.
    return magic === undefined && skippableBytes(head) !== undefined ? "maybe" : "no";
  },
  async open(file: BlockSource, options: OpenOptions = {}): Promise<OpenedImage> {
    return await (await import("./zstd/open_zstd.ts")).openZstd(file, options);
  },
  async create(output: ImageOutput, plan: ImagePlan): Promise<ImageWriter> {
    return (await import("./zstd/zstd_writer.ts")).createZstd(output, plan);
  },
};
