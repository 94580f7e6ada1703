/**
 * ZIP: APPNOTE 6.3.10, https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 *
 * Archives with one image in them. Encrypted ones, and those in several parts, are refused.
 */
import type { BlockSource, ProbeInput, ProbeScore } from "../core/block.ts";
import { viewOf } from "../core/bytes.ts";
import type {
  ImageFormat,
  ImageOutput,
  ImagePlan,
  ImageWriter,
  OpenedImage,
  OpenOptions,
} from "./image_format.ts";
import { openZip } from "./zip/open_zip.ts";
import { END_SIGNATURE, LOCAL_SIGNATURE } from "./zip/records.ts";
import { createZip } from "./zip/zip_writer.ts";

export const zip: ImageFormat & Required<Pick<ImageFormat, "create">> = {
  id: "zip",
  title: "ZIP archive",
  extensions: ["zip"],
  inOrder: true,
  isPacking: true,
  settings: ["compression"],
  /** Archives begin with an entry, or with their end when they are empty. */
  probe({ head }: ProbeInput): ProbeScore {
    if (head.length < 4) return "no";
    const signature = viewOf(head).getUint32(0, true);
    return signature === LOCAL_SIGNATURE || signature === END_SIGNATURE ? "exact" : "no";
  },
  open(file: BlockSource, options: OpenOptions = {}): Promise<OpenedImage> {
    return openZip(file, options);
  },
  create(output: ImageOutput, plan: ImagePlan): ImageWriter {
    return createZip(output, plan);
  },
};
