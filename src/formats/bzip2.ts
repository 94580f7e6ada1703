/**
 * An image that is packed with bzip2,
 * https://github.com/dsnet/compress/blob/master/doc/bzip2-format.pdf
 *
 * Read only.
 */
import type { BlockSource, ProbeInput, ProbeScore } from "../core/block.ts";
import { hasAscii, toHex } from "../core/bytes.ts";
import type { ImageFormat, OpenedImage, OpenOptions } from "./image_format.ts";
import { openPackedStream } from "./packed/packed_stream.ts";

/** What a block begins with, and the end of a stream that has none. */
const MAGICS: readonly string[] = ["314159265359", "177245385090"];

export const bzip2: ImageFormat = {
  id: "bzip2",
  title: "bzip2-compressed image",
  extensions: ["bz2"],
  probe({ head }: ProbeInput): ProbeScore {
    const digit = head[3] ?? 0;
    return hasAscii(head, 0, "BZh") && digit >= 0x31 && digit <= 0x39 &&
        MAGICS.includes(toHex(head.subarray(4, 10)))
      ? "exact"
      : "no";
  },
  open(file: BlockSource, options: OpenOptions = {}): Promise<OpenedImage> {
    return openPackedStream(file, "bzip2", options);
  },
};
