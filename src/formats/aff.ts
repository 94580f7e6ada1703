/**
 * Advanced Forensic Format, as AFFLIB 3 writes it into one file,
 * https://github.com/sshock/AFFLIBv3/blob/master/doc/announce_1.0.txt
 *
 * AFM and AFD images, encrypted ones and LZMA are refused; signatures are not checked.
 */
import type { BlockSource, ProbeInput, ProbeScore } from "../core/block.ts";
import { createAff } from "./aff/aff_writer.ts";
import { openAff } from "./aff/open_aff.ts";
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
  open(file: BlockSource, options: OpenOptions = {}): Promise<OpenedImage> {
    return openAff(file, options);
  },
  create(output: ImageOutput, plan: ImagePlan): ImageWriter {
    return createAff(output, plan);
  },
};
