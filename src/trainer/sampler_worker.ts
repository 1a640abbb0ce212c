/** Entry point of a sampling worker: takes jobs by message, one at a time. */
import { shareMujocoBinary } from "../envs/mujoco/runtime.ts";
import { messageOf, RunError, UserError } from "../util/errors.ts";
import { Divergence } from "./divergence.ts";
import { JobLease } from "./job_lease.ts";
import type { FromSampler, ToSampler } from "./sampler_protocol.ts";
import { TaskRunner } from "./task_runner.ts";

const scope = self as unknown as {
  onmessage: (event: MessageEvent<ToSampler>) => void;
  postMessage(message: FromSampler): void;
};

let runner: TaskRunner | null = null;
let lease: JobLease | null = null;

/**
 * A failure that metarl itself found, or a permission that is missing, would come back in any
 * worker. Any other error (a trap in WASM, memory that ran out) may be this worker's own: the job
 * is given to a new one.
 */
function report(error: unknown): void {
  const message = messageOf(error);
  if (error instanceof Deno.errors.NotCapable) {
    scope.postMessage({
      type: "error",
      code: "permission",
      message: `The environment: ${message}`,
    });
    return;
  }
  const known = error instanceof RunError || error instanceof UserError;
  scope.postMessage(
    known ? { type: "error", code: error.code, message } : { type: "crash", message },
  );
}

/**
 * A worker that ends itself just falls silent: Deno tells its parent by no message and no event,
 * and the parent would wait for ever. So whatever would end it is made an error, which is reported.
 */
function refuseToEnd(): void {
  const refuse = (call: string) => (): never => {
    throw new Error(`${call}() was called`);
  };
  Object.assign(Deno, { exit: refuse("Deno.exit") });
  Object.assign(self, { close: refuse("close") });
}

function runJob(iteration: number, task: number, lease: JobLease): FromSampler {
  try {
    return { type: "done", report: runner!.run(iteration, task, lease) };
  } catch (error) {
    if (!(error instanceof Divergence)) throw error;
    const { kind, culprit, code, message } = error;
    return { type: "diverged", task, kind, culprit, code, message };
  }
}

refuseToEnd();

// what an environment started and nobody waits for
self.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  report(event.reason);
});

scope.onmessage = async ({ data }) => {
  try {
    if (data.type === "setup") {
      if (data.mujoco !== null) shareMujocoBinary(data.mujoco);
      lease = new JobLease(data.lease);
      runner = await TaskRunner.create(data.setup);
      scope.postMessage({ type: "ready" });
    } else {
      lease!.leave();
      const answer = runJob(data.iteration, data.task, lease!);
      lease!.enter();
      scope.postMessage(answer);
    }
  } catch (error) {
    report(error);
  }
};
