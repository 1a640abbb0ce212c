/**
 * Robots whose bodies differ from task to task; the task is how the model's numbers differ.
 *
 * Source: dennisl88/rand_param_envs, the environments with random parameters of Rothfuss et al.,
 * "ProMP: Proximal Meta-Policy Search", 2019. Every mass and every principal inertia of the moving
 * bodies, every damping above 0 and every friction coefficient is multiplied with a factor of its
 * own: 1.5^u (1.3^u for dampings), u uniform in -3 to 3. As published, quantities that MuJoCo
 * derives from the model when it compiles it keep their values. What members share:
 *
 *     observation       positions without x, velocities cut to +-10
 *     action            torques on the joints
 *     reward            forward: speed along x, in m/s
 *                       ctrl: -1e-3 sum a^2
 *                       survive: 1
 *     start             positions +- 0.005, velocities +- 0.005
 *     end               the robot falls: see the member; never with `terminate: never`
 */
import { exp, log } from "../../util/math.ts";
import type { EnvDefinition, ValueRow } from "../env.ts";
import { mujocoDefinition, sumOfSquares, TERMINATE } from "./mujoco_env.ts";
import { positions, velocities } from "./observation.ts";
import type { Robot } from "./robots.ts";
import { RunnerEnv } from "./runner_env.ts";
import type { Simulation } from "./simulation.ts";
import type { TaskDistribution } from "./tasks.ts";

/** Largest exponent of a factor. */
const EXPONENT_LIMIT = 3;

/** Parameters of the model that tasks scale. */
type Field = "body_mass" | "body_inertia" | "dof_damping" | "geom_friction";

/** Some numbers of one field: a factor of the task belongs to each. */
interface ScaledField {
  readonly field: Field;
  /** Index of the first number that is scaled; all after it are. */
  readonly first: number;
  readonly base: number;
  readonly rows: readonly Pick<ValueRow, "name" | "meaning">[];
}

/** What sets a member apart. */
export interface RandomParamsMember {
  readonly name: string;
  readonly description: string;
  readonly robot: Robot;
  readonly frameSkip: number;
  /** Names of the geoms in the order of the model. */
  readonly geoms: readonly string[];
  /** Whether an episode ends in this state. */
  readonly fell: (sim: Simulation) => boolean;
}

/** Index of the first joint with damping: those before move the torso freely. */
const FIRST_DAMPED = 3;

function scaledFields({ robot, geoms }: RandomParamsMember): readonly ScaledField[] {
  const bodies = robot.bodies.slice(1);
  return [
    {
      field: "body_mass",
      first: 1,
      base: 1.5,
      rows: bodies.map((body) => ({
        name: `mass_${body}`,
        meaning: `factor on the mass of ${body}`,
      })),
    },
    {
      field: "body_inertia",
      first: 3,
      base: 1.5,
      rows: bodies.flatMap((body) =>
        [1, 2, 3].map((axis) => ({
          name: `inertia_${axis}_${body}`,
          meaning: `factor on principal inertia ${axis} of ${body}`,
        }))
      ),
    },
    {
      field: "dof_damping",
      first: FIRST_DAMPED,
      base: 1.3,
      rows: robot.positions.slice(FIRST_DAMPED).map(({ name }) => ({
        name: `damping_${name}`,
        meaning: `factor on the damping of ${name}`,
      })),
    },
    {
      field: "geom_friction",
      first: 0,
      base: 1.5,
      rows: geoms.flatMap((geom) =>
        ["sliding", "torsional", "rolling"].map((kind) => ({
          name: `${kind}_friction_${geom}`,
          meaning: `factor on the ${kind} friction of ${geom}`,
        }))
      ),
    },
  ];
}

function factorsTask(fields: readonly ScaledField[]): TaskDistribution {
  const rows = fields.flatMap(({ base, rows }) => {
    const limit = exp(EXPONENT_LIMIT * log(base));
    return rows.map((row) => ({ ...row, unit: "1", low: 1 / limit, high: limit }));
  });
  return {
    rows,
    modes: 0,
    sample(random, _index, _asked, row) {
      let at = 0;
      for (const { base, rows } of fields) {
        const logBase = log(base);
        for (let i = 0; i < rows.length; i++) {
          const factor = exp(random.uniformRange(-EXPONENT_LIMIT, EXPONENT_LIMIT) * logBase);
          row[at++] = factor;
        }
      }
      return 0;
    },
  };
}

/** The definition of a member. */
export function randomParamsDefinition(own: RandomParamsMember): EnvDefinition {
  const { robot } = own;
  const fields = scaledFields(own);

  class RandomParamsEnv extends RunnerEnv {
    /** The model's own numbers, per field. */
    readonly #original = fields.map(({ field }) =>
      Float64Array.from(this.sim.model.handle[field] as Float64Array)
    );

    protected override beforeReset(): void {
      const { task, sim } = this;
      let at = 0;
      fields.forEach(({ field, first, rows }, f) => {
        const values: Float64Array = sim.model.handle[field];
        for (let i = 0; i < rows.length; i++) {
          values[first + i] = task[at++] * this.#original[f][first + i];
        }
      });
    }

    protected score(action: Float64Array): void {
      this.rewardParts[0] = this.speed();
      this.rewardParts[1] = -1e-3 * sumOfSquares(action);
      this.rewardParts[2] = 1;
    }

    protected override fell(): boolean {
      return own.fell(this.sim);
    }
  }

  return mujocoDefinition(own.name, [TERMINATE], () => ({
    version: 1,
    description: own.description,
    robot,
    frameSkip: own.frameSkip,
    observation: [positions(robot, 1), velocities(robot, { limit: 10 })],
    rewardParts: [
      { name: "forward", meaning: "speed along x", unit: "m/s" },
      { name: "ctrl", meaning: "-1e-3 sum of squared controls", unit: "1" },
      { name: "survive", meaning: "1 per step", unit: "1" },
    ],
    task: factorsTask(fields),
    changesModel: true,
    maxSteps: 200,
    create: (...parts) => new RandomParamsEnv(...parts),
  }));
}
