/** What a run came to, in sentences that follow from its manifest. */
import { plural } from "../core/units.ts";
import type { ImageFacts, Manifest } from "./manifest.ts";
import type { Statement } from "./manifest_blocks.ts";
import { algorithmList, groupVerdict, type HashGroup, hashGroups } from "./manifest_hashes.ts";
import { selectionText } from "./manifest_selection.ts";
import { shortText } from "./manifest_words.ts";
import { sizeText } from "./rate_text.ts";

function good(text: string): Statement {
  return { tone: "good", word: "OK", text };
}

function bad(text: string): Statement {
  return { tone: "bad", word: "PROBLEM", text };
}

function open(word: string, text: string): Statement {
  return { tone: "open", word, text };
}

function warning(text: string): Statement {
  return { tone: "warning", word: "WARNING", text };
}

/** What is said first: was all read, are the images whole, what was verified. */
export function conclusions(manifest: Manifest): Statement[] {
  const groups = hashGroups(manifest);
  // Of these it was said already that they are of no use.
  const failed = new Set<string | null>(
    manifest.images.filter(({ result }) => result === "failed").map(({ path }) => path),
  );
  return [
    ...selectionStatements(manifest),
    ...readingStatements(manifest),
    ...manifest.images.map(imageStatement),
    ...groups.filter(({ image }) => !failed.has(image)).flatMap(hashStatement),
    ...warningStatements(manifest),
  ];
}

/** What was left out on purpose is said before all else. */
function selectionStatements({ selection }: Manifest): Statement[] {
  if (selection === null) return [];
  const { skippedBytes, sourceBytes, contentBytes } = selection;
  const left = sizeText(skippedBytes + Math.max(0, sourceBytes - contentBytes));
  return [open("NOTE", `The image holds ${selectionText(selection)}. ${left} were left out.`)];
}

function readingStatements(manifest: Manifest): Statement[] {
  const { reading, source, areas, selection } = manifest;
  const { readBytes, lengthBytes, unreadable, unreadableBytes, unreadableSectors } = reading;
  const statements: Statement[] = [];
  const untriedBytes = areas.reduce(
    (sum, { state, lengthBytes }) => state === "?" ? sum + lengthBytes : sum,
    0,
  );
  if (unreadable.length > 0) {
    statements.push(
      bad(
        `${plural(unreadableSectors, "sector")} (${plural(unreadableBytes, "byte")}) in ` +
          `${plural(unreadable.length, "area")} could not be read. They are listed below.`,
      ),
    );
  }
  if (untriedBytes > 0) statements.push(bad(`${sizeText(untriedBytes)} were not tried.`));
  const missingBytes = (lengthBytes ?? readBytes) - readBytes - unreadableBytes - untriedBytes;
  if (missingBytes > 0) statements.push(bad(`${sizeText(missingBytes)} were not read.`));
  const whole = selection !== null
    ? "what was chosen"
    : lengthBytes === source.sizeBytes
    ? "the source"
    : "the part that was asked for";
  if (statements.length > 0) {
    statements.unshift(open("NOTE", `${sizeText(readBytes)} were read.`));
  } else if (lengthBytes === null) {
    statements.push(good(`The stream was read to its end: ${sizeText(readBytes)}.`));
  } else statements.push(good(`All of ${whole} was read: ${sizeText(readBytes)}.`));
  return statements;
}

function imageStatement({ path, result, message, files }: ImageFacts): Statement {
  const name = shortText(path);
  if (result === "failed") {
    return bad(`${name} failed${message === null ? "" : `: ${shortText(message)}`}.`);
  }
  const bytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return good(`${name} is complete: ${plural(files.length, "file")}, ${sizeText(bytes)}.`);
}

function hashStatement(group: HashGroup): Statement[] {
  if (group.subject === "source") return [];
  const isImage = group.subject === "image";
  const name = isImage ? shortText(group.image ?? "The image") : "The source";
  const verdict = groupVerdict(group);
  const again = isImage ? "was read again after writing" : "was read a second time";
  if (verdict === "not done") return [open("NOT DONE", `${name} was not read again.`)];
  const names = algorithmList(group, verdict);
  return verdict === "different"
    ? [bad(`${name} ${again} and is DIFFERENT from what was read first (${names}).`)]
    : [good(`${name} ${again} and is the same as what was read first (${names}).`)];
}

function warningStatements({ findings, partitionTable }: Manifest): Statement[] {
  const all = [...findings, ...partitionTable?.findings ?? []];
  const count = all.filter(({ level }) => level === "warning").length;
  if (count === 0) return [];
  return [warning(`There ${count === 1 ? "is" : "are"} ${plural(count, "warning")} below.`)];
}
