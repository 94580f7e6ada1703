/** ext4 data structures, "The Super Block", https://docs.kernel.org/filesystems/ext4/super.html */
import { superblockError } from "./ext_superblock_error.ts";

/** s_feature_compat, of those that {@linkcode checkFeatures} lets through. */
const COMPAT = {
  DIR_PREALLOC: 0x1,
  HAS_JOURNAL: 0x4,
  EXT_ATTR: 0x8,
  RESIZE_INODE: 0x10,
  DIR_INDEX: 0x20,
  SPARSE_SUPER2: 0x200,
  FAST_COMMIT: 0x400,
  STABLE_INODES: 0x800,
  ORPHAN_FILE: 0x1000,
} as const;

/** s_feature_incompat, likewise. */
const INCOMPAT = {
  FILETYPE: 0x2,
  META_BG: 0x10,
  EXTENTS: 0x40,
  SIXTY_FOUR_BIT: 0x80,
  MMP: 0x100,
  FLEX_BG: 0x200,
  EA_INODE: 0x400,
  CSUM_SEED: 0x2000,
  LARGEDIR: 0x4000,
  INLINE_DATA: 0x8000,
  ENCRYPT: 0x10000,
  CASEFOLD: 0x20000,
} as const;

/** s_feature_ro_compat, likewise. */
const RO_COMPAT = {
  SPARSE_SUPER: 0x1,
  LARGE_FILE: 0x2,
  BTREE_DIR: 0x4,
  HUGE_FILE: 0x8,
  GDT_CSUM: 0x10,
  DIR_NLINK: 0x20,
  EXTRA_ISIZE: 0x40,
  QUOTA: 0x100,
  BIGALLOC: 0x200,
  METADATA_CSUM: 0x400,
  READONLY: 0x1000,
  PROJECT: 0x2000,
  VERITY: 0x8000,
} as const;

const INCOMPAT_RECOVER = 0x4;
const INCOMPAT_JOURNAL_DEV = 0x8;
const RO_COMPAT_ORPHAN_PRESENT = 0x10000;

/** The three fields of features; zero in the original format (revision 0). */
export interface ExtFeatures {
  readonly s_feature_compat: number;
  readonly s_feature_incompat: number;
  readonly s_feature_ro_compat: number;
}

/**
 * Lets pass what is known to leave the meaning of the bitmaps as it is. Features that a
 * driver may ignore when it only reads files are no exception: they can change what a clear
 * bit means.
 *
 * @throws {FormatError} for all others.
 */
export function checkFeatures(features: ExtFeatures): void {
  const { s_feature_compat, s_feature_incompat, s_feature_ro_compat } = features;
  if (s_feature_incompat & INCOMPAT_JOURNAL_DEV) {
    throw superblockError("s_feature_incompat", "it is the journal of another file system");
  }
  if (s_feature_incompat & INCOMPAT_RECOVER) {
    throw superblockError(
      "s_feature_incompat",
      "it was not cleanly unmounted: its journal has to be replayed first",
    );
  }
  if (s_feature_ro_compat & RO_COMPAT_ORPHAN_PRESENT) {
    throw superblockError(
      "s_feature_ro_compat",
      "it was not cleanly unmounted: it may have orphans",
    );
  }
  const known = [
    ["s_feature_compat", s_feature_compat, COMPAT],
    ["s_feature_incompat", s_feature_incompat, INCOMPAT],
    ["s_feature_ro_compat", s_feature_ro_compat, RO_COMPAT],
  ] as const;
  for (const [field, value, names] of known) {
    const unknown = Object.values(names).reduce((rest, bit) => rest & ~bit, value) >>> 0;
    if (unknown === 0) continue;
    throw superblockError(
      field,
      `it has features that are not supported: ${field} 0x${unknown.toString(16)}`,
    );
  }
  checkContradictions(features);
}

/** Features that exclude each other. */
function checkContradictions(features: ExtFeatures): void {
  if (hasRoCompat(features, "GDT_CSUM") && hasRoCompat(features, "METADATA_CSUM")) {
    throw superblockError(
      "s_feature_ro_compat",
      "it has both kinds of checksums, which exclude each other",
    );
  }
  if (hasIncompat(features, "META_BG") && hasCompat(features, "RESIZE_INODE")) {
    throw superblockError(
      "s_feature_incompat",
      "it has meta_bg and resize_inode, which exclude each other",
    );
  }
}

/** Does it have this feature? */
export function hasCompat(features: ExtFeatures, feature: keyof typeof COMPAT): boolean {
  return (features.s_feature_compat & COMPAT[feature]) !== 0;
}

/** Does it have this feature? */
export function hasIncompat(features: ExtFeatures, feature: keyof typeof INCOMPAT): boolean {
  return (features.s_feature_incompat & INCOMPAT[feature]) !== 0;
}

/** Does it have this feature? */
export function hasRoCompat(features: ExtFeatures, feature: keyof typeof RO_COMPAT): boolean {
  return (features.s_feature_ro_compat & RO_COMPAT[feature]) !== 0;
}

/** Does it have checksums of its group descriptors, and so groups without a bitmap? */
export function hasDescriptorChecksums(features: ExtFeatures): boolean {
  return hasRoCompat(features, "GDT_CSUM") || hasRoCompat(features, "METADATA_CSUM");
}
