import type { CopyProgress } from "../core/block.ts";
import { type Finding, ImagingError } from "../core/errors.ts";
import { printable } from "../core/text.ts";
import { ProgressMeter, progressText } from "./progress.ts";

const encoder = new TextEncoder();

/** How the console behaves. */
export interface ConsoleOptions {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly color: "auto" | "always" | "never";
  /** Does the terminal understand escape sequences? */
  readonly escapes: boolean;
}

/** Time between two redraws on a terminal, and between two lines elsewhere. */
const REDRAW_MILLISECONDS = 200;
const LINE_MILLISECONDS = 10_000;

/** All that is printed: results on stdout, everything else on stderr. */
export class Console implements Disposable {
  readonly #options: ConsoleOptions;
  readonly #isTerminal = Deno.stderr.isTerminal();
  readonly #colors: boolean;
  #title = "";
  #meter: ProgressMeter | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Characters of the progress line that is on the screen; 0 when there is none. */
  #drawn = 0;
  #stderrClosed = false;
  /** Why stdout takes nothing any more, as an exit code must tell; undefined while it does. */
  #stdoutProblem: ImagingError | "closed" | undefined;

  constructor(options: ConsoleOptions) {
    this.#options = options;
    const wanted = options.color === "always" ||
      (options.color === "auto" && this.#isTerminal && options.escapes &&
        !Deno.env.get("NO_COLOR"));
    this.#colors = wanted;
  }

  /** Does stdout belong to events? */
  get isJson(): boolean {
    return this.#options.json;
  }

  /** Why results do not arrive: "closed" when the program that read them went away. */
  get stdoutProblem(): ImagingError | "closed" | undefined {
    return this.#stdoutProblem;
  }

  /** Begins a part of the work that has a progress of its own. */
  phase(title: string): void {
    this.#wipe();
    this.event("phase", { title });
    this.#title = printable(title);
    this.#meter = undefined;
    if (this.#options.quiet || this.#timer !== undefined) return;
    const interval = this.#isTerminal && !this.#options.json
      ? REDRAW_MILLISECONDS
      : this.#options.json
      ? 1000
      : LINE_MILLISECONDS;
    this.#timer = setInterval(() => this.#draw(), interval);
    Deno.unrefTimer(this.#timer);
  }

  /** Takes how far the work is; it is shown when it is time. */
  progress(progress: CopyProgress): void {
    const now = performance.now();
    this.#meter ??= new ProgressMeter(now);
    this.#meter.update(progress, now);
  }

  /** Shows something odd, or good to know. */
  note(finding: Finding): void {
    this.event("note", { ...finding });
    if (this.#options.quiet && finding.level === "note") return;
    const label = finding.level === "warning" ? this.#paint("33", "warning:") : "note:";
    this.#error(`sectorshot: ${label} ${finding.message}`);
  }

  /** Shows a failure and what to do about it. */
  error(message: string, hint: string | undefined): void {
    this.#error(`sectorshot: ${this.#paint("1;31", "error:")} ${message}`);
    if (hint !== undefined) this.#error(`sectorshot: hint: ${hint}`);
  }

  /** Says that the user stopped it, and how to go on. */
  cancelled(message: string, hint: string | undefined): void {
    this.#error(`sectorshot: ${message}`);
    if (hint !== undefined) this.#error(`sectorshot: hint: ${hint}`);
  }

  /** Lines on stderr, as they are. */
  lines(lines: readonly string[]): void {
    for (const line of lines) this.#error(line);
  }

  /** Lines on stdout, for people. */
  result(lines: readonly string[]): void {
    this.#wipe();
    if (lines.length > 0) this.#stdout(lines.join("\n") + "\n");
  }

  /** One event on stdout, for programs. */
  event(name: string, fields: Readonly<Record<string, unknown>>): void {
    if (!this.#options.json) return;
    this.#stdout(JSON.stringify({ event: name, ...fields }) + "\n");
  }

  /**
   * Asks on the terminal. Undefined when stdin is no terminal, or ends.
   */
  async ask(lines: readonly string[], question: string): Promise<string | undefined> {
    this.lines(lines);
    if (!Deno.stdin.isTerminal()) return undefined;
    this.#stderr(question);
    const line: number[] = [];
    const byte = new Uint8Array(1);
    while (await Deno.stdin.read(byte) === 1 && byte[0] !== 0x0a) line.push(byte[0] ?? 0);
    return new TextDecoder().decode(Uint8Array.from(line)).trim();
  }

  /** Keeps a window open that would vanish with the program, until somebody has read it. */
  async hold(): Promise<void> {
    if (!this.#isTerminal || !Deno.stdin.isTerminal()) return;
    this.#wipe();
    await this.ask([], "Press Enter to close this window. ");
  }

  /** Ends the progress line. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#wipe();
  }

  /** SGR codes of ECMA-48. The library's functions let NO_COLOR win over the option. */
  #paint(code: string, text: string): string {
    return this.#colors ? `\x1b[${code}m${text}\x1b[0m` : text;
  }

  #draw(): void {
    if (this.#meter === undefined) return;
    const figures = this.#meter.figures(performance.now());
    if (this.#options.json) {
      const total = Number.isFinite(figures.totalBytes) ? figures.totalBytes : null;
      this.event("progress", { ...figures, totalBytes: total });
      return;
    }
    const text = progressText(this.#title, figures);
    if (!this.#isTerminal) return this.#error(text);
    // A serial console does not know its width.
    const columns = Deno.consoleSize().columns || 80;
    const line = text.slice(0, Math.max(columns - 1, 20));
    this.#wipe();
    this.#stderr(line);
    this.#drawn = line.length;
  }

  /** Erases the progress line; with blanks where the terminal knows no escape sequences. */
  #wipe(): void {
    if (this.#drawn === 0) return;
    this.#stderr(this.#options.escapes ? "\r\x1b[K" : `\r${" ".repeat(this.#drawn)}\r`);
    this.#drawn = 0;
  }

  #error(line: string): void {
    this.#wipe();
    this.#stderr(line + "\n");
  }

  /** A copy goes on when whoever read its messages went away, or their disk is full. */
  #stderr(text: string): void {
    if (this.#stderrClosed) return;
    try {
      writeAll(Deno.stderr, text);
    } catch {
      this.#stderrClosed = true;
    }
  }

  /** Never throws, since a timer calls it, too: whoever ends the program asks for the problem. */
  #stdout(text: string): void {
    if (this.#stdoutProblem !== undefined) return;
    try {
      writeAll(Deno.stdout, text);
    } catch (cause) {
      this.#stdoutProblem = cause instanceof Deno.errors.BrokenPipe
        ? "closed"
        : new ImagingError("environment", `cannot write to stdout: ${cause}`, { cause });
    }
  }
}

function writeAll(to: { writeSync(bytes: Uint8Array): number }, text: string): void {
  let bytes = encoder.encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(to.writeSync(bytes));
}
