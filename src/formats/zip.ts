/**
 * ZIP: APPNOTE 6.3.10, https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 *
 * Archives with one image in them. Encrypted ones, and those in several parts, are refused.
 */
import type { BlockSource, ProbeInput, ProbeScore } from "../core/block.ts";
import { viewOf } from "../core/bytes.ts";
import { hasAff4Head } from "./aff4/aff4_head.ts";
import type {
  ImageFormat,
  ImageOutput,
  ImagePlan,
  ImageWriter,
  OpenedImage,
  OpenOptions,
} from "./image_format.ts";
import { END_SIGNATURE, LOCAL_SIGNATURE } from "./zip/records.ts";

export const zip: ImageFormat & Required<Pick<ImageFormat, "create">> = {
  id: "zip",
  title: "ZIP archive",
  extensions: ["zip"],
  inOrder: true,
  isPacking: true,
  settings: ["compression"],
  /** Archives begin with an entry, or with their end when they are empty. Some are AFF4. */
  probe({ head }: ProbeInput): ProbeScore {
    if (head.length < 4) return "no";
    const signature = viewOf(head).getUint32(0, true);
    const isArchive = signature === LOCAL_SIGNATURE || signature === END_SIGNATURE;
    return isArchive && !hasAff4Head(head) ? "exact" : "no";
  },
  async open(file: BlockSource, options: OpenOptions = {}): Promise<OpenedImage> {
    return await (await import("./zip/open_zip.ts")).openZip(file, options);
  },
  async create(output: ImageOutput, plan: ImagePlan): Promise<ImageWriter> {
    return (await import("./zip/zip_writer.ts")).createZip(output, plan);
  },
};
