import { OsError } from "../../ffi/os_error.ts";
import { ImagingError } from "../core/errors.ts";
import type { Location } from "./device.ts";

/**
 * What a path names that Linux or macOS could not look at: nothing, where nothing is there.
 *
 * @throws {ImagingError} when the system does not let this user look there.
 */
export function unseenLocation(path: string, cause: unknown): Location {
  if (!(cause instanceof OsError)) throw cause;
  if (cause.code === "ENOENT" || cause.code === "ENOTDIR") return { kind: "missing", path };
  throw new ImagingError("environment", `cannot look at ${path}: ${cause.message}`, {
    cause,
    osCode: cause.code,
    hint: cause.code === "EACCES"
      ? "run it with sudo, or ask for access to the folder"
      : "check the path",
  });
}
