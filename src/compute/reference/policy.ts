/**
 * Policy kernels in float64, one sample at a time: the truth that the other backends are held
 * against. Contracts in `kernels.ts`, axis letters in `layout.ts`.
 *
 * Per hidden layer: u = x W + b; a = u * g + beta with g = gamma (+ 1); y = f(a). Adjoints are
 * prefixed `d`, tangents along the direction v (R-operator, Pearlmutter 1994) `r`; `dr` is the
 * tangent of an adjoint.
 */
import type {
  InnerStepPullback,
  PolicyForward,
  SampleTensors,
  SurrogateGradient,
} from "../kernels.ts";
import { layerWidths, modulationLayout, policyLayout, type PolicySpec } from "../layout.ts";
import { klDivergence, logLikelihood } from "./distribution.ts";
import { type ReferenceTensor, values } from "./tensor.ts";

/** Everything about one layer that does not change with the sample. */
interface LayerPlan {
  readonly inputs: number;
  readonly outputs: number;
  /** Offsets into the parameter vector. */
  readonly w: number;
  readonly b: number;
  /** Offsets into the modulation vector, -1 where there is none. */
  readonly gamma: number;
  readonly beta: number;
  readonly hidden: boolean;
}

/** Activations of one sample and its tangents, layer by layer. */
interface Trace {
  readonly x: Float64Array;
  readonly u: Float64Array;
  readonly rx: Float64Array;
  readonly ru: Float64Array;
}

/** One task's network with its scratch memory. */
class Network {
  readonly layers: LayerPlan[] = [];
  readonly traces: Trace[] = [];
  readonly mean: Float64Array;
  readonly rMean: Float64Array;
  readonly logStdOffset: number;
  readonly paramCount: number;
  readonly modulationCount: number;
  readonly #relu: boolean;
  readonly #shift: number;

  constructor(readonly spec: PolicySpec, modulated: boolean) {
    const widths = layerWidths(spec);
    const params = policyLayout(spec);
    const film = modulationLayout(spec);
    const at = (name: string) =>
      modulated ? film.entries.find((entry) => entry.name === name)?.offset ?? -1 : -1;
    for (let l = 0; l + 1 < widths.length; l++) {
      this.layers.push({
        inputs: widths[l],
        outputs: widths[l + 1],
        w: params.entries[2 * l].offset,
        b: params.entries[2 * l + 1].offset,
        gamma: at(`gamma${l}`),
        beta: at(`beta${l}`),
        hidden: l + 2 < widths.length,
      });
      this.traces.push({
        x: new Float64Array(widths[l]),
        u: new Float64Array(widths[l + 1]),
        rx: new Float64Array(widths[l]),
        ru: new Float64Array(widths[l + 1]),
      });
    }
    this.mean = new Float64Array(spec.actDim);
    this.rMean = new Float64Array(spec.actDim);
    this.logStdOffset = params.size - spec.actDim;
    this.paramCount = params.size;
    this.modulationCount = film.size;
    this.#relu = spec.activation === "relu";
    this.#shift = spec.film?.shiftGammas ? 1 : 0;
  }

  #scale(layer: LayerPlan, modulation: Float64Array, o: number): number {
    return layer.gamma < 0 ? 1 : modulation[layer.gamma + o] + this.#shift;
  }

  /** Fills `mean`; with a direction `v` also the tangents and `rMean`. */
  forward(
    theta: Float64Array,
    modulation: Float64Array,
    obs: Float64Array,
    sample: number,
    v: Float64Array | null,
  ): void {
    const first = this.traces[0];
    for (let i = 0; i < this.spec.obsDim; i++) {
      first.x[i] = obs[sample * this.spec.obsDim + i];
      first.rx[i] = 0;
    }
    this.layers.forEach((layer, l) => {
      const { x, u, rx, ru } = this.traces[l];
      for (let o = 0; o < layer.outputs; o++) {
        let sum = theta[layer.b + o];
        let rSum = v === null ? 0 : v[layer.b + o];
        for (let i = 0; i < layer.inputs; i++) {
          const at = layer.w + i * layer.outputs + o;
          sum += x[i] * theta[at];
          if (v !== null) rSum += rx[i] * theta[at] + x[i] * v[at];
        }
        u[o] = sum;
        ru[o] = rSum;
        if (!layer.hidden) {
          this.mean[o] = sum;
          this.rMean[o] = rSum;
          continue;
        }
        const g = this.#scale(layer, modulation, o);
        const a = sum * g + (layer.beta < 0 ? 0 : modulation[layer.beta + o]);
        const next = this.traces[l + 1];
        const y = this.#relu ? Math.max(a, 0) : Math.tanh(a);
        next.x[o] = y;
        next.rx[o] = this.#slope(y) * rSum * g;
      }
    });
  }

  /** f'(a) from y = f(a); 0 for relu at 0. */
  #slope(y: number): number {
    return this.#relu ? (y > 0 ? 1 : 0) : 1 - y * y;
  }

  /** Accumulates the gradient of sum(dMean * mean). */
  backward(
    theta: Float64Array,
    modulation: Float64Array,
    dMean: Float64Array,
    gradParams: Float64Array,
    gradModulation: Float64Array | null,
  ): void {
    let dOut = dMean;
    for (let l = this.layers.length - 1; l >= 0; l--) {
      const layer = this.layers[l];
      const { x, u } = this.traces[l];
      const du = Float64Array.from(dOut);
      for (let o = 0; o < layer.outputs; o++) {
        if (layer.hidden) {
          const da = du[o] * this.#slope(this.traces[l + 1].x[o]);
          if (gradModulation !== null && layer.gamma >= 0) {
            gradModulation[layer.gamma + o] += da * u[o];
            if (layer.beta >= 0) gradModulation[layer.beta + o] += da;
          }
          du[o] = da * this.#scale(layer, modulation, o);
        }
        gradParams[layer.b + o] += du[o];
      }
      const dx = new Float64Array(layer.inputs);
      for (let i = 0; i < layer.inputs; i++) {
        for (let o = 0; o < layer.outputs; o++) {
          const at = layer.w + i * layer.outputs + o;
          gradParams[at] += x[i] * du[o];
          dx[i] += theta[at] * du[o];
        }
      }
      dOut = dx;
    }
  }

  /**
   * Accumulates the tangent along v of the gradient that {@link backward} gives, where dMean has
   * the tangent drMean. Linear in (dMean, drMean) together.
   */
  tangentBackward(
    theta: Float64Array,
    v: Float64Array,
    modulation: Float64Array,
    dMean: Float64Array,
    drMean: Float64Array,
    gradParams: Float64Array,
    gradModulation: Float64Array | null,
  ): void {
    let dOut = dMean;
    let drOut = drMean;
    for (let l = this.layers.length - 1; l >= 0; l--) {
      const layer = this.layers[l];
      const { x, u, rx, ru } = this.traces[l];
      const du = Float64Array.from(dOut);
      const dru = Float64Array.from(drOut);
      for (let o = 0; o < layer.outputs; o++) {
        if (layer.hidden) {
          const next = this.traces[l + 1];
          const slope = this.#slope(next.x[o]);
          const rSlope = this.#relu ? 0 : -2 * next.x[o] * next.rx[o];
          const da = du[o] * slope;
          const dra = dru[o] * slope + du[o] * rSlope;
          if (gradModulation !== null && layer.gamma >= 0) {
            gradModulation[layer.gamma + o] += dra * u[o] + da * ru[o];
            if (layer.beta >= 0) gradModulation[layer.beta + o] += dra;
          }
          const g = this.#scale(layer, modulation, o);
          du[o] = da * g;
          dru[o] = dra * g;
        }
        gradParams[layer.b + o] += dru[o];
      }
      const dx = new Float64Array(layer.inputs);
      const drx = new Float64Array(layer.inputs);
      for (let i = 0; i < layer.inputs; i++) {
        for (let o = 0; o < layer.outputs; o++) {
          const at = layer.w + i * layer.outputs + o;
          gradParams[at] += rx[i] * du[o] + x[i] * dru[o];
          dx[i] += theta[at] * du[o];
          drx[i] += theta[at] * dru[o] + v[at] * du[o];
        }
      }
      dOut = dx;
      drOut = drx;
    }
  }
}

const EMPTY = new Float64Array(0);

function row(tensor: ReferenceTensor | null, m: number, size: number): Float64Array {
  return tensor === null ? EMPTY : tensor.data.subarray(m * size, (m + 1) * size);
}

/** See {@link PolicyForward}. */
export function policyForward(command: PolicyForward): void {
  const network = new Network(command.spec, command.modulation !== null);
  const params = values(command.params);
  const modulation = command.modulation === null ? null : values(command.modulation);
  const obs = values(command.obs).data;
  const offsets = values(command.offsets).data;
  const out = values(command.mean).data;
  for (let m = 0; m + 1 < offsets.length; m++) {
    const theta = row(params, m, network.paramCount);
    const film = row(modulation, m, network.modulationCount);
    for (let s = offsets[m]; s < offsets[m + 1]; s++) {
      network.forward(theta, film, obs, s, null);
      out.set(network.mean, s * command.spec.actDim);
    }
  }
}

/** Log standard deviation after the floor, and 1 or 0 where its gradient passes or not. */
function flooredLogStd(network: Network, theta: Float64Array, floor: number | null) {
  const actDim = network.spec.actDim;
  const raw = theta.subarray(network.logStdOffset, network.logStdOffset + actDim);
  const logStd = Float64Array.from(raw, (s) => floor === null ? s : Math.max(s, floor));
  const { learnStd } = network.spec;
  const passes = Float64Array.from(
    raw,
    (s) => learnStd && (floor === null || s >= floor) ? 1 : 0,
  );
  return { logStd, passes };
}

/** The numbers of a step's samples. */
function sampleValues(samples: SampleTensors) {
  const data = (name: Exclude<keyof SampleTensors, "maxSamplesPerTask">) =>
    values(samples[name]).data;
  return {
    obs: data("obs"),
    actions: data("actions"),
    advantages: data("advantages"),
    oldMean: data("oldMean"),
    oldLogStd: data("oldLogStd"),
    offsets: data("offsets"),
  };
}

/** See {@link SurrogateGradient}. */
export function surrogateGradient(command: SurrogateGradient): void {
  const { spec, samples, clipEps } = command;
  const network = new Network(spec, command.modulation !== null);
  const params = values(command.params);
  const modulation = command.modulation === null ? null : values(command.modulation);
  const gradParams = values(command.gradParams);
  const gradModulation = command.gradModulation === null ? null : values(command.gradModulation);
  const stats = values(command.stats).data;
  const { obs, actions, advantages, oldMean, oldLogStd, offsets } = sampleValues(samples);
  const actDim = spec.actDim;
  const dMean = new Float64Array(actDim);
  gradParams.data.fill(0);
  gradModulation?.data.fill(0);
  for (let m = 0; m + 1 < offsets.length; m++) {
    const theta = row(params, m, network.paramCount);
    const film = row(modulation, m, network.modulationCount);
    const dTheta = row(gradParams, m, network.paramCount);
    const dFilm = gradModulation === null ? null : row(gradModulation, m, network.modulationCount);
    const { logStd, passes } = flooredLogStd(network, theta, command.minLogStd);
    const count = offsets[m + 1] - offsets[m];
    let loss = 0;
    let kl = 0;
    for (let s = offsets[m]; s < offsets[m + 1]; s++) {
      network.forward(theta, film, obs, s, null);
      const x = { data: actions, at: s * actDim };
      const old = [{ data: oldMean, at: s * actDim }, { data: oldLogStd, at: s * actDim }] as const;
      const current = [{ data: network.mean, at: 0 }, { data: logStd, at: 0 }] as const;
      const ratio = Math.exp(
        logLikelihood(x, ...current, actDim) - logLikelihood(x, ...old, actDim),
      );
      kl += klDivergence(...old, ...current, actDim) / count;
      const plain = ratio * advantages[s];
      const clipped = clipEps === null
        ? plain
        : Math.min(Math.max(ratio, 1 - clipEps), 1 + clipEps) * advantages[s];
      loss -= Math.min(plain, clipped) / count;
      const dLogLikelihood = plain <= clipped ? -plain / count : 0;
      for (let a = 0; a < actDim; a++) {
        const std = Math.exp(logStd[a]);
        const z = (actions[s * actDim + a] - network.mean[a]) / std;
        dMean[a] = dLogLikelihood * z / std;
        dTheta[network.logStdOffset + a] += passes[a] * dLogLikelihood * (z * z - 1);
      }
      network.backward(theta, film, dMean, dTheta, dFilm);
    }
    stats[2 * m] = loss;
    stats[2 * m + 1] = kl;
  }
}

/** See {@link InnerStepPullback}. */
export function innerStepPullback(command: InnerStepPullback): void {
  const { spec, samples, innerLr, klScale } = command;
  const network = new Network(spec, command.modulation !== null);
  const params = values(command.params);
  const modulation = command.modulation === null ? null : values(command.modulation);
  const adjointIn = values(command.adjointIn);
  const adjointOut = values(command.adjointOut);
  const gradModulation = command.gradModulation === null ? null : values(command.gradModulation);
  const { obs, actions, advantages, oldMean, oldLogStd, offsets } = sampleValues(samples);
  const actDim = spec.actDim;
  const dMean = new Float64Array(actDim);
  const drMean = new Float64Array(actDim);
  for (let m = 0; m + 1 < offsets.length; m++) {
    const theta = row(params, m, network.paramCount);
    const film = row(modulation, m, network.modulationCount);
    const v = row(adjointIn, m, network.paramCount);
    const out = row(adjointOut, m, network.paramCount);
    const dFilm = gradModulation === null ? null : row(gradModulation, m, network.modulationCount);
    const { logStd, passes } = flooredLogStd(network, theta, command.minLogStd);
    const count = offsets[m + 1] - offsets[m];
    out.set(v);
    for (let s = offsets[m]; s < offsets[m + 1]; s++) {
      network.forward(theta, film, obs, s, v);
      const x = { data: actions, at: s * actDim };
      const ratio = Math.exp(
        logLikelihood(x, { data: network.mean, at: 0 }, { data: logStd, at: 0 }, actDim) -
          logLikelihood(
            x,
            { data: oldMean, at: s * actDim },
            { data: oldLogStd, at: s * actDim },
            actDim,
          ),
      );
      let rLogLikelihood = 0;
      for (let a = 0; a < actDim; a++) {
        const std = Math.exp(logStd[a]);
        const z = (actions[s * actDim + a] - network.mean[a]) / std;
        const rLogStd = passes[a] * v[network.logStdOffset + a];
        rLogLikelihood += z / std * network.rMean[a] + (z * z - 1) * rLogStd;
      }
      // -innerLr times the surrogate's adjoints plus the penalty's: the backward pass is linear,
      // so one pass serves both.
      const c = innerLr * ratio * advantages[s] / count;
      const rc = c * rLogLikelihood;
      for (let a = 0; a < actDim; a++) {
        const std = Math.exp(logStd[a]);
        const z = (actions[s * actDim + a] - network.mean[a]) / std;
        const rLogStd = passes[a] * v[network.logStdOffset + a];
        const rz = -network.rMean[a] / std - z * rLogStd;
        const variance = std * std;
        const difference = oldMean[s * actDim + a] - network.mean[a];
        const denominator = 2 * variance + 1e-8;
        const numerator = difference * difference +
          Math.exp(2 * oldLogStd[s * actDim + a]) - variance;
        const klMean = klScale / count * -2 * difference / denominator;
        const klLogStd = klScale / count *
          (1 - 2 * variance / denominator - 4 * variance * numerator / denominator ** 2);
        dMean[a] = c * z / std;
        drMean[a] = rc * z / std + c * (rz / std - z / std * rLogStd) + klMean;
        out[network.logStdOffset + a] += passes[a] *
          (rc * (z * z - 1) + c * 2 * z * rz + klLogStd);
      }
      network.tangentBackward(theta, v, film, dMean, drMean, out, dFilm);
    }
  }
}
