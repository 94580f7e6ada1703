/** Squashfs 4.0, section "Superblock", https://dr-emann.github.io/squashfs/squashfs.html#_the_superblock */
import type { ProbeInput, ProbeScore } from "../core/block.ts";
import { hasAscii, viewOf } from "../core/bytes.ts";
import { type FileSystem, type FileSystemIdentity, notRecognised } from "./file_system.ts";

// At 0, little endian:
//  0 4 magic, "hsqs"
// 12 4 block size
// 22 2 block log, the power of two that gives the block size
// 28 2 version major, 4
const SUPERBLOCK_BYTES = 96;

/** The compressed file system of live media. */
export const squashfs: FileSystem = { id: "squashfs", title: "SquashFS", probe, identify };

function probe(input: ProbeInput): ProbeScore {
  const { head } = input;
  if (head.length < SUPERBLOCK_BYTES || !hasAscii(head, 0, "hsqs")) return "no";
  const view = viewOf(head);
  const isPlausible = view.getUint16(28, true) === 4 &&
    view.getUint32(12, true) === 2 ** view.getUint16(22, true);
  return isPlausible ? "exact" : "no";
}

function identify(input: ProbeInput): FileSystemIdentity {
  if (probe(input) === "no") throw notRecognised(squashfs.title);
  return {
    id: squashfs.id,
    family: squashfs.id,
    title: squashfs.title,
    label: undefined,
    uuid: undefined,
  };
}
