/**
 * One thread of the cpu device: gets the module and the shared memory once, then a message per
 * job (job.ts). Between jobs it waits for messages, so that it can be terminated at any time.
 */
import { runJob } from "./job.ts";
import type { PassFailure } from "./job.ts";
import { instantiateKernels, type KernelExports } from "./kernel_module.ts";

/** To the worker: first `setup`, then `run` for every job. */
export type WorkerRequest =
  | {
    readonly type: "setup";
    readonly module: WebAssembly.Module;
    readonly memory: WebAssembly.Memory;
    readonly thread: number;
  }
  | { readonly type: "run" };

/** From the worker: `ready` once; `failed` where a pass threw; `done` from a job's last thread. */
export type WorkerReply =
  | { readonly type: "ready" }
  | { readonly type: "failed"; readonly failure: PassFailure }
  | { readonly type: "done" };

/** The part of a worker's global scope that is used here. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<WorkerRequest>) => void) | null;
  postMessage(reply: WorkerReply): void;
}

const scope = self as unknown as WorkerScope;
let state: { exports: KernelExports; memory: WebAssembly.Memory; thread: number } | null = null;

scope.onmessage = ({ data }) => {
  if (data.type === "setup") {
    const { module, memory, thread } = data;
    state = { exports: instantiateKernels(module, memory), memory, thread };
    scope.postMessage({ type: "ready" });
    return;
  }
  const { exports, memory, thread } = state!;
  // the memory may have grown since the last job
  const { last, failure } = runJob(new Int32Array(memory.buffer), exports, thread);
  if (failure !== null) scope.postMessage({ type: "failed", failure });
  if (last) scope.postMessage({ type: "done" });
};
