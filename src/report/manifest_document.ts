/** A manifest as a document: all that a report shows, in the order of the reader. */
import { formatCount } from "../core/units.ts";
import type { Manifest } from "./manifest.ts";
import {
  type Block,
  type Fact,
  given,
  plain,
  type ReportDocument,
  type Span,
} from "./manifest_blocks.ts";
import { conclusions } from "./manifest_conclusions.ts";
import { algorithmName } from "./manifest_hashes.ts";
import {
  caseSection,
  computerSection,
  findingsSection,
  programSection,
  sourceSection,
  timeSection,
} from "./manifest_sections.ts";
import { programText, shortText, timeText } from "./manifest_words.ts";
import { hashSection, imagesSection } from "./manifest_image_sections.ts";
import { partitionSection, readingSection, statesSection } from "./manifest_media_sections.ts";
import { selectionSections } from "./manifest_selection.ts";
import { sizeText } from "./rate_text.ts";

/** Everything that is in the manifest; samples of the rate and areas that are read as pictures. */
export function reportDocument(manifest: Manifest): ReportDocument {
  return {
    title: "Acquisition report",
    program: programText(manifest.program),
    summary: summaryBlocks(manifest),
    sections: [
      programSection(manifest),
      caseSection(manifest),
      computerSection(manifest),
      sourceSection(manifest),
      partitionSection(manifest),
      timeSection(manifest),
      readingSection(manifest),
      ...selectionSections(manifest),
      statesSection(manifest),
      imagesSection(manifest),
      hashSection(manifest),
      findingsSection(manifest),
    ],
    ending: `Made by ${programText(manifest.program)} from its manifest ` +
      `("${manifest.schema}", version ${formatCount(manifest.version)}).`,
  };
}

/** The beginning of what the sections have whole. */
function short(text: string | null): Span {
  return given(text === null ? null : shortText(text), "not given");
}

/** What the first look is for. */
function summaryBlocks(manifest: Manifest): Block[] {
  const { operator, source, started, hashes } = manifest;
  const facts: Fact[] = [
    { label: "Case", value: short(operator.case) },
    { label: "Evidence", value: short(operator.evidence) },
    { label: "Source", value: short(source.name) },
    {
      label: "Size",
      value: plain(source.sizeBytes === null ? "not known" : sizeText(source.sizeBytes)),
    },
    { label: "Started", value: plain(timeText(started)) },
    ...hashes.filter(({ subject, hex }) => subject === "source" && hex !== null)
      .map(({ algorithm, hex }): Fact => ({
        label: algorithmName(algorithm),
        value: { text: hex ?? "", look: "code" },
      })),
  ];
  return [
    { kind: "facts", facts },
    { kind: "statements", statements: conclusions(manifest) },
  ];
}
