/**
 * An image that is packed as an lz4 frame,
 * https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
 *
 * Read only.
 */
import type { BlockSource, ProbeInput, ProbeScore } from "../core/block.ts";
import type { ImageFormat, OpenedImage, OpenOptions } from "./image_format.ts";
import { firstFrame, firstFrameMagic } from "./packed/frame_magic.ts";
import { openPackedStream } from "./packed/packed_stream.ts";
import { packedHead, withoutChecksum } from "./packed/without_checksum.ts";

/** A frame, and the format before there were frames, which is refused by its name. */
const MAGICS: readonly number[] = [0x184d2204, 0x184c2102];

/** Flags of the frame descriptor. */
const CONTENT_CHECKSUM = 0x04;
const BLOCK_CHECKSUM = 0x10;

export const lz4: ImageFormat = {
  id: "lz4",
  title: "lz4-compressed image",
  extensions: ["lz4"],
  probe({ head }: ProbeInput): ProbeScore {
    const magic = firstFrameMagic(head);
    return magic !== undefined && MAGICS.includes(magic) ? "exact" : "no";
  },
  async open(file: BlockSource, options: OpenOptions = {}): Promise<OpenedImage> {
    const image = await openPackedStream(file, "lz4", options);
    return await hasChecksum(file) ? image : withoutChecksum(image);
  },
};

/** Does the descriptor of the first frame say that its content, or its blocks, have one? */
async function hasChecksum(file: BlockSource): Promise<boolean> {
  const head = await packedHead(file);
  const frame = firstFrame(head);
  const flags = frame === undefined ? undefined : head[frame.offset + 4];
  return flags === undefined || (flags & (CONTENT_CHECKSUM | BLOCK_CHECKSUM)) !== 0;
}
