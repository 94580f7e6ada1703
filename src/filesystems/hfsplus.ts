/** Technical Note TN1150, sections "Volume Header", "B-Trees" and "Catalog File", https://developer.apple.com/library/archive/technotes/tn/tn1150.html */
import { createHash } from "node:crypto";
import type { BlockSource, ProbeInput, ProbeScore } from "../core/block.ts";
import { hasAscii, readBytes, utf16Text, uuidText, viewOf } from "../core/bytes.ts";
import {
  type FileSystem,
  type FileSystemIdentity,
  isBlank,
  isPowerOfTwo,
  nonEmpty,
  notRecognised,
} from "./file_system.ts";

// Volume header at 1024, big endian:
//   0  2 signature, "H+" or "HX"
//   2  2 version, 4 for "H+", 5 for "HX"
//  40  4 blockSize
//  44  4 totalBlocks
//  80 32 finderInfo; its last 8 bytes identify the volume
// 272 80 catalogFile, a fork: eight extents (startBlock, blockCount) at 16
// B-tree: node 0 is the header node:
//  24  4 firstLeafNode
//  32  2 nodeSize
// Leaf node: its first record is at 14, and in the catalog the smallest key is that of
// the root folder: keyLength (2), parentID (4, here 1), length (2), name in UTF-16.
const HEADER_OFFSET = 1024;
const HEADER_BYTES = 512;
const CATALOG_FORK = 272;
const FORK_EXTENTS = 16;
const EXTENTS_IN_FORK = 8;
const FIRST_RECORD = 14;
const LEAF_NODE = -1;
const HEADER_NODE = 1;
const ROOT_PARENT_ID = 1;
const MAX_NAME_CHARACTERS = 255;

// macOS derives the UUID that it shows from the eight bytes: a version 3 UUID in
// this name space (kFSUUIDNamespaceSHA1 in Apple's hfs source).
const UUID_NAMESPACE = Uint8Array.fromHex("b3e20f39f29211d697a400306543ecac");

/** HFS+ and its case-sensitive form HFSX: macOS before APFS. */
export const hfsplus: FileSystem = {
  id: "hfsplus",
  title: "HFS+",
  probe,
  identify,
  readLabel,
};

function headerOf(head: Uint8Array): Uint8Array | undefined {
  const bytes = head.subarray(HEADER_OFFSET, HEADER_OFFSET + HEADER_BYTES);
  if (bytes.length < HEADER_BYTES) return undefined;
  const view = viewOf(bytes);
  const version = view.getUint16(2);
  const isKnown = (hasAscii(bytes, 0, "H+") && version === 4) ||
    (hasAscii(bytes, 0, "HX") && version === 5);
  const blockBytes = view.getUint32(40);
  const isPlausible = isPowerOfTwo(blockBytes) && blockBytes >= 512 && view.getUint32(44) > 0;
  return isKnown && isPlausible ? bytes : undefined;
}

function probe(input: ProbeInput): ProbeScore {
  return headerOf(input.head) === undefined ? "no" : "exact";
}

function identify(input: ProbeInput): FileSystemIdentity {
  const header = headerOf(input.head);
  if (header === undefined) throw notRecognised(hfsplus.title);
  const isCaseSensitive = hasAscii(header, 0, "HX");
  const volumeId = header.subarray(104, 112);
  return {
    id: isCaseSensitive ? "hfsx" : "hfsplus",
    family: hfsplus.id,
    title: isCaseSensitive ? "HFSX" : "HFS+",
    label: undefined,
    uuid: isBlank(volumeId) ? undefined : uuidOf(volumeId),
  };
}

function uuidOf(volumeId: Uint8Array): string {
  const digest = createHash("md5").update(UUID_NAMESPACE).update(volumeId).digest();
  digest[6] = ((digest[6] ?? 0) & 0x0f) | 0x30;
  digest[8] = ((digest[8] ?? 0) & 0x3f) | 0x80;
  return uuidText(digest);
}

/** The name of the root folder is the label. */
async function readLabel(
  source: BlockSource,
  input: ProbeInput,
): Promise<string | undefined> {
  const header = headerOf(input.head);
  if (header === undefined) return undefined;
  const start = await readCatalog(source, header, 0, HEADER_BYTES);
  if (start.length < HEADER_BYTES) return undefined;
  const tree = viewOf(start);
  if (tree.getInt8(8) !== HEADER_NODE) return undefined;
  const nodeBytes = tree.getUint16(32);
  if (nodeBytes < HEADER_BYTES) return undefined;
  const leaf = await readCatalog(source, header, tree.getUint32(24) * nodeBytes, nodeBytes);
  if (leaf.length < nodeBytes) return undefined;
  const view = viewOf(leaf);
  if (view.getInt8(8) !== LEAF_NODE) return undefined;
  if (view.getUint32(FIRST_RECORD + 2) !== ROOT_PARENT_ID) return undefined;
  const characters = view.getUint16(FIRST_RECORD + 6);
  if (characters > MAX_NAME_CHARACTERS) return undefined;
  const at = FIRST_RECORD + 8;
  return nonEmpty(utf16Text(leaf.subarray(at, at + 2 * characters), false));
}

/** A piece of the catalog file; empty when it is not within one of its first extents. */
async function readCatalog(
  source: BlockSource,
  header: Uint8Array,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const view = viewOf(header);
  const blockBytes = view.getUint32(40);
  let before = 0;
  for (let index = 0; index < EXTENTS_IN_FORK; index++) {
    const at = CATALOG_FORK + FORK_EXTENTS + 8 * index;
    const extentBytes = view.getUint32(at + 4) * blockBytes;
    if (offset + length <= before + extentBytes && offset >= before) {
      const place = view.getUint32(at) * blockBytes + offset - before;
      return await readBytes(source, place, length);
    }
    before += extentBytes;
  }
  return new Uint8Array();
}
