/**
 * One worker of bench/sampling.ts: plays the same episodes of one environment in three ways, see
 * there. Answers every message with how many control steps it took and how long they lasted.
 */
import type { MjData } from "@mujoco/mujoco";
import type { Env } from "../src/envs/env.ts";
import { MujocoEnv } from "../src/envs/mujoco/mujoco_env.ts";
import { shareMujocoBinary } from "../src/envs/mujoco/runtime.ts";
import { loadEnv } from "../src/envs/registry.ts";
import { type SampleJob, Sampler } from "../src/rollout/sampler.ts";
import { createTrajectoryBatch } from "../src/rollout/trajectory_batch.ts";
import { KeyedRandom, Purpose } from "../src/util/prng.ts";

/** Episodes stepped together, as in the published configurations. */
const ROLLOUTS = 20;

/** Steps; longer episodes would only make the turns longer. */
const LONGEST_EPISODE = 250;

const SEED = 1;

/** Ways to play. */
export type Way = "sampler" | "env" | "mj_step";

/** What the main thread asks for. */
export type ToWorker =
  | { readonly type: "open"; readonly env: string; readonly worker: number }
  | { readonly type: "play"; readonly way: Way; readonly seconds: number }
  | { readonly type: "close" }
  | { readonly type: "share"; readonly module: WebAssembly.Module };

/** What it gets. */
export interface Played {
  readonly steps: number;
  readonly seconds: number;
}

const scope = self as unknown as {
  onmessage: (event: MessageEvent<ToWorker>) => void;
  postMessage(message: Played): void;
};

/** Keeps what the sampler gives to a simulator. */
class Recorder implements Env {
  /** [T][A] in actuator units */
  readonly actions: Float64Array[] = [];
  /** [T][U] what MuJoCo's motors got: the same, but for robots that are damaged */
  readonly controls: Float64Array[] = [];

  constructor(readonly env: Env) {}

  get spec() {
    return this.env.spec;
  }
  get obs() {
    return this.env.obs;
  }
  get reward() {
    return this.env.reward;
  }
  get rewardParts() {
    return this.env.rewardParts;
  }
  get terminated() {
    return this.env.terminated;
  }

  setTask(row: ArrayLike<number>) {
    this.env.setTask(row);
  }
  reset(random: KeyedRandom) {
    this.env.reset(random);
  }
  step(action: Float64Array) {
    this.actions.push(action.slice());
    this.env.step(action);
    if (this.env instanceof MujocoEnv) this.controls.push(this.env.sim.ctrl.slice());
  }
  close() {}
}

/** One environment, E simulators of it, and where it is one of MuJoCo's as many bare simulations. */
class Bench {
  readonly #envs: Env[];
  /** Those of MuJoCo: all or none. */
  readonly #simulated: MujocoEnv[];
  readonly #sampler: Sampler;
  readonly #job: SampleJob;
  readonly #random = new KeyedRandom(SEED);
  /** [E][T][A], [E][T][U] T as long as the episode was */
  readonly #actions: Float64Array[][];
  readonly #controls: Float64Array[][];
  readonly #data: MjData[];
  /** [E][A] views of the bare simulations' controls */
  readonly #ctrl: Float64Array[];
  readonly #longest: number;
  readonly #steps: number;

  private constructor(envs: Env[], job: SampleJob) {
    this.#envs = envs;
    this.#job = job;
    const recorders = envs.map((env) => new Recorder(env));
    new Sampler(recorders, SEED).sample(job);
    this.#actions = recorders.map(({ actions }) => actions);
    this.#controls = recorders.map(({ controls }) => controls);
    const lengths = this.#actions.map(({ length }) => length);
    this.#longest = Math.max(...lengths);
    this.#steps = lengths.reduce((sum, length) => sum + length, 0);
    this.#sampler = new Sampler(envs, SEED);
    this.#simulated = envs.filter((env) => env instanceof MujocoEnv);
    this.#data = this.#simulated.map(({ sim: { model } }) => new model.mujoco.MjData(model.handle));
    // All memory is there: views taken from here on stay.
    this.#ctrl = this.#data.map((data) => data.ctrl);
    this.#checkSamePhysics();
  }

  static async open(name: string, worker: number): Promise<Bench> {
    const factory = await loadEnv(name);
    const envs: Env[] = [];
    for (let e = 0; e < ROLLOUTS; e++) envs.push(await factory.createInstance());
    const { obsDim, actDim, rewardParts } = factory.spec;
    const maxSteps = Math.min(factory.spec.maxSteps, LONGEST_EPISODE);
    return new Bench(envs, {
      iteration: 0,
      task: worker,
      round: 0,
      taskRow: factory.sampleTasks(new KeyedRandom(SEED), 0, worker + 1).rows.slice(
        -factory.spec.taskDim,
      ),
      policy: {
        obs: new Float32Array(ROLLOUTS * obsDim),
        mean: new Float32Array(ROLLOUTS * actDim),
        forward() {},
      },
      // noise of half the range of the policy's actions
      logStd: new Float64Array(actDim).fill(Math.log(5)),
      batch: createTrajectoryBatch({
        rollouts: ROLLOUTS,
        maxSteps,
        obsDim,
        actDim,
        rewardParts: rewardParts.length,
      }),
    });
  }

  /** Starts an episode in every simulator, as the sampler does. */
  #reset(): void {
    const { iteration, task, round, taskRow } = this.#job;
    this.#envs.forEach((env, e) => {
      env.setTask(taskRow);
      env.reset(this.#random.at(Purpose.ENV_RESET, iteration, task, round, e));
    });
  }

  /** Gives the bare simulations the start of the environments' episodes. */
  #resetBare(): void {
    this.#reset();
    this.#simulated.forEach(({ sim: { model, qpos, qvel } }, e) => {
      const data = this.#data[e];
      model.mujoco.mj_resetData(model.handle, data);
      data.qpos.set(qpos);
      data.qvel.set(qvel);
      model.mujoco.mj_forward(model.handle, data);
    });
  }

  #playEnvs(): void {
    for (let t = 0; t < this.#longest; t++) {
      for (let e = 0; e < ROLLOUTS; e++) {
        const actions = this.#actions[e];
        if (t < actions.length) this.#envs[e].step(actions[t]);
      }
    }
  }

  #playBare(): void {
    const { frameSkip, sim: { model: { mujoco } } } = this.#simulated[0];
    const models = this.#simulated.map(({ sim: { model } }) => model.handle);
    for (let t = 0; t < this.#longest; t++) {
      for (let e = 0; e < ROLLOUTS; e++) {
        const controls = this.#controls[e];
        if (t >= controls.length) continue;
        this.#ctrl[e].set(controls[t]);
        for (let i = 0; i < frameSkip; i++) mujoco.mj_step(models[e], this.#data[e]);
      }
    }
  }

  /** The comparison is worth nothing unless all ways do the same work. */
  #checkSamePhysics(): void {
    if (this.#simulated.length === 0) return;
    this.#reset();
    this.#playEnvs();
    const wanted = this.#simulated.map(({ sim }) => sim.qpos.slice());
    this.#resetBare();
    this.#playBare();
    this.#data.forEach((data, e) => {
      if (String(data.qpos) !== String(wanted[e])) {
        throw new Error(`${this.#envs[e].spec.name}: bare simulation ${e} ended elsewhere`);
      }
    });
  }

  /** Plays all episodes again and again, for about so many seconds. */
  play(way: Way, seconds: number): Played {
    let steps = 0;
    let ms = 0;
    while (ms < 1000 * seconds) {
      if (way === "mj_step") this.#resetBare();
      const start = performance.now();
      if (way === "sampler") {
        this.#sampler.sample(this.#job);
      } else if (way === "env") {
        this.#reset();
        this.#playEnvs();
      } else {
        this.#playBare();
      }
      ms += performance.now() - start;
      steps += this.#steps;
    }
    return { steps, seconds: ms / 1000 };
  }

  close(): void {
    for (const data of this.#data) data.delete();
    for (const env of this.#envs) env.close();
  }
}

let bench: Bench | null = null;

scope.onmessage = async ({ data }) => {
  let played: Played = { steps: 0, seconds: 0 };
  switch (data.type) {
    case "share":
      shareMujocoBinary(data.module);
      break;
    case "open":
      bench = await Bench.open(data.env, data.worker);
      break;
    case "play":
      played = bench!.play(data.way, data.seconds);
      break;
    case "close":
      bench!.close();
      bench = null;
      break;
  }
  scope.postMessage(played);
};
