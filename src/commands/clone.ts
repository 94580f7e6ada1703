import {
  blockSizeOption,
  type Command,
  type CommandContext,
  type CommandResult,
  hashOption,
  type Invocation,
  isSet,
  positional,
} from "./command.ts";
import { FIT_OPTIONS, fitOption } from "./fit_table.ts";
import { openMedium } from "./open_medium.ts";
import { approveTargets, WRITE_OPTIONS, writePlanOf } from "./targets.ts";
import { writeTargets } from "./write_targets.ts";

export const clone: Command = {
  name: "clone",
  aliases: [],
  usage: "SOURCE TARGET",
  summary: "copy a device to a device, no file between",
  details: [
    "Copies every byte of SOURCE to TARGET with the rules of `write`: it shows what TARGET " +
    "is, asks, writes the first block last, and reads the target again. The source is read " +
    "once; the copy is compared with digests that were taken on the way.",
    "From the first place on that cannot be read, or only slowly, the rest is rescued in the " +
    "order that saves most, as `read` does it; there is no map to go on with. Unreadable " +
    "sectors become zeros on TARGET; they are listed, and the exit code is 4.",
  ],
  examples: ["sectorshot clone /dev/sdb /dev/sdc"],
  options: [...WRITE_OPTIONS, ...FIT_OPTIONS],
  positionals: { min: 2, max: 2 },
  run,
};

async function run(invocation: Invocation, context: CommandContext): Promise<CommandResult> {
  const algorithms = hashOption(invocation);
  await using medium = await openMedium(context, positional(invocation, 0));
  const { source } = medium;
  const targets = await approveTargets(
    context,
    writePlanOf(invocation, medium),
    [positional(invocation, 1)],
  );
  const sectorSize = targets[0]?.target.disk.sectorSize ?? source.sectorSize;
  if (source.sectorSize !== sectorSize) {
    context.note({
      level: "warning",
      message: `${source.name} has sectors of ${source.sectorSize} bytes, the target of ` +
        `${sectorSize}: its partition table will not be understood there`,
    });
  }
  return await writeTargets({
    context,
    source,
    targets,
    algorithms,
    chunkBytes: blockSizeOption(invocation, sectorSize),
    verify: !isSet(invocation, "no-verify"),
    compareWith: "digests",
    onBad: "zero",
    fit: fitOption(invocation),
  });
}
