import type { BlockSource, Bytes } from "../core/block.ts";
import { folderPrefix } from "../core/path.ts";
import type { ImageFolder } from "../formats/image_format.ts";
import type { CommandContext } from "./command.ts";

/** Files that are open at once: each takes a thread, and an image may have thousands. */
const OPEN_FILES = 4;

/** How files of an image are opened. */
export interface FolderOptions {
  /** Behind the names that they are asked for by (""). */
  readonly suffix?: string;
  /** Read them past the system's cache? */
  readonly direct?: boolean;
}

/** Where the other files of an image are looked for: beside the one of this path. */
export function imageFolder(
  context: CommandContext,
  path: string,
  { suffix = "", direct = false }: FolderOptions = {},
): ImageFolder {
  const { backend } = context;
  const name = backend.host.paths.nameOf(path);
  const folder = folderPrefix(backend.host.paths, path);
  const open = new OpenFiles((file) => backend.openSource(file, { direct }));
  return {
    name,
    async open(other: string): Promise<BlockSource | undefined> {
      const file = `${folder}${other}${suffix}`;
      const location = await backend.locate(file);
      if (location.kind !== "file") return undefined;
      return new FolderFile(open, file, location.size);
    },
  };
}

/** A file that is opened when it is read, and may be closed in between. */
class FolderFile implements BlockSource {
  readonly name: string;
  readonly size: number;
  readonly sectorSize = 512;
  readonly #files: OpenFiles;

  constructor(files: OpenFiles, path: string, size: number) {
    this.#files = files;
    this.name = path;
    this.size = size;
  }

  async readAt(offset: number, into: Bytes): Promise<number> {
    return await this.#files.use(this.name, (source) => source.readAt(offset, into));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#files.close(this.name);
  }
}

/** A file of the folder that is open now. */
interface OpenFile {
  readonly source: Promise<BlockSource>;
  /** Reads under way. */
  users: number;
  /** Nobody has it any more, but for those. */
  isGivenUp: boolean;
}

/** The files that were used last stay open; who needs one more than that waits. */
class OpenFiles {
  readonly #open: (path: string) => Promise<BlockSource>;
  /** The one used last comes last. */
  readonly #files = new Map<string, OpenFile>();
  /** Those who wait for a file less. */
  readonly #waiting: (() => void)[] = [];

  constructor(open: (path: string) => Promise<BlockSource>) {
    this.#open = open;
  }

  async use<Result>(
    path: string,
    work: (source: BlockSource) => Promise<Result>,
  ): Promise<Result> {
    const file = await this.#take(path);
    try {
      return await work(await file.source);
    } finally {
      file.users--;
      await this.#closeSpare();
      for (const wake of this.#waiting.splice(0)) wake();
    }
  }

  /** The file of this path, with one user more. */
  async #take(path: string): Promise<OpenFile> {
    while (!this.#files.has(path) && this.#busyCount() >= OPEN_FILES) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    const file = this.#files.get(path) ??
      { source: this.#open(path), users: 0, isGivenUp: false };
    this.#files.delete(path);
    this.#files.set(path, file);
    file.users++;
    file.isGivenUp = false;
    return file;
  }

  #busyCount(): number {
    return [...this.#files.values()].filter(({ users }) => users > 0).length;
  }

  /** Closes a file: as soon as no read is under way, which may be another owner's. */
  async close(path: string): Promise<void> {
    const file = this.#files.get(path);
    if (file !== undefined) file.isGivenUp = true;
    await this.#closeSpare();
  }

  async #closeSpare(): Promise<void> {
    for (const [path, { source, users, isGivenUp }] of [...this.#files]) {
      if (users > 0 || !(isGivenUp || this.#files.size > OPEN_FILES)) continue;
      this.#files.delete(path);
      await (await source)[Symbol.asyncDispose]();
    }
  }
}
