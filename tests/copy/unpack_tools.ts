/** Streams that other programs packed, and what comes out of them. */
import { deflateRawSync, gzipSync, type ZlibOptions } from "node:zlib";
import { assert, assertEquals } from "@std/assert";
import { MemorySource } from "../../src/blocks/memory.ts";
import { makeDecoder } from "../../src/copy/unpack/unpack_decoders.ts";
import { type Decoder, Unpacking } from "../../src/copy/unpack/unpack_flow.ts";
import { makeUnpackService } from "../../src/copy/unpack/unpack_service.ts";
import type { Bytes } from "../../src/core/block.ts";
import { FormatError } from "../../src/core/errors.ts";
import type { Packing } from "../../src/core/unpack.ts";
import { assertBytes, patternBytes } from "../support/pattern.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

/** Runs a program with these bytes on its standard input; answers its standard output. */
export async function pipeThrough(
  [program = "", ...args]: readonly string[],
  bytes: Bytes,
): Promise<Bytes> {
  const child = new Deno.Command(program, {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    env: { PATH: `${Deno.env.get("PATH") ?? ""}:/usr/sbin:/sbin`, LC_ALL: "C.UTF-8" },
  }).spawn();
  const output = child.output();
  const writer = child.stdin.getWriter();
  await writer.write(bytes);
  await writer.close();
  const { success, stdout, stderr } = await output;
  if (success) return new Uint8Array(stdout);
  throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/** One behind the other. */
export function joined(...parts: readonly Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const part of parts) {
    whole.set(part, end);
    end += part.length;
  }
  return whole;
}

/** A gzip member. */
export function gzipped(content: Bytes, options: ZlibOptions = {}): Bytes {
  return joined(gzipSync(content, options));
}

/** A bare deflate stream. */
export function deflated(content: Bytes, options: ZlibOptions = {}): Bytes {
  return joined(deflateRawSync(content, options));
}

/** What disks hold: zeros, text that repeats, noise, runs of one byte, in that many bytes. */
export function diskContent(length: number, seed = 1): Bytes {
  const next = seededNumbers(seed);
  const bytes = new Uint8Array(length);
  const words = ["partition ", "boot", "/usr/lib/", "\0\0\0\x01", "kernel: ", "0x7f"];
  const encoder = new TextEncoder();
  for (let at = 0; at < length;) {
    const end = Math.min(length, at + 1 + next(Math.min(9000, Math.ceil(length / 4))));
    const part = bytes.subarray(at, end);
    const kind = next(4);
    if (kind === 0) part.set(patternBytes(part.length, { offset: at }));
    else if (kind === 1) part.fill(next(256));
    else if (kind === 2) {
      for (let put = 0; put < part.length;) {
        const word = encoder.encode(words[next(words.length)]).subarray(0, part.length - put);
        part.set(word, put);
        put += word.length;
      }
    }
    at = end;
  }
  return bytes;
}

/** How a stream is given to a decoder, and its content taken. */
export interface Portions {
  readonly pieceBytes?: number;
  readonly roomBytes?: number;
}

/** Unpacks on this thread, without any service. */
export function unpackWith(
  decoder: Decoder,
  packed: Bytes,
  { pieceBytes = 65536, roomBytes = 65536 }: Portions = {},
): Bytes {
  const unpacking = new Unpacking(decoder);
  const rooms: Uint8Array[] = [];
  let at = 0;
  for (;;) {
    const need = unpacking.run();
    if (need === "packed" && at < packed.length) {
      // A copy: nobody may look at it once more was asked for.
      unpacking.input.supply(packed.slice(at, at + pieceBytes));
      at = Math.min(packed.length, at + pieceBytes);
    } else if (need === "packed") unpacking.input.end();
    else {
      const last = rooms.pop();
      if (last !== undefined) rooms.push(last.subarray(0, unpacking.output.length));
      if (need === "end") {
        assertEquals(unpacking.input.offset, packed.length, "not all of it was used");
        return joined(...rooms);
      }
      const room = new Uint8Array(roomBytes);
      rooms.push(room);
      unpacking.output.supply(room);
    }
  }
}

/** Unpacks by the service: on a thread where `smallBytes` is 0. */
export async function unpackAll(
  packing: Packing,
  packed: Bytes,
  { smallBytes = 0, readBytes = 3_000_001 } = {},
): Promise<Bytes> {
  const service = makeUnpackService({ smallBytes });
  await using stream = service.unpack(packing, new MemorySource("packed", packed));
  const parts: Uint8Array[] = [];
  for (;;) {
    const into = new Uint8Array(readBytes);
    const length = await stream.read(into);
    if (length === 0) break;
    parts.push(into.subarray(0, length));
  }
  assertEquals(stream.packedBytes, packed.length);
  return joined(...parts);
}

/** Is this what the packed bytes hold, however they are given and taken? */
export async function assertUnpacks(
  packing: Packing,
  packed: Bytes,
  content: Bytes,
  message: string = packing,
): Promise<void> {
  assertBytes(unpackWith(await makeDecoder(packing), packed), content, message);
  if (packed.length < 40_000 && content.length < 140_000) {
    const small = { pieceBytes: 1, roomBytes: 7 };
    assertBytes(unpackWith(await makeDecoder(packing), packed, small), content, message);
  }
}

/** The error of a stream that is not as it should be; fails when there is none. */
export async function unpackError(packing: Packing, packed: Bytes): Promise<FormatError> {
  try {
    unpackWith(await makeDecoder(packing), packed);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    assert(error.offset <= packed.length, `${error.offset} of ${packed.length}`);
    return error;
  }
  throw new Error(`nothing was wrong with ${packed.length} bytes`);
}

/** The stream cut at each of its bytes is an error; those in `whole` are streams, too. */
export async function assertCutsFail(
  packing: Packing,
  packed: Bytes,
  whole: readonly number[] = [],
): Promise<void> {
  const clean: number[] = [];
  for (let length = 0; length < packed.length; length++) {
    try {
      unpackWith(await makeDecoder(packing), packed.slice(0, length));
      clean.push(length);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      assert(error.offset <= length, `cut to ${length} bytes: ${error.offset}`);
    }
  }
  assertEquals(clean, [...whole], `${packing} streams that seem whole`);
}

/**
 * Each byte is changed in turn, in three ways. Answers the places where a change went unseen:
 * the content must then be the same.
 */
export async function unseenChanges(
  packing: Packing,
  packed: Bytes,
  content: Bytes,
): Promise<number[]> {
  const unseen = new Set<number>();
  for (let at = 0; at < packed.length; at++) {
    for (const bits of [0x01, 0x80, 0xff]) {
      const changed = packed.slice();
      changed[at] = (changed[at] ?? 0) ^ bits;
      try {
        const found = unpackWith(await makeDecoder(packing), changed);
        assertBytes(found, content, `byte ${at} changed by ${bits}`);
        unseen.add(at);
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
      }
    }
  }
  return [...unseen];
}
