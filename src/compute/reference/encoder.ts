/**
 * Task encoder in float64, one sequence at a time. Contracts in `kernels.ts`, formulas in the
 * README of the golden data, "Task encoder" (Keras GRU of TensorFlow 1, `reset_after=False`).
 *
 * GRU columns come in blocks z (update), r (reset), c (candidate); adjoints are prefixed `d`.
 */
import type { EncoderArgs, EncoderBackward, EncoderForward } from "../kernels.ts";
import { encoderLayout } from "../layout.ts";
import { values } from "./tensor.ts";

/** Weights of two dense layers C -> C (relu) -> C, as offsets. */
interface MlpPlan {
  readonly w0: number;
  readonly b0: number;
  readonly w1: number;
  readonly b1: number;
}

const hardSigmoid = (v: number) => Math.min(Math.max(0.2 * v + 0.5, 0), 1);
const hardSigmoidSlope = (v: number) => Math.abs(v) < 2.5 ? 0.2 : 0;

function dense(
  p: Float64Array,
  w: number,
  b: number,
  x: Float64Array,
  outputs: number,
): Float64Array {
  const y = p.slice(b, b + outputs);
  for (let i = 0; i < x.length; i++) {
    for (let o = 0; o < outputs; o++) y[o] += x[i] * p[w + i * outputs + o];
  }
  return y;
}

/** Accumulates dW and db, returns dx. */
function denseBackward(
  p: Float64Array,
  g: Float64Array,
  w: number,
  b: number,
  x: Float64Array,
  dy: Float64Array,
): Float64Array {
  const dx = new Float64Array(x.length);
  for (let o = 0; o < dy.length; o++) g[b + o] += dy[o];
  for (let i = 0; i < x.length; i++) {
    for (let o = 0; o < dy.length; o++) {
      g[w + i * dy.length + o] += x[i] * dy[o];
      dx[i] += p[w + i * dy.length + o] * dy[o];
    }
  }
  return dx;
}

class Mlp {
  constructor(readonly plan: MlpPlan) {}

  forward(p: Float64Array, x: Float64Array): { hidden: Float64Array; y: Float64Array } {
    const hidden = dense(p, this.plan.w0, this.plan.b0, x, x.length).map((v) => Math.max(v, 0));
    return { hidden, y: dense(p, this.plan.w1, this.plan.b1, hidden, x.length) };
  }

  backward(
    p: Float64Array,
    g: Float64Array,
    x: Float64Array,
    hidden: Float64Array,
    dy: Float64Array,
  ): Float64Array {
    const dHidden = denseBackward(p, g, this.plan.w1, this.plan.b1, hidden, dy)
      .map((v, c) => hidden[c] > 0 ? v : 0);
    return denseBackward(p, g, this.plan.w0, this.plan.b0, x, dHidden);
  }
}

/** Values of one GRU step that the way back needs. */
interface GruStep {
  readonly h: Float64Array;
  readonly zPre: Float64Array;
  readonly rPre: Float64Array;
  readonly candidate: Float64Array;
}

class Encoder {
  readonly p: Float64Array;
  readonly #x: Float64Array;
  readonly #at: (name: string) => number;
  readonly #gruMlp: Mlp | null;
  readonly #poolMlp: Mlp | null;
  readonly #cells: number;
  readonly #inputs: number;
  readonly #steps: number;

  constructor(readonly args: EncoderArgs) {
    const { spec } = args;
    const entries = new Map(encoderLayout(spec).entries.map((e) => [e.name, e.offset]));
    this.#at = (name) => entries.get(name)!;
    const mlp = (prefix: string) =>
      new Mlp({
        w0: this.#at(`${prefix}_mlp0_W`),
        b0: this.#at(`${prefix}_mlp0_b`),
        w1: this.#at(`${prefix}_mlp1_W`),
        b1: this.#at(`${prefix}_mlp1_b`),
      });
    this.#gruMlp = spec.mlpAfterGru ? mlp("gru") : null;
    this.#poolMlp = spec.mlpAfterPool ? mlp("pool") : null;
    this.p = values(args.params).data;
    this.#x = values(args.sequences).data;
    this.#cells = spec.cellSize;
    this.#inputs = spec.inputDim;
    this.#steps = args.sequences.shape[1];
  }

  /** Runs one sequence; `record` receives what the way back needs, or nothing when null. */
  #gru(sequence: number, record: GruStep[] | null): Float64Array {
    const [p, x, cells, inputs] = [this.p, this.#x, this.#cells, this.#inputs];
    const [kernel, recurrent, bias] = [
      this.#at("gru_kernel"),
      this.#at("gru_recurrent"),
      this.#at("gru_bias"),
    ];
    let h = new Float64Array(cells);
    for (let t = 0; t < this.#steps; t++) {
      const pre = p.slice(bias, bias + 3 * cells);
      const xAt = (sequence * this.#steps + t) * inputs;
      for (let i = 0; i < inputs; i++) {
        for (let o = 0; o < 3 * cells; o++) pre[o] += x[xAt + i] * p[kernel + i * 3 * cells + o];
      }
      for (let i = 0; i < cells; i++) {
        for (let o = 0; o < 2 * cells; o++) pre[o] += h[i] * p[recurrent + i * 3 * cells + o];
      }
      const zPre = pre.slice(0, cells);
      const rPre = pre.slice(cells, 2 * cells);
      for (let i = 0; i < cells; i++) {
        const gated = hardSigmoid(rPre[i]) * h[i];
        for (let o = 2 * cells; o < 3 * cells; o++) {
          pre[o] += gated * p[recurrent + i * 3 * cells + o];
        }
      }
      const candidate = pre.slice(2 * cells).map(Math.tanh);
      record?.push({ h, zPre, rPre, candidate });
      const previous = h;
      h = zPre.map((v, c) => {
        const z = hardSigmoid(v);
        return z * previous[c] + (1 - z) * candidate[c];
      });
    }
    return h;
  }

  /** Pooled GRU outputs of task m, before the dense layers behind the pooling. */
  #pool(m: number, lastStates: Float64Array | null): Float64Array {
    const pooled = new Float64Array(this.#cells);
    const paths = values(this.args.numPaths).data[m];
    for (let slot = 0; slot < this.args.slots; slot++) {
      const r = m * this.args.slots + slot;
      const h = this.#gru(r, null);
      lastStates?.set(h, r * this.#cells);
      const y = this.#gruMlp === null ? h : this.#gruMlp.forward(this.p, h).y;
      for (let c = 0; c < pooled.length; c++) pooled[c] += y[c] / paths;
    }
    return pooled;
  }

  forward(m: number, out: EncoderForward): void {
    const pooled = this.#pool(m, values(out.lastState).data);
    const embedding = this.#poolMlp === null ? pooled : this.#poolMlp.forward(this.p, pooled).y;
    values(out.taskEmbedding).data.set(embedding, m * this.#cells);
    const d = this.args.spec.outputDim;
    values(out.modulation).data.set(
      dense(this.p, this.#at("out_W"), this.#at("out_b"), embedding, d),
      m * d,
    );
  }

  /** Accumulates the gradient of sum(modulation[m] * dModulation) into g. */
  backward(m: number, dModulation: Float64Array, g: Float64Array): void {
    const p = this.p;
    const pooled = this.#pool(m, null);
    const pool = this.#poolMlp?.forward(p, pooled);
    const embedding = pool?.y ?? pooled;
    let dPooled = denseBackward(
      p,
      g,
      this.#at("out_W"),
      this.#at("out_b"),
      embedding,
      dModulation,
    );
    if (pool !== undefined) {
      dPooled = this.#poolMlp!.backward(p, g, pooled, pool.hidden, dPooled);
    }
    const paths = values(this.args.numPaths).data[m];
    for (let slot = 0; slot < this.args.slots; slot++) {
      const sequence = m * this.args.slots + slot;
      const steps: GruStep[] = [];
      const h = this.#gru(sequence, steps);
      let dh: Float64Array = dPooled.map((v) => v / paths);
      if (this.#gruMlp !== null) {
        dh = this.#gruMlp.backward(p, g, h, this.#gruMlp.forward(p, h).hidden, dh);
      }
      this.#gruBackward(sequence, steps, dh, g);
    }
  }

  #gruBackward(sequence: number, steps: GruStep[], dLast: Float64Array, g: Float64Array): void {
    const [p, cells, inputs] = [this.p, this.#cells, this.#inputs];
    const width = 3 * cells;
    const [kernel, recurrent, bias] = [
      this.#at("gru_kernel"),
      this.#at("gru_recurrent"),
      this.#at("gru_bias"),
    ];
    let dh = dLast;
    for (let t = this.#steps - 1; t >= 0; t--) {
      const { h, zPre, rPre, candidate } = steps[t];
      const dPre = new Float64Array(width);
      const dPrevious = new Float64Array(cells);
      for (let c = 0; c < cells; c++) {
        const z = hardSigmoid(zPre[c]);
        dPre[c] = dh[c] * (h[c] - candidate[c]) * hardSigmoidSlope(zPre[c]);
        dPre[2 * cells + c] = dh[c] * (1 - z) * (1 - candidate[c] ** 2);
        dPrevious[c] = dh[c] * z;
      }
      for (let i = 0; i < cells; i++) {
        const r = hardSigmoid(rPre[i]);
        let dGated = 0;
        for (let o = 2 * cells; o < width; o++) {
          dGated += p[recurrent + i * width + o] * dPre[o];
          g[recurrent + i * width + o] += r * h[i] * dPre[o];
        }
        dPrevious[i] += dGated * r;
        dPre[cells + i] = dGated * h[i] * hardSigmoidSlope(rPre[i]);
      }
      for (let i = 0; i < cells; i++) {
        for (let o = 0; o < 2 * cells; o++) {
          g[recurrent + i * width + o] += h[i] * dPre[o];
          dPrevious[i] += p[recurrent + i * width + o] * dPre[o];
        }
      }
      const xAt = (sequence * this.#steps + t) * inputs;
      for (let o = 0; o < width; o++) {
        g[bias + o] += dPre[o];
        for (let i = 0; i < inputs; i++) g[kernel + i * width + o] += this.#x[xAt + i] * dPre[o];
      }
      dh = dPrevious;
    }
  }
}

/** See {@link EncoderForward}. */
export function encoderForward(command: EncoderForward): void {
  const encoder = new Encoder(command);
  for (let m = 0; m < command.numPaths.size; m++) encoder.forward(m, command);
}

/** See {@link EncoderBackward}. */
export function encoderBackward(command: EncoderBackward): void {
  const encoder = new Encoder(command);
  const d = command.spec.outputDim;
  const grad = values(command.gradParams).data.fill(0);
  const dModulation = values(command.gradModulation).data;
  for (let m = 0; m < command.numPaths.size; m++) {
    encoder.backward(
      m,
      dModulation.slice(m * d, (m + 1) * d).map((v) => v * command.scale),
      grad,
    );
  }
}
