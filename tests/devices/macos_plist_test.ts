/** The reader of property lists, against samples that Python's plistlib wrote. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { FormatError } from "../../src/core/errors.ts";
import {
  parsePlist,
  type PlistDictionary,
  type PlistValue,
} from "../../src/devices/macos_plist.ts";
import { seededNumbers } from "../volumes/image_tools.ts";
import { sample } from "./macos_samples/sample_mac.ts";

function plist(content: string): string {
  return '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE plist PUBLIC ' +
    '"-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n' +
    `<plist version="1.0">${content}</plist>\n`;
}

function value(content: string): PlistValue {
  return parsePlist(plist(content));
}

function refuses(content: string, reason = "", whole = plist(content)): FormatError {
  const error = assertThrows(() => parsePlist(whole), FormatError, reason);
  assert(error.offset >= 0 && error.offset <= whole.length);
  return error;
}

Deno.test("every kind of value is read", () => {
  assertEquals(
    value(`
      <!-- a comment -->
      <dict>
        <key>text</key> <string> two  spaces </string>
        <key>empty</key><string/>
        <key>size</key><integer>500277792768</integer>
        <key>less</key><integer>-12</integer>
        <key>hex</key><integer>0xFFfe</integer>
        <key>huge</key><integer>18446744073709551615</integer>
        <key>part</key><real>-1.5e3</real>
        <key>endless</key><real>-infinity</real>
        <key>yes</key><true/>
        <key>no</key><false></false>
        <key>list</key><array><string>a</string><array/><dict/></array>
        <key>when</key><date>2026-01-02T03:04:05Z</date>
        <key>bytes</key><data>AAEC</data>
      </dict>`),
    new Map<string, PlistValue>([
      ["text", " two  spaces "],
      ["empty", ""],
      ["size", 500_277_792_768],
      ["less", -12],
      ["hex", 0xfffe],
      ["huge", 18_446_744_073_709_551_615n],
      ["part", -1500],
      ["endless", -Infinity],
      ["yes", true],
      ["no", false],
      ["list", ["a", [], new Map()]],
      ["when", { type: "date", text: "2026-01-02T03:04:05Z" }],
      ["bytes", { type: "data", text: "AAEC" }],
    ]),
  );
});

Deno.test("the integers around 2^53 keep their value", () => {
  assertEquals(value("<integer>9007199254740991</integer>"), 9_007_199_254_740_991);
  assertEquals(value("<integer>9007199254740992</integer>"), 9_007_199_254_740_992n);
  assertEquals(value("<integer>-9007199254740993</integer>"), -9_007_199_254_740_993n);
});

Deno.test("entities are those of XML, and numbers of its characters", () => {
  assertEquals(value("<string>&lt;&amp;&gt;&quot;&apos;&#65;&#x1F4BE;</string>"), "<&>\"'A💾");
  // Not replaced twice.
  assertEquals(value("<string>&amp;lt;</string>"), "&lt;");
  for (
    const entity of [
      "&nbsp;",
      "&toString;",
      "&",
      "&amp",
      "&#0;",
      "&#xD800;",
      "&#x110000;",
      "&;",
    ]
  ) {
    refuses(`<string>${entity}</string>`, "is no entity");
  }
});

Deno.test("the document may begin with less, and with a byte order mark", () => {
  assertEquals(parsePlist("<plist><true/></plist>"), true);
  assertEquals(parsePlist(`\ufeff${plist("<true/>")}`), true);
});

Deno.test("what is no property list is refused, with the place", () => {
  refuses("", "holds no value");
  refuses("<true/><true/>", "</plist> is missing");
  refuses("<dict><key>a</key></dict>", "<a> holds no value");
  refuses("<dict><string>a</string></dict>", "stands where a key should");
  refuses("<dict><key>a</key><true/><key>a</key><false/></dict>", "comes twice");
  refuses("<array><key>a</key></array>", "<key> is no value");
  refuses("<string>a<b/></string>", "</string> is missing");
  refuses("<string>a<!-- b --></string>", "</string> is missing");
  refuses("<string><![CDATA[a]]></string>", "</string> is missing");
  refuses("<integer>1.5</integer>", "is no integer");
  refuses("<integer></integer>", "is no integer");
  refuses("<integer>123456789012345678901</integer>", "is no integer");
  refuses("<real>1,5</real>", "is no real number");
  refuses('<string name="a">b</string>', "no tag");
  refuses("<array></dict>", "</array> is missing");
  refuses("<!-- ", "does not end");
  const late = refuses("<array><true/><what/></array>", "<what> is no value");
  assertEquals(
    plist("<array><true/><what/></array>").slice(0, late.offset).slice(-7),
    "<what/>",
  );
  const bomb = '<!DOCTYPE plist [<!ENTITY a "aaaa">]><plist><string>&a;</string></plist>';
  refuses("", "declares something", bomb);
  for (
    const whole of [
      "",
      "Could not find disk",
      "<dict/>",
      "<plist/>",
      "<plist><true/>",
      `${plist("<true/>")}x`,
      "<?xml ",
    ]
  ) refuses("", "", whole);
});

Deno.test("nesting is bounded, and so is what it costs", () => {
  const nested = (levels: number): string =>
    "<array>".repeat(levels) + "<true/>" + "</array>".repeat(levels);
  value(nested(60));
  refuses(nested(100), "nested too deeply");
  refuses("<array>".repeat(1_000_000), "nested too deeply");
  // Quadratic work would take hours.
  const started = performance.now();
  const entries = Array.from(
    { length: 50_000 },
    (_, index) => `<key>k${index}</key><string>${"&amp;".repeat(20)}</string>`,
  ).join("");
  assertEquals((value(`<dict>${entries}</dict>`) as PlistDictionary).size, 50_000);
  refuses(`<string>${"&".repeat(1_000_000)}</string>`);
  refuses("<!--".repeat(250_000));
  refuses(`<integer>${"0".repeat(1_000_000)}x</integer>`);
  refuses(`<real>${"1".repeat(1_000_000)}</real>`);
  assert(performance.now() - started < 10_000);
});

Deno.test("the samples are read as they were written", () => {
  const list = parsePlist(sample("list")) as PlistDictionary;
  assertEquals((list.get("WholeDisks") as PlistValue[]).length, 14);
  const stick = parsePlist(sample("info_disk4s1")) as PlistDictionary;
  assertEquals(stick.get("MountPoint"), "/Volumes/CARD & CO");
  assertEquals(stick.get("PartitionMapPartitionOffset"), 1_048_576);
  assertEquals(stick.get("WholeDisk"), false);
  const smart = (parsePlist(sample("info_disk0")) as PlistDictionary)
    .get("SMARTDeviceSpecificKeysMayVaryNotGuaranteed") as PlistDictionary;
  assertEquals(smart.get("DATA_UNITS_READ_0"), 2n ** 64n - 1n);
});

/** A value as XML, by the DTD. */
function written(value: PlistValue): string {
  if (value instanceof Map) {
    const entries = [...value].map(([key, each]) =>
      `<key>${escaped(key)}</key>\n\t${written(each)}`
    );
    return `<dict>\n${entries.join("\n")}</dict>`;
  }
  if (Array.isArray(value)) return `<array>${value.map(written).join("\n")}</array>`;
  if (typeof value === "string") return `<string>${escaped(value)}</string>`;
  if (typeof value === "boolean") return value ? "<true/>" : "<false/>";
  if (typeof value === "number" || typeof value === "bigint") {
    return `<integer>${value}</integer>`;
  }
  throw new TypeError("not written here");
}

function escaped(text: string): string {
  return text.replace(/[<>&"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

Deno.test("whatever value is written, it is read back", () => {
  const next = seededNumbers(95);
  const texts = ["", "disk4", " ", "&amp;", "<>", '"', "Ä💾", "\n", "]]>", "__proto__", "a"];
  const text = (): string =>
    (texts[next(texts.length)] ?? "") + (texts[next(texts.length)] ?? "");
  const random = (depth: number): PlistValue => {
    switch (next(depth > 0 ? 6 : 4)) {
      case 0:
        return text();
      case 1:
        return next(2) === 0;
      case 2:
        return next(2 ** 31) * 4_000_000 - 2 ** 40;
      case 3:
        return 2n ** 53n + BigInt(next(1000));
      case 4:
        return Array.from({ length: next(4) }, () => random(depth - 1));
      default:
        return new Map(Array.from({ length: next(4) }, () => [text(), random(depth - 1)]));
    }
  };
  for (let round = 0; round < 3000; round++) {
    const each = random(5);
    assertEquals(value(written(each)), each);
  }
});

Deno.test("whatever a text holds, it is a value or a FormatError with its place", () => {
  const next = seededNumbers(96);
  const whole = sample("info_disk4s1");
  const pieces = [
    "<dict>",
    "</dict>",
    "<key>a</key>",
    "<key>",
    "</key>",
    "<array>",
    "</array>",
    "<string>",
    "</string>",
    "<integer>1</integer>",
    "<true/>",
    "&amp;",
    "&#",
    "<!--",
    "-->",
    "<",
    ">",
    "/",
    "\0",
    "<plist>",
    "</plist>",
    "<!DOCTYPE",
    " ",
    "0x",
  ];
  let read = 0;
  for (let round = 0; round < 20_000; round++) {
    const at = next(whole.length);
    const piece = pieces[next(pieces.length)] ?? "";
    // Half of the texts are put together, the others are a sample with some damage.
    const text = next(2) === 0
      ? whole.slice(0, at) + piece + whole.slice(at + next(3) * next(40))
      : `<plist>${Array.from({ length: next(9) }, () => pieces[next(pieces.length)]).join("")}`;
    try {
      parsePlist(text);
      read++;
    } catch (error) {
      if (!(error instanceof FormatError)) {
        throw new Error(`not for ${JSON.stringify(text)}`, { cause: error });
      }
      assert(error.offset >= 0 && error.offset <= text.length, JSON.stringify(text));
    }
  }
  assert(read > 100, `only ${read} values: the pieces are badly chosen`);
});
