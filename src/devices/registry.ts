import * as all from "./all.ts";
import type { DeviceBackend } from "./device.ts";

const found = Object.values(all).find((each: DeviceBackend) => each.os === Deno.build.os);
if (found === undefined) {
  throw new Error(`sectorshot does not know the disks of ${Deno.build.os} yet`);
}

/** The backend of the operating system that this runs on. */
export const backend: DeviceBackend = found;
