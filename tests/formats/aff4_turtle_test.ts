import { assert, assertEquals, assertThrows } from "@std/assert";
import { FormatError } from "../../src/core/errors.ts";
import { parseTurtle, RDF_TYPE } from "../../src/formats/aff4/turtle.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

const XSD = "http://www.w3.org/2001/XMLSchema#";

/** Each statement as "subject predicate kind value datatype". */
function statements(text: string): string[] {
  return [...parseTurtle(text)].flatMap(([subject, properties]) =>
    [...properties].flatMap(([predicate, terms]) =>
      terms.map(({ kind, value, datatype }) =>
        [subject, predicate, kind, value, ...datatype === undefined ? [] : [datatype]].join(" ")
      )
    )
  );
}

Deno.test("Turtle: statements as containers have them", () => {
  const text = `@prefix : <aff4://a> .
    @prefix aff4: <http://s#> .  # a comment with "text" and <address>
    PREFIX xsd: <${XSD}>
    : a aff4:ZipVolume ; aff4:contains <aff4://b> , <aff4://c> ;; aff4:stored "x.aff4" ; .
    <aff4://b/d.e> aff4:size "12"^^xsd:long , 13 , -1.5 , true ;
      aff4:note 'it''' .`.replace("'it'''", "'it'");
  assertEquals(statements(text), [
    `aff4://a ${RDF_TYPE} iri http://s#ZipVolume`,
    "aff4://a http://s#contains iri aff4://b",
    "aff4://a http://s#contains iri aff4://c",
    "aff4://a http://s#stored literal x.aff4",
    `aff4://b/d.e http://s#size literal 12 ${XSD}long`,
    `aff4://b/d.e http://s#size literal 13 ${XSD}integer`,
    `aff4://b/d.e http://s#size literal -1.5 ${XSD}decimal`,
    `aff4://b/d.e http://s#size literal true ${XSD}boolean`,
    "aff4://b/d.e http://s#note literal it",
  ]);
});

Deno.test("Turtle: texts with escapes, of several lines, in any quotation marks", () => {
  const value = (literal: string): string | undefined =>
    parseTurtle(`<a:b> <a:c> ${literal} .`).get("a:b")?.get("a:c")?.[0]?.value;
  assertEquals(value(String.raw`"a\tb\n\"\\\u00e4\U0001F600"`), 'a\tb\n"\\ä😀');
  assertEquals(value(`"it's"`), "it's");
  assertEquals(value(`'say "x"'`), 'say "x"');
  assertEquals(value(`"""two\nlines "" and ""more"""`), 'two\nlines "" and ""more');
  assertEquals(value(`"""ends with ""\\""""`), 'ends with """');
  assertEquals(value(`""`), "");
  assertEquals(value(`"x"@en-GB`), "x");
  assertEquals(value(`"x"^^<a:t>`), "x");
  assertEquals(value(`"#no comment"`), "#no comment");
});

Deno.test("Turtle: a subject can come back, and a name can end a sentence", () => {
  const graph = parseTurtle("@prefix x: <a:> . x:b x:c x:d.e. x:b x:c x:f.");
  assertEquals(graph.get("a:b")?.get("a:c")?.map(({ value }) => value), ["a:d.e", "a:f"]);
});

Deno.test("Turtle: what is no Turtle, or not read, is refused with its line", () => {
  const wrong: Readonly<Record<string, string>> = {
    "no end": "<a:b> <a:c> <a:d>",
    "no object": "<a:b> <a:c> .",
    "no predicate": "<a:b> .",
    "a text without end": '<a:b> <a:c> "d .',
    "a long text without end": '<a:b> <a:c> """d" .',
    "a text with a line end": '<a:b> <a:c> "d\n" .',
    "an address without end": "<a:b> <a:c> <a:d .",
    "an address with a space": "<a:b> <a:c> <a: d> .",
    "a prefix that nobody told": "<a:b> x:c <a:d> .",
    "a relative address": "<a:b> <a:c> <d> .",
    "an empty address": "<a:b> <a:c> <> .",
    "a base": "@base <a:b> . <a:b> <a:c> <a:d> .",
    "a blank node": "_:x <a:c> <a:d> .",
    "a node in brackets": "<a:b> <a:c> [ ] .",
    "a list": "<a:b> <a:c> ( 1 2 ) .",
    "an escape that there is not": String.raw`<a:b> <a:c> "\x" .`,
    "an escape that is cut": String.raw`<a:b> <a:c> "\u12" .`,
    "a code that there is not": String.raw`<a:b> <a:c> "\U00110000" .`,
    "a text as a predicate": '<a:b> "c" <a:d> .',
    "a text as a subject": '"b" <a:c> <a:d> .',
    "a bare word": "<a:b> <a:c> maybe .",
    "a sign that there is not": "<a:b> <a:c> & .",
    "letters beyond ASCII in a name": "@prefix x: <a:> . x:ä x:c x:d .",
    "a control character": "<a:b>\0<a:c> <a:d> .",
  };
  for (const [what, text] of Object.entries(wrong)) {
    const error = assertThrows(() => parseTurtle(`\n${text}`), FormatError, "turtle", what);
    assert(error.offset >= 1 && error.offset <= 4, what);
  }
  const { offset } = assertThrows(
    () => parseTurtle('<a:b> <a:c> """\n\n\n""" .\n<a:b> ? <a:d> .'),
    FormatError,
  );
  assertEquals(offset, 5);
});

Deno.test("Turtle: too many statements, and long texts, are no burden", () => {
  const many = `<a:b> <a:c> ${"1,".repeat(200_000)}1 .`;
  assertThrows(() => parseTurtle(many), FormatError, "too many");
  const started = performance.now();
  const spaces = `<a:b> <a:c> "${"x".repeat(2_000_000)}" ${" ".repeat(2_000_000)} .`;
  assertEquals(parseTurtle(spaces).size, 1);
  assertThrows(() => parseTurtle('<a:b> <a:c> "' + "\\\\".repeat(1_000_000)), FormatError);
  assertThrows(() => parseTurtle("<a:" + "b".repeat(2_000_000)), FormatError);
  assert(performance.now() - started < 5000);
});

Deno.test("Turtle: whatever the text, statements or a FormatError", () => {
  const next = seededNumbers(602);
  const words = ["<a:b>", "x:c", '"d"', "'e'", "a", ".", ";", ",", "^^", "@prefix", "x:", "12"]
    .concat(["@en", '"""', '"', "#", "\n", "true", "[", "<", "\\", ":", "\u0000", "@base"]);
  let read = 0;
  for (let round = 0; round < 20_000; round++) {
    const text = Array.from({ length: next(12) }, () => words[next(words.length)]).join(" ");
    try {
      parseTurtle(next(2) === 0 ? text : `@prefix x: <a:> . <a:b> x:c ${text} .`);
      read++;
    } catch (error) {
      assert(error instanceof FormatError, `${text}: ${error}`);
    }
  }
  assert(read > 500, `${read} were read`);
});
