import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { ProbeInput } from "../../src/core/block.ts";
import { ImagingError } from "../../src/core/errors.ts";
import type { ImageFormat } from "../../src/formats/image_format.ts";
import { formatForOutput, IMAGE_FORMATS, openImage } from "../../src/formats/registry.ts";
import { PatternSource } from "../support/pattern.ts";

/** The registry's own list, with formats added for as long as the callback runs. */
async function withFormats(
  formats: readonly ImageFormat[],
  action: () => Promise<void>,
): Promise<void> {
  const list = IMAGE_FORMATS as ImageFormat[];
  list.push(...formats);
  try {
    await action();
  } finally {
    list.splice(-formats.length);
  }
}

function sureFormat(id: string, seen: ProbeInput[] = []): ImageFormat {
  return {
    id,
    title: `the format ${id}`,
    extensions: [id],
    probe(input): "exact" {
      seen.push(input);
      return "exact";
    },
    open: (media) => Promise.resolve({ media, metadata: [["opened by", id]], findings: [] }),
  };
}

Deno.test("identifiers are unique, and no two formats want the same extension", () => {
  const ids = IMAGE_FORMATS.map(({ id }) => id);
  assertEquals(new Set(ids).size, ids.length);
  const extensions = IMAGE_FORMATS.flatMap((format) => format.extensions);
  assertEquals(new Set(extensions).size, extensions.length);
  for (const extension of extensions) assert(/^[a-z0-9]+$/.test(extension), extension);
});

Deno.test("the extension decides, in any case", () => {
  for (const name of ["card.img", "CARD.IMG", "a.b.dd", "/dir.x/card.raw", "x.bin", "y.iso"]) {
    assertEquals(formatForOutput(name).id, "raw", name);
  }
});

Deno.test("without a known extension nobody guesses", () => {
  for (
    const name of ["card", "card.", "card.docx", "card.img/", "/dir.img/card", "", ".img/x"]
  ) {
    const error = assertThrows(() => formatForOutput(name), ImagingError);
    assertEquals(error.kind, "usage");
    assert(error.hint?.includes(".img") && error.hint.includes("--format"), error.hint);
  }
});

Deno.test("a format that is named is taken, whatever the extension", () => {
  assertEquals(formatForOutput("card", "raw").id, "raw");
  assertEquals(formatForOutput("card.zst", "raw").id, "raw");
  for (const id of ["", "RAW", "xz"]) {
    const error = assertThrows(() => formatForOutput("card.img", id), ImagingError);
    assertEquals(error.kind, "usage");
    assert(error.hint?.includes("raw"), error.hint);
  }
});

Deno.test("a format that can only be read is none for output", async () => {
  await withFormats([sureFormat("readonly")], () => {
    for (const id of [undefined, "readonly"]) {
      const error = assertThrows(() => formatForOutput("card.readonly", id), ImagingError);
      assert(!error.hint?.includes("readonly"), error.hint);
    }
    return Promise.resolve();
  });
});

Deno.test("what no format knows is raw", async () => {
  const file = new PatternSource(3_000_000);
  assert((await openImage(file)).media === file);
  assert((await openImage(new PatternSource(0))).media.size === 0);
});

Deno.test("the format that is sure wins over the one that takes everything", async () => {
  const seen: ProbeInput[] = [];
  await withFormats([sureFormat("sure", seen)], async () => {
    for (const size of [100, 1024 * 1024, 3_000_000]) {
      const { metadata } = await openImage(new PatternSource(size, { name: "card.img" }));
      assertEquals(metadata, [["opened by", "sure"]]);
      const input = seen.at(-1);
      assertEquals(
        [input?.name, input?.size, input?.head.length],
        ["card.img", size, Math.min(size, 1024 * 1024)],
      );
    }
  });
});

Deno.test("two that are sure are an error that names both", async () => {
  await withFormats([sureFormat("one"), sureFormat("two")], async () => {
    const error = await assertRejects(() => openImage(new PatternSource(1000)), ImagingError);
    assertEquals(error.kind, "corrupt");
    assert(error.message.includes("the format one and the format two"), error.message);
    assert(error.hint?.includes("--format"));
  });
});
