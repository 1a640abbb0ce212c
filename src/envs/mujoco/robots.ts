/**
 * The robots: rows of their positions, velocities and controls in the order of the compiled
 * model (a test compares names, kinds and bounds with it), and how episodes start. After gym's
 * MuJoCo environments and the 3-link reacher of vuoristo/MMAML-rl.
 */
import type { KeyedRandom } from "../../util/prng.ts";
import type { ValueRow } from "../env.ts";
import type { ModelName } from "./models/mod.ts";
import type { Simulation } from "./simulation.ts";

/** How far from the model's initial state an episode starts; every number drawn on its own. */
export interface StartNoise {
  /** Positions: uniform in +- this. */
  readonly position: number;
  /** Velocities: uniform in +- this, or normal with this standard deviation. */
  readonly velocity: number;
  readonly velocityKind: "uniform" | "normal";
}

/** A robot. Sizes: q positions, v velocities, u controls, b bodies. */
export interface Robot {
  readonly model: ModelName;
  /** [q] */
  readonly positions: readonly ValueRow[];
  /** [v] */
  readonly velocities: readonly ValueRow[];
  /** [u] */
  readonly controls: readonly ValueRow[];
  /** [b] the world first; bodies without a name in the model have one here */
  readonly bodies: readonly string[];
  /** Where in the positions the torso's unit quaternion begins; -1 for a robot without. */
  readonly quaternion: number;
  readonly start: StartNoise;
}

/** Rows of one joint. */
interface JointRows {
  readonly positions: readonly ValueRow[];
  readonly velocities: readonly ValueRow[];
}

const unbounded = { low: -Infinity, high: Infinity };

function slide(name: string, meaning: string): JointRows {
  return {
    positions: [{ name, meaning, unit: "m", ...unbounded }],
    velocities: [{
      name: `${name}_velocity`,
      meaning: `${meaning}, its rate`,
      unit: "m/s",
      ...unbounded,
    }],
  };
}

function hinge(name: string, meaning = `angle of joint ${name}`): JointRows {
  return {
    positions: [{ name, meaning, unit: "rad", ...unbounded }],
    velocities: [{
      name: `${name}_velocity`,
      meaning: `${meaning}, its rate`,
      unit: "rad/s",
      ...unbounded,
    }],
  };
}

const AXES = ["x", "y", "z"] as const;

/** A body that floats: position and unit quaternion, linear and angular velocity. */
function free(name: string): JointRows {
  return {
    positions: [
      ...AXES.map((axis) => ({
        name: `${name}_${axis}`,
        meaning: `${axis} of the torso`,
        unit: "m",
        ...unbounded,
      })),
      ...["w", ...AXES].map((part) => ({
        name: `${name}_q${part}`,
        meaning: `${part} of the torso's orientation, a unit quaternion`,
        unit: "1",
        ...unbounded,
      })),
    ],
    velocities: [
      ...AXES.map((axis) => ({
        name: `${name}_v${axis}`,
        meaning: `velocity of the torso along ${axis}`,
        unit: "m/s",
        ...unbounded,
      })),
      ...AXES.map((axis) => ({
        name: `${name}_w${axis}`,
        meaning: `angular velocity about the torso's own ${axis}`,
        unit: "rad/s",
        ...unbounded,
      })),
    ],
  };
}

/** Controls of motors: [joint, torque in N m at control 1], control within +- limit. */
function motors(limit: number, ...list: readonly (readonly [string, number])[]): ValueRow[] {
  return list.map(([name, gear]) => ({
    name,
    meaning: `torque on joint ${name}, ${gear} N m at 1`,
    unit: "1",
    low: -limit,
    high: limit,
  }));
}

function robot(
  model: ModelName,
  joints: readonly JointRows[],
  rest: Pick<Robot, "controls" | "bodies" | "start">,
): Robot {
  const positions = joints.flatMap((joint) => joint.positions);
  return {
    model,
    positions,
    velocities: joints.flatMap((joint) => joint.velocities),
    quaternion: positions.findIndex(({ name }) => name.endsWith("_qw")),
    ...rest,
  };
}

/** Joints with which a planar robot's torso moves in the x-z plane. */
function planarRoot(height: string): readonly JointRows[] {
  return [
    slide("rootx", "x of the torso, forwards"),
    slide("rootz", height),
    hinge("rooty", "pitch of the torso"),
  ];
}

/** Ant: four legs, 8 motors. */
export const ANT = robot("ant", [
  free("root"),
  ...[1, 2, 3, 4].flatMap((leg) => [hinge(`hip_${leg}`), hinge(`ankle_${leg}`)]),
], {
  controls: motors(
    1,
    ...[4, 1, 2, 3].flatMap((leg) => [[`hip_${leg}`, 150], [`ankle_${leg}`, 150]] as const),
  ),
  bodies: [
    ...["world", "torso", "front_left_leg", "aux_1", "front_left_foot"],
    ...["front_right_leg", "aux_2", "front_right_foot", "back_leg", "aux_3", "back_foot"],
    ...["right_back_leg", "aux_4", "right_back_foot"],
  ],
  start: { position: 0.1, velocity: 0.1, velocityKind: "normal" },
});

/** Half-cheetah: planar, two legs of three joints, 6 motors. */
export const HALF_CHEETAH = robot("half_cheetah", [
  ...planarRoot("height of the torso above its start"),
  ...["bthigh", "bshin", "bfoot", "fthigh", "fshin", "ffoot"].map((name) => hinge(name)),
], {
  controls: motors(
    1,
    ...[["bthigh", 120], ["bshin", 90], ["bfoot", 60]] as const,
    ...[["fthigh", 120], ["fshin", 60], ["ffoot", 30]] as const,
  ),
  bodies: ["world", "torso", "bthigh", "bshin", "bfoot", "fthigh", "fshin", "ffoot"],
  start: { position: 0.1, velocity: 0.1, velocityKind: "normal" },
});

/** Hopper: planar, one leg, 3 motors. */
export const HOPPER = robot("hopper", [
  ...planarRoot("height of the torso"),
  ...["thigh_joint", "leg_joint", "foot_joint"].map((name) => hinge(name)),
], {
  controls: motors(1, ["thigh_joint", 200], ["leg_joint", 200], ["foot_joint", 200]),
  bodies: ["world", "torso", "thigh", "leg", "foot"],
  start: { position: 0.005, velocity: 0.005, velocityKind: "uniform" },
});

const WALKER_JOINTS = ["", "_left"].flatMap((side) =>
  ["thigh", "leg", "foot"].map((part) => `${part}${side}_joint`)
);

/** Walker: planar, two legs, 6 motors. */
export const WALKER2D = robot("walker2d", [
  ...planarRoot("height of the torso"),
  ...WALKER_JOINTS.map((name) => hinge(name)),
], {
  controls: motors(1, ...WALKER_JOINTS.map((name) => [name, 100] as const)),
  bodies: ["world", "torso", "thigh", "leg", "foot", "thigh_left", "leg_left", "foot_left"],
  start: { position: 0.005, velocity: 0.005, velocityKind: "uniform" },
});

/** Swimmer: three links in a viscous plane, 2 motors. */
export const SWIMMER = robot("swimmer", [
  slide("slider1", "x of the first link's frame"),
  slide("slider2", "y of the first link's frame"),
  hinge("free_body_rot", "direction of the first link"),
  hinge("motor1_rot"),
  hinge("motor2_rot"),
], {
  controls: motors(1, ["motor1_rot", 150], ["motor2_rot", 150]),
  bodies: ["world", "torso", "mid", "back"],
  start: { position: 0.1, velocity: 0.1, velocityKind: "uniform" },
});

/** Motors of the humanoid: joint and torque in N m at control 1. */
const HUMANOID_MOTORS: readonly (readonly [string, number])[] = [
  ...[["abdomen_y", 100], ["abdomen_z", 100], ["abdomen_x", 100]] as const,
  ...["right", "left"].flatMap((side) =>
    [
      ...[[`${side}_hip_x`, 100], [`${side}_hip_z`, 100]] as const,
      ...[[`${side}_hip_y`, 300], [`${side}_knee`, 200]] as const,
    ] as const
  ),
  ...["right", "left"].flatMap((side) =>
    ["shoulder1", "shoulder2", "elbow"].map((joint) => [`${side}_${joint}`, 25] as const)
  ),
];

/** Humanoid: 17 motors, control within +-0.4. */
export const HUMANOID = robot("humanoid", [
  free("root"),
  ...["abdomen_z", "abdomen_y", "abdomen_x"].map((name) => hinge(name)),
  ...HUMANOID_MOTORS.slice(3).map(([name]) => hinge(name)),
], {
  controls: motors(0.4, ...HUMANOID_MOTORS),
  bodies: [
    ...["world", "torso", "lwaist", "pelvis", "right_thigh", "right_shin", "right_foot"],
    ...["left_thigh", "left_shin", "left_foot", "right_upper_arm", "right_lower_arm"],
    ...["left_upper_arm", "left_lower_arm"],
  ],
  start: { position: 0.01, velocity: 0.01, velocityKind: "uniform" },
});

/** Reacher: an arm of two links in the plane, 2 motors, and the target as a body that slides. */
export const REACHER = robot("reacher", [
  hinge("joint0"),
  hinge("joint1"),
  slide("target_x", "x of the target"),
  slide("target_y", "y of the target"),
], {
  controls: motors(1, ["joint0", 200], ["joint1", 200]),
  bodies: ["world", "body0", "body1", "fingertip", "target"],
  start: { position: 0.1, velocity: 0.005, velocityKind: "uniform" },
});

/** 3-link reacher: an arm of three links in the plane, 3 motors. */
export const REACHER_3_LINK = robot("reacher_3link", [
  hinge("joint0"),
  hinge("joint1"),
  hinge("joint2"),
], {
  controls: motors(1, ["joint0", 200], ["joint1", 200], ["joint2", 200]),
  bodies: ["world", "body0", "body1", "body2", "fingertip"],
  start: { position: 0.1, velocity: 0.005, velocityKind: "uniform" },
});

/** Adds a robot's start noise to the model's initial state. */
export function addStartNoise(robot: Robot, sim: Simulation, random: KeyedRandom): void {
  const { qpos, qvel } = sim;
  const { position, velocity, velocityKind } = robot.start;
  for (let i = 0; i < qpos.length; i++) qpos[i] += random.uniformRange(-position, position);
  for (let i = 0; i < qvel.length; i++) {
    qvel[i] += velocityKind === "normal"
      ? velocity * random.normal()
      : random.uniformRange(-velocity, velocity);
  }
  if (robot.quaternion >= 0) normalizeQuaternion(qpos, robot.quaternion);
}

/** Gives qpos[at .. at+4] length 1; older MuJoCo did so by itself before the first observation. */
function normalizeQuaternion(qpos: Float64Array, at: number): void {
  let sum = 0;
  for (let i = at; i < at + 4; i++) sum += qpos[i] * qpos[i];
  const length = Math.sqrt(sum);
  for (let i = at; i < at + 4; i++) qpos[i] /= length;
}
