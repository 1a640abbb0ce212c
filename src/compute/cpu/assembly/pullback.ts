// inner_step_pullback: v - lr H v plus the KL's gradient, by Pearlmutter's R-operator
// ("Fast exact multiplication by the Hessian", 1994).
//
// R{x} is the derivative of x along the direction v (adjointIn) in the parameters. A tile runs
// forward together with its tangent, then the backward pass of the surrogate together with its
// derivative along v. The surrogate's delta carries the factor -lr from the start, and the KL's
// gradient joins the tangent's delta at the top: both then share one way down. `delta` is the
// surrogate's, `adjoint` its derivative along v plus the KL's.
//
// FiLM is folded into W but not into the direction V: input V + v_b, unscaled, is what the cross
// derivative to gamma needs (finishTask in surrogate.ts has the other terms).
import { copyPadded, madd, nmadd, pad4, TILE, zero } from "./simd";
import { accumulateOuter, accumulateRows, multiply, transpose } from "./dense";
import { exp4, expm14, reluInPlace, tanhInPlace } from "./math";
import {
  endSample,
  firstSample,
  Head,
  headOf,
  Layer,
  layerAt,
  layOutForward,
  loadTile,
  packWeights,
  PolicyArgs,
} from "./policy";
import {
  finishTask,
  gather,
  layOutBackward,
  layOutHead,
  layOutPartials,
  loadHead,
  rowMask,
  scatter,
  throughActivation,
} from "./surrogate";

/** Adds the tangent's matrices to the layout; returns the first free address. */
function layOutTangent(args: PolicyArgs, table: usize, free: usize): usize {
  let tangentInput: usize = 0;
  for (let l: i32 = 0; l < args.layers; l++) {
    const layer = layerAt(table, l);
    const tile = <usize>(TILE * layer.outPad) * 4;
    layer.tangentWeights = free;
    free += <usize>(layer.inputs * layer.outPad) * 4;
    layer.tangentBias = free;
    free += <usize>layer.outPad * 4;
    layer.tangentTransposed = free;
    if (l > 0) free += <usize>(layer.outputs * layer.inPad) * 4;
    layer.tangentInput = tangentInput;
    layer.tangentOutput = free;
    layer.adjoint = free + tile;
    layer.tangentDirect = layer.tangentOutput;
    free += 2 * tile;
    if (layer.gamma != 0) {
      layer.tangentDirect = free;
      free += tile;
    }
    tangentInput = layer.tangentOutput;
  }
  return free;
}

/** Packs the direction v of a task: V, v_b, and (V g)' for the way back. */
function packDirection(args: PolicyArgs, task: i32, table: usize): void {
  const direction = args.adjointIn + <usize>(task * args.paramCount) * 4;
  for (let l: i32 = 0; l < args.layers; l++) {
    const layer = layerAt(table, l);
    const outputs = layer.outputs, outPad = layer.outPad;
    let from = direction + layer.source * 4, to = layer.tangentWeights;
    // the bias follows the weights in both layouts
    for (let k: i32 = 0; k <= layer.inputs; k++) {
      copyPadded(to, from, outputs, outPad);
      from += <usize>outputs * 4;
      to += <usize>outPad * 4;
    }
    if (l > 0) {
      transpose(
        layer.tangentWeights,
        <usize>outPad * 4,
        layer.tangentTransposed,
        layer.inputs,
        outputs,
      );
      if (layer.gamma != 0) {
        for (let o: i32 = 0; o < outputs; o++) {
          const g = v128.load32_splat(layer.scale + <usize>o * 4);
          const row = layer.tangentTransposed + <usize>(o * layer.inPad) * 4;
          for (let k: i32 = 0; k < layer.inPad; k += 4) {
            const p = row + <usize>k * 4;
            v128.store(p, f32x4.mul(v128.load(p), g));
          }
        }
      }
    }
  }
}

/** to[n,o] = scale[o] * from[n,o]; both [rows, cols]. */
function scaleColumns(to: usize, from: usize, scale: usize, rows: i32, cols: i32): void {
  for (let n: i32 = 0; n < rows; n++) {
    for (let o: i32 = 0; o < cols; o += 4) {
      v128.store(to, f32x4.mul(v128.load(from), v128.load(scale + <usize>o * 4)));
      to += 16;
      from += 16;
    }
  }
}

/** Forward pass and its tangent: R{u} = R{input} (W g) + (input V + v_b) g. */
function forwardTangentTile(args: PolicyArgs, table: usize, rows: i32): void {
  for (let l: i32 = 0; l < args.layers; l++) {
    const layer = layerAt(table, l);
    const ldIn = <usize>layer.inPad * 4, ldOut = <usize>layer.outPad * 4;
    multiply(
      layer.input,
      ldIn,
      layer.weights,
      ldOut,
      layer.output,
      ldOut,
      layer.bias,
      rows,
      layer.inputs,
      layer.outPad,
    );
    multiply(
      layer.input,
      ldIn,
      layer.tangentWeights,
      ldOut,
      layer.tangentDirect,
      ldOut,
      layer.tangentBias,
      rows,
      layer.inputs,
      layer.outPad,
    );
    if (layer.gamma != 0) {
      scaleColumns(layer.tangentOutput, layer.tangentDirect, layer.scale, rows, layer.outPad);
    }
    if (l > 0) {
      multiply(
        layer.tangentInput,
        ldIn,
        layer.weights,
        ldOut,
        layer.tangentOutput,
        ldOut,
        0,
        rows,
        layer.inputs,
        layer.outPad,
      );
    }
    if (l + 1 < args.layers) {
      const count = rows * layer.outPad;
      if (args.relu) reluInPlace(layer.output, count);
      else tanhInPlace(layer.output, count);
      throughActivation(args.relu, layer.tangentOutput, layer.output, count);
    }
  }
}

/**
 * Fills the last layer's delta with -lr dS/dmean and its adjoint with -lr R{dS/dmean} +
 * klScale dKL/dmean; adds the same for log_std to the head's sums. With d the deviation in
 * units of the standard deviation, e its inverse, c = lr ratio advantage / N:
 *
 *     R{log p} = sum_j d e R{mean} + (d^2 - 1) R{log std}
 *     delta    = c d e              adjoint = R{log p} c d e - c e (e R{mean} + 2 d R{log std})
 */
function headTile(args: PolicyArgs, last: Layer, head: Head, first: i32, count: i32): void {
  const dims = head.dims;
  const ldMean = <usize>last.outPad * 4;
  const step = f32x4.splat(args.innerLr / <f32>head.count);
  const klStep = f32x4.splat(args.klScale / <f32>head.count);
  const half = f32x4.splat(0.5), zeros = f32x4.splat(0), one = f32x4.splat(1);
  for (let row: i32 = 0; row < count; row += 4) {
    const mask = rowMask(row, count);
    const s0 = <usize>(first + row) * 4;
    const s1 = <usize>(first + min(row + 1, count - 1)) * 4;
    const s2 = <usize>(first + min(row + 2, count - 1)) * 4;
    const s3 = <usize>(first + min(row + 3, count - 1)) * 4;
    const r0 = s0 * dims, r1 = s1 * dims, r2 = s2 * dims, r3 = s3 * dims;
    const mean = last.output + <usize>row * ldMean;
    const tangent = last.tangentOutput + <usize>row * ldMean;
    let logRatio = zeros, rLogProb = zeros;
    for (let j: i32 = 0; j < dims; j++) {
      const at = <usize>j * 4;
      const x = gather(args.actions + at, r0, r1, r2, r3);
      const oldMean = gather(args.oldMean + at, r0, r1, r2, r3);
      const oldLogStd = gather(args.oldLogStd + at, r0, r1, r2, r3);
      const m = gather(mean + at, 0, ldMean, 2 * ldMean, 3 * ldMean);
      const rMean = gather(tangent + at, 0, ldMean, 2 * ldMean, 3 * ldMean);
      const inverse = v128.load32_splat(head.inverse + at);
      const deviation = f32x4.mul(f32x4.sub(x, m), inverse);
      const oldDeviation = f32x4.mul(f32x4.sub(x, oldMean), exp4(f32x4.neg(oldLogStd)));
      const widening = f32x4.sub(oldLogStd, v128.load32_splat(head.logStd + at));
      v128.store(head.deviation + 4 * at, deviation);
      v128.store(head.shift + 4 * at, f32x4.sub(oldMean, m));
      v128.store(
        head.excess + 4 * at,
        f32x4.mul(
          v128.load32_splat(head.variance + at),
          expm14(f32x4.add(widening, widening)),
        ),
      );
      logRatio = madd(
        f32x4.mul(half, f32x4.sub(oldDeviation, deviation)),
        f32x4.add(oldDeviation, deviation),
        f32x4.add(logRatio, widening),
      );
      rLogProb = madd(f32x4.mul(deviation, inverse), rMean, rLogProb);
      rLogProb = madd(
        f32x4.sub(f32x4.mul(deviation, deviation), one),
        v128.load32_splat(head.tangent + at),
        rLogProb,
      );
    }
    const advantage = gather(args.advantages, s0, s1, s2, s3);
    const weight = v128.and(f32x4.mul(f32x4.mul(exp4(logRatio), advantage), step), mask);
    const rWeight = v128.and(f32x4.mul(weight, rLogProb), mask);
    const klWeight = v128.and(klStep, mask);
    const delta = last.delta + <usize>row * ldMean;
    const adjoint = last.adjoint + <usize>row * ldMean;
    for (let j: i32 = 0; j < dims; j++) {
      const at = <usize>j * 4;
      const deviation = v128.load(head.deviation + 4 * at);
      const shift = v128.load(head.shift + 4 * at);
      const excess = v128.load(head.excess + 4 * at);
      const inverse = v128.load32_splat(head.inverse + at);
      const divisor = v128.load32_splat(head.klDivisor + at);
      const rLogStd = v128.load32_splat(head.tangent + at);
      const active = v128.load32_splat(head.active + at);
      const rMean = gather(tangent + at, 0, ldMean, 2 * ldMean, 3 * ldMean);
      // -R{deviation} = e R{mean} + d R{log std}
      const drop = madd(rMean, inverse, f32x4.mul(deviation, rLogStd));
      const slope = f32x4.mul(deviation, inverse);
      scatter(delta + at, ldMean, f32x4.mul(weight, slope));
      let up = f32x4.mul(rWeight, slope);
      up = nmadd(f32x4.mul(weight, inverse), madd(deviation, rLogStd, drop), up);
      up = nmadd(f32x4.mul(klWeight, f32x4.add(divisor, divisor)), shift, up);
      scatter(adjoint + at, ldMean, v128.and(up, mask));
      let grad = f32x4.mul(rWeight, f32x4.sub(f32x4.mul(deviation, deviation), one));
      grad = nmadd(f32x4.mul(f32x4.add(weight, weight), deviation), drop, grad);
      // d KL / d log std = 1e-8 / q - 4 variance (shift^2 + excess) / q^2
      const ratio = f32x4.mul(
        f32x4.mul(divisor, divisor),
        f32x4.mul(f32x4.splat(4), v128.load32_splat(head.variance + at)),
      );
      const klGrad = nmadd(
        ratio,
        madd(shift, shift, excess),
        f32x4.mul(divisor, f32x4.splat(1e-8)),
      );
      grad = v128.and(madd(klWeight, klGrad, grad), mask);
      const sums = head.gradLogStd + 4 * at;
      v128.store(sums, madd(grad, active, v128.load(sums)));
    }
  }
}

/** delta and adjoint of a layer's pre-activation from those of its activation a. */
function backThroughActivation(
  relu: i32,
  delta: usize,
  adjoint: usize,
  a: usize,
  tangent: usize,
  count: i32,
): void {
  const end = delta + <usize>count * 4;
  if (relu) {
    for (; delta < end; delta += 16, adjoint += 16, a += 16) {
      const on = f32x4.gt(v128.load(a), f32x4.splat(0));
      v128.store(delta, v128.and(v128.load(delta), on));
      v128.store(adjoint, v128.and(v128.load(adjoint), on));
    }
  } else {
    // (1 - a^2) adjoint - 2 a R{a} delta
    for (; delta < end; delta += 16, adjoint += 16, a += 16, tangent += 16) {
      const y = v128.load(a), d = v128.load(delta), u = v128.load(adjoint);
      const square = f32x4.mul(y, y);
      const twice = f32x4.mul(f32x4.add(y, y), v128.load(tangent));
      v128.store(adjoint, nmadd(twice, d, nmadd(square, u, u)));
      v128.store(delta, nmadd(square, d, d));
    }
  }
}

/** ACCUMULATES sums[o] += sum_n a[n,o] b[n,o]; a, b [rows, cols]. */
function accumulateProducts(a: usize, b: usize, sums: usize, rows: i32, cols: i32): void {
  const ld = <usize>cols * 4;
  for (let o: i32 = 0; o < cols; o += 4) {
    const shift = <usize>o * 4;
    let sum = v128.load(sums + shift), p = a + shift, q = b + shift;
    for (let n: i32 = 0; n < rows; n++) {
      sum = madd(v128.load(p), v128.load(q), sum);
      p += ld;
      q += ld;
    }
    v128.store(sums + shift, sum);
  }
}

/** Both backward passes; adds the gradients of all weights. */
function backwardTile(args: PolicyArgs, table: usize, rows: i32): void {
  for (let l = args.layers - 1; l >= 0; l--) {
    const layer = layerAt(table, l);
    const ldIn = <usize>layer.inPad * 4, ldOut = <usize>layer.outPad * 4;
    accumulateOuter(
      layer.input,
      ldIn,
      layer.adjoint,
      ldOut,
      layer.grad,
      ldOut,
      rows,
      layer.inPad,
      layer.outPad,
    );
    accumulateRows(layer.adjoint, ldOut, layer.gradBias, rows, layer.outPad);
    if (layer.gamma != 0) {
      accumulateProducts(layer.delta, layer.tangentDirect, layer.gradScale, rows, layer.outPad);
    }
    if (l > 0) {
      accumulateOuter(
        layer.tangentInput,
        ldIn,
        layer.delta,
        ldOut,
        layer.grad,
        ldOut,
        rows,
        layer.inPad,
        layer.outPad,
      );
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
      multiply(
        layer.adjoint,
        ldOut,
        layer.transposed,
        ldIn,
        below.adjoint,
        ldIn,
        layer.zeros,
        rows,
        layer.outputs,
        layer.inPad,
      );
      multiply(
        layer.delta,
        ldOut,
        layer.tangentTransposed,
        ldIn,
        below.adjoint,
        ldIn,
        0,
        rows,
        layer.outputs,
        layer.inPad,
      );
      backThroughActivation(
        args.relu,
        below.delta,
        below.adjoint,
        layer.input,
        layer.tangentInput,
        rows * layer.inPad,
      );
    }
  }
}

/** Lays out everything but the partial sums; returns the end. */
function layOut(args: PolicyArgs, task: i32, table: usize): usize {
  const free = layOutBackward(args, table, layOutForward(args, task, table));
  return layOutHead(args, table, layOutTangent(args, table, free));
}

/** Bytes of scratch that `inner_step_pullback` needs. */
export function inner_step_pullback_scratch(args: PolicyArgs, scratch: usize): usize {
  return layOut(args, 0, scratch) - scratch;
}

/** First pass of kernel inner_step_pullback: the partial sums of one chunk. */
export function inner_step_pullback(
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
  packDirection(args, task, scratch);
  loadHead(args, task, scratch);
  const last = layerAt(scratch, args.layers - 1);
  zero(last.zeros, <i32>(layerAt(scratch, 0).transposed - last.zeros) / 4);
  zero(last.delta, TILE * last.outPad);
  zero(last.adjoint, TILE * last.outPad);
  for (let n = first; n < end; n += TILE) {
    const count = min(TILE, end - n);
    loadTile(args, scratch, n, count);
    forwardTangentTile(args, scratch, pad4(count));
    headTile(args, last, headOf(scratch), n, count);
    backwardTile(args, scratch, pad4(count));
  }
}

/** Second pass of kernel inner_step_pullback: one task. */
export function inner_step_pullback_finish(
  args: PolicyArgs,
  task: i32,
  scratch: usize,
  workspace: usize,
): void {
  layOut(args, task, scratch);
  const bytes = layOutPartials(args, scratch, 0);
  const partials = workspace + <usize>(task * args.chunks) * bytes;
  finishTask(args, task, scratch, partials, bytes, args.adjointIn, args.adjointOut);
}
