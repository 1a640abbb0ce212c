/** What a learner keeps on its device. */
import assert from "node:assert/strict";
import { learnerBytes } from "../../src/trainer/learner_bytes.ts";
import type { PolicySpec } from "../../src/compute/layout.ts";

const POLICY: PolicySpec = {
  ...{ obsDim: 3, actDim: 2, hiddenSizes: [4, 4], activation: "tanh", learnStd: true, film: null },
};

/** Two tasks of three samples. */
const SPEC = {
  ...{ policy: POLICY, encoder: null, tasks: 2, innerSteps: 1, innerLr: 0.1, minLogStd: -13 },
  ...{ sampleCapacity: 6, slots: 1, sequenceLength: 3 },
};

Deno.test("learnerBytes() counts data, parameters of the tasks, and the optimiser's state", () => {
  // 3-4-4-2 with biases, and two standard deviations
  const params = 3 * 4 + 4 + 4 * 4 + 4 + 4 * 2 + 2 + 2;
  // observation, action, advantage, mean and deviation of the behaviour
  const samples = 6 * (3 + 2 + 1 + 2 + 2);
  const round = samples + /* offsets */ 3 + 2 * params + /* surrogate and KL */ 2 * 2;
  const gradients = /* inner, and two adjoints */ 3 * 2 * params;
  const optimiser = 4 * params;
  assert.equal(learnerBytes(SPEC), 4 * (2 * round + gradients + optimiser));
  // what a second task-size of samples adds
  const grown = learnerBytes({ ...SPEC, sampleCapacity: 12, sequenceLength: 6 });
  assert.equal(grown - learnerBytes(SPEC), 4 * 2 * samples);
});
