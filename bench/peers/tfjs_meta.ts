/**
 * The first-order part of a meta-gradient in plain operations of tfjs, with its autodiff: the
 * encoder's forward pass, K inner gradient steps, and the outer surrogate's gradient at the adapted
 * parameters. What `MetaObjective.evaluate` does. Its second order is left out: tfjs takes what an
 * operation saves as a constant there, and gives wrong numbers (tensorflow/tfjs#3252).
 *
 * All tasks are one batch. Formulas: docs/algorithms.md.
 *
 * Axis letters: M tasks, N samples of one, R rollouts of all tasks, T steps, I input, C cells.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor, Tensor2D, Tensor3D } from "@tensorflow/tfjs-core";
import {
  encoderLayout,
  type Layout,
  modulationLayout,
  policyLayout,
} from "../../src/compute/layout.ts";
import type { MetaCase } from "../meta_case.ts";

/** Samples of one step, all tasks. */
interface Samples {
  /** [M, N, O] */
  readonly obs: Tensor3D;
  /** [M, N, A] */
  readonly actions: Tensor3D;
  readonly oldMean: Tensor3D;
  readonly oldLogStd: Tensor3D;
  /** [M, N] */
  readonly advantages: Tensor2D;
}

const MIN_LOG_STD = -13.8;

/** The named tensors of a flat vector. */
function tensorsOf(layout: Layout, data: ArrayLike<number>): Tensor[] {
  const flat = Float32Array.from(data);
  return layout.entries.map(({ shape, offset, size }) =>
    tf.tensor(flat.subarray(offset, offset + size), [...shape])
  );
}

export class TfjsMeta {
  readonly #case: MetaCase;
  /** W0, b0, W1, ..., log_std */
  readonly #policy: Tensor[];
  readonly #encoder: Tensor[] | null;
  readonly #samples: Samples[];
  /** [R, T, I] */
  readonly #sequences: Tensor3D | null;

  /** Puts the data on tfjs's current backend. */
  constructor(metaCase: MetaCase) {
    this.#case = metaCase;
    const { spec, params, shape: { tasks, rollouts, steps, obsDim, actDim } } = metaCase;
    const count = rollouts * steps;
    this.#policy = tensorsOf(policyLayout(spec.policy), params.policy);
    this.#encoder = spec.encoder === null
      ? null
      : tensorsOf(encoderLayout(spec.encoder), params.encoder!);
    this.#samples = Array.from({ length: spec.innerSteps + 1 }, (_, k) => {
      const data = metaCase.samples(k);
      const joined = (name: "obs" | "actions" | "oldMean" | "oldLogStd" | "advantages") => {
        const parts = data.map((task) => task[name] as Float32Array);
        const out = new Float32Array(tasks * parts[0].length);
        parts.forEach((part, m) => out.set(part, m * part.length));
        return out;
      };
      return {
        obs: tf.tensor3d(joined("obs"), [tasks, count, obsDim]),
        actions: tf.tensor3d(joined("actions"), [tasks, count, actDim]),
        oldMean: tf.tensor3d(joined("oldMean"), [tasks, count, actDim]),
        oldLogStd: tf.tensor3d(joined("oldLogStd"), [tasks, count, actDim]),
        advantages: tf.tensor2d(joined("advantages"), [tasks, count]),
      };
    });
    const sequences = metaCase.sequences();
    this.#sequences = sequences === null
      ? null
      : tf.tensor3d(sequences, [tasks * rollouts, steps, spec.encoder!.inputDim]);
  }

  /** [M, D] */
  #modulation(): Tensor2D {
    const { tasks, rollouts, steps } = this.#case.shape;
    const [kernel, recurrent, bias, ...rest] = this.#encoder! as Tensor2D[];
    const C = recurrent.shape[0];
    const [R, , I] = this.#sequences!.shape;
    const inputs = tf.unstack(
      tf.add(tf.matMul(tf.reshape(this.#sequences!, [R * steps, I]), kernel), bias)
        .reshape([R, steps, 3 * C]),
      1,
    ) as Tensor2D[];
    const gates = recurrent.slice([0, 0], [C, 2 * C]);
    const candidate = recurrent.slice([0, 2 * C], [C, C]);
    let h = tf.zeros([R, C]) as Tensor2D;
    for (const x of inputs) {
      h = tf.tidy(() => {
        const sums = tf.add(x.slice([0, 0], [R, 2 * C]), tf.matMul(h, gates));
        const both = tf.clipByValue(sums.mul(0.2).add(0.5), 0, 1);
        const [z, r] = tf.split(both, 2, 1) as Tensor2D[];
        const own = x.slice([0, 2 * C], [R, C]);
        const c = tf.tanh(tf.add(own, tf.matMul(tf.mul(r, h), candidate)));
        return tf.add(tf.mul(z, h), tf.mul(tf.sub(1, z), c)) as Tensor2D;
      });
    }
    const dense = (x: Tensor2D, at: number) => tf.add(tf.matMul(x, rest[at]), rest[at + 1]);
    const pair = (x: Tensor2D, at: number) =>
      dense(tf.relu(dense(x, at)) as Tensor2D, at + 2) as Tensor2D;
    const perRollout = pair(h, 0).reshape([tasks, rollouts, C]);
    const pooled = tf.sum(perRollout, 1).div(rollouts) as Tensor2D;
    return dense(pair(pooled, 4), 8) as Tensor2D;
  }

  /** [M, N, A] with parameters [M, ...] of each task. */
  #means(params: readonly Tensor[], modulation: Tensor2D | null, obs: Tensor3D): Tensor3D {
    const layers = (params.length - 1) / 2;
    const { tasks } = this.#case.shape;
    let x = obs;
    for (let layer = 0; layer < layers; layer++) {
      const bias = tf.expandDims(params[2 * layer + 1], 1);
      const u = tf.add(tf.matMul(x, params[2 * layer] as Tensor3D), bias) as Tensor3D;
      if (layer === layers - 1) return u;
      let scaled = u;
      if (modulation !== null) {
        const { offset, size } = modulationLayout(this.#case.spec.policy).entries[layer];
        const gamma = tf.slice(modulation, [0, offset], [tasks, size]).add(1);
        scaled = tf.mul(u, tf.expandDims(gamma, 1));
      }
      x = tf.tanh(scaled);
    }
    throw new RangeError("a policy needs a layer");
  }

  /** [M, N] */
  #ratio(k: number, params: readonly Tensor[], modulation: Tensor2D | null): Tensor2D {
    const { obs, actions, oldMean, oldLogStd } = this.#samples[k];
    const raw = tf.expandDims(params[params.length - 1], 1);
    const logStd = k === 0 ? tf.maximum(raw, MIN_LOG_STD) : raw;
    const mean = this.#means(params, modulation, obs);
    const z = tf.mul(tf.sub(actions, mean), tf.exp(tf.neg(logStd)));
    const zOld = tf.mul(tf.sub(actions, oldMean), tf.exp(tf.neg(oldLogStd)));
    const squares = tf.sub(tf.square(zOld), tf.square(z)).mul(0.5);
    return tf.exp(tf.sum(tf.add(tf.sub(oldLogStd, logStd), squares), -1)) as Tensor2D;
  }

  /** Adapted parameters [M, P] and outer surrogates [M]. The caller disposes both. */
  run(): { adapted: Tensor2D; surrogates: Tensor } {
    const { innerSteps, innerLr } = this.#case.spec;
    const { tasks } = this.#case.shape;
    return tf.tidy(() => {
      const modulation = this.#encoder === null ? null : this.#modulation();
      let params = this.#policy.map((tensor) =>
        tf.tile(tf.expandDims(tensor, 0), [tasks, ...tensor.shape.map(() => 1)])
      );
      for (let k = 0; k < innerSteps; k++) {
        const { advantages } = this.#samples[k];
        const surrogate = (...parts: Tensor[]) =>
          tf.sum(tf.mean(tf.mul(this.#ratio(k, parts, k === 0 ? null : modulation), advantages), 1))
            .neg() as tf.Scalar;
        const gradients = tf.grads(surrogate)(params);
        params = params.map((part, i) => tf.sub(part, gradients[i].mul(innerLr)));
      }
      const { advantages } = this.#samples[innerSteps];
      const { clipEps } = this.#case.coefficients;
      let surrogates: Tensor | null = null;
      const outer = (...parts: Tensor[]) => {
        const policy = modulation === null ? parts : parts.slice(0, -1);
        const gamma = modulation === null ? null : parts[parts.length - 1] as Tensor2D;
        const ratio = this.#ratio(innerSteps, policy, gamma);
        const clipped = tf.clipByValue(ratio, 1 - clipEps, 1 + clipEps);
        const least = tf.minimum(tf.mul(ratio, advantages), tf.mul(clipped, advantages));
        // grads() frees what it made on the way
        surrogates = tf.keep(tf.neg(tf.mean(least, 1)));
        return tf.sum(surrogates) as tf.Scalar;
      };
      tf.grads(outer)(modulation === null ? params : [...params, modulation]);
      const adapted = tf.concat(params.map((part) => part.reshape([tasks, -1])), 1) as Tensor2D;
      return { adapted, surrogates: surrogates! };
    });
  }

  close(): void {
    tf.dispose([...this.#policy, ...this.#encoder ?? [], ...this.#samples.flatMap(Object.values)]);
    this.#sequences?.dispose();
  }
}
