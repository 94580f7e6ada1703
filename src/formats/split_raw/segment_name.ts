/** The file name of a segment, taken apart: "card.001". */
export interface SegmentName {
  /** "card" */
  readonly stem: string;
  /** From 0 or 1 on. */
  readonly number: number;
}

/**
 * "card.001" to "card.999", then "card.1000": so FTK Imager and dcfldd (splitformat=WIN)
 * name the files, and so The Sleuth Kit looks for them. AFFLIB alone goes on with
 * "card.A00": it reads the first 999.
 */
export function segmentName(stem: string, number: number): string {
  return `${stem}.${number.toString().padStart(3, "0")}`;
}

/** Undefined when no segment has such a name: "card.img", "card.01", "card.0001". */
export function parseSegmentName(name: string): SegmentName | undefined {
  const [, stem = "", digits = ""] = /^(.*)\.(\d{3,9})$/s.exec(name) ?? [];
  const number = Number(digits);
  return segmentName(stem, number) === name ? { stem, number } : undefined;
}
