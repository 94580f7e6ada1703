/**
 * Which disks lie beneath a mount, a file or a virtual device: through device
 * mapper, RAID, loop devices, overlays and file systems of several disks.
 *
 * Sources: as in linux_sysfs.ts; /sys/fs/btrfs/UUID/devices from fs/btrfs/sysfs.c.
 */
import { realPath, statPath } from "../../ffi/system_files.ts";
import { type Mount, mountHolding, overlayLayers } from "./linux_mounts.ts";
import {
  type BlockNode,
  type DiskBlockNode,
  type PartitionBlockNode,
  readNames,
  readText,
  readUdevData,
  whereReachable,
} from "./linux_sysfs.ts";

/** A disk or a partition. */
export type AnyNode = DiskBlockNode | PartitionBlockNode;

/** The devices of one moment and how they build upon each other. */
export class LinuxLayers {
  readonly #root: string;
  readonly #mounts: readonly Mount[];
  readonly #byNumber = new Map<string, AnyNode>();
  readonly #byName = new Map<string, AnyNode>();
  #btrfsDevices: readonly (readonly string[])[] | undefined;

  /** @param root the directory that stands for "/". */
  constructor(root: string, disks: readonly DiskBlockNode[], mounts: readonly Mount[]) {
    this.#root = root;
    this.#mounts = mounts;
    for (const node of disks.flatMap((disk): AnyNode[] => [disk, ...disk.partitions])) {
      this.#byNumber.set(node.number, node);
      this.#byName.set(node.name, node);
    }
    for (const disk of disks) {
      if (disk.mapperName !== undefined) this.#byName.set(`mapper!${disk.mapperName}`, disk);
    }
  }

  /** The disk or partition with this number. */
  node(number: string): AnyNode | undefined {
    return this.#byNumber.get(number);
  }

  /** "dm-0 (cryptroot)": what a person may know a device by. */
  title(name: string): string {
    const node = this.#byName.get(name);
    return node !== undefined && "mapperName" in node && node.mapperName !== undefined
      ? `${name} (${node.mapperName})`
      : name;
  }

  /** The disk or partition that a device path names, symbolic links followed. */
  nodeAt(path: string): AnyNode | undefined {
    if (!path.startsWith("/")) return undefined;
    const place = this.#root + path;
    const status = whereReachable(() => statPath(place));
    if (status?.kind === "block") return this.#byNumber.get(status.rdev);
    // No node: a container, or a made-up tree. The kernel's names are known all the same.
    const resolved = whereReachable(() => realPath(place));
    const names = [path, resolved?.slice(this.#realRoot().length)].flatMap((candidate) =>
      candidate?.startsWith("/dev/") ? [candidate.slice(5).replaceAll("/", "!")] : []
    );
    return names.map((name) => this.#byName.get(name)).find((node) => node !== undefined);
  }

  #realRoot(): string {
    return this.#root === "" ? "" : realPath(this.#root);
  }

  /** The disks and partitions that a mounted file system keeps its data on itself. */
  devicesOf(mount: Mount): BlockNode[] {
    const node = this.#byNumber.get(mount.number);
    if (node !== undefined) return [node];
    if (!mount.number.startsWith("0:")) return [];
    if (mount.fileSystem === "zfs") return this.#zfsDevices(poolOf(mount));
    // bcachefs names all its devices: "/dev/sda:/dev/sdb".
    const sources = mount.fileSystem === "bcachefs" ? mount.source.split(":") : [mount.source];
    const nodes = sources.flatMap((source) => this.#sourceNode(source) ?? []);
    return mount.fileSystem === "btrfs" ? this.#btrfsSiblings(nodes) : nodes;
  }

  #sourceNode(source: string): AnyNode | undefined {
    const node = this.nodeAt(source);
    return node === undefined && source === "/dev/root" ? this.#bootNode() : node;
  }

  /** Mounted by the kernel itself, a root has no better source than "/dev/root". */
  #bootNode(): AnyNode | undefined {
    const commandLine = readText(`${this.#root}/proc/cmdline`) ?? "";
    const value = /(?:^|\s)root=(\S+)/.exec(commandLine)?.[1] ?? "";
    const [, tag, id] = /^(UUID|PARTUUID|LABEL|PARTLABEL)=(.+)$/.exec(value) ?? [];
    return this.nodeAt(
      tag === undefined ? value : `/dev/disk/by-${tag.toLowerCase()}/${id ?? ""}`,
    );
  }

  /** mountinfo names one device of a btrfs; the others count as much. */
  #btrfsSiblings(nodes: readonly AnyNode[]): AnyNode[] {
    const directory = `${this.#root}/sys/fs/btrfs`;
    this.#btrfsDevices ??= readNames(directory).map((uuid) =>
      readNames(`${directory}/${uuid}/devices`)
    );
    const names = new Set(nodes.map((node) => node.name));
    for (const group of this.#btrfsDevices) {
      if (group.some((name) => names.has(name))) group.forEach((name) => names.add(name));
    }
    return [...names].flatMap((name) => this.#byName.get(name) ?? []);
  }

  /** Only udev tells which partitions belong to a pool. */
  #zfsDevices(pool: string): AnyNode[] {
    return [...this.#byNumber.values()].filter((node) => {
      const udev = readUdevData(this.#root, node.number);
      return udev.get("ID_FS_TYPE") === "zfs_member" && udev.get("ID_FS_LABEL") === pool;
    });
  }

  /** As `devicesOf`; for an overlay, those of its layers. */
  devicesUnder(mount: Mount, seen: Set<Mount> = new Set()): BlockNode[] {
    seen.add(mount);
    const layers = overlayLayers(mount).flatMap((layer) => this.devicesHolding(layer, seen));
    return [...this.devicesOf(mount), ...layers];
  }

  /** The disks and partitions on which the file system of a path keeps its data. */
  devicesHolding(path: string, seen: Set<Mount> = new Set()): BlockNode[] {
    const mount = mountHolding(this.#mounts, path);
    // An overlay's layers may lie outside this process's view: then the search comes
    // back to the overlay itself, and nothing is known.
    return mount === undefined || seen.has(mount) ? [] : this.devicesUnder(mount, seen);
  }

  /**
   * Numbers of everything that shares bytes with these devices, downwards: themselves,
   * the disk of a partition, the partitions of a disk, and what those are built upon.
   */
  sharing(nodes: readonly BlockNode[]): Set<string> {
    const numbers = new Set<string>();
    const used = new Set<string>();
    const use = (found: BlockNode): void => {
      // Two devices can be built upon each other only by mistake; that must not hang.
      if (used.has(found.number)) return;
      used.add(found.number);
      numbers.add(found.number);
      const node = this.#byNumber.get(found.number);
      if (node === undefined) return;
      if ("disk" in node) numbers.add(node.disk.number);
      else node.partitions.forEach((partition) => numbers.add(partition.number));
      this.#directlyBeneath("disk" in node ? node.disk : node).forEach(use);
    };
    nodes.forEach(use);
    return numbers;
  }

  /** Numbers of the disks and partitions that a disk is built upon; not its own. */
  beneath(disk: DiskBlockNode): string[] {
    return [...this.sharing(this.#directlyBeneath(disk))];
  }

  #directlyBeneath(disk: DiskBlockNode): BlockNode[] {
    const slaves = disk.slaves.flatMap((name) => this.#byName.get(name) ?? []);
    const { backingFile } = disk;
    if (backingFile === undefined) return slaves;
    const device = this.nodeAt(backingFile);
    return [...slaves, ...(device === undefined ? this.devicesHolding(backingFile) : [device])];
  }
}

/** "rpool" of "rpool/ROOT/debian". */
export function poolOf(mount: Mount): string {
  return mount.source.split("/", 1)[0] ?? "";
}
