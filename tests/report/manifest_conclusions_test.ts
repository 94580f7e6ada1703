import { assertEquals, assertStringIncludes } from "@std/assert";
import { type HashFacts, type Manifest, unreadableFacts } from "../../src/report/manifest.ts";
import { conclusions } from "../../src/report/manifest_conclusions.ts";
import { sizeText } from "../../src/report/rate_text.ts";
import { exampleManifest, hexOf } from "./manifest_example.ts";

/** A run where all went well, and everything was verified. */
function flawless(): Manifest {
  const manifest = exampleManifest();
  const sizeBytes = manifest.source.sizeBytes ?? 0;
  const line = (subject: HashFacts["subject"], image: string | null = null): HashFacts => ({
    subject,
    image,
    algorithm: "sha256",
    hex: hexOf(1),
    verdict: subject === "source" ? "reference" : "same",
  });
  return {
    ...manifest,
    partitionTable: null,
    selection: null,
    findings: [],
    reading: { ...manifest.reading, readBytes: sizeBytes, ...unreadableFacts([], 512) },
    areas: [{ offsetBytes: 0, lengthBytes: sizeBytes, state: "+" }],
    images: manifest.images.slice(0, 1),
    hashes: [line("source"), line("image", "card.E01"), line("sourceAgain")],
  };
}

Deno.test("what was left out on purpose is said first, and not called all", () => {
  const manifest = flawless();
  const { selection } = exampleManifest();
  if (selection === null) throw new Error("The example leaves nothing out");
  const facts = { ...selection, sourceBytes: 10_240, contentBytes: 9216, skippedBytes: 512 };
  assertEquals(said({ ...manifest, selection: facts }).slice(0, 2), [
    "NOTE: The image holds what file systems use; deleted files are not in it, up to the " +
    "end of the last partition. 1,536 bytes (1.5 KiB) were left out.",
    `OK: All of what was chosen was read: ${sizeText(manifest.reading.readBytes)}.`,
  ]);
  const cut = { ...facts, usedOnly: false, skippedBytes: 0 };
  assertEquals(
    said({ ...manifest, selection: cut })[0],
    "NOTE: The image holds all bytes, up to the end of the last partition. " +
      "1,024 bytes (1 KiB) were left out.",
  );
});

/** Words and sentences. */
function said(manifest: Manifest): string[] {
  return conclusions(manifest).map(({ word, text }) => `${word}: ${text}`);
}

Deno.test("all that went well", () => {
  assertEquals(said(flawless()), [
    "OK: All of the source was read: 31,914,983,424 bytes (29.7 GiB).",
    "OK: card.E01 is complete: 3 files, 5,698,058,081 bytes (5.3 GiB).",
    "OK: card.E01 was read again after writing and is the same as what was read first (SHA-256).",
    "OK: The source was read a second time and is the same as what was read first (SHA-256).",
  ]);
});

Deno.test("one digest that differs outweighs those that do not", () => {
  const manifest = flawless();
  const different: HashFacts = {
    subject: "image",
    image: "card.E01",
    algorithm: "md5",
    hex: hexOf(9, 32),
    verdict: "different",
  };
  const [, , image] = conclusions({ ...manifest, hashes: [...manifest.hashes, different] });
  assertEquals(image?.tone, "bad");
  assertStringIncludes(image?.text ?? "", "DIFFERENT from what was read first (MD5).");
});

Deno.test("what was not verified is not called right", () => {
  const manifest = flawless();
  for (const hashes of [[], manifest.hashes.slice(0, 1)]) {
    assertEquals(said({ ...manifest, hashes }).slice(2), [
      "NOT DONE: card.E01 was not read again.",
      "NOT DONE: The source was not read again.",
    ]);
  }
});

Deno.test("what is missing is said before anything else", () => {
  const manifest = flawless();
  const reading = {
    ...manifest.reading,
    readBytes: 31_914_983_424 - 1024 - 4096 - 10,
    ...unreadableFacts([{ offset: 512, length: 1024 }], 512),
  };
  const areas = [{ offsetBytes: 8192, lengthBytes: 4096, state: "?" as const }];
  assertEquals(said({ ...manifest, reading, areas }).slice(0, 4), [
    "NOTE: 31,914,978,294 bytes (29.7 GiB) were read.",
    "PROBLEM: 2 sectors (1,024 bytes) in 1 area could not be read. They are listed below.",
    "PROBLEM: 4,096 bytes (4 KiB) were not tried.",
    "PROBLEM: 10 bytes were not read.",
  ]);
});

Deno.test("a part, a stream, a failed image and warnings have words of their own", () => {
  const manifest = flawless();
  const part = { ...manifest.reading, offsetBytes: 512, lengthBytes: 1024, readBytes: 1024 };
  assertEquals(
    said({ ...manifest, reading: part })[0],
    "OK: All of the part that was asked for was read: 1,024 bytes (1 KiB).",
  );
  const stream = { ...manifest.reading, lengthBytes: null, readBytes: 1024 };
  assertEquals(
    said({ ...manifest, reading: stream })[0],
    "OK: The stream was read to its end: 1,024 bytes (1 KiB).",
  );
  const failed = exampleManifest().images.slice(1);
  assertEquals(said({ ...manifest, images: failed, hashes: [] }).slice(1), [
    "PROBLEM: /mnt/backup/card.img failed: cannot write /mnt/backup/card.img: no space left " +
    "on the disk (ENOSPC).",
    "NOT DONE: The source was not read again.",
  ]);
  assertEquals(
    said({ ...manifest, findings: exampleManifest().findings }).at(-1),
    "WARNING: There is 1 warning below.",
  );
});
