/**
 * Advanced Forensic Format 4: AFF4 Standard v1.0, https://github.com/aff4/Standard
 *
 * Read only: images of disks, in one container or in several. Logical images (AFF4-L), those
 * from before the standard, encrypted ones, and containers that are folders are refused.
 */
import type { BlockSource, ProbeInput, ProbeScore } from "../core/block.ts";
import { hasAff4Head } from "./aff4/aff4_head.ts";
import type { ImageFormat, OpenedImage, OpenOptions } from "./image_format.ts";

export const aff4: ImageFormat = {
  id: "aff4",
  title: "AFF4 image",
  extensions: ["aff4"],
  /** What is called so and does not begin so is damaged: it is no raw image. */
  probe({ name, head }: ProbeInput): ProbeScore {
    if (hasAff4Head(head)) return "exact";
    return /\.af{1,2}4$/i.test(name) ? "maybe" : "no";
  },
  async open(file: BlockSource, options: OpenOptions = {}): Promise<OpenedImage> {
    return await (await import("./aff4/open_aff4.ts")).openAff4(file, options);
  },
};
