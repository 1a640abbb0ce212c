/**
 * The training loop of ProMP and MMAML: draw tasks, let the workers sample and adapt, take the
 * outer steps on all tasks at once, log, save. What is computed: docs/algorithms.md.
 */
import { adaptKlCoeff } from "../algos/adaptive_kl.ts";
import { MetaObjective, type MetaValues } from "../algos/meta_objective.ts";
import type { Device } from "../compute/device.ts";
import type { RunConfig } from "../config/schema.ts";
import { resultConfig } from "../config/parse.ts";
import type { EnvFactory } from "../envs/env.ts";
import { mujocoBinary } from "../envs/mujoco/runtime.ts";
import { loadEnv } from "../envs/registry.ts";
import { initEncoder, initPolicy } from "../nn/init.ts";
import { pathStatistics } from "../rollout/processor.ts";
import type { TrajectoryBatch } from "../rollout/trajectory_batch.ts";
import { deviceChange } from "../run/provenance.ts";
import { RunError } from "../util/errors.ts";
import { KeyedRandom } from "../util/prng.ts";
import { mean } from "../util/statistics.ts";
import { chooseDevice } from "./choose_device.ts";
import {
  checkMoments,
  checkParams,
  checkReturn,
  checkValues,
  Divergence,
  DivergenceKind,
  type GuardState,
  isNewBest,
  NEW_GUARD,
  type Reaction,
  reactTo,
  type ReturnTrack,
  trackReturn,
  type ValuesPlace,
} from "./divergence.ts";
import { allocateMetaBatch, type MetaBatchMemory, taskSamples, viewStep } from "./meta_batch.ts";
import {
  gradientNorms,
  type Learned,
  metaColumns,
  metaRow,
  type Outcome,
  type PhaseTimes,
  type Sampled,
  timeColumns,
} from "./meta_row.ts";
import {
  captureState,
  fromCheckpoint,
  layouts,
  type LearnedState,
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
    readonly notice: (line: string) => void,
  ) {
    const { config } = request;
    this.#config = config;
    this.#random = new KeyedRandom(config.seed);
    this.#state = this.#initialState();
    this.#columns = metaColumns(config, env.spec, objective.spec);
    this.#restore(this.#state);
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
      guard: NEW_GUARD,
      best: null,
    };
  }

  /** Puts a state on the device. */
  #restore({ params, moments }: LearnedState): void {
    this.objective.setParams(params);
    this.objective.setMoments(moments);
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
    const before = this.#state;
    const { iteration } = before;
    const phases: PhaseTimes = { inner: 0, outer: 0 };
    const outcome = await this.#attempt(phases);
    const { sampled, learned, failure, environmentSteps } = outcome;
    let next = before;
    if (failure === null) {
      const ended = {
        iteration: iteration + 1,
        environmentSteps: before.environmentSteps + environmentSteps,
        guard: outcome.guard,
      };
      next = learned !== null
        ? { ...learned.state, ...ended }
        : { ...this.#restored(outcome.events), ...ended };
    }
    const now = performance.now();
    const clock = { now, start, runStart: this.#started };
    const times = timeColumns(sampled?.reports ?? null, this.pool.size, phases, clock);
    const row = metaRow(this.#columns, this.#config, this.env.spec, before, outcome, times);
    this.request.writer.appendRow(row);
    // only now: a checkpoint must not follow a row that could not be written
    this.#state = next;
    if (failure !== null) throw failure;
    return {
      iteration,
      returns: sampled?.statistics.map(({ averageReturn }) => averageReturn) ?? [],
      environmentSteps,
      seconds: (now - start) / 1000,
      row,
    };
  }

  /** Samples and takes the outer steps, again with smaller steps where that is wanted. */
  async #attempt(phases: PhaseTimes): Promise<Outcome> {
    const { iteration } = this.#state;
    const events: Divergence[] = [];
    let { guard } = this.#state;
    let sampled: Sampled | null = null;
    let environmentSteps = 0;
    for (;;) {
      let learned: Learned | null = null;
      let failure: RunError | null = null;
      let action: Reaction["action"] = "skip";
      try {
        if (sampled === null) {
          sampled = await this.#sample(iteration, guard, phases);
          environmentSteps += sampled.environmentSteps;
          this.#checkReturn(sampled);
        }
        learned = await this.#learn(sampled, guard, phases);
        guard = learned.state.guard;
      } catch (error) {
        if (!(error instanceof Divergence)) throw error;
        events.push(error);
        const reaction = reactTo(error, guard, this.#config);
        ({ action, guard } = reaction);
        const line = `${error.message}; ${reaction.text}`;
        if (action === "end") failure = new RunError(error.code, line);
        else this.notice(`diverged: ${line}`);
      }
      if (action !== "again") {
        return { sampled, learned, events, environmentSteps, failure, guard };
      }
      this.#restore(this.#state);
      if (events.at(-1)!.culprit === "inner") sampled = null;
    }
  }

  /** The state after an iteration without a step, which the device gets too. */
  #restored(events: readonly Divergence[]): MetaState {
    const state = this.#state;
    const isCollapse = events.at(-1)!.kind === DivergenceKind.RETURN;
    const restored = isCollapse && state.best !== null ? { ...state, ...state.best } : state;
    this.#restore(restored);
    return restored;
  }

  #checkReturn({ statistics }: Sampled): void {
    const { averageReturn, stdReturn } = statistics[statistics.length - 1];
    const { guard: { returns }, iteration } = this.#state;
    checkReturn(returns, averageReturn, stdReturn, this.#config.maxReturnDrop, iteration);
  }

  /**
   * Rounds of sampling and adaptation of all tasks, into the shared memory and onto the device.
   * @throws Divergence
   */
  async #sample(iteration: number, guard: GuardState, phases: PhaseTimes): Promise<Sampled> {
    const start = performance.now();
    const { memory, observer, objective: { spec: { tasks } } } = this;
    const drawn = this.env.sampleTasks(this.#random, iteration, tasks, this.#config.mode);
    memory.tasks.set(drawn.rows);
    memory.policy.set(this.#state.params.policy);
    memory.encoder?.set(this.#state.params.encoder!);
    memory.innerLr[0] = this.#config.innerLr * guard.innerLrScale;
    observer.onPhase?.(`sampling 0/${tasks} tasks`);
    let reports: readonly TaskReport[];
    try {
      reports = await this.pool.run(
        iteration,
        tasks,
        (done) => observer.onPhase?.(`sampling ${done}/${tasks} tasks`),
      );
    } finally {
      phases.inner += performance.now() - start;
    }
    const steps = memory.trajectories.map((_, k) => viewStep(memory, k));
    this.#load(steps);
    const statistics = steps.map(pathStatistics);
    const nonFinite = statistics.reduce((sum, { numNonFinite }) => sum + numNonFinite, 0);
    if (nonFinite > 0) {
      const { firstCut } = reports.find(({ firstCut }) => firstCut !== null)!;
      this.notice(
        `iteration ${iteration}: ${nonFinite} rollouts were cut because ${this.env.spec.name} ` +
          `gave numbers that are not finite (${firstCut}); the step is taken with the others`,
      );
    }
    const environmentSteps = statistics.reduce((sum, { numSteps }) => sum + numSteps, 0);
    return { reports, steps, statistics, environmentSteps };
  }

  #load(steps: readonly (readonly TrajectoryBatch[])[]): void {
    steps.forEach((batches, k) => this.objective.setSamples(k, batches.map(taskSamples)));
    const { sequences } = this.memory;
    if (sequences !== null) {
      const { tasks, slots } = this.objective.spec;
      this.objective.setSequences(sequences, new Uint32Array(tasks).fill(slots));
    }
  }

  /**
   * Takes the outer steps.
   * @throws Divergence
   */
  async #learn(sampled: Sampled, guard: GuardState, phases: PhaseTimes): Promise<Learned> {
    const start = performance.now();
    try {
      const outer = await this.#outerSteps(guard);
      const config = this.#config;
      const klCoeff = config.adaptiveInnerKl
        ? adaptKlCoeff(this.#state.klCoeff, outer.after.innerKls.map(mean), config.innerKlTarget)
        : this.#state.klCoeff;
      const { iteration, outerSteps } = this.#state;
      const { averageReturn } = sampled.statistics[sampled.statistics.length - 1];
      const { returns } = this.#state.guard;
      const tracked = trackReturn(returns, averageReturn);
      const state = await captureState(this.objective, {
        ...this.#state,
        iteration: iteration + 1,
        outerSteps: outerSteps + config.outerEpochs,
        klCoeff,
        guard: { ...guard, eventsInARow: 0, returns: tracked },
        best: this.#best(tracked),
      });
      return { ...outer, state };
    } finally {
      phases.outer += performance.now() - start;
    }
  }

  /** What to keep for a later collapse, where one is not the end. */
  #best(tracked: ReturnTrack): LearnedState | null {
    const { maxReturnDrop, onDivergence } = this.#config;
    if (onDivergence === "stop" || maxReturnDrop === null) return null;
    const { guard: { returns }, best, params, moments, outerSteps } = this.#state;
    return isNewBest(tracked, returns) ? { params, moments, outerSteps } : best;
  }

  async #outerSteps(guard: GuardState): Promise<Omit<Learned, "state">> {
    const config = this.#config;
    const { iteration } = this.#state;
    const coefficients = {
      clipEps: config.clipOuter ? config.clipEps * config.clipAnneal ** iteration : null,
      klCoeff: this.#state.klCoeff,
      innerLr: config.innerLr * guard.innerLrScale,
    };
    const lr = config.outerLr * guard.outerLrScale;
    let before: MetaValues | null = null;
    let norms: Record<string, number> = {};
    for (let epoch = 0; epoch < config.outerEpochs; epoch++) {
      this.observer.onPhase?.(`outer step ${epoch + 1}/${config.outerEpochs}`);
      const step = this.#state.outerSteps + epoch + 1;
      const values = await this.objective.step(coefficients, { lr, step });
      // before the first one only the inner steps can have done it
      const culprit = epoch === 0 ? "inner" : "outer";
      await this.#check(values, { iteration, when: `before outer step ${epoch + 1}`, culprit });
      before ??= values;
      if (config.logGradNorm && epoch === 0) {
        norms = gradientNorms(await this.objective.gradients());
      }
    }
    const after = await this.objective.evaluate(coefficients);
    const when = "after the outer steps";
    await this.#check(after, { iteration, when, culprit: "outer" });
    return { before: before!, after, gradientNorms: norms };
  }

  /** Throws the cause, where what is seen follows from a gradient or a step. @throws Divergence */
  async #check(values: MetaValues, place: ValuesPlace): Promise<void> {
    try {
      checkValues(values, this.#config, place);
    } catch (error) {
      if (place.culprit === "outer") {
        const networks = layouts(this.objective.spec);
        checkMoments(await this.objective.moments(), networks, place.iteration);
        checkParams(await this.objective.params(), networks, place.iteration);
      }
      throw error;
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
    const change = deviceChange(request.deviceBefore ?? null, device.description);
    if (change !== null) notice(change);
    objective = new MetaObjective(device, spec);
    const training = new MetaTraining(request, observer, env, objective, memory, pool, notice);
    return await training.run(device.description);
  } finally {
    pool.close();
    objective?.close();
    await device?.close();
  }
};
