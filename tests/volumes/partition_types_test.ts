import { assertEquals } from "@std/assert";
import {
  gptAttributeNames,
  gptTypeName,
  mbrTypeName,
} from "../../src/volumes/partition_types.ts";

// GUIDs from UEFI 2.10 table 5.7, the Discoverable Partitions Specification and Microsoft's
// PARTITION_INFORMATION_GPT.
Deno.test("well-known partition types have names", () => {
  assertEquals(gptTypeName("c12a7328-f81f-11d2-ba4b-00a0c93ec93b"), "EFI System");
  assertEquals(gptTypeName("EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"), "Microsoft basic data");
  assertEquals(gptTypeName("E3C9E316-0B5C-4DB8-817D-F92DF00215AE"), "Microsoft reserved");
  assertEquals(gptTypeName("4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"), "Linux root (x86-64)");
  assertEquals(gptTypeName("7C3457EF-0000-11AA-AA11-00306543ECAC"), "Apple APFS");
  assertEquals(gptTypeName("00000000-0000-0000-0000-000000000001"), "unknown");
  assertEquals(mbrTypeName(0x83), "Linux");
  assertEquals(mbrTypeName(0xee), "GPT protective");
  assertEquals(mbrTypeName(0x02), "unknown");
});

Deno.test("attribute bits mean what the type says", () => {
  const basicData = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7";
  assertEquals(gptAttributeNames(1n << 63n, basicData), ["no drive letter"]);
  assertEquals(gptAttributeNames(1n << 62n | 1n, basicData), [
    "required by the platform",
    "hidden",
  ]);
  const linuxData = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";
  assertEquals(gptAttributeNames(1n << 59n, linuxData), ["grow file system"]);
  const efiSystem = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
  assertEquals(gptAttributeNames(1n << 63n, efiSystem), ["bit 63"]);
});
