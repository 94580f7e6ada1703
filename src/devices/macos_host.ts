/** Which computer this is, as macOS tells it (sysctl(3)). */
import { systemTextMacos } from "../../ffi/macos_files.ts";
import { OsError } from "../../ffi/os_error.ts";
import type { Computer } from "./device.ts";

/** Never an error: nothing that was done depends on it. */
export function macosComputer(ask: (name: string) => string = systemTextMacos): Computer {
  const text = (name: string): string | undefined => {
    try {
      return ask(name).trim() || undefined;
    } catch (error) {
      if (!(error instanceof OsError)) throw error;
      return undefined;
    }
  };
  return { name: text("kern.hostname"), release: text("kern.osproductversion") };
}
