/**
 * FAMLE's dynamics model in plain operations of tfjs, with its autodiff and its optimisers: the
 * control step, meta-training and adaptation of bench/dynamics_case.ts on the current backend.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor, Tensor2D, Variable } from "@tensorflow/tfjs-core";
import { dynamicsLayout, type DynamicsSpec } from "../../src/compute/layout.ts";
import {
  ADAM,
  DISCOUNT,
  GOAL,
  type PlanData,
  REPTILE_STEP,
  SGD_LR,
  SITUATION,
  type TrainData,
  type Work,
} from "../dynamics_case.ts";

/** embeddings, W0, b0, W1, ... */
function tensorsOf(spec: DynamicsSpec, params: Float32Array): Tensor[] {
  return dynamicsLayout(spec).entries.map(({ shape, offset, size }) =>
    tf.tensor(params.slice(offset, offset + size), [...shape])
  );
}

/** [N, Y] for inputs [N, X], all rows in one situation. */
function predict(spec: DynamicsSpec, params: readonly Tensor[], inputs: Tensor2D): Tensor2D {
  const [embeddings, ...layers] = params;
  const own = tf.slice(embeddings, [SITUATION, 0], [1, spec.embeddingDim]);
  let x: Tensor2D = tf.concat([inputs, tf.tile(own, [inputs.shape[0], 1]) as Tensor2D], 1);
  const last = layers.length / 2 - 1;
  for (let layer = 0; layer <= last; layer++) {
    const activation = layer < last ? spec.activation : "linear";
    x = tf.fused.matMul({
      a: x,
      b: layers[2 * layer] as Tensor2D,
      bias: layers[2 * layer + 1],
      activation: activation === "tanh" ? "linear" : activation,
    }) as Tensor2D;
    if (activation === "tanh") x = tf.tanh(x);
  }
  return spec.outputLimit === null ? x : tf.mul(tf.tanh(x), spec.outputLimit) as Tensor2D;
}

/** As `controlStep`. */
export function tfjsControlStep(data: PlanData): Work {
  const { spec, count, horizon } = data;
  const { inputDim: X, outputDim: Z } = spec;
  const params = tensorsOf(spec, data.params);
  const row = (array: Float32Array, from: number, size: number) =>
    tf.tensor2d(array.slice(from, from + size), [1, size]);
  const [meanIn, stdIn] = [row(data.normalizer, 0, X), row(data.normalizer, X, X)];
  const [meanOut, stdOut] = [2 * X, 2 * X + Z].map((from) => row(data.normalizer, from, Z));
  const [low, high] = [row(data.bounds, 0, Z), row(data.bounds, Z, Z)];
  const goal = tf.tensor2d(GOAL, [1, 2]);
  const start = tf.tile(row(data.state, 0, Z), [count, 1]);
  return async () => {
    const returns = tf.tidy(() => {
      const actions = tf.tensor3d(data.sequences, [count, horizon, X - Z]);
      let states = start;
      let sum: Tensor = tf.zeros([count]);
      for (let h = 0; h < horizon; h++) {
        const action = tf.reshape(
          tf.slice(actions, [0, h, 0], [count, 1, X - Z]),
          [count, X - Z],
        ) as Tensor2D;
        const inputs = tf.div(tf.sub(tf.concat([states, action], 1), meanIn), stdIn) as Tensor2D;
        const change = tf.add(tf.mul(predict(spec, params, inputs), stdOut), meanOut);
        states = tf.minimum(tf.maximum(tf.add(states, change), low), high) as Tensor2D;
        const place = tf.slice(states, [0, Z - 2], [count, 2]);
        const distance2 = tf.sum(tf.squaredDifference(place, goal), 1);
        sum = tf.add(sum, tf.mul(tf.exp(tf.neg(distance2)), DISCOUNT ** h));
      }
      return sum;
    });
    const result = await returns.data();
    returns.dispose();
    return result;
  };
}

/** As `training`. */
export function tfjsTraining(data: TrainData): Work {
  const { spec, rows, batchSize, updates, kind } = data;
  const initial = tensorsOf(spec, data.params);
  const variables: Variable[] = initial.map((tensor) => tf.variable(tensor));
  const inputs = tf.tensor2d(data.inputs, [rows, spec.inputDim]);
  const targets = tf.tensor2d(data.targets, [rows, spec.outputDim]);
  const batches = Array.from(
    { length: updates },
    (_, u) =>
      tf.tensor1d(
        Int32Array.from(data.order.subarray(u * batchSize, (u + 1) * batchSize)),
        "int32",
      ),
  );
  return async () => {
    if (kind === "adapt") variables.forEach((variable, i) => variable.assign(initial[i]));
    const before = variables.map((variable) => variable.clone());
    const { lr, beta1, beta2, epsilon } = ADAM;
    const optimizer = kind === "reptile"
      ? tf.train.sgd(SGD_LR)
      : tf.train.adam(lr, beta1, beta2, epsilon);
    const losses = batches.map((batch) =>
      optimizer.minimize(
        () => {
          const error = tf.sub(
            predict(spec, variables, tf.gather(inputs, batch)),
            tf.gather(targets, batch),
          );
          return tf.sum(tf.square(error)) as tf.Scalar;
        },
        true,
        variables,
      )!
    );
    if (kind === "reptile") {
      variables.forEach((variable, i) => {
        const moved = tf.tidy(() =>
          tf.add(before[i], tf.mul(tf.sub(variable, before[i]), REPTILE_STEP))
        );
        variable.assign(moved);
        moved.dispose();
      });
    }
    const stacked = tf.stack(losses);
    const result = await stacked.data();
    tf.dispose([...before, ...losses, stacked]);
    optimizer.dispose();
    return result;
  };
}
