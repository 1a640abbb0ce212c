/** The pool against workers that die; they speak the protocol but sample nothing. */
import assert from "node:assert/strict";
import { SamplerPool } from "../../src/trainer/sampler_pool.ts";
import type { SamplerSetup } from "../../src/trainer/sampler_protocol.ts";

/**
 * A worker whose `onJob` sees `task` and `tries`, shared counters of how often each task was
 * started, and replies with `done(task)` unless it throws.
 */
function scriptedPool(onJob: string, workers: number) {
  const notices: string[] = [];
  const tries = new Int32Array(new SharedArrayBuffer(4 * 16));
  const script = `
    let tries;
    const ms = { samplingMs: 0, envStepMs: 0, processingMs: 0, innerStepMs: 0 };
    const done = (task) => postMessage({ type: "done", report: { task, ...ms } });
    onmessage = async ({ data }) => {
      if (data.type === "setup") { tries = data.setup; return postMessage({ type: "ready" }); }
      const { task } = data;
      Atomics.add(tries, task, 1);
      ${onJob}
      done(task);
    };`;
  const url = `data:application/javascript,${encodeURIComponent(script)}`;
  const pool = new SamplerPool(
    tries as unknown as SamplerSetup,
    workers,
    (line) => notices.push(line),
    (name) => new Worker(url, { type: "module", name }),
  );
  return { pool, tries, notices };
}

Deno.test("SamplerPool gives every task to one worker and reports by task", async () => {
  const { pool, tries, notices } = scriptedPool("", 3);
  const progress: number[] = [];
  const reports = await pool.run(0, 10, (done) => progress.push(done));
  assert.deepEqual(reports.map(({ task }) => task), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.deepEqual(progress, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  assert.deepEqual([...tries.subarray(0, 10)], Array(10).fill(1));
  assert.deepEqual(notices, []);
  await pool.run(1, 2, () => {});
  assert.deepEqual([...tries.subarray(0, 3)], [2, 2, 1]);
  pool.close();
});

Deno.test("SamplerPool gives the job of a dead worker to a new one", async () => {
  const { pool, tries, notices } = scriptedPool(
    `if (task === 3 && tries[3] === 1) throw new Error("trap");`,
    2,
  );
  const reports = await pool.run(7, 6, () => {});
  assert.equal(reports.length, 6);
  assert.equal(tries[3], 2);
  assert.equal(notices.length, 1);
  assert.match(notices[0], /died \(.*trap.*\); iteration 7, task 3 is sampled again/);
  pool.close();
});

Deno.test("SamplerPool gives up after three deaths of the same job", async () => {
  const { pool, tries } = scriptedPool(
    `if (task === 1) return postMessage({ type: "crash", message: "always" });`,
    2,
  );
  await assert.rejects(
    pool.run(4, 3, () => {}),
    /Sampling of iteration 4, task 1 failed 3 times, last with: .*always/,
  );
  assert.equal(tries[1], 3);
  pool.close();
});

Deno.test("SamplerPool passes on an error that the worker reports, without another try", async () => {
  const { pool, tries } = scriptedPool(
    `if (task === 1) return postMessage({ type: "error", code: "x", message: "bad reward" });`,
    1,
  );
  await assert.rejects(pool.run(0, 3, () => {}), /^RunError: bad reward/);
  assert.equal(tries[1], 1);
  pool.close();
});
