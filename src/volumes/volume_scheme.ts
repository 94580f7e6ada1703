/** What a way of dividing a disk must offer. */
import type { BlockSource, ProbeInput, ProbeScore } from "../core/block.ts";
import type { PartitionTable } from "./partition_table.ts";

/** A kind of partition table: one file and one line in `all.ts` each. */
export interface VolumeScheme {
  /** Short and lower case: "gpt". */
  readonly id: string;
  /** For people: "GPT". */
  readonly title: string;
  /** How sure is it that the disk begins with its table? Never throws. */
  probe(input: ProbeInput): ProbeScore;
  /**
   * Looks for a table at other places than the beginning. It is asked only when
   * the beginning of the disk is blank, so that a leftover of an older use is not
   * taken for a table.
   *
   * @throws {ReadError} when the medium does not deliver.
   */
  probeElsewhere?(media: BlockSource): Promise<ProbeScore>;
  /**
   * Reads the table. What is odd but can be lived with is among its findings.
   * May be called without a probe, to try a table that is badly damaged.
   *
   * @throws {FormatError} when there is no usable table.
   * @throws {ReadError} when the medium does not deliver.
   */
  read(media: BlockSource): Promise<PartitionTable>;
}
