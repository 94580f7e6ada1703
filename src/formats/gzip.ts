/**
 * gzip: RFC 1952, https://www.rfc-editor.org/rfc/rfc1952
 *
 * Written so that every program unpacks it, and that this one reads it in any order.
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

export const gzip: ImageFormat & Required<Pick<ImageFormat, "create">> = {
  id: "gzip",
  title: "gzip",
  extensions: ["gz"],
  inOrder: true,
  isPacking: true,
  settings: ["compression"],
  /** ID1, ID2, and the only method there is; the upper three flags are always clear. */
  probe({ head }: ProbeInput): ProbeScore {
    const isGzip = head[0] === 0x1f && head[1] === 0x8b && head[2] === 8 &&
      ((head[3] ?? 0xff) & 0xe0) === 0;
    return isGzip ? "exact" : "no";
  },
  async open(file: BlockSource, options: OpenOptions = {}): Promise<OpenedImage> {
    return await (await import("./gzip/open_gzip.ts")).openGzip(file, options);
  },
  async create(output: ImageOutput, plan: ImagePlan): Promise<ImageWriter> {
    return (await import("./gzip/gzip_writer.ts")).createGzip(output, plan);
  },
};
