/**
 * Formats whose makers Debian does not have. The volumes are written by hand after
 * their specifications, and blkid, where it is there, must agree.
 */
import { assertEquals } from "@std/assert";
import { MemorySource } from "../../src/blocks/memory.ts";
import type { FileSystemIdentity } from "../../src/filesystems/file_system.ts";
import { identifyFileSystem } from "../../src/filesystems/identify_file_system.ts";
import { needs } from "../support/tools.ts";
import { ImageFile, run } from "../volumes/image_tools.ts";

const MIB = 1024 * 1024;

async function identify(volume: Uint8Array): Promise<FileSystemIdentity | undefined> {
  return await identifyFileSystem(new MemorySource("crafted", volume));
}

async function blkidTags(volume: Uint8Array): Promise<Record<string, string>> {
  await using image = new ImageFile(0);
  await Deno.writeFile(image.path, volume);
  const { stdout } = await run("blkid", ["--probe", "-o", "export", image.path]);
  return Object.fromEntries(
    stdout.split("\n").filter((line) => /^(TYPE|LABEL|UUID)=/.test(line))
      .map((line) => line.split("=")),
  );
}

function putAscii(bytes: Uint8Array, offset: number, text: string): void {
  bytes.set(new TextEncoder().encode(text), offset);
}

function putUtf16(view: DataView, offset: number, text: string): void {
  for (let i = 0; i < text.length; i++) view.setUint16(offset + 2 * i, text.charCodeAt(i));
}

/** TN1150: a volume header, and a catalog with a header node and one leaf. */
function hfsPlusVolume(signature: "H+" | "HX", label: string): Uint8Array<ArrayBuffer> {
  const volume = new Uint8Array(MIB);
  const view = new DataView(volume.buffer);
  putAscii(volume, 1024, signature);
  view.setUint16(1026, signature === "H+" ? 4 : 5);
  view.setUint32(1024 + 40, 4096);
  view.setUint32(1024 + 44, MIB / 4096);
  volume.set([1, 2, 3, 4, 5, 6, 7, 8], 1024 + 80 + 24);
  // The catalog in two extents: the header node ends the first, the leaf begins the second.
  const fork = 1024 + 272;
  view.setBigUint64(fork, 8192n);
  view.setUint32(fork + 12, 2);
  view.setUint32(fork + 16, 10);
  view.setUint32(fork + 20, 1);
  view.setUint32(fork + 24, 20);
  view.setUint32(fork + 28, 1);
  const headerNode = 10 * 4096;
  view.setUint8(headerNode + 8, 1);
  view.setUint16(headerNode + 14, 1);
  view.setUint32(headerNode + 16, 1);
  view.setUint32(headerNode + 20, 2);
  view.setUint32(headerNode + 24, 1);
  view.setUint16(headerNode + 32, 4096);
  const leaf = 20 * 4096;
  view.setInt8(leaf + 8, -1);
  view.setUint8(leaf + 9, 1);
  view.setUint16(leaf + 10, 2);
  view.setUint16(leaf + 14, 6 + 2 * label.length);
  view.setUint32(leaf + 16, 1);
  view.setUint16(leaf + 20, label.length);
  putUtf16(view, leaf + 22, label);
  return volume;
}

Deno.test({
  name: "HFS+ and HFSX, as blkid says",
  ignore: needs("blkid"),
  async fn(): Promise<void> {
    for (const signature of ["H+", "HX"] as const) {
      const volume = hfsPlusVolume(signature, "Untitled");
      const identity = await identify(volume);
      const expected = await blkidTags(volume);
      assertEquals(expected["TYPE"], "hfsplus");
      assertEquals(identity?.id, signature === "H+" ? "hfsplus" : "hfsx");
      assertEquals(identity?.label, "Untitled");
      // The UUID is a hash, which blkid works out by itself.
      assertEquals(identity?.uuid, expected["UUID"]);
      // blkid 2.38 looks for the leaf in the first extent only.
      if (expected["LABEL"] !== undefined) assertEquals(identity?.label, expected["LABEL"]);
    }
  },
});

/** Fletcher 64 in the words of the Apple File System Reference, section "obj_phys_t". */
function apfsChecksum(block: DataView): bigint {
  const modulus = 0xffffffffn;
  let low = 0n;
  let high = 0n;
  for (let at = 8; at < block.byteLength; at += 4) {
    low = (low + BigInt(block.getUint32(at, true))) % modulus;
    high = (high + low) % modulus;
  }
  const first = modulus - (low + high) % modulus;
  const second = modulus - (low + first) % modulus;
  return second << 32n | first;
}

Deno.test({
  name: "APFS, as blkid says",
  ignore: needs("blkid"),
  async fn(): Promise<void> {
    const volume = new Uint8Array(MIB);
    const view = new DataView(volume.buffer);
    view.setBigUint64(8, 1n, true);
    view.setBigUint64(16, 77n, true);
    view.setUint32(24, 0x80000001, true);
    putAscii(volume, 32, "NXSB");
    view.setUint32(36, 4096, true);
    view.setBigUint64(40, 256n, true);
    volume.set(Uint8Array.fromHex("0f1e2d3c4b5a69788796a5b4c3d2e1f0"), 72);
    view.setBigUint64(0, apfsChecksum(new DataView(volume.buffer, 0, 4096)), true);
    const expected = await blkidTags(volume);
    assertEquals(expected["TYPE"], "apfs");
    assertEquals(await identify(volume), {
      id: "apfs",
      family: "apfs",
      title: "APFS",
      label: undefined,
      uuid: expected["UUID"],
    });
  },
});

/** The first sector of libbde's "Volume header" section, on fixed disks. */
function bitLockerFixed(): Uint8Array<ArrayBuffer> {
  const volume = new Uint8Array(MIB);
  volume.set([0xeb, 0x58, 0x90]);
  putAscii(volume, 3, "-FVE-FS-");
  const view = new DataView(volume.buffer);
  view.setUint16(11, 512, true);
  view.setUint8(13, 8);
  view.setUint8(21, 0xf8);
  volume.set(Uint8Array.fromHex("3bd66749292ed84a8399f6a339e3d001"), 160);
  view.setBigUint64(176, 65536n, true);
  putAscii(volume, 65536, "-FVE-FS-");
  view.setUint16(510, 0xaa55, true);
  return volume;
}

Deno.test({
  name: "BitLocker on a fixed disk, as blkid says",
  ignore: needs("blkid"),
  async fn(): Promise<void> {
    const volume = bitLockerFixed();
    new DataView(volume.buffer).setUint16(65536 + 10, 2, true);
    assertEquals((await identify(volume))?.id, "bitlocker");
    assertEquals((await blkidTags(volume))["TYPE"], "BitLocker");
  },
});

Deno.test({
  name: "BitLocker To Go is not the FAT32 that it looks like",
  ignore: needs("mkfs.fat"),
  async fn(): Promise<void> {
    await using image = new ImageFile(64 * MIB);
    await run("mkfs.fat", ["-F", "32", image.path]);
    const volume = await image.bytes();
    assertEquals((await identify(volume))?.id, "fat32");
    putAscii(volume, 3, "MSWIN4.1");
    volume.set(Uint8Array.fromHex("3bd66749292ed84a8399f6a339e3d001"), 424);
    assertEquals((await identify(volume))?.id, "bitlocker");
    volume.set(Uint8Array.fromHex("3b4da89280dd0e4d9e4eb1e3284eaed8"), 424);
    assertEquals((await identify(volume))?.id, "bitlocker");
  },
});

Deno.test({
  name: "members of a Linux RAID with version 1.1 and 1.2, as blkid says",
  ignore: needs("blkid"),
  async fn(): Promise<void> {
    for (const place of [0, 4096]) {
      const volume = new Uint8Array(4 * MIB);
      const view = new DataView(volume.buffer, place, 256 + 2 * 3);
      view.setUint32(0, 0xa92b4efc, true);
      view.setUint32(4, 1, true);
      volume.set(Uint8Array.fromHex("00112233445566778899aabbccddeeff"), place + 16);
      putAscii(volume, place + 32, "host:0");
      view.setUint32(72, 1, true);
      view.setBigUint64(144, BigInt(place / 512), true);
      view.setUint32(216, 0, true);
      view.setUint32(220, 3, true);
      for (const [index, role] of [0, 1, 0xffff].entries()) {
        view.setUint16(256 + 2 * index, role, true);
      }
      let sum = 0n;
      for (let at = 0; at < 260; at += 4) sum += BigInt(view.getUint32(at, true));
      sum += BigInt(view.getUint16(260, true));
      view.setUint32(216, Number(((sum & 0xffffffffn) + (sum >> 32n)) & 0xffffffffn), true);
      const expected = await blkidTags(volume);
      assertEquals(expected["TYPE"], "linux_raid_member");
      assertEquals(await identify(volume), {
        id: "linux_raid",
        family: "linux_raid",
        title: "Linux RAID member",
        label: expected["LABEL"],
        uuid: expected["UUID"],
      });
    }
  },
});

Deno.test({
  name: "swap of a hibernated machine",
  ignore: needs("mkswap"),
  async fn(): Promise<void> {
    await using image = new ImageFile(MIB);
    await run("mkswap", ["-L", "sleepy", image.path]);
    const volume = await image.bytes();
    putAscii(volume, 4086, "S1SUSPEND\0");
    const identity = await identify(volume);
    assertEquals(identity?.title, "Linux swap with a hibernated system");
    assertEquals(identity?.label, "sleepy");
  },
});
