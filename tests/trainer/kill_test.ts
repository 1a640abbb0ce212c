/**
 * A real training process, killed with SIGKILL in the middle and resumed, against one that ran
 * through: checkpoints and result columns must have the same bytes.
 */
import assert from "node:assert/strict";
import { isTimeColumn, readProgress } from "../../src/run/log.ts";
import { inTemporaryFolder, metarl, metarlCommand } from "../cli/metarl_process.ts";
import { TINY } from "./tiny.ts";
import { testNeeding } from "../permissions.ts";

const test = testNeeding("read", "write", "run");

const ITERATIONS = 6;
const KILL_AFTER = 3;

function results(run: string): unknown[] {
  return readProgress(`${run}/progress.csv`).rows.map((row) =>
    Object.entries(row).filter(([name]) => !isTimeColumn(name))
  );
}

function rowCount(path: string): number {
  try {
    return readProgress(path).rows.length;
  } catch {
    return 0; // not created yet
  }
}

/** Starts the run and kills it once `rows` iterations are logged. */
async function runAndKill(args: string[], folder: string, progress: string, rows: number) {
  const process = metarlCommand(args, folder).spawn();
  // Read, since the program ends early when nobody listens.
  const output = process.output();
  let ended = false;
  output.then(() => ended = true);
  while (!ended && rowCount(progress) < rows) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  if (!ended) process.kill("SIGKILL");
  assert.equal((await output).signal, "SIGKILL", "it was killed in time");
}

for (const algorithm of ["mmaml", "promp"]) {
  test(`${algorithm}: 6 iterations equal 3, kill -9, and 3 more`, async () => {
    await inTemporaryFolder(async (folder) => {
      // Iterations of some tenths of a second: three of them leave time to kill the process.
      const config = {
        ...TINY,
        n_itr: ITERATIONS,
        save_steps: 1,
        meta_batch_size: 20,
        rollouts_per_meta_task: 20,
        max_path_length: 80,
        hidden_sizes: [32, 32],
      };
      await Deno.writeTextFile(`${folder}/config.json`, JSON.stringify(config));
      const start = (out: string) => [algorithm, "config.json", "--out", out];

      const whole = await metarl(start("whole"), folder);
      assert.equal(whole.code, 0, whole.stderr);
      await runAndKill(start("killed"), folder, `${folder}/killed/progress.csv`, KILL_AFTER);
      const resumed = await metarl([algorithm, "--resume", "killed"], folder);
      assert.equal(resumed.code, 0, resumed.stderr);

      assert.deepEqual(results(`${folder}/killed`), results(`${folder}/whole`));
      const last = `checkpoints/checkpoint-${String(ITERATIONS).padStart(6, "0")}.safetensors`;
      assert.deepEqual(
        await Deno.readFile(`${folder}/killed/${last}`),
        await Deno.readFile(`${folder}/whole/${last}`),
      );
    });
  });
}
