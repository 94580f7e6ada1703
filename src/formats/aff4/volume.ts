/**
 * A container of AFF4: AFF4 Standard v1.0, sections 1 and 5,
 * https://github.com/aff4/Standard
 */
import type { BlockSource, Bytes } from "../../core/block.ts";
import { readArchive } from "../zip/directory.ts";
import { Aff4Thing } from "./description.ts";
import {
  canonicalName,
  DESCRIPTION_NAME,
  INFORMATION_NAME,
  segmentName,
  URN_START,
  VERSION_NAME,
} from "./names.ts";
import { type StoredSegment, volumeError, VolumeSegments } from "./segments.ts";
import { type Graph, parseTurtle } from "./turtle.ts";
import { type ContainerVersion, parseVersion, refuseVersion } from "./version.ts";

const MAX_SMALL_BYTES = 4096;

/** Disks are described in some kilobytes; images of many files take more, and are refused. */
const MAX_INFORMATION_BYTES = 16 * 1024 * 1024;

/** What is known of a container. */
interface VolumeFacts {
  readonly file: BlockSource;
  /** Its address, without a slash at its end. */
  readonly urn: string;
  readonly version: ContainerVersion;
  readonly graph: Graph;
}

/** A container that was opened. Closing it closes its file. */
export class Aff4Volume implements AsyncDisposable {
  readonly facts: VolumeFacts;
  readonly #segments: VolumeSegments;

  constructor(facts: VolumeFacts, segments: VolumeSegments) {
    this.facts = facts;
    this.#segments = segments;
  }

  get urn(): string {
    return this.facts.urn;
  }

  /** Of its file. */
  get name(): string {
    return this.facts.file.name;
  }

  /** A thing that the container tells of. */
  thing(urn: string): Aff4Thing {
    return new Aff4Thing(this.facts.graph, urn);
  }

  /** Is there a segment of this address? */
  has(urn: string): boolean {
    return this.#segments.has(this.#nameOf(urn));
  }

  /** The content of the segment of this address; see {@linkcode VolumeSegments.read}. */
  async read(urn: string, maxBytes: number): Promise<Bytes> {
    return await this.#segments.read(this.#nameOf(urn), maxBytes);
  }

  /** Where the segment of this address stands; see {@linkcode VolumeSegments.locate}. */
  async locate(urn: string): Promise<StoredSegment> {
    return await this.#segments.locate(this.#nameOf(urn));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.facts.file[Symbol.asyncDispose]();
  }

  /** Section 5.3: a name that is told, or one that follows from the address. */
  #nameOf(urn: string): string {
    const told = this.thing(urn).one("fileName");
    return told === undefined ? segmentName(this.urn, urn) : canonicalName(told.value);
  }
}

/**
 * Opens a container. Takes over the file; when it throws, the file is still open.
 *
 * @throws {FormatError} when the container is damaged.
 * @throws {ImagingError} `environment` when it is of a kind that is not read.
 */
export async function openVolume(file: BlockSource): Promise<Aff4Volume> {
  const archive = await readArchive(file);
  const segments = new VolumeSegments(file, archive);
  const versionText = await segments.text(VERSION_NAME, MAX_SMALL_BYTES);
  const information = await segments.text(INFORMATION_NAME, MAX_INFORMATION_BYTES);
  refuseVersion(file.name, versionText, information);
  const version = parseVersion(file, versionText ?? "");
  if (information === undefined) {
    throw volumeError(file, INFORMATION_NAME, `it has no ${INFORMATION_NAME}`);
  }
  const description = await segments.text(DESCRIPTION_NAME, MAX_SMALL_BYTES);
  const urn = volumeUrn(file, description, archive.end.comment);
  return new Aff4Volume({ file, urn, version, graph: parseTurtle(information) }, segments);
}

/** Section 5.4: it stands in a segment, in the comment of the archive, or in both. */
function volumeUrn(file: BlockSource, description: string | undefined, comment: Bytes): string {
  const [told, commented] = [description, new TextDecoder("latin1").decode(comment)]
    .map((text) => text?.replace(/[\0\r\n]+$/, "").replace(/\/$/, ""));
  const ofComment = commented?.startsWith(URN_START) ? commented : undefined;
  const urn = told ?? ofComment;
  if (urn === undefined || !/^aff4:\/\/[^\s/]+$/.test(urn)) {
    throw volumeError(file, DESCRIPTION_NAME, "it does not tell its address");
  }
  if (ofComment !== undefined && ofComment !== urn) {
    throw volumeError(file, DESCRIPTION_NAME, "it tells two addresses of itself");
  }
  return urn;
}
