import { assertEquals } from "@std/assert";
import { unreadableFacts, zonedTime } from "../../src/report/manifest.ts";
import { needs } from "../support/tools.ts";
import { shell } from "../support/run_cli.ts";

Deno.test("unreadable bytes are listed with the sectors that they touch", () => {
  assertEquals(
    unreadableFacts([
      { offset: 512, length: 1024 },
      { offset: 4096 + 100, length: 10 },
      { offset: 4096 + 200, length: 512 },
    ], 512),
    {
      unreadable: [
        { firstSector: 1, sectors: 2, offsetBytes: 512, lengthBytes: 1024 },
        { firstSector: 8, sectors: 1, offsetBytes: 4196, lengthBytes: 10 },
        { firstSector: 8, sectors: 2, offsetBytes: 4296, lengthBytes: 512 },
      ],
      // Sector 8 is in two of them.
      unreadableSectors: 4,
      unreadableBytes: 1546,
    },
  );
  assertEquals(unreadableFacts([{ offset: 8192, length: 1 }], 4096).unreadable[0], {
    firstSector: 2,
    sectors: 1,
    offsetBytes: 8192,
    lengthBytes: 1,
  });
});

Deno.test({
  name: "times have the offset of their zone, as date writes it",
  ignore: needs("date", "bash"),
  async fn(): Promise<void> {
    const module = import.meta.resolve("../../src/report/manifest.ts");
    // Winter and summer, west of Greenwich, half and quarter hours.
    const zones = ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"];
    const moments = [0, 1_767_225_599, 1_783_000_000];
    const script = `import { zonedTime } from ${JSON.stringify(module)};
      for (const each of ${
      JSON.stringify(moments)
    }) console.log(zonedTime(new Date(each * 1000)));`;
    for (const zone of zones) {
      const { stdout } = await new Deno.Command(Deno.execPath(), {
        args: ["eval", script],
        env: { TZ: zone },
        stderr: "null",
      }).output();
      const expected = await shell(
        'for each in "${@:2}"; do TZ=$1 date -d @$each +%Y-%m-%dT%H:%M:%S%:z; done',
        zone,
        ...moments.map(String),
      );
      assertEquals(new TextDecoder().decode(stdout), expected, zone);
    }
  },
});

Deno.test("fractions of a second are cut", () => {
  const time = zonedTime(new Date("2026-03-01T08:30:07.999Z"));
  assertEquals(/^\d{4}-\d\d-\d\dT\d\d:\d\d:07[+-]\d\d:\d\d$/.test(time), true, time);
});
