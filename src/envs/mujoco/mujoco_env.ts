/**
 * What all MuJoCo environments share: an episode starts near the model's initial state, a control
 * step is `frameSkip` physics steps, the observation is put together from parts, the reward is the
 * sum of its parts. A member says what the reward is made of.
 *
 * Positions of bodies are read as MuJoCo leaves them after a step, as the published environments
 * do: with the Runge-Kutta integrator they belong to its last stage, within O(timestep^3) of the
 * state.
 *
 * Where the simulation becomes unstable, observation and reward are NaN: the sampler ends the
 * rollout there, counts it, and keeps the numbers out of the data.
 */
import type { KeyedRandom } from "../../util/prng.ts";
import {
  drawTasks,
  type Env,
  type EnvDefinition,
  type EnvFactory,
  type EnvSpec,
  envSpec,
  type OptionRow,
  type RewardPartRow,
} from "../env.ts";
import { type OptionValues, readOptions } from "../options.ts";
import { placeOf } from "../tasks.ts";
import { loadModel, type ModelName } from "./models/mod.ts";
import type { ObservationPart } from "./observation.ts";
import { addStartNoise, type Robot } from "./robots.ts";
import type { Scene } from "../scene.ts";
import { sceneOf } from "./scene.ts";
import { Simulation } from "./simulation.ts";
import type { TaskDistribution } from "./tasks.ts";

/** A member of a family of environments. */
export interface MujocoMember {
  /** Raised whenever results change. */
  readonly version: number;
  /** One line. */
  readonly description: string;
  readonly robot: Robot;
  /** Where the model is not the robot's plain one. */
  readonly model?: ModelName;
  /** Physics steps per control step. */
  readonly frameSkip: number;
  readonly observation: readonly ObservationPart[];
  readonly rewardParts: readonly RewardPartRow[];
  /** Whether observation or reward need the forces of contacts, which take time. */
  readonly usesContactForces?: boolean;
  /** Whether tasks change the model: then every instance has its own. */
  readonly changesModel?: boolean;
  readonly task: TaskDistribution;
  /** Length of an episode where the user gives none. */
  readonly maxSteps: number;
  /** Makes the simulator. */
  create(spec: EnvSpec, sim: Simulation, member: ConfiguredMember): MujocoEnv;
}

/** A member and what the user chose for it. */
export interface ConfiguredMember extends MujocoMember {
  /** Whether an episode ends where `fell` says so: see {@link TERMINATE}. */
  readonly endsWhenFallen: boolean;
}

/** The option of members that can fall; without it an episode never ends early. */
export const TERMINATE: OptionRow = {
  name: "terminate",
  meaning: "fallen: an episode ends when the robot falls; never: it runs to its length",
  kind: "choice",
  choices: ["fallen", "never"],
  default: "fallen",
};

/** One simulator. */
export abstract class MujocoEnv implements Env {
  /** [O] */
  readonly obs: Float64Array;
  reward = 0;
  /** [R] */
  readonly rewardParts: Float64Array;
  terminated = false;
  /** [D] */
  protected readonly task: Float64Array;
  /** Physics steps per control step. */
  readonly frameSkip: number;
  /** Length of a control step in s. */
  protected readonly dt: number;

  constructor(
    readonly spec: EnvSpec,
    /** The simulation: state, bodies. Owned by this environment. */
    readonly sim: Simulation,
    protected readonly member: ConfiguredMember,
  ) {
    this.obs = new Float64Array(spec.obsDim);
    this.rewardParts = new Float64Array(spec.rewardParts.length);
    this.task = new Float64Array(spec.taskDim);
    this.frameSkip = member.frameSkip;
    this.dt = sim.timestep * member.frameSkip;
  }

  setTask(row: ArrayLike<number>): void {
    for (let i = 0; i < this.task.length; i++) this.task[i] = row[i];
  }

  reset(random: KeyedRandom): void {
    const { sim } = this;
    this.beforeReset();
    sim.reset();
    this.start(random);
    sim.forward();
    if (this.member.usesContactForces) sim.computeContactForces();
    this.terminated = false;
    this.reward = 0;
    this.rewardParts.fill(0);
    this.#observe();
  }

  step(action: Float64Array): void {
    const { sim, member, rewardParts } = this;
    sim.refresh();
    sim.ctrl.set(action);
    this.beforeStep();
    if (!sim.advance(this.frameSkip)) {
      this.obs.fill(NaN);
      rewardParts.fill(NaN);
      this.reward = NaN;
      return;
    }
    if (member.usesContactForces) sim.computeContactForces();
    this.score(action);
    this.terminated = member.endsWhenFallen && this.fell();
    let reward = 0;
    for (let r = 0; r < rewardParts.length; r++) reward += rewardParts[r];
    this.reward = reward;
    this.#observe();
  }

  /** Applies the task to the model. */
  protected beforeReset(): void {}

  /** Moves the simulation from the model's initial state to the start of an episode. */
  protected start(random: KeyedRandom): void {
    addStartNoise(this.member.robot, this.sim, random);
  }

  /** Remembers what {@link score} compares with. */
  protected beforeStep(): void {}

  /** After the step: sets `rewardParts`. */
  protected abstract score(action: Float64Array): void;

  /** Whether the robot has fallen; asked where the member has the option {@link TERMINATE}. */
  protected fell(): boolean {
    return false;
  }

  scene(): Scene {
    return sceneOf(this.sim, this.dt);
  }

  close(): void {
    this.sim.close();
  }

  #observe(): void {
    const { sim, obs } = this;
    let at = 0;
    for (const part of this.member.observation) {
      part.write(sim, obs, at);
      at += part.rows.length;
    }
  }
}

/** Sum of squares. */
export function sumOfSquares(values: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] * values[i];
  return sum;
}

/** Sum of squares of the values, each cut to +-1. */
export function sumOfClippedSquares(values: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    const value = Math.min(Math.max(values[i], -1), 1);
    sum += value * value;
  }
  return sum;
}

/**
 * Definition of an environment; `describe` makes the member for the options' values. Falling ends
 * its episodes where `options` have {@link TERMINATE} and the user doesn't say otherwise.
 */
export function mujocoDefinition(
  name: string,
  options: readonly OptionRow[],
  describe: (values: OptionValues) => MujocoMember,
): EnvDefinition {
  return {
    configure(given): EnvFactory {
      const values = readOptions(name, options, given);
      const endsWhenFallen = values.get(TERMINATE.name) === "fallen";
      const member = { ...describe(values), endsWhenFallen };
      const { robot, task } = member;
      const spec = envSpec({
        name,
        version: member.version,
        description: member.description,
        observation: member.observation.flatMap((part) => part.rows),
        action: robot.controls,
        rewardParts: member.rewardParts,
        task: task.rows,
        modes: task.modes,
        maxSteps: member.maxSteps,
        options,
      });
      return {
        spec,
        sampleTasks: (random, iteration, count, mode) =>
          drawTasks(spec, task.sample, random, iteration, count, mode),
        usesMujoco: true,
        goalOf: task.isPlace ? placeOf : undefined,
        async createInstance() {
          const model = await loadModel(member.model ?? robot.model);
          const { changesModel = false } = member;
          const sim = new Simulation(changesModel ? model.copy() : model, changesModel);
          return member.create(spec, sim, member);
        },
      };
    },
  };
}
