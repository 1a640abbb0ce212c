// dynamics_forward, dynamics_gradient and dynamics_errors: the model on given rows. A work item is
// a chunk of consecutive rows (dynamics_errors: of one situation); its sums stay apart in the
// workspace and are joined in the order of the chunks.
import {
  backwardTile,
  blocksOf,
  foldEmbedding,
  forwardTile,
  gatherEmbeddings,
  lastLayer,
  layerOf,
  layOutBackward,
  layOutModel,
  loadModel,
  ModelArgs,
  modelOf,
  scatterEmbeddings,
  tileError,
  unpackLayer,
} from "./dynamics";
import { gatherRows, LANES, ROW } from "./lanes";
import { zero } from "./simd";

/** Arguments of the kernels of this file; written by plan.ts in this order. */
@unmanaged
export class RowsArgs extends ModelArgs {
  rows: i32; // N
  chunk: i32; // rows of a work item, a multiple of LANES
  chunks: i32; // number of chunks
  inputData: usize; // [N, X]
  targetData: usize; // [N, Y]
  situationData: usize; // [N] u32
  out: usize; // forward: [N, Y]; gradient: [P]; errors: [G]
  loss: usize; // gradient: [1]
}

/** Bytes of scratch that the kernels of this file need. */
export function dynamics_rows_scratch(args: RowsArgs, scratch: usize): usize {
  return layOutBackward(args, scratch, layOutModel(args, scratch)) - scratch;
}

/** Bytes of a chunk's partial sums in `dynamics_gradient`: loss, padding, packed gradient. */
export function dynamics_gradient_partials(args: RowsArgs, scratch: usize): usize {
  layOutModel(args, scratch);
  return (4 + modelOf(scratch).floats) * 4;
}

/** Lays out and loads everything; clears what the tiles do not write. */
function begin(args: RowsArgs, scratch: usize): void {
  layOutBackward(args, scratch, layOutModel(args, scratch));
  loadModel(args, scratch);
  const last = lastLayer(args, scratch);
  zero(last.delta, last.outPad * LANES);
}

/** Inputs and situations of rows n .. n + count - 1 to the input tile. */
function loadTile(args: RowsArgs, scratch: usize, n: i32, count: i32): void {
  const first = layerOf(scratch, 0);
  gatherRows(first.x, args.inputData + <usize>(n * args.inputs) * 4, args.inputs, 0, count);
  gatherEmbeddings(args, scratch, args.situationData + <usize>n * 4, count);
}

/** Targets of rows n .. n + count - 1. */
function loadTargets(args: RowsArgs, scratch: usize, n: i32, count: i32): void {
  const dims = lastLayer(args, scratch).outputs;
  gatherRows(
    modelOf(scratch).targets,
    args.targetData + <usize>(n * dims) * 4,
    dims,
    0,
    count,
  );
}

/** Kernel dynamics_forward, one chunk of rows. */
export function dynamics_forward(
  args: RowsArgs,
  item: i32,
  scratch: usize,
  _workspace: usize,
): void {
  begin(args, scratch);
  const last = lastLayer(args, scratch);
  const scale: f32 = args.limit != 0 ? args.limit : 1;
  const end = min((item + 1) * args.chunk, args.rows);
  for (let n = item * args.chunk; n < end; n += LANES) {
    const count = min(LANES, end - n);
    loadTile(args, scratch, n, count);
    forwardTile(args, scratch, blocksOf(count), false);
    let to = args.out + <usize>(n * last.outputs) * 4;
    for (let row: i32 = 0; row < count; row++) {
      let from = last.y + <usize>row * 4;
      for (let o: i32 = 0; o < last.outputs; o++) {
        store<f32>(to, scale * load<f32>(from));
        to += 4;
        from += ROW;
      }
    }
  }
}

/** First pass of kernel dynamics_gradient: the partial sums of one chunk. */
export function dynamics_gradient(
  args: RowsArgs,
  item: i32,
  scratch: usize,
  workspace: usize,
): void {
  begin(args, scratch);
  const model = modelOf(scratch);
  const partials = workspace + <usize>item * <usize>(4 + model.floats) * 4;
  const toGrad = partials + 16 - model.packed;
  zero(partials, 4 + model.floats);
  let loss: f64 = 0;
  const end = min((item + 1) * args.chunk, args.rows);
  for (let n = item * args.chunk; n < end; n += LANES) {
    const count = min(LANES, end - n), blocks = blocksOf(count);
    loadTile(args, scratch, n, count);
    loadTargets(args, scratch, n, count);
    forwardTile(args, scratch, blocks, false);
    loss += tileError(args, scratch, count, true);
    backwardTile(args, scratch, toGrad, blocks, false, true);
    scatterEmbeddings(args, scratch, toGrad, args.situationData + <usize>n * 4, count);
  }
  store<f32>(partials, <f32>loss);
}

/** Adds floats first .. end of the further chunks' partial sums to those of the first chunk. */
function joinChunks(args: RowsArgs, workspace: usize, bytes: usize, first: usize, end: usize): void {
  for (let c: i32 = 1; c < args.chunks; c++) {
    const from = workspace + <usize>c * bytes;
    for (let at = first; at < end; at += 16) {
      const p = workspace + at;
      v128.store(p, f32x4.add(v128.load(p), v128.load(from + at)));
    }
  }
}

/** Second pass of kernel dynamics_gradient: item 0 loss and embeddings, then one per layer. */
export function dynamics_gradient_finish(
  args: RowsArgs,
  item: i32,
  scratch: usize,
  workspace: usize,
): void {
  layOutModel(args, scratch);
  const model = modelOf(scratch);
  const bytes = <usize>(4 + model.floats) * 4;
  const packed = workspace + 16;
  if (item == 0) {
    joinChunks(args, workspace, bytes, 0, 16 + (layerOf(scratch, 0).weights - model.packed));
    store<f32>(args.loss, load<f32>(workspace));
    memory.copy(args.out, packed, <usize>(args.situations * args.embeddingDim) * 4);
    return;
  }
  const layer = layerOf(scratch, item - 1);
  const first = 16 + (layer.weights - model.packed);
  const end = 16 + (layer.bias - model.packed) + <usize>layer.outPad * 4;
  joinChunks(args, workspace, bytes, first, end);
  unpackLayer(scratch, item - 1, packed, args.out);
}

/** First pass of kernel dynamics_errors: item = situation * chunks + chunk. */
export function dynamics_errors(
  args: RowsArgs,
  item: i32,
  scratch: usize,
  workspace: usize,
): void {
  begin(args, scratch);
  foldEmbedding(args, scratch, item / args.chunks);
  const chunk = item % args.chunks;
  const end = min((chunk + 1) * args.chunk, args.rows);
  let sum: f64 = 0;
  for (let n = chunk * args.chunk; n < end; n += LANES) {
    const count = min(LANES, end - n);
    gatherRows(
      layerOf(scratch, 0).x,
      args.inputData + <usize>(n * args.inputs) * 4,
      args.inputs,
      0,
      count,
    );
    loadTargets(args, scratch, n, count);
    forwardTile(args, scratch, blocksOf(count), true);
    sum += tileError(args, scratch, count, false);
  }
  store<f64>(workspace + <usize>item * 8, sum);
}

/** Second pass of kernel dynamics_errors: one situation. */
export function dynamics_errors_finish(
  args: RowsArgs,
  situation: i32,
  _scratch: usize,
  workspace: usize,
): void {
  let p = workspace + <usize>(situation * args.chunks) * 8;
  const end = p + <usize>args.chunks * 8;
  let sum: f64 = 0;
  for (; p < end; p += 8) sum += load<f64>(p);
  store<f32>(args.out + <usize>situation * 4, <f32>sum);
}
