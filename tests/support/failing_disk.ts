/**
 * A block device some of whose places fail, each after a time, while the others cost
 * nothing extra: an NBD server of our own, nbdfuse a file of it, losetup a device. One
 * request is served at a time, as by a drive with one head. It counts what reaches it.
 * Other places hang: what asks for them gets no answer before {@linkcode FailingDisk.relent}.
 *
 * Protocol: https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md (fixed
 * newstyle negotiation, simple replies).
 */
import type { Range } from "../../src/core/range.ts";
import { LoopDevice, type LoopOptions } from "./loop_device.ts";
import { run } from "./run_cli.ts";
import { exists, type TemporaryFolder, waitUntil } from "./temporary.ts";

/** The tools of this file, for `needs`. */
export const FAILING_DISK_TOOLS = ["root", "losetup", "nbdfuse", "fusermount3"] as const;

/** What is wrong with a disk. */
export interface FailingDiskOptions {
  /** The content. */
  readonly file: string;
  /** Requests that touch one of these fail; ascending. */
  readonly bad: readonly Range[];
  /** What a failing request costs. */
  readonly failureMilliseconds: number;
  /**
   * Requests that touch one of these are not answered; ascending. They hold up no others,
   * up to some 900 later ones, where the loop device is `direct`: else the kernel waits for
   * each. No more than 9 may hang at a time, since nbdfuse has 10 threads. A process that
   * has one under way ends only when it is answered.
   */
  readonly hanging?: readonly Range[];
}

/** What reached the disk since it was asked last. */
export interface DiskCounts {
  readonly reads: number;
  readonly failures: number;
  readonly bytes: number;
  /** Requests that hung, answered meanwhile or not. */
  readonly hung: number;
}

/** A device with our server behind it. */
export class FailingDisk implements AsyncDisposable {
  /** "/dev/loop7" */
  readonly path: string;
  readonly #loop: LoopDevice;
  readonly #server: Deno.ChildProcess;
  readonly #fuse: Deno.ChildProcess;
  readonly #mountPoint: string;
  readonly #answers: ReadableStreamDefaultReader<Uint8Array>;
  readonly #asks: WritableStreamDefaultWriter<Uint8Array>;

  private constructor(
    loop: LoopDevice,
    server: Deno.ChildProcess,
    fuse: Deno.ChildProcess,
    mountPoint: string,
  ) {
    this.path = loop.path;
    this.#loop = loop;
    this.#server = server;
    this.#fuse = fuse;
    this.#mountPoint = mountPoint;
    this.#answers = server.stdout.getReader();
    this.#asks = server.stdin.getWriter();
  }

  static async create(
    folder: TemporaryFolder,
    options: FailingDiskOptions,
    loopOptions: LoopOptions = {},
  ): Promise<FailingDisk> {
    // The path of a socket may have 107 bytes, and it is one longer at first.
    const name = crypto.randomUUID().slice(0, 8);
    const mountPoint = await folder.folder(name);
    const socket = `${mountPoint}.s`;
    const plan = await folder.write(`${name}.json`, JSON.stringify(options));
    const server = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        "--allow-read",
        "--allow-write",
        "--allow-net",
        new URL(import.meta.url).pathname,
        plan,
        socket,
      ],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    await waitUntil("the server listens", () => exists(socket));
    // A request that hangs holds up those behind it on its connection. Connections take
    // turns: with so many, the turn of that one does not come again soon.
    const connections = options.hanging === undefined ? "4" : "1000";
    const fuse = new Deno.Command("nbdfuse", {
      args: ["-C", connections, "-r", `${mountPoint}/disk`, `nbd+unix:///?socket=${socket}`],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    await waitUntil("nbdfuse shows its file", () => exists(`${mountPoint}/disk`));
    const loop = await LoopDevice.create(`${mountPoint}/disk`, {
      readOnly: true,
      ...loopOptions,
    });
    return new FailingDisk(loop, server, fuse, mountPoint);
  }

  /** What reached it since the last call. */
  async counts(): Promise<DiskCounts> {
    return await this.#ask("counts");
  }

  /** Answers all that hangs, with an error; nothing hangs from now on. */
  async relent(): Promise<void> {
    await this.#ask("relent");
  }

  async #ask(word: string): Promise<DiskCounts> {
    await this.#asks.write(new TextEncoder().encode(word));
    const { value } = await this.#answers.read();
    return JSON.parse(new TextDecoder().decode(value)) as DiskCounts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.relent();
    await this.#loop[Symbol.asyncDispose]();
    await run("fusermount3", ["-u", "-z", this.#mountPoint]);
    await this.#fuse.status;
    this.#server.kill("SIGTERM");
    await this.#answers.cancel();
    await this.#asks.abort().catch(() => {});
    await this.#server.status;
  }
}

// The server ---------------------------------------------------------------------------

const OPTION_MAGIC = 0x49484156454f5054n;
const REPLY_MAGIC = 0x3e889045565a9n;
const REQUEST_MAGIC = 0x25609513;
const SIMPLE_REPLY_MAGIC = 0x67446698;
const EIO = 5;
/** HAS_FLAGS, READ_ONLY, CAN_MULTI_CONN. */
const TRANSMISSION_FLAGS = 0b100000011;

class Server {
  readonly #content: Uint8Array<ArrayBuffer>;
  readonly #bad: readonly Range[];
  readonly #failureMilliseconds: number;
  readonly #hanging: readonly Range[];
  readonly #relented = Promise.withResolvers<void>();
  #hangs = true;
  /** Settles when the drive is free. */
  #busy: Promise<void> = Promise.resolve();
  #counts: DiskCounts = NOTHING;

  constructor({ file, bad, failureMilliseconds, hanging = [] }: FailingDiskOptions) {
    this.#content = Deno.readFileSync(file);
    this.#bad = bad;
    this.#failureMilliseconds = failureMilliseconds;
    this.#hanging = hanging;
  }

  /** What was counted since the last call. */
  takeCounts(): DiskCounts {
    const counts = this.#counts;
    this.#counts = NOTHING;
    return counts;
  }

  relent(): void {
    this.#hangs = false;
    this.#relented.resolve();
  }

  async serve(connection: Deno.Conn): Promise<void> {
    const input = new Input(connection);
    const head = new DataView(new ArrayBuffer(18));
    head.setBigUint64(0, 0x4e42444d41474943n);
    head.setBigUint64(8, OPTION_MAGIC);
    head.setUint16(16, 0b11);
    await writeAll(connection, head);
    await input.take(4);
    if (await this.#negotiate(connection, input)) await this.#answer(connection, input);
    connection.close();
  }

  /** Answers options until one of them starts the transmission. */
  async #negotiate(connection: Deno.Conn, input: Input): Promise<boolean> {
    for (;;) {
      const head = await input.take(16);
      if (head === undefined) return false;
      const option = head.getUint32(8);
      await input.take(head.getUint32(12));
      const reply = async (type: number, data: DataView = new DataView(new ArrayBuffer(0))) => {
        const words = new DataView(new ArrayBuffer(20 + data.byteLength));
        words.setBigUint64(0, REPLY_MAGIC);
        words.setUint32(8, option);
        words.setUint32(12, type);
        words.setUint32(16, data.byteLength);
        for (let i = 0; i < data.byteLength; i++) words.setUint8(20 + i, data.getUint8(i));
        await writeAll(connection, words);
      };
      const isGo = option === 7;
      if (isGo || option === 6) {
        const information = new DataView(new ArrayBuffer(12));
        information.setUint16(0, 0);
        information.setBigUint64(2, BigInt(this.#content.length));
        information.setUint16(10, TRANSMISSION_FLAGS);
        await reply(3, information);
        await reply(1);
        if (isGo) return true;
      } else if (option === 2) {
        await reply(1);
        return false;
      } else await reply(0x80000001);
    }
  }

  async #answer(connection: Deno.Conn, input: Input): Promise<void> {
    /** Settles when the answer before was written: they may not be mixed. */
    let written: Promise<void> = Promise.resolve();
    const send = (view: DataView): Promise<void> =>
      written = written.then(() => writeAll(connection, view));
    for (;;) {
      const request = await input.take(28);
      if (request === undefined || request.getUint32(0) !== REQUEST_MAGIC) return;
      const type = request.getUint16(6);
      if (type === 2) return;
      const cookie = request.getBigUint64(8);
      const range = {
        offset: Number(request.getBigUint64(16)),
        length: request.getUint32(24),
      };
      if (type === 0 && this.#hangs && touches(this.#hanging, range)) {
        this.#count({ hung: 1 });
        // The drive goes on with other requests. Nobody may be there any more to hear of it.
        this.#relented.promise.then(() => send(reply(cookie, undefined))).catch(() => {});
        continue;
      }
      await send(reply(cookie, await this.#serve(type, range)));
    }
  }

  /** The bytes of a read that succeeds. */
  async #serve(
    type: number,
    range: Range,
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const before = this.#busy;
    const done = Promise.withResolvers<void>();
    this.#busy = done.promise;
    await before;
    const ok = type === 0 && !touches(this.#bad, range) &&
      !touches(this.#hanging, range);
    this.#count({ reads: 1, failures: ok ? 0 : 1, bytes: ok ? range.length : 0 });
    if (!ok) await new Promise((resolve) => setTimeout(resolve, this.#failureMilliseconds));
    done.resolve();
    return ok ? this.#content.subarray(range.offset, range.offset + range.length) : undefined;
  }

  #count(more: Partial<DiskCounts>): void {
    const { reads, failures, bytes, hung } = this.#counts;
    this.#counts = {
      reads: reads + (more.reads ?? 0),
      failures: failures + (more.failures ?? 0),
      bytes: bytes + (more.bytes ?? 0),
      hung: hung + (more.hung ?? 0),
    };
  }
}

const NOTHING: DiskCounts = { reads: 0, failures: 0, bytes: 0, hung: 0 };

/** A simple reply; without bytes it is an error. */
function reply(cookie: bigint, bytes: Uint8Array<ArrayBuffer> | undefined): DataView {
  const words = new Uint8Array(16 + (bytes?.length ?? 0));
  const head = new DataView(words.buffer);
  head.setUint32(0, SIMPLE_REPLY_MAGIC);
  head.setUint32(4, bytes === undefined ? EIO : 0);
  head.setBigUint64(8, cookie);
  if (bytes !== undefined) words.set(bytes, 16);
  return head;
}

/** Does a range touch one of these, which ascend? */
function touches(ranges: readonly Range[], { offset, length }: Range): boolean {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const range = ranges[middle];
    if (range !== undefined && range.offset + range.length <= offset) low = middle + 1;
    else high = middle;
  }
  return (ranges[low]?.offset ?? Infinity) < offset + length;
}

/** Reads exactly so many bytes. */
class Input {
  readonly #connection: Deno.Conn;
  readonly #buffer = new Uint8Array(64 * 1024);
  #start = 0;
  #end = 0;

  constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  /** Undefined at the end. */
  async take(length: number): Promise<DataView | undefined> {
    while (this.#end - this.#start < length) {
      if (this.#start > 0) {
        this.#buffer.copyWithin(0, this.#start, this.#end);
        this.#end -= this.#start;
        this.#start = 0;
      }
      const count = await this.#connection.read(this.#buffer.subarray(this.#end));
      if (count === null) return undefined;
      this.#end += count;
    }
    const view = new DataView(this.#buffer.slice(this.#start, this.#start + length).buffer);
    this.#start += length;
    return view;
  }
}

async function writeAll(connection: Deno.Conn, view: DataView): Promise<void> {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

async function serve(plan: string, socket: string): Promise<void> {
  const server = new Server(JSON.parse(await Deno.readTextFile(plan)) as FailingDiskOptions);
  // A socket has its name before it listens: who sees this one may connect.
  const listener = Deno.listen({ transport: "unix", path: `${socket}s` });
  await Deno.rename(`${socket}s`, socket);
  (async () => {
    for await (const word of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
      if (word === "relent") server.relent();
      await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(server.takeCounts())));
    }
  })();
  for await (const connection of listener) {
    server.serve(connection).catch(() => connection.close());
  }
}

if (import.meta.main) await serve(Deno.args[0] ?? "", Deno.args[1] ?? "");
