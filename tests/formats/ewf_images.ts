/** EWF images that ewfacquire makes, in memory, and what reads them. */
import { inflateSync } from "node:zlib";
import { assertEquals } from "@std/assert";
import type { BlockSource, Bytes } from "../../src/core/block.ts";
import type { ZlibService } from "../../src/core/zlib.ts";
import { openEwf } from "../../src/formats/ewf/ewf_reader.ts";
import type { ImageFolder, OpenedImage } from "../../src/formats/image_format.ts";
import { run, shell } from "../support/run_cli.ts";
import type { TemporaryFolder } from "../support/temporary.ts";
import { StrictSource } from "../volumes/image_tools.ts";
import { refusingZlib } from "../support/refusing_zlib.ts";

/** The files of an image by name, the first one first. */
export type ImageFiles = ReadonlyMap<string, Bytes>;

/** How ewfacquire is asked for an image. */
export interface AcquireOptions {
  /** As ewfacquire calls it. */
  readonly format?: string;
  /** "none", "empty-block", "fast", "best" */
  readonly compression?: string;
  readonly args?: readonly string[];
}

/** Lets ewfacquire make an image of these bytes. */
export async function acquire(
  folder: TemporaryFolder,
  content: Uint8Array,
  options: AcquireOptions = {},
): Promise<ImageFiles> {
  const path = await folder.write(`${crypto.randomUUID()}.raw`, content);
  return await acquireFrom(folder, path, options);
}

/** Lets ewfacquire make an image of a file or device. */
export async function acquireFrom(
  folder: TemporaryFolder,
  path: string,
  { format = "encase6", compression = "fast", args = [] }: AcquireOptions = {},
): Promise<ImageFiles> {
  const target = `${await folder.folder(crypto.randomUUID())}/card`;
  const options = ["-q", "-u", "-f", format, "-c", compression, "-t", target, ...args];
  await run("ewfacquire", [...options, path]);
  return await filesOf(target);
}

/** Lets ewfacquirestream make an image of these bytes. */
export async function acquireStream(
  folder: TemporaryFolder,
  content: Uint8Array,
  args: readonly string[] = [],
): Promise<ImageFiles> {
  const path = await folder.write(`${crypto.randomUUID()}.raw`, content);
  const target = `${await folder.folder(crypto.randomUUID())}/card`;
  await shell(
    'path=$1; shift; ewfacquirestream -q "$@" < "$path"',
    path,
    "-t",
    target,
    ...args,
  );
  return await filesOf(target);
}

async function filesOf(target: string): Promise<ImageFiles> {
  const folder = target.slice(0, target.lastIndexOf("/"));
  const names: string[] = [];
  for await (const { name } of Deno.readDir(folder)) names.push(name);
  // E99 comes before EAA, as digits come before letters.
  const files = new Map<string, Bytes>();
  for (const name of names.sort()) files.set(name, await Deno.readFile(`${folder}/${name}`));
  return files;
}

/** Writes the files down; answers the path of the first. */
export async function writeFiles(folder: TemporaryFolder, files: ImageFiles): Promise<string> {
  const path = await folder.folder(crypto.randomUUID());
  for (const [name, bytes] of files) await Deno.writeFile(`${path}/${name}`, bytes);
  return `${path}/${nameOfFirst(files)}`;
}

export function nameOfFirst(files: ImageFiles): string {
  return [...files.keys()][0] ?? "";
}

/** The only file of an image. */
export function onlyFile(files: ImageFiles): Bytes {
  assertEquals(files.size, 1);
  return [...files.values()][0] ?? new Uint8Array();
}

/** An image that is one file. */
export function imageOf(bytes: Uint8Array, name = "card.E01"): ImageFiles {
  return new Map([[name, new Uint8Array(bytes)]]);
}

/** Names and values that ewfinfo prints of an image. */
export async function ewfinfo(
  folder: TemporaryFolder,
  files: ImageFiles,
): Promise<Map<string, string>> {
  const text = await run("ewfinfo", [await writeFiles(folder, files)]);
  const rows = text.split("\n").map((line) => /^\t([^:]+):\t+(.*)$/.exec(line));
  return new Map(rows.flatMap((row) => row === null ? [] : [[row[1] ?? "", row[2] ?? ""]]));
}

/** A folder in memory that counts what is open. */
export class MemoryFolder implements ImageFolder {
  readonly name: string;
  readonly #files: ImageFiles;
  /** Files that are open. */
  openFiles = 0;
  /** The most that were open at a time. */
  mostOpen = 0;
  /** Reads of all files: how many, and bytes. */
  reads = 0;
  readBytes = 0;

  constructor(files: ImageFiles, name = nameOfFirst(files)) {
    this.name = name;
    this.#files = files;
  }

  open(name: string): Promise<BlockSource | undefined> {
    const bytes = this.#files.get(name);
    if (bytes === undefined) return Promise.resolve(undefined);
    this.openFiles++;
    this.mostOpen = Math.max(this.mostOpen, this.openFiles);
    const strict = new StrictSource(bytes);
    let isOpen = true;
    return Promise.resolve({
      name,
      size: strict.size,
      sectorSize: strict.sectorSize,
      readAt: (offset, into) => {
        if (!isOpen) throw new Error(`${name} is read after it was closed`);
        this.reads++;
        this.readBytes += into.length;
        return strict.readAt(offset, into);
      },
      [Symbol.asyncDispose]: () => {
        if (isOpen) this.openFiles--;
        isOpen = false;
        return Promise.resolve();
      },
    });
  }
}

/** Opens an image in memory by its first file, or by the one of this name. */
export async function openFiles(
  files: ImageFiles,
  options: { readonly name?: string; readonly zlib?: ZlibService } = {},
): Promise<OpenedImage> {
  return await openFolder(new MemoryFolder(files, options.name), options.zlib);
}

/** Opens the image that this folder names. */
export async function openFolder(
  folder: MemoryFolder,
  zlib?: ZlibService,
): Promise<OpenedImage> {
  const file = await folder.open(folder.name);
  if (file === undefined) throw new Error(`There is no ${folder.name}`);
  return await openEwf(file, { folder, zlib });
}

/** All bytes of a medium, in pieces that fall on no border. */
export async function readAll(media: BlockSource, pieceBytes = 50_021): Promise<Bytes> {
  const bytes = new Uint8Array(media.size);
  for (let at = 0; at < media.size; at += pieceBytes) {
    const into = bytes.subarray(at, at + pieceBytes);
    assertEquals(await media.readAt(at, into), into.length);
  }
  assertEquals(await media.readAt(media.size, new Uint8Array(10)), 0);
  return bytes;
}

/** zlib on the thread of the test; remembers how many streams each call brought. */
export class CountingZlib implements ZlibService {
  readonly calls: number[] = [];

  readonly deflate = refusingZlib.deflate;
  readonly pack = refusingZlib.pack;
  readonly unpack = refusingZlib.unpack;
  readonly checksums = refusingZlib.checksums;

  inflate(
    streams: readonly Bytes[],
    maxBytes: number,
  ): Promise<readonly (Bytes | undefined)[]> {
    this.calls.push(streams.length);
    return Promise.resolve(streams.map((stream) => {
      try {
        return new Uint8Array(inflateSync(stream, { maxOutputLength: maxBytes }));
      } catch {
        return undefined;
      }
    }));
  }
}
