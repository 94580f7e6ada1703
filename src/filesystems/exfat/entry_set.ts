/** exFAT specification, sections 6.2 to 6.4 and 7, https://learn.microsoft.com/en-us/windows/win32/fileio/exfat-specification */
import { FormatError } from "../../core/errors.ts";

// Directory entries, 32 bytes. A set is a primary entry and those that follow it:
//   0 1 EntryType; 00h: the end; bit 7: in use, bit 6: secondary, bit 5: benign
//   1 1 SecondaryCount: how many follow; not in 81h to 83h, and A1h
export const ENTRY_BYTES = 32;
const IN_USE = 0x80;
const TYPE_CLASS = 0xe0;
const BENIGN_PRIMARY_CLASS = 0xa0;
const SECONDARY = 0x40;
/** Allocation bitmap, up-case table, volume label: single ones, of the root directory. */
const ROOT_TYPES: ReadonlySet<number> = new Set([0x81, 0x82, 0x83]);
/** TexFAT padding: it has no fields. */
const PADDING = 0xa1;
export const FILE = 0x85;
const MAX_ENTRIES = 256;

/** Puts the entries of a directory together to sets; they can lie across clusters. */
export class EntrySets {
  readonly #what: string;
  readonly #isRoot: boolean;
  readonly #set = new Uint8Array(MAX_ENTRIES * ENTRY_BYTES);
  #gathered = 0;
  /** Bytes of the set that is being gathered; 0: none is. */
  #expected = 0;
  #isAtEnd = false;

  /** `what` is the directory, for messages. */
  constructor(what: string, isRoot: boolean) {
    this.#what = what;
    this.#isRoot = isRoot;
  }

  /**
   * The sets that end in the next bytes of the directory, which hold whole entries. They are
   * valid until the next one is asked for.
   *
   * @throws {FormatError} when entries are not where they belong.
   */
  *add(bytes: Uint8Array): Generator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += ENTRY_BYTES) {
      const entry = bytes.subarray(at, at + ENTRY_BYTES);
      this.#take(entry);
      if (this.#expected === 0 || this.#gathered < this.#expected) continue;
      yield this.#set.subarray(0, this.#expected);
      this.#gathered = this.#expected = 0;
    }
  }

  /** @throws {FormatError} when the directory ended within a set. */
  finish(): void {
    if (this.#expected > 0) this.#fail("ends within the entries of a file");
  }

  #take(entry: Uint8Array): void {
    const type = entry[0] ?? 0;
    const isInUse = (type & IN_USE) !== 0;
    if (this.#expected > 0) {
      if (!isInUse || (type & SECONDARY) === 0) this.#fail("lacks entries of a file");
    } else if (!isInUse) {
      // Behind the end there must be nothing else; not every system stops there.
      this.#isAtEnd ||= type === 0;
      return;
    } else if (!this.#begins(type)) return;
    else this.#expected = ENTRY_BYTES * (1 + (entry[1] ?? 0));
    this.#set.set(entry, this.#gathered);
    this.#gathered += ENTRY_BYTES;
  }

  /** Is it the first one of a set? */
  #begins(type: number): boolean {
    if (this.#isAtEnd) this.#fail("has entries behind its end");
    if ((type & SECONDARY) !== 0) this.#fail("has entries that belong to no file");
    if (this.#isRoot && ROOT_TYPES.has(type)) return false;
    if (type === PADDING) return false;
    const isKnown = type === FILE || (type & TYPE_CLASS) === BENIGN_PRIMARY_CLASS;
    if (!isKnown) this.#fail(`has an unknown entry, ${type.toString(16)}h`);
    return true;
  }

  #fail(message: string): never {
    throw new FormatError(`its ${this.#what} ${message}`, 0, "EntryType");
  }
}
