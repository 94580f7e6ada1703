/** zlib as Python has it, to compare with. */
import { Buffer } from "node:buffer";
import type { Bytes } from "../../src/core/block.ts";
import { run } from "../support/run_cli.ts";
import { TemporaryFolder } from "../support/temporary.ts";

/** Unpacks each stream, which must end where it says it does, and writes what they held. */
const UNPACK = `
import struct, sys, zlib
data = open(sys.argv[1], "rb").read()
lengths = struct.unpack("<%dI" % (len(sys.argv[2]) // 8), bytes.fromhex(sys.argv[2]))
out = open(sys.argv[3], "wb")
at = 0
for length in lengths:
    unpacker = zlib.decompressobj()
    piece = unpacker.decompress(data[at:at + length])
    assert unpacker.eof and not unpacker.unused_data, "a stream does not end as it should"
    assert data[at + length - 4:at + length] == struct.pack(">I", zlib.adler32(piece))
    out.write(struct.pack("<I", len(piece)) + piece)
    at += length
assert at == len(data), "bytes that belong to no stream"
`;

/** Packs each piece, and writes the streams. */
const PACK = `
import struct, sys, zlib
data = open(sys.argv[1], "rb").read()
size, level, bits, strategy = map(int, sys.argv[2:6])
out = open(sys.argv[6], "wb")
for at in range(0, len(data), size):
    packer = zlib.compressobj(level, zlib.DEFLATED, bits, 8, strategy)
    stream = packer.compress(data[at:at + size]) + packer.flush()
    out.write(struct.pack("<I", len(stream)) + stream)
`;

/** What the streams hold. */
export async function pythonUnpack(streams: readonly Bytes[]): Promise<Bytes[]> {
  await using folder = await TemporaryFolder.create();
  const packed = await folder.write("packed", Buffer.concat(streams));
  const words = streams.map(({ length }) => {
    const word = new Uint8Array(4);
    new DataView(word.buffer).setUint32(0, length, true);
    return word.toHex();
  });
  await run("python3", ["-c", UNPACK, packed, words.join(""), folder.file("pieces")]);
  return counted(await Deno.readFile(folder.file("pieces")));
}

/** How Python packs. */
export interface PythonSettings {
  readonly level?: number;
  /** 9 to 15 for zlib, 31 for gzip, -15 for streams without a head. */
  readonly windowBits?: number;
  /** 0 the usual, 2 no repetitions, 3 runs only, 4 fixed codes. */
  readonly strategy?: number;
}

/** The streams of each `pieceBytes`. */
export async function pythonPack(
  bytes: Bytes,
  pieceBytes: number,
  { level = 6, windowBits = 15, strategy = 0 }: PythonSettings = {},
): Promise<Bytes[]> {
  await using folder = await TemporaryFolder.create();
  const path = await folder.write("bytes", bytes);
  const numbers = [pieceBytes, level, windowBits, strategy].map(String);
  await run("python3", ["-c", PACK, path, ...numbers, folder.file("streams")]);
  return counted(await Deno.readFile(folder.file("streams")));
}

/** Parts that each have their length in front. */
function counted(bytes: Bytes): Bytes[] {
  const view = new DataView(bytes.buffer);
  const parts: Bytes[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = view.getUint32(at, true);
    parts.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return parts;
}
