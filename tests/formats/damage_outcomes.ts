/** What becomes of an image of which something was changed. */
import { assert, assertEquals } from "@std/assert";
import { DamageTolerantSource } from "../../src/blocks/damage_tolerant.ts";
import type { Bytes } from "../../src/core/block.ts";
import { ImagingError } from "../../src/core/errors.ts";
import { gapsBetween } from "../../src/core/range.ts";
import type { OpenedImage } from "../../src/formats/image_format.ts";
import { assertBytes } from "../support/pattern.ts";
import { type ImageFiles, openFiles } from "./ewf_images.ts";

/** What a person learns of an image beside its bytes. */
export function shownBeside({ metadata, evidence, digests, unreadable }: OpenedImage): string {
  return JSON.stringify({ metadata, evidence, digests, unreadable });
}

/** How damage showed itself; "same" where nothing that is shown has changed. */
export type Outcome = "error" | "finding" | "damage" | "same";

/** What the image shows when it is whole, and how to open it; as EWF version 1 where that is
 * absent. */
export interface Expected {
  readonly bytes: Bytes;
  readonly beside: string;
  readonly open?: (files: ImageFiles) => Promise<OpenedImage>;
  readonly show?: (image: OpenedImage) => string;
}

/**
 * Opens a damaged image and reads all of it. Never may a byte be shown that is wrong, but
 * where a complaint names it.
 */
export async function outcomeOf(
  files: ImageFiles,
  { bytes, beside, open = openFiles, show = shownBeside }: Expected,
  what: string,
): Promise<Outcome> {
  let image;
  try {
    image = await open(files);
  } catch (error) {
    if (!(error instanceof ImagingError)) throw new Error(what, { cause: error });
    assert(error.kind === "corrupt", what);
    return "error";
  }
  const tolerant = new DamageTolerantSource(image.media);
  const shown = new Uint8Array(Math.min(tolerant.size, bytes.length));
  await tolerant.readAt(0, shown);
  const right = gapsBetween({ offset: 0, length: shown.length }, tolerant.damaged);
  for (const { offset, length } of right) {
    const expected = bytes.subarray(offset, offset + length);
    assertBytes(shown.subarray(offset, offset + length), expected, what);
  }
  if (image.findings.some(({ level }) => level === "warning")) return "finding";
  if (tolerant.damaged.length > 0) return "damage";
  assertEquals(image.media.size, bytes.length, what);
  assertEquals(show(image), beside, what);
  return "same";
}
