/** MBR type bytes, GPT type GUIDs and GPT attributes in words. */

// GUIDs from UEFI 2.10 table 5.7, from the Discoverable Partitions Specification
// (https://uapi-group.org/specifications/specs/discoverable_partitions_specification/),
// and from their vendors; MBR types as in
// https://www.win.tue.nl/~aeb/partitions/partition_types-1.html.

const GPT_TYPES: Readonly<Record<string, string>> = {
  // Booting
  "C12A7328-F81F-11D2-BA4B-00A0C93EC93B": "EFI System",
  "21686148-6449-6E6F-744E-656564454649": "BIOS boot",
  "024DEE41-33E7-11D3-9D69-0008C781F39F": "MBR partition inside a GPT",
  "9E1A2D38-C612-4316-AA26-8B49521E5A8B": "PowerPC PReP boot",
  "D3BFE2DE-3DAF-11DF-BA40-E3A556D89593": "Intel Rapid Start",
  "F4019732-066E-4E12-8273-346C5641494F": "Sony boot",
  "BFBFAFE7-A34F-448A-9A5B-6213EB736C22": "Lenovo boot",
  "7412F7D5-A156-4B13-81DC-867174929325": "ONIE boot",
  "D4E6E2CD-4469-46F3-B5CB-1BFF57AFC149": "ONIE configuration",
  // Windows
  "E3C9E316-0B5C-4DB8-817D-F92DF00215AE": "Microsoft reserved",
  "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7": "Microsoft basic data",
  "DE94BBA4-06D1-4D40-A16A-BFD50179D6AC": "Windows recovery",
  "5808C8AA-7E8F-42E0-85D2-E1E90434CFB3": "Windows dynamic disk metadata",
  "AF9B60A0-1431-4F62-BC68-3311714A69AD": "Windows dynamic disk data",
  "E75CAF8F-F680-4CEE-AFA3-B001E56EFC2D": "Windows Storage Spaces",
  "37AFFC90-EF7D-4E96-91C3-2D7AE055B174": "IBM General Parallel File System",
  // Linux
  "0FC63DAF-8483-4772-8E79-3D69D8477DE4": "Linux data",
  "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F": "Linux swap",
  "E6D6D379-F507-44C2-A23C-238F2A3DF928": "Linux LVM",
  "A19D880F-05FC-4D3B-A006-743F0F84911E": "Linux RAID",
  "933AC7E1-2EB4-4F13-B844-0E14E2AEF915": "Linux /home",
  "3B8F8425-20E0-4F3B-907F-1A25A76F98E8": "Linux /srv",
  "4D21B016-B534-45C2-A9FB-5C16E091FD2D": "Linux /var",
  "7EC6F557-3BC5-4ACA-B293-16EF5DF639D1": "Linux /var/tmp",
  "773F91EF-66D4-49B5-BD83-D683BF40AD16": "Linux home of one user",
  "BC13C2FF-59E6-4262-A352-B275FD6F7172": "Linux extended boot loader",
  "8DA63339-0007-60C0-C436-083AC8230908": "Linux reserved",
  "CA7D7CCB-63ED-4C53-861C-1742536059CC": "LUKS",
  "7FFEC5C9-2D00-49B7-8941-3EA10A5586B7": "dm-crypt without a header",
  // Apple
  "48465300-0000-11AA-AA11-00306543ECAC": "Apple HFS+",
  "7C3457EF-0000-11AA-AA11-00306543ECAC": "Apple APFS",
  "55465300-0000-11AA-AA11-00306543ECAC": "Apple UFS",
  "53746F72-6167-11AA-AA11-00306543ECAC": "Apple Core Storage",
  "426F6F74-0000-11AA-AA11-00306543ECAC": "Apple boot (Recovery HD)",
  "52414944-0000-11AA-AA11-00306543ECAC": "Apple RAID",
  "52414944-5F4F-11AA-AA11-00306543ECAC": "Apple RAID, offline",
  "4C616265-6C00-11AA-AA11-00306543ECAC": "Apple label",
  "5265636F-7665-11AA-AA11-00306543ECAC": "Apple TV recovery",
  "69646961-6700-11AA-AA11-00306543ECAC": "Apple silicon boot",
  "52637672-7900-11AA-AA11-00306543ECAC": "Apple silicon recovery",
  // ChromeOS
  "FE3A2A5D-4F32-41A7-B725-ACCC3285A309": "ChromeOS kernel",
  "3CB8E202-3B7E-47DD-8A3C-7FF2A13CFCEC": "ChromeOS root",
  "2E0A753D-9E48-43B0-8337-B15192CB1B5E": "ChromeOS reserved",
  "CAB6E88E-ABF3-4102-A07A-D4BB9BE3C1D3": "ChromeOS firmware",
  "09845860-705F-4BB5-B16C-8A8A099CAF52": "ChromeOS minimal OS",
  "3F0F8318-F146-4E6B-8222-C28C8F02E0D5": "ChromeOS hibernation",
  // BSD
  "516E7CB4-6ECF-11D6-8FF8-00022D09712B": "FreeBSD disklabel",
  "83BD6B9D-7F41-11DC-BE0B-001560B84F0F": "FreeBSD boot",
  "516E7CB5-6ECF-11D6-8FF8-00022D09712B": "FreeBSD swap",
  "516E7CB6-6ECF-11D6-8FF8-00022D09712B": "FreeBSD UFS",
  "516E7CBA-6ECF-11D6-8FF8-00022D09712B": "FreeBSD ZFS",
  "516E7CB8-6ECF-11D6-8FF8-00022D09712B": "FreeBSD Vinum",
  "49F48D32-B10E-11DC-B99B-0019D1879648": "NetBSD swap",
  "49F48D5A-B10E-11DC-B99B-0019D1879648": "NetBSD FFS",
  "49F48D82-B10E-11DC-B99B-0019D1879648": "NetBSD LFS",
  "49F48DAA-B10E-11DC-B99B-0019D1879648": "NetBSD RAID",
  "2DB519C4-B10F-11DC-B99B-0019D1879648": "NetBSD concatenated",
  "2DB519EC-B10F-11DC-B99B-0019D1879648": "NetBSD encrypted",
  "824CC7A0-36A8-11E3-890A-952519AD3F61": "OpenBSD disklabel",
  "85D5E45A-237C-11E1-B4B3-E89A8F7FC3A7": "MidnightBSD disklabel",
  "85D5E45E-237C-11E1-B4B3-E89A8F7FC3A7": "MidnightBSD boot",
  "85D5E45B-237C-11E1-B4B3-E89A8F7FC3A7": "MidnightBSD swap",
  "0394EF8B-237E-11E1-B4B3-E89A8F7FC3A7": "MidnightBSD UFS",
  "85D5E45D-237C-11E1-B4B3-E89A8F7FC3A7": "MidnightBSD ZFS",
  // Solaris; macOS ZFS shares a type with its /usr
  "6A82CB45-1DD2-11B2-99A6-080020736631": "Solaris boot",
  "6A85CF4D-1DD2-11B2-99A6-080020736631": "Solaris root",
  "6A898CC3-1DD2-11B2-99A6-080020736631": "Solaris /usr or ZFS",
  "6A87C46F-1DD2-11B2-99A6-080020736631": "Solaris swap",
  "6A8B642B-1DD2-11B2-99A6-080020736631": "Solaris backup",
  "6A8EF2E9-1DD2-11B2-99A6-080020736631": "Solaris /var",
  "6A90BA39-1DD2-11B2-99A6-080020736631": "Solaris /home",
  "6A945A3B-1DD2-11B2-99A6-080020736631": "Solaris reserved",
  // Others
  "AA31E02A-400F-11DB-9590-000C2911D1B8": "VMware VMFS",
  "9D275380-40AD-11DB-BF97-000C2911D1B8": "VMware core dump",
  "9198EFFC-31C0-11DB-8F78-000C2911D1B8": "VMware reserved",
  "381CFCCC-7288-11E0-92EE-000C2911D0B2": "VMware vSAN",
  "75894C1E-3AEB-11D3-B7C1-7B03A0000000": "HP-UX data",
  "E2A1E728-32E3-11D6-A682-7B03A0000000": "HP-UX service",
  "CEF5A9AD-73BC-4601-89F3-CDEEEEE321A1": "QNX6",
  "C91818F9-8025-47AF-89D2-F030D7000C2C": "Plan 9",
  "42465331-3BA3-10F1-802A-4861696B7521": "Haiku BFS",
  "5B193300-FC78-40CD-8002-E86C45580B47": "RISC-V first-stage boot loader",
  "2E54B353-1271-4842-806F-E436D6AF6985": "RISC-V boot loader",
  "4FBD7E29-9D25-41B8-AFD0-062C0CEFF05D": "Ceph OSD",
  "45B0969E-9B03-4F30-B4C6-B4B80CEFF106": "Ceph journal",
  "8C8F8EFF-AC95-4770-814A-21994F2DBC8F": "VeraCrypt",
  "734E5AFE-F61A-11E6-BC64-92361F002671": "Atari TOS",
  "3DE21764-95BD-54BD-A5C3-4ABE786F38A8": "U-Boot environment",
  // Linux partitions that are told by processor
  "44479540-F297-41B2-9AF7-D131D5F0458A": "Linux root (x86)",
  "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709": "Linux root (x86-64)",
  "69DAD710-2CE4-4E3C-B16C-21A1D49ABED3": "Linux root (ARM)",
  "B921B045-1DF0-41C3-AF44-4C6F280D3FAE": "Linux root (ARM64)",
  "993D8D3D-F80E-4225-855A-9DAF8ED7EA97": "Linux root (IA-64)",
  "77055800-792C-4F94-B39A-98C91B762BB6": "Linux root (LoongArch64)",
  "37C58C8A-D913-4156-A25F-48B1B64E07F0": "Linux root (MIPS-32 LE)",
  "700BDA43-7A34-4507-B179-EEB93D7A7CA3": "Linux root (MIPS-64 LE)",
  "1DE3F1EF-FA98-47B5-8DCD-4A860A654D78": "Linux root (PowerPC)",
  "912ADE1D-A839-4913-8964-A10EEE08FBD2": "Linux root (PowerPC64)",
  "C31C45E6-3F39-412E-80FB-4809C4980599": "Linux root (PowerPC64 LE)",
  "60D5A7FE-8E7D-435C-B714-3DD8162144E1": "Linux root (RISC-V 32)",
  "72EC70A6-CF74-40E6-BD49-4BDA08E8F224": "Linux root (RISC-V 64)",
  "08A7ACEA-624C-4A20-91E8-6E0FA67D23F9": "Linux root (s390)",
  "5EEAD9A9-FE09-4A1E-A1D7-520D00531306": "Linux root (s390x)",
  "75250D76-8CC6-458E-BD66-BD47CC81A812": "Linux /usr (x86)",
  "8484680C-9521-48C6-9C11-B0720656F69E": "Linux /usr (x86-64)",
  "7D0359A3-02B3-4F0A-865C-654403E70625": "Linux /usr (ARM)",
  "B0E01050-EE5F-4390-949A-9101B17104E9": "Linux /usr (ARM64)",
  "4301D2A6-4E3B-4B2A-BB94-9E0B2C4225EA": "Linux /usr (IA-64)",
  "E611C702-575C-4CBE-9A46-434FA0BF7E3F": "Linux /usr (LoongArch64)",
  "0F4868E9-9952-4706-979F-3ED3A473E947": "Linux /usr (MIPS-32 LE)",
  "C97C1F32-BA06-40B4-9F22-236061B08AA8": "Linux /usr (MIPS-64 LE)",
  "7D14FEC5-CC71-415D-9D6C-06BF0B3C3EAF": "Linux /usr (PowerPC)",
  "2C9739E2-F068-46B3-9FD0-01C5A9AFBCCA": "Linux /usr (PowerPC64)",
  "15BB03AF-77E7-4D4A-B12B-C0D084F7491C": "Linux /usr (PowerPC64 LE)",
  "B933FB22-5C3F-4F91-AF90-E2BB0FA50702": "Linux /usr (RISC-V 32)",
  "BEAEC34B-8442-439B-A40B-984381ED097D": "Linux /usr (RISC-V 64)",
  "CD0F869B-D0FB-4CA0-B141-9EA87CC78D66": "Linux /usr (s390)",
  "8A4F5770-50AA-4ED3-874A-99B710DB6FEA": "Linux /usr (s390x)",
  "D13C5D3B-B5D1-422A-B29F-9454FDC89D76": "Linux root verity (x86)",
  "2C7357ED-EBD2-46D9-AEC1-23D437EC2BF5": "Linux root verity (x86-64)",
  "7386CDF2-203C-47A9-A498-F2ECCE45A2D6": "Linux root verity (ARM)",
  "DF3300CE-D69F-4C92-978C-9BFB0F38D820": "Linux root verity (ARM64)",
  "B6ED5582-440B-4209-B8DA-5FF7C419EA3D": "Linux root verity (RISC-V 64)",
  "5996FC05-109C-48DE-808B-23FA0830B676": "Linux root verity signature (x86)",
  "41092B05-9FC8-4523-994F-2DEF0408B176": "Linux root verity signature (x86-64)",
  "42B0455F-EB11-491D-98D3-56145BA9D037": "Linux root verity signature (ARM)",
  "6DB69DE6-29F4-4758-A7A5-962190F00CE3": "Linux root verity signature (ARM64)",
  "EFE0F087-EA8D-4469-821A-4C2A96A8386A": "Linux root verity signature (RISC-V 64)",
  "8F461B0D-14EE-4E81-9AA9-049B6FB97ABD": "Linux /usr verity (x86)",
  "77FF5F63-E7B6-4633-ACF4-1565B864C0E6": "Linux /usr verity (x86-64)",
  "C215D751-7BCD-4649-BE90-6627490A4C05": "Linux /usr verity (ARM)",
  "6E11A4E7-FBCA-4DED-B9E9-E1A512BB664E": "Linux /usr verity (ARM64)",
  "8F1056BE-9B05-47C4-81D6-BE53128E5B54": "Linux /usr verity (RISC-V 64)",
  "974A71C0-DE41-43C3-BE5D-5C5CCD1AD2C0": "Linux /usr verity signature (x86)",
  "E7BB33FB-06CF-4E81-8273-E543B413E2E2": "Linux /usr verity signature (x86-64)",
  "D7FF812F-37D1-4902-A810-D76BA57B975A": "Linux /usr verity signature (ARM)",
  "C23CE4FF-44BD-4B00-B2D4-B41B3419E02A": "Linux /usr verity signature (ARM64)",
  "D2F9000A-7A18-453F-B5CD-4D32F77A7B32": "Linux /usr verity signature (RISC-V 64)",
};

const MBR_TYPES: Readonly<Record<number, string>> = {
  0x00: "empty",
  0x01: "FAT12",
  0x04: "FAT16 (below 32 MiB)",
  0x05: "extended",
  0x06: "FAT16",
  0x07: "NTFS or exFAT",
  0x0b: "FAT32",
  0x0c: "FAT32 (LBA)",
  0x0e: "FAT16 (LBA)",
  0x0f: "extended (LBA)",
  0x11: "hidden FAT12",
  0x12: "diagnostics or recovery",
  0x14: "hidden FAT16 (below 32 MiB)",
  0x16: "hidden FAT16",
  0x17: "hidden NTFS",
  0x1b: "hidden FAT32",
  0x1c: "hidden FAT32 (LBA)",
  0x1e: "hidden FAT16 (LBA)",
  0x27: "Windows recovery",
  0x39: "Plan 9",
  0x3c: "PartitionMagic recovery",
  0x41: "PowerPC PReP boot",
  0x42: "Windows dynamic disk",
  0x4d: "QNX4",
  0x4e: "QNX4, second part",
  0x4f: "QNX4, third part",
  0x63: "GNU Hurd or UNIX System V",
  0x65: "Novell NetWare",
  0x7f: "experimental",
  0x80: "Minix (old)",
  0x81: "Minix",
  0x82: "Linux swap",
  0x83: "Linux",
  0x84: "hibernation (Intel)",
  0x85: "Linux extended",
  0x86: "NTFS volume set",
  0x87: "NTFS volume set",
  0x88: "Linux plaintext table",
  0x8e: "Linux LVM",
  0x9f: "BSD/OS",
  0xa0: "hibernation (laptop)",
  0xa5: "FreeBSD",
  0xa6: "OpenBSD",
  0xa7: "NeXTSTEP",
  0xa8: "macOS UFS",
  0xa9: "NetBSD",
  0xab: "macOS boot",
  0xac: "Apple RAID",
  0xaf: "HFS+",
  0xb7: "BSDI file system",
  0xb8: "BSDI swap",
  0xbe: "Solaris boot",
  0xbf: "Solaris",
  0xda: "no file system",
  0xde: "Dell utility",
  0xe8: "LUKS",
  0xea: "Linux extended boot loader",
  0xeb: "BeOS",
  0xee: "GPT protective",
  0xef: "EFI System",
  0xf0: "PA-RISC Linux boot loader",
  0xf2: "DOS secondary",
  0xf8: "protective (ARM EBBR)",
  0xfb: "VMware VMFS",
  0xfc: "VMware core dump",
  0xfd: "Linux RAID",
  0xfe: "LANstep",
};

const BASIC_DATA = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7";
const LEGACY_BIOS_BOOTABLE = 2;

/** Attribute bits that all types share (UEFI 2.10, table 5.8). */
const COMMON_ATTRIBUTES: Readonly<Record<number, string>> = {
  0: "required by the platform",
  1: "no block I/O protocol",
  [LEGACY_BIOS_BOOTABLE]: "legacy BIOS bootable",
};

/** Bits of Microsoft basic data partitions (CREATE_PARTITION_PARAMETERS, winioctl.h). */
const BASIC_DATA_ATTRIBUTES: Readonly<Record<number, string>> = {
  60: "read-only",
  61: "shadow copy",
  62: "hidden",
  63: "no drive letter",
};

/** Bits of Linux partitions (Discoverable Partitions Specification). */
const LINUX_ATTRIBUTES: Readonly<Record<number, string>> = {
  59: "grow file system",
  60: "read-only",
  63: "no automatic mount",
};

/** The name of a GPT partition type; "unknown" where there is none. Case does not matter. */
export function gptTypeName(guid: string): string {
  return GPT_TYPES[guid.toUpperCase()] ?? "unknown";
}

/** The name of an MBR partition type; "unknown" where there is none. */
export function mbrTypeName(type: number): string {
  return MBR_TYPES[type] ?? "unknown";
}

/** May a BIOS boot from a GPT partition with these attributes? */
export function isLegacyBootable(attributes: bigint): boolean {
  return (attributes >> BigInt(LEGACY_BIOS_BOOTABLE) & 1n) === 1n;
}

/** The attribute bits that are set, in words; "bit 40" where the meaning is not known. */
export function gptAttributeNames(attributes: bigint, typeGuid: string): string[] {
  const byType = typeGuid.toUpperCase() === BASIC_DATA
    ? BASIC_DATA_ATTRIBUTES
    : gptTypeName(typeGuid).startsWith("Linux ")
    ? LINUX_ATTRIBUTES
    : {};
  const names: string[] = [];
  for (let bit = 0; bit < 64; bit++) {
    if ((attributes >> BigInt(bit) & 1n) === 0n) continue;
    names.push(COMMON_ATTRIBUTES[bit] ?? byType[bit] ?? `bit ${bit}`);
  }
  return names;
}
