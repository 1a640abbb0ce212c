/** The pool against workers that die or hang; they speak the protocol but sample nothing. */
import assert from "node:assert/strict";
import { Divergence } from "../../src/trainer/divergence.ts";
import { SamplerPool } from "../../src/trainer/sampler_pool.ts";
import type { SamplerSetup } from "../../src/trainer/sampler_protocol.ts";
import type { JobDeadline } from "../../src/trainer/types.ts";

/**
 * A worker whose `onJob` sees `task` and `tries`, shared counters of how often each task was
 * started, and replies with `done(task)` unless it throws.
 */
function scriptedPool(onJob: string, workers: number, deadline?: JobDeadline) {
  const notices: string[] = [];
  const tries = new Int32Array(new SharedArrayBuffer(4 * 16));
  const script = `
    let tries, lease;
    const ms = { samplingMs: 0, envStepMs: 0, processingMs: 0, innerStepMs: 0 };
    const done = (task) => postMessage({ type: "done", report: { task, ...ms } });
    onmessage = async ({ data }) => {
      if (data.type === "setup") {
        tries = data.setup;
        lease = data.lease;
        return postMessage({ type: "ready" });
      }
      const { task } = data;
      Atomics.add(tries, task, 1);
      ${onJob}
      done(task);
    };`;
  const url = `data:application/javascript,${encodeURIComponent(script)}`;
  const pool = new SamplerPool(
    tries as unknown as SamplerSetup,
    workers,
    {
      notice: (line) => notices.push(line),
      createWorker: (name) => new Worker(url, { type: "module", name }),
      deadline,
    },
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

Deno.test("SamplerPool rejects with the first task that diverged, whichever came first", async () => {
  const { pool, tries } = scriptedPool(
    `if (task === 1 || task === 4) {
      if (task === 1) Atomics.wait(tries, 9, 0, 200);
      const found = { kind: 2, culprit: "inner", code: "not-finite", message: "task " + task };
      return postMessage({ type: "diverged", task, ...found });
    }`,
    2,
  );
  const done: number[] = [];
  await assert.rejects(pool.run(3, 6, (count) => done.push(count)), (error: unknown) => {
    assert.ok(error instanceof Divergence);
    assert.deepEqual([error.kind, error.culprit, error.code], [2, "inner", "not-finite"]);
    assert.equal(error.message, "task 1");
    return true;
  });
  assert.deepEqual(done, [1, 2, 3, 4, 5, 6], "the others are sampled all the same");
  assert.deepEqual([...tries.subarray(0, 6)], Array(6).fill(1), "once each");
  // and the pool is as good as before
  assert.equal((await pool.run(4, 1, () => {})).length, 1);
  pool.close();
});

/** Jobs of this file take a few milliseconds; workers start later on a busy machine. */
const SOON: JobDeadline = { timesMedian: 2, atLeastMs: 500, firstMs: 20_000 };

/** Hangs in the way of a worker that runs foreign code, until `tries[8]` is set. */
const HANG = "while (Atomics.load(tries, 8) === 0) Atomics.wait(tries, 8, 0, 20);";

Deno.test("SamplerPool gives the job of a worker that hangs to a new one", async () => {
  const { pool, tries, notices } = scriptedPool(
    `if (task === 3 && tries[3] === 1) { ${HANG} }`,
    2,
    SOON,
  );
  const reports = await pool.run(7, 6, () => {});
  assert.deepEqual(reports.map(({ task }) => task), [0, 1, 2, 3, 4, 5]);
  assert.equal(tries[3], 2);
  assert.equal(notices.length, 1);
  assert.match(
    notices[0],
    /^sampling worker \d hangs \(not done after 0\.\d+ s; half of the jobs took less than 0\.\d+ s\); iteration 7, task 3 is sampled again$/,
  );
  // the late answer of the worker that was given up reaches nobody
  Atomics.store(tries, 8, 1);
  assert.equal((await pool.run(8, 6, () => {})).length, 6);
  pool.close();
});

Deno.test("SamplerPool gives up after the same job has hung three times", async () => {
  const { pool, tries, notices } = scriptedPool(`if (task === 1) { ${HANG} }`, 2, SOON);
  await assert.rejects(
    pool.run(4, 3, () => {}),
    /^RunError: Sampling of iteration 4, task 1 failed 3 times, last with: not done after/,
  );
  assert.equal(tries[1], 3);
  assert.equal(notices.length, 2);
  Atomics.store(tries, 8, 1);
  pool.close();
});

Deno.test("SamplerPool waits longer for the first jobs, which it can't compare", async () => {
  const { pool, notices } = scriptedPool(
    "Atomics.wait(tries, 9, 0, 400);",
    2,
    { ...SOON, atLeastMs: 50, timesMedian: 5 },
  );
  await pool.run(0, 2, () => {});
  // now it knows that 400 ms are no sign of anything
  await pool.run(1, 2, () => {});
  assert.deepEqual(notices, []);
  pool.close();
});

Deno.test("SamplerPool takes no job away from a worker that writes results", async () => {
  const { pool, tries } = scriptedPool(
    `if (task === 1) { Atomics.store(lease, 0, 1); ${HANG} }`,
    2,
    SOON,
  );
  await assert.rejects(pool.run(4, 3, () => {}), /^RunError: Sampling worker \d hangs \(not done/);
  assert.equal(tries[1], 1);
  Atomics.store(tries, 8, 1);
  pool.close();
});

Deno.test("SamplerPool ends the run where a worker never gets ready", async () => {
  const silent = new SamplerPool({} as SamplerSetup, 1, {
    notice: () => {},
    createWorker: (name) => new Worker("data:application/javascript,", { type: "module", name }),
    deadline: { ...SOON, firstMs: 300 },
  });
  await assert.rejects(
    silent.run(0, 1, () => {}),
    /^RunError: Cannot start sampling worker 0: not ready after/,
  );
  silent.close();
});

Deno.test("SamplerPool hands the compiled MuJoCo to every worker", async () => {
  const module = new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]));
  const script = `onmessage = ({ data }) => {
    const isModule = data.mujoco instanceof WebAssembly.Module;
    postMessage(data.type === "setup"
      ? { type: "error", code: "x", message: isModule ? "got it" : "got none" }
      : {});
  };`;
  for (const mujoco of [Promise.resolve(module), null]) {
    const pool = new SamplerPool({} as SamplerSetup, 1, {
      notice: () => {},
      mujoco,
      createWorker: (name) =>
        new Worker(`data:application/javascript,${encodeURIComponent(script)}`, {
          type: "module",
          name,
        }),
    });
    await assert.rejects(
      pool.run(0, 1, () => {}),
      mujoco === null ? /^RunError: got none/ : /^RunError: got it/,
    );
    pool.close();
  }
  const failing = new SamplerPool({} as SamplerSetup, 1, {
    notice: () => {},
    mujoco: Promise.reject(new Error("no memory")),
    createWorker: (name) => new Worker("data:application/javascript,", { type: "module", name }),
  });
  await assert.rejects(
    failing.run(0, 1, () => {}),
    /^RunError: Cannot start sampling worker 0: no memory/,
  );
  failing.close();
});
