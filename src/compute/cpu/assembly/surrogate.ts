// surrogate_gradient: loss, KL and first derivatives of a task's inner surrogate.
//
// Two passes: every work item (a chunk of samples) sums gradients with respect to the packed
// weights into its own partial sums in the workspace; then one item per task adds the chunks in
// order and unfolds FiLM. The order of all sums depends on the data alone, so the result does
// not depend on the number of threads. Formulas: tests/golden ("Diagonal Gaussian").
import { madd, nmadd, pad4, sumLanes, TILE, zero } from "./simd";
import { accumulateOuter, accumulateRows, multiply } from "./dense";
import { exp4, expm14 } from "./math";
import {
  endSample,
  firstSample,
  forwardTile,
  Head,
  headOf,
  Layer,
  layerAt,
  layOutForward,
  loadScale,
  loadTile,
  packWeights,
  PolicyArgs,
} from "./policy";

/** Constant of the KL's divisor, tests/golden. */
const KL_EPSILON: f32 = 1e-8;

@inline
/** Four floats at a + stride * row, rows r0..r3, column j. */
export function gather(a: usize, r0: usize, r1: usize, r2: usize, r3: usize): v128 {
  let v = v128.load32_splat(a + r0);
  v = v128.load_lane<f32>(a + r1, v, 1);
  v = v128.load_lane<f32>(a + r2, v, 2);
  return v128.load_lane<f32>(a + r3, v, 3);
}

@inline
/** Stores the four lanes to column 0 of rows with distance ld. */
export function scatter(to: usize, ld: usize, v: v128): void {
  v128.store_lane<f32>(to, v, 0);
  v128.store_lane<f32>(to + ld, v, 1);
  v128.store_lane<f32>(to + 2 * ld, v, 2);
  v128.store_lane<f32>(to + 3 * ld, v, 3);
}

@inline
/** All ones in the lanes of rows below `count`, the first lane being row `row`. */
export function rowMask(row: i32, count: i32): v128 {
  return i32x4.lt_s(i32x4.add(i32x4.splat(row), i32x4(0, 1, 2, 3)), i32x4.splat(count));
}

/** Adds what the backward pass needs to the forward layout; returns the first free address. */
export function layOutBackward(args: PolicyArgs, table: usize, free: usize): usize {
  let widest: i32 = 0;
  for (let l: i32 = 0; l < args.layers; l++) widest = max(widest, layerAt(table, l).inPad);
  const zeros = free;
  free += <usize>widest * 4;
  for (let l: i32 = 0; l < args.layers; l++) {
    const layer = layerAt(table, l);
    layer.zeros = zeros;
    layer.transposed = free;
    if (l > 0) free += <usize>(layer.outputs * layer.inPad) * 4;
    layer.delta = free;
    free += <usize>(TILE * layer.outPad) * 4;
  }
  return free;
}

/** Lays out the Gaussian head at `free`; returns the first free address behind it. */
export function layOutHead(args: PolicyArgs, table: usize, free: usize): usize {
  const head = headOf(table);
  const dims = layerAt(table, args.layers - 1).outputs;
  const bytes = <usize>pad4(dims) * 4;
  head.dims = dims;
  head.logStd = free;
  head.inverse = free + bytes;
  head.variance = free + 2 * bytes;
  head.klDivisor = free + 3 * bytes;
  head.active = free + 4 * bytes;
  head.tangent = free + 5 * bytes;
  head.deviation = free + 6 * bytes;
  head.shift = head.deviation + <usize>dims * 16;
  head.excess = head.shift + <usize>dims * 16;
  return head.excess + <usize>dims * 16;
}

/**
 * Lays out an item's partial sums: per layer the gradients of weights, bias and scale, then the
 * lane sums of the head. Returns their number of bytes.
 */
export function layOutPartials(args: PolicyArgs, table: usize, partials: usize): usize {
  const head = headOf(table);
  let free = partials;
  for (let l: i32 = 0; l < args.layers; l++) {
    const layer = layerAt(table, l);
    layer.grad = free;
    free += <usize>(layer.inPad * layer.outPad) * 4;
    layer.gradBias = free;
    free += <usize>layer.outPad * 4;
    layer.gradScale = free;
    free += <usize>layer.outPad * 4;
  }
  head.gradLogStd = free;
  free += <usize>head.dims * 16;
  head.loss = free;
  head.kl = free + 16;
  return free + 32 - partials;
}

/** Evaluates what depends on the task's log_std alone. */
export function loadHead(args: PolicyArgs, task: i32, table: usize): void {
  const head = headOf(table);
  const offsets = args.offsets + <usize>task * 4;
  head.count = load<i32>(offsets, 4) - load<i32>(offsets);
  const dims = head.dims;
  const source = <usize>((task + 1) * args.paramCount - dims) * 4;
  for (let j: i32 = 0; j < dims; j++) {
    const at = <usize>j * 4;
    const raw = load<f32>(args.params + source + at);
    const floored = raw < args.minLogStd; // false for NaN, which so becomes visible
    const active = args.learnStd != 0 && !floored;
    const logStd = floored ? args.minLogStd : raw;
    const inverse = f32x4.extract_lane(exp4(f32x4.splat(-logStd)), 0);
    const variance = f32x4.extract_lane(exp4(f32x4.splat(2 * logStd)), 0);
    store<f32>(head.logStd + at, logStd);
    store<f32>(head.inverse + at, inverse);
    store<f32>(head.variance + at, variance);
    store<f32>(head.klDivisor + at, 1 / (2 * variance + KL_EPSILON));
    store<f32>(head.active + at, active ? 1 : 0);
    if (args.adjointIn != 0) {
      store<f32>(head.tangent + at, active ? load<f32>(args.adjointIn + source + at) : 0);
    }
  }
}

/**
 * Ratio, surrogate, KL and their derivatives of the tile's samples: fills the last layer's delta
 * with d loss / d mean, adds to the head's sums. Four samples at a time, one per lane; the lanes
 * of padding rows repeat the last sample and are masked out.
 */
function headTile(args: PolicyArgs, last: Layer, head: Head, first: i32, count: i32): void {
  const dims = head.dims;
  const ldMean = <usize>last.outPad * 4;
  const scale = f32x4.splat(-1 / <f32>head.count);
  const half = f32x4.splat(0.5), zeros = f32x4.splat(0);
  for (let row: i32 = 0; row < count; row += 4) {
    const mask = rowMask(row, count);
    const s0 = <usize>(first + row) * 4;
    const s1 = <usize>(first + min(row + 1, count - 1)) * 4;
    const s2 = <usize>(first + min(row + 2, count - 1)) * 4;
    const s3 = <usize>(first + min(row + 3, count - 1)) * 4;
    const r0 = s0 * dims, r1 = s1 * dims, r2 = s2 * dims, r3 = s3 * dims;
    const mean = last.output + <usize>row * ldMean;
    let logRatio = zeros, kl = zeros;
    for (let j: i32 = 0; j < dims; j++) {
      const at = <usize>j * 4;
      const x = gather(args.actions + at, r0, r1, r2, r3);
      const oldMean = gather(args.oldMean + at, r0, r1, r2, r3);
      const oldLogStd = gather(args.oldLogStd + at, r0, r1, r2, r3);
      const m = gather(mean + at, 0, ldMean, 2 * ldMean, 3 * ldMean);
      const newDeviation = f32x4.mul(f32x4.sub(x, m), v128.load32_splat(head.inverse + at));
      const oldDeviation = f32x4.mul(f32x4.sub(x, oldMean), exp4(f32x4.neg(oldLogStd)));
      const widening = f32x4.sub(oldLogStd, v128.load32_splat(head.logStd + at));
      v128.store(head.deviation + 4 * at, newDeviation);
      // log ratio: (old^2 - new^2) / 2 + old log std - new log std
      logRatio = f32x4.add(logRatio, widening);
      logRatio = madd(
        f32x4.mul(half, f32x4.sub(oldDeviation, newDeviation)),
        f32x4.add(oldDeviation, newDeviation),
        logRatio,
      );
      // exp(2 old) - exp(2 new) = variance * expm1(2 (old - new)): no cancellation
      const shift = f32x4.sub(oldMean, m);
      const excess = f32x4.mul(
        v128.load32_splat(head.variance + at),
        expm14(f32x4.add(widening, widening)),
      );
      kl = madd(
        madd(shift, shift, excess),
        v128.load32_splat(head.klDivisor + at),
        f32x4.sub(kl, widening),
      );
    }
    const ratio = exp4(logRatio);
    const advantage = gather(args.advantages, s0, s1, s2, s3);
    let objective = f32x4.mul(ratio, advantage);
    let weight = objective; // d objective / d log ratio
    if (args.clipEps >= 0) {
      const low = f32x4.splat(1 - args.clipEps), high = f32x4.splat(1 + args.clipEps);
      const clipped = f32x4.mul(f32x4.pmin(f32x4.pmax(ratio, low), high), advantage);
      const free = v128.not(f32x4.lt(clipped, objective));
      weight = v128.and(weight, free);
      objective = v128.bitselect(objective, clipped, free);
    }
    weight = v128.and(f32x4.mul(weight, scale), mask);
    v128.store(
      head.loss,
      madd(v128.and(objective, mask), scale, v128.load(head.loss)),
    );
    v128.store(head.kl, nmadd(v128.and(kl, mask), scale, v128.load(head.kl)));
    const delta = last.delta + <usize>row * ldMean;
    for (let j: i32 = 0; j < dims; j++) {
      const at = <usize>j * 4;
      const deviation = v128.load(head.deviation + 4 * at);
      const weighted = f32x4.mul(weight, deviation);
      scatter(delta + at, ldMean, f32x4.mul(weighted, v128.load32_splat(head.inverse + at)));
      // weight * (deviation^2 - 1)
      const grad = f32x4.sub(f32x4.mul(weighted, deviation), weight);
      v128.store(
        head.gradLogStd + 4 * at,
        madd(grad, v128.load32_splat(head.active + at), v128.load(head.gradLogStd + 4 * at)),
      );
    }
  }
}

/** Times the activation's slope: delta *= 1 - a^2, or 0 / 1 of relu; a: its values. */
export function throughActivation(relu: i32, delta: usize, a: usize, count: i32): void {
  const end = delta + <usize>count * 4;
  if (relu) {
    for (; delta < end; delta += 16, a += 16) {
      const on = f32x4.gt(v128.load(a), f32x4.splat(0));
      v128.store(delta, v128.and(v128.load(delta), on));
    }
  } else {
    for (; delta < end; delta += 16, a += 16) {
      const y = v128.load(a), d = v128.load(delta);
      v128.store(delta, nmadd(f32x4.mul(y, y), d, d));
    }
  }
}

/** From the last layer's delta back to the first, adding the gradients of all weights. */
function backwardTile(args: PolicyArgs, table: usize, rows: i32): void {
  for (let l = args.layers - 1; l >= 0; l--) {
    const layer = layerAt(table, l);
    const ldIn = <usize>layer.inPad * 4, ldOut = <usize>layer.outPad * 4;
    accumulateOuter(
      layer.input,
      ldIn,
      layer.delta,
      ldOut,
      layer.grad,
      ldOut,
      rows,
      layer.inPad,
      layer.outPad,
    );
    accumulateRows(layer.delta, ldOut, layer.gradBias, rows, layer.outPad);
    if (l > 0) {
      const below = layerAt(table, l - 1);
      multiply(
        layer.delta,
        ldOut,
        layer.transposed,
        ldIn,
        below.delta,
        ldIn,
        layer.zeros,
        rows,
        layer.outputs,
        layer.inPad,
      );
      throughActivation(args.relu, below.delta, layer.input, rows * layer.inPad);
    }
  }
}

/** Lays out everything of `surrogate_gradient` but the partial sums; returns the end. */
function layOut(args: PolicyArgs, task: i32, table: usize): usize {
  return layOutHead(
    args,
    table,
    layOutBackward(args, table, layOutForward(args, task, table)),
  );
}

/** Bytes of scratch that `surrogate_gradient` needs. */
export function surrogate_gradient_scratch(args: PolicyArgs, scratch: usize): usize {
  return layOut(args, 0, scratch) - scratch;
}

/** Bytes of one item's partial sums, the same for all policy gradients. */
export function policy_partials(args: PolicyArgs, scratch: usize): usize {
  layOut(args, 0, scratch);
  return layOutPartials(args, scratch, 0);
}

/** First pass of kernel surrogate_gradient: the partial sums of one chunk. */
export function surrogate_gradient(
  args: PolicyArgs,
  item: i32,
  scratch: usize,
  workspace: usize,
): void {
  const task = item / args.chunks;
  const first = firstSample(args, item), end = endSample(args, item);
  if (first >= end && item % args.chunks != 0) return;
  layOut(args, task, scratch);
  const bytes = layOutPartials(args, scratch, 0);
  layOutPartials(args, scratch, workspace + <usize>item * bytes);
  memory.fill(workspace + <usize>item * bytes, 0, bytes);
  if (first >= end) return;
  packWeights(args, task, scratch, true);
  loadHead(args, task, scratch);
  const last = layerAt(scratch, args.layers - 1);
  zero(last.zeros, <i32>(layerAt(scratch, 0).transposed - last.zeros) / 4);
  zero(last.delta, TILE * last.outPad);
  for (let n = first; n < end; n += TILE) {
    const count = min(TILE, end - n);
    loadTile(args, scratch, n, count);
    forwardTile(args, scratch, pad4(count));
    headTile(args, last, headOf(scratch), n, count);
    backwardTile(args, scratch, pad4(count));
  }
}

/** to = base + scale * sums over `count` floats; `base` 0 stands for zeros. */
function writeScaled(to: usize, base: usize, sums: usize, scale: usize, count: i32): void {
  for (let o: i32 = 0; o < count; o++) {
    const at = <usize>o * 4;
    const start: f32 = base != 0 ? load<f32>(base + at) : 0;
    store<f32>(to + at, start + load<f32>(scale + at) * load<f32>(sums + at));
  }
}

/** Adds the sums of the task's further chunks to those of the first, in order. */
function joinChunks(args: PolicyArgs, task: i32, partials: usize, bytes: usize): void {
  const offsets = args.offsets + <usize>task * 4;
  const count = load<i32>(offsets, 4) - load<i32>(offsets);
  const used = min((count + args.chunk - 1) / args.chunk, args.chunks);
  const end = partials + bytes;
  for (let c: i32 = 1; c < used; c++) {
    let from = partials + <usize>c * bytes;
    for (let to = partials; to < end; to += 16, from += 16) {
      v128.store(to, f32x4.add(v128.load(to), v128.load(from)));
    }
  }
}

/**
 * Gradient of a modulated layer's gamma and beta: gamma[o] gets sum_k W[k,o] dW[k,o] +
 * b[o] db[o] and, in the pullback, the cross term; dW, db are those of the folded weights.
 */
function writeModulation(
  layer: Layer,
  params: usize,
  gradModulation: usize,
  betas: i32,
  accumulate: bool,
): usize {
  const width = <usize>layer.outputs * 4, ldGrad = <usize>layer.outPad * 4;
  for (let o: i32 = 0; o < layer.outputs; o++) {
    const at = <usize>o * 4;
    let w = params + layer.source * 4 + at, g = layer.grad + at;
    let sum = load<f32>(layer.gradScale + at);
    for (let k: i32 = 0; k < layer.inputs; k++) {
      sum += load<f32>(w) * load<f32>(g);
      w += width;
      g += ldGrad;
    }
    const beta = load<f32>(layer.gradBias + at);
    sum += load<f32>(w) * beta; // w has arrived at the bias
    const to = gradModulation + at;
    store<f32>(to, accumulate ? load<f32>(to) + sum : sum);
    if (betas) store<f32>(to + width, accumulate ? load<f32>(to + width) + beta : beta);
  }
  return gradModulation + (betas ? 2 * width : width);
}

/**
 * Second pass of all policy gradients: joins a task's chunks, unfolds FiLM, writes the results.
 * `base` [M, P] is added to the gradient (the pullback's adjoint), 0 for none; with it the
 * modulation's gradient accumulates.
 */
export function finishTask(
  args: PolicyArgs,
  task: i32,
  table: usize,
  partials: usize,
  bytes: usize,
  base: usize,
  out: usize,
): void {
  const head = headOf(table);
  joinChunks(args, task, partials, bytes);
  layOutPartials(args, table, partials);
  const row = <usize>(task * args.paramCount) * 4;
  const accumulate = base != 0;
  const start = accumulate ? base + row : 0;
  let gradModulation = args.gradModulation;
  if (gradModulation != 0) {
    gradModulation += <usize>(task * args.modulationCount) * 4;
    if (!accumulate) memory.fill(gradModulation, 0, <usize>args.modulationCount * 4);
  }
  let at: usize = 0;
  for (let l: i32 = 0; l < args.layers; l++) {
    const layer = layerAt(table, l);
    loadScale(args, layer);
    const width = <usize>layer.outputs * 4;
    for (let k: i32 = 0; k <= layer.inputs; k++) {
      const sums = k < layer.inputs ? layer.grad + <usize>(k * layer.outPad) * 4 : layer.gradBias;
      writeScaled(
        out + row + at,
        accumulate ? start + at : 0,
        sums,
        layer.scale,
        layer.outputs,
      );
      at += width;
    }
    if (gradModulation != 0 && layer.gamma != 0) {
      gradModulation = writeModulation(
        layer,
        args.params + row,
        gradModulation,
        args.betas,
        accumulate,
      );
    }
  }
  for (let j: i32 = 0; j < head.dims; j++) {
    const sum = sumLanes(v128.load(head.gradLogStd + <usize>j * 16));
    store<f32>(out + row + at, sum + (accumulate ? load<f32>(start + at) : 0));
    at += 4;
  }
}

/** Second pass of kernel surrogate_gradient: one task. */
export function surrogate_gradient_finish(
  args: PolicyArgs,
  task: i32,
  scratch: usize,
  workspace: usize,
): void {
  layOut(args, task, scratch);
  const bytes = layOutPartials(args, scratch, 0);
  const partials = workspace + <usize>(task * args.chunks) * bytes;
  finishTask(args, task, scratch, partials, bytes, 0, args.gradParams);
  const head = headOf(scratch);
  const stats = args.stats + <usize>task * 8;
  store<f32>(stats, sumLanes(v128.load(head.loss)));
  store<f32>(stats, sumLanes(v128.load(head.kl)), 4);
}
