/** Disks as the operating system shows them, and what a backend offers. */
import type { BlockSink, BlockSource, Bytes } from "../core/block.ts";
import type { Finding } from "../core/errors.ts";
import type { PathStyle } from "../core/path.ts";
import type { Range } from "../core/range.ts";

/** How a disk is attached. */
export type Bus =
  | "usb"
  | "sd"
  | "nvme"
  | "sata"
  | "scsi"
  | "virtio"
  | "loop"
  | "virtual"
  | "unknown";

/** Something that uses a disk or a part of it, so that writing would do harm. */
export interface DeviceClaim {
  /** `holder`: another block device is built upon it (LVM, RAID, dm-crypt). */
  readonly kind: "mounted" | "swap" | "holder";
  /** The disk or partition in use: "/dev/sdb1". */
  readonly device: string;
  /** Where it is mounted, or the name of the holder; "" for swap. */
  readonly where: string;
}

/** A partition that the operating system has a node for. */
export interface PartitionNode {
  readonly path: string;
  /** As the partition table counts. */
  readonly index: number;
  /** The system's number for it: "8:17". */
  readonly number: string;
  /** Bytes from the start of the disk. */
  readonly start: number;
  /** Bytes. */
  readonly size: number;
}

/** A disk, and what a person must know before touching it. */
export interface DeviceInfo {
  /** "/dev/sdb" */
  readonly path: string;
  /** The system's number for it, unique while it is attached: "8:16". */
  readonly number: string;
  /** Bytes; 0 where there is no medium. */
  readonly size: number;
  readonly sectorSize: number;
  readonly physicalSectorSize: number;
  readonly model: string | undefined;
  readonly serial: string | undefined;
  /** Revision of its firmware; absent where the system does not tell. */
  readonly firmware?: string | undefined;
  readonly bus: Bus;
  readonly removable: boolean;
  readonly readOnly: boolean;
  /** Loop, zram, device mapper …: no disk that one can hold in the hand. */
  readonly virtual: boolean;
  /** Does the running system live on it? */
  readonly system: boolean;
  readonly claims: readonly DeviceClaim[];
  readonly partitions: readonly PartitionNode[];
  /** The file behind a loop device. */
  readonly backingFile: string | undefined;
  /** The backing file's identity, as in a {@linkcode Location} of kind "file". */
  readonly backingIdentity?: string | undefined;
  /** Numbers of the disks and partitions that a virtual device is built upon. */
  readonly beneath?: readonly string[];
  /** Names under which its volumes are used, where the system gives such: "E:", "F:". */
  readonly volumes?: readonly string[];
  /** Another one after the card in the same reader was changed, where the system counts that. */
  readonly mediumNumber?: string | undefined;
}

/** What a file system puts up with. */
export interface FileLimit {
  /** "FAT32" */
  readonly fileSystem: string;
  /** Bytes of the largest file. */
  readonly bytes: number;
}

/** What a path on the command line turned out to be. */
export type Location =
  | { readonly kind: "missing"; readonly path: string }
  | { readonly kind: "character" | "other"; readonly path: string }
  | {
    readonly kind: "directory";
    readonly path: string;
    /** The same for every name of the same folder. */
    readonly identity: string;
    /** Number of the device that holds it. */
    readonly onDevice: string;
    /** As that of a file. */
    readonly beneath?: readonly string[];
    /** Is it a place for device nodes only, such as /dev? */
    readonly forDevices?: boolean;
    /** Set where its file system takes no larger files: FAT32. */
    readonly fileLimit?: FileLimit | undefined;
    /** Set where files have no holes, so that zeros take room: the file system's name. */
    readonly withoutHoles?: string | undefined;
  }
  | {
    readonly kind: "file";
    readonly path: string;
    readonly size: number;
    /** The same for every name of the same file. */
    readonly identity: string;
    /** Number of the device that holds it. */
    readonly onDevice: string;
    /** Numbers of all disks and partitions that its file system lives on, as far as known. */
    readonly beneath?: readonly string[];
  }
  | {
    readonly kind: "device";
    readonly path: string;
    /** The whole disk; for a partition the disk that it lies on. */
    readonly disk: DeviceInfo;
    /** Set when the path names a partition of `disk`. */
    readonly partition: PartitionNode | undefined;
    /** "8:17" */
    readonly number: string;
    /** What the person should know about how the path was understood. */
    readonly meaning?: string | undefined;
  };

/** How a source is opened. */
export interface OpenSourceOptions {
  /** Read past the operating system's caches. Default for devices: true. */
  readonly direct?: boolean;
}

/** An image file that is being made. Calls are carried out in the order of asking. */
export interface ImageFile extends BlockSink {
  /** Beyond this byte it reads as zeros, but for what was written since it was opened. */
  readonly initialSize: number;
  /** Cuts, or extends with a hole that reads as zeros, to exactly this size in bytes. */
  setSize(bytes: number): Promise<void>;
}

/** Ordinary files, as far as imaging needs them. */
export interface FileAccess extends AsyncDisposable {
  /**
   * Opens a file for writing and locks it against a second run; makes it where it
   * does not exist. What it holds is kept.
   *
   * @param sparse will parts of it be left out that read as zeros?
   * @throws {ImagingError} when it cannot be opened, or is locked.
   */
  openImage(path: string, sparse?: boolean): Promise<ImageFile>;
  /**
   * Makes an empty file and locks it, for as long as this process lives at the most; undefined
   * when another process has it. What was left by one that was killed is taken over. Given
   * back, the file is gone.
   *
   * @throws {ImagingError} when it cannot be made, or is something else: that is not touched.
   */
  lock(path: string): Promise<AsyncDisposable | undefined>;
  /**
   * The whole content; undefined when there is no such file.
   *
   * @throws {ImagingError} when it is longer than `limit` bytes or cannot be read.
   */
  read(path: string, limit?: number): Promise<Bytes | undefined>;
  /** Writes a small file so that, after a power cut, the old or the new content is there. */
  writeAtomically(path: string, content: Uint8Array): Promise<void>;
  /**
   * Gives a file its final name, durably.
   *
   * @throws {ImagingError} when the new name exists and `replace` is false.
   */
  rename(from: string, to: string, replace: boolean): Promise<void>;
  /**
   * Removes a file, and what an interrupted {@linkcode FileAccess.writeAtomically} left
   * beside it; does nothing when there is none.
   */
  remove(path: string): Promise<void>;
}

/** An opened device. */
export interface DeviceSink extends BlockSink {
  /** Bytes. */
  readonly size: number;
  /** As in {@linkcode DeviceInfo.mediumNumber}, of what was really opened. */
  readonly mediumNumber: string | undefined;
  /**
   * Tells the medium that nobody needs what is there; false where it takes no such word. What
   * it reads as then is its own matter. Absent where that is never possible.
   */
  discard?(range: Range): Promise<boolean>;
  /**
   * The same device for reading, past every cache: what the medium itself holds. Closed
   * by its owner, before the sink.
   */
  reread(): Promise<BlockSource>;
  /**
   * Tells the system that the content is new, so that it looks at the partition
   * table again. Answers what the person should know about that.
   */
  announce(): Promise<Finding[]>;
}

/** What a computer says of itself; undefined what it does not say. */
export interface Computer {
  /** The host name. */
  readonly name: string | undefined;
  /** Release of the operating system: "6.1.0-18-amd64", "14.4.1". */
  readonly release: string | undefined;
}

/** How programs live with people on an operating system. */
export interface Host {
  /** "Windows" */
  readonly title: string;
  readonly paths: PathStyle;
  /** A disk's name here, for hints: "/dev/sdb". */
  readonly exampleDisk: string;
  /** Signals by which a person stops a program. */
  readonly stopSignals: readonly Deno.Signal[];
  /** Does a terminal understand escape sequences (ECMA-48)? Makes it so where that helps. */
  prepareTerminal(): boolean;
  /** Will the terminal's window vanish together with this program? */
  ownsTerminal(): boolean;
  /** Which computer this is. */
  computer(): Computer;
  /**
   * Starts the program anew, with the same arguments and the rights of an administrator,
   * and answers its exit code when it has ended; undefined when it has these rights
   * already. Absent where there is another way (sudo).
   *
   * @throws {ImagingError} when the person refuses.
   */
  elevate?(): Promise<number | undefined>;
}

/** What sectorshot needs of an operating system. One implementation each. */
export interface DeviceBackend {
  /** As Deno names it: "linux". */
  readonly os: string;
  readonly host: Host;
  /** Something will be opened soon: starts what that takes, and returns at once. */
  prepare(): void;
  /** Ordinary files. Opened at the first use, closed by its owner. */
  openFiles(): FileAccess;
  /** Every disk, virtual ones included, in a stable order. */
  list(): Promise<DeviceInfo[]>;
  /** What the path names. Never opens a device's data. */
  locate(path: string): Promise<Location>;
  /** Opens a device or a regular file, read-only. */
  openSource(path: string, options?: OpenSourceOptions): Promise<BlockSource>;
  /** Opens a device for writing, and for nobody else; never creates anything. */
  openSink(path: string): Promise<DeviceSink>;
  /**
   * Unmounts what these claims say is mounted.
   *
   * @throws {ImagingError} for a mount that is busy; those before it are gone.
   */
  unmount(claims: readonly DeviceClaim[]): Promise<void>;
}
