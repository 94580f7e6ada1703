/** Linux swap area, union swap_header, https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/linux/swap.h */
import type { BlockSource, ProbeInput, ProbeScore } from "../core/block.ts";
import { uuidText } from "../core/bytes.ts";
import type { Range } from "../core/range.ts";
import {
  type FileSystem,
  type FileSystemIdentity,
  isBlank,
  labelText,
  notRecognised,
} from "./file_system.ts";
import { parseSwapHeader, type SwapKind, swapSignatures } from "./swap/swap_header.ts";

/** Swap space of Linux. */
export const swap: FileSystem = {
  id: "swap",
  title: "Linux swap",
  probe,
  identify,
  async usedRanges(volume: BlockSource): Promise<readonly Range[]> {
    return await (await import("./swap/swap_used_ranges.ts")).swapUsedRanges(volume);
  },
};

function kindOf(head: Uint8Array): SwapKind | undefined {
  return swapSignatures(head).find(({ kind, pageBytes }) =>
    kind === "old" || parseSwapHeader(head, pageBytes) !== undefined
  )?.kind;
}

function probe(input: ProbeInput): ProbeScore {
  return kindOf(input.head) === undefined ? "no" : "exact";
}

function identify(input: ProbeInput): FileSystemIdentity {
  const kind = kindOf(input.head);
  if (kind === undefined) throw notRecognised(swap.title);
  const uuid = input.head.subarray(1036, 1052);
  const hasFields = kind !== "old";
  return {
    id: swap.id,
    family: swap.id,
    title: kind === "hibernated" ? "Linux swap with a hibernated system" : swap.title,
    label: hasFields ? labelText(input.head.subarray(1052, 1068)) : undefined,
    uuid: hasFields && !isBlank(uuid) ? uuidText(uuid) : undefined,
  };
}
