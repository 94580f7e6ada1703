import { formatBytes } from "../core/units.ts";
import { printable } from "../core/text.ts";
import type { DeviceInfo } from "../devices/device.ts";
import { tableLines } from "../report/table_text.ts";
import {
  type Command,
  type CommandContext,
  type CommandResult,
  type Invocation,
  isSet,
} from "./command.ts";

export const list: Command = {
  name: "list",
  aliases: [],
  usage: "",
  summary: "the disks of this machine",
  details: [
    "Shows every disk with what must be known before touching it: whether the system runs " +
    "from it, where it is mounted, whether it is read-only or removable. No disk is opened " +
    "for this, and no rights are needed.",
  ],
  examples: ["sectorshot list", "sectorshot list --all --json"],
  options: [{ name: "all", help: "loop devices and other virtual disks, too" }],
  positionals: { min: 0, max: 0 },
  run,
};

async function run(invocation: Invocation, context: CommandContext): Promise<CommandResult> {
  const all = await context.backend.list();
  const disks = isSet(invocation, "all") ? all : all.filter((disk) => !disk.virtual);
  const hidden = all.length - disks.length;
  const rows = disks.map((disk) => [
    printable(disk.path),
    disk.size === 0 ? "-" : formatBytes(disk.size),
    disk.bus,
    printable(disk.model ?? "-"),
    printable(disk.serial ?? "-"),
    remarks(disk).map(printable).join("; "),
  ]);
  const text = rows.length === 0
    ? ["no disks were found"]
    : tableLines(["DEVICE", ">SIZE", "BUS", "MODEL", "SERIAL", "REMARKS"], rows);
  if (hidden > 0) {
    text.push(
      `${hidden} virtual ${hidden === 1 ? "disk" : "disks"} not shown: --all shows all`,
    );
  }
  return { outcome: "done", text, json: { disks: disks.map(diskJson) } };
}

/** What must be known before the disk is touched; the gravest first. */
function remarks(disk: DeviceInfo): string[] {
  const found: string[] = [];
  if (disk.system) found.push("SYSTEM DISK");
  if (disk.volumes !== undefined && disk.volumes.length > 0) found.push(disk.volumes.join(" "));
  if (disk.size === 0) found.push("no medium");
  const mounts = new Set(
    disk.claims.filter(({ kind }) => kind === "mounted").map(({ where }) => where),
  );
  if (mounts.size > 0) found.push(`mounted at ${[...mounts].join(", ")}`);
  if (disk.claims.some(({ kind }) => kind === "swap")) found.push("swap");
  const holders = new Set(
    disk.claims.filter(({ kind }) => kind === "holder").map(({ where }) => where),
  );
  if (holders.size > 0) found.push(`in use by ${[...holders].join(", ")}`);
  if (disk.readOnly) found.push("read-only");
  if (disk.removable) found.push("removable");
  if (disk.backingFile !== undefined) found.push(`file ${disk.backingFile}`);
  return found;
}

/** A disk in the form that the README documents. */
export function diskJson(disk: DeviceInfo): Record<string, unknown> {
  return {
    path: disk.path,
    size: disk.size,
    sectorSize: disk.sectorSize,
    physicalSectorSize: disk.physicalSectorSize,
    model: disk.model ?? null,
    serial: disk.serial ?? null,
    firmware: disk.firmware ?? null,
    bus: disk.bus,
    system: disk.system,
    removable: disk.removable,
    readOnly: disk.readOnly,
    virtual: disk.virtual,
    claims: disk.claims,
    partitions: disk.partitions.map(({ path, index, start, size }) => ({
      path,
      index,
      start,
      size,
    })),
    backingFile: disk.backingFile ?? null,
    volumes: disk.volumes ?? [],
  };
}
