/**
 * MetaPointEnvWalls: a point moved directly, inside of two round walls of radius 1 and 2, each
 * with one gap; the goal is one of the corners (+-2, +-2), drawn uniformly, the gaps lie in
 * uniformly drawn directions (jonasrothfuss/ProMP, `point_env_2d_walls`).
 *
 * A step outwards across a wall is allowed within 1 of the gap's middle; elsewhere the point ends
 * on the inner side of the wall, straight below where it would have gone. Inwards is free. The
 * reward is paid for the position before the wall pushed back. Sparse reward: the way made towards
 * the goal in this step where the goal is nearer than the radius (2), else 0 (the original
 * returned nothing there).
 */
import { cos, sin } from "../../util/math.ts";
import {
  drawTasks,
  type EnvDefinition,
  type EnvFactory,
  envSpec,
  type Oracle,
  type TaskSampler,
  type ValueRow,
} from "../env.ts";
import { chooseMode, drawOnCircle, norm, placeOf } from "../tasks.ts";
import {
  corners,
  goalRewardPart,
  goalRows,
  MAX_STEPS,
  pointOptionRows,
  POSITION_ROWS,
  readPointOptions,
} from "./common.ts";
import { MOVE_ROWS, moveTowards, PositionEnv } from "./position_env.ts";

const NAME = "MetaPointEnvWalls";
const GOALS = corners(2);
const WALL_RADII = [1, 2];
/** Distance from a gap's middle within which the wall is open. */
const GAP_RADIUS = 1;
/** How far below the wall, relative to the overshoot, a stopped point ends. */
const WALL_MARGIN = 1e-6;

const OPTIONS = pointOptionRows("dense", 2, "progress towards the goal within radius of it");

const GAP_ROWS: readonly ValueRow[] = WALL_RADII.flatMap((radius, i) =>
  ["x", "y"].map((axis) => ({
    name: `gap_${i + 1}_${axis}`,
    meaning: `middle of the gap in the wall of radius ${radius}`,
    unit: "m",
    low: -radius,
    high: radius,
  }))
);

/** Task [6]: goal, gap in the inner wall, gap in the outer wall. */
class WallsEnv extends PositionEnv {
  protected override paysProgress(_x: number, _y: number, goalDistance: number): boolean {
    return goalDistance < this.options.sparseRadius;
  }

  protected override constrain(oldX: number, oldY: number): void {
    const { obs, task } = this;
    const before = norm(oldX, oldY);
    const after = norm(obs[0], obs[1]);
    for (let wall = 0; wall < WALL_RADII.length; wall++) {
      const radius = WALL_RADII[wall];
      if (!(before < radius && after > radius)) continue;
      const gapDistance = norm(obs[0] - task[2 + 2 * wall], obs[1] - task[3 + 2 * wall]);
      if (gapDistance > GAP_RADIUS) {
        const shrink = after / radius + WALL_MARGIN;
        obs[0] /= shrink;
        obs[1] /= shrink;
      }
      return;
    }
  }
}

/** Angle to a gap or the goal, in rad, from which the point moves straight there. */
const STRAIGHT_ANGLE = 0.4;
/** How far it goes round in one move otherwise, in rad. */
const TURN_ANGLE = 0.3;

/** Moves towards (x, y), first round the origin at `radius` until the way there is free. */
function moveAround(
  obs: Float64Array,
  x: number,
  y: number,
  radius: number,
  action: Float64Array,
): void {
  const distance = norm(obs[0], obs[1]);
  const forward = (obs[0] * x + obs[1] * y) / (distance * norm(x, y));
  if (forward > cos(STRAIGHT_ANGLE)) return moveTowards(obs, x, y, action);
  const side = obs[0] * y - obs[1] * x < 0 ? -1 : 1;
  const turnX = cos(TURN_ANGLE);
  const turnY = side * sin(TURN_ANGLE);
  const stretch = radius / distance;
  const nextX = stretch * (obs[0] * turnX - obs[1] * turnY);
  const nextY = stretch * (obs[0] * turnY + obs[1] * turnX);
  moveTowards(obs, nextX, nextY, action);
}

const ORACLE: Oracle = {
  description: "moves through the middle of both gaps, round the walls, to the goal and stays",
  act(obs, task, action) {
    const radius = norm(obs[0], obs[1]);
    const [inner, outer] = WALL_RADII;
    // a little beyond the gap's middle, so that the step across ends outside
    if (radius <= inner) return moveTowards(obs, 1.2 * task[2], 1.2 * task[3], action);
    if (radius > outer) return moveAround(obs, task[0], task[1], outer + 0.4, action);
    moveAround(obs, 1.2 * task[4], 1.2 * task[5], (inner + outer) / 2, action);
  },
};

const sampleTask: TaskSampler = (random, index, asked, row) => {
  const mode = chooseMode(random, "uniform", GOALS.length, index, asked);
  row.set(GOALS[mode]);
  WALL_RADII.forEach((radius, wall) => drawOnCircle(random, radius, row, 2 + 2 * wall));
  return mode;
};

/** The definition for the registry. */
export const walls: EnvDefinition = {
  configure(given): EnvFactory {
    const values = readPointOptions(NAME, OPTIONS, given);
    const spec = envSpec({
      name: NAME,
      version: 1,
      description: "point moved directly out of two round walls with gaps to one of 4 corners",
      observation: POSITION_ROWS,
      action: MOVE_ROWS,
      rewardParts: [goalRewardPart(values.rewardType)],
      task: [...goalRows(2), ...GAP_ROWS],
      modes: GOALS.length,
      maxSteps: MAX_STEPS,
      options: OPTIONS,
    });
    return {
      spec,
      sampleTasks: (random, iteration, count, mode) =>
        drawTasks(spec, sampleTask, random, iteration, count, mode),
      createInstance: () => Promise.resolve(new WallsEnv(spec, values)),
      goalOf: placeOf,
      wallsOf: (row) =>
        WALL_RADII.map((radius, wall) => ({
          radius,
          gap: [row[2 + 2 * wall], row[3 + 2 * wall]],
          gapRadius: GAP_RADIUS,
        })),
      oracle: ORACLE,
    };
  },
};
