/** What a machine must have for a test to make sense on it. */

/** Where tools are: also the directories that only root has in its PATH. */
function directories(): string[] {
  return [...(Deno.env.get("PATH") ?? "").split(":"), "/sbin", "/usr/sbin"]
    .filter((directory) => directory !== "");
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    // A directory of the PATH that this user may not look into gives no programs either.
    const absent = [
      Deno.errors.NotFound,
      Deno.errors.NotADirectory,
      Deno.errors.PermissionDenied,
    ];
    if (absent.some((kind) => error instanceof kind)) return false;
    throw error;
  }
}

/** The path of a program; undefined where there is none of that name. */
export function toolPath(tool: string): string | undefined {
  // What the tests ask for are tools of Linux, whatever may be called alike.
  if (Deno.build.os === "windows") return undefined;
  return directories().map((directory) => `${directory}/${tool}`).find(exists);
}

/** Do the tests run as root on Linux? */
export function isRoot(): boolean {
  const id = toolPath("id");
  if (Deno.build.os !== "linux" || id === undefined) return false;
  const { stdout } = new Deno.Command(id, { args: ["-u"], stderr: "null" }).outputSync();
  return new TextDecoder().decode(stdout).trim() === "0";
}

/** Can a library of Linux be opened by its name? */
function hasLibrary(name: string): boolean {
  if (Deno.build.os !== "linux") return false;
  try {
    Deno.dlopen(name, {}).close();
    return true;
  } catch (error) {
    if (error instanceof Error && error.message.startsWith("Could not open library")) {
      return false;
    }
    throw error;
  }
}

function isThere(tool: string): boolean {
  if (tool === "root") return isRoot();
  return /\.so\.\d+$/.test(tool) ? hasLibrary(tool) : toolPath(tool) !== undefined;
}

/**
 * For `ignore` of a test: true when one of these tools is missing ("root" stands for
 * the user root, "libcrypto.so.3" for a library). Says on stderr which.
 *
 * @throws {Error} when something is missing and SECTORSHOT_REQUIRE is "all": where
 * everything must be tested, nothing is ignored.
 */
export function needs(...tools: string[]): boolean {
  const missing = tools.filter((tool) => !isThere(tool));
  if (missing.length === 0) return false;
  const message = `not on this machine: ${missing.join(", ")}`;
  if (Deno.env.get("SECTORSHOT_REQUIRE") === "all") throw new Error(message);
  console.error(`tests are ignored, ${message}`);
  return true;
}
