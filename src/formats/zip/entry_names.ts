/** Names of images in archives. */

/** What files are called that hold the bytes of a disk, or are images that are read here. */
const IMAGE_EXTENSIONS: ReadonlySet<string> = new Set([
  ..."img iso raw bin dd dsk disk image ima vfd wic hddimg sdimg rpi-sdimg".split(" "),
  ..."e01 s01 aff aff4 001".split(" "),
]);

/** Of files that hold one other file. */
const PACKED_EXTENSION = /\.(?:gz|xz|zst|zstd|bz2|lz4)$/;

/** The name of the image in an archive of this name: of card.zip and card.img.zip, card.img. */
export function entryName(archive: string): string {
  const file = archive.slice(Math.max(archive.lastIndexOf("/"), archive.lastIndexOf("\\")) + 1);
  const name = file.replace(/\.part$/i, "").replace(/\.zip$/i, "") || "image";
  return isImageName(name) ? name : `${name}.img`;
}

/** Does a file of this name hold an image of a disk, packed or not? */
export function isImageName(name: string): boolean {
  const plain = name.toLowerCase().replace(PACKED_EXTENSION, "");
  const dot = plain.lastIndexOf(".");
  return dot > 0 && IMAGE_EXTENSIONS.has(plain.slice(dot + 1));
}
