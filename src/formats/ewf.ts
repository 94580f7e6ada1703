/**
 * EWF, version 1: how EnCase, FTK Imager and SMART keep a medium, in chunks with checksums,
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%20(EWF).asciidoc
 */
import type { BlockSource } from "../core/block.ts";
import { probeEwf } from "./ewf/ewf_probe.ts";
import type {
  ImageFormat,
  ImageOutput,
  ImagePlan,
  ImageWriter,
  OpenedImage,
  OpenOptions,
} from "./image_format.ts";

export const ewf: ImageFormat & Required<Pick<ImageFormat, "create">> = {
  id: "ewf",
  title: "EWF image (EnCase, FTK Imager, SMART)",
  extensions: ["e01", "s01"],
  inOrder: true,
  settings: ["compression", "segmentBytes", "chunkSectors", "layout"],
  probe: probeEwf,
  async open(file: BlockSource, options: OpenOptions = {}): Promise<OpenedImage> {
    return await (await import("./ewf/ewf_reader.ts")).openEwf(file, options);
  },
  async create(output: ImageOutput, plan: ImagePlan): Promise<ImageWriter> {
    return (await import("./ewf/ewf_writer.ts")).createEwf(output, plan);
  },
};
