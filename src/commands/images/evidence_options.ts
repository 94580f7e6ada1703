/** What an examiner says on the command line, and how images are packed. */
import { ImagingError } from "../../core/errors.ts";
import type { DeviceInfo } from "../../devices/device.ts";
import type {
  Compression,
  Evidence,
  ImageFormat,
  ImagePlan,
  PackingSetting,
} from "../../formats/image_format.ts";
import { IMAGE_FORMATS } from "../../formats/registry.ts";
import {
  bytesOption,
  type CommandContext,
  type Invocation,
  type OptionSpec,
  valueOf,
} from "../command.ts";
import type { OpenedMedium } from "../media/open_medium.ts";

/** For verbs that write images. */
export const IMAGE_OPTIONS: readonly OptionSpec[] = [
  { name: "compression", value: "HOW", help: "of .E01, .S01, .aff: none, fast or best (fast)" },
  { name: "segment-size", value: "N", help: "bytes a file, for formats in several (2G - 1M)" },
  { name: "chunk-sectors", value: "N", help: "sectors packed together in an .E01 (64)" },
  {
    name: "ewf-layout",
    value: "NAME",
    help: "of .E01: encase6, encase5, ftk, linen, smart (encase6)",
  },
  { name: "case", value: "TEXT", help: "case number, kept in the image and the report" },
  { name: "evidence", value: "TEXT", help: "evidence number" },
  { name: "description", value: "TEXT", help: "what it is" },
  { name: "examiner", value: "TEXT", help: "who examines" },
  { name: "notes", value: "TEXT", help: "anything else" },
];

const COMPRESSIONS: readonly string[] = ["none", "fast", "best"] satisfies Compression[];

/** Smallest size of a segment: a few tables must fit. */
const MIN_SEGMENT_BYTES = 1024 * 1024;

/** The option of each setting. */
const SETTING_OPTIONS: Readonly<Record<PackingSetting, string>> = {
  compression: "compression",
  segmentBytes: "segment-size",
  chunkSectors: "chunk-sectors",
  layout: "ewf-layout",
};

/** A setting that none of the formats obeys is not silently left out. */
export function checkSettings(invocation: Invocation, formats: readonly ImageFormat[]): void {
  for (const [setting, name] of Object.entries(SETTING_OPTIONS)) {
    if (valueOf(invocation, name) === undefined) continue;
    const isObeyed = ({ settings }: ImageFormat): boolean =>
      settings?.some((each) => each === setting) ?? false;
    if (formats.some(isObeyed)) continue;
    const titles = formats.map(({ title }) => title).join(" and ");
    const obeying = IMAGE_FORMATS.filter(isObeyed).flatMap(({ extensions }) => extensions);
    throw new ImagingError("usage", `cannot use --${name}: ${titles} has no use for it`, {
      hint: `it is for ${obeying.map((each) => `.${each}`).join(" ")}`,
    });
  }
}

/**
 * How the options say that images of these formats are packed.
 *
 * @throws {ImagingError} `usage`
 */
export function packingOptions(
  invocation: Invocation,
  formats: readonly ImageFormat[],
): Pick<ImagePlan, PackingSetting> {
  checkSettings(invocation, formats);
  const compression = valueOf(invocation, "compression");
  if (compression !== undefined && !COMPRESSIONS.includes(compression)) {
    throw new ImagingError("usage", `cannot use --compression ${compression}`, {
      hint: `there are ${COMPRESSIONS.join(", ")}`,
    });
  }
  const segmentBytes = bytesOption(invocation, "segment-size", 512);
  if (segmentBytes !== undefined && segmentBytes < MIN_SEGMENT_BYTES) {
    throw new ImagingError("usage", `cannot use --segment-size ${segmentBytes}`, {
      hint: "the smallest is 1M",
    });
  }
  const sectors = valueOf(invocation, "chunk-sectors");
  const chunkSectors = sectors === undefined ? undefined : Number(sectors);
  const isPower = chunkSectors === undefined ||
    (Number.isInteger(Math.log2(chunkSectors)) && chunkSectors >= 1 && chunkSectors <= 32768);
  if (!isPower) {
    throw new ImagingError("usage", `cannot use --chunk-sectors ${sectors}`, {
      hint: "give a power of two, up to 32768; usual is 64",
    });
  }
  return {
    compression: compression as Compression | undefined,
    segmentBytes,
    chunkSectors,
    layout: valueOf(invocation, "ewf-layout"),
  };
}

/** What is kept of a medium: the options, what the medium is, and when it is. */
export function evidenceOf(
  invocation: Invocation,
  context: CommandContext,
  medium: OpenedMedium,
): Evidence {
  const { location } = medium;
  const before = medium.image?.evidence;
  const disk: DeviceInfo | undefined = location?.kind === "device" ? location.disk : undefined;
  return {
    caseNumber: valueOf(invocation, "case") ?? before?.caseNumber,
    evidenceNumber: valueOf(invocation, "evidence") ?? before?.evidenceNumber,
    description: valueOf(invocation, "description") ?? before?.description,
    examiner: valueOf(invocation, "examiner") ?? before?.examiner,
    notes: valueOf(invocation, "notes") ?? before?.notes,
    acquired: before?.acquired ?? new Date(),
    system: before?.system ?? context.backend.host.title,
    program: context.program.text,
    model: disk?.model ?? before?.model,
    serial: disk?.serial ?? before?.serial,
    isPhysical: before?.isPhysical ??
      (location?.kind === "device" && location.partition === undefined),
    isRemovable: disk?.removable ?? before?.isRemovable,
  };
}
