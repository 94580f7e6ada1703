import config from "../../deno.json" with { type: "json" };
import { COMMIT } from "./commit.ts";

/** As in deno.json. */
export const VERSION: string = config.version;

/** The commit that is checked out here; undefined where that cannot be told. */
async function checkedOut(): Promise<string | undefined> {
  const read = (name: string): Promise<string> =>
    Deno.readTextFile(new URL(import.meta.resolve(`../../.git/${name}`)));
  try {
    const head = await read("HEAD");
    const branch = /^ref: (\S+)/.exec(head)?.[1];
    return (branch === undefined ? head : await read(branch)).slice(0, 7);
  } catch {
    return undefined; // A copy without its history works as well.
  }
}

/** What `--version` says: the version, and the commit as far as it is known. */
export async function versionText(): Promise<string> {
  if (COMMIT !== "") return `sectorshot ${VERSION} (commit ${COMMIT})`;
  const commit = await checkedOut();
  const source = commit === undefined ? "from source" : `from source, commit ${commit}`;
  return `sectorshot ${VERSION} (${source})`;
}
