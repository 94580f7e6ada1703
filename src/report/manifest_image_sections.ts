/** The sections of a report about what was written, and what it was compared with. */
import { formatBytes, formatCount } from "../core/units.ts";
import type { FileFacts, HashFacts, ImageFacts, Manifest } from "./manifest.ts";
import {
  type Block,
  code,
  type Fact,
  given,
  plain,
  type Row,
  type Section,
  type Table,
} from "./manifest_blocks.ts";
import {
  algorithmName,
  groupVerdict,
  type HashGroup,
  hashGroups,
  verdictTone,
} from "./manifest_hashes.ts";

export function imagesSection(manifest: Manifest): Section {
  const { images, hashWindowFile, mapFile } = manifest;
  const blocks: Block[] = images.flatMap(imageBlocks);
  if (images.length === 0) blocks.push({ kind: "paragraph", text: "No image was written." });
  const file = (label: string, facts: FileFacts | null): Block[] => [
    { kind: "heading", value: plain(label) },
    facts === null ? { kind: "paragraph", text: "There is none." } : fileTable([facts]),
  ];
  blocks.push(
    ...file("Piecewise hashes", hashWindowFile),
    ...file("Map of the states, in the form of GNU ddrescue", mapFile),
  );
  return { title: "Image files", blocks };
}

function imageBlocks(image: ImageFacts): Block[] {
  const { path, format, layout, compression, files, result, message } = image;
  const facts: Fact[] = [
    { label: "Result", value: plain(result, result === "complete" ? "good" : "bad") },
  ];
  if (message !== null) facts.push({ label: "Message", value: given(message, "none") });
  facts.push(
    { label: "Format", value: given(format) },
    { label: "Layout", value: given(layout, "does not apply") },
    { label: "Compression", value: given(compression, "does not apply") },
    { label: "Files", value: plain(formatCount(files.length)) },
  );
  const blocks: Block[] = [{ kind: "heading", value: given(path) }, { kind: "facts", facts }];
  return files.length === 0 ? blocks : [...blocks, fileTable(files)];
}

function fileTable(files: readonly FileFacts[]): Table {
  return {
    kind: "table",
    columns: [
      { title: "File" },
      { title: "Bytes", isNumber: true },
      { title: "Size", isNumber: true },
    ],
    rows: files.map(({ name, sizeBytes, digests }): Row => ({
      cells: [given(name), plain(formatCount(sizeBytes)), plain(formatBytes(sizeBytes))],
      details: digests.map(({ algorithm, hex }) => ({
        label: algorithmName(algorithm),
        value: code(hex),
      })),
    })),
  };
}

export function hashSection(manifest: Manifest): Section {
  const blocks: Block[] = [{
    kind: "paragraph",
    text: "Digests of the content of the medium, not of the files of an image. These are " +
      "different things: what was read first, what the image holds, and what the source " +
      "gave when it was read once more. Unreadable sectors count with what replaces them.",
  }];
  for (const group of hashGroups(manifest)) {
    blocks.push({ kind: "heading", value: headingOf(group) });
    if (group.lines.length > 0) blocks.push(hashTable(group.lines));
    else {
      const verdict = plain(groupVerdict(group), "open");
      blocks.push({ kind: "facts", facts: [{ label: absentLabel(group), value: verdict }] });
    }
  }
  return { title: "Hashes and verification", blocks };
}

function headingOf({ subject, image }: HashGroup): ReturnType<typeof plain> {
  if (subject === "source") return plain("The source, as it was read");
  if (subject === "sourceAgain") return plain("The source, read again (--verify-source)");
  return { text: `${image ?? "The image"} as written, read again (--verify)`, look: "given" };
}

function absentLabel({ subject }: HashGroup): string {
  return subject === "source" ? "Hashing" : "Comparison";
}

function hashTable(lines: readonly HashFacts[]): Table {
  return {
    kind: "table",
    columns: [{ title: "Algorithm" }, { title: "Compared with the source as read" }],
    rows: lines.map(({ algorithm, hex, verdict }) => ({
      cells: [
        plain(algorithmName(algorithm)),
        verdict === "reference"
          ? plain("is the reference")
          : plain(verdict, verdictTone(verdict)),
      ],
      details: [{
        label: "Digest",
        value: hex === null ? given(null, "none") : code(hex),
      }],
    })),
  };
}
