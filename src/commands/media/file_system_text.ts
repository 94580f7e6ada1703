import { printable } from "../../core/text.ts";
import type { FileSystemIdentity } from "../../filesystems/file_system.ts";

/** "ext4 "rootfs"" */
export function fileSystemText(identity: FileSystemIdentity): string {
  const { title, label } = identity;
  return label === undefined ? title : `${title} "${printable(label)}"`;
}
