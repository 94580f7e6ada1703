/** LUKS2 On-Disk Format Specification 1.1.0, section 2.1, https://gitlab.com/cryptsetup/LUKS2-docs; LUKS1 1.2.3, figure 1, https://gitlab.com/cryptsetup/cryptsetup/-/wikis/Specification */
import { createHash } from "node:crypto";
import type { ProbeInput, ProbeScore } from "../core/block.ts";
import { hasAscii, toHex, viewOf } from "../core/bytes.ts";
import { withoutField } from "./checksum.ts";
import {
  type FileSystem,
  type FileSystemIdentity,
  labelText,
  notRecognised,
} from "./file_system.ts";

// Binary header at 0, big endian:
//   0  6 magic, "LUKS" BA BE
//   6  2 version, 1 or 2
//   8  8 hdr_size with the JSON area (2)
//  24 48 label (2)
//  72 32 csum_alg (2)
// 168 40 uuid
// 448 64 csum (2), over hdr_size bytes, counting itself as zero
const HEADER_BYTES = 512;
const CSUM_OFFSET = 448;
const CSUM_BYTES = 64;
/** The largest that the specification allows is 4 MiB; heads are shorter. */
const MAX_CHECKED_BYTES = 1024 * 1024;

/** A volume that Linux encrypted. */
export const luks: FileSystem = { id: "luks", title: "LUKS", probe, identify };

function versionOf(head: Uint8Array): 1 | 2 | undefined {
  if (head.length < HEADER_BYTES || !hasAscii(head, 0, "LUKS")) return undefined;
  if (head[4] !== 0xba || head[5] !== 0xbe) return undefined;
  const version = viewOf(head).getUint16(6);
  return version === 1 || version === 2 ? version : undefined;
}

function probe(input: ProbeInput): ProbeScore {
  const version = versionOf(input.head);
  if (version === undefined) return "no";
  return version === 1 || isChecksumRight(input.head) ? "exact" : "maybe";
}

/** Checksums other than SHA-256, which every known tool writes, count as right. */
function isChecksumRight(head: Uint8Array): boolean {
  if (labelText(head.subarray(72, 104)) !== "sha256") return true;
  const headerBytes = viewOf(head).getBigUint64(8);
  if (headerBytes > BigInt(MAX_CHECKED_BYTES)) return true;
  const header = head.subarray(0, Number(headerBytes));
  if (header.length < HEADER_BYTES || header.length < headerBytes) return false;
  const digest = createHash("sha256").update(withoutField(header, CSUM_OFFSET, CSUM_BYTES))
    .digest("hex");
  return toHex(header.subarray(CSUM_OFFSET, CSUM_OFFSET + CSUM_BYTES)).startsWith(digest);
}

function identify(input: ProbeInput): FileSystemIdentity {
  const version = versionOf(input.head);
  if (version === undefined) throw notRecognised(luks.title);
  return {
    id: `luks${version}`,
    family: luks.id,
    title: `LUKS${version}`,
    label: version === 2 ? labelText(input.head.subarray(24, 72)) : undefined,
    uuid: labelText(input.head.subarray(168, 208)),
  };
}
