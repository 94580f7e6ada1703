import { assertEquals } from "@std/assert";
import { diskLine } from "../../src/commands/info.ts";
import type { DeviceInfo } from "../../src/devices/device.ts";

const DISK: DeviceInfo = {
  path: "/dev/sda",
  number: "8:0",
  size: 1_000_204_886_016,
  sectorSize: 512,
  physicalSectorSize: 4096,
  model: "Samsung SSD 860 EVO 1TB",
  serial: "S3Z8NB0K123456",
  firmware: "RVT04B6Q",
  bus: "sata",
  removable: false,
  readOnly: false,
  virtual: false,
  system: false,
  claims: [],
  partitions: [],
  backingFile: undefined,
};

Deno.test("info: a disk says what it is, and what is not known is not made up", () => {
  assertEquals(
    diskLine(DISK),
    "disk: Samsung SSD 860 EVO 1TB, serial S3Z8NB0K123456, firmware RVT04B6Q, sata",
  );
  assertEquals(
    diskLine({ ...DISK, model: undefined, serial: undefined, firmware: undefined }),
    "disk: unknown model, serial unknown, sata",
  );
});
