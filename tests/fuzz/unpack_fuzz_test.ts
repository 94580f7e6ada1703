import { Buffer } from "node:buffer";
import {
  constants,
  crc32,
  deflateRawSync,
  gunzipSync,
  gzipSync,
  inflateRawSync,
  zstdCompressSync,
  zstdDecompressSync,
} from "node:zlib";
import { assert, assertEquals } from "@std/assert";
import { xxhash32 } from "hash-wasm";
import { makeDecoder } from "../../src/copy/unpack/unpack_decoders.ts";
import { Unpacking } from "../../src/copy/unpack/unpack_flow.ts";
import type { Bytes } from "../../src/core/block.ts";
import { FormatError } from "../../src/core/errors.ts";
import type { Packing } from "../../src/core/unpack.ts";
import { joined } from "../copy/unpack_tools.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

/** A round takes about a millisecond. `SECTORSHOT_FUZZ=100000` for a night. */
const ROUNDS = Number(Deno.env.get("SECTORSHOT_FUZZ") ?? 700);

/** Nobody takes more than that of a bomb. */
const MOST_BYTES = 4 * 1024 * 1024;

const CHECKSUM = constants.ZSTD_c_checksumFlag;
const WINDOW = constants.ZSTD_d_windowLogMax;

type Next = (limit: number) => number;

function sampleContent(): Bytes {
  const lines = Array.from(
    { length: 40 },
    (_, index) => `sector ${index * index} of the card\n`,
  );
  const encoder = new TextEncoder();
  return joined(
    encoder.encode(lines.join("")),
    new Uint8Array(3000),
    encoder.encode("the end"),
  );
}

const CONTENT = sampleContent();

/** The same content by xz 5.4.1 (three blocks, CRC-32; one, SHA-256), bzip2 1.0.8, lz4 1.9.4. */
const XZ_BLOCKS = decoded(`
/Td6WFoAAAFpIt42A8CpAdwLIQEWAAAAfs2DOOAF2wChXQA5mUiSF9huoU9k3lVj3B+pSpxnmthz+UdH2Ae2gIUVr6QO
oXMEbhWNBlpd51XYmi+/OfcJ44k+hFOCLp9sIZeOz+3pgs47raBe9JZICrFAsTcAwvPwgkdafo2ozb0y3aUW4n4VrcXn
/BpJh6zzieGPQYyQXMV7AKaTCI+ixmGEX0yAT/2rPFyRfTMaMrIqebwgpCs4wzk5xfqy5SCwsGyDbgAAAAC93gPFA8AX
3AshARYAAAAAqo//iuAF2wAPXQAAb/3//6O3/0c9oV2NAAAAAL9sJG8DwBuZByEBFgAAAAAjPGlT4AOYABNdAABv/f//
o7bbtxVolKUxX0a1qsAAAJHK46wAA70B3Asr3AsvmQeMxmgmm+NRQAMAAAAAAVla`);
const XZ_SHA256 = decoded(`
/Td6WFoAAArh+wyhAgAhARYAAAB0L+Wj4A9QALNdADmZSJIX2G6hT2TeVWPcH6lKnGea2HP5R0fYB7aAhRWvpA6hcwRu
FY0GWl3nVdiaL7859wnjiT6EU4Iun2whl47P7emCzjutoF70lkgKsUCxNwDC8/CCR1p+jajNvTLdpRbifhWtxef8GkmH
rPOJ4Y9BjJBcxXsAppMIj6LGYYRfTIBP/as8XJF9Mxoysip5vCCkKzjDOTnF+rLlILE+2IvKiKWTDfGgSXG2u2X5EUIP
0TCgAAB7ihkEpaArs36ZD1e6beAI+Vqdu1XREICmm978O8MzVgAB5wHRHgAA0YYkfbbp3xwCAAAAAApZWg==`);
const BZIP2 = decoded(`
QlpoOTFBWSZTWZMdgY0AAahZiMAQQAB/4C9BnAAAAIAIMADaIJTKZTEjI00AKAAAMmQFShNRoGmg09E4kVqQ1EfhHuEZ
50dtbaaUvlelKWZUq7SUqtTVN2ia5Ag2cWmmb8Yd3oOIKUZY8d7lro04vaFWBZuqJaqyRQNpu+pLzkl1Cp1lmLvXOukp
20UrD5AgQEGwEG4EG20IwIvgRvCOdhFRFhG4jbEkLiOO4jcn8XckU4UJCTHYGNA=`);
const LZ4 = decoded(`
BCJNGHRAvQMBAADzBnNlY3RvciAwIG9mIHRoZSBjYXJkChUAHzEVAAEfNBUAAR85FQABLzE2FgABLzI1FgABHzMsAAIf
NFgAAh82gwACHziuAAIvMTDaAAMfMi4AAx80WwACLzE2iAACLzE5tQACHzLiAAMvMjUuAAMfOFwAAi8zMooAAi8zNrgA
Ah805gADLzQ0LgADHzhcAAIvNTKKAAIvNTe4AAIfNuYAAx82LgADHzdcAAMfN4oAAx84uAADHznmAAMfORQBAy8xMEMB
Ay8xMHIBAy8xMaEBAx8x0AEELzEy/wEDLzEzLgIEHzRdAgQbNYwCHwABAP//////////////r3B0aGUgZW5kc1mQlAAA
AAADskNm`);

function decoded(base64: string): Bytes {
  return new Uint8Array(Buffer.from(base64, "base64"));
}

/** Unpacks in such pieces; undefined where that is an error, or more than anybody takes. */
async function unpacked(
  packing: Packing,
  packed: Bytes,
  pieceBytes: number,
  roomBytes: number,
): Promise<Bytes | undefined> {
  const unpacking = new Unpacking(await makeDecoder(packing));
  const { input, output } = unpacking;
  const parts: Bytes[] = [];
  let room: Bytes = new Uint8Array();
  let at = 0;
  let made = 0;
  try {
    for (;;) {
      const need = unpacking.run();
      if (need === "packed") {
        if (at === packed.length) input.end();
        else input.supply(packed.slice(at, at + pieceBytes));
        at = Math.min(packed.length, at + pieceBytes);
        continue;
      }
      parts.push(room.subarray(0, output.length));
      made += output.length;
      if (need === "end") return joined(...parts);
      if (made > MOST_BYTES) return undefined;
      room = new Uint8Array(roomBytes);
      output.supply(room);
    }
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    assert(error.offset >= 0 && error.offset <= packed.length, `${error.offset}: ${error}`);
    assert(error.field !== "" && !/undefined|NaN/.test(error.message), error.message);
    return undefined;
  }
}

/** Changes, cuts, doubles or moves some bytes; mostly few. */
function spoiled(next: Next, bytes: Bytes): Bytes {
  let changed = bytes.slice();
  for (let changes = next(4); changes > 0; changes--) {
    const at = next(changed.length + 1);
    const length = next(3) === 0 ? next(40) : 1;
    const kind = next(8);
    if (kind === 0) changed = changed.slice(0, at);
    else if (kind === 1) changed = joined(changed.slice(0, at), changed.slice(at + length));
    else if (kind === 2) changed = joined(changed.slice(0, at + length), changed.slice(at));
    else if (kind === 3) changed = joined(changed, bytes.slice(0, next(2) * bytes.length));
    else if (at < changed.length) {
      changed[at] = kind === 4 ? next(256) : (changed[at] ?? 0) ^ 1 << next(8);
    }
  }
  return changed;
}

interface Counts {
  whole: number;
  refused: number;
}

/** However it is given and taken, the answer is the same; it is answered. */
async function tryStream(
  packing: Packing,
  packed: Bytes,
  next: Next,
  counts: Counts,
): Promise<Bytes | undefined> {
  const content = await unpacked(packing, packed, 1 << 20, 1 << 16);
  const again = await unpacked(packing, packed, 1 + next(50), 1 + next(3000));
  assertEquals(content?.length, again?.length);
  assert(content === undefined || Buffer.compare(content, again ?? content) === 0);
  if (content === undefined) counts.refused++;
  else counts.whole++;
  return content;
}

async function fuzz(
  packing: Packing,
  seed: number,
  make: (next: Next) => Bytes | Promise<Bytes>,
  check: (packed: Bytes, content: Bytes) => void = () => {},
): Promise<void> {
  const next = seededNumbers(seed);
  const counts: Counts = { whole: 0, refused: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const packed = await make(next);
    try {
      const content = await tryStream(packing, packed, next, counts);
      if (content !== undefined) check(packed, content);
    } catch (error) {
      const base64 = Buffer.from(packed).toString("base64");
      throw new Error(`round ${round}: ${base64}`, { cause: error });
    }
  }
  // The streams are well chosen when both happen often.
  for (const [name, count] of Object.entries(counts)) {
    assert(ROUNDS < 500 || count > ROUNDS / 50, `only ${count} ${name} of ${ROUNDS}`);
  }
}

function someContent(next: Next): Bytes {
  const from = next(CONTENT.length);
  return CONTENT.slice(from, from + next(CONTENT.length));
}

/** Nothing but the content that all checksums were made of comes out whole. */
function isContentAgain(_packed: Bytes, content: Bytes): void {
  for (let at = 0; at < content.length; at += CONTENT.length) {
    const part = content.subarray(at, at + CONTENT.length);
    assert(part.length === CONTENT.length && Buffer.compare(part, CONTENT) === 0, `at ${at}`);
  }
}

Deno.test("gzip: whatever comes out whole, zlib says so, too", async () => {
  await fuzz(
    "gzip",
    1,
    (next) => {
      const members = Array.from(
        { length: 1 + next(2) },
        () => joined(gzipSync(someContent(next), { level: next(10) })),
      );
      return spoiled(next, joined(...members, new Uint8Array(next(4) === 0 ? next(9) : 0)));
    },
    (packed, content) => assert(Buffer.compare(gunzipSync(packed), content) === 0),
  );
});

Deno.test("deflate: whatever comes out whole, zlib says so, too", async () => {
  await fuzz(
    "deflate",
    2,
    (next) => spoiled(next, joined(deflateRawSync(someContent(next), { level: next(10) }))),
    (packed, content) => assert(Buffer.compare(inflateRawSync(packed), content) === 0),
  );
});

Deno.test("zstd: whatever comes out whole, libzstd says so, too", async () => {
  await fuzz(
    "zstd",
    3,
    (next) => {
      const frames = Array.from(
        { length: 1 + next(2) },
        () => joined(zstdCompressSync(someContent(next), { params: { [CHECKSUM]: next(2) } })),
      );
      return spoiled(next, joined(...frames));
    },
    (packed, content) => {
      // It looks at the first frame only.
      const first = zstdDecompressSync(packed, { params: { [WINDOW]: 31 } });
      assert(Buffer.compare(first, content.subarray(0, first.length)) === 0);
    },
  );
});

Deno.test("bzip2: nothing comes out whole but what went in", async () => {
  await fuzz("bzip2", 4, (next) => spoiled(next, BZIP2), isContentAgain);
});

Deno.test("lz4: nothing comes out whole but what went in", async () => {
  await fuzz("lz4", 5, (next) => spoiled(next, LZ4), isContentAgain);
});

Deno.test("lz4: blocks of any bytes, without a checksum", async () => {
  await fuzz("lz4", 6, async (next) => {
    const descriptor = Uint8Array.of(next(2) === 0 ? 0x40 : 0x60, 0x40);
    const checksum = parseInt((await xxhash32(descriptor)).slice(4, 6), 16);
    const blocks = Array.from({ length: 1 + next(3) }, () => {
      const bytes = Uint8Array.from({ length: 1 + next(30) }, () => randomByte(next));
      return joined(Uint8Array.of(bytes.length, 0, 0, next(4) === 0 ? 0x80 : 0), bytes);
    });
    const magic = Uint8Array.of(4, 0x22, 0x4d, 0x18);
    return joined(magic, descriptor, Uint8Array.of(checksum), ...blocks, new Uint8Array(4));
  });
});

/** Often a small number: counts and distances that are possible. */
function randomByte(next: Next): number {
  return next(3) === 0 ? next(256) : next(3);
}

Deno.test("xz: nothing comes out whole but what went in", async () => {
  await fuzz(
    "xz",
    7,
    (next) => spoiled(next, next(2) === 0 ? XZ_BLOCKS : XZ_SHA256),
    isContentAgain,
  );
});

/** The stream without checks: all that is left to see damage is how it is built. */
function withoutChecks(next: Next): Bytes {
  const chunks = spoiledChunks(next, XZ_SHA256.slice(24, 24 + 187));
  const padding = new Uint8Array((4 - chunks.length % 4) % 4);
  const flags = Uint8Array.of(0, 0);
  const header = withCrc(Uint8Array.of(2, 0, 0x21, 1, next(10) === 0 ? next(41) : 22, 0, 0, 0));
  const unpadded = 12 + chunks.length;
  const size = CONTENT.length;
  const index = withCrc(padded([0, 1, ...number(unpadded), ...number(size)]));
  const footer = joined(words(index.length / 4 - 1), flags);
  return joined(
    Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0),
    withCrc(flags),
    header,
    chunks,
    padding,
    index,
    words(crc32(footer)),
    footer,
    Uint8Array.of(0x59, 0x5a),
  );
}

/** Mostly bytes inside of the chunk, whose length stays. */
function spoiledChunks(next: Next, chunks: Bytes): Bytes {
  if (next(4) === 0) return spoiled(next, chunks);
  for (let changes = next(3); changes > 0; changes--) chunks[next(chunks.length)] = next(256);
  return chunks;
}

function withCrc(bytes: Bytes): Bytes {
  return joined(bytes, words(crc32(bytes)));
}

function words(value: number): Bytes {
  return Uint8Array.from([0, 8, 16, 24], (shift) => value >>> shift & 0xff);
}

function number(value: number): number[] {
  return value < 0x80 ? [value] : [value & 0x7f | 0x80, ...number(value >>> 7)];
}

function padded(bytes: number[]): Bytes {
  return Uint8Array.from([...bytes, ...[0, 0, 0].slice(0, (4 - bytes.length % 4) % 4)]);
}

Deno.test("xz: chunks of any bytes, without a check, hold as much as they say", async () => {
  await fuzz("xz", 8, withoutChecks, (_, content) => {
    assertEquals(content.length, CONTENT.length);
  });
});
