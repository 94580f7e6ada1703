import { assert, assertEquals } from "@std/assert";
import type { BlockSource, Bytes } from "../../src/core/block.ts";
import { FormatError } from "../../src/core/errors.ts";
import { endOf, type Range } from "../../src/core/range.ts";
import { ntfs } from "../../src/filesystems/all.ts";
import {
  catalogBlock,
  dataBytes,
  finishRestartPage,
  NtfsImage,
  restartPage,
  VSS_GUID,
  withSplitBitmap,
} from "../filesystems/ntfs_image.ts";
import { patternBytes } from "../support/pattern.ts";
import { needs } from "../support/tools.ts";
import { seededNumbers } from "../volumes/image_tools.ts";

/** A round takes about a millisecond. `SECTORSHOT_FUZZ=1000000` for a night. */
const ROUNDS = Number(Deno.env.get("SECTORSHOT_FUZZ") ?? 1500);

const MIB = 1024 * 1024;
const SIZE = 2 * MIB;
const VSS_HEADER = 7680;
const CATALOG = SIZE - 64 * 1024;

/** Numbers that break counting. */
const NASTY = [
  ...[0n, 1n, 2n, 7n, 8n, 0x7fn, 0x80n, 0xffn, 0x7fffn, 0x8000n, 0xffffn, 0x7fff_ffffn],
  ...[
    0x8000_0000n,
    0xffff_ffffn,
    2n ** 52n,
    2n ** 53n,
    2n ** 63n - 1n,
    2n ** 63n,
    2n ** 64n - 1n,
  ],
];

type Next = (limit: number) => number;

/** A volume that knows its limits: a reader that loops, or asks for too much, is found out. */
class BoundedSource implements BlockSource {
  readonly name = "bounded";
  readonly size: number;
  readonly sectorSize = 512;
  readonly #bytes: Bytes;
  #left = 64 * MIB;

  /** Behind the bytes it is zero. */
  constructor(bytes: Bytes, size: number) {
    this.#bytes = bytes;
    this.size = size;
  }

  readAt(offset: number, into: Bytes): Promise<number> {
    assert(Number.isSafeInteger(offset) && offset >= 0 && offset % 512 === 0);
    assert(offset + into.length <= this.size, `reads ${into.length} bytes at ${offset}`);
    assert(into.length <= MIB + 1024, `reads ${into.length} bytes at once`);
    this.#left -= into.length + 512;
    assert(this.#left > 0, "reads without an end");
    into.set(this.#bytes.subarray(offset, offset + into.length));
    return Promise.resolve(into.length);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** Puts one of the nasty numbers, in one of the usual sizes. */
function putNasty(next: Next, bytes: Uint8Array, at: number): void {
  const value = NASTY[next(NASTY.length)] ?? 0n;
  const length = [1, 2, 4, 8][next(4)] ?? 1;
  for (let index = 0; index < length && at + index < bytes.length; index++) {
    bytes[at + index] = Number(value >> BigInt(8 * index) & 0xffn);
  }
}

/** Changes something in a piece of the volume. */
function spoil(next: Next, bytes: Uint8Array): void {
  for (let changes = next(3); changes >= 0; changes--) {
    const at = next(bytes.length);
    if (next(3) === 0) putNasty(next, bytes, at - at % 2);
    else bytes[at] = next(3) === 0 ? (bytes[at] ?? 0) ^ (1 << next(8)) : next(256);
  }
}

/** File records that are looked at, of the kind that has a split $Bitmap. */
const RECORDS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 24, 25, 64, 65];

/** Changes a record; its protection, and its copy, are right. Answers which. */
function spoilRecord(next: Next, image: NtfsImage): number {
  const number = RECORDS[next(RECORDS.length)] ?? 0;
  const record = image.record(number);
  const used = new DataView(record.buffer).getUint32(24, true);
  // Most of a record is not in use.
  spoil(
    next,
    record.subarray(next(8) === 0 ? 0 : 16, Math.min(record.length, Math.max(used, 64))),
  );
  const words = new DataView(record.buffer);
  words.setUint16(4, 48, true);
  words.setUint16(6, record.length / 512 + 1, true);
  image.setRecord(number, record);
  return number;
}

function spoilLog(next: Next, image: NtfsImage, logBytes: number): void {
  const log = new Uint8Array(logBytes).fill(0xff);
  for (const at of [0, 4096]) {
    const page = restartPage({
      flags: next(5) === 0 ? 0 : 2,
      sequence: BigInt(next(3)),
      major: next(9) === 0 ? 2 : 1,
    });
    if (next(2) === 0) spoil(next, page.subarray(8, 30));
    if (next(2) === 0) spoil(next, page.subarray(48, 208));
    log.set(finishRestartPage(page, logBytes), at);
  }
  image.setContent(2, log);
}

function spoilShadowCopies(next: Next, image: NtfsImage): void {
  image.bytes.set(VSS_GUID, VSS_HEADER);
  image.view.setUint32(VSS_HEADER + 16, 1 + next(2), true);
  image.view.setUint32(VSS_HEADER + 20, 1, true);
  image.view.setBigUint64(VSS_HEADER + 48, BigInt(CATALOG), true);
  const block = catalogBlock(CATALOG, next(3) === 0 ? CATALOG : 0, [next(2), next(8) >>> 2]);
  if (next(2) === 0) spoil(next, block.subarray(0, 300));
  image.bytes.set(block, CATALOG);
  if (next(2) === 0) spoil(next, image.bytes.subarray(VSS_HEADER, VSS_HEADER + 100));
}

/** Records without which $Bitmap is read elsewhere. */
const BITMAP_RECORDS: readonly number[] = [0, 6, 24, 25];

/** Changes something; answers whether $Bitmap is still where, and what, it was. */
function spoilVolume(next: Next, image: NtfsImage, logBytes: number): boolean {
  const kind = next(16);
  if (kind === 0) spoil(next, image.bytes.subarray(0, 84));
  else if (kind === 1) spoilLog(next, image, logBytes);
  else if (kind === 2) spoilShadowCopies(next, image);
  else if (kind === 3) spoil(next, image.bytes);
  else if (kind === 4) {
    const bitmap = image.firstCluster(24) * image.clusterBytes;
    spoil(next, image.bytes.subarray(bitmap, bitmap + 512));
  } else if (kind === 5) {
    const table = image.recordOffset(0);
    spoil(next, image.bytes.subarray(table, table + 66 * 1024));
  } else {
    const numbers = Array.from({ length: 1 + next(2) }, () => spoilRecord(next, image));
    return !numbers.some((number) => BITMAP_RECORDS.includes(number));
  }
  return kind === 1 || kind === 2;
}

async function usedOf(image: NtfsImage, size: number): Promise<readonly Range[]> {
  return await ntfs.usedRanges?.(new BoundedSource(image.bytes, size)) ?? [];
}

function checkRanges(ranges: readonly Range[], size: number): void {
  let end = -1;
  for (const range of ranges) {
    assert(range.offset > end && range.length > 0, "they are not ascending and joined");
    end = endOf(range);
  }
  assert(ranges.length > 0 && ranges[0]?.offset === 0);
  assertEquals(end, size);
}

Deno.test({
  name: "whatever an NTFS volume holds, what it uses is inside of it, or doubtful",
  ignore: needs("mkntfs", "ntfscp"),
  async fn(): Promise<void> {
    const next = seededNumbers(1993);
    const files = {
      "one file": patternBytes(50_000),
      "hiberfil.sys": new Uint8Array(20_000),
    };
    const made = withSplitBitmap(await NtfsImage.made(SIZE, 512, files));
    const logBytes = dataBytes(made, 2);
    const counts = { refused: 0, accepted: 0 };
    const image = made.clone();
    const used = await usedOf(image, SIZE);
    for (let round = 0; round < ROUNDS; round++) {
      image.bytes.set(made.bytes);
      const isSameBitmap = spoilVolume(next, image, logBytes);
      const kind = next(20);
      const size = kind === 0 ? next(SIZE) : kind === 1 ? SIZE + next(64 * MIB) : SIZE;
      try {
        const ranges = await usedOf(image, size);
        checkRanges(ranges, size);
        if (isSameBitmap && size === SIZE) assertEquals(ranges, used);
        counts.accepted++;
      } catch (error) {
        if (!(error instanceof FormatError)) {
          throw new Error(`round ${round}`, { cause: error });
        }
        counts.refused++;
      }
    }
    // The changes are well chosen when both happen often.
    for (const [name, count] of Object.entries(counts)) {
      assert(count > ROUNDS / 10, `only ${count} ${name} of ${ROUNDS}`);
    }
  },
});
