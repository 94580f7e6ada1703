import type { Range } from "./range.ts";

/**
 * What kind of failure it was; the exit code follows from it.
 *
 * - `usage`: the command line makes no sense
 * - `environment`: not found, no permission, in use, no space, a device that fails
 * - `mismatch`: data that should be the same is not
 * - `corrupt`: an image or a table contradicts its own format
 * - `cancelled`: the user stopped it
 */
export type ErrorKind = "usage" | "environment" | "mismatch" | "corrupt" | "cancelled";

/** The `osCode` in place of an answer that does not come: the call was given up. */
export const NO_ANSWER = "ETIMEDOUT";

/** Settings of an {@linkcode ImagingError}. */
export interface ImagingErrorOptions {
  /** What to do now, as an imperative sentence without a full stop. */
  readonly hint?: string | undefined;
  /** The system's symbolic name of the error: "EACCES". */
  readonly osCode?: string | undefined;
  readonly cause?: unknown;
}

/**
 * A failure that a person or their hardware can cause. The message says what was
 * tried, on what, and what the system answered.
 */
export class ImagingError extends Error {
  override readonly name: string = "ImagingError";
  readonly kind: ErrorKind;
  readonly hint: string | undefined;
  readonly osCode: string | undefined;

  constructor(kind: ErrorKind, message: string, options: ImagingErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.kind = kind;
    this.hint = options.hint;
    this.osCode = options.osCode;
  }
}

/** Bytes that a source could not deliver. */
export class ReadError extends ImagingError {
  override readonly name = "ReadError";
  /** First byte of the failing request. */
  readonly offset: number;

  constructor(message: string, offset: number, options: ImagingErrorOptions = {}) {
    super("environment", message, options);
    this.offset = offset;
  }
}

/** Bytes that a sink did not take. */
export class WriteError extends ImagingError {
  override readonly name = "WriteError";
  /** First byte of the failing request. */
  readonly offset: number;

  constructor(message: string, offset: number, options: ImagingErrorOptions = {}) {
    super("environment", message, options);
    this.offset = offset;
  }
}

/** Two things that should hold the same bytes do not. */
export class VerifyError extends ImagingError {
  override readonly name = "VerifyError";
  /** Where they differ, ascending; may be cut after some thousands. */
  readonly ranges: readonly Range[];

  constructor(message: string, ranges: readonly Range[], options: ImagingErrorOptions = {}) {
    super("mismatch", message, options);
    this.ranges = ranges;
  }
}

/** A structure that contradicts its specification. */
export class FormatError extends ImagingError {
  override readonly name = "FormatError";
  /** Byte offset of the structure in its medium, or line of a text file. */
  readonly offset: number;
  /** The field, named as in the specification. */
  readonly field: string;

  constructor(
    message: string,
    offset: number,
    field: string,
    options: ImagingErrorOptions = {},
  ) {
    super("corrupt", message, options);
    this.offset = offset;
    this.field = field;
  }
}

/** A part of an image that is damaged: its own checksum says so. */
export class DamageError extends ImagingError {
  override readonly name = "DamageError";
  /** The damaged part, in bytes of the medium inside. */
  readonly range: Range;

  constructor(message: string, range: Range, options: ImagingErrorOptions = {}) {
    super("corrupt", message, options);
    this.range = range;
  }
}

/** Something odd that can be lived with. It appears in the output. */
export interface Finding {
  /** `warning`: the person should look at it; `note`: good to know. */
  readonly level: "warning" | "note";
  /** Plain words, starting in lower case, without a full stop. */
  readonly message: string;
}
