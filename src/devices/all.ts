/** Every operating system there is a backend for: one line each. */
export { linuxBackend } from "./linux_backend.ts";
export { macosBackend } from "./macos_backend.ts";
export { windowsBackend } from "./windows_backend.ts";
