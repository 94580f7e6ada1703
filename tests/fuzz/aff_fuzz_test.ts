import { assert, assertEquals } from "@std/assert";
import { MemorySource } from "../../src/blocks/memory.ts";
import type { Bytes } from "../../src/core/block.ts";
import { DamageError, ImagingError } from "../../src/core/errors.ts";
import { endOf } from "../../src/core/range.ts";
import { aff } from "../../src/formats/aff.ts";
import {
  affFile,
  joined,
  mixedPages,
  nodeZlib,
  packedPage,
  quad,
  segment,
  text,
  writeAff,
  zeroPage,
} from "../formats/aff_tools.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

type Next = (limit: number) => number;

/** A round takes about a third of a millisecond. `SECTORSHOT_FUZZ=1000000` for a night. */
const ROUNDS = Number(Deno.env.get("SECTORSHOT_FUZZ") ?? 4000);

const PAGE = 1024;

/** Opens a file and reads here and there; answers whether it was an image. */
async function explore(file: Bytes, next: Next, what: string): Promise<boolean> {
  let image;
  try {
    image = await aff.open(new MemorySource("x", file), { zlib: nodeZlib });
  } catch (error) {
    if (error instanceof ImagingError) return false;
    throw new Error(`not for ${what}`, { cause: error });
  }
  const { media } = image;
  assert(Number.isSafeInteger(media.size) && media.size >= 0, what);
  assert(image.findings.length < 100, what);
  for (const [name, value] of image.metadata) assert(name !== "" && value.length < 100_000);
  for (let read = 0; read < 4; read++) {
    const offset = [0, media.size - 1, next(8 * PAGE), media.size][read] ?? 0;
    const into = new Uint8Array(next(3 * PAGE));
    try {
      const length = await media.readAt(Math.max(0, offset), into);
      const left = Math.max(0, media.size - Math.max(0, offset));
      assertEquals(length, Math.min(into.length, left), what);
    } catch (error) {
      if (!(error instanceof DamageError)) throw new Error(`not for ${what}`, { cause: error });
      const { range } = error;
      assert(range.length > 0 && range.offset >= 0 && endOf(range) <= media.size, what);
    }
  }
  return true;
}

/** Segments with names, flags and lengths that mean something, in no sensible order. */
function randomFile(next: Next): Bytes {
  const sizes = [0, 1, 511, 512, PAGE, PAGE + 1, 65_536, 2 ** 26, 2 ** 31, 2 ** 32 - 1];
  const pick = <Value>(values: readonly Value[]): Value => values[next(values.length)] as Value;
  const content = mixedPages(next(3 * PAGE), PAGE, next(99) + 1);
  const makers: readonly (() => Bytes)[] = [
    () => segment(`page${next(5)}`, pick([0, 1, 3, 0x33, 0x21, 0x11, next(256)]), content),
    () => segment(`page${next(5)}`, 0, content.subarray(0, PAGE)),
    () => packedPage(`${pick(["page", "seg"])}${next(5)}`, content.subarray(0, PAGE)),
    () => zeroPage(`page${next(5)}`, pick(sizes)),
    () => segment(`page${"9".repeat(1 + next(12))}`, 0, content),
    () => segment("pagesize", pick(sizes)),
    () => segment("pagesize", PAGE),
    () => segment("imagesize", 2, quad(pick([...sizes, 3 * PAGE, 2 ** 53 - 1, 2 ** 62]))),
    () => segment("imagesize", 2, content.subarray(0, next(10))),
    () => segment("sectorsize", pick(sizes)),
    () => segment(`page${next(5)}_${pick(["md5", "sha1", "sha256"])}`, 0, content.slice(0, 16)),
    () => segment(pick(["md5", "sha1", "sha256", "badsectors", "image_gid"]), 0, content),
    () => segment(pick(["", "x", "case_num", "dir", "a/sha256", "affbom1"]), 0, content),
    () => segment(pick(["a/aes256", "affkey_aes256", "aff_file_type"]), 0, text("AFM")),
    () => content,
  ];
  const start = [segment("pagesize", PAGE), segment("imagesize", 2, quad(next(4 * PAGE)))];
  const segments = Array.from(
    { length: next(9) },
    () => pick(makers.slice(0, -next(4) || 99))(),
  );
  return affFile(...start.slice(next(3)), ...segments);
}

/** The file with some of its bytes, or pieces of it, changed. */
function mutated(file: Bytes, next: Next): Bytes {
  let bytes = file.slice();
  for (let change = next(4); change >= 0; change--) {
    const at = next(bytes.length);
    const length = next(200);
    switch (next(5)) {
      case 0:
        bytes[at] = next(256);
        break;
      case 1:
        bytes = bytes.slice(0, at);
        break;
      case 2:
        bytes = joined(bytes.subarray(0, at), bytes.subarray(at + length));
        break;
      case 3:
        bytes = joined(bytes.subarray(0, at + length), bytes.subarray(at));
        break;
      default:
        bytes.fill([0, 255][next(2)] ?? 0, at, at + 1 + next(4));
    }
    if (bytes.length === 0) break;
  }
  return bytes;
}

Deno.test("whatever segments an AFF file has, it is an image or an ImagingError", async () => {
  const next = seededNumbers(401);
  let images = 0;
  for (let round = 0; round < ROUNDS; round++) {
    if (await explore(randomFile(next), next, `round ${round}`)) images++;
  }
  assert(images > ROUNDS / 10, `only ${images} images: the segments are badly chosen`);
});

Deno.test("an AFF image with changes in it is an image or an ImagingError", async () => {
  const next = seededNumbers(402);
  const files = await Promise.all(
    [1, 2, 3].map((seed) =>
      writeAff(mixedPages(seed * 1700, PAGE, seed), {
        pageBytes: PAGE,
        compression: seed === 1 ? "none" : "fast",
        evidence: { caseNumber: "17", notes: "none" },
      })
    ),
  );
  let images = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const file = mutated(files[round % 3] as Bytes, next);
    if (await explore(file, next, `round ${round}`)) images++;
  }
  assert(images > ROUNDS / 10, `only ${images} images: the changes are too large`);
});

Deno.test("the beginning of any file is probed without an error", () => {
  const next = seededNumbers(403);
  for (let round = 0; round < ROUNDS; round++) {
    const head = Uint8Array.from({ length: next(40) }, () => next(256));
    if (next(2) === 0) head.set(text("AFF10\r\n\0").subarray(0, Math.min(8, head.length)));
    const score = aff.probe({ name: "x", size: head.length, sectorSize: 512, head });
    const isAff = new TextDecoder("latin1").decode(head.subarray(0, 8)) === "AFF10\r\n\0";
    assertEquals(score, isAff ? "exact" : "no");
  }
});
