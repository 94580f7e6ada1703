/** Map files are read here, and never written. */
import { type MapFile, parseMapFile } from "../../copy/map_file.ts";
import { ImagingError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";
import type { FileAccess, Location } from "../../devices/device.ts";
import { sizeText } from "../../report/rate_text.ts";
import type { CommandContext } from "../command.ts";

/** A map and where it came from. */
export interface LoadedMap {
  /** For people: "card.map", "stdin". */
  readonly name: string;
  readonly file: MapFile;
  /** Undefined for stdin. */
  readonly location: Location | undefined;
}

/** Maps are held in memory: this is enough for ten million areas. */
const MOST_BYTES = 256 * 1024 * 1024;

/**
 * Reads the map of this name, or from stdin when it is "-".
 *
 * @throws {ImagingError} `corrupt` when it is no map, naming the line.
 */
export async function loadMap(
  context: CommandContext,
  files: FileAccess,
  path: string,
): Promise<LoadedMap> {
  if (path === "-") {
    const content = await readStdin(context);
    return { name: "stdin", file: parseMapFile(content, "stdin"), location: undefined };
  }
  const name = printable(path);
  const location = await context.backend.locate(path);
  const refuse = (reason: string, hint: string): never => {
    throw new ImagingError("environment", `cannot read the map ${name}: ${reason}`, { hint });
  };
  const own = "name the map of a rescue, such as card.img.map";
  switch (location.kind) {
    case "file":
      break;
    case "missing":
      return refuse("no such file (ENOENT)", "check the name");
    case "device":
      return refuse("it is a disk", own);
    case "directory":
      return refuse("it is a folder", own);
    default:
      return refuse("it is no ordinary file", "to read from a pipe, use - (stdin)");
  }
  if (location.size > MOST_BYTES) refuse(`it has ${sizeText(location.size)}`, own);
  const content = await files.read(path, MOST_BYTES);
  if (content === undefined) return refuse("no such file (ENOENT)", "check the name");
  return { name, file: parseMapFile(content, name), location };
}

async function readStdin({ stdin, signal }: CommandContext): Promise<Uint8Array> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for await (const piece of stdin) {
    length += piece.length;
    if (signal.aborted) throw new ImagingError("cancelled", "cancelled");
    if (length > MOST_BYTES) {
      throw new ImagingError(
        "environment",
        `cannot read the map stdin: more than ${MOST_BYTES} bytes are too many`,
      );
    }
    pieces.push(piece);
  }
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}
