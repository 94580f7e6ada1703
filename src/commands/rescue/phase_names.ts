import type { RescuePhase } from "../../copy/map_file.ts";

/** What a rescue does, in words; `F` and `G` only ddrescue does. */
export const PHASE_NAMES: Readonly<Record<RescuePhase, string>> = {
  "?": "copying",
  "*": "trimming",
  "/": "scraping",
  "-": "retrying",
  "F": "filling",
  "G": "generating",
  "+": "finished",
};
