/** Sizes as people write and read them. */

const SUFFIXES: Readonly<Record<string, number>> = {
  "": 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
  p: 1024 ** 5,
};

/**
 * Reads a number of bytes: "4096", "4M" (powers of 1024; also "4MiB", "4MB"),
 * "0x1000", or "8s" for sectors of `sectorSize` bytes. Undefined when the text
 * is no such number, or larger than 2^53-1.
 */
export function parseByteCount(text: string, sectorSize = 512): number | undefined {
  const hex = /^0x[0-9a-f]+$/i.test(text);
  const match = /^(\d+(?:\.\d+)?)(s|(?:[kmgtp](?:i?b)?)?)$/i.exec(text);
  if (!hex && match === null) return undefined;
  const unit = (match?.[2] ?? "").toLowerCase();
  const factor = unit === "s" ? sectorSize : SUFFIXES[unit.slice(0, 1)] ?? 1;
  const count = hex ? Number(text) : Number(match?.[1]) * factor;
  return Number.isSafeInteger(count) ? count : undefined;
}

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/** "512 bytes", "1.5 MiB", "29.7 GiB": three or four digits, powers of 1024. */
export function formatBytes(count: number): string {
  if (count === 1) return "1 byte";
  let unit = 0;
  let value = count;
  // From here on it would be rounded to 1024.
  while (value >= (unit === 0 ? 1024 : 1023.5) && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || Number.isInteger(value) || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** "31,914,983,424": digits in groups of three. */
export function formatCount(count: number): string {
  return count.toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

/** "1 sector", "8 sectors": the plural by adding an s. */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** "0:07", "12:30", "3:02:10": minutes, seconds, and hours where there are any. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number): string => value.toString().padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours > 0
    ? `${hours}:${two(minutes)}:${two(whole % 60)}`
    : `${minutes}:${two(whole % 60)}`;
}
