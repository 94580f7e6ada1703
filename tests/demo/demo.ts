/**
 * The main job on a disk image that it makes itself, without root:
 *
 * ```
 * deno task demo
 * ```
 */
import { fileURLToPath } from "node:url";
import { cardImage } from "./card_image.ts";

const root = new URL("../../", import.meta.url);
const config: { tasks: { start: { command: string } } } = JSON.parse(
  Deno.readTextFileSync(new URL("deno.json", root)),
);
/** What `deno task start` runs, without "deno" and "main.ts". */
const RUN = config.tasks.start.command.split(" ").slice(1, -1);
const MAIN = fileURLToPath(new URL("main.ts", root));

function say(text: string): void {
  console.log(`\n# ${text}`);
}

async function sectorshot(folder: string, expected: number, ...words: string[]): Promise<void> {
  console.log(`$ sectorshot ${words.join(" ")}`);
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: [...RUN, MAIN, ...words],
    cwd: folder,
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).output();
  console.log(`(exit code ${code})`);
  if (code !== expected) throw new Error(`the exit code should have been ${expected}`);
}

const folder = Deno.makeTempDirSync({ prefix: "sectorshot-demo-" });
try {
  say("A small memory card, as an image: a partition table, a FAT volume, Linux data");
  Deno.writeFileSync(`${folder}/card`, cardImage("Hello from the demonstration card.\n"));
  await sectorshot(folder, 0, "info", "card");

  say("Image it: every byte, hashed on the way, read back and compared");
  await sectorshot(folder, 0, "read", "card", "backup.img", "--verify");

  say("Is the card the same as the image?");
  await sectorshot(folder, 0, "verify", "backup.img", "card");

  say("One byte of the card changes. Now it is not, and the exit code says so");
  const file = Deno.openSync(`${folder}/card`, { write: true });
  file.seekSync(10_000_000, Deno.SeekMode.Start);
  file.writeSync(Uint8Array.of(0x42));
  file.close();
  await sectorshot(folder, 2, "verify", "backup.img", "card");

  say("The image still is what was read: its digest lies beside it");
  await sectorshot(folder, 0, "verify", "backup.img");
  console.log("\nAll of it went as it should.");
} finally {
  Deno.removeSync(folder, { recursive: true });
}
