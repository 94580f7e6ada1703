/**
 * An image that is packed as .xz, https://tukaani.org/xz/xz-file-format.txt
 *
 * Read only. The sizes of its blocks stand at its end, so the size of the content is known.
 */
import type { BlockSource, ProbeInput, ProbeScore } from "../core/block.ts";
import type { ImageFormat, OpenedImage, OpenOptions } from "./image_format.ts";
import { openPackedStream } from "./packed/packed_stream.ts";
import { packedHead, withoutChecksum } from "./packed/without_checksum.ts";

const MAGIC: readonly number[] = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];

export const xz: ImageFormat = {
  id: "xz",
  title: "xz-compressed image",
  extensions: ["xz"],
  probe({ head }: ProbeInput): ProbeScore {
    return MAGIC.every((byte, index) => head[index] === byte) ? "exact" : "no";
  },
  async open(file: BlockSource, options: OpenOptions = {}): Promise<OpenedImage> {
    const { xzContentBytes } = await import("./packed/xz_content_bytes.ts");
    const contentBytes = await xzContentBytes(file);
    const image = await openPackedStream(file, "xz", { ...options, contentBytes });
    return await hasCheck(file) ? image : withoutChecksum(image);
  },
};

/** Do the stream's flags name a check? .xz file format, 2.1.1.2; of the first stream. */
async function hasCheck(file: BlockSource): Promise<boolean> {
  return (await packedHead(file))[7] !== 0;
}
