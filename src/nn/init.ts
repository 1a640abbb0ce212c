/**
 * Initial parameters, as in the original (ProMP policies and MMAML encoder on TensorFlow 1):
 * Xavier-uniform weights, zero biases, log_std = ln(initStd), orthogonal recurrent weights.
 * Dynamics models as the original of FAMLE, on PyTorch.
 */
import {
  dynamicsLayout,
  type DynamicsSpec,
  dynamicsWidths,
  encoderLayout,
  type EncoderSpec,
  policyLayout,
  type PolicySpec,
} from "../compute/layout.ts";
import { log } from "../util/math.ts";
import { type KeyedRandom, Purpose } from "../util/prng.ts";

/** Which network a stream of initial parameters belongs to; never renumber. */
const POLICY = 0;
const ENCODER = 1;
const DYNAMICS = 2;

/** Uniform in +-sqrt(6 / (inputs + outputs)), Glorot & Bengio 2010. */
function fillXavier(random: KeyedRandom, shape: readonly number[], out: Float32Array): void {
  const limit = Math.sqrt(6 / (shape[0] + shape[1]));
  for (let i = 0; i < out.length; i++) out[i] = random.uniformRange(-limit, limit);
}

/**
 * [rows, columns], rows <= columns, orthonormal rows, uniformly distributed: Gram-Schmidt on
 * normal numbers, each row projected twice so that rounding does not add up (Saxe et al. 2014).
 */
function fillOrthogonal(random: KeyedRandom, shape: readonly number[], out: Float32Array): void {
  const [rows, columns] = shape;
  const basis = new Float64Array(rows * columns);
  random.fillNormal(basis);
  for (let r = 0; r < rows; r++) {
    const row = basis.subarray(r * columns, (r + 1) * columns);
    for (let pass = 0; pass < 2; pass++) {
      for (let q = 0; q < r; q++) {
        const other = basis.subarray(q * columns, (q + 1) * columns);
        let dot = 0;
        for (let c = 0; c < columns; c++) dot += row[c] * other[c];
        for (let c = 0; c < columns; c++) row[c] -= dot * other[c];
      }
    }
    let square = 0;
    for (let c = 0; c < columns; c++) square += row[c] * row[c];
    const norm = Math.sqrt(square);
    for (let c = 0; c < columns; c++) row[c] /= norm;
  }
  out.set(basis);
}

/**
 * Initial policy parameters [P].
 * @param initStd standard deviation of the untrained policy, above 0, unit of the action
 */
export function initPolicy(random: KeyedRandom, spec: PolicySpec, initStd: number): Float32Array {
  const layout = policyLayout(spec);
  const params = new Float32Array(layout.size);
  random.at(Purpose.PARAM_INIT, 0, POLICY);
  for (const { name, shape, offset, size } of layout.entries) {
    const part = params.subarray(offset, offset + size);
    if (name === "log_std") part.fill(log(initStd));
    else if (shape.length === 2) fillXavier(random, shape, part);
  }
  return params;
}

/** Initial encoder parameters [Q]. */
export function initEncoder(random: KeyedRandom, spec: EncoderSpec): Float32Array {
  const layout = encoderLayout(spec);
  const params = new Float32Array(layout.size);
  random.at(Purpose.PARAM_INIT, 0, ENCODER);
  for (const { name, shape, offset, size } of layout.entries) {
    const part = params.subarray(offset, offset + size);
    if (name === "gru_recurrent") fillOrthogonal(random, shape, part);
    else if (shape.length === 2) fillXavier(random, shape, part);
  }
  return params;
}

/**
 * Initial parameters [P] of a dynamics model, as the original's (PyTorch's defaults): embeddings
 * normal, weights and biases uniform in +-1/sqrt(inputs).
 */
export function initDynamics(random: KeyedRandom, spec: DynamicsSpec): Float32Array {
  const layout = dynamicsLayout(spec);
  const widths = dynamicsWidths(spec);
  const params = new Float32Array(layout.size);
  random.at(Purpose.PARAM_INIT, 0, DYNAMICS);
  layout.entries.forEach(({ offset, size }, index) => {
    const part = params.subarray(offset, offset + size);
    if (index === 0) {
      random.fillNormal(part);
      return;
    }
    const limit = 1 / Math.sqrt(widths[Math.floor((index - 1) / 2)]);
    for (let i = 0; i < size; i++) part[i] = random.uniformRange(-limit, limit);
  });
  return params;
}
