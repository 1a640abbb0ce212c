/**
 * FAMLE on sinusoids, the original's example (`example.py`): meta-train on some, find the one that
 * explains a few points of a new one best, adapt to the points, predict the rest.
 */
import { DynamicsModel } from "../algos/dynamics_model.ts";
import {
  adapt,
  adaptationRows,
  mostLikely,
  ReptileTraining,
  situationLikelihoods,
} from "../algos/famle.ts";
import type { Device } from "../compute/device.ts";
import type { DynamicsSpec } from "../compute/layout.ts";
import { initDynamics } from "../nn/init.ts";
import { sin } from "../util/math.ts";
import { normalizerOf } from "../util/normalizer.ts";
import { drawOrder } from "../util/permutation.ts";
import { KeyedRandom, Purpose } from "../util/prng.ts";
import { adaptationOrder, metaOrder } from "./famle_order.ts";

/** Published settings of the example. */
const HIDDEN_SIZES = [20, 20, 20];
const EMBEDDING_SIZE = 5;
const META = { metaIterations: 1000, metaStep: 0.1, innerPasses: 100, innerLr: 1e-3 };
const META_BATCH = { batchSize: 128, sampleSize: null };
const ADAPT = { epochs: 1000, learningRate: 1e-3, batchSize: 32 };
/** Phase and amplitude of a sinusoid are uniform in these ranges. */
const MAX_PHASE = 0.8 * Math.PI;
const AMPLITUDE = { low: 0.3, high: 1 };
/** x goes from -6 to 6 in 90 to 99 points. */
const MAX_X = 6;
const POINTS = { least: 90, choices: 10 };

/** What a key of SINE draws; never renumber. */
const CURVE = 0;
const OBSERVED = 1;

/** Points of a curve. */
export interface SineCurve {
  /** Where. */
  readonly x: Float64Array;
  /** amplitude * sin(x + phase) */
  readonly y: Float64Array;
}

/** What is asked for. */
export interface SineRequest {
  /** Seed of everything random. */
  readonly seed: number;
  /** Sinusoids to meta-train on. */
  readonly tasks: number;
  /** Points of the new one that are seen. */
  readonly points: number;
  /** Called now and then with the part that is done, 0 to 1. */
  readonly onProgress?: (done: number) => void;
  /** Ends the meta-training early. */
  readonly stop?: AbortSignal;
}

/** What came out. */
export interface SineResult {
  /** Curves of meta-training. */
  readonly training: readonly SineCurve[];
  /** The new curve. */
  readonly test: SineCurve;
  /** Its points that were seen. */
  readonly observed: SineCurve;
  /** Training curve whose embedding was most likely. */
  readonly selected: number;
  /** Predictions on `test.x`, before and after the adaptation. */
  readonly before: Float64Array;
  /** After the adaptation. */
  readonly after: Float64Array;
  /** Mean squared errors over the whole new curve. */
  readonly mseBefore: number;
  /** After the adaptation. */
  readonly mseAfter: number;
  /** Wall time of meta-training and of selection and adaptation. */
  readonly seconds: { readonly meta: number; readonly adaptation: number };
}

/** Curve `index` of a seed. */
function drawCurve(random: KeyedRandom, index: number): SineCurve {
  random.at(Purpose.SINE, 0, index, CURVE);
  const phase = random.uniformRange(-MAX_PHASE, MAX_PHASE);
  const amplitude = random.uniformRange(AMPLITUDE.low, AMPLITUDE.high);
  const count = POINTS.least + random.integer(POINTS.choices);
  const x = Float64Array.from({ length: count }, (_, i) => -MAX_X + 2 * MAX_X * i / (count - 1));
  return { x, y: x.map((value) => amplitude * sin(value + phase)) };
}

/** The example's network. */
export function sineSpec(tasks: number): DynamicsSpec {
  return {
    inputDim: 1,
    outputDim: 1,
    situations: tasks,
    embeddingDim: EMBEDDING_SIZE,
    hiddenSizes: HIDDEN_SIZES,
    activation: "tanh",
    outputLimit: null,
  };
}

function meanSquaredError(predicted: Float64Array, truth: Float64Array): number {
  return predicted.reduce((sum, value, i) => sum + (value - truth[i]) ** 2, 0) / truth.length;
}

/**
 * Runs the example on a device. Gives `null` where it was stopped.
 *
 * @throws RunError `not-finite` where the model diverges
 */
export async function runSine(device: Device, request: SineRequest): Promise<SineResult | null> {
  const { seed, tasks, points } = request;
  const random = new KeyedRandom(seed);
  const training = Array.from({ length: tasks }, (_, index) => drawCurve(random, index));
  const test = drawCurve(random, tasks);
  const chosen = new Uint32Array(points);
  random.at(Purpose.SINE, 0, 0, OBSERVED);
  drawOrder(random, test.x.length, points, new Uint32Array(test.x.length), chosen, 0);
  const observed = {
    x: Float64Array.from(chosen, (i) => test.x[i]),
    y: Float64Array.from(chosen, (i) => test.y[i]),
  };

  const spec = sineSpec(tasks);
  const parts = training.map(({ x, y }) => ({ inputs: x, targets: y }));
  const model = new DynamicsModel(device, spec, normalizerOf(parts, 1, 1));
  model.setParams(initDynamics(random, spec));
  const rows = parts.map(({ inputs, targets }) => model.upload(inputs, targets));
  const seen = model.upload(observed.x, observed.y);
  const reptile = new ReptileTraining(model, rows, { ...META, ...META_BATCH });
  try {
    const start = performance.now();
    for (let n = 0; n < META.metaIterations; n++) {
      const situation = reptile.situationOf(n);
      const taken = reptile.rowsPerPass(situation);
      const count = rows[situation].count;
      await reptile.iterate(n, metaOrder(random, n, situation, count, taken, META.innerPasses));
      if (n % 20 !== 0) continue;
      request.onProgress?.(n / META.metaIterations);
      // lets an interrupt through: small commands run without giving way
      await new Promise((resolve) => setTimeout(resolve));
      if (request.stop?.aborted) return null;
    }
    await model.readParams();
    const trained = performance.now();
    const likelihoods = situationLikelihoods(await model.errors(seen), points);
    const selected = mostLikely(likelihoods);
    const before = await model.predict(test.x, selected);
    const order = adaptationOrder(random, 0, points, adaptationRows(ADAPT, points), ADAPT.epochs);
    await adapt(model, seen, selected, ADAPT, order);
    const after = await model.predict(test.x, selected);
    return {
      training,
      test,
      observed,
      selected,
      before,
      after,
      mseBefore: meanSquaredError(before, test.y),
      mseAfter: meanSquaredError(after, test.y),
      seconds: {
        meta: (trained - start) / 1000,
        adaptation: (performance.now() - trained) / 1000,
      },
    };
  } finally {
    reptile.close();
    for (const set of [...rows, seen]) model.free(set);
    model.close();
  }
}
