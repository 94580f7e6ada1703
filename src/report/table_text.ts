/**
 * Rows under headings, columns two blanks apart. A column whose heading begins with ">"
 * is set to the right.
 */
export function tableLines(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): string[] {
  const titles = headings.map((heading) => heading.replace(/^>/, ""));
  const all = [titles, ...rows];
  const widths = titles.map((_, column) =>
    Math.max(...all.map((row) => (row[column] ?? "").length))
  );
  return all.map((row) =>
    row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return headings[column]?.startsWith(">") ? cell.padStart(width) : cell.padEnd(width);
    }).join("  ").trimEnd()
  );
}
