import { ImagingError } from "../core/errors.ts";
import { totalLength } from "../core/range.ts";
import { sizeText } from "../report/rate_text.ts";
import { findBmap, type FoundBmap } from "./images/bmap_files.ts";
import {
  blockSizeOption,
  type Command,
  type CommandContext,
  type CommandResult,
  firstSet,
  hashOption,
  type Invocation,
  isSet,
  valueOf,
} from "./command.ts";
import { FIT_OPTIONS, fitOption, gptNote, type TableFit } from "./write/fit_table.ts";
import { type OpenedMedium, openMedium } from "./media/open_medium.ts";
import {
  type ApprovedTarget,
  approveTargets,
  type Target,
  WRITE_OPTIONS,
  writePlanOf,
} from "./write/targets.ts";
import type { Unmapped } from "./write/write_job.ts";
import { writeTargets } from "./write/write_targets.ts";

export const write: Command = {
  name: "write",
  aliases: ["flash"],
  usage: "IMAGE TARGET...",
  summary: "write an image to one or more devices, and verify",
  details: [
    "Shows what each TARGET is and holds, asks for its name, writes, and reads everything " +
    "again past every cache. The first block is written last: a medium whose writing was " +
    "interrupted does not pretend to be whole.",
    "Refuses the disk that the system runs from, disks in use, read-only ones, and those " +
    "that are too small. Several targets are written at the same time; each has its own " +
    "result, and the exit code is the worst of them.",
    "Packed images (.gz .zst .xz .bz2 .lz4 .zip) are unpacked on the way; what they are is " +
    "told by their content. One that is damaged or cut never gets its first block.",
    "A block map beside the image (card.img.bmap, from `read --bmap` or bmaptool) is used: " +
    "only what it says is written, and its checksums are checked; the rest of TARGET stays as " +
    "it is, unless --zero-unmapped or --discard is given.",
    "With --expand the last partition grows to the end of TARGET, in the partition table only: " +
    "its file system has its own tools (resize2fs, or the system at its first start).",
  ],
  examples: [
    "sectorshot write card.img /dev/sdb",
    "sectorshot write card.img.xz /dev/sdb --expand",
    "sectorshot write card.img /dev/sdb /dev/sdc --yes",
    "curl -L https://example.org/card.img | sectorshot write - /dev/sdb --yes",
  ],
  options: [
    ...WRITE_OPTIONS,
    ...FIT_OPTIONS,
    { name: "no-bmap", help: "write all of the image, also where a block map lies beside it" },
    { name: "zero-unmapped", help: "zeros where the block map has nothing" },
    { name: "discard", help: "tell TARGET that what the block map leaves out is free" },
  ],
  positionals: { min: 2, max: Infinity },
  run,
};

async function run(invocation: Invocation, context: CommandContext): Promise<CommandResult> {
  const [imagePath = "", ...paths] = invocation.positionals;
  const fit = fitOption(invocation);
  const unmapped = unmappedOption(invocation);
  const requested = hashOption(invocation);
  await using image = await openMedium(context, imagePath);
  const bmap = await bmapOf(invocation, context, image, imagePath);
  const { source, seekable } = image;
  const targets = await approveTargets(context, writePlanOf(invocation, image), paths);
  checkFit(fit, targets);
  if (fit === undefined) {
    const largest = Math.max(...targets.map(({ target }) => sizeOf(target)));
    const note = await gptNote(source, largest);
    if (note !== undefined) context.note(note);
  }
  const sectorSize = Math.max(...targets.map(({ target }) => target.disk.sectorSize));
  return await writeTargets({
    context,
    source,
    targets,
    algorithms: bmap === undefined ? requested : [],
    chunkBytes: blockSizeOption(invocation, sectorSize),
    verify: !isSet(invocation, "no-verify"),
    compareWith: seekable ? "source" : "digests",
    onBad: "fail",
    fit,
    bmap,
    unmapped,
  });
}

/** What becomes of the places that a block map leaves out. */
function unmappedOption(invocation: Invocation): Unmapped {
  const isZero = isSet(invocation, "zero-unmapped");
  const isDiscard = isSet(invocation, "discard");
  if (isZero && isDiscard) {
    throw new ImagingError("usage", "cannot use --zero-unmapped together with --discard", {
      hint: "leave out one of them",
    });
  }
  return isZero ? "zero" : isDiscard ? "discard" : "keep";
}

/** The block map that lies beside the image, if it is to be used. */
async function bmapOf(
  invocation: Invocation,
  context: CommandContext,
  image: OpenedMedium,
  imagePath: string,
): Promise<FoundBmap | undefined> {
  let found: FoundBmap | undefined;
  if (image.location?.kind === "file" && !isSet(invocation, "no-bmap")) {
    await using files = context.backend.openFiles();
    found = await findBmap(context, files, imagePath, {
      size: image.source.size,
      isPacked: image.image?.isPacking === true,
    });
  }
  const option = firstSet(invocation, ["zero-unmapped", "discard"]);
  if (found === undefined && option !== undefined) {
    throw new ImagingError("usage", `cannot use --${option}: there is no block map`, {
      hint: `a block map lies beside the image: ${imagePath}.bmap`,
    });
  }
  if (found === undefined) return undefined;
  if (valueOf(invocation, "hash") !== undefined) {
    throw new ImagingError("usage", `cannot use --hash: of ${imagePath} not all is read`, {
      hint: `${found.path} tells what is: add --no-bmap to read and write all of it`,
    });
  }
  context.note({
    level: "note",
    message: `only what ${found.path} calls data is written: ` +
      `${sizeText(totalLength(found.map.ranges))} of ${sizeText(found.map.imageSize)}`,
  });
  return found;
}

/** Only a whole disk has a partition table. */
function checkFit(fit: TableFit | undefined, targets: readonly ApprovedTarget[]): void {
  const part = targets.find(({ target }) => target.partition !== undefined);
  if (fit === undefined || part === undefined) return;
  throw new ImagingError("usage", `cannot use --${fit}: ${part.target.path} is a partition`, {
    hint: `name the disk, ${part.target.disk.path}, or leave it out`,
  });
}

function sizeOf({ disk, partition }: Target): number {
  return partition?.size ?? disk.size;
}
