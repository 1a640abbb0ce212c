/**
 * Workers that sample: one job is one task of one iteration, and everything in a job depends on
 * (iteration, task) and the parameters alone. So it does not matter which worker takes a job, in
 * which order they end, or whether one ran twice: a job whose worker died is given to a new one.
 */
import { messageOf, RunError } from "../util/errors.ts";
import type { FromSampler, SamplerSetup, TaskReport, ToSampler } from "./sampler_protocol.ts";
import { samplerWorkerUrl } from "./worker_url.ts";

/** How often a job is tried before the run ends. */
const ATTEMPTS = 3;

interface Job {
  readonly iteration: number;
  readonly task: number;
  attempts: number;
}

interface Slot {
  worker: Worker;
  job: Job | null;
  ready: boolean;
}

/** One call of {@link SamplerPool.run}. */
interface Round {
  readonly queue: Job[];
  readonly reports: TaskReport[];
  open: number;
  readonly onTask: (done: number) => void;
  readonly resolve: (reports: TaskReport[]) => void;
  readonly reject: (error: Error) => void;
}

function samplerWorker(name: string): Worker {
  return new Worker(samplerWorkerUrl(), { type: "module", name });
}

/** A pool of sampling workers for the life of a run. */
export class SamplerPool {
  readonly #slots: Slot[] = [];
  readonly #setup: SamplerSetup;
  readonly #notice: (line: string) => void;
  readonly #createWorker: (name: string) => Worker;
  #round: Round | null = null;
  #fatal: Error | null = null;

  /**
   * Starts the workers; jobs may be given at once.
   * @param notice receives a line when a job had to be run again
   */
  constructor(
    setup: SamplerSetup,
    workers: number,
    notice: (line: string) => void,
    createWorker: (name: string) => Worker = samplerWorker,
  ) {
    this.#setup = setup;
    this.#notice = notice;
    this.#createWorker = createWorker;
    for (let index = 0; index < workers; index++) {
      this.#slots.push({ worker: this.#start(index), job: null, ready: false });
    }
  }

  /** Number of workers. */
  get size(): number {
    return this.#slots.length;
  }

  /**
   * Samples tasks 0 .. tasks-1 of an iteration into the shared memory of the setup.
   * @param onTask called with the number of tasks that are done
   * @returns what happened, by task
   * @throws RunError where a job failed for good
   */
  run(iteration: number, tasks: number, onTask: (done: number) => void): Promise<TaskReport[]> {
    if (this.#fatal !== null) return Promise.reject(this.#fatal);
    if (this.#round !== null) throw new Error("Cannot sample: the last round is not over");
    return new Promise((resolve, reject) => {
      this.#round = {
        queue: Array.from({ length: tasks }, (_, task) => ({ iteration, task, attempts: 0 })),
        reports: new Array(tasks),
        open: tasks,
        onTask,
        resolve,
        reject,
      };
      for (const slot of this.#slots) this.#feed(slot);
    });
  }

  /** Ends the workers. */
  close(): void {
    for (const { worker } of this.#slots) worker.terminate();
    this.#slots.length = 0;
  }

  #start(index: number): Worker {
    const worker = this.#createWorker(`sampler ${index}`);
    worker.onmessage = (event: MessageEvent<FromSampler>) => this.#receive(index, event.data);
    worker.onerror = (event) => {
      // Without this Deno ends the whole process when a worker dies.
      event.preventDefault();
      this.#died(index, event.message);
    };
    worker.postMessage({ type: "setup", setup: this.#setup } satisfies ToSampler);
    return worker;
  }

  #feed(slot: Slot): void {
    const job = this.#round?.queue[0];
    if (job === undefined || !slot.ready || slot.job !== null) return;
    this.#round!.queue.shift();
    job.attempts++;
    slot.job = job;
    const { iteration, task } = job;
    slot.worker.postMessage({ type: "job", iteration, task } satisfies ToSampler);
  }

  #receive(index: number, message: FromSampler): void {
    const slot = this.#slots[index];
    switch (message.type) {
      case "ready":
        slot.ready = true;
        return this.#feed(slot);
      case "done": {
        const round = this.#round!;
        slot.job = null;
        round.reports[message.report.task] = message.report;
        round.open--;
        round.onTask(round.reports.length - round.open);
        if (round.open === 0) {
          this.#round = null;
          return round.resolve(round.reports);
        }
        return this.#feed(slot);
      }
      case "error":
        // The worker caught it itself: the same job would fail the same way again.
        return this.#fail(new RunError(message.code, message.message));
      case "crash":
        return this.#died(index, message.message);
    }
  }

  #died(index: number, reason: string): void {
    const slot = this.#slots[index];
    const { job } = slot;
    slot.worker.terminate();
    if (this.#fatal !== null) return;
    if (job === null && !slot.ready) {
      return this.#fail(
        new RunError("worker-start", `Cannot start sampling worker ${index}: ${reason}`),
      );
    }
    if (job !== null) {
      const name = `iteration ${job.iteration}, task ${job.task}`;
      if (job.attempts >= ATTEMPTS) {
        return this.#fail(
          new RunError(
            "worker-job",
            `Sampling of ${name} failed ${ATTEMPTS} times, last with: ${reason}`,
          ),
        );
      }
      this.#notice(`sampling worker ${index} died (${reason}); ${name} is sampled again`);
      this.#round?.queue.unshift(job);
    }
    slot.job = null;
    slot.ready = false;
    slot.worker = this.#start(index);
  }

  #fail(error: Error): void {
    this.#fatal ??= error;
    const round = this.#round;
    this.#round = null;
    round?.reject(
      new RunError(
        error instanceof RunError ? error.code : "worker-job",
        messageOf(error),
      ),
    );
  }
}
