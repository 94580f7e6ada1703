import { formatBytes, formatDuration, plural } from "../core/units.ts";

/** "2,147,483,648 bytes (2 GiB)" */
export function sizeText(bytes: number): string {
  const exact = plural(bytes, "byte");
  return bytes < 1024 ? exact : `${exact} (${formatBytes(bytes)})`;
}

/** "in 0:12, 170 MiB/s"; "in 3.4 s, 170 MiB/s" where it was quick. */
export function rateText(bytes: number, seconds: number): string {
  const rate = `${formatBytes(Math.round(bytes / Math.max(seconds, 0.001)))}/s`;
  const time = seconds < 9.95 ? `${seconds.toFixed(1)} s` : formatDuration(seconds);
  return `in ${time}, ${rate}`;
}
