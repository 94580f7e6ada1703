import { assertEquals, assertStringIncludes } from "@std/assert";
import { makeDecoder } from "../../src/copy/unpack/unpack_decoders.ts";
import { Unpacking } from "../../src/copy/unpack/unpack_flow.ts";
import type { Bytes } from "../../src/core/block.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { needs } from "../support/tools.ts";
import {
  assertCutsFail,
  assertUnpacks,
  deflated,
  diskContent,
  gzipped,
  joined,
  pipeThrough,
  unpackError,
  unpackWith,
  unseenChanges,
} from "./unpack_tools.ts";

const encoder = new TextEncoder();

/** The size around which zlib's window and pigz' blocks end, and some others. */
const SIZES = [0, 1, 2, 32767, 32768, 32769, 131071, 131072, 131073, 1_000_000];

const COMMANDS = [
  "gzip -c",
  "gzip -1 -c",
  "gzip -9 -c",
  "gzip -n -c",
  "gzip --rsyncable -c",
  "pigz -c",
  "pigz -p 3 -b 128 -c",
  "pigz -p 2 -i -c",
  "pigz -0 -c",
  "pigz -R -c",
  "bgzip -c",
  "bgzip -l 0 -c",
  "7z a -si -so -tgzip dummy",
];

for (const command of COMMANDS) {
  Deno.test(`gzip: what ${command} writes`, {
    ignore: needs(command.split(" ", 1)[0] ?? ""),
  }, async () => {
    for (const size of SIZES) {
      const content = diskContent(size, size);
      const packed = await pipeThrough(command.split(" "), content);
      await assertUnpacks("gzip", packed, content, `${command}, ${size} bytes`);
    }
  });
}

Deno.test("gzip: zopfli's blocks of pigz -11", { ignore: needs("pigz") }, async () => {
  const content = diskContent(50_000, 5);
  await assertUnpacks("gzip", await pipeThrough(["pigz", "-11", "-c"], content), content);
});

Deno.test("gzip: members follow each other, empty ones too, and zeros the last", async () => {
  const parts = [
    diskContent(70_000, 1),
    new Uint8Array(),
    diskContent(1, 2),
    diskContent(9, 3),
  ];
  const members = joined(...parts.map((part) => gzipped(part)));
  await assertUnpacks("gzip", members, joined(...parts));
  for (const zeros of [1, 2, 511, 100_000]) {
    await assertUnpacks("gzip", joined(members, new Uint8Array(zeros)), joined(...parts));
  }
});

/** A member with everything a header may have, put together by the RFC. */
function fullMember(content: Bytes, flags = 0x1f): Bytes {
  const plain = gzipped(content);
  const header = Uint8Array.from([...plain.subarray(0, 3), flags, 1, 2, 3, 4, 0, 3]);
  const fields = [
    ...((flags & 4) === 0 ? [] : [5, 0, 0x41, 0x70, 1, 0, 0xaa]),
    ...((flags & 8) === 0 ? [] : [...encoder.encode("card.img"), 0]),
    ...((flags & 16) === 0 ? [] : [...encoder.encode("of the camera"), 0]),
  ];
  const whole = joined(header, Uint8Array.from(fields));
  const crc = (flags & 2) === 0 ? [] : [slowCrc(whole) & 0xff, slowCrc(whole) >>> 8 & 0xff];
  return joined(whole, Uint8Array.from(crc), plain.subarray(10));
}

/** CRC-32 bit by bit: RFC 1952, 8. */
function slowCrc(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc >>> 1 ^ (-(crc & 1) & 0xedb88320);
  }
  return ~crc >>> 0;
}

Deno.test("gzip: every field of the header, as gzip itself reads it", {
  ignore: needs("gzip"),
}, async () => {
  const content = diskContent(3000, 8);
  for (let flags = 0; flags < 0x20; flags++) {
    const member = fullMember(content, flags);
    assertBytes(await pipeThrough(["gzip", "-dc"], member), content, `flags ${flags}`);
    await assertUnpacks("gzip", joined(member, member), joined(content, content));
  }
});

Deno.test("gzip: wrong magic, method, flags and checksums are told by name and place", async () => {
  const content = diskContent(1000, 4);
  const member = fullMember(content);
  const start = member.length;
  const cases: [at: number, value: number, message: string, offset: number][] = [
    [0, 1, "something else follows", start],
    [1, 0, "something else follows", start],
    [2, 9, "gzip method 9", start + 2],
    [3, 0x3f, "gzip flags 63", start + 3],
    [15, 9, "the gzip header is damaged", start + 40],
    [member.length - 8, member[member.length - 8] ?? 0, "CRC-32 is wrong", 2 * start - 8],
    [member.length - 4, member[member.length - 4] ?? 0, "length is wrong", 2 * start - 4],
  ];
  for (const [at, value, message, offset] of cases) {
    const wrong = member.slice();
    wrong[at] = value === wrong[at] ? value ^ 0x40 : value;
    const error = await unpackError("gzip", joined(member, wrong));
    assertStringIncludes(error.message, message);
    assertEquals(error.offset, offset, message);
  }
  const first = await unpackError("gzip", diskContent(100));
  assertStringIncludes(first.message, "this is no gzip stream");
});

Deno.test("gzip: what else follows is an error, and where", async () => {
  const content = diskContent(500);
  const member = gzipped(content);
  for (const tail of [[1], [0x1f], [0x1f, 0x8b], [0, 0, 1], [0x1f, 0x8c], [0x0a]]) {
    const error = await unpackError("gzip", joined(member, Uint8Array.from(tail)));
    const zeros = tail[0] === 0 ? 2 : 0;
    // Two bytes that begin a member are one that is cut.
    const isCut = tail.length === 2 && tail[1] === 0x8b;
    assertEquals(error.offset, member.length + (isCut ? 2 : zeros), tail.join(" "));
    assertStringIncludes(error.message, isCut ? "is cut" : "something else follows");
  }
  // Members behind padding: gzip overlooks them, an image writer must not.
  const error = await unpackError("gzip", joined(member, new Uint8Array(512), member));
  assertEquals(error.offset, member.length + 512);
});

Deno.test("gzip: a stream that is cut never ends well", async () => {
  const content = diskContent(700, 3);
  await assertCutsFail("gzip", fullMember(content));
  // Between members and in the padding nobody can see it.
  const [one, zeros] = [gzipped(content), new Uint8Array(3)];
  await assertCutsFail("gzip", joined(one, one, zeros), [
    one.length,
    ...[0, 1, 2].map((more) => 2 * one.length + more),
  ]);
});

Deno.test("gzip: a changed byte is seen, but where nothing depends on it", async () => {
  // Noise, which zlib stores: runs could be copied from here or from there, and prefix
  // codes have parts that are not used.
  const content = patternBytes(1200);
  const member = gzipped(content);
  const unseen = await unseenChanges("gzip", member, content);
  // FLG (bit 0 says that it is text), MTIME, XFL, OS; the bits that fill the first byte.
  assertEquals(unseen, [3, 4, 5, 6, 7, 8, 9, 10]);
  const full = fullMember(content);
  const first = full.length - (member.length - 10);
  // FHCRC covers the header.
  assertEquals(await unseenChanges("gzip", full, content), [first]);
});

Deno.test("gzip: more than 4 GiB of zeros, whose length is told modulo 2^32", async () => {
  // One deflate stream of 64 MiB that ends at a byte, again and again, and an end.
  const part = 64 * 1024 * 1024;
  const rounds = 65;
  const repeated = deflated(new Uint8Array(part), { level: 9, finishFlush: 3 });
  const unpacking = new Unpacking(await makeDecoder("gzip"));
  const { input, output } = unpacking;
  const total = part * rounds + 2;
  const tail = joined(deflated(new Uint8Array(2)), words(zerosCrc(total), total % 2 ** 32));
  const header = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255);
  const pieces = [header, ...Array.from({ length: rounds }, () => repeated), tail];
  const room = new Uint8Array(4 * 1024 * 1024);
  let made = 0;
  for (let need = unpacking.run(); need !== "end"; need = unpacking.run()) {
    const piece = need === "packed" ? pieces.shift() : undefined;
    if (piece !== undefined) input.supply(piece);
    else if (need === "packed") input.end();
    else {
      made += output.length;
      output.supply(room);
    }
  }
  assertEquals(made + output.length, total);
});

/** Two numbers of 32 bits, little endian. */
function words(...numbers: number[]): Bytes {
  const bytes = new Uint8Array(4 * numbers.length);
  const view = new DataView(bytes.buffer);
  for (const [index, number] of numbers.entries()) view.setUint32(4 * index, number, true);
  return bytes;
}

/** The CRC-32 of so many zeros, by multiplying with x in the field: no byte is looked at. */
function zerosCrc(length: number): number {
  // A state of all ones, moved on by 8 * length bits, and inverted.
  const multiply = (a: number, b: number): number => {
    let product = 0;
    for (let bit = 0; bit < 32; bit++) {
      if ((a & 0x8000_0000 >>> bit) !== 0) product ^= b;
      b = b >>> 1 ^ (-(b & 1) & 0xedb88320);
    }
    return product >>> 0;
  };
  let factor = 0x8000_0000;
  let power = 0x0080_0000;
  for (let left = length; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) factor = multiply(factor, power);
    power = multiply(power, power);
  }
  return ~multiply(0xffff_ffff, factor) >>> 0;
}

Deno.test("deflate: a bare stream ends where it says, with any cut and tail seen", async () => {
  for (const size of SIZES) {
    const content = diskContent(size, size);
    const packed = deflated(content);
    await assertUnpacks("deflate", packed, content);
    const error = await unpackError("deflate", joined(packed, Uint8Array.of(0)));
    assertEquals(error.offset, packed.length);
    assertStringIncludes(error.message, "something else follows");
  }
  const content = diskContent(600, 2);
  await assertCutsFail("deflate", deflated(content));
  const stored = deflated(content, { level: 0 });
  assertBytes(unpackWith(await makeDecoder("deflate"), stored), content);
  await assertCutsFail("deflate", stored);
});
