/**
 * The meta-gradient against central differences of the meta-loss, in float64 on the reference
 * device, for shapes that the golden files do not have: relu, unequal hidden sizes, betas without
 * shift, tasks of unequal size, a fixed std.
 *
 * A difference quotient of fourth order with h = 1e-5 errs by rounding, 1e-16 / h, times some
 * hundred operations: below 1e-7 of the largest entry. A larger h would step over relu's kinks.
 */
import assert from "node:assert/strict";
import {
  MetaObjective,
  type MetaObjectiveSpec,
  type MetaParams,
} from "../../src/algos/meta_objective.ts";
import { modulationLayout, type PolicySpec } from "../../src/compute/layout.ts";
import { ReferenceDevice } from "../../src/compute/reference/reference_device.ts";
import { initEncoder, initPolicy } from "../../src/nn/init.ts";
import { KeyedRandom, Purpose } from "../../src/util/prng.ts";

const TOLERANCE = 1e-7;

interface Problem {
  readonly objective: MetaObjective;
  readonly params: MetaParams;
}

/** A random problem: data near the initial policy, so that ratios stay away from 0 and infinity. */
function problem(
  seed: number,
  policy: PolicySpec,
  options: { innerSteps: number; counts: number[] },
): Problem {
  const random = new KeyedRandom(seed);
  const { obsDim, actDim } = policy;
  const { innerSteps, counts } = options;
  const tasks = counts.length;
  const modulated = policy.film !== null;
  const [slots, sequenceLength] = [2, 4];
  const spec: MetaObjectiveSpec = {
    policy,
    encoder: modulated
      ? {
        inputDim: obsDim + actDim + 1,
        cellSize: 3,
        mlpAfterGru: true,
        mlpAfterPool: false,
        outputDim: modulationLayout(policy).size,
      }
      : null,
    tasks,
    innerSteps,
    innerLr: 0.1,
    minLogStd: -10,
    sampleCapacity: counts.reduce((sum, count) => sum + count, 0) + 3,
    slots,
    sequenceLength,
  };
  const objective = new MetaObjective(new ReferenceDevice(), spec);
  random.at(Purpose.TEST_DATA);
  const normals = (count: number, scale = 1) =>
    Float64Array.from({ length: count }, () => scale * random.normal());
  for (let k = 0; k <= innerSteps; k++) {
    objective.setSamples(
      k,
      counts.map((count) => ({
        count,
        obs: normals(count * obsDim),
        actions: normals(count * actDim),
        advantages: normals(count),
        oldMean: normals(count * actDim, 0.3),
        oldLogStd: normals(count * actDim, 0.1),
      })),
    );
  }
  if (modulated) {
    objective.setSequences(
      normals(tasks * slots * sequenceLength * spec.encoder!.inputDim),
      counts.map((_, m) => 1 + m % slots),
    );
  }
  const params: MetaParams = {
    policy: Float64Array.from(initPolicy(random, policy, 1)),
    encoder: spec.encoder === null ? null : Float64Array.from(initEncoder(random, spec.encoder)),
  };
  return { objective, params };
}

const COEFFICIENTS = { clipEps: 0.3, klCoeff: [0.4, 0.2, 0.3] };

async function lossAt(objective: MetaObjective, params: MetaParams): Promise<number> {
  objective.setParams(params);
  return (await objective.evaluate(COEFFICIENTS)).loss;
}

/** Largest |gradient - difference quotient| over the vector, relative to its largest entry. */
async function gradientError({ objective, params }: Problem): Promise<Record<string, number>> {
  objective.setParams(params);
  await objective.gradient(COEFFICIENTS);
  const gradients = await objective.gradients();
  const errors: Record<string, number> = {};
  for (const name of ["policy", "encoder"] as const) {
    const vector = params[name];
    if (vector === null) continue;
    const gradient = gradients[name]!;
    let [difference, scale] = [0, 0];
    for (let p = 0; p < vector.length; p++) {
      const h = 1e-5;
      const at = async (shift: number) => {
        const moved = Float64Array.from(vector);
        moved[p] += shift;
        return await lossAt(objective, { ...params, [name]: moved });
      };
      const quotient = (8 * (await at(h) - await at(-h)) - (await at(2 * h) - await at(-2 * h))) /
        (12 * h);
      difference = Math.max(difference, Math.abs(quotient - gradient[p]));
      scale = Math.max(scale, Math.abs(gradient[p]));
    }
    assert(scale > 1e-4, `${name}: the gradient is not trivially zero`);
    errors[name] = difference / scale;
  }
  return errors;
}

const BASE = { obsDim: 3, actDim: 2, activation: "tanh", learnStd: true, film: null } as const;

Deno.test("MetaObjective.gradient() equals differences: ProMP, 3 inner steps, 3 layers", async () => {
  const policy: PolicySpec = { ...BASE, hiddenSizes: [4, 3, 2] };
  const errors = await gradientError(
    problem(1, policy, { innerSteps: 3, counts: [4, 1, 6] }),
  );
  assert(errors.policy < TOLERANCE, `policy: ${errors.policy}`);
});

Deno.test("MetaObjective.gradient() equals differences: MMAML with betas, unshifted", async () => {
  const film = { useBetas: true, shiftGammas: false };
  const policy: PolicySpec = { ...BASE, hiddenSizes: [4, 3], film };
  const errors = await gradientError(
    problem(2, policy, { innerSteps: 2, counts: [5, 3] }),
  );
  assert(errors.policy < TOLERANCE, `policy: ${errors.policy}`);
  assert(errors.encoder < TOLERANCE, `encoder: ${errors.encoder}`);
});

Deno.test("MetaObjective.gradient() equals differences: MMAML with relu", async () => {
  const film = { useBetas: false, shiftGammas: true };
  const policy: PolicySpec = { ...BASE, hiddenSizes: [5, 4], film, activation: "relu" };
  const errors = await gradientError(
    problem(5, policy, { innerSteps: 2, counts: [5, 3] }),
  );
  assert(errors.policy < TOLERANCE, `policy: ${errors.policy}`);
  assert(errors.encoder < TOLERANCE, `encoder: ${errors.encoder}`);
});

Deno.test("MetaObjective with learnStd false leaves log_std alone in every step", async () => {
  const policy: PolicySpec = { ...BASE, hiddenSizes: [4], learnStd: false };
  const { objective, params } = problem(4, policy, { innerSteps: 2, counts: [5, 3] });
  objective.setParams(params);
  await objective.step(COEFFICIENTS, { lr: 0.1, step: 1 });
  const logStd = (flat: ArrayLike<number>) => Array.from(flat).slice(-policy.actDim);
  const { policy: gradient } = await objective.gradients();
  assert.deepEqual(logStd(gradient), [0, 0]);
  assert(Math.abs(gradient[0]) > 0);
  assert.deepEqual(logStd((await objective.params()).policy), logStd(params.policy));
  const adapted = await objective.adaptedParams(2);
  const size = params.policy.length;
  for (const m of [0, 1]) {
    assert.deepEqual(logStd(adapted.slice(m * size, (m + 1) * size)), logStd(params.policy));
  }
});

Deno.test("MetaObjective refuses batches that do not fit", () => {
  const policy: PolicySpec = { ...BASE, hiddenSizes: [4] };
  const { objective } = problem(3, policy, { innerSteps: 1, counts: [4, 1] });
  const rows = new Float64Array(200);
  const task = {
    count: 50,
    obs: rows,
    actions: rows,
    advantages: rows,
    oldMean: rows,
    oldLogStd: rows,
  };
  assert.throws(
    () => objective.setSamples(0, [task, task]),
    /2 tasks with 100 samples, room for 2 with 8/,
  );
});
