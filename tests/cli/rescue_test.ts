/** Rescues of failing disks, alone and in turns with GNU ddrescue. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { ByteRange } from "../support/bad_disk.ts";
import { linuxTest } from "../support/linux_test.ts";
import {
  areasInMap,
  areasOf,
  assertMapIsHonest,
  assertMapIsValid,
  bytesOf,
  diskContent,
  failingDisk,
  type Fault,
  FAULTS,
  faultyPlaces,
  randomNumbers,
  RESCUE_DISK_TOOLS,
  roundedToPages,
  withZerosAt,
} from "../support/rescue_disks.ts";
import { digestOf, run, runCli, RunningCli } from "../support/run_cli.ts";
import { exists, TemporaryFolder } from "../support/temporary.ts";
import { needs } from "../support/tools.ts";

const ignore = needs(...RESCUE_DISK_TOOLS, "cmp", "sha256sum");
const ignoreTurns = ignore || needs("ddrescue");
const MIB = 1024 * 1024;

/** How often a rescue is killed; a long run asks for more. */
const KILLS = Number(Deno.env.get("SECTORSHOT_KILLS") ?? "6");

/** How often the two programs take turns; a long run asks for more. */
const TURNS = Number(Deno.env.get("SECTORSHOT_TURNS") ?? "3");

const SIZE = (KILLS > 6 || TURNS > 3 ? 4 : 2) * MIB;

/** A disk of a kind, in a file, and what of it can be read. */
interface Patient {
  readonly file: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly faults: readonly ByteRange[];
  /** As the device has them: sectors, or pages. */
  readonly lost: readonly ByteRange[];
  /** What a complete image holds. */
  readonly expected: Uint8Array<ArrayBuffer>;
}

async function makePatient(
  folder: TemporaryFolder,
  fault: Fault,
  direct: boolean,
  seed = 1,
): Promise<Patient> {
  const bytes = diskContent(SIZE, seed);
  const file = await folder.write(`disk_${fault}_${seed}`, bytes);
  const faults = faultyPlaces(fault, SIZE, seed);
  const lost = direct ? faults : roundedToPages(faults);
  return { file, bytes, faults, lost, expected: withZerosAt(bytes, lost) };
}

/** Proves that a rescue brought everything that can be read, and says what it did not. */
async function assertRescued(
  folder: TemporaryFolder,
  image: string,
  { expected, lost }: Patient,
  story = "",
): Promise<void> {
  const path = await folder.write(`expected_${crypto.randomUUID()}`, expected);
  await run("cmp", [path, image]);
  await assertMapIsValid(`${image}.map`, SIZE);
  assertEquals(await areasInMap(`${image}.map`, "-"), lost, story);
  assertEquals(await areasInMap(`${image}.map`, "?*/"), [], story);
  await run("sha256sum", ["-c", "--strict", `${image}.sha256`], { cwd: folder.path });
  assert(!await exists(`${image}.part`), story);
  await Deno.remove(path);
}

for (const fault of FAULTS) {
  for (const direct of [false, true]) {
    linuxTest({
      name: `rescue: ${fault}, ${direct ? "sectors" : "pages"} fail: all that can be read`,
      ignore,
      async fn(): Promise<void> {
        await using folder = await TemporaryFolder.create();
        const patient = await makePatient(folder, fault, direct);
        await using disk = await failingDisk(folder, patient.file, patient.faults, { direct });
        const image = folder.file("card.img");
        const args = ["read", disk.path, image, "--verify", "--json"];
        const { code, result, stderr } = await runCli(args);
        assertEquals(code, 4, stderr);
        await assertRescued(folder, image, patient);
        assertEquals(result["bad"], patient.lost);
        assertEquals(result["badBytes"], bytesOf(patient.lost));
        assertEquals(result["verified"], true);
        assertEquals(result["hashes"], { sha256: await digestOf(image) });
        // A stretch of zeros is no part of the file.
        const { blocks, size } = await Deno.stat(image);
        assertEquals(size, SIZE);
        assert((blocks ?? 0) * 512 <= SIZE - 32 * 1024, `${blocks} blocks`);
        assertEquals(await areasInMap(`${image}.map`, "+"), complement(patient.lost));
      },
    });
  }
}

/** The sectors that are in none of these areas. */
function complement(areas: readonly ByteRange[]): ByteRange[] {
  const inside = new Set<number>();
  for (const { offset, length } of areas) {
    for (let at = offset; at < offset + length; at += 512) inside.add(at / 512);
  }
  const sectors = Array.from({ length: SIZE / 512 }, (_, sector) => sector);
  return areasOf(sectors.filter((sector) => !inside.has(sector)));
}

linuxTest({
  name: "rescue: unreadable areas are listed, the digest is that of the image, exit code 4",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const patient = await makePatient(folder, "clusters", true);
    await using disk = await failingDisk(folder, patient.file, patient.faults, {
      direct: true,
    });
    const image = folder.file("card.img");
    const { code, stdout, stderr } = await runCli(["read", disk.path, image]);
    assertEquals(code, 4, stderr);
    assertStringIncludes(stdout, await digestOf(image));
    assertStringIncludes(stdout, `unreadable: ${patient.lost.length} areas, `);
    const [first] = patient.lost;
    assertMatch(stdout, new RegExp(`^  at ${first?.offset.toLocaleString("en-US")}: `, "m"));
  },
});

linuxTest({
  name: "rescue: killed (-9) at random moments, the map is right every time",
  ignore,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    for (const [index, fault] of FAULTS.entries()) {
      const direct = index !== 1;
      const patient = await makePatient(folder, fault, direct);
      await using disk = await failingDisk(folder, patient.file, patient.faults, {
        direct,
        delayMilliseconds: 1,
      });
      const image = folder.file("card.img");
      const args = ["read", disk.path, image, "--map-interval=0.02"];
      const whole = performance.now();
      const uninterrupted = await runCli(args);
      assertEquals(uninterrupted.code, 4, uninterrupted.stderr);
      const milliseconds = performance.now() - whole;
      const share = Math.ceil(KILLS / FAULTS.length);
      let kills = 0;
      for (let attempt = 0; kills < share; attempt++) {
        for (const end of ["", ".map", ".sha256"]) {
          await Deno.remove(image + end);
        }
        const moments: number[] = [];
        while (!await exists(image)) {
          const moment = kills < share ? Math.random() * milliseconds : Infinity;
          const story = `${fault}: killed after ${moments.map(Math.round).join(", ")} ms`;
          await using running = RunningCli.start(args);
          const timer = moment === Infinity
            ? undefined
            : setTimeout(() => running.signal("SIGKILL"), moment);
          const { code, stderr } = await running.end();
          clearTimeout(timer);
          if (code !== 137) assertEquals(code, 4, `${story}\n${stderr}`);
          else {
            kills++;
            moments.push(moment);
          }
          if (!await exists(`${image}.map`)) continue;
          await assertMapIsValid(`${image}.map`, SIZE);
          const file = await exists(image) ? image : `${image}.part`;
          await assertMapIsHonest(file, `${image}.map`, patient.bytes, story);
        }
        await assertRescued(folder, image, patient, `${fault}, ${moments}`);
      }
      for (const end of ["", ".map", ".sha256"]) await Deno.remove(image + end);
      assertEquals((await folder.names()).filter((name) => name.startsWith("card")), []);
    }
  },
});

/** Lets GNU ddrescue work on a failing disk until it ends, or a moment has come. */
async function ddrescue(
  args: readonly string[],
  moment: number,
  signal: Deno.Signal = "SIGINT",
): Promise<void> {
  const child = new Deno.Command("ddrescue", {
    args: ["-q", "-d", ...args],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const timer = setTimeout(() => child.kill(signal), moment);
  const { stderr } = await child.output();
  clearTimeout(timer);
  assertEquals(new TextDecoder().decode(stderr), "");
}

/** One of the options with which ddrescue ends early. */
const EARLY_ENDS: readonly (readonly string[])[] = [
  [],
  ["--max-bad-areas=1"],
  ["--max-read-errors=2"],
  ["--no-trim"],
  ["--no-scrape"],
  ["--reverse"],
];

for (const [index, first] of ["ours", "ddrescue"].entries()) {
  linuxTest({
    name: `rescue: in turns with GNU ddrescue, ${first} first: every readable sector`,
    ignore: ignoreTurns,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const random = randomNumbers(Number(Deno.env.get("SECTORSHOT_SEED") ?? "7") + index);
      for (const fault of TURNS < 10 ? [FAULTS[index] ?? "dead"] : FAULTS) {
        const patient = await makePatient(folder, fault, true);
        await using disk = await failingDisk(folder, patient.file, patient.faults, {
          direct: true,
          delayMilliseconds: Math.min(8, TURNS - 1),
        });
        const image = folder.file("card.img");
        const map = `${image}.map`;
        const story: string[] = [];
        for (let turn = 0; turn < TURNS && !await isComplete(map); turn++) {
          if ((turn % 2 === 0) === (first === "ours")) {
            await using running = RunningCli.start([
              "read",
              disk.path,
              image,
              "--map-interval=0.02",
            ]);
            await running.until(
              "it is at work",
              async () => await exists(`${image}.part`) && await exists(map),
            );
            const signal = turn % 4 < 2 ? "SIGINT" : "SIGKILL";
            const moment = random() * 300;
            setTimeout(() => running.signal(signal), moment);
            const { code, stderr } = await running.end();
            story.push(`ours, ${signal} after ${Math.round(moment)} ms: ${code}`);
            assert([4, 130, 137].includes(code), `${story}\n${stderr}`);
          } else {
            const options = EARLY_ENDS[Math.floor(random() * EARLY_ENDS.length)] ?? [];
            const moment = 50 + random() * 300;
            // It begins under the final name, as people use it.
            const file = await exists(map) ? `${image}.part` : image;
            await ddrescue([...options, disk.path, file, map], moment);
            story.push(`ddrescue ${options}, until ${Math.round(moment)} ms`);
          }
          await assertMapIsValid(map, SIZE);
          const file = await exists(`${image}.part`) ? `${image}.part` : image;
          await assertMapIsHonest(file, map, patient.bytes, story.join("\n"));
        }
        assert(story.length >= 2, "no turns were taken");
        if (Deno.env.has("SECTORSHOT_TURNS")) console.log(`${fault}: ${story.length} turns`);
        if (!await exists(`${image}.sha256`)) {
          const { code, stderr } = await runCli(["read", disk.path, image]);
          assertEquals(code, 4, `${story.join("\n")}\n${stderr}`);
        }
        await assertRescued(folder, image, patient, story.join("\n"));
        for (const end of ["", ".map", ".sha256"]) await Deno.remove(image + end);
      }
    },
  });
}

/** Is there nothing left to be done? */
async function isComplete(map: string): Promise<boolean> {
  return await exists(map) && (await areasInMap(map, "?*/")).length === 0;
}

for (const signal of ["SIGINT", "SIGKILL"] as const) {
  linuxTest({
    name: `rescue: GNU ddrescue finishes what we began, after ${signal}`,
    ignore: ignoreTurns,
    async fn(): Promise<void> {
      await using folder = await TemporaryFolder.create();
      const patient = await makePatient(folder, "scattered", true);
      await using disk = await failingDisk(folder, patient.file, patient.faults, {
        direct: true,
        delayMilliseconds: 2,
      });
      const image = folder.file("card.img");
      const map = `${image}.map`;
      await using running = RunningCli.start([
        "read",
        disk.path,
        image,
        "--map-interval=0.02",
      ]);
      await running.until(
        "it has met a bad sector",
        async () => await exists(map) && (await areasInMap(map, "*/-")).length > 0,
      );
      running.signal(signal);
      assertEquals((await running.end()).code, signal === "SIGINT" ? 130 : 137);
      await assertMapIsHonest(`${image}.part`, map, patient.bytes);
      await run("ddrescue", ["-q", "-d", disk.path, `${image}.part`, map]);
      await run("cmp", [await folder.write("expected", patient.expected), `${image}.part`]);
      assertEquals(await areasInMap(map, "-"), patient.lost);
      // And what it finished gets its name and digest from us, without another read.
      const { code, result, stderr } = await runCli(["read", disk.path, image, "--json"]);
      assertEquals(code, 4, stderr);
      assertEquals(result["resumedBytes"], SIZE);
      await assertRescued(folder, image, patient);
    },
  });
}

linuxTest({
  name: "rescue: what GNU ddrescue began under the final name is gone on with",
  ignore: ignoreTurns,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const patient = await makePatient(folder, "clusters", true);
    await using disk = await failingDisk(folder, patient.file, patient.faults, {
      direct: true,
    });
    const image = folder.file("card.img");
    const map = `${image}.map`;
    await run("ddrescue", ["-q", "-d", "--no-scrape", "--no-trim", disk.path, image, map]);
    assert((await areasInMap(map, "*")).length > 0, "nothing was left to do");
    const rescued = bytesOf(await areasInMap(map, "+"));
    const { code, result, stderr } = await runCli(["read", disk.path, image, "--json"]);
    assertEquals(code, 4, stderr);
    assert(Number(result["resumedBytes"]) >= rescued, `${result["resumedBytes"]}`);
    await assertRescued(folder, image, patient);
  },
});

linuxTest({
  name: "rescue: an image of GNU ddrescue whose map is another disk's keeps its name",
  ignore: ignoreTurns,
  async fn(): Promise<void> {
    await using folder = await TemporaryFolder.create();
    const patient = await makePatient(folder, "dead", true);
    await using disk = await failingDisk(folder, patient.file, patient.faults, {
      direct: true,
    });
    const image = folder.file("card.img");
    const map = `${image}.map`;
    await run("ddrescue", ["-q", "-d", "--no-scrape", "--no-trim", disk.path, image, map]);
    const [imageBefore, mapBefore] = await Promise.all([image, map].map((p) => digestOf(p)));
    const longer = await folder.write("longer", diskContent(SIZE + 4096));
    const other = await folder.write("other", diskContent(SIZE, 99));
    for (const source of [longer, other]) {
      const { code, stderr } = await runCli(["read", source, image]);
      assertEquals(code, 1, stderr);
      assertMatch(stderr, /error: cannot go on: /);
      assertMatch(stderr, /^sectorshot: hint: /m);
      assert(!await exists(`${image}.part`), "it was renamed");
      assertEquals([await digestOf(image), await digestOf(map)], [imageBefore, mapBefore]);
    }
  },
});
