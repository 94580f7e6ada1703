import { assert, assertEquals } from "@std/assert";
import type { Manifest } from "../../src/report/manifest.ts";
import { manifestJson } from "../../src/report/manifest_json.ts";
import { exampleManifest } from "./manifest_example.ts";
import { leavesOf } from "./manifest_walk.ts";

Deno.test("what is read back is what was written", () => {
  const manifest = exampleManifest();
  assertEquals(JSON.parse(manifestJson(manifest)), manifest);
});

Deno.test("keys have one order, and what is no field is left out", () => {
  const reversed = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(reversed);
    if (typeof value !== "object" || value === null) return value;
    const entries = Object.entries(value).toReversed();
    return Object.fromEntries(entries.map(([key, each]) => [key, reversed(each)]));
  };
  const manifest = exampleManifest();
  const shuffled = { password: "secret", ...reversed(manifest) as Manifest };
  const text = manifestJson(manifest);
  assertEquals(manifestJson(shuffled), text);
  assert(
    text.startsWith('{\n  "schema": "sectorshot report",\n  "version": 1,\n  "program": {\n'),
  );
  assert(text.endsWith("\n}\n"));
});

Deno.test("any text comes back unchanged, and no terminal obeys it", () => {
  const evil = "<script>\"'&\\ \0\x07\x1b[2J\x7f\x9b\u061c\u200f\u202e\u2028\u2066\ufeff" +
    "\ud800 é 写真 💾\r\n\t";
  const manifest = exampleManifest();
  const changed = { ...manifest, operator: { ...manifest.operator, notes: evil } };
  const text = manifestJson(changed);
  assertEquals(JSON.parse(text), changed);
  assertEquals(/[^\n\P{Cc}]|[\u061c\u200f\u202e\u2028\u2066\ufeff\ud800]/v.test(text), false);
  assert(text.includes("é 写真 💾"));
});

Deno.test("every field is described", async () => {
  const described = await Deno.readTextFile(
    new URL("../../src/report/MANIFEST.md", import.meta.url),
  );
  const keys = new Set(
    leavesOf(exampleManifest()).flatMap(({ path }) =>
      path.filter((each): each is string => typeof each === "string")
    ),
  );
  assert(keys.size > 60, `${keys.size} keys`);
  const missing = [...keys].filter((key) => !described.includes(`\`${key}\``));
  assertEquals(missing, []);
});
