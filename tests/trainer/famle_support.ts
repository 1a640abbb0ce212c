/** Small FAMLE problems for tests: a linear robot's data, and the real arm with little to do. */
import type { FamleConfig } from "../../src/config/famle.ts";
import { resolveFamleConfig } from "../../src/config/famle.ts";
import { initDynamics } from "../../src/nn/init.ts";
import { dynamicsSpecOf, type FamleModel } from "../../src/trainer/famle_model.ts";
import { asFamleFactory, type FamleEnvFactory } from "../../src/envs/famle/famle_env.ts";
import { loadEnv } from "../../src/envs/registry.ts";
import type { FamleData } from "../../src/trainer/famle_trainer.ts";
import type { JsonValue } from "../../src/util/json.ts";
import { KeyedRandom, Purpose } from "../../src/util/prng.ts";

/** Settings under published names over those of the arm. */
export function famleConfig(values: Readonly<Record<string, JsonValue>>): FamleConfig {
  return resolveFamleConfig("famle_reacher", [{ source: "test", values }]);
}

/** A network and a training that take milliseconds. */
export const SMALL = {
  hidden_layers: [8],
  embedding_size: 2,
  meta_iter: 600,
  inner_iter: 10,
  inner_step: 2e-4,
  inner_sample_size: null,
  meta_batch_size: 16,
  save_steps: 100,
} as const;

/** Two states, one action: situation g multiplies the action by a factor of its own. */
export function linearData(factors: readonly number[], rows = 48, seed = 5): FamleData {
  const random = new KeyedRandom(seed);
  return {
    env: { name: "linear", version: 1 },
    inputDim: 3,
    outputDim: 2,
    situations: factors.map((factor, g) => {
      random.at(Purpose.TEST_DATA, 0, g);
      const inputs = new Float64Array(3 * rows), targets = new Float64Array(2 * rows);
      for (let row = 0; row < rows; row++) {
        for (let i = 0; i < 3; i++) inputs[3 * row + i] = random.uniformRange(-1, 1);
        const [x, y, a] = inputs.subarray(3 * row);
        targets[2 * row] = 0.1 * y + factor * a;
        targets[2 * row + 1] = -0.1 * x;
      }
      return { name: `factor ${factor}`, row: Float64Array.of(factor), inputs, targets };
    }),
  };
}

/** The arm. */
export async function arm(): Promise<FamleEnvFactory> {
  return asFamleFactory(await loadEnv("famle_reacher"))!;
}

/** An untrained model of the arm with these sizes. */
export function armModel(factory: FamleEnvFactory, config: FamleConfig): FamleModel {
  const { obsDim, actDim } = factory.spec;
  const spec = dynamicsSpecOf(config, obsDim + actDim, obsDim, factory.situations.length);
  const filled = (length: number, value: number) => new Float64Array(length).fill(value);
  return {
    env: { name: factory.spec.name, version: factory.spec.version },
    spec,
    normalizer: {
      meanIn: filled(obsDim + actDim, 0),
      stdIn: filled(obsDim + actDim, 10),
      meanOut: filled(obsDim, 0),
      stdOut: filled(obsDim, 30),
    },
    params: initDynamics(new KeyedRandom(3), spec),
    situations: factory.situations,
    metaIterations: 0,
    seed: 3,
  };
}
