// The dynamics model of FAMLE on tiles of samples (lanes.ts): its weights packed for the kernels,
// forward, squared error and backward. Contracts: kernels.ts; formulas: tests/golden ("FAMLE").
//
// The embedding of a situation is a part of the input that all samples of a situation share. Where
// a tile has one situation ("folded") it goes into the first layer's bias, b0 + e W0e, and its
// gradient comes from that of the bias; else ("embedded") it fills rows of the input tile.
//
// Packed parameters, used for weights, gradients and moments alike: the embedding table, then per
// layer the weights [inPad, outPad] and the bias [outPad], all padding zero.
import { copyPadded, madd, nmadd, pad4, sumLanes, zero } from "./simd";
import {
  BLOCK_LANES,
  LANES,
  layerBackward,
  layerForward,
  biasGradient,
  ROW,
  slopeTile,
  tanhTile,
  weightGradient,
} from "./lanes";

/** Most dense layers of a model: four hidden ones and the output. */
const MAX_LAYERS: i32 = 5;

/** Arguments that all dynamics kernels begin with; written by plan.ts in this order. */
@unmanaged
export class ModelArgs {
  layers: i32; // dense layers: hidden ones and the output
  w0: i32; // widths: X + E, hidden..., Y
  w1: i32;
  w2: i32;
  w3: i32;
  w4: i32;
  w5: i32;
  relu: i32; // 0 tanh, 1 relu
  limit: f32; // outputs are tanh(u) limit; 0: u
  inputs: i32; // X
  embeddingDim: i32; // E
  situations: i32; // G
  params: usize; // [P]
  situation: i32; // row of the embedding table, for kernels that take one
}

/** A dense layer: sizes and where its matrices lie. */
@unmanaged
export class DenseLayer {
  inputs: i32;
  outputs: i32;
  inPad: i32; // pad4(inputs)
  outPad: i32; // pad4(outputs)
  source: usize; // index of W in the flat parameters; b follows
  weights: usize; // [inPad, outPad]
  bias: usize; // [outPad]
  x: usize; // [inPad, LANES] what enters
  y: usize; // [outPad, LANES] what leaves, padding zero; of the last layer before the factor `limit`
  delta: usize; // [outPad, LANES] d loss / d (x W + b)
}

/** The model's record in scratch memory; the layers' records follow. */
@unmanaged
export class Model {
  packed: usize; // [floats] packed parameters
  floats: i32; // number of packed parameters
  folded: usize; // [outPad of layer 0] first bias with the embedding
  targets: usize; // [Y, LANES]
  dEmbedding: usize; // [pad4(E), LANES] embedded tiles: d loss / d embedding
}

@inline
export function modelOf(table: usize): Model {
  return changetype<Model>(table);
}

@inline
export function layerOf(table: usize, index: i32): DenseLayer {
  return changetype<DenseLayer>(table + offsetof<Model>() + <usize>index * offsetof<DenseLayer>());
}

@inline
export function lastLayer(args: ModelArgs, table: usize): DenseLayer {
  return layerOf(table, args.layers - 1);
}

@inline
/** Next multiple of 16, of an address or a number of bytes. */
export function align(bytes: usize): usize {
  return (bytes + 15) & ~15;
}

/** Lays out a model and its tiles in scratch memory; returns the first free address. */
export function layOutModel(args: ModelArgs, table: usize): usize {
  const model = modelOf(table);
  const widths = changetype<usize>(args) + offsetof<ModelArgs>("w0");
  let free = align(table + offsetof<Model>() + <usize>MAX_LAYERS * offsetof<DenseLayer>());
  model.packed = free;
  let source: i32 = args.situations * args.embeddingDim;
  free += <usize>pad4(source) * 4;
  for (let l: i32 = 0; l < args.layers; l++) {
    const layer = layerOf(table, l);
    layer.inputs = load<i32>(widths + <usize>l * 4);
    layer.outputs = load<i32>(widths + <usize>l * 4, 4);
    layer.inPad = pad4(layer.inputs);
    layer.outPad = pad4(layer.outputs);
    layer.source = source;
    source += (layer.inputs + 1) * layer.outputs;
    layer.weights = free;
    free += <usize>(layer.inPad * layer.outPad) * 4;
    layer.bias = free;
    free += <usize>layer.outPad * 4;
  }
  model.floats = <i32>(free - model.packed) / 4;
  model.folded = free;
  free += <usize>layerOf(table, 0).outPad * 4;
  let x = free;
  free += <usize>layerOf(table, 0).inPad * ROW;
  for (let l: i32 = 0; l < args.layers; l++) {
    const layer = layerOf(table, l);
    layer.x = x;
    layer.y = free;
    layer.delta = 0;
    x = free;
    free += <usize>layer.outPad * ROW;
  }
  return free;
}

/** Adds what training needs: targets, deltas; returns the first free address. */
export function layOutBackward(args: ModelArgs, table: usize, free: usize): usize {
  const model = modelOf(table);
  model.targets = free;
  free += <usize>lastLayer(args, table).outputs * ROW;
  model.dEmbedding = free;
  free += <usize>pad4(args.embeddingDim) * ROW;
  for (let l: i32 = 0; l < args.layers; l++) {
    const layer = layerOf(table, l);
    layer.delta = free;
    free += <usize>layer.outPad * ROW;
  }
  return free;
}

/** Packs flat parameters [P] to `packed`, which has the layout of the model's. */
export function pack(args: ModelArgs, table: usize, flat: usize, packed: usize): void {
  const model = modelOf(table);
  const embeddings = args.situations * args.embeddingDim;
  copyPadded(packed, flat, embeddings, pad4(embeddings));
  for (let l: i32 = 0; l < args.layers; l++) {
    const layer = layerOf(table, l);
    const ld = <usize>layer.outPad * 4;
    let from = flat + layer.source * 4, to = packed + (layer.weights - model.packed);
    for (let i: i32 = 0; i < layer.inputs; i++) {
      copyPadded(to, from, layer.outputs, layer.outPad);
      from += <usize>layer.outputs * 4;
      to += ld;
    }
    zero(to, (layer.inPad - layer.inputs) * layer.outPad);
    copyPadded(packed + (layer.bias - model.packed), from, layer.outputs, layer.outPad);
  }
}

/** Writes packed parameters back to flat ones [P]. */
export function unpack(args: ModelArgs, table: usize, packed: usize, flat: usize): void {
  memory.copy(flat, packed, <usize>(args.situations * args.embeddingDim) * 4);
  for (let l: i32 = 0; l < args.layers; l++) unpackLayer(table, l, packed, flat);
}

/** `unpack` of one layer. */
export function unpackLayer(table: usize, l: i32, packed: usize, flat: usize): void {
  const layer = layerOf(table, l), base = modelOf(table).packed;
  const width = <usize>layer.outputs * 4;
  let from = packed + (layer.weights - base), to = flat + layer.source * 4;
  for (let i: i32 = 0; i < layer.inputs; i++) {
    memory.copy(to, from, width);
    from += <usize>layer.outPad * 4;
    to += width;
  }
  memory.copy(to, packed + (layer.bias - base), width);
}

/** Packs the model's parameters and clears its tiles' padding. */
export function loadModel(args: ModelArgs, table: usize): void {
  pack(args, table, args.params, modelOf(table).packed);
  const first = layerOf(table, 0);
  zero(first.x, first.inPad * LANES);
  for (let l: i32 = 0; l < args.layers; l++) {
    const layer = layerOf(table, l);
    zero(layer.y + <usize>layer.outputs * ROW, (layer.outPad - layer.outputs) * LANES);
  }
}

/** Address of the packed embedding of a situation [E], not aligned. */
export function embeddingOf(args: ModelArgs, packed: usize, situation: i32): usize {
  return packed + <usize>(situation * args.embeddingDim) * 4;
}

/** Folds the embedding of a situation into the first bias. */
export function foldEmbedding(args: ModelArgs, table: usize, situation: i32): void {
  const model = modelOf(table), first = layerOf(table, 0);
  const embedding = embeddingOf(args, model.packed, situation);
  const ld = <usize>first.outPad * 4;
  for (let o: usize = 0; o < ld; o += 16) {
    let sum = v128.load(first.bias + o);
    let w = first.weights + <usize>args.inputs * ld + o;
    for (let e: i32 = 0; e < args.embeddingDim; e++) {
      sum = madd(v128.load32_splat(embedding + <usize>e * 4), v128.load(w), sum);
      w += ld;
    }
    v128.store(model.folded + o, sum);
  }
}

/** Fills the embedding's rows of the input tile. @param situations [count] u32 */
export function gatherEmbeddings(
  args: ModelArgs,
  table: usize,
  situations: usize,
  count: i32,
): void {
  const dims = args.embeddingDim;
  if (dims == 0) return;
  const packed = modelOf(table).packed;
  for (let n: i32 = 0; n < count; n++) {
    const situation = load<i32>(situations + <usize>n * 4);
    const from = embeddingOf(args, packed, situation);
    const to = layerOf(table, 0).x + <usize>args.inputs * ROW + <usize>n * 4;
    for (let e: i32 = 0; e < dims; e++) {
      store<f32>(to + <usize>e * ROW, load<f32>(from + <usize>e * 4));
    }
  }
}

/** Blocks of a tile that `count` samples take. */
export function blocksOf(count: i32): i32 {
  return (count + BLOCK_LANES - 1) / BLOCK_LANES;
}

/** Sends the input tile through the network. */
export function forwardTile(args: ModelArgs, table: usize, blocks: i32, folded: bool): void {
  for (let l: i32 = 0; l < args.layers; l++) {
    const layer = layerOf(table, l);
    const fold = folded && l == 0;
    const hidden = l + 1 < args.layers;
    layerForward(
      layer.x,
      layer.weights,
      <usize>layer.outPad * 4,
      fold ? modelOf(table).folded : layer.bias,
      layer.y,
      fold ? args.inputs : layer.inputs,
      layer.outputs,
      blocks,
      hidden ? args.relu : 0,
    );
    if (hidden ? args.relu == 0 : args.limit != 0) tanhTile(layer.y, layer.outputs, blocks);
  }
}

/** All ones in lanes of samples below `count`, `first` being the number of the first lane. */
function laneMask(first: i32, count: i32): v128 {
  return i32x4.lt_s(i32x4.add(i32x4.splat(first), i32x4(0, 1, 2, 3)), i32x4.splat(count));
}

/**
 * Sum of the squared errors of the tile's first `count` samples; with `gradient` the last layer's
 * delta is filled with the derivatives, 0 for the other samples.
 */
export function tileError(args: ModelArgs, table: usize, count: i32, gradient: bool): f32 {
  const last = lastLayer(args, table), targets = modelOf(table).targets;
  const limited = args.limit != 0;
  const limit = f32x4.splat(limited ? args.limit : 1);
  const vectors = 2 * blocksOf(count);
  let sum = f32x4.splat(0);
  for (let v: i32 = 0; v < vectors; v++) {
    const mask = laneMask(4 * v, count);
    for (let o: i32 = 0; o < last.outputs; o++) {
      const at = <usize>o * ROW + <usize>v * 16;
      const y = v128.load(last.y + at);
      const error = v128.and(f32x4.sub(f32x4.mul(limit, y), v128.load(targets + at)), mask);
      sum = madd(error, error, sum);
      if (gradient) {
        const d = f32x4.mul(f32x4.add(error, error), limit);
        v128.store(last.delta + at, limited ? nmadd(f32x4.mul(y, y), d, d) : d);
      }
    }
  }
  return sumLanes(sum);
}

/**
 * From the last layer's delta back to the first: gradients of weights and biases, at the distance
 * `toGrad` from the packed parameters; added to what is there with `add`. Folded: the gradients of
 * the embedding and its weights are left to `unfoldGradient`.
 */
export function backwardTile(
  args: ModelArgs,
  table: usize,
  toGrad: usize,
  blocks: i32,
  folded: bool,
  add: bool,
): void {
  for (let l = args.layers - 1; l >= 0; l--) {
    const layer = layerOf(table, l);
    const ld = <usize>layer.outPad * 4;
    const inputs = folded && l == 0 ? args.inputs : layer.inputs;
    weightGradient(
      layer.x,
      layer.delta,
      layer.weights + toGrad,
      ld,
      (inputs + 1) & ~1,
      layer.outPad,
      blocks,
      add,
    );
    biasGradient(layer.delta, layer.bias + toGrad, layer.outPad, blocks, add);
    if (l > 0) {
      const below = layerOf(table, l - 1).delta;
      layerBackward(layer.delta, layer.weights, ld, below, layer.inPad, layer.outPad, blocks);
      slopeTile(args.relu, below, layer.x, layer.inPad, blocks);
    }
  }
}

/**
 * Gradients of one situation's embedding e and its weights W0e from that of the first bias, db:
 * dW0e = e' db and de = W0e db.
 */
export function unfoldGradient(args: ModelArgs, table: usize, toGrad: usize, situation: i32): void {
  const model = modelOf(table), first = layerOf(table, 0);
  const embedding = embeddingOf(args, model.packed, situation);
  const ld = <usize>first.outPad * 4;
  const dBias = first.bias + toGrad;
  let w = first.weights + <usize>args.inputs * ld;
  for (let e: usize = 0; e < <usize>args.embeddingDim * 4; e += 4, w += ld) {
    const value = v128.load32_splat(embedding + e);
    let sum = f32x4.splat(0);
    for (let o: usize = 0; o < ld; o += 16) {
      const d = v128.load(dBias + o);
      v128.store(w + toGrad + o, f32x4.mul(value, d));
      sum = madd(v128.load(w + o), d, sum);
    }
    store<f32>(embedding + toGrad + e, sumLanes(sum));
  }
}

/**
 * Adds the gradients of the embeddings of an embedded tile's samples, one after the other.
 *
 * @param situations [count] u32
 */
export function scatterEmbeddings(
  args: ModelArgs,
  table: usize,
  toGrad: usize,
  situations: usize,
  count: i32,
): void {
  const dims = args.embeddingDim;
  if (dims == 0) return;
  const model = modelOf(table), first = layerOf(table, 0);
  const ld = <usize>first.outPad * 4;
  // rows behind the embedding's may be read (they lie in scratch memory too) and are not used
  layerBackward(
    first.delta,
    first.weights + <usize>args.inputs * ld,
    ld,
    model.dEmbedding,
    pad4(dims),
    first.outPad,
    blocksOf(count),
  );
  for (let n: i32 = 0; n < count; n++) {
    const situation = load<i32>(situations + <usize>n * 4);
    const to = embeddingOf(args, model.packed, situation) + toGrad;
    const from = model.dEmbedding + <usize>n * 4;
    for (let e: i32 = 0; e < dims; e++) {
      const p = to + <usize>e * 4;
      store<f32>(p, load<f32>(p) + load<f32>(from + <usize>e * ROW));
    }
  }
}
