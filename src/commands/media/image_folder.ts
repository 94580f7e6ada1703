import type { BlockSource, Bytes } from "../../core/block.ts";
import { folderPrefix } from "../../core/path.ts";
import type { ImageFolder } from "../../formats/image_format.ts";
import type { CommandContext } from "../command.ts";
import { OpenFiles } from "./open_files.ts";

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
  const open = new OpenFiles({
    open: (file) => backend.openSource(file, { direct }),
    limit: OPEN_FILES,
  });
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
  readonly #files: OpenFiles<BlockSource>;

  constructor(files: OpenFiles<BlockSource>, path: string, size: number) {
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
