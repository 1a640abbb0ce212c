/**
 * famle_reacher: a planar arm of five links of 0.3 m whose fingertip has to go to a goal, in spite
 * of damage. The arm of FAMLE's published experiment, rebuilt for MuJoCo.
 *
 * Source: resibots/kaushik_2020_famle, `reacher_env.py` (Bullet). Tables:
 *
 *     observation [12]  angles of the joints in degrees, as read: the offset is added, then the sum
 *                       wrapped to (-180, 180]; velocities of the joints; x, y of the fingertip
 *     action      [5]   wanted velocities, in 0.7 rad/s; times the motor's factor, cut to +-1
 *     reward            exp(-d), d the distance from fingertip to goal in m
 *     task        [12]  5 factors of the motors, 5 offsets of the angles, x, y of the goal
 *     start             stretched along x, at rest
 *     end               never
 *
 * The planner's reward of a predicted state is exp(-d^2), as published.
 *
 * Otherwise than in the original: the fingertip is that of the angles and not of a physics step
 * before; servos are MuJoCo's (models/famle_reacher.xml says how).
 */
import { exp } from "../../util/math.ts";
import type { StageReward } from "../../util/stage_reward.ts";
import type { OptionRow, ValueRow } from "../env.ts";
import { type ObservationPart, velocities } from "../mujoco/observation.ts";
import type { Robot } from "../mujoco/robots.ts";
import { norm } from "../tasks.ts";
import { type Damageable, situation, situationTasks } from "./damage.ts";
import { damagedDefinition, DamagedEnv } from "./damaged_env.ts";

/** Physics steps of 0.004 s in a control step of 0.1 s. */
const FRAME_SKIP = 25;
/** Velocity at action 1, rad/s. */
const FULL_SPEED = 0.7;
/** Length of the stretched arm in m: bound of the goals. */
const REACH = 1.5;
const DEGREES = 180 / Math.PI;
/** Where x, y of the fingertip lie in the observation, and of the goal in the task. */
const FINGERTIP = 10;
const GOAL = 10;
/** Random offsets keep this distance from no offset, in turns. */
const LEAST_OFFSET = 1 / 36;

const JOINTS = [0, 1, 2, 3, 4] as const;
const unbounded = { low: -Infinity, high: Infinity } as const;

function goalRow(axis: string): ValueRow {
  return {
    name: `goal_${axis}`,
    meaning: `${axis} of the goal`,
    unit: "m",
    low: -REACH,
    high: REACH,
  };
}

const ARM: Robot = {
  model: "famle_reacher",
  positions: JOINTS.map((j) => ({
    name: `joint${j}`,
    meaning: `angle of joint ${j}`,
    unit: "rad",
    ...unbounded,
  })),
  velocities: JOINTS.map((j) => ({
    name: `joint${j}_velocity`,
    meaning: `angle of joint ${j}, its rate`,
    unit: "rad/s",
    ...unbounded,
  })),
  controls: JOINTS.map((j) => ({
    name: `joint${j}`,
    meaning: `wanted velocity of joint ${j}, ${FULL_SPEED} rad/s at 1`,
    unit: "1",
    low: -1,
    high: 1,
  })),
  bodies: ["world", "link0", "link1", "link2", "link3", "link4"],
  quaternion: -1,
  start: { position: 0, velocity: 0, velocityKind: "uniform" },
};

/** Angles in degrees, before faulty sensors and wrapping. */
const ANGLES: ObservationPart = {
  rows: JOINTS.map((j) => ({
    name: `joint${j}`,
    meaning: `angle of joint ${j} as read, wrapped`,
    unit: "degree",
    low: -180,
    high: 180,
  })),
  write({ qpos }, obs, at) {
    for (let i = 0; i < JOINTS.length; i++) obs[at + i] = DEGREES * qpos[i];
  },
};

/** Position of the model's only site. */
const FINGERTIP_POSITION: ObservationPart = {
  rows: ["x", "y"].map((axis) => ({
    name: `fingertip_${axis}`,
    meaning: `${axis} of the fingertip`,
    unit: "m",
    ...unbounded,
  })),
  write({ siteXpos }, obs, at) {
    obs[at] = siteXpos[0];
    obs[at + 1] = siteXpos[1];
  },
};

const DAMAGEABLE: Damageable = {
  env: "famle_reacher",
  motors: JOINTS.map((j) => `joint ${j}`),
  sensors: JOINTS.map((j) => `joint ${j}`),
  // The goal lies 135 degrees from the start; the other joints alone can't turn the arm there.
  vitalMotors: [0],
  drawOffsets(random, offsets) {
    const joint = random.integer(offsets.length);
    offsets[joint] = random.uniformRange(LEAST_OFFSET, 1 - LEAST_OFFSET);
  },
  mission: [{ row: goalRow("x"), default: -1 }, { row: goalRow("y"), default: 1 }],
};

const SITUATIONS = [
  situation(DAMAGEABLE),
  ...JOINTS.map((j) => situation(DAMAGEABLE, [j, 0])),
  ...JOINTS.map((j) => situation(DAMAGEABLE, [j, -1])),
];

const GOAL_OPTION: OptionRow = {
  name: "goal",
  meaning: "fixed: (-1, 1) m; random: x in -0.9 .. -0.3, y in -0.6 .. 0.6 m, another for each task",
  kind: "choice",
  choices: ["fixed", "random"],
  default: "fixed",
};

/** Wraps degrees to (-180, 180]. */
export function wrapDegrees(angle: number): number {
  return angle - 360 * Math.ceil((angle - 180) / 360);
}

/** One simulator. */
export class FamleReacher extends DamagedEnv {
  protected override start(): void {}

  protected override damageCommands(ctrl: Float64Array): void {
    for (let i = 0; i < ctrl.length; i++) {
      const wanted = FULL_SPEED * this.task[i] * ctrl[i];
      ctrl[i] = Math.min(Math.max(wanted, -FULL_SPEED), FULL_SPEED);
    }
  }

  protected override damageReadings(): void {
    const { obs, task } = this;
    for (let i = 0; i < JOINTS.length; i++) {
      obs[i] = wrapDegrees(obs[i] + 360 * task[JOINTS.length + i]);
    }
  }

  protected override score(): void {
    const { sim, task, rewardParts } = this;
    sim.updatePositions();
    const { siteXpos } = sim;
    rewardParts[0] = exp(-norm(siteXpos[0] - task[GOAL], siteXpos[1] - task[GOAL + 1]));
  }

  override stageReward(): StageReward {
    const { task } = this;
    return {
      linear: [],
      proximity: {
        weight: 1,
        columns: [FINGERTIP, FINGERTIP + 1],
        goal: [task[GOAL], task[GOAL + 1]],
      },
      penalty: null,
    };
  }
}

/** The environment. */
export const famleReacher = damagedDefinition(
  {
    robot: DAMAGEABLE,
    situations: SITUATIONS,
    testDamage: situation(DAMAGEABLE, [0, -1], [3, 0]),
  },
  [GOAL_OPTION],
  (values) => ({
    version: 1,
    description: "5-link arm, reach a goal in spite of dead or reversed motors, 11 situations",
    robot: ARM,
    frameSkip: FRAME_SKIP,
    observation: [ANGLES, velocities(ARM), FINGERTIP_POSITION],
    rewardParts: [
      { name: "goal", meaning: "exp(-d), d the distance from fingertip to goal in m", unit: "1" },
    ],
    task: situationTasks(
      DAMAGEABLE,
      SITUATIONS,
      values.get("goal") === "random"
        ? (random, goal) => {
          goal[0] = random.uniformRange(-0.9, -0.3);
          goal[1] = random.uniformRange(-0.6, 0.6);
        }
        : null,
    ),
    maxSteps: 50,
    create: (...parts) => new FamleReacher(DAMAGEABLE, ...parts),
  }),
);
