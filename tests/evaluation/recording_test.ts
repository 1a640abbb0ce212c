/** Tests of what of a task shows in a picture. */
import assert from "node:assert/strict";
import { loadEnv } from "../../src/envs/registry.ts";
import { type ShownTask, shownTask } from "../../src/evaluation/recording.ts";

async function shown(name: string, row: readonly number[]): Promise<ShownTask> {
  return shownTask({ env: await loadEnv(name) }, row);
}

Deno.test("shownTask() tells places, directions and numbers of a task apart", async () => {
  const walls: ShownTask["walls"] = [];
  assert.deepEqual(await shown("AntRandGoalEnv", [2, -1]), { goal: [2, -1], walls, text: "" });
  // a robot in a vertical plane: y is 0
  assert.deepEqual(await shown("HalfCheetahTargetLocationEnv", [4]), {
    ...{ goal: [4, 0], walls, text: "" },
  });
  assert.deepEqual(await shown("AntRandDirec2DEnv", [0.6, 0.8]), {
    ...{ heading: [0.6, 0.8], walls, text: "" },
  });
  assert.deepEqual(await shown("HalfCheetahRandDirecEnv", [-1]), {
    ...{ heading: [-1, 0], walls, text: "" },
  });
  // nothing in the picture shows a speed
  const { text, goal } = await shown("HalfCheetahRandVelEnv", [1.23456]);
  assert.match(text, / 1\.23 m\/s$/);
  assert.equal(goal, undefined);
  const { task } = (await loadEnv("Walker2DRandParamsEnv")).spec;
  const parameters = await shown("Walker2DRandParamsEnv", task.map(() => 1));
  assert.deepEqual(parameters, { walls, text: "" }, "too many to be written out");
});
