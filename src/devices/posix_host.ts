/** How programs live with people on Linux and macOS. */
import { POSIX_PATHS } from "../core/path.ts";
import type { Host } from "./device.ts";

/** What both have in common. */
export const POSIX_HOST: Omit<Host, "title" | "exampleDisk" | "computer"> = {
  paths: POSIX_PATHS,
  stopSignals: ["SIGINT", "SIGTERM"],
  prepareTerminal: () => true,
  ownsTerminal: () => false,
};
