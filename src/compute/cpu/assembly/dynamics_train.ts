// dynamics_train: many updates on minibatches, one after the other, so a single work item. The
// packed parameters (and the optimiser's moments) stay in scratch memory over all updates.
//
// Leaves out: several threads on one minibatch. The published ones have 32 to 128 rows and take
// tens of microseconds, no longer than waking threads and meeting them again would.
import {
  backwardTile,
  blocksOf,
  foldEmbedding,
  forwardTile,
  lastLayer,
  layerOf,
  layOutBackward,
  layOutModel,
  loadModel,
  ModelArgs,
  modelOf,
  pack,
  tileError,
  unfoldGradient,
  unpack,
} from "./dynamics";
import { gatherRows, LANES } from "./lanes";
import { madd, nmadd, zero } from "./simd";

/** Arguments of `dynamics_train`; written by plan.ts in this order. */
@unmanaged
export class TrainArgs extends ModelArgs {
  beta1: f64; // Adam
  beta2: f64;
  lr: f64;
  epsilon: f32;
  adam: i32; // 0: SGD
  firstStep: i32; // number of the first update, from 1
  pytorch: i32; // epsilon inside of the bias correction
  updates: i32; // U
  batchSize: i32; // B
  inputData: usize; // [N, X]
  targetData: usize; // [N, Y]
  order: usize; // [U * B] u32
  losses: usize; // [U] out
  m: usize; // [P] Adam's moments, in and out
  v: usize;
}

/** Bytes of packed parameters; gradient and moments have as many. */
function packedBytes(scratch: usize): usize {
  return <usize>modelOf(scratch).floats * 4;
}

/** Bytes of scratch that `dynamics_train` needs. */
export function dynamics_train_scratch(args: TrainArgs, scratch: usize): usize {
  const free = layOutBackward(args, scratch, layOutModel(args, scratch));
  return free + (args.adam ? 3 : 1) * packedBytes(scratch) - scratch;
}

/** p -= lr g over `bytes` of packed parameters. */
function sgdUpdate(p: usize, toGrad: usize, bytes: usize, lr: f32): void {
  const scale = f32x4.splat(lr);
  for (const end = p + bytes; p < end; p += 16) {
    v128.store(p, nmadd(scale, v128.load(p + toGrad), v128.load(p)));
  }
}

/** One Adam step over `bytes` of packed parameters; moments behind the gradient. */
function adamUpdate(
  args: TrainArgs,
  p: usize,
  toGrad: usize,
  bytes: usize,
  power1: f64,
  power2: f64,
): void {
  const correction = 1 - power1, root = Math.sqrt(1 - power2);
  const rate = f32x4.splat(<f32>(args.lr * (args.pytorch ? 1 : root) / correction));
  const rootScale = f32x4.splat(args.pytorch ? <f32>(1 / root) : 1);
  const keep1 = f32x4.splat(<f32>args.beta1), add1 = f32x4.splat(<f32>(1 - args.beta1));
  const keep2 = f32x4.splat(<f32>args.beta2), add2 = f32x4.splat(<f32>(1 - args.beta2));
  const epsilon = f32x4.splat(args.epsilon);
  const toM = toGrad + bytes, toV = toM + bytes;
  for (const end = p + bytes; p < end; p += 16) {
    const g = v128.load(p + toGrad);
    const m = madd(keep1, v128.load(p + toM), f32x4.mul(add1, g));
    const v = madd(keep2, v128.load(p + toV), f32x4.mul(f32x4.mul(add2, g), g));
    v128.store(p + toM, m);
    v128.store(p + toV, v);
    const step = f32x4.div(f32x4.mul(rate, m), madd(f32x4.sqrt(v), rootScale, epsilon));
    v128.store(p, f32x4.sub(v128.load(p), step));
  }
}

/** Kernel dynamics_train: all updates. */
export function dynamics_train(
  args: TrainArgs,
  _item: i32,
  scratch: usize,
  _workspace: usize,
): void {
  const grads = layOutBackward(args, scratch, layOutModel(args, scratch));
  const model = modelOf(scratch), first = layerOf(scratch, 0), last = lastLayer(args, scratch);
  const bytes = packedBytes(scratch), toGrad = grads - model.packed;
  loadModel(args, scratch);
  zero(last.delta, last.outPad * LANES);
  // the embeddings of other situations have no gradient, the padding neither
  zero(grads, model.floats);
  if (args.adam) {
    pack(args, scratch, args.m, grads + bytes);
    pack(args, scratch, args.v, grads + 2 * bytes);
  }
  // a product, so that several commands make the same numbers as one
  let power1: f64 = 1, power2: f64 = 1;
  for (let step: i32 = 1; step < args.firstStep; step++) {
    power1 *= args.beta1;
    power2 *= args.beta2;
  }
  let rows = args.order;
  for (let u: i32 = 0; u < args.updates; u++) {
    foldEmbedding(args, scratch, args.situation);
    let loss: f64 = 0;
    for (let b: i32 = 0; b < args.batchSize; b += LANES) {
      const count = min(LANES, args.batchSize - b), blocks = blocksOf(count);
      gatherRows(first.x, args.inputData, args.inputs, rows, count);
      gatherRows(model.targets, args.targetData, last.outputs, rows, count);
      rows += <usize>count * 4;
      forwardTile(args, scratch, blocks, true);
      loss += tileError(args, scratch, count, true);
      backwardTile(args, scratch, toGrad, blocks, true, b > 0);
    }
    unfoldGradient(args, scratch, toGrad, args.situation);
    if (args.adam) {
      power1 *= args.beta1;
      power2 *= args.beta2;
      adamUpdate(args, model.packed, toGrad, bytes, power1, power2);
    } else {
      sgdUpdate(model.packed, toGrad, bytes, <f32>args.lr);
    }
    store<f32>(args.losses + <usize>u * 4, <f32>loss);
  }
  unpack(args, scratch, model.packed, args.params);
  if (args.adam) {
    unpack(args, scratch, grads + bytes, args.m);
    unpack(args, scratch, grads + 2 * bytes, args.v);
  }
}
