/**
 * The bytes of the medium, cut into files of one size: card.001, card.002 and so on. There
 * is no specification; names are those of dcfldd (splitformat=WIN):
 * https://github.com/resurrecting-open-source-projects/dcfldd/blob/master/man/dcfldd.txt
 * `cat` of all of them, in the order of their numbers, gives the medium back.
 */
import { ConcatSource } from "../blocks/concat.ts";
import type { BlockSource, ProbeInput, ProbeScore } from "../core/block.ts";
import { formatBytes, formatCount } from "../core/units.ts";
import type {
  ImageFormat,
  ImageOutput,
  ImagePlan,
  ImageWriter,
  OpenedImage,
  OpenOptions,
} from "./image_format.ts";
import { checkFirst, openSegments, sizeFindings } from "./split_raw/open_segments.ts";
import { parseSegmentName } from "./split_raw/segment_name.ts";
import { SplitRawWriter } from "./split_raw/split_raw_writer.ts";

export const splitRaw: ImageFormat & Required<Pick<ImageFormat, "create">> = {
  id: "split",
  title: "split raw image",
  extensions: ["001"],
  inOrder: true,
  settings: ["segmentBytes"],
  /** The name is all there is to go by. */
  probe({ name }: ProbeInput): ProbeScore {
    return parseSegmentName(name) === undefined ? "no" : "maybe";
  },
  /**
   * The first name may also end in .000, as from dcfldd and split(1). A file that stands
   * alone is a raw image. When it throws, `file` is open.
   */
  async open(file: BlockSource, { folder }: OpenOptions = {}): Promise<OpenedImage> {
    const name = parseSegmentName(folder?.name ?? "");
    if (folder === undefined || name === undefined) {
      return { media: file, metadata: [], findings: [] };
    }
    const findings = await checkFirst(folder, name);
    if (name.number > 1) return { media: file, metadata: [], findings };
    const segments = await openSegments(folder, name, file);
    if (segments.length === 1) return { media: file, metadata: [], findings };
    return {
      media: new ConcatSource(file.name, segments.map(({ source }) => source)),
      metadata: [
        ["segments", formatCount(segments.length)],
        ["segment size", formatBytes(file.size)],
      ],
      findings: sizeFindings(segments),
      files: segments.map((segment) => segment.name),
    };
  },
  // Async, so that what is thrown is a rejection.
  // deno-lint-ignore require-await
  async create(output: ImageOutput, plan: ImagePlan): Promise<ImageWriter> {
    return new SplitRawWriter(output, plan);
  },
};
