/** The proof: what was written is read again past every cache, before the first block is there. */
import { FIRST_BLOCK_BYTES } from "../../blocks/first_block_last.ts";
import { PatchedSource } from "../../blocks/patched.ts";
import type { BlockSource, Bytes } from "../../core/block.ts";
import type { Finding } from "../../core/errors.ts";
import { type Range, totalLength } from "../../core/range.ts";
import type { DeviceSink } from "../../devices/device.ts";
import type { RangeList } from "../../report/ranges_text.ts";
import type { CommandContext } from "../command.ts";
import { fitTable, type FittedTable, type TableFit } from "./fit_table.ts";
import type { Ending, OpenTarget } from "./write_job.ts";

/** What is proved, and how. */
export interface TargetProof {
  readonly context: CommandContext;
  /** Is the target read again? Otherwise it only gets its first block. */
  readonly verify: boolean;
  readonly fit: TableFit | undefined;
  /** Bytes of the medium that was written. */
  readonly bytes: number;
  /** Told which places will not be what was written, because the table is fitted. */
  readonly beforeFit?: ((ranges: readonly Range[]) => Promise<void>) | undefined;
  /** Where the target, read again, does not hold what was written to it. */
  findDifferences(device: BlockSource): Promise<RangeList>;
}

/** Reads the target again, then lets it have its first block. */
export async function proveTarget(open: OpenTarget, proof: TargetProof): Promise<Ending> {
  const { context, verify, bytes } = proof;
  const { held, sink } = open;
  let fitted: string | undefined;
  const fit = async (): Promise<FittedTable | undefined> => {
    if (proof.fit === undefined) return undefined;
    const table = await fitTable(proof.fit, open, verify, proof.beforeFit);
    for (const finding of table.findings) context.note(finding);
    fitted = table.summary;
    return table;
  };
  const ending = { bytes, verified: verify, error: undefined, begun: true };
  if (verify) {
    await using device = await sink.reread();
    const shown = new PatchedSource(device, [{ offset: 0, bytes: held.heldBack }]);
    const differing = await proof.findDifferences(shown);
    // The first block stays zero: a medium that is wrong must not look whole.
    if (differing.bytes > 0) return { ...ending, outcome: "mismatch", differing };
    const fitted = await fit();
    if (fitted !== undefined && fitted.differing.bytes > 0) {
      return { ...ending, outcome: "mismatch", differing: fitted.differing };
    }
    await held.release();
    let first: RangeList;
    try {
      first = await differingFirstBlock(device, held.heldBack);
    } catch (error) {
      await held.revoke();
      throw error;
    }
    if (first.bytes > 0) {
      await held.revoke();
      return { ...ending, outcome: "mismatch", differing: first };
    }
  } else {
    await fit();
    await held.release();
  }
  for (const finding of [...lastSectorFindings(bytes, sink), ...await sink.announce()]) {
    context.note(finding);
  }
  return { ...ending, outcome: "done", differing: undefined, fitted };
}

async function differingFirstBlock(device: BlockSource, expected: Bytes): Promise<RangeList> {
  const block = new Uint8Array(FIRST_BLOCK_BYTES).subarray(0, expected.length);
  const length = await device.readAt(0, block);
  const same = length === expected.length &&
    block.every((byte, index) => byte === expected[index]);
  const ranges = same ? [] : [{ offset: 0, length: expected.length }];
  return { ranges, bytes: totalLength(ranges) };
}

/** An image that ends inside of a sector. */
function lastSectorFindings(bytes: number, sink: DeviceSink): Finding[] {
  const rest = bytes % sink.sectorSize;
  if (rest === 0) return [];
  return [{
    level: "note",
    message: `the image ends inside of a sector: the last ${sink.sectorSize - rest} bytes of ` +
      `that sector on ${sink.name} are zeros now`,
  }];
}
