/** One worker of bench/jobs.ts: runs jobs as a sampling worker does, and looks at the clock. */
import { loadMujoco, shareMujocoBinary } from "../src/envs/mujoco/runtime.ts";
import { sampleCount, viewTrajectoryBatch } from "../src/rollout/trajectory_batch.ts";
import type { SamplerSetup } from "../src/trainer/sampler_protocol.ts";
import { TaskRunner } from "../src/trainer/task_runner.ts";

/** What the main thread asks for. */
export type ToJobWorker =
  | { readonly type: "open"; readonly setup: SamplerSetup; readonly mujoco: WebAssembly.Module }
  /** Jobs, one after the other; `timed`: with the clock around each mj_step. */
  | { readonly type: "run"; readonly tasks: readonly number[]; readonly timed: boolean };

/** What it gets: sums over the jobs. */
export interface JobTimes {
  readonly steps: number;
  readonly ms: number;
  readonly mjStepMs: number;
  readonly envStepMs: number;
  readonly innerStepMs: number;
}

const scope = self as unknown as {
  onmessage: (event: MessageEvent<ToJobWorker>) => void;
  postMessage(message: JobTimes): void;
};

let setup: SamplerSetup;
let runner: TaskRunner;

function steps(task: number): number {
  const { sizes, trajectories } = setup.memory;
  return trajectories.reduce(
    (sum, tasks) => sum + sampleCount(viewTrajectoryBatch(sizes, tasks[task])),
    0,
  );
}

scope.onmessage = async ({ data }) => {
  const times = { steps: 0, ms: 0, mjStepMs: 0, envStepMs: 0, innerStepMs: 0 };
  if (data.type === "open") {
    shareMujocoBinary(data.mujoco);
    setup = data.setup;
    runner = await TaskRunner.create(setup);
    scope.postMessage(times);
    return;
  }
  const mujoco = await loadMujoco();
  const step = mujoco.mj_step;
  if (data.timed) {
    mujoco.mj_step = (model, state) => {
      const start = performance.now();
      step(model, state);
      times.mjStepMs += performance.now() - start;
    };
  }
  for (const task of data.tasks) {
    const start = performance.now();
    const report = runner.run(0, task);
    times.ms += performance.now() - start;
    times.steps += steps(task);
    times.envStepMs += report.envStepMs;
    times.innerStepMs += report.innerStepMs;
  }
  mujoco.mj_step = step;
  scope.postMessage(times);
};
