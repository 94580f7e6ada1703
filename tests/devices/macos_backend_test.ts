import { assertEquals, assertRejects } from "@std/assert";
import { ImagingError } from "../../src/core/errors.ts";
import { macosBackend } from "../../src/devices/macos_backend.ts";

Deno.test("the backend is that of macOS, with its people's names for disks", () => {
  const { os, host } = macosBackend;
  assertEquals(os, "darwin");
  assertEquals([host.title, host.exampleDisk], ["macOS", "/dev/disk4"]);
  assertEquals(host.paths.folderOf("/Volumes/CARD/card.img"), "/Volumes/CARD");
  assertEquals(host.stopSignals, ["SIGINT", "SIGTERM"]);
});

Deno.test({
  name: "on another system it is imported, and fails only when it is asked",
  ignore: Deno.build.os !== "linux",
  async fn(): Promise<void> {
    await assertRejects(() => macosBackend.list(), ImagingError, "/usr/sbin/diskutil");
    await macosBackend.unmount([]);
  },
});
