import assert from "node:assert/strict";
import { createTrajectoryBatch } from "../../src/rollout/trajectory_batch.ts";
import { Sampler } from "../../src/rollout/sampler.ts";
import { JobLease, JobTaken } from "../../src/trainer/job_lease.ts";
import { FakeEnv } from "../rollout/fake_env.ts";

Deno.test("JobLease.take() waits until nothing is written, and is for good", () => {
  const worker = JobLease.create();
  const pool = new JobLease(worker.state);
  worker.leave();
  assert.equal(pool.take(), false);
  worker.enter();
  assert.equal(pool.take(), true);
  assert.throws(() => worker.leave(), JobTaken);
  assert.equal(pool.take(), false, "twice");
});

/** An environment whose step or reset number `at`, counted from 1, does something else first. */
class InterruptedEnv extends FakeEnv {
  #calls = 0;

  constructor(readonly call: "reset" | "step", readonly at: number, readonly act: () => void) {
    super();
  }

  #count(call: "reset" | "step"): void {
    if (call === this.call && ++this.#calls === this.at) this.act();
  }

  override reset(random: Parameters<FakeEnv["reset"]>[0]): void {
    this.#count("reset");
    super.reset(random);
  }

  override step(action: Float64Array): void {
    this.#count("step");
    super.step(action);
  }
}

for (const [call, at] of [["reset", 1], ["step", 1], ["step", 4]] as const) {
  Deno.test(`a job that is taken away in ${call} ${at} leaves what others write alone`, () => {
    const lease = JobLease.create();
    const batch = createTrajectoryBatch({
      rollouts: 3,
      maxSteps: 6,
      obsDim: 2,
      actDim: 1,
      rewardParts: 2,
    });
    const arrays = Object.values(batch).filter((value) => ArrayBuffer.isView(value)) as (
      & ArrayBufferView
      & { fill(value: number): void }
    )[];
    assert.ok(arrays.length >= 10);
    // The pool takes the job, and its new owner writes 7 everywhere.
    const env = new InterruptedEnv(call, at, () => {
      assert.ok(lease.take());
      for (const array of arrays) array.fill(7);
    });
    const sampler = new Sampler([new FakeEnv(), env, new FakeEnv()], 1);
    const sample = () =>
      sampler.sample({
        iteration: 0,
        task: 0,
        round: 0,
        taskRow: [1],
        policy: { obs: new Float32Array(6), mean: new Float32Array(3), forward() {} },
        logStd: [0],
        batch,
        outside: lease,
      });
    lease.leave();
    assert.throws(sample, JobTaken);
    const sevens = arrays.map((array) => {
      const copy = structuredClone(array);
      copy.fill(7);
      return copy;
    });
    assert.deepEqual(arrays, sevens);
  });
}
