/**
 * The training loop of ProMP and MMAML: draw tasks, let the workers sample and adapt, take the
 * outer steps on all tasks at once, log, save. What is computed: docs/algorithms.md.
 */
import { MetaObjective, type MetaObjectiveSpec, type MetaValues } from "../algos/meta_objective.ts";
import type { Device } from "../compute/device.ts";
import type { RunConfig } from "../config/schema.ts";
import { resultConfig } from "../config/parse.ts";
import type { EnvFactory, EnvSpec } from "../envs/env.ts";
import { mujocoBinary } from "../envs/mujoco/runtime.ts";
import { loadEnv } from "../envs/registry.ts";
import { initEncoder, initPolicy } from "../nn/init.ts";
import { pathStatistics } from "../rollout/processor.ts";
import type { TrajectoryBatch } from "../rollout/trajectory_batch.ts";
import { progressColumns, type ProgressRow } from "../run/log.ts";
import { RunError, UserError } from "../util/errors.ts";
import { exp } from "../util/math.ts";
import { KeyedRandom } from "../util/prng.ts";
import { mean } from "../util/statistics.ts";
import { chooseDevice } from "./choose_device.ts";
import { allocateMetaBatch, type MetaBatchMemory, taskSamples, viewStep } from "./meta_batch.ts";
import {
  captureState,
  fromCheckpoint,
  type MetaState,
  paramsOf,
  toCheckpoint,
} from "./meta_state.ts";
import { SamplerPool } from "./sampler_pool.ts";
import type { TaskReport } from "./sampler_protocol.ts";
import { envOptions, objectiveSpec } from "./specs.ts";
import {
  type IterationReport,
  JOB_DEADLINE,
  type TrainMeta,
  type TrainObserver,
  type TrainRequest,
  type TrainSummary,
} from "./types.ts";

/** Bounds of the KL, relative to its set point, between which its weight stays (ProMP). */
const KL_BAND = 1.5;
const KL_FACTOR = 2;

/** Seconds spent by phase in one iteration. */
interface PhaseTimes {
  /** Wall time of all rounds of sampling and adaptation. */
  readonly inner: number;
  /** Wall time of the outer steps and what belongs to them. */
  readonly outer: number;
}

/** Names of the columns of reward parts, where the reward has more than one. */
function rewardPartColumns(env: EnvSpec): string[] {
  if (env.rewardParts.length < 2) return [];
  return env.rewardParts.map(({ name }) => {
    const words = name.split(/[^A-Za-z0-9]+/).filter((word) => word !== "")
      .map((word) => word[0].toUpperCase() + word.slice(1));
    return `Average${words.join("")}Return`;
  });
}

const GRADIENT_COLUMNS = { policy: "GradNormPolicy", encoder: "GradNormEncoder" } as const;

function gradientColumns(config: RunConfig, spec: MetaObjectiveSpec): string[] {
  if (!config.logGradNorm) return [];
  const { policy, encoder } = GRADIENT_COLUMNS;
  return spec.encoder === null ? [policy] : [policy, encoder];
}

/** Euclidean norm. */
function norm(vector: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < vector.length; i++) sum += vector[i] * vector[i];
  return Math.sqrt(sum);
}

/** Mean standard deviation that the batches were sampled with, over tasks and actions. */
function averagePolicyStd(batches: readonly TrajectoryBatch[]): number {
  return mean(batches.map(({ logStd, sizes }) => {
    let sum = 0;
    for (let a = 0; a < sizes.actDim; a++) sum += exp(logStd[a]);
    return sum / sizes.actDim;
  }));
}

/** New weight of the inner KL penalty of each step, after an iteration with these KLs. */
export function adaptKlCoeff(
  klCoeff: readonly number[],
  innerKls: readonly number[],
  target: number,
): number[] {
  return klCoeff.map((coeff, k) => {
    if (innerKls[k] < target / KL_BAND) return coeff / KL_FACTOR;
    if (innerKls[k] > target * KL_BAND) return coeff * KL_FACTOR;
    return coeff;
  });
}

/** One run: everything that lives from the first iteration to the last. */
class MetaTraining {
  readonly #config: RunConfig;
  readonly #columns: string[];
  readonly #random: KeyedRandom;
  readonly #started = performance.now();
  #state: MetaState;

  constructor(
    readonly request: TrainRequest,
    readonly observer: TrainObserver,
    readonly env: EnvFactory,
    readonly objective: MetaObjective,
    readonly memory: MetaBatchMemory,
    readonly pool: SamplerPool,
  ) {
    const { config } = request;
    this.#config = config;
    this.#random = new KeyedRandom(config.seed);
    this.#state = this.#initialState();
    this.#columns = progressColumns(config.innerSteps, {
      perStep: rewardPartColumns(env.spec),
      perIteration: gradientColumns(config, objective.spec),
    });
    const twice = this.#columns.find((name, i) => this.#columns.indexOf(name) < i);
    if (twice !== undefined) {
      throw new UserError(
        "env-reward-parts",
        `Cannot log the reward parts of ${env.spec.name}: two columns would be named "${twice}"; ` +
          "rename a part",
      );
    }
    objective.setParams(this.#state.params);
    objective.setMoments(this.#state.moments);
    request.writer.startProgress(this.#columns, this.#state.iteration);
  }

  #initialState(): MetaState {
    const { request: { resume, init }, objective: { spec } } = this;
    if (resume !== null) return fromCheckpoint(resume, spec);
    const params = init !== null ? paramsOf(init, spec) : {
      policy: initPolicy(this.#random, spec.policy, this.#config.initStd),
      encoder: spec.encoder === null ? null : initEncoder(this.#random, spec.encoder),
    };
    const zeros = () => ({
      policy: new Float32Array(params.policy.length),
      encoder: params.encoder === null ? null : new Float32Array(params.encoder.length),
    });
    return {
      iteration: 0,
      params,
      moments: { m: zeros(), v: zeros() },
      outerSteps: 0,
      environmentSteps: 0,
      klCoeff: new Array(spec.innerSteps).fill(this.#config.innerKlCoeff),
    };
  }

  /** Iterates until the end, a stop or an error; a checkpoint is written in each case. */
  async run(device: string): Promise<TrainSummary> {
    const { request: { stop }, observer } = this;
    const stepsBefore = this.#state.environmentSteps;
    let returns: readonly number[] | null = null;
    let checkpoint: string | null = null;
    let saved = -1;
    const save = async () => {
      if (this.#state.iteration !== saved) checkpoint = await this.#save();
      saved = this.#state.iteration;
    };
    try {
      while (this.#state.iteration < this.#config.iterations && !stop.aborted) {
        const report = await this.#iterate();
        returns = report.returns;
        if (this.#state.iteration % this.#config.saveSteps === 0) await save();
        observer.onIteration(report);
      }
    } catch (error) {
      // The last good state is kept; a second failure here must not hide the first.
      if (this.#state.iteration > 0) {
        await save().catch((second) => observer.onNotice(`no checkpoint: ${second.message}`));
      }
      throw error;
    }
    if (this.#state.iteration > 0) await save();
    return {
      status: this.#state.iteration < this.#config.iterations ? "stopped" : "finished",
      iteration: this.#state.iteration,
      environmentSteps: this.#state.environmentSteps - stepsBefore,
      seconds: (performance.now() - this.#started) / 1000,
      returns,
      checkpoint,
      device,
    };
  }

  async #save(): Promise<string> {
    const { request: { algorithm, writer }, objective } = this;
    const checkpoint = toCheckpoint(
      this.#state,
      objective.spec,
      algorithm,
      resultConfig(this.#config),
    );
    return await writer.saveCheckpoint(checkpoint, this.#config);
  }

  async #iterate(): Promise<IterationReport> {
    const start = performance.now();
    const { iteration } = this.#state;
    const reports = await this.#sample(iteration);
    const sampled = performance.now();
    const steps = this.memory.trajectories.map((_, k) => viewStep(this.memory, k));
    this.#load(steps);
    const outer = await this.#outerSteps(iteration);
    const statistics = steps.map(pathStatistics);
    const environmentSteps = statistics.reduce((sum, { numSteps }) => sum + numSteps, 0);
    const nonFinite = statistics.reduce((sum, { numNonFinite }) => sum + numNonFinite, 0);
    if (nonFinite > 0) {
      this.observer.onNotice(
        `iteration ${iteration}: ${nonFinite} rollouts were cut because ${this.env.spec.name} ` +
          "gave numbers that are not finite",
      );
    }
    const klCoeff = this.#config.adaptiveInnerKl
      ? adaptKlCoeff(
        this.#state.klCoeff,
        outer.after.innerKls.map(mean),
        this.#config.innerKlTarget,
      )
      : this.#state.klCoeff;
    const usedKlCoeff = this.#state.klCoeff;
    this.#state = await captureState(this.objective, {
      iteration: iteration + 1,
      outerSteps: this.#state.outerSteps + this.#config.outerEpochs,
      environmentSteps: this.#state.environmentSteps + environmentSteps,
      klCoeff,
    });

    const end = performance.now();
    const row: Record<string, number> = {
      Itr: iteration,
      n_timesteps: this.#state.environmentSteps,
    };
    statistics.forEach((s, k) => {
      const extra = rewardPartColumns(this.env.spec).map((name, r) =>
        [name, s.rewardPartReturns[r]] as const
      );
      const columns = {
        AverageReturn: s.averageReturn,
        AverageDiscountedReturn: s.averageDiscountedReturn,
        StdReturn: s.stdReturn,
        MaxReturn: s.maxReturn,
        MinReturn: s.minReturn,
        NumTrajs: s.numTrajs,
        AveragePolicyStd: averagePolicyStd(steps[k]),
        ...Object.fromEntries(extra),
      };
      for (const [name, value] of Object.entries(columns)) row[`Step_${k}-${name}`] = value;
    });
    Object.assign(row, {
      LossBefore: outer.before.loss,
      LossAfter: outer.after.loss,
      KLInner: mean(outer.after.innerKls.map(mean)),
      KLCoeffInner: mean(usedKlCoeff),
      ...outer.gradientNorms,
      ...this.#times(reports, start, { inner: sampled - start, outer: end - sampled }),
    });
    this.request.writer.appendRow(row satisfies ProgressRow);
    return {
      iteration,
      returns: statistics.map(({ averageReturn }) => averageReturn),
      environmentSteps,
      seconds: (end - start) / 1000,
      row,
    };
  }

  /** Rounds of sampling and adaptation of all tasks, into the shared memory. */
  async #sample(iteration: number): Promise<TaskReport[]> {
    const { memory, observer, objective: { spec: { tasks } } } = this;
    const drawn = this.env.sampleTasks(this.#random, iteration, tasks, this.#config.mode);
    memory.tasks.set(drawn.rows);
    memory.policy.set(this.#state.params.policy);
    memory.encoder?.set(this.#state.params.encoder!);
    observer.onPhase?.(`sampling 0/${tasks} tasks`);
    return await this.pool.run(
      iteration,
      tasks,
      (done) => observer.onPhase?.(`sampling ${done}/${tasks} tasks`),
    );
  }

  #load(steps: readonly (readonly TrajectoryBatch[])[]): void {
    steps.forEach((batches, k) => this.objective.setSamples(k, batches.map(taskSamples)));
    const { sequences } = this.memory;
    if (sequences !== null) {
      const { tasks, slots } = this.objective.spec;
      this.objective.setSequences(sequences, new Uint32Array(tasks).fill(slots));
    }
  }

  async #outerSteps(iteration: number): Promise<{
    before: MetaValues;
    after: MetaValues;
    gradientNorms: Record<string, number>;
  }> {
    const config = this.#config;
    const coefficients = {
      clipEps: config.clipOuter ? config.clipEps * config.clipAnneal ** iteration : null,
      klCoeff: this.#state.klCoeff,
    };
    let before: MetaValues | null = null;
    const gradientNorms: Record<string, number> = {};
    for (let epoch = 0; epoch < config.outerEpochs; epoch++) {
      this.observer.onPhase?.(`outer step ${epoch + 1}/${config.outerEpochs}`);
      const step = this.#state.outerSteps + epoch + 1;
      const values = await this.objective.step(coefficients, { lr: config.outerLr, step });
      checkFinite(values, iteration, `before outer step ${epoch + 1}`);
      before ??= values;
      if (config.logGradNorm && epoch === 0) {
        const gradients = await this.objective.gradients();
        gradientNorms[GRADIENT_COLUMNS.policy] = norm(gradients.policy);
        if (gradients.encoder !== null) {
          gradientNorms[GRADIENT_COLUMNS.encoder] = norm(gradients.encoder);
        }
      }
    }
    const after = await this.objective.evaluate(coefficients);
    checkFinite(after, iteration, "after the outer steps");
    return { before: before!, after, gradientNorms };
  }

  /** Time columns, seconds. Work of the sampling workers counts as its share of the wall time. */
  #times(reports: readonly TaskReport[], start: number, ms: PhaseTimes): Record<string, number> {
    const workers = Math.min(this.pool.size, reports.length);
    const share = (pick: (report: TaskReport) => number) =>
      reports.reduce((sum, report) => sum + pick(report), 0) / workers / 1000;
    const now = performance.now();
    return {
      "Time": (now - this.#started) / 1000,
      "ItrTime": (now - start) / 1000,
      "Time-Sampling": share(({ samplingMs }) => samplingMs),
      "Time-EnvStep": share(({ envStepMs }) => envStepMs),
      "Time-SampleProc": share(({ processingMs }) => processingMs),
      "Time-InnerStep": share(({ innerStepMs }) => innerStepMs),
      "Time-OuterStep": ms.outer / 1000,
      "Time-TotalInner": ms.inner / 1000,
      "Time-MAMLSteps": (ms.inner + ms.outer) / 1000,
    };
  }
}

/** @throws RunError `not-finite` naming iteration, value and task. */
function checkFinite(values: MetaValues, iteration: number, when: string): void {
  const named: [string, readonly number[]][] = [
    ["outer surrogate", values.outerSurrogates],
    ...values.innerSurrogates.map((v, k) => [`inner surrogate of step ${k}`, v] as const),
    ...values.innerKls.map((v, k) => [`inner KL of step ${k}`, v] as const),
  ] as [string, readonly number[]][];
  for (const [name, numbers] of named) {
    const task = numbers.findIndex((value) => !Number.isFinite(value));
    if (task >= 0) {
      throw new RunError(
        "not-finite",
        `The ${name} is ${numbers[task]} for task ${task} in iteration ${iteration}, ${when} ` +
          "(kernel surrogate_gradient); the state before this iteration is kept, lower " +
          "learning_rate or inner_lr and resume",
      );
    }
  }
}

/** Trains ProMP or MMAML; see {@link TrainMeta}. */
export const trainMeta: TrainMeta = async (
  request: TrainRequest,
  observer: TrainObserver,
): Promise<TrainSummary> => {
  const { config, algorithm, workers, writer } = request;
  const tables = (await loadEnv(config.env)).spec;
  const env = await loadEnv(config.env, envOptions(config, tables));
  const spec = objectiveSpec(config, algorithm, env.spec);
  const notice = (line: string) => {
    writer.note(line);
    observer.onNotice(line);
  };
  const memory = allocateMetaBatch(spec, env.spec);
  // Workers load while the device is measured.
  const setup = { algorithm, config, envVersion: env.spec.version, memory };
  const pool = new SamplerPool(setup, workers, {
    notice,
    mujoco: env.usesMujoco ? mujocoBinary() : null,
    deadline: request.deadline ?? JOB_DEADLINE,
  });
  let device: Device | null = null;
  let objective: MetaObjective | null = null;
  try {
    device = await chooseDevice(config.device, spec, workers, notice);
    writer.recordDevice(device.description);
    objective = new MetaObjective(device, spec);
    const training = new MetaTraining(request, observer, env, objective, memory, pool);
    return await training.run(device.description);
  } finally {
    pool.close();
    objective?.close();
    await device?.close();
  }
};
