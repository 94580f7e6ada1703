/** The section of a report about what was left out of the image on purpose. */
import { formatCount } from "../core/units.ts";
import type { Manifest, SelectionFacts, VolumeFacts } from "./manifest.ts";
import { type Fact, given, plain, type Row, type Section } from "./manifest_blocks.ts";
import { sizeText } from "./rate_text.ts";

/** None where the image holds all of the source. */
export function selectionSections({ selection }: Manifest): Section[] {
  if (selection === null) return [];
  const { sourceBytes, contentBytes, skippedBytes, gptBackupOffsetBytes } = selection;
  const facts: Fact[] = [
    { label: "Kept", value: plain(selectionText(selection)) },
    { label: "Whole source", value: plain(sizeText(sourceBytes)) },
    { label: "Content of the image", value: plain(sizeText(contentBytes)) },
    { label: "Not read, zeros in the image", value: plain(sizeText(skippedBytes)) },
  ];
  if (gptBackupOffsetBytes !== null) {
    const place = `at byte ${formatCount(gptBackupOffsetBytes)} of the source, ` +
      "at the end of the image";
    facts.push({ label: "Backup of the GPT", value: plain(place) });
  }
  return [{
    title: "What was left out on purpose",
    blocks: [
      { kind: "facts", facts },
      ...selection.volumes.length === 0 ? [] : [{
        kind: "table" as const,
        columns: [
          { title: "Volume" },
          { title: "Size", isNumber: true },
          { title: "Copied", isNumber: true },
          { title: "Whole, because" },
        ],
        rows: selection.volumes.map(volumeRow),
      }],
    ],
  }];
}

/** What the image holds, in words. */
export function selectionText({ allocatedOnly, usedOnly }: SelectionFacts): string {
  const kept = usedOnly ? "what file systems use; deleted files are not in it" : "all bytes";
  return allocatedOnly ? `${kept}, up to the end of the last partition` : kept;
}

function volumeRow({
  partition,
  fileSystem,
  sizeBytes,
  usedBytes,
  wholeBecause,
}: VolumeFacts): Row {
  const name = partition === null ? "the source" : `partition ${formatCount(partition)}`;
  return {
    cells: [
      plain(fileSystem === null ? name : `${name}, ${fileSystem}`),
      plain(formatCount(sizeBytes)),
      plain(formatCount(usedBytes)),
      given(wholeBecause, ""),
    ],
  };
}
