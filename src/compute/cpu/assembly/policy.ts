// The policy network on tiles of samples, and policy_forward.
//
// A work item is a chunk of one task's samples. It packs the task's weights (columns padded to
// four, FiLM folded in) and sends the samples through in tiles, so that nothing but the inputs
// and the results leaves the cache.
//
// FiLM is folded into the weights: (x W + b) g + beta = x (W g) + (b g + beta), column by column,
// with g = gamma + shift. The gradients come back through the same identity (surrogate.ts).
import { copyPadded, pad4, TILE, zero } from "./simd";
import { multiply, transpose } from "./dense";
import { reluInPlace, tanhInPlace } from "./math";

/** Most dense layers of a policy: four hidden ones and the output. */
export const MAX_LAYERS: i32 = 5;

/** Arguments of all policy kernels; written by plan.ts in this order. Addresses in bytes. */
@unmanaged
export class PolicyArgs {
  layers: i32; // dense layers: hidden ones and the output
  w0: i32; // widths: O, hidden..., A
  w1: i32;
  w2: i32;
  w3: i32;
  w4: i32;
  w5: i32;
  relu: i32; // 0 tanh, 1 relu
  learnStd: i32; // 0: log_std is a constant
  betas: i32; // modulation has betas
  shift: f32; // g = gamma + shift
  params: usize; // [M, P]
  paramCount: i32; // P
  modulation: usize; // [M, D] or 0
  modulationCount: i32; // D
  offsets: usize; // [M+1] u32
  chunk: i32; // samples of a work item, a multiple of TILE
  chunks: i32; // work items of a task; the last takes all that is left
  obs: usize; // [S, O]
  mean: usize; // [S, A], policy_forward only
  actions: usize; // [S, A]
  advantages: usize; // [S]
  oldMean: usize; // [S, A]
  oldLogStd: usize; // [S, A]
  gradParams: usize; // [M, P] out
  gradModulation: usize; // [M, D] out or 0
  stats: usize; // [M, 2] out
  clipEps: f32; // negative: not clipped
  minLogStd: f32; // -Infinity: no floor
  innerLr: f32;
  klScale: f32;
  adjointIn: usize; // [M, P]
  adjointOut: usize; // [M, P] out
}

/** One dense layer of a work item: sizes and where its matrices lie. Pads in floats. */
@unmanaged
export class Layer {
  inputs: i32;
  outputs: i32;
  inPad: i32; // pad4(inputs)
  outPad: i32; // pad4(outputs)
  source: usize; // index of W in the flat parameters; b follows
  gamma: usize; // address of gamma, 0 where not modulated
  beta: usize;
  scale: usize; // g [outPad]
  weights: usize; // W g [inputs, outPad]
  bias: usize; // b g + beta [outPad]
  transposed: usize; // (W g)' [outputs, inPad]
  input: usize; // [TILE, inPad] activations that enter
  output: usize; // [TILE, outPad] activations that leave
  zeros: usize; // as many zeros as the widest layer has inputs
  delta: usize; // [TILE, outPad] d loss / d (x W g + b g + beta)
  grad: usize; // [inPad, outPad] sum of input' delta, in the item's partial sums
  gradBias: usize; // [outPad]
  // of the pullback (pullback.ts):
  tangentWeights: usize; // V [inputs, outPad], not scaled
  tangentBias: usize; // [outPad]
  tangentTransposed: usize; // (V g)' [outputs, inPad]
  tangentInput: usize; // [TILE, inPad]
  tangentOutput: usize; // [TILE, outPad]
  tangentDirect: usize; // input V + v_b [TILE, outPad]
  adjoint: usize; // [TILE, outPad]
  gradScale: usize; // [outPad] sum of delta * tangentDirect
}

/** The Gaussian of a task's policy and where the sums of its head lie (surrogate.ts). */
@unmanaged
export class Head {
  dims: i32; // A
  count: i32; // samples of the whole task, the divisor of the means
  logStd: usize; // [A] max(log_std, floor)
  inverse: usize; // [A] exp(-log std)
  variance: usize; // [A] exp(2 log std)
  klDivisor: usize; // [A] 1 / (2 variance + 1e-8)
  active: usize; // [A] 1, or 0 below the floor
  tangent: usize; // [A] direction's log_std entries where active (pullback)
  deviation: usize; // [A, 4] (action - mean) / std of the four samples at hand
  shift: usize; // [A, 4] old mean - mean
  excess: usize; // [A, 4] old variance - variance
  gradLogStd: usize; // [A, 4] lane sums, in the partial sums
  loss: usize; // [4] lane sums, in the partial sums
  kl: usize; // [4] lane sums, in the partial sums
}

@inline
/** The head's record, behind the layer records at the start of the scratch memory. */
export function headOf(table: usize): Head {
  return changetype<Head>(table + <usize>MAX_LAYERS * offsetof<Layer>());
}

@inline
/** Layer record `index` of the table at the start of the scratch memory. */
export function layerAt(table: usize, index: i32): Layer {
  return changetype<Layer>(table + <usize>index * offsetof<Layer>());
}

@inline
/** Width of the activations in front of layer `index`. */
export function widthAt(args: PolicyArgs, index: i32): i32 {
  return load<i32>(changetype<usize>(args) + offsetof<PolicyArgs>("w0") + <usize>index * 4);
}

/**
 * Lays out the layer table and the forward pass's matrices of a task in scratch memory. Returns
 * the first free address. `table` must be 16-byte aligned.
 */
export function layOutForward(args: PolicyArgs, task: i32, table: usize): usize {
  let free = (table + <usize>MAX_LAYERS * offsetof<Layer>() + offsetof<Head>() + 15) & ~15;
  let source: i32 = 0;
  let modulation = args.modulation;
  if (modulation != 0) modulation += <usize>(task * args.modulationCount) * 4;
  let input = free;
  free += <usize>(TILE * pad4(widthAt(args, 0))) * 4;
  for (let l: i32 = 0; l < args.layers; l++) {
    const layer = layerAt(table, l);
    const inputs = widthAt(args, l), outputs = widthAt(args, l + 1);
    const inPad = pad4(inputs), outPad = pad4(outputs);
    layer.inputs = inputs;
    layer.outputs = outputs;
    layer.inPad = inPad;
    layer.outPad = outPad;
    layer.source = source;
    source += (inputs + 1) * outputs;
    layer.gamma = 0;
    layer.beta = 0;
    if (modulation != 0 && l + 1 < args.layers) {
      layer.gamma = modulation;
      modulation += <usize>outputs * 4;
      if (args.betas) {
        layer.beta = modulation;
        modulation += <usize>outputs * 4;
      }
    }
    layer.scale = free;
    free += <usize>outPad * 4;
    layer.weights = free;
    free += <usize>(inputs * outPad) * 4;
    layer.bias = free;
    free += <usize>outPad * 4;
    layer.input = input;
    layer.output = free;
    free += <usize>(TILE * outPad) * 4;
    input = layer.output;
  }
  return free;
}

/** scale[o] = gamma[o] + shift, or 1 without modulation; zero in the padding. */
export function loadScale(args: PolicyArgs, layer: Layer): void {
  let o: i32 = 0;
  for (; o < layer.outputs; o++) {
    const g: f32 = layer.gamma != 0 ? load<f32>(layer.gamma + <usize>o * 4) + args.shift : 1;
    store<f32>(layer.scale + <usize>o * 4, g);
  }
  for (; o < layer.outPad; o++) store<f32>(layer.scale + <usize>o * 4, 0);
}

/** to[k,o] = from[k,o] scale[o]; from [rows, outputs] dense, to [rows, outPad]. */
export function packScaled(from: usize, to: usize, layer: Layer, rows: i32): void {
  for (let k: i32 = 0; k < rows; k++) {
    copyPadded(to, from, layer.outputs, layer.outPad);
    if (layer.gamma != 0) {
      for (let o: i32 = 0; o < layer.outPad; o += 4) {
        const p = to + <usize>o * 4;
        v128.store(p, f32x4.mul(v128.load(p), v128.load(layer.scale + <usize>o * 4)));
      }
    }
    from += <usize>layer.outputs * 4;
    to += <usize>layer.outPad * 4;
  }
}

/** Packs the weights of a task, FiLM folded in; with `backward` the transposed ones too. */
export function packWeights(args: PolicyArgs, task: i32, table: usize, backward: bool): void {
  const params = args.params + <usize>(task * args.paramCount) * 4;
  for (let l: i32 = 0; l < args.layers; l++) {
    const layer = layerAt(table, l);
    loadScale(args, layer);
    const source = params + layer.source * 4;
    const bias = source + <usize>(layer.inputs * layer.outputs) * 4;
    if (!backward && layer.gamma == 0 && layer.outputs == layer.outPad) {
      // nothing to pad or to scale; few rows would not pay for a copy
      layer.weights = source;
      layer.bias = bias;
      continue;
    }
    packScaled(source, layer.weights, layer, layer.inputs);
    packScaled(bias, layer.bias, layer, 1);
    if (layer.beta != 0) {
      for (let o: i32 = 0; o < layer.outputs; o++) {
        const p = layer.bias + <usize>o * 4;
        store<f32>(p, load<f32>(p) + load<f32>(layer.beta + <usize>o * 4));
      }
    }
    if (backward && l > 0) {
      transpose(
        layer.weights,
        <usize>layer.outPad * 4,
        layer.transposed,
        layer.inputs,
        layer.outputs,
      );
    }
  }
}

/** Copies samples first .. first+count to the first layer's input, rows padded with zeros. */
export function loadTile(args: PolicyArgs, table: usize, first: i32, count: i32): void {
  const layer = layerAt(table, 0);
  const width = layer.inputs, padded = layer.inPad;
  let from = args.obs + <usize>(first * width) * 4, to = layer.input;
  for (let n: i32 = 0; n < count; n++) {
    copyPadded(to, from, width, padded);
    from += <usize>width * 4;
    to += <usize>padded * 4;
  }
  zero(to, (pad4(count) - count) * padded);
}

/** Sends the tile's `rows` (a multiple of four) rows through the network. */
export function forwardTile(args: PolicyArgs, table: usize, rows: i32): void {
  for (let l: i32 = 0; l < args.layers; l++) {
    const layer = layerAt(table, l);
    const ldOut = <usize>layer.outPad * 4;
    multiply(
      layer.input,
      <usize>layer.inPad * 4,
      layer.weights,
      ldOut,
      layer.output,
      ldOut,
      layer.bias,
      rows,
      layer.inputs,
      layer.outPad,
    );
    if (l + 1 < args.layers) {
      if (args.relu) reluInPlace(layer.output, rows * layer.outPad);
      else tanhInPlace(layer.output, rows * layer.outPad);
    }
  }
}

/** First sample of work item `item`. */
export function firstSample(args: PolicyArgs, item: i32): i32 {
  const task = item / args.chunks, chunk = item % args.chunks;
  const offset = load<i32>(args.offsets + <usize>task * 4);
  return min(offset + chunk * args.chunk, load<i32>(args.offsets + <usize>task * 4, 4));
}

/** One behind the last sample of work item `item`. */
export function endSample(args: PolicyArgs, item: i32): i32 {
  const task = item / args.chunks, chunk = item % args.chunks;
  const end = load<i32>(args.offsets + <usize>task * 4, 4);
  if (chunk + 1 == args.chunks) return end;
  return min(load<i32>(args.offsets + <usize>task * 4) + (chunk + 1) * args.chunk, end);
}

/** Bytes of scratch that `policy_forward` needs. */
export function policy_forward_scratch(args: PolicyArgs, scratch: usize): usize {
  return layOutForward(args, 0, scratch) - scratch;
}

/** Kernel policy_forward, one chunk of one task's samples. */
export function policy_forward(
  args: PolicyArgs,
  item: i32,
  scratch: usize,
  _workspace: usize,
): void {
  const task = item / args.chunks;
  const first = firstSample(args, item), end = endSample(args, item);
  if (first >= end) return;
  layOutForward(args, task, scratch);
  packWeights(args, task, scratch, false);
  const last = layerAt(scratch, args.layers - 1);
  const width = last.outputs;
  for (let n = first; n < end; n += TILE) {
    const count = min(TILE, end - n);
    loadTile(args, scratch, n, count);
    forwardTile(args, scratch, pad4(count));
    let to = args.mean + <usize>(n * width) * 4, from = last.output;
    for (let row: i32 = 0; row < count; row++) {
      copyPadded(to, from, width, width);
      to += <usize>width * 4;
      from += <usize>last.outPad * 4;
    }
  }
}
