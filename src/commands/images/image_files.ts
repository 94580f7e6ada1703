/**
 * The files of an image that is made in one go: each is `card.E01.part` until all is there,
 * then they get their names, the first one last.
 */
import { ImagingError } from "../../core/errors.ts";
import { folderPrefix } from "../../core/path.ts";
import type { FileAccess } from "../../devices/device.ts";
import type { ImageFolder, ImageOutput, OutputFolder } from "../../formats/image_format.ts";
import type { CommandContext } from "../command.ts";
import { imageFolder } from "../media/image_folder.ts";
import { OutputFiles } from "./output_files.ts";

/** See the head of this file. */
export class ImageFiles implements OutputFolder, AsyncDisposable {
  readonly name: string;
  readonly #context: CommandContext;
  readonly #files: FileAccess;
  /** Of the folder, with its last slash. */
  readonly #folder: string;
  readonly #replace: boolean;
  readonly #replaceParts: boolean;
  readonly #ownParts: Set<string>;
  readonly #outputs: OutputFiles;
  readonly #made = new Set<string>();

  constructor(
    context: CommandContext,
    files: FileAccess,
    path: string,
    { replace, sparse, replaceParts = replace, ownParts = new Set() }: {
      /** Replace what is there. */
      readonly replace: boolean;
      /** Will zeros be left out? */
      readonly sparse: boolean;
      /** Replace what an earlier run was making; as `replace` where it is absent. */
      readonly replaceParts?: boolean | undefined;
      /** What this process made of it is replaced, too: it is entered here. */
      readonly ownParts?: Set<string> | undefined;
    },
  ) {
    this.#context = context;
    this.#files = files;
    const { paths } = context.backend.host;
    this.name = paths.nameOf(path);
    this.#folder = folderPrefix(paths, path);
    this.#replace = replace;
    this.#replaceParts = replaceParts;
    this.#ownParts = ownParts;
    this.#outputs = new OutputFiles(files, sparse);
  }

  /** Names of all files, as they will be, in the order in which they were made. */
  get names(): readonly string[] {
    return [...this.#made];
  }

  /** Path of a file while it is made. */
  partPath(name = this.name): string {
    return `${this.#folder}${name}.part`;
  }

  async create(name: string): Promise<ImageOutput> {
    const path = `${this.#folder}${name}`;
    const { backend } = this.#context;
    const partPath = `${path}.part`;
    const replaceParts = this.#replaceParts || this.#ownParts.has(partPath);
    await this.#checkFree(path, `${path} exists`, this.#replace);
    await this.#checkFree(partPath, `${partPath} exists, from an earlier run`, replaceParts);
    if ((await backend.locate(`${path}.part.map`)).kind !== "missing") {
      throw taken(`${path}.part`, "it has a map");
    }
    const output = await this.#outputs.create(partPath);
    this.#ownParts.add(partPath);
    this.#made.add(name);
    await output.setSize(0);
    return output;
  }

  async #checkFree(path: string, reason: string, replace: boolean): Promise<void> {
    const { kind } = await this.#context.backend.locate(path);
    if (kind === "missing" || (kind === "file" && replace)) return;
    throw taken(path, reason);
  }

  /** The files as they are now, for reading what was written. */
  get written(): ImageFolder {
    const { open } = imageFolder(this.#context, `${this.#folder}${this.name}`, {
      suffix: ".part",
      direct: true,
    });
    return {
      name: this.name,
      // What lies there from an earlier run is none of ours.
      open: async (name) => this.#made.has(name) ? await open(name) : undefined,
    };
  }

  /** All is complete and durable: the files get their names. */
  async complete(): Promise<void> {
    for (const name of this.names.toReversed()) {
      await this.#files.rename(this.partPath(name), `${this.#folder}${name}`, this.#replace);
    }
  }

  /** Nothing is in them yet: the files are removed. */
  async discard(): Promise<void> {
    await this[Symbol.asyncDispose]();
    for (const name of this.names) await this.#files.remove(this.partPath(name));
    this.#made.clear();
  }

  /** Closes the files; they stay. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#outputs[Symbol.asyncDispose]();
  }
}

function taken(path: string, reason: string): ImagingError {
  return new ImagingError("usage", `cannot write ${path}: ${reason}`, {
    hint: "choose another name, move it away, or add --force to replace it",
  });
}
