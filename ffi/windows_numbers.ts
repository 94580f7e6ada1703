/**
 * Windows' numbers for opening, asking and controlling files and disks.
 *
 * Sources: Microsoft's documentation of the Win32 API and of the Windows driver kit,
 * with the names of the headers winnt.h, winioctl.h, winternl.h, ntifs.h, wdm.h,
 * winbase.h, shellapi.h and winuser.h. They are the same on x64 and arm64.
 */

// --- Access rights: winnt.h, "File Access Rights Constants", "ACCESS_MASK" ---

export const FILE_READ_DATA = 0x1;
export const FILE_WRITE_DATA = 0x2;
export const FILE_APPEND_DATA = 0x4;
/** Enough to ask what something is, without reading it. */
export const FILE_READ_ATTRIBUTES = 0x80;
export const FILE_WRITE_ATTRIBUTES = 0x100;
/** To list a folder: the same bit that reads a file. */
export const FILE_LIST_DIRECTORY = 0x1;
export const FILE_TRAVERSE = 0x20;
/** To rename or delete. */
export const DELETE = 0x10000;
export const READ_CONTROL = 0x20000;
/** To wait for a handle; without it a handle cannot be used synchronously. */
export const SYNCHRONIZE = 0x100000;
export const GENERIC_WRITE = 0x40000000;
export const GENERIC_READ = 0x80000000;

// --- What others may do meanwhile: winnt.h, "CreateFileW", dwShareMode ---

export const FILE_SHARE_READ = 0x1;
export const FILE_SHARE_WRITE = 0x2;
export const FILE_SHARE_DELETE = 0x4;

// --- NtCreateFile: winternl.h, "NtCreateFile", CreateDisposition ---

/** Fails with STATUS_OBJECT_NAME_NOT_FOUND where there is none. */
export const FILE_OPEN = 1;
/** Fails with STATUS_OBJECT_NAME_COLLISION where there is one. */
export const FILE_CREATE = 2;
export const FILE_OPEN_IF = 3;
/** Cuts what there is; fails where there is none. */
export const FILE_OVERWRITE = 4;
export const FILE_OVERWRITE_IF = 5;

// --- NtCreateFile: winternl.h, "NtCreateFile", CreateOptions ---

export const FILE_DIRECTORY_FILE = 0x1;
export const FILE_WRITE_THROUGH = 0x2;
export const FILE_SEQUENTIAL_ONLY = 0x4;
/** Offsets, lengths and addresses must then be multiples of the sector size. */
export const FILE_NO_INTERMEDIATE_BUFFERING = 0x8;
/** Calls return when they are done. Needs {@linkcode SYNCHRONIZE}. */
export const FILE_SYNCHRONOUS_IO_NONALERT = 0x20;
export const FILE_NON_DIRECTORY_FILE = 0x40;
export const FILE_DELETE_ON_CLOSE = 0x1000;
/** Lets a folder be opened, and an administrator pass where rights are missing. */
export const FILE_OPEN_FOR_BACKUP_INTENT = 0x4000;
/** The link itself, not what it points to. */
export const FILE_OPEN_REPARSE_POINT = 0x200000;

/** What NtCreateFile did, in IO_STATUS_BLOCK.Information: wdm.h. */
export const FILE_OPENED = 1;
export const FILE_CREATED = 2;

// --- OBJECT_ATTRIBUTES.Attributes: ntdef.h, "InitializeObjectAttributes" ---

export const OBJ_INHERIT = 0x2;
/** Names are compared as Windows programs expect. */
export const OBJ_CASE_INSENSITIVE = 0x40;

// --- CreateFileW and SetFilePointerEx: fileapi.h, winbase.h ---

export const CREATE_NEW = 1;
export const CREATE_ALWAYS = 2;
export const OPEN_EXISTING = 3;
export const OPEN_ALWAYS = 4;
export const FILE_FLAG_WRITE_THROUGH = 0x80000000;
export const FILE_FLAG_OVERLAPPED = 0x40000000;
export const FILE_FLAG_NO_BUFFERING = 0x20000000;
export const FILE_FLAG_SEQUENTIAL_SCAN = 0x08000000;
export const FILE_FLAG_BACKUP_SEMANTICS = 0x02000000;
export const FILE_FLAG_OPEN_REPARSE_POINT = 0x00200000;
export const FILE_BEGIN = 0;
export const FILE_CURRENT = 1;
export const FILE_END = 2;
/** What CreateFileW and FindFirstVolumeW answer when they fail: all bits set. */
export const INVALID_HANDLE_VALUE = 0xffff_ffff_ffff_ffffn;
/** LockFileEx: minwinbase.h. */
export const LOCKFILE_FAIL_IMMEDIATELY = 0x1;
export const LOCKFILE_EXCLUSIVE_LOCK = 0x2;

/** What calls of ntdll end with: ntstatus.h. */
export const STATUS_SUCCESS = 0;
/** The transfer goes on; it is done when its event is set. */
export const STATUS_PENDING = 0x103;
export const STATUS_BUFFER_OVERFLOW = 0x80000005;
export const STATUS_END_OF_FILE = 0xc0000011;
export const STATUS_OBJECT_NAME_NOT_FOUND = 0xc0000034;
export const STATUS_OBJECT_NAME_COLLISION = 0xc0000035;
export const STATUS_OBJECT_PATH_NOT_FOUND = 0xc000003a;
export const STATUS_SHARING_VIOLATION = 0xc0000043;

// --- Control codes: winioctl.h, "Defining I/O Control Codes" ---

/** Device types: winioctl.h, "Specifying Device Types". */
export const FILE_DEVICE_CD_ROM = 0x02;
export const FILE_DEVICE_DISK = 0x07;
export const FILE_DEVICE_DISK_FILE_SYSTEM = 0x08;
export const FILE_DEVICE_FILE_SYSTEM = 0x09;
export const FILE_DEVICE_NETWORK_FILE_SYSTEM = 0x14;
export const FILE_DEVICE_TAPE = 0x1f;
export const FILE_DEVICE_VIRTUAL_DISK = 0x24;
export const FILE_DEVICE_MASS_STORAGE = 0x2d;
export const FILE_DEVICE_DVD = 0x33;

/** How the buffers are handed over. */
export const METHOD_BUFFERED = 0;
export const METHOD_NEITHER = 3;

/** What the handle must have been opened for. */
export const FILE_ANY_ACCESS = 0;
export const FILE_READ_ACCESS = 1;
export const FILE_WRITE_ACCESS = 2;

const READ_WRITE = FILE_READ_ACCESS | FILE_WRITE_ACCESS;
/** The letter V. */
const IOCTL_VOLUME_BASE = 0x56;

/**
 * The number of a control code, as the macro CTL_CODE puts it together: the device
 * type in bits 16 to 31, access in 14 and 15, the function in 2 to 13, the method in
 * 0 and 1.
 */
export function ctlCode(
  deviceType: number,
  function_: number,
  method: number,
  access: number,
): number {
  return ((deviceType << 16) | (access << 14) | (function_ << 2) | method) >>> 0;
}

function disk(function_: number, access: number): number {
  return ctlCode(FILE_DEVICE_DISK, function_, METHOD_BUFFERED, access);
}

function storage(function_: number, access: number): number {
  return ctlCode(FILE_DEVICE_MASS_STORAGE, function_, METHOD_BUFFERED, access);
}

function volume(function_: number, access: number): number {
  return ctlCode(IOCTL_VOLUME_BASE, function_, METHOD_BUFFERED, access);
}

function fileSystem(function_: number, method: number, access: number): number {
  return ctlCode(FILE_DEVICE_FILE_SYSTEM, function_, method, access);
}

/** Sector size and cylinders. Answer: DISK_GEOMETRY. */
export const IOCTL_DISK_GET_DRIVE_GEOMETRY = disk(0x00, FILE_ANY_ACCESS);
/** Fails with ERROR_WRITE_PROTECT where the medium cannot be written. No answer. */
export const IOCTL_DISK_IS_WRITABLE = disk(0x09, FILE_ANY_ACCESS);
/** Of a partition's or volume's handle. Answer: PARTITION_INFORMATION_EX. */
export const IOCTL_DISK_GET_PARTITION_INFO_EX = disk(0x12, FILE_ANY_ACCESS);
/** The partition table. Answer: DRIVE_LAYOUT_INFORMATION_EX. */
export const IOCTL_DISK_GET_DRIVE_LAYOUT_EX = disk(0x14, FILE_ANY_ACCESS);
/** Size in bytes. Answer: GET_LENGTH_INFORMATION. Needs a handle that may read. */
export const IOCTL_DISK_GET_LENGTH_INFO = disk(0x17, FILE_READ_ACCESS);
/** As DRIVE_GEOMETRY, with the size in bytes. Answer: DISK_GEOMETRY_EX. */
export const IOCTL_DISK_GET_DRIVE_GEOMETRY_EX = disk(0x28, FILE_ANY_ACCESS);
/** Is the disk offline or set to read-only? Answer: GET_DISK_ATTRIBUTES. */
export const IOCTL_DISK_GET_DISK_ATTRIBUTES = disk(0x3c, FILE_ANY_ACCESS);
/** Question: SET_DISK_ATTRIBUTES. No answer. */
export const IOCTL_DISK_SET_DISK_ATTRIBUTES = disk(0x3d, READ_WRITE);
/** Removes the partition table. No question, no answer. */
export const IOCTL_DISK_DELETE_DRIVE_LAYOUT = disk(0x40, READ_WRITE);
/** Look at the partition table again. No question, no answer. */
export const IOCTL_DISK_UPDATE_PROPERTIES = disk(0x50, FILE_ANY_ACCESS);

/** Is a medium there? Works with a handle that may do nothing. No answer. */
export const IOCTL_STORAGE_CHECK_VERIFY2 = storage(0x200, FILE_ANY_ACCESS);
/** As CHECK_VERIFY2. Answer, if room is given: a counter of medium changes, u32. */
export const IOCTL_STORAGE_CHECK_VERIFY = storage(0x200, FILE_READ_ACCESS);
/** No question, no answer. */
export const IOCTL_STORAGE_EJECT_MEDIA = storage(0x202, FILE_READ_ACCESS);
/** Which PhysicalDrive this is. Answer: STORAGE_DEVICE_NUMBER. */
export const IOCTL_STORAGE_GET_DEVICE_NUMBER = storage(0x420, FILE_ANY_ACCESS);
/** Question: STORAGE_PROPERTY_QUERY. Answer: a descriptor. */
export const IOCTL_STORAGE_QUERY_PROPERTY = storage(0x500, FILE_ANY_ACCESS);

/** The disks below a volume. Answer: VOLUME_DISK_EXTENTS. */
export const IOCTL_VOLUME_GET_VOLUME_DISK_EXTENTS = volume(0, FILE_ANY_ACCESS);
/** Succeeds where the volume is offline. No answer. */
export const IOCTL_VOLUME_IS_OFFLINE = volume(4, FILE_ANY_ACCESS);

/** Nobody else may open the volume, until unlocked or closed. No answer. */
export const FSCTL_LOCK_VOLUME = fileSystem(6, METHOD_BUFFERED, FILE_ANY_ACCESS);
export const FSCTL_UNLOCK_VOLUME = fileSystem(7, METHOD_BUFFERED, FILE_ANY_ACCESS);
/** The file system lets go; it comes back at the next access. No answer. */
export const FSCTL_DISMOUNT_VOLUME = fileSystem(8, METHOD_BUFFERED, FILE_ANY_ACCESS);
/** Fails where no file system is mounted. No answer. */
export const FSCTL_IS_VOLUME_MOUNTED = fileSystem(10, METHOD_BUFFERED, FILE_ANY_ACCESS);
/** Lets reads and writes pass the end that the file system knows. No answer. */
export const FSCTL_ALLOW_EXTENDED_DASD_IO = fileSystem(32, METHOD_NEITHER, FILE_ANY_ACCESS);
/** The file may have holes from now on. No question needed, no answer. */
export const FSCTL_SET_SPARSE = fileSystem(49, METHOD_BUFFERED, FILE_ANY_ACCESS);
/** Question: FILE_ZERO_DATA_INFORMATION. In a sparse file it makes a hole. */
export const FSCTL_SET_ZERO_DATA = fileSystem(50, METHOD_BUFFERED, FILE_WRITE_ACCESS);
/** Question: one FILE_ALLOCATED_RANGE_BUFFER. Answer: several. */
export const FSCTL_QUERY_ALLOCATED_RANGES = fileSystem(51, METHOD_NEITHER, FILE_READ_ACCESS);

/** GET_DISK_ATTRIBUTES and SET_DISK_ATTRIBUTES: winioctl.h. */
export const DISK_ATTRIBUTE_OFFLINE = 0x1;
export const DISK_ATTRIBUTE_READ_ONLY = 0x2;

/** DISK_GEOMETRY.MediaType: winioctl.h, MEDIA_TYPE. */
export const MEDIA_TYPE = { Unknown: 0, RemovableMedia: 11, FixedMedia: 12 } as const;

/** PARTITION_INFORMATION_EX.PartitionStyle: winioctl.h. */
export const PARTITION_STYLE_MBR = 0;
export const PARTITION_STYLE_GPT = 1;
export const PARTITION_STYLE_RAW = 2;

/** STORAGE_PROPERTY_QUERY.PropertyId: winioctl.h, STORAGE_PROPERTY_ID. */
export const STORAGE_PROPERTY_ID = {
  StorageDeviceProperty: 0,
  StorageAdapterProperty: 1,
  StorageAccessAlignmentProperty: 6,
  StorageDeviceSeekPenaltyProperty: 7,
  /** Windows 10, 1803. */
  StorageAdapterSerialNumberProperty: 57,
} as const;

// --- What NtQueryInformationFile and NtQueryVolumeInformationFile are asked for ---

/** wdm.h and ntifs.h, FILE_INFORMATION_CLASS. */
export const FILE_INFORMATION_CLASS = {
  FileBasicInformation: 4,
  FileStandardInformation: 5,
  FileInternalInformation: 6,
  FileRenameInformation: 10,
  FileDispositionInformation: 13,
  FilePositionInformation: 14,
  FileAlignmentInformation: 17,
  FileAllocationInformation: 19,
  FileEndOfFileInformation: 20,
  FileNetworkOpenInformation: 34,
  FileAttributeTagInformation: 35,
  FileValidDataLengthInformation: 39,
  /** Windows 8. */
  FileIdInformation: 59,
  /** Windows 10, 1709. */
  FileDispositionInformationEx: 64,
  /** Windows 10, 1709. */
  FileRenameInformationEx: 65,
  /** Windows 10, 1709. */
  FileStatInformation: 68,
} as const;

/** wdm.h, FS_INFORMATION_CLASS. */
export const FS_INFORMATION_CLASS = {
  FileFsVolumeInformation: 1,
  FileFsSizeInformation: 3,
  FileFsDeviceInformation: 4,
  FileFsAttributeInformation: 5,
  FileFsFullSizeInformation: 7,
} as const;

/** FILE_FS_DEVICE_INFORMATION.Characteristics: wdm.h. */
export const FILE_REMOVABLE_MEDIA = 0x1;
export const FILE_READ_ONLY_DEVICE = 0x2;
export const FILE_REMOTE_DEVICE = 0x10;

/** FILE_FS_ATTRIBUTE_INFORMATION.FileSystemAttributes: winnt.h. */
export const FILE_SUPPORTS_SPARSE_FILES = 0x40;
export const FILE_READ_ONLY_VOLUME = 0x80000;

/** File attributes: winnt.h. */
export const FILE_ATTRIBUTE_READONLY = 0x1;
export const FILE_ATTRIBUTE_HIDDEN = 0x2;
export const FILE_ATTRIBUTE_SYSTEM = 0x4;
export const FILE_ATTRIBUTE_DIRECTORY = 0x10;
export const FILE_ATTRIBUTE_ARCHIVE = 0x20;
export const FILE_ATTRIBUTE_DEVICE = 0x40;
/** No other attribute; what a new file is given. */
export const FILE_ATTRIBUTE_NORMAL = 0x80;
export const FILE_ATTRIBUTE_TEMPORARY = 0x100;
export const FILE_ATTRIBUTE_SPARSE_FILE = 0x200;
export const FILE_ATTRIBUTE_REPARSE_POINT = 0x400;
export const FILE_ATTRIBUTE_COMPRESSED = 0x800;
export const FILE_ATTRIBUTE_OFFLINE = 0x1000;
export const FILE_ATTRIBUTE_ENCRYPTED = 0x4000;
/** What GetFileAttributesW answers when it fails. */
export const INVALID_FILE_ATTRIBUTES = 0xffffffff;

/** GetDriveTypeW: winbase.h. */
export const DRIVE_UNKNOWN = 0;
export const DRIVE_NO_ROOT_DIR = 1;
export const DRIVE_REMOVABLE = 2;
export const DRIVE_FIXED = 3;
export const DRIVE_REMOTE = 4;
export const DRIVE_CDROM = 5;
export const DRIVE_RAMDISK = 6;

// --- How a disk is attached: winioctl.h, STORAGE_BUS_TYPE ---

export const STORAGE_BUS_TYPE = {
  BusTypeUnknown: 0,
  BusTypeScsi: 1,
  BusTypeAtapi: 2,
  BusTypeAta: 3,
  BusType1394: 4,
  BusTypeSsa: 5,
  BusTypeFibre: 6,
  BusTypeUsb: 7,
  BusTypeRAID: 8,
  BusTypeiScsi: 9,
  BusTypeSas: 10,
  BusTypeSata: 11,
  BusTypeSd: 12,
  BusTypeMmc: 13,
  BusTypeVirtual: 14,
  BusTypeFileBackedVirtual: 15,
  BusTypeSpaces: 16,
  BusTypeNvme: 17,
  BusTypeSCM: 18,
  BusTypeUfs: 19,
} as const;

/** The words for how a disk is attached. */
export type BusWord = "usb" | "sd" | "nvme" | "sata" | "scsi" | "virtual" | "unknown";

const BUS_WORDS: Readonly<Record<number, BusWord>> = {
  [STORAGE_BUS_TYPE.BusTypeScsi]: "scsi",
  [STORAGE_BUS_TYPE.BusTypeAtapi]: "sata",
  [STORAGE_BUS_TYPE.BusTypeAta]: "sata",
  [STORAGE_BUS_TYPE.BusTypeFibre]: "scsi",
  [STORAGE_BUS_TYPE.BusTypeUsb]: "usb",
  [STORAGE_BUS_TYPE.BusTypeRAID]: "scsi",
  [STORAGE_BUS_TYPE.BusTypeiScsi]: "scsi",
  [STORAGE_BUS_TYPE.BusTypeSas]: "scsi",
  [STORAGE_BUS_TYPE.BusTypeSata]: "sata",
  [STORAGE_BUS_TYPE.BusTypeSd]: "sd",
  [STORAGE_BUS_TYPE.BusTypeMmc]: "sd",
  [STORAGE_BUS_TYPE.BusTypeVirtual]: "virtual",
  [STORAGE_BUS_TYPE.BusTypeFileBackedVirtual]: "virtual",
  [STORAGE_BUS_TYPE.BusTypeSpaces]: "virtual",
  [STORAGE_BUS_TYPE.BusTypeNvme]: "nvme",
};

/** A STORAGE_BUS_TYPE in a word; "unknown" for those that have none. */
export function busWord(busType: number): BusWord {
  return BUS_WORDS[busType] ?? "unknown";
}

// --- Console, processes and rights ---

/** GetStdHandle: winbase.h. As unsigned numbers. */
export const STD_INPUT_HANDLE = 0xfffffff6;
export const STD_OUTPUT_HANDLE = 0xfffffff5;
export const STD_ERROR_HANDLE = 0xfffffff4;
/** SetConsoleMode of an output: wincon.h. */
export const ENABLE_PROCESSED_OUTPUT = 0x1;
export const ENABLE_VIRTUAL_TERMINAL_PROCESSING = 0x4;

/** COMPUTER_NAME_FORMAT: sysinfoapi.h. */
export const ComputerNamePhysicalDnsHostname = 5;

/** SHELLEXECUTEINFOW.fMask: shellapi.h. */
export const SEE_MASK_NOCLOSEPROCESS = 0x40;
/** For a program that ends, or waits, right after the call. */
export const SEE_MASK_NOASYNC = 0x100;
/** No message box when it fails. */
export const SEE_MASK_FLAG_NO_UI = 0x400;
/** SHELLEXECUTEINFOW.nShow: winuser.h. */
export const SW_HIDE = 0;
export const SW_SHOWNORMAL = 1;

/** WaitForSingleObject: winbase.h. */
export const INFINITE = 0xffffffff;
export const WAIT_OBJECT_0 = 0;
export const WAIT_TIMEOUT = 258;
export const WAIT_FAILED = 0xffffffff;

/** OpenProcessToken and GetTokenInformation: winnt.h. */
export const TOKEN_QUERY = 0x8;
export const TOKEN_INFORMATION_CLASS = { TokenElevation: 20 } as const;

/** SetErrorMode: no message box that asks for a disk. errhandlingapi.h. */
export const SEM_FAILCRITICALERRORS = 0x1;

/** FormatMessageW: winbase.h. */
export const FORMAT_MESSAGE_IGNORE_INSERTS = 0x200;
export const FORMAT_MESSAGE_FROM_SYSTEM = 0x1000;
/** The text in one line, without line breaks of the system's. */
export const FORMAT_MESSAGE_MAX_WIDTH_MASK = 0xff;

/** SetThreadExecutionState: do not fall asleep meanwhile. winnt.h. */
export const ES_SYSTEM_REQUIRED = 0x1;
export const ES_CONTINUOUS = 0x80000000;
