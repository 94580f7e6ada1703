/**
 * How the disks of a Mac are built upon each other: partitions, APFS containers, RAID
 * sets, and where their volumes are mounted. Pure: it works on what diskutil said.
 */
import type { DeviceClaim } from "./device.ts";
import { type ListedDevice, type ListedDisk, type RaidSet, wholeOf } from "./macos_diskutil.ts";

/** A volume that is mounted somewhere. */
export interface MacosMount {
  /** What is mounted: "disk4s1", or "disk5s1" for a volume of an APFS container. */
  readonly volume: string;
  /** The partition or disk that it lies on, of the disk that was asked about: "disk4s2". */
  readonly device: string;
  readonly where: string;
}

/** Partitions of this kind hold a volume group of CoreStorage. */
const CORE_STORAGE = "Apple_CoreStorage";

/** Is this partition one of a RAID set? Sets that are not running say so behind the name. */
function isRaidMember({ content }: ListedDevice): boolean {
  return content.startsWith("Apple_RAID");
}

/** Does diskutil have to be asked about RAID sets? */
export function hasRaid(disks: readonly ListedDisk[]): boolean {
  return disks.some((disk) => [disk, ...disk.partitions].some(isRaidMember));
}

/** The disks of one moment. */
export class MacosLayers {
  readonly disks: readonly ListedDisk[];
  readonly #raidSets: readonly RaidSet[];
  readonly #byId: ReadonlyMap<string, ListedDisk>;

  constructor(disks: readonly ListedDisk[], raidSets: readonly RaidSet[]) {
    this.disks = disks;
    this.#raidSets = raidSets;
    this.#byId = new Map(disks.map((disk) => [disk.id, disk]));
  }

  /** The disk with this name. */
  disk(id: string): ListedDisk | undefined {
    return this.#byId.get(id);
  }

  /**
   * Numbers of everything that shares bytes with these devices, downwards: themselves,
   * the disk of a partition, the partitions of a disk, the container of a volume, and what
   * those are built upon.
   */
  sharing(ids: readonly string[]): Set<string> {
    const numbers = new Set<string>();
    const used = new Set<string>();
    const use = (id: string): void => {
      // Two devices can be built upon each other only by mistake; that must not hang.
      if (used.has(id)) return;
      used.add(id);
      const whole = wholeOf(id);
      numbers.add(id).add(whole);
      if (id === whole) this.disk(id)?.partitions.forEach((part) => numbers.add(part.id));
      this.#directlyBeneath(whole).forEach(use);
    };
    ids.forEach(use);
    return numbers;
  }

  /** Numbers of the disks and partitions that a disk is built upon; not its own. */
  beneath(id: string): string[] {
    return [...this.sharing(this.#directlyBeneath(id))];
  }

  #directlyBeneath(id: string): string[] {
    const members = this.#raidSets.filter((set) => set.id === id).flatMap((set) => set.members);
    return [...this.disk(id)?.stores ?? [], ...members];
  }

  /** The APFS containers on a disk or partition. */
  #containersOn(id: string): ListedDisk[] {
    return this.disks.filter(({ stores }) => stores.includes(id));
  }

  /** The APFS containers that have a part on this disk. */
  containersOf(disk: ListedDisk): string[] {
    const found = [disk, ...disk.partitions].flatMap(({ id }) => this.#containersOn(id));
    return [...new Set(found.map(({ id }) => id))];
  }

  /** What is mounted of a disk: its partitions, its volumes, and those of its containers. */
  mountsOf(disk: ListedDisk): MacosMount[] {
    const mounts = (device: string, volumes: readonly ListedDevice[]): MacosMount[] =>
      volumes.flatMap(({ id, mountPoints }) =>
        mountPoints.map((where) => ({ volume: id, device, where }))
      );
    return [
      ...[disk, ...disk.partitions].flatMap((node) => [
        ...mounts(node.id, [node]),
        ...this.#containersOn(node.id).flatMap(({ volumes }) => mounts(node.id, volumes)),
      ]),
      ...disk.volumes.flatMap((volume) => mounts(volume.id, [volume])),
    ];
  }

  /** Who uses a disk. A volume of a container is mounted from the partition beneath it. */
  claimsOn(disk: ListedDisk): DeviceClaim[] {
    const mounted = this.mountsOf(disk).map(({ device, where }): DeviceClaim => ({
      kind: "mounted",
      device: `/dev/${device}`,
      where,
    }));
    const held = [disk, ...disk.partitions].flatMap((node) =>
      this.#holdersOf(node).map((where): DeviceClaim => ({
        kind: "holder",
        device: `/dev/${node.id}`,
        where,
      }))
    );
    return [...mounted, ...held];
  }

  #holdersOf(node: ListedDevice): string[] {
    if (node.content === CORE_STORAGE) return ["CoreStorage"];
    if (!isRaidMember(node)) return [];
    const sets = this.#raidSets.filter(({ members }) => members.includes(node.id));
    // A set that cannot be told is in the way all the same.
    if (sets.length === 0) return ["AppleRAID"];
    return sets.map(({ id, name }) => `AppleRAID ${id ?? "set"} (${name})`);
  }
}
