/** BitLocker Drive Encryption format, section "Volume header", https://github.com/libyal/libbde/blob/main/documentation/BitLocker%20Drive%20Encryption%20(BDE)%20format.asciidoc */
import type { ProbeInput, ProbeScore } from "../core/block.ts";
import { isBitLocker, parseBiosParameterBlock } from "./boot_sector.ts";
import { type FileSystem, type FileSystemIdentity, notRecognised } from "./file_system.ts";

// On fixed disks BS_OEMName is "-FVE-FS-". On removable ones the boot sector is one
// of FAT32, with this at 424:
// 424 16 GUID, 4967D63B-2E29-4AD8-8399-F6A339E3D001, or
//        92A84D3B-DD80-4D0E-9E4E-B1E3284EAED8 when only used space is encrypted
// Both are recognised in boot_sector.ts, because FAT has to tell them too.

/** A volume that Windows encrypted. */
export const bitlocker: FileSystem = { id: "bitlocker", title: "BitLocker", probe, identify };

function probe(input: ProbeInput): ProbeScore {
  if (!isBitLocker(input.head)) return "no";
  return parseBiosParameterBlock(input.head)?.hasSignature ? "exact" : "maybe";
}

function identify(input: ProbeInput): FileSystemIdentity {
  if (!isBitLocker(input.head)) throw notRecognised(bitlocker.title);
  return {
    id: bitlocker.id,
    family: bitlocker.id,
    title: bitlocker.title,
    label: undefined,
    uuid: undefined,
  };
}
