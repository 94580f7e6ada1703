/**
 * Hashes that AFF4 keeps: AFF4 Standard v1.0, section 6, https://github.com/aff4/Standard
 */
import type { HashAlgorithm } from "../../hashes/hash_algorithm.ts";
import { md5, nativeAlgorithm, sha1, sha256, sha512 } from "../../hashes/md5_and_sha.ts";
import { type Aff4Thing, descriptionError } from "./description.ts";
import { schemaName } from "./names.ts";
import type { Term } from "./turtle.ts";

const blake2b: HashAlgorithm = nativeAlgorithm("blake2b512", 64, () => undefined);

/** A kind of hash, by its name in the standard in lower case: "md5", "blake2b". */
export interface Aff4Hash {
  readonly id: string;
  readonly algorithm: HashAlgorithm;
}

/** In the order in which the hash of a block map takes them: section 6.2. */
export const AFF4_HASHES: readonly Aff4Hash[] = [
  { id: "md5", algorithm: md5 },
  { id: "sha1", algorithm: sha1 },
  { id: "sha256", algorithm: sha256 },
  { id: "sha512", algorithm: sha512 },
  { id: "blake2b", algorithm: blake2b },
];

/** A hash that is told. */
export interface ToldHash {
  readonly kind: Aff4Hash;
  /** Is it that of a block map, and not of the bytes of its subject? */
  readonly isBlockMap: boolean;
  /** Lower case, of the right length. */
  readonly hex: string;
}

/** What a term tells; undefined where it is no hash of a kind that is known, or has no such length. */
export function toldHash({ value, datatype }: Term): ToldHash | undefined {
  const name = schemaName(datatype ?? "")?.toLowerCase() ?? "";
  const isBlockMap = name.startsWith("blockmaphash");
  const id = isBlockMap ? name.slice("blockmaphash".length) : name;
  const kind = AFF4_HASHES.find((each) => each.id === id);
  const hex = value.toLowerCase();
  if (kind === undefined || !/^[0-9a-f]+$/.test(hex)) return undefined;
  return hex.length === kind.algorithm.digestBytes * 2 ? { kind, isBlockMap, hex } : undefined;
}

/** More hashes of the same thing than there are kinds make no sense. */
const MOST_HASHES = 20;

/**
 * The hashes of a thing that are told with a property: not those of kinds that are not known.
 *
 * @throws {FormatError} when they are too many.
 */
export function toldHashes(thing: Aff4Thing, property: string): ToldHash[] {
  const terms = thing.all(property);
  if (terms.length > MOST_HASHES) {
    throw descriptionError(
      property,
      `${thing.urn} has ${terms.length} values of aff4:${property}`,
    );
  }
  return terms.flatMap((term) => toldHash(term) ?? []);
}

/** Bytes, piece by piece. */
export type Parts = Iterable<Uint8Array | Promise<Uint8Array>> | AsyncIterable<Uint8Array>;

/** The hash of parts, one behind the other. */
export async function hashOf(kind: Aff4Hash, parts: Parts): Promise<Uint8Array> {
  const [hash] = await hashesOf([kind], parts);
  return hash ?? new Uint8Array();
}

/** Hashes of several kinds of the same parts, which are gone through once. */
export async function hashesOf(
  kinds: readonly Aff4Hash[],
  parts: Parts,
): Promise<Uint8Array[]> {
  const hashers = await Promise.all(kinds.map(({ algorithm }) => algorithm.create()));
  for await (const part of parts) {
    for (const hasher of hashers) hasher.update(part);
  }
  return hashers.map((hasher) => hasher.digest());
}
