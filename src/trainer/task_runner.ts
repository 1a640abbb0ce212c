/**
 * One job: a task of an iteration, from the first rollout to the last. Samples with the shared
 * parameters, adapts, samples again, K times over, without waiting for other tasks. Runs in a
 * sampling worker, on that worker's own simulators and kernels.
 *
 * Axis letters: E rollouts, T steps, O observation, A action, I encoder input, K inner steps.
 */
import type { MetaObjectiveSpec } from "../algos/meta_objective.ts";
import { CpuInstance } from "../compute/cpu/cpu_instance.ts";
import type { Tensor } from "../compute/device.ts";
import { policyLayout } from "../compute/layout.ts";
import type { Env } from "../envs/env.ts";
import { liveHandles, mujocoBytes } from "../envs/mujoco/runtime.ts";
import { loadEnv } from "../envs/registry.ts";
import { SampleProcessor } from "../rollout/processor.ts";
import { type OutsideCalls, type SampleJob, Sampler } from "../rollout/sampler.ts";
import {
  nonFiniteCount,
  sampleCount,
  type TrajectoryBatch,
  viewTrajectoryBatch,
} from "../rollout/trajectory_batch.ts";
import { RunError } from "../util/errors.ts";
import { Divergence, DivergenceKind } from "./divergence.ts";
import type { MetaBatchMemory } from "./meta_batch.ts";
import type { SamplerSetup, TaskReport } from "./sampler_protocol.ts";
import { envOptions, objectiveSpec } from "./specs.ts";
import { TaskEncoder } from "./task_encoder.ts";

/**
 * Length of a rollout in the published code: `len()` of the dictionary that holds one, which has
 * five keys (docs/algorithms.md, "Task encoder").
 */
const PUBLISHED_PATH_LENGTH = 5;

/** Kernels of one task with the tensors they work on, prepared once. */
class TaskKernels {
  readonly #cpu = new CpuInstance();
  readonly #spec: MetaObjectiveSpec;
  readonly #params: Tensor;
  readonly #samples: Readonly<Record<"obs" | "actions" | "advantages" | "mean" | "logStd", Tensor>>;
  readonly #offsets: Tensor;
  readonly #rowObs: Tensor;
  readonly #rowMean: Tensor;
  readonly #encoder: TaskEncoder | null;
  readonly #forward: Readonly<Record<"plain" | "modulated", () => void>>;
  readonly #innerGradient: Readonly<Record<"first" | "plain" | "modulated", () => void>>;
  readonly #gradParams: Tensor;
  /** [1, 2] loss and KL of the last inner step */
  readonly #stats: Tensor;
  #innerLr = NaN;
  #sgdStep = () => {};

  constructor(spec: MetaObjectiveSpec) {
    this.#spec = spec;
    const cpu = this.#cpu;
    const { policy, encoder, slots: rollouts, sequenceLength: steps } = spec;
    const capacity = rollouts * steps;
    const paramCount = policyLayout(policy).size;
    this.#params = cpu.tensor("task params", [1, paramCount]);
    this.#samples = {
      obs: cpu.tensor("obs", [capacity, policy.obsDim]),
      actions: cpu.tensor("actions", [capacity, policy.actDim]),
      advantages: cpu.tensor("advantages", [capacity]),
      mean: cpu.tensor("old mean", [capacity, policy.actDim]),
      logStd: cpu.tensor("old log std", [capacity, policy.actDim]),
    };
    this.#offsets = cpu.tensor("offsets", [2], "u32");
    this.#rowObs = cpu.tensor("row obs", [rollouts, policy.obsDim]);
    this.#rowMean = cpu.tensor("row mean", [rollouts, policy.actDim]);
    const rowOffsets = cpu.tensor("row offsets", [2], "u32");
    cpu.view(rowOffsets).set([0, rollouts]);
    this.#gradParams = cpu.tensor("inner gradient", [1, paramCount]);
    this.#stats = cpu.tensor("stats", [1, 2]);
    this.#encoder = encoder === null ? null : new TaskEncoder(cpu, encoder, rollouts, steps);
    const modulation = this.#encoder?.modulation ?? null;
    const forward = (modulation: Tensor | null) =>
      cpu.prepare({
        kernel: "policy_forward",
        spec: policy,
        params: this.#params,
        modulation,
        obs: this.#rowObs,
        offsets: rowOffsets,
        maxSamplesPerTask: rollouts,
        mean: this.#rowMean,
      });
    const innerGradient = (modulation: Tensor | null, minLogStd: number | null) =>
      cpu.prepare({
        kernel: "surrogate_gradient",
        spec: policy,
        params: this.#params,
        modulation,
        samples: {
          obs: this.#samples.obs,
          actions: this.#samples.actions,
          advantages: this.#samples.advantages,
          oldMean: this.#samples.mean,
          oldLogStd: this.#samples.logStd,
          offsets: this.#offsets,
          maxSamplesPerTask: capacity,
        },
        clipEps: null,
        minLogStd,
        gradParams: this.#gradParams,
        gradModulation: null,
        stats: this.#stats,
      });
    this.#forward = { plain: forward(null), modulated: forward(modulation) };
    this.#innerGradient = {
      first: innerGradient(null, spec.minLogStd),
      plain: innerGradient(null, null),
      modulated: innerGradient(modulation, null),
    };
  }

  /** Starts from the shared parameters. */
  load(memory: MetaBatchMemory): void {
    this.#cpu.view(this.#params).set(memory.policy);
    this.#encoder?.load(memory.encoder!);
    const [lr] = memory.innerLr;
    if (lr === this.#innerLr) return;
    this.#innerLr = lr;
    this.#sgdStep = this.#cpu.prepare({
      kernel: "sgd_step",
      params: this.#params,
      grad: this.#gradParams,
      lr,
      out: this.#params,
    });
  }

  /** [A] log standard deviation of the current parameters */
  get logStd(): Float32Array {
    const params = this.#cpu.view(this.#params) as Float32Array;
    return params.subarray(params.length - this.#spec.policy.actDim);
  }

  /** The policy in round k: modulated from the second round on, where there is an encoder. */
  policy(k: number) {
    return {
      obs: this.#cpu.view(this.#rowObs) as Float32Array,
      mean: this.#cpu.view(this.#rowMean) as Float32Array,
      forward: k > 0 && this.#spec.encoder !== null ? this.#forward.modulated : this.#forward.plain,
    };
  }

  /** Computes the modulation from the encoder's input [E, T, I]; gives the embedding [C]. */
  encode(sequences: Float32Array): Float32Array {
    return this.#encoder!.encode(sequences);
  }

  /** One inner step on the samples of round k. */
  adapt(batch: TrajectoryBatch, k: number): void {
    const count = sampleCount(batch);
    const { obsDim, actDim } = this.#spec.policy;
    const widths = { obs: obsDim, actions: actDim, advantages: 1, mean: actDim, logStd: actDim };
    for (const [name, width] of Object.entries(widths) as [keyof typeof widths, number][]) {
      this.#cpu.view(this.#samples[name]).set(batch[name].subarray(0, count * width));
    }
    this.#cpu.view(this.#offsets).set([0, count]);
    if (k === 0) this.#innerGradient.first();
    else if (this.#spec.encoder !== null) this.#innerGradient.modulated();
    else this.#innerGradient.plain();
    this.#sgdStep();
  }

  /** What the last inner step made that is not finite, and its kernel; `null`: nothing. */
  notFinite(): string | null {
    const [loss, kl] = this.#cpu.view(this.#stats);
    if (!Number.isFinite(loss)) return `the loss is ${loss} (kernel surrogate_gradient)`;
    if (!Number.isFinite(kl)) return `the KL is ${kl} (kernel surrogate_gradient)`;
    const params = this.#cpu.view(this.#params);
    const at = params.findIndex((value) => !Number.isFinite(value));
    if (at < 0) return null;
    const { name } = policyLayout(this.#spec.policy).entries
      .find(({ offset, size }) => at < offset + size)!;
    return `parameter policy.${name} is ${params[at]} (kernel sgd_step)`;
  }
}

/** Runs jobs in one thread. */
export class TaskRunner {
  readonly #setup: SamplerSetup;
  readonly #spec: MetaObjectiveSpec;
  readonly #envs: readonly Env[];
  readonly #sampler: Sampler;
  readonly #processor: SampleProcessor;
  readonly #kernels: TaskKernels;

  private constructor(setup: SamplerSetup, spec: MetaObjectiveSpec, envs: readonly Env[]) {
    const { config } = setup;
    this.#setup = setup;
    this.#spec = spec;
    this.#envs = envs;
    this.#sampler = new Sampler(envs, config.seed);
    this.#processor = new SampleProcessor(
      spec.slots * spec.sequenceLength,
      spec.policy.obsDim,
      {
        discount: config.discount,
        gaeLambda: config.gaeLambda,
        baseline: config.baseline,
        normalizeAdv: config.normalizeAdvantages,
        positiveAdv: config.positiveAdvantages,
      },
    );
    this.#kernels = new TaskKernels(spec);
  }

  /**
   * Loads the simulators and the kernels.
   * @throws RunError `env-changed` where the environment is not the learner's any more
   */
  static async create(setup: SamplerSetup): Promise<TaskRunner> {
    const { config, algorithm } = setup;
    const tables = (await loadEnv(config.env)).spec;
    const factory = await loadEnv(config.env, envOptions(config, tables));
    if (factory.spec.version !== setup.envVersion) {
      throw new RunError(
        "env-changed",
        `The files of ${factory.spec.name} were changed while the run goes on (${setup.envVersion}, ` +
          `now ${factory.spec.version}); put them back and resume`,
      );
    }
    const envs: Env[] = [];
    for (let e = 0; e < config.rolloutsPerTask; e++) envs.push(await factory.createInstance());
    return new TaskRunner(setup, objectiveSpec(config, algorithm, factory.spec), envs);
  }

  /**
   * Samples and adapts task `task`; the results are in the shared memory.
   * @throws Divergence where a number of this task is not finite; of the environment's, where more
   * than `max_cut_rollouts` rollouts of a round had to be cut, or all of them
   * @param outside told around the environments' code
   * @param slot index in the memory, where that is not the task's number
   */
  run(iteration: number, task: number, outside?: OutsideCalls, slot = task): TaskReport {
    const { memory } = this.#setup;
    const kernels = this.#kernels;
    const taskDim = memory.tasks.length / memory.trajectories[0].length;
    const taskRow = memory.tasks.subarray(slot * taskDim, (slot + 1) * taskDim);
    const ms = { samplingMs: 0, envStepMs: 0, processingMs: 0, innerStepMs: 0 };
    const timed = (phase: keyof typeof ms, work: () => void) => {
      const start = performance.now();
      work();
      ms[phase] += performance.now() - start;
    };
    kernels.load(memory);
    let firstCut: string | null = null;
    for (let k = 0; k <= this.#spec.innerSteps; k++) {
      const batch = viewTrajectoryBatch(memory.sizes, memory.trajectories[k][slot]);
      const logStd = kernels.logStd;
      timed("samplingMs", () => {
        ms.envStepMs += this.#sample({
          iteration,
          task,
          round: k,
          taskRow,
          policy: kernels.policy(k),
          logStd,
          // The floor belongs to the recorded distribution of the first round alone.
          recordedLogStd: k > 0 ? logStd : logStd.map((s) => Math.max(s, this.#spec.minLogStd)),
          batch,
          outside,
        });
      });
      const cut = this.#sampler.brokenRollout(batch);
      if (cut !== null) firstCut ??= `task ${task}, round ${k}, ${cut}`;
      timed("processingMs", () => this.#processor.process(batch));
      if (k === this.#spec.innerSteps) break;
      timed("innerStepMs", () => {
        if (k === 0 && memory.sequences !== null) {
          const size = memory.sequences.length / memory.trajectories[0].length;
          const sequences = memory.sequences.subarray(slot * size, (slot + 1) * size);
          this.#fillSequences(batch, sequences);
          const embedding = kernels.encode(sequences);
          memory.embeddings!.set(embedding, slot * embedding.length);
        }
        kernels.adapt(batch, k);
        const found = kernels.notFinite();
        if (found === null) return;
        throw new Divergence(
          DivergenceKind.ADAPTATION,
          "inner",
          "not-finite",
          `iteration ${iteration}, task ${task}, inner step ${k}: ${found}`,
        );
      });
    }
    return { task, firstCut, ...ms, held: { ...liveHandles, mujocoBytes: mujocoBytes() } };
  }

  /** One round; gives the milliseconds inside of the environments' `step`. */
  #sample(job: SampleJob): number {
    const culprit = job.round > 0 ? "inner" : "none";
    let stepMs: number;
    try {
      stepMs = this.#sampler.sample(job);
    } catch (error) {
      if (!(error instanceof RunError)) throw error;
      const { code, message } = error;
      if (code === "policy-not-finite") {
        const text = `${message} (kernel policy_forward)`;
        throw new Divergence(DivergenceKind.ADAPTATION, culprit, code, text);
      }
      if (code !== "env-not-finite") throw error;
      throw new Divergence(DivergenceKind.OBSERVATION, culprit, code, message);
    }
    const { batch, iteration, task, round } = job;
    const [cut, { rollouts }] = [nonFiniteCount(batch), batch.sizes];
    const allowed = this.#setup.config.maxCutRollouts;
    if (cut <= allowed && cut < rollouts) return stepMs;
    const reason = cut > allowed ? `above max_cut_rollouts (${allowed})` : "which is all of them";
    throw new Divergence(
      DivergenceKind.OBSERVATION,
      culprit,
      "env-not-finite",
      `iteration ${iteration}, task ${task}, round ${round}: ${this.#envs[0].spec.name} gave ` +
        `numbers that are not finite in ${cut} of ${rollouts} rollouts ` +
        `(${this.#sampler.brokenRollout(batch)}), ${reason}`,
    );
  }

  /** Encoder input [E, T, I]: rows of observation, action, reward; zero rows in front. */
  #fillSequences(batch: TrajectoryBatch, out: Float32Array): void {
    const { rollouts, maxSteps, obsDim, actDim } = batch.sizes;
    const width = obsDim + actDim + 1;
    const published = this.#setup.config.compat === "mmaml-rl";
    const samples = sampleCount(batch);
    out.fill(0);
    for (let e = 0; e < rollouts; e++) {
      const first = published ? Math.min(e * PUBLISHED_PATH_LENGTH, samples) : batch.offsets[e];
      const end = published
        ? Math.min(first + PUBLISHED_PATH_LENGTH, samples)
        : batch.offsets[e + 1];
      let at = ((e + 1) * maxSteps - (end - first)) * width;
      for (let n = first; n < end; n++, at += width) {
        out.set(batch.obs.subarray(n * obsDim, (n + 1) * obsDim), at);
        out.set(batch.actions.subarray(n * actDim, (n + 1) * actDim), at + obsDim);
        out[at + width - 1] = batch.rewards[n];
      }
    }
  }

  /** Frees the simulators. */
  close(): void {
    for (const env of this.#envs) env.close();
  }
}
