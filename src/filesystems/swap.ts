/** Linux swap area, union swap_header, https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/linux/swap.h */
import type { ProbeInput, ProbeScore } from "../core/block.ts";
import { hasAscii, uuidText, viewOf } from "../core/bytes.ts";
import {
  type FileSystem,
  type FileSystemIdentity,
  isBlank,
  labelText,
  notRecognised,
} from "./file_system.ts";

// One memory page at 0, in the byte order of the machine:
// 1024  4 version, 1
// 1036 16 sws_uuid
// 1052 16 sws_volume
// last 10 magic: "SWAPSPACE2", or "S1SUSPEND" while the machine hibernates;
//         "SWAP-SPACE" is the old kind without the fields above
const PAGE_BYTES = [4096, 8192, 16384, 32768, 65536];
const MAGIC_BYTES = 10;

/** Swap space of Linux. */
export const swap: FileSystem = { id: "swap", title: "Linux swap", probe, identify };

function kindOf(head: Uint8Array): "swap" | "old" | "hibernated" | undefined {
  for (const page of PAGE_BYTES) {
    const at = page - MAGIC_BYTES;
    if (hasAscii(head, at, "SWAP-SPACE")) return "old";
    const kind = hasAscii(head, at, "SWAPSPACE2")
      ? "swap"
      : hasAscii(head, at, "S1SUSPEND")
      ? "hibernated"
      : undefined;
    if (kind === undefined) continue;
    const view = viewOf(head);
    if (view.getUint32(1024, true) === 1 || view.getUint32(1024, false) === 1) return kind;
  }
  return undefined;
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
