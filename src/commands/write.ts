import {
  blockSizeOption,
  type Command,
  type CommandContext,
  type CommandResult,
  hashOption,
  type Invocation,
  isSet,
} from "./command.ts";
import { openMedium } from "./open_medium.ts";
import { approveTargets, WRITE_OPTIONS, writePlanOf } from "./targets.ts";
import { writeTargets } from "./write_targets.ts";

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
  ],
  examples: [
    "sectorshot write card.img /dev/sdb",
    "sectorshot write card.img /dev/sdb /dev/sdc --yes",
    "xz -dc card.img.xz | sectorshot write - /dev/sdb --yes",
  ],
  options: WRITE_OPTIONS,
  positionals: { min: 2, max: Infinity },
  run,
};

async function run(invocation: Invocation, context: CommandContext): Promise<CommandResult> {
  const [imagePath = "", ...paths] = invocation.positionals;
  const algorithms = hashOption(invocation);
  await using image = await openMedium(context, imagePath);
  const { source, seekable } = image;
  const targets = await approveTargets(
    context,
    writePlanOf(invocation, image),
    paths,
  );
  const sectorSize = Math.max(...targets.map(({ target }) => target.disk.sectorSize));
  return await writeTargets({
    context,
    source,
    targets,
    algorithms,
    chunkBytes: blockSizeOption(invocation, sectorSize),
    verify: !isSet(invocation, "no-verify"),
    compareWith: seekable ? "source" : "digests",
    onBad: "fail",
  });
}
