/** Every file system that sectorshot recognises. The order has no meaning. */
export { apfs } from "./apfs.ts";
export { bitlocker } from "./bitlocker.ts";
export { btrfs } from "./btrfs.ts";
export { exfat } from "./exfat.ts";
export { ext } from "./ext.ts";
export { f2fs } from "./f2fs.ts";
export { fat } from "./fat.ts";
export { hfsplus } from "./hfsplus.ts";
export { iso9660 } from "./iso9660.ts";
export { linuxRaid } from "./linux_raid.ts";
export { luks } from "./luks.ts";
export { lvm2 } from "./lvm2.ts";
export { ntfs } from "./ntfs.ts";
export { squashfs } from "./squashfs.ts";
export { swap } from "./swap.ts";
export { udf } from "./udf.ts";
export { xfs } from "./xfs.ts";
