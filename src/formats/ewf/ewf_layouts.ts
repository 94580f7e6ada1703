/**
 * EWF, sections "Header section" and "Header2 section": which program writes which of
 * them, and what stands in it,
 * https://github.com/libyal/libewf/blob/main/documentation/Expert%20Witness%20Compression%20Format%20(EWF).asciidoc
 */

/** The variants of EWF version 1, as libewf calls them. */
export type EwfLayout =
  | "ewf"
  | "smart"
  | "ftk"
  | "encase1"
  | "encase2"
  | "encase3"
  | "encase4"
  | "encase5"
  | "encase6"
  | "encase7"
  | "linen5"
  | "linen6"
  | "linen7";

/** How a header is written. */
export interface HeaderForm {
  /** How many times it stands in the file. */
  readonly copies: number;
  readonly newline: "\n" | "\r\n";
  /** "2002 3 4 10 19 59", or seconds since 1970. */
  readonly dates: "text" | "seconds";
  /** In their order. */
  readonly identifiers: readonly string[];
  /** The lines behind the category main. */
  readonly extra: readonly string[];
}

/** The headers of a layout; those of version 2 stand before those of version 1. */
export interface LayoutHeaders {
  readonly header: HeaderForm;
  readonly header2?: HeaderForm;
}

const NO_MD5 = "0".repeat(32);
const NO_SHA1 = "0".repeat(40);
const NO_GUID = "0".repeat(32);

/** The categories "srce" and "sub" without any sources or subjects. */
function noSources(
  identifiers: string,
  values: readonly string[],
  subject: string,
): readonly string[] {
  const tabbed = (words: string): string => words.replaceAll(" ", "\t");
  return [
    "srce",
    "0\t1",
    tabbed(identifiers),
    "0\t0",
    ["", "", "", "", "", "-1", "-1", ...values, ""].join("\t"),
    "",
    "sub",
    "0\t1",
    tabbed("p n id nu co gu"),
    "0\t0",
    ["", "", "", "", "1", subject].join("\t"),
    "",
  ];
}

const SOURCES_5 = noSources("p n id ev tb lo po ah gu aq", ["", ""], "");
const SOURCES_LINEN_7 = noSources(
  "p n id ev tb lo po ah sh gu aq",
  [NO_MD5, NO_SHA1, NO_GUID],
  NO_GUID,
);
const SOURCES_7 = noSources(
  "p n id ev tb lo po ah sh gu pgu aq",
  [NO_MD5, NO_SHA1, NO_GUID, NO_GUID],
  NO_GUID,
);

const IDENTIFIERS = {
  oldest: words("c n a e t m u p r"),
  withVersions: words("c n a e t av ov m u p r"),
  withoutCompression: words("c n a e t av ov m u p"),
  version4: words("a c n e t av ov m u p"),
  version5: words("a c n e t av ov m u p dc"),
  version6: words("a c n e t md sn av ov m u p dc"),
  version7: words("a c n e t md sn l av ov m u p pid dc ext"),
};

function words(text: string): readonly string[] {
  return text.split(" ");
}

/** A header with dates in text and nothing behind its category main. */
function plain(
  identifiers: readonly string[],
  newline: HeaderForm["newline"],
  copies: number,
): HeaderForm {
  return { copies, newline, dates: "text", identifiers, extra: [] };
}

/** A header2, or a header of linen. */
function seconds(identifiers: readonly string[], extra: readonly string[]): HeaderForm {
  return { copies: 2, newline: "\n", dates: "seconds", identifiers, extra };
}

const HEADER_4_TO_7 = plain(IDENTIFIERS.withoutCompression, "\r\n", 1);

/** What headers each layout has. */
export const LAYOUT_HEADERS: Readonly<Record<EwfLayout, LayoutHeaders>> = {
  ewf: { header: plain(IDENTIFIERS.oldest, "\n", 1) },
  smart: { header: plain(IDENTIFIERS.withVersions, "\n", 1) },
  ftk: { header: plain(IDENTIFIERS.withVersions, "\n", 2) },
  encase1: { header: plain(IDENTIFIERS.oldest, "\r\n", 1) },
  encase2: { header: plain(IDENTIFIERS.withVersions, "\r\n", 2) },
  encase3: { header: plain(IDENTIFIERS.withVersions, "\r\n", 2) },
  encase4: { header: HEADER_4_TO_7, header2: seconds(IDENTIFIERS.version4, []) },
  encase5: { header: HEADER_4_TO_7, header2: seconds(IDENTIFIERS.version5, SOURCES_5) },
  encase6: { header: HEADER_4_TO_7, header2: seconds(IDENTIFIERS.version6, SOURCES_5) },
  encase7: { header: HEADER_4_TO_7, header2: seconds(IDENTIFIERS.version7, SOURCES_7) },
  linen5: { header: seconds(IDENTIFIERS.version4, SOURCES_5) },
  linen6: { header: seconds(IDENTIFIERS.version6, SOURCES_5) },
  linen7: { header: seconds(IDENTIFIERS.version7, SOURCES_LINEN_7) },
};
