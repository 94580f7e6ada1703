/** Which computer this is, as Linux tells it (Documentation/admin-guide/sysctl/kernel.rst). */
import { readSystemFile } from "../../ffi/system_files.ts";
import type { Computer } from "./device.ts";
import { cleanText, whereReachable } from "./linux_sysfs.ts";

/** What the kernel calls a machine that was given no name. */
const NAMELESS = "(none)";

/**
 * Never an error: nothing that was done depends on it.
 *
 * @param root the directory that stands for "/"; for tests.
 */
export function linuxComputer(root = ""): Computer {
  const text = (file: string): string | undefined => {
    const path = `${root}/proc/sys/kernel/${file}`;
    const bytes = whereReachable(() => readSystemFile(path));
    return cleanText(bytes === undefined ? undefined : new TextDecoder().decode(bytes));
  };
  const name = text("hostname");
  return { name: name === NAMELESS ? undefined : name, release: text("osrelease") };
}
