import type { BlockSource, Bytes } from "../core/block.ts";
import { folderPrefix } from "../core/path.ts";
import type { ImageFolder } from "../formats/image_format.ts";
import type { CommandContext } from "./command.ts";

/** Files that are open at once: each takes a thread, and an image may have thousands. */
const OPEN_FILES = 4;

/** Where the other files of an image are looked for: beside the one of this path. */
export function imageFolder(context: CommandContext, path: string): ImageFolder {
  const { backend } = context;
  const name = backend.host.paths.nameOf(path);
  const folder = folderPrefix(backend.host.paths, path);
  const open = new OpenFiles((file) => backend.openSource(file, { direct: false }));
  return {
    name,
    async open(other: string): Promise<BlockSource | undefined> {
      const location = await backend.locate(`${folder}${other}`);
      if (location.kind !== "file") return undefined;
      return new FolderFile(open, `${folder}${other}`, location.size);
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
}

/** The files that were used last stay open. */
class OpenFiles {
  readonly #open: (path: string) => Promise<BlockSource>;
  /** The one used last comes last. */
  readonly #files = new Map<string, OpenFile>();

  constructor(open: (path: string) => Promise<BlockSource>) {
    this.#open = open;
  }

  async use<Result>(
    path: string,
    work: (source: BlockSource) => Promise<Result>,
  ): Promise<Result> {
    const file = this.#files.get(path) ?? { source: this.#open(path), users: 0 };
    this.#files.delete(path);
    this.#files.set(path, file);
    file.users++;
    try {
      return await work(await file.source);
    } finally {
      file.users--;
      await this.#closeOldest();
    }
  }

  async close(path: string): Promise<void> {
    const file = this.#files.get(path);
    this.#files.delete(path);
    await (await file?.source)?.[Symbol.asyncDispose]();
  }

  async #closeOldest(): Promise<void> {
    for (const [path, { users }] of [...this.#files]) {
      if (this.#files.size <= OPEN_FILES) return;
      if (users === 0) await this.close(path);
    }
  }
}
