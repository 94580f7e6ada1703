/**
 * EWF, version 2: how EnCase 7 and later keep a medium,
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%202%20(EWF2).asciidoc
 *
 * Read only.
 */
import type { BlockSource, ProbeInput, ProbeScore } from "../core/block.ts";
import { hasEwf2Signature } from "./ewf2/ewf2_file_header.ts";
import type { ImageFormat, OpenedImage, OpenOptions } from "./image_format.ts";

export const ewf2: ImageFormat = {
  id: "ewf2",
  title: "EWF image, version 2 (EnCase 7)",
  extensions: ["ex01"],
  inOrder: true,
  probe({ head }: ProbeInput): ProbeScore {
    return hasEwf2Signature(head) ? "exact" : "no";
  },
  async open(file: BlockSource, options: OpenOptions = {}): Promise<OpenedImage> {
    return await (await import("./ewf2/ewf2_reader.ts")).openEwf2(file, options);
  },
};
