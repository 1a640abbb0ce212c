/**
 * MetaPointEnvCorner: a point moved directly; the goal is one of the corners (+-2, +-2), drawn
 * uniformly (jonasrothfuss/ProMP, `point_env_2d_corner`).
 *
 * The default reward is the published sparse one: the way made towards the goal in this step
 * where the goal is the nearest of the corners and |x| + |y| >= radius (0.5), else 0.
 */
import {
  drawTasks,
  type EnvDefinition,
  type EnvFactory,
  envSpec,
  type Oracle,
  type TaskSampler,
} from "../env.ts";
import { chooseMode, norm, placeOf } from "../tasks.ts";
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

const NAME = "MetaPointEnvCorner";
const GOALS = corners(2);

const OPTIONS = pointOptionRows(
  "sparse",
  0.5,
  "progress towards the goal where it is the nearest corner and |x| + |y| >= radius",
);

class CornerEnv extends PositionEnv {
  protected override paysProgress(x: number, y: number, goalDistance: number): boolean {
    if (Math.abs(x) + Math.abs(y) < this.options.sparseRadius) return false;
    for (const [cornerX, cornerY] of GOALS) {
      if (norm(x - cornerX, y - cornerY) < goalDistance) return false;
    }
    return true;
  }
}

const ORACLE: Oracle = {
  description: "moves straight to the goal and stays",
  act: (obs, task, action) => moveTowards(obs, task[0], task[1], action),
};

const sampleTask: TaskSampler = (random, index, asked, row) => {
  const mode = chooseMode(random, "uniform", GOALS.length, index, asked);
  row.set(GOALS[mode]);
  return mode;
};

/** The definition for the registry. */
export const corner: EnvDefinition = {
  configure(given): EnvFactory {
    const values = readPointOptions(NAME, OPTIONS, given);
    const spec = envSpec({
      name: NAME,
      version: 1,
      description: "point moved directly, goal in one of the 4 corners (+-2, +-2)",
      observation: POSITION_ROWS,
      action: MOVE_ROWS,
      rewardParts: [goalRewardPart(values.rewardType)],
      task: goalRows(2),
      modes: GOALS.length,
      maxSteps: MAX_STEPS,
      options: OPTIONS,
    });
    return {
      spec,
      sampleTasks: (random, iteration, count, mode) =>
        drawTasks(spec, sampleTask, random, iteration, count, mode),
      createInstance: () => Promise.resolve(new CornerEnv(spec, values)),
      goalOf: placeOf,
      oracle: ORACLE,
    };
  },
};
