import assert from "node:assert/strict";
import { dryRun, roughDuration } from "../../src/cli/dry_run.ts";
import { VERSION } from "../../src/cli/version.ts";
import type { TrainRequest } from "../../src/trainer/types.ts";
import { lacks } from "../permissions.ts";
import { fakeTrainer } from "./fake_trainer.ts";
import { MemoryOutput } from "./memory_output.ts";
import { inTemporaryFolder, metarl, namesIn } from "./metarl_process.ts";

const NEEDS_PROCESSES = lacks("read", "write", "run");

Deno.test("roughDuration() is as exact as a forecast", () => {
  const cases: [number, string][] = [
    [0.2, "1 s"],
    [99, "99 s"],
    [100, "2 min"],
    [1980, "33 min"],
    [7500, "2 h 5 min"],
  ];
  for (const [value, expected] of cases) assert.equal(roughDuration(value), expected);
});

Deno.test("dryRun() measures the second iteration and multiplies", async () => {
  const requests: TrainRequest[] = [];
  const output = new MemoryOutput();
  const iterations: number[] = [];
  const trainer = fakeTrainer({ requests, beforeIteration: (i) => void iterations.push(i) });
  const options = { iterations: "400", workers: "2", set: ["meta_batch_size=4"] };
  await dryRun("promp", undefined, options, output, trainer);
  assert.deepEqual(iterations, [-1, 0, 1]);
  assert.equal(requests[0].config.iterations, 400, "the whole configuration is measured");
  // the fake takes 0.5 s and 24000 steps per iteration, 0.5 s per phase
  assert.equal(
    output.lines[0],
    `metarl ${VERSION}: promp on MetaPointEnvMomentumModes, seed 1, 400 iterations, 2 workers, ` +
      "dry run",
  );
  assert.equal(
    output.lines[1],
    "one iteration: 0.5 s, 48k steps/s; sampling 0.5 s, of that environment 0.5 s, sample " +
      "processing 0.5 s, inner steps 0.5 s, outer steps 0.5 s",
  );
  assert.equal(output.lines[2], "expected: 400 iterations in 3 min, 9.6M environment steps");
  // 3 rounds x 4 tasks x 20 rollouts x 100 steps x at least 15 numbers: 1.4 MB
  assert.match(output.lines[3], /^memory: \d+ MiB resident, of which trajectories take [1-3] MiB$/);
});

Deno.test({
  name: "metarl --dry-run prints a forecast and leaves nothing behind",
  ignore: NEEDS_PROCESSES,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      const sizes = ["meta_batch_size=2", "rollouts_per_meta_task=2", "max_path_length=5"];
      const args = ["promp", "--dry-run", "--device", "cpu", "--out", "run", "--iterations", "50"];
      for (const size of sizes) args.push("--set", size);
      const text = await metarl(args, folder);
      assert.equal(text.code, 0, text.stderr);
      assert.match(text.stdout, /^expected: 50 iterations in \d+ s, 3k environment steps$/m);

      const json = await metarl([...args, "--json"], folder);
      const forecast = JSON.parse(json.stdout);
      assert.equal(forecast.type, "dry-run");
      assert.equal(forecast.environmentStepsPerIteration, 3 * 2 * 2 * 5);
      assert.equal(forecast.expectedSeconds, 50 * forecast.secondsPerIteration);
      assert.ok(forecast.residentBytes > 20e6 && forecast.trajectoryBytes > 0);
      assert.match(forecast.device, /^cpu/);

      const refused = await metarl(["promp", "--dry-run", "--resume", "run"], folder);
      assert.deepEqual([refused.code, refused.stderr], [
        2,
        "error: --dry-run can't be combined with --resume [usage]\n",
      ]);
      assert.deepEqual(namesIn(folder), []);
    }),
});
