/**
 * FAMLE: a dynamics model meta-trained over situations, each with an embedding, so that the
 * embedding that explains the last observations is a good start for adapting to a new situation.
 * Kaushik, Anne, Mouret 2020, "Fast Online Adaptation in Robotics through Meta-Learning
 * Embeddings of Simulated Priors", algorithm 1, and its published code (`models/famle.py`);
 * formulas: golden README ("FAMLE").
 *
 * Meta-training is Reptile (Nichol, Achiam, Schulman 2018): SGD on one situation's data, weights
 * and embedding, then a step from the old towards the new parameters whose size decays to zero.
 * Embeddings of 1 for all situations make it the one-start baseline (MAML-like).
 *
 * Left out: dropout (0 in all published settings).
 */
import type { Device, Tensor } from "../compute/device.ts";
import { RunError } from "../util/errors.ts";
import { exp } from "../util/math.ts";
import {
  type DynamicsModel,
  type DynamicsRowSet,
  MinibatchTraining,
  TORCH_ADAM,
} from "./dynamics_model.ts";

/** Constants of meta-training. */
export interface MetaTrainSettings {
  /** Meta-iterations in all; the step from old to new parameters decays to 0 over them. */
  readonly metaIterations: number;
  /** First of these steps, 0 to 1. */
  readonly metaStep: number;
  /** Passes over a situation's rows in a meta-iteration. */
  readonly innerPasses: number;
  /** Step size of SGD on the sum of squared errors of a minibatch. */
  readonly innerLr: number;
  /** Rows of a minibatch; all rows where there are fewer. */
  readonly batchSize: number;
  /** Rows that a pass takes, drawn anew for each; `null`: all. */
  readonly sampleSize: number | null;
}

/** Constants of the adaptation to a new situation. */
export interface AdaptSettings {
  /** Passes over the rows. */
  readonly epochs: number;
  /** Step size of Adam. */
  readonly learningRate: number;
  /** Rows of a minibatch; all rows where there are fewer. */
  readonly batchSize: number;
}

/** Rows taken by the updates of one pass: whole minibatches, an incomplete last one is dropped. */
function usedRows(taken: number, batchSize: number): number {
  return taken - taken % batchSize;
}

/** Reptile on one model, one situation a meta-iteration, in turn. Owns its tensors. */
export class ReptileTraining {
  readonly #model: DynamicsModel;
  readonly #settings: MetaTrainSettings;
  readonly #before: Tensor;
  readonly #trainings: MinibatchTraining[];
  /** Of every situation: rows that one pass takes. */
  readonly #perPass: number[];

  /**
   * Prepares the meta-iterations; the model's parameters are trained in place.
   * @param rows of every situation, in the order of the embeddings
   * @param embeddingOf embedding of a situation; the identity but for shared embeddings
   */
  constructor(
    model: DynamicsModel,
    rows: readonly DynamicsRowSet[],
    settings: MetaTrainSettings,
    embeddingOf: (situation: number) => number = (situation) => situation,
  ) {
    this.#model = model;
    this.#settings = settings;
    this.#before = model.device.tensor("parameters before", model.params.shape);
    const { batchSize, sampleSize, innerPasses, innerLr } = settings;
    this.#perPass = [];
    this.#trainings = rows.map((set, situation) => {
      const batch = Math.min(batchSize, set.count);
      const used = usedRows(Math.min(sampleSize ?? set.count, set.count), batch);
      this.#perPass.push(used);
      const updates = innerPasses * used / batch;
      const optimizer = { kind: "sgd", lr: innerLr } as const;
      return new MinibatchTraining(model, set, embeddingOf(situation), batch, updates, optimizer);
    });
  }

  /** Situation of meta-iteration n. */
  situationOf(n: number): number {
    return n % this.#trainings.length;
  }

  /** Rows that a pass over this situation takes: the length of a pass's order. */
  rowsPerPass(situation: number): number {
    return this.#perPass[situation];
  }

  /** Part of the way from old to new parameters in meta-iteration n. */
  stepSize(n: number): number {
    const { metaStep, metaIterations } = this.#settings;
    return metaStep * (1 - n / metaIterations);
  }

  /**
   * Meta-iteration n.
   * @param order rows of all passes, one pass after the other
   */
  async iterate(n: number, order: Uint32Array): Promise<void> {
    const { device, params } = this.#model;
    const training = this.#trainings[this.situationOf(n)];
    training.setOrder(order);
    await device.submit([
      { kernel: "broadcast_row", row: params, out: this.#before },
      training.command,
      {
        kernel: "interpolate",
        from: this.#before,
        to: params,
        factor: this.stepSize(n),
        out: params,
      },
    ]);
  }

  /** Mean squared error per row over the last pass of the situation's last meta-iteration. */
  async lastLoss(situation: number): Promise<number> {
    const losses = await this.#trainings[situation].readLosses();
    const perPass = losses.length / this.#settings.innerPasses;
    return losses.subarray(losses.length - perPass).reduce((sum, x) => sum + x, 0) / perPass;
  }

  /** Frees what it owns; the model stays. */
  close(): void {
    this.#model.device.free(this.#before);
    for (const training of this.#trainings) training.close();
  }
}

/**
 * Probability of every situation given its model's errors: the softmax of minus the mean squared
 * error. The largest logarithm is taken off first, since exp(-error) of a bad model is 0.
 *
 * @param errors [G] sums of squared normalised errors
 * @param rows number of rows they were summed over
 * @throws RunError `not-finite` where an error is not finite
 */
export function situationLikelihoods(errors: ArrayLike<number>, rows: number): Float64Array {
  let best = Infinity;
  for (let g = 0; g < errors.length; g++) {
    if (!Number.isFinite(errors[g])) {
      throw new RunError(
        "not-finite",
        `Cannot select a situation: the model's error with embedding ${g} is ${errors[g]}`,
      );
    }
    best = Math.min(best, errors[g]);
  }
  const likelihoods = Float64Array.from(errors, (error) => exp((best - error) / rows));
  const sum = likelihoods.reduce((total, x) => total + x, 0);
  return likelihoods.map((x) => x / sum);
}

/** The first situation of greatest likelihood. */
export function mostLikely(likelihoods: ArrayLike<number>): number {
  let best = 0;
  for (let g = 1; g < likelihoods.length; g++) if (likelihoods[g] > likelihoods[best]) best = g;
  return best;
}

/** A situation drawn with its likelihood. @param u uniform in [0, 1) */
export function drawSituation(likelihoods: ArrayLike<number>, u: number): number {
  let sum = 0;
  for (let g = 0; g < likelihoods.length; g++) {
    sum += likelihoods[g];
    if (u < sum) return g;
  }
  return mostLikely(likelihoods);
}

/** Number of rows that every epoch of an adaptation uses. */
export function adaptationRows(settings: AdaptSettings, count: number): number {
  return usedRows(count, Math.min(settings.batchSize, count));
}

/**
 * Adapts a model to rows of a new situation: Adam with fresh moments on all weights and on the
 * situation's embedding.
 *
 * @param order rows of all epochs, `adaptationRows` of them each, one epoch after the other
 * @returns [epochs] mean squared error per row, before each update
 */
export async function adapt(
  model: DynamicsModel,
  rows: DynamicsRowSet,
  situation: number,
  settings: AdaptSettings,
  order: Uint32Array,
): Promise<Float64Array> {
  const { device, params } = model;
  const { epochs, learningRate } = settings;
  const batch = Math.min(settings.batchSize, rows.count);
  const updatesPerEpoch = adaptationRows(settings, rows.count) / batch;
  const moments = newMoments(device, params.size);
  const training = new MinibatchTraining(model, rows, situation, batch, epochs * updatesPerEpoch, {
    ...TORCH_ADAM,
    lr: learningRate,
    firstStep: 1,
    ...moments,
  });
  try {
    training.setOrder(order);
    await device.submit([training.command]);
    const losses = await training.readLosses();
    return Float64Array.from({ length: epochs }, (_, epoch) => {
      const part = losses.subarray(epoch * updatesPerEpoch, (epoch + 1) * updatesPerEpoch);
      return part.reduce((sum, x) => sum + x, 0) / updatesPerEpoch;
    });
  } finally {
    training.close();
    device.free(moments.m);
    device.free(moments.v);
  }
}

/** Zero moments of Adam [P]; the caller frees them. @param size P, number of parameters */
export function newMoments(device: Device, size: number): { m: Tensor; v: Tensor } {
  return {
    m: device.tensor("first moment", [size]),
    v: device.tensor("second moment", [size]),
  };
}
