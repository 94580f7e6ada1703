/**
 * EWF, version 1: how EnCase, FTK Imager and SMART keep a medium, in chunks with checksums,
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%20(EWF).asciidoc
 */
import { openEwf, probeEwf } from "./ewf/ewf_reader.ts";
import { createEwf } from "./ewf/ewf_writer.ts";
import type { ImageFormat } from "./image_format.ts";

export const ewf: ImageFormat & Required<Pick<ImageFormat, "create">> = {
  id: "ewf",
  title: "EWF image (EnCase, FTK Imager, SMART)",
  extensions: ["e01", "s01"],
  inOrder: true,
  settings: ["compression", "segmentBytes", "chunkSectors", "layout"],
  probe: probeEwf,
  open: openEwf,
  create: createEwf,
};
