import { assertEquals, assertRejects } from "@std/assert";
import { ImagingError } from "../../src/core/errors.ts";
import { macosBackend } from "../../src/devices/macos_backend.ts";
import { macosComputer } from "../../src/devices/macos_host.ts";
import { macosFailure } from "./macos_samples/sample_mac.ts";

Deno.test("the backend is that of macOS, with its people's names for disks", () => {
  const { os, host } = macosBackend;
  assertEquals(os, "darwin");
  assertEquals([host.title, host.exampleDisk], ["macOS", "/dev/disk4"]);
  assertEquals(host.paths.folderOf("/Volumes/CARD/card.img"), "/Volumes/CARD");
  assertEquals(host.stopSignals, ["SIGINT", "SIGTERM"]);
});

Deno.test("the computer is what the kernel calls it; what it does not know is absent", () => {
  const texts: Readonly<Record<string, string>> = {
    "kern.hostname": "lab-mac.local",
    "kern.osproductversion": "14.4.1",
  };
  const ask = (name: string): string => {
    const text = texts[name];
    if (text === undefined) throw macosFailure("sysctlbyname", "ENOENT");
    return text;
  };
  assertEquals(macosComputer(ask), { name: "lab-mac.local", release: "14.4.1" });
  assertEquals(macosComputer((name) => ask(`${name}.none`)), {
    name: undefined,
    release: undefined,
  });
  assertEquals(macosComputer(() => ""), { name: undefined, release: undefined });
});

Deno.test({
  name: "on another system it is imported, and fails only when it is asked",
  ignore: Deno.build.os !== "linux",
  async fn(): Promise<void> {
    await assertRejects(() => macosBackend.list(), ImagingError, "/usr/sbin/diskutil");
    await macosBackend.unmount([]);
  },
});
