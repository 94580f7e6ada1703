/** How disks are called on each operating system, to recognize a name of another one. */

/** Names of disks on an operating system. */
interface PathForm {
  /** As Deno names the system. */
  readonly os: string;
  readonly title: string;
  readonly pattern: RegExp;
}

const PATH_FORMS: readonly PathForm[] = [
  {
    os: "windows",
    title: "Windows",
    pattern: /^([\\/]{2}[.?][\\/].+|[A-Za-z]:[\\/]?)$/,
  },
  { os: "darwin", title: "macOS", pattern: /^\/dev\/r?disk\d+(s\d+)*$/ },
  {
    os: "linux",
    title: "Linux",
    pattern: /^\/dev\/((sd|hd|vd|xvd)[a-z]+\d*|(nvme|mmcblk|loop|sr|nbd|dm-|md)\d.*|disk\/.+)$/,
  },
];

/** The other operating system whose disks are called like this; undefined for none. */
export function foreignSystem(path: string, os: string): string | undefined {
  const isOurs = PATH_FORMS.some((form) => form.os === os && form.pattern.test(path));
  if (isOurs) return undefined;
  return PATH_FORMS.find((form) => form.os !== os && form.pattern.test(path))?.title;
}
