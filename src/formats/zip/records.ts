/**
 * Records of ZIP: APPNOTE 6.3.10, section 4.3,
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 *
 * All numbers are little endian. What does not fit into 32 bits (16 for counts) is all ones
 * there, and stands in the extra field 0x0001 or in the Zip64 records.
 *
 * ```
 * local header    0  50 4b 03 04        4  u16 version needed    6  u16 flags
 *                 8  u16 method        10  u16 time             12  u16 date
 *                14  u32 CRC-32        18  u32 packed bytes     22  u32 content bytes
 *                26  u16 name bytes    28  u16 extra bytes      30  name, extra
 *
 * directory       0  50 4b 01 02        4  u16 version made by   6  u16 version needed
 *                 8  u16 flags         10  u16 method           12  u16 time
 *                14  u16 date          16  u32 CRC-32           20  u32 packed bytes
 *                24  u32 content bytes 28  u16 name bytes       30  u16 extra bytes
 *                32  u16 comment bytes 34  u16 disk             36  u16 internal attributes
 *                38  u32 external attributes                    42  u32 offset of local header
 *                46  name, extra, comment
 *
 * Zip64 end       0  50 4b 06 06        4  u64 bytes that follow 12 u16 version made by
 *                14  u16 version needed 16 u32 disk             20  u32 disk of the directory
 *                24  u64 entries here  32  u64 entries          40  u64 directory bytes
 *                48  u64 offset of the directory
 *
 * its locator     0  50 4b 06 07        4  u32 disk              8  u64 offset
 *                16  u32 disks
 *
 * end             0  50 4b 05 06        4  u16 disk              6  u16 disk of the directory
 *                 8  u16 entries here  10  u16 entries          12  u32 directory bytes
 *                16  u32 offset of the directory                20  u16 comment bytes
 *                22  comment
 *
 * extra 0x0001    u64 content bytes, u64 packed bytes, u64 offset of the local header,
 *                 u32 disk: those of them, in this order, that are all ones in the header
 * ```
 */
export const LOCAL_SIGNATURE = 0x04034b50;
export const DIRECTORY_SIGNATURE = 0x02014b50;
export const ZIP64_END_SIGNATURE = 0x06064b50;
export const ZIP64_LOCATOR_SIGNATURE = 0x07064b50;
export const END_SIGNATURE = 0x06054b50;

export const LOCAL_BYTES = 30;
export const DIRECTORY_BYTES = 46;
export const ZIP64_END_BYTES = 56;
export const ZIP64_LOCATOR_BYTES = 20;
export const END_BYTES = 22;

export const FLAG_ENCRYPTED = 1 << 0;
/** Sizes and CRC-32 stand behind the content, and not in the local header. */
export const FLAG_DESCRIPTOR = 1 << 3;
export const FLAG_PATCH = 1 << 5;
export const FLAG_STRONG_ENCRYPTION = 1 << 6;
export const FLAG_UTF8 = 1 << 11;
export const FLAG_MASKED = 1 << 13;

export const METHOD_STORED = 0;
export const METHOD_DEFLATE = 8;
export const METHOD_AES = 99;

/** The extra field of Zip64. */
export const ZIP64_EXTRA_ID = 0x0001;

/** Stand for "see Zip64"; in a local header of Zip64, for "see behind the content". */
export const ONES_64 = 0xffff_ffff_ffff_ffffn;
export const ONES_32 = 0xffff_ffff;
export const ONES_16 = 0xffff;

/** Versions needed: 2.0 for deflate, 4.5 for Zip64. */
export const VERSION_DEFLATE = 20;
export const VERSION_ZIP64 = 45;
