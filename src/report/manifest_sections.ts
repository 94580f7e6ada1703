/** The sections of a report about the program, the people and the computer. */
import type { Finding } from "../core/errors.ts";
import { formatCount, plural } from "../core/units.ts";
import type { Manifest, SourceFacts } from "./manifest.ts";
import { type Block, code, type Fact, given, plain, type Section } from "./manifest_blocks.ts";
import { commandLineText, durationText, timeText } from "./manifest_words.ts";
import { sizeText } from "./rate_text.ts";

export function programSection({ program, commandLine }: Manifest): Section {
  const facts: Fact[] = [
    { label: "Program", value: plain(program.name) },
    { label: "Version", value: plain(program.version) },
    { label: "Commit", value: given(program.commit) },
    { label: "Command line", value: code(commandLineText(commandLine)) },
  ];
  return { title: "Program", blocks: [{ kind: "facts", facts }] };
}

export function caseSection({ operator }: Manifest): Section {
  const field = (label: string, text: string | null): Fact => ({
    label,
    value: given(text, "not given"),
  });
  const facts = [
    field("Case", operator.case),
    field("Evidence", operator.evidence),
    field("Description", operator.description),
    field("Examiner", operator.examiner),
    field("Notes", operator.notes),
  ];
  return { title: "Case, as the examiner gave it", blocks: [{ kind: "facts", facts }] };
}

export function computerSection({ computer }: Manifest): Section {
  const facts: Fact[] = [
    { label: "Computer", value: given(computer.name) },
    { label: "Operating system", value: given(computer.system) },
    { label: "Architecture", value: given(computer.architecture) },
  ];
  return { title: "Computer", blocks: [{ kind: "facts", facts }] };
}

const KIND_NAMES: Readonly<Record<SourceFacts["kind"], string>> = {
  disk: "whole disk",
  partition: "partition of a disk",
  file: "file",
  stream: "stream",
};

export function sourceSection({ source }: Manifest): Section {
  const { sizeBytes, logicalSectorBytes, physicalSectorBytes } = source;
  const facts: Fact[] = [
    { label: "Source", value: given(source.name) },
    { label: "Kind", value: plain(KIND_NAMES[source.kind]) },
    { label: "Model", value: given(source.model) },
    { label: "Serial number", value: given(source.serial) },
    { label: "Firmware", value: given(source.firmware) },
    { label: "Attached by", value: given(source.bus) },
    { label: "Size", value: sizeBytes === null ? given(null) : plain(sizeText(sizeBytes)) },
  ];
  if (sizeBytes !== null && logicalSectorBytes > 0) {
    const sectors = formatCount(Math.floor(sizeBytes / logicalSectorBytes));
    facts.push({ label: "Sectors", value: plain(sectors) });
  }
  facts.push(
    { label: "Logical sector", value: plain(plural(logicalSectorBytes, "byte")) },
    {
      label: "Physical sector",
      value: physicalSectorBytes === null
        ? given(null)
        : plain(plural(physicalSectorBytes, "byte")),
    },
    {
      label: "Opened read-only",
      value: source.openedReadOnly ? plain("yes", "good") : plain("no", "bad"),
    },
  );
  const protection: Block = { kind: "paragraph", text: source.protection };
  return { title: "Source", blocks: [{ kind: "facts", facts }, protection] };
}

export function timeSection({ started, ended, seconds }: Manifest): Section {
  const facts: Fact[] = [
    { label: "Started", value: plain(timeText(started)) },
    { label: "Ended", value: plain(timeText(ended)) },
    { label: "Took in all", value: plain(durationText(seconds)) },
  ];
  return {
    title: "Time",
    blocks: [
      { kind: "facts", facts },
      { kind: "paragraph", text: "Local time of the computer, with its distance to UTC." },
    ],
  };
}

export function findingsSection({ findings }: Manifest): Section {
  return { title: "Findings", blocks: findingBlocks(findings) };
}

/** Oddities; says so when there are none. */
export function findingBlocks(findings: readonly Finding[]): Block[] {
  if (findings.length === 0) return [{ kind: "paragraph", text: "No oddities were noticed." }];
  return [{
    kind: "statements",
    statements: findings.map(({ level, message }) => ({
      tone: level === "warning" ? "warning" : "open",
      word: level === "warning" ? "WARNING" : "NOTE",
      text: message,
    })),
  }];
}
