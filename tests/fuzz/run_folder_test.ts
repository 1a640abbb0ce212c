/** Any text as `progress.csv` and `params.json` of a run. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { ProgressLog, type ProgressRow, readProgress } from "../../src/run/log.ts";
import { machineChanges } from "../../src/run/provenance.ts";
import { readRunParams } from "../../src/run/run_dir.ts";
import { testNeeding } from "../permissions.ts";
import { brokenText, effort, outcome, wildText } from "./support.ts";

const test = testNeeding("read", "write");

async function inFolder(body: (folder: string) => void): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const COLUMNS = ["Itr", "n_timesteps", "Step_0-AverageReturn", "LossBefore"];

const rows: fc.Arbitrary<ProgressRow[]> = fc.array(
  fc.tuple(...COLUMNS.slice(1).map(() => fc.option(fc.double()))),
  { maxLength: 4 },
).map((list) =>
  list.map((cells, i) => Object.fromEntries(COLUMNS.map((name, c) => [name, c ? cells[c - 1] : i])))
);

test("readProgress() gives back what was appended", () =>
  inFolder((folder) => {
    let file = 0;
    fc.assert(
      fc.property(rows, (appended) => {
        const path = `${folder}/${file++}.csv`;
        {
          using log = ProgressLog.open(path, COLUMNS, 0);
          for (const row of appended) log.append(row);
        }
        const { columns, rows } = readProgress(path);
        Deno.removeSync(path);
        assert.deepEqual(columns, COLUMNS);
        // as text has it, -0 is 0
        const shown = (row: ProgressRow) => COLUMNS.map((name) => String(row[name]));
        assert.deepEqual(rows.map(shown), appended.map(shown));
      }),
      effort(),
    );
  }));

test("readProgress() reads or refuses any text, and makes up no number", () =>
  inFolder((folder) => {
    const path = `${folder}/progress.csv`;
    const whole = `${COLUMNS.join(",")}\n0,100,-1.5,\n1,200,NaN,1e-7\n2,300,Infinity,-0.25\n`;
    fc.assert(
      fc.property(fc.oneof(brokenText([whole]), wildText), (text) => {
        Deno.writeTextFileSync(path, text);
        const found = outcome(() => readProgress(path));
        if ("error" in found) return;
        const { columns, rows } = found.value;
        const lines = text.replace(/^\ufeff/, "").split(/\r?\n/).slice(0, -1).map((line) =>
          line.split(",")
        );
        assert.deepEqual(columns, lines[0] ?? []);
        assert.equal(new Set(columns).size, columns.length);
        rows.forEach((row, i) => {
          assert.deepEqual(Object.keys(row).sort(), [...columns].sort());
          columns.forEach((name, c) => {
            const cell = lines[i + 1][c];
            if (row[name] === null) return assert.equal(cell, "");
            // as Python writes them: nan, inf, -inf
            if (Number.isNaN(row[name])) return assert.match(cell, /^[+-]?nan$/i);
            assert.equal(row[name], Number(cell.replace(/^([+-]?)inf(inity)?$/i, "$1Infinity")));
          });
          assert.equal(lines[i + 1].length, columns.length);
        });
        assert.equal(rows.length, Math.max(0, lines.length - 1));
      }),
      effort(),
    );
  }));

const PARAMS = JSON.stringify(
  {
    metarl_version: "0.1.0",
    started: "2026-01-31T23:59:59.000Z",
    algorithm: "promp",
    seed: 1,
    environment: { name: "ReacherEnv", version: 1 },
    device: "cpu",
    config: { env: "ReacherEnv", seed: 1 },
    provenance: {
      sources: { env: "a.json" },
      configSha256: "0".repeat(64),
      environmentSha256: "1".repeat(64),
      machine: { platform: "a b", cpu: null, cores: 2, memoryGiB: 8, deno: "2.9.6", v8: "15" },
    },
  },
  null,
  2,
);

test("readRunParams() gives what it promises, or one line", () =>
  inFolder((folder) => {
    const texts = fc.oneof(
      brokenText([PARAMS]),
      wildText,
      fc.tuple(
        fc.constantFrom(
          ...Object.keys(JSON.parse(PARAMS)),
          "environment.name",
          "provenance.machine",
        ),
        fc.oneof(wildText, fc.jsonValue()),
      ).map(([key, value]) => {
        const [first, second] = key.split(".");
        const params = JSON.parse(PARAMS);
        if (second === undefined) params[first] = value;
        else params[first][second] = value;
        return JSON.stringify(params);
      }),
    );
    fc.assert(
      fc.property(texts, (text) => {
        Deno.writeTextFileSync(`${folder}/params.json`, text);
        const found = outcome(() => readRunParams(folder));
        if ("error" in found) return;
        const { started, algorithm, seed, environment, device, config, provenance } = found.value;
        assert.ok(Number.isFinite(Date.parse(started)) && Number.isFinite(seed));
        // it stands in commands that are proposed
        assert.match(algorithm, /^[a-z-]+$/);
        assert.equal(typeof environment.name, "string");
        assert.ok(["string", "number"].includes(typeof environment.version));
        assert.ok(device === null || typeof device === "string");
        assert.ok(typeof config === "object" && config !== null && !Array.isArray(config));
        assert.equal(typeof found.value.metarlVersion, "string");
        if (provenance === undefined) return;
        const { sources, machine } = provenance;
        assert.ok(Object.values(sources).every((source) => typeof source === "string"));
        assert.doesNotThrow(() => machineChanges(machine, machine));
        assert.ok([machine.platform, machine.deno, machine.v8].every((x) => typeof x === "string"));
      }),
      effort(),
    );
  }));
