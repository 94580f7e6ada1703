import type { RescueSizes } from "./rescue_sizes.ts";
import { HEALTHY_BYTES, type Trouble } from "./trouble.ts";
import type { Walk } from "./walk.ts";

/** A request is at most this part of the distance from the last trouble. */
const GROWTH = 1;

/** And at most this part of the way to trouble that lies ahead. */
const APPROACH = 1 / 16;

/** Troubles that many requests apart make failing requests and others cost the same. */
const REQUESTS_A_TROUBLE = 120;

/**
 * How much to ask for: a sector times a power of two.
 *
 * @param ahead bytes under way, thought to succeed: a series ends at the first failure
 */
export function requestBytes(
  walk: Walk,
  trouble: Trouble,
  sizes: RescueSizes,
  ahead: number,
): number {
  const { size, towardTrouble } = walk.plan;
  const clean = trouble.clean + ahead;
  if (size === "sector" || walk.trims || clean < trouble.calm) return sizes.sector;
  let bytes = walk.isCoarse ? sizes.cluster : healthyBytes(trouble, sizes);
  bytes = Math.min(bytes, clean * GROWTH);
  if (towardTrouble) bytes = Math.min(bytes, walk.remains.length * APPROACH);
  const unit = bytes >= 2 * sizes.physical ? sizes.physical : sizes.sector;
  return Math.max(unit, bytes - bytes % unit);
}

/** Bytes a request far from trouble: by the mean distance between troubles. */
function healthyBytes({ meanDistance }: Trouble, sizes: RescueSizes): number {
  const { cluster, largest, physical } = sizes;
  if (meanDistance >= HEALTHY_BYTES) {
    return Math.min(largest, Math.max(cluster, meanDistance / 64));
  }
  return Math.min(cluster, Math.max(physical, meanDistance / REQUESTS_A_TROUBLE));
}
