/** How files are opened, how many at once, and what is done before one is closed. */
export interface OpenFilesOptions<File> {
  readonly open: (path: string) => Promise<File>;
  /** Files that are open at once; those in `pinned` come on top. */
  readonly limit: number;
  /** Before one is closed to make room; what it throws ends the call that needed the room. */
  readonly beforeClosing?: (file: File) => Promise<void>;
  /** Stays open. */
  readonly isPinned?: (path: string) => boolean;
}

/** A file that is open now. */
interface OpenFile<File> {
  readonly file: Promise<File>;
  /** Calls under way. */
  users: number;
  /** Nobody has it any more, but for those. */
  isGivenUp: boolean;
}

/**
 * Files by their paths, opened when they are used. Those that were used last stay open, up to
 * a limit; who needs one more than that waits.
 */
export class OpenFiles<File extends AsyncDisposable> implements AsyncDisposable {
  readonly #options: OpenFilesOptions<File>;
  /** The one used last comes last. */
  readonly #files = new Map<string, OpenFile<File>>();
  /** Those who wait for a file less. */
  readonly #waiting: (() => void)[] = [];

  constructor(options: OpenFilesOptions<File>) {
    this.#options = options;
  }

  /** Does something with a file, which stays open meanwhile. */
  async use<Result>(path: string, work: (file: File) => Promise<Result>): Promise<Result> {
    const open = await this.#take(path);
    try {
      return await work(await this.#opened(path, open));
    } finally {
      open.users--;
      try {
        await this.#closeSpare();
      } finally {
        for (const wake of this.#waiting.splice(0)) wake();
      }
    }
  }

  /** The file of this path, with one user more. */
  async #take(path: string): Promise<OpenFile<File>> {
    while (!this.#files.has(path) && this.#busyCount() >= this.#options.limit) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    const open = this.#files.get(path) ??
      { file: this.#options.open(path), users: 0, isGivenUp: false };
    this.#files.delete(path);
    this.#files.set(path, open);
    open.users++;
    open.isGivenUp = false;
    return open;
  }

  /** One that cannot be opened is not kept: the next time it may. */
  async #opened(path: string, open: OpenFile<File>): Promise<File> {
    try {
      return await open.file;
    } catch (error) {
      if (this.#files.get(path) === open) this.#files.delete(path);
      throw error;
    }
  }

  #busyCount(): number {
    return [...this.#files].filter(([path, { users }]) => users > 0 && !this.#isPinned(path))
      .length;
  }

  #isPinned(path: string): boolean {
    return this.#options.isPinned?.(path) === true;
  }

  /** Closes a file: as soon as no call is under way, which may be another owner's. */
  async close(path: string): Promise<void> {
    const open = this.#files.get(path);
    if (open !== undefined) open.isGivenUp = true;
    await this.#closeSpare();
  }

  async #closeSpare(): Promise<void> {
    const { limit, beforeClosing } = this.#options;
    let count = [...this.#files.keys()].filter((path) => !this.#isPinned(path)).length;
    for (const [path, { file, users, isGivenUp }] of [...this.#files]) {
      if (users > 0 || this.#isPinned(path) || !(isGivenUp || count > limit)) continue;
      this.#files.delete(path);
      count--;
      await using closing = await file;
      await beforeClosing?.(closing);
    }
  }

  /** Closes all of them. */
  async [Symbol.asyncDispose](): Promise<void> {
    const files = [...this.#files.values()].map(({ file }) => file);
    this.#files.clear();
    for (const opened of await Promise.allSettled(files)) {
      if (opened.status === "fulfilled") await opened.value[Symbol.asyncDispose]();
    }
  }
}
