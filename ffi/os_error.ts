/** What the operating system answered when a call failed. */

/** Names and words of an operating system's error numbers. */
export type ErrorNames = Readonly<Record<number, readonly [name: string, text: string]>>;

/** A system call that failed. */
export class OsError extends Error {
  override readonly name = "OsError";
  /** The function that failed: "pread". */
  readonly call: string;
  /** The system's number for the error. */
  readonly number: number;
  /** The symbolic name: "EIO", "ERROR_ACCESS_DENIED". */
  readonly code: string;
  /** The error in words: "input/output error". */
  readonly text: string;

  constructor(call: string, number: number, code: string, text: string) {
    super(`${text} (${code})`);
    this.call = call;
    this.number = number;
    this.code = code;
    this.text = text;
  }

  /** The error of this number; "E133" where the number has no name in `names`. */
  static named(call: string, number: number, names: ErrorNames): OsError {
    const [code, text] = names[number] ?? [`E${number}`, `error ${number}`];
    return new OsError(call, number, code, text);
  }
}
