/**
 * Advanced Forensic Format, as AFFLIB 3 writes it into one file,
 * https://github.com/sshock/AFFLIBv3/blob/master/doc/announce_1.0.txt
 *
 * AFM and AFD images, encrypted ones and LZMA are refused; signatures are not checked.
 */
import type { BlockSource, ProbeInput, ProbeScore } from "../core/block.ts";
import { hasAffHeader } from "./aff/segments.ts";
import type {
  ImageFormat,
  ImageOutput,
  ImagePlan,
  ImageWriter,
  OpenedImage,
  OpenOptions,
} from "./image_format.ts";

export const aff: ImageFormat & Required<Pick<ImageFormat, "create">> = {
  id: "aff",
  title: "AFF image",
  extensions: ["aff"],
  inOrder: true,
  settings: ["compression"],
  probe({ head }: ProbeInput): ProbeScore {
    return hasAffHeader(head) ? "exact" : "no";
  },
  async open(file: BlockSource, options: OpenOptions = {}): Promise<OpenedImage> {
    return await (await import("./aff/open_aff.ts")).openAff(file, options);
  },
  async create(output: ImageOutput, plan: ImagePlan): Promise<ImageWriter> {
    return (await import("./aff/aff_writer.ts")).createAff(output, plan);
  },
};
