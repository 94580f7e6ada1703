/** Parts of file names, as the user wrote them. */

/** How an operating system writes the names of files. */
export interface PathStyle {
  /** The folder that a path lies in: "." where it names none. */
  folderOf(path: string): string;
  /** The name of a file in its folder. */
  nameOf(path: string): string;
  /** The same for all names that the system takes for one. */
  keyOf(name: string): string;
}

/** What stands before a file's name: put before another name it is a path in that folder. */
export function folderPrefix(style: PathStyle, path: string): string {
  return path.slice(0, path.length - style.nameOf(path).length);
}

/** Linux. */
export const POSIX_PATHS: PathStyle = {
  folderOf(path: string): string {
    const slash = path.lastIndexOf("/");
    return slash < 0 ? "." : path.slice(0, slash) || "/";
  },
  nameOf: (path) => path.slice(path.lastIndexOf("/") + 1),
  keyOf: (name) => name,
};

/** macOS: as a rule its volumes keep the case of names, and do not go by it. */
export const MACOS_PATHS: PathStyle = {
  ...POSIX_PATHS,
  keyOf: (name) => name.normalize("NFD").toLowerCase(),
};

/**
 * Windows: both slashes separate, and a drive letter may stand in front. `C:card.img` lies
 * in the current folder of the drive, `C:.`.
 */
export const WINDOWS_PATHS: PathStyle = {
  folderOf(path: string): string {
    const start = path.length - WINDOWS_PATHS.nameOf(path).length;
    const folder = path.slice(0, start);
    if (folder === "") return ".";
    // The slash stays where it is all there is, or makes a drive's root of its letter.
    if (/^[A-Za-z]:$/.test(folder)) return `${folder}.`;
    return /^([A-Za-z]:)?[\\/]$/.test(folder) ? folder : folder.slice(0, -1);
  },
  nameOf(path: string): string {
    const slash = Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"));
    if (slash >= 0) return path.slice(slash + 1);
    return path.replace(/^[A-Za-z]:/, "");
  },
  keyOf: (name) => name.toLowerCase(),
};
