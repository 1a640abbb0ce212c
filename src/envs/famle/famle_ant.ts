/**
 * famle_ant: an ant that has to run along x in spite of damage.
 *
 * Source: resibots/kaushik_2020_famle, `ant_env.py` (Bullet). Tables:
 *
 *     observation [27]  height of the torso, its orientation as read (quaternion w, x, y, z), angles
 *                       of the joints [8], velocity of the torso [3], its angular velocity [3],
 *                       velocities of the joints [8]
 *     action      [8]   torques, 150 N m at 1; times the motor's factor
 *     reward            velocity of the torso along x at the end of the step, m/s
 *     task        [9]   8 factors of the motors, offset of the yaw
 *     start             positions +- 0.1, velocities N(0, 0.1)
 *     end               never
 *
 * The planner's reward of a predicted state is that velocity, less 2 where the torso is below
 * 0.26 m, as published.
 *
 * A faulty sensor reads the orientation turned about the world's z: q_z(2 pi offset) q. Neither
 * length nor continuity are lost, so the sign of w is left as it comes: making it positive would
 * let the reading jump between q and -q at a yaw of half a turn, where offset 6/12 starts.
 *
 * Otherwise than in the original: the offset is added to the yaw, which the published code
 * overwrites with it, so that its robot never sees where it is heading. A control step has 5 physics
 * steps of 0.01 s as in gym's ant, whose robot this is (0.0165 s there): the planner's 20 steps look
 * 1 s ahead, and planning costs a third per second of running. The quaternion begins with w, the
 * angular velocity is about the torso's own axes: MuJoCo's conventions.
 */
import { cos, sin } from "../../util/math.ts";
import type { StageReward } from "../../util/stage_reward.ts";
import { type ObservationPart, positions, velocities } from "../mujoco/observation.ts";
import { ANT } from "../mujoco/robots.ts";
import { type Damageable, situation, situationTasks } from "./damage.ts";
import { damagedDefinition, DamagedEnv } from "./damaged_env.ts";

/** Indices in the observation. */
const HEIGHT = 0;
const QUATERNION = 1;
const FORWARD_VELOCITY = 13;
/** Below this height in m the planner takes the ant for fallen. */
const FALLEN = 0.26;
/** What falling costs the planner, m/s. */
const FALL_PENALTY = 2;

/** Offsets learned from are multiples of a twelfth of a turn. */
const YAW_STEPS = 12;
const YAW = ANT.controls.length;

const DAMAGEABLE: Damageable = {
  env: "famle_ant",
  motors: ANT.controls.map(({ name }) => name),
  sensors: ["yaw"],
  vitalMotors: [],
  // The middle third between two multiples keeps 1/36 of a turn from both.
  drawOffsets(random, offsets) {
    offsets[0] = (random.integer(YAW_STEPS) + random.uniformRange(1 / 3, 2 / 3)) / YAW_STEPS;
  },
  mission: [],
};

const SITUATIONS = [
  situation(DAMAGEABLE),
  ...DAMAGEABLE.motors.map((_, i) => situation(DAMAGEABLE, [i, 0])),
  ...Array.from({ length: YAW_STEPS - 1 }, (_, k) => {
    return situation(DAMAGEABLE, [YAW, (k + 1) / YAW_STEPS]);
  }),
];

/** Positions from the height on, with what the orientation is read as. */
const POSE: ObservationPart = (() => {
  const part = positions(ANT, 2);
  const isOrientation = (i: number) => i >= QUATERNION && i < QUATERNION + 4;
  const rows = part.rows.map((row, i) =>
    isOrientation(i) ? { ...row, meaning: `${row.meaning}, as read` } : row
  );
  return { ...part, rows };
})();

/** One simulator. */
export class FamleAnt extends DamagedEnv {
  protected override damageCommands(ctrl: Float64Array): void {
    for (let i = 0; i < ctrl.length; i++) ctrl[i] *= this.task[i];
  }

  protected override damageReadings(): void {
    const { obs } = this;
    // q_z of the angle a is (cos a/2, 0, 0, sin a/2)
    const halfAngle = Math.PI * this.task[YAW];
    const c = cos(halfAngle);
    const s = sin(halfAngle);
    const w = obs[QUATERNION];
    const x = obs[QUATERNION + 1];
    const y = obs[QUATERNION + 2];
    const z = obs[QUATERNION + 3];
    obs[QUATERNION] = c * w - s * z;
    obs[QUATERNION + 1] = c * x - s * y;
    obs[QUATERNION + 2] = c * y + s * x;
    obs[QUATERNION + 3] = c * z + s * w;
  }

  protected override score(): void {
    this.rewardParts[0] = this.sim.qvel[0];
  }

  override stageReward(): StageReward {
    return {
      linear: [{ column: FORWARD_VELOCITY, weight: 1 }],
      proximity: null,
      penalty: { column: HEIGHT, below: FALLEN, amount: FALL_PENALTY },
    };
  }
}

/** The environment. */
export const famleAnt = damagedDefinition(
  {
    robot: DAMAGEABLE,
    situations: SITUATIONS,
    // One leg gone. The published script tests the ant undamaged, which is learned from.
    testDamage: situation(
      DAMAGEABLE,
      [DAMAGEABLE.motors.indexOf("hip_3"), 0],
      [DAMAGEABLE.motors.indexOf("ankle_3"), 0],
    ),
  },
  [],
  () => ({
    version: 1,
    description: "ant, run forwards in spite of dead motors or a yaw read wrongly, 20 situations",
    robot: ANT,
    frameSkip: 5,
    observation: [POSE, velocities(ANT)],
    rewardParts: [{ name: "forward", meaning: "velocity of the torso along x", unit: "m/s" }],
    task: situationTasks(DAMAGEABLE, SITUATIONS),
    maxSteps: 1000,
    create: (...parts) => new FamleAnt(DAMAGEABLE, ...parts),
  }),
);
