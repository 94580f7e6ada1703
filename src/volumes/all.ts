/** Every partition scheme that sectorshot knows. The order has no meaning. */
export { gpt } from "./gpt.ts";
export { mbr } from "./mbr.ts";
