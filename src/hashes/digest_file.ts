/**
 * Lists of digests as GNU coreutils write and check them (manual, sections "md5sum
 * invocation" and "cksum output modes"):
 * https://www.gnu.org/software/coreutils/manual/html_node/md5sum-invocation.html
 *
 * ```
 * HEX  NAME        (two blanks; the second one may be * for binary)
 * \HEX  NAME       (in NAME: \\ is a backslash, \n a line feed, \r a return)
 * SHA256 (NAME) = HEX
 * ```
 */

/** A digest that some file should have. */
export interface DigestLine {
  /** Lower-case hexadecimal. */
  readonly hex: string;
  readonly name: string;
  /** The algorithm where the line names it: "sha256". */
  readonly algorithm: string | undefined;
}

/** The line, without its line feed. */
export function formatDigestLine(hex: string, name: string): string {
  if (!/[\\\n\r]/.test(name)) return `${hex}  ${name}`;
  const escaped = name.replace(
    /[\\\n\r]/g,
    (special) => special === "\n" ? "\\n" : special === "\r" ? "\\r" : "\\\\",
  );
  return `\\${hex}  ${escaped}`;
}

/** The line in the form that names its algorithm, as `sha256sum --tag` writes it. */
export function formatTaggedLine(algorithm: string, hex: string, name: string): string {
  const plain = formatDigestLine(hex, name);
  const escape = plain.startsWith("\\") ? "\\" : "";
  const shown = plain.slice(plain.indexOf("  ") + 2);
  return `${escape}${algorithm.toUpperCase()} (${shown}) = ${hex}`;
}

function unescape(name: string): string {
  return name.replace(
    /\\([\\nr])/g,
    (_, letter: string) => letter === "n" ? "\n" : letter === "r" ? "\r" : "\\",
  );
}

/** What a list holds. */
export interface DigestList {
  readonly lines: readonly DigestLine[];
  /** How many lines are neither digests nor blank nor comments. */
  readonly malformed: number;
}

/** Reads a whole list. */
export function parseDigestList(text: string): DigestList {
  const lines: DigestLine[] = [];
  let malformed = 0;
  for (const line of text.split("\n")) {
    const parsed = parseDigestLine(line);
    if (parsed !== undefined) lines.push(parsed);
    else if (/^\s*[^#\s]/.test(line)) malformed++;
  }
  return { lines, malformed };
}

/**
 * Reads one line; undefined when it is no line of a digest list (comments and blank
 * lines are none either).
 */
export function parseDigestLine(line: string): DigestLine | undefined {
  const text = line.replace(/\r$/, "");
  const tagged = /^(\\?)([A-Za-z0-9-]+) \((.*)\) = ([0-9a-fA-F]{32,128})$/s.exec(text);
  if (tagged !== null) {
    const [, escape, algorithm = "", name = "", hex = ""] = tagged;
    return {
      hex: hex.toLowerCase(),
      name: escape ? unescape(name) : name,
      algorithm: algorithm.toLowerCase().replace("-", ""),
    };
  }
  const plain = /^(\\?)([0-9a-fA-F]{32,128})(?: [ *](.+)|\s*)$/s.exec(text);
  if (plain === null) return undefined;
  const [, escape, hex = "", name = ""] = plain;
  return {
    hex: hex.toLowerCase(),
    name: escape ? unescape(name) : name,
    algorithm: undefined,
  };
}
