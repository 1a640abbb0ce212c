/**
 * Workers that sample: one job is one task of one iteration, and everything in a job depends on
 * (iteration, task) and the parameters alone. So it does not matter which worker takes a job, in
 * which order they end, or whether one ran twice: a job whose worker died or hangs is given to a new
 * one.
 */
import { messageOf, RunError } from "../util/errors.ts";
import { Divergence } from "./divergence.ts";
import { JobLease } from "./job_lease.ts";
import type { FromSampler, SamplerSetup, TaskReport, ToSampler } from "./sampler_protocol.ts";
import { JOB_DEADLINE, type JobDeadline } from "./types.ts";
import { samplerWorkerUrl } from "./worker_url.ts";

/** How often a job is tried before the run ends. */
const ATTEMPTS = 3;

/** Of so many jobs the durations are kept. */
const KEPT_DURATIONS = 99;

/** Looks for jobs that hang: so often within the least time that a job may take... */
const LOOKS = 20;
/** ...but not more rarely than this, in ms. */
const LONGEST_PAUSE_MS = 1000;

interface Job {
  readonly iteration: number;
  readonly task: number;
  attempts: number;
}

interface Slot {
  worker: Worker;
  lease: JobLease;
  job: Job | null;
  ready: boolean;
  /** When the job was given. */
  since: number;
  /** How long the worker has been at it, or starting; time of a stopped process left out. In ms. */
  age: number;
}

/** What a pool may be given beside its setup. */
export interface SamplerPoolOptions {
  /** Receives a line when a job had to be run again. */
  readonly notice: (line: string) => void;
  /** MuJoCo, being compiled, for environments that run on it. */
  readonly mujoco?: Promise<WebAssembly.Module> | null;
  /** When a job counts as one that never ends. */
  readonly deadline?: JobDeadline;
  readonly createWorker?: (name: string) => Worker;
}

/** One call of {@link SamplerPool.run}. */
interface Round {
  readonly queue: Job[];
  readonly reports: TaskReport[];
  /** By task. */
  readonly diverged: Map<number, Divergence>;
  open: number;
  readonly onTask: (done: number) => void;
  readonly resolve: (reports: TaskReport[]) => void;
  readonly reject: (error: Error) => void;
}

function samplerWorker(name: string): Worker {
  return new Worker(samplerWorkerUrl(), { type: "module", name });
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}

function inSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 0)} s`;
}

/** A pool of sampling workers for the life of a run. */
export class SamplerPool {
  readonly #slots: Slot[] = [];
  readonly #setup: SamplerSetup;
  readonly #notice: (line: string) => void;
  readonly #mujoco: Promise<WebAssembly.Module | null>;
  readonly #deadline: JobDeadline;
  readonly #createWorker: (name: string) => Worker;
  /** Of the last jobs, in ms. */
  readonly #durations: number[] = [];
  #watch: ReturnType<typeof setInterval> | undefined;
  #looked = 0;
  #round: Round | null = null;
  #fatal: Error | null = null;

  /** Starts the workers; jobs may be given at once. */
  constructor(setup: SamplerSetup, workers: number, options: SamplerPoolOptions) {
    this.#setup = setup;
    this.#notice = options.notice;
    this.#mujoco = Promise.resolve(options.mujoco ?? null);
    this.#deadline = options.deadline ?? JOB_DEADLINE;
    this.#createWorker = options.createWorker ?? samplerWorker;
    for (let index = 0; index < workers; index++) this.#slots.push(this.#start(index));
  }

  /** Number of workers. */
  get size(): number {
    return this.#slots.length;
  }

  /**
   * Samples tasks 0 .. tasks-1 of an iteration into the shared memory of the setup.
   * @param onTask called with the number of tasks that are done
   * @returns what happened, by task
   * @throws Divergence of the first task that diverged, once all jobs are done: whichever worker
   * is the fastest, it is the same one, and the pool can be used again
   * @throws RunError where a job failed for good
   */
  run(iteration: number, tasks: number, onTask: (done: number) => void): Promise<TaskReport[]> {
    if (this.#fatal !== null) return Promise.reject(this.#fatal);
    if (this.#round !== null) throw new Error("Cannot sample: the last round is not over");
    return new Promise((resolve, reject) => {
      this.#round = {
        queue: Array.from({ length: tasks }, (_, task) => ({ iteration, task, attempts: 0 })),
        reports: new Array(tasks),
        diverged: new Map(),
        open: tasks,
        onTask,
        resolve,
        reject,
      };
      for (const slot of this.#slots) this.#feed(slot);
      this.#startWatch();
    });
  }

  /** Ends the workers. */
  close(): void {
    clearInterval(this.#watch);
    for (const { worker } of this.#slots) worker.terminate();
    this.#slots.length = 0;
  }

  #start(index: number): Slot {
    const worker = this.#createWorker(`sampler ${index}`);
    const lease = JobLease.create();
    const isCurrent = () => this.#slots[index]?.worker === worker;
    worker.onmessage = (event: MessageEvent<FromSampler>) => {
      if (isCurrent()) this.#receive(index, event.data);
    };
    worker.onerror = (event) => {
      // Without this Deno ends the whole process when a worker dies.
      event.preventDefault();
      if (isCurrent()) this.#replace(index, "died", event.message);
    };
    // The worker's own modules load while MuJoCo is compiled.
    this.#mujoco.then((mujoco) => {
      if (!isCurrent()) return;
      const { state } = lease;
      worker.postMessage(
        { type: "setup", setup: this.#setup, mujoco, lease: state } satisfies ToSampler,
      );
    }).catch((error) => {
      this.#fail(
        new RunError("worker-start", `Cannot start sampling worker ${index}: ${messageOf(error)}`),
      );
    });
    return { worker, lease, job: null, ready: false, since: 0, age: 0 };
  }

  #feed(slot: Slot): void {
    const job = this.#round?.queue[0];
    if (job === undefined || !slot.ready || slot.job !== null) return;
    this.#round!.queue.shift();
    job.attempts++;
    slot.job = job;
    slot.since = performance.now();
    slot.age = 0;
    const { iteration, task } = job;
    slot.worker.postMessage({ type: "job", iteration, task } satisfies ToSampler);
  }

  #receive(index: number, message: FromSampler): void {
    const slot = this.#slots[index];
    switch (message.type) {
      case "ready":
        slot.ready = true;
        return this.#feed(slot);
      case "done":
        this.#round!.reports[message.report.task] = message.report;
        return this.#endJob(slot);
      case "diverged": {
        const { task, kind, culprit, code, message: text } = message;
        this.#round!.diverged.set(task, new Divergence(kind, culprit, code, text));
        return this.#endJob(slot);
      }
      case "error":
        // The worker caught it itself: the same job would fail the same way again.
        return this.#fail(new RunError(message.code, message.message));
      case "crash":
        return this.#replace(index, "died", message.message);
    }
  }

  /** The slot's job has come to an end; the next one is given, or the round is over. */
  #endJob(slot: Slot): void {
    const round = this.#round!;
    slot.job = null;
    this.#durations.push(performance.now() - slot.since);
    if (this.#durations.length > KEPT_DURATIONS) this.#durations.shift();
    round.open--;
    round.onTask(round.reports.length - round.open);
    if (round.open > 0) return this.#feed(slot);
    this.#endRound();
    if (round.diverged.size === 0) return round.resolve(round.reports);
    round.reject(round.diverged.get(Math.min(...round.diverged.keys()))!);
  }

  /** Runs as long as a round does. */
  #startWatch(): void {
    const pause = Math.min(this.#deadline.atLeastMs / LOOKS, LONGEST_PAUSE_MS);
    this.#looked = performance.now();
    this.#watch = setInterval(() => this.#look(pause), pause);
  }

  /** Replaces the workers that hang. */
  #look(pause: number): void {
    const now = performance.now();
    // More has gone by where the whole process was stopped, its workers too.
    const passed = Math.min(now - this.#looked, 2 * pause);
    this.#looked = now;
    for (let index = 0; index < this.#slots.length; index++) {
      const slot = this.#slots[index];
      if (slot.job === null && slot.ready) continue;
      slot.age += passed;
      const usual = this.#durations.length === 0 ? null : median(this.#durations);
      const { firstMs, atLeastMs, timesMedian } = this.#deadline;
      const limit = slot.job === null || usual === null
        ? firstMs
        : Math.max(atLeastMs, timesMedian * usual);
      if (slot.age <= limit) continue;
      const reason = (slot.job === null ? "not ready" : "not done") +
        ` after ${inSeconds(slot.age)}` +
        (usual === null ? "" : `; half of the jobs took less than ${inSeconds(usual)}`);
      if (slot.lease.take()) {
        this.#replace(index, "hangs", reason);
      } else if (slot.age > 2 * limit) {
        // Hangs in our code, or in a getter of the environment: nothing is sure any more.
        this.#fail(new RunError("worker-job", `Sampling worker ${index} hangs (${reason})`));
      }
    }
  }

  #endRound(): void {
    clearInterval(this.#watch);
    this.#round = null;
  }

  /** Gives the work of a worker that can't go on to a new one. */
  #replace(index: number, how: "died" | "hangs", reason: string): void {
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
      this.#notice(`sampling worker ${index} ${how} (${reason}); ${name} is sampled again`);
      this.#round?.queue.unshift(job);
    }
    this.#slots[index] = this.#start(index);
  }

  #fail(error: Error): void {
    this.#fatal ??= error;
    const round = this.#round;
    this.#endRound();
    round?.reject(
      new RunError(
        error instanceof RunError ? error.code : "worker-job",
        messageOf(error),
      ),
    );
  }
}
