// The task encoder: GRU over sequences, dense layers, pooling, modulation; forward and
// back-propagation through time. Formulas: tests/golden ("Task encoder").
//
// A work item is one task: its sequences are the rows of all matrices (padded to four), so the
// pooling stays inside of the item. Only the backward pass keeps the states of all steps, in its
// scratch memory; the forward pass keeps BLOCK_ROWS rows of them.
//
// Gates lie side by side in a row: update z, reset r, candidate c, each padded to `pad` columns.
import { copyPadded, madd, nmadd, pad4, zero } from "./simd";
import { accumulateOuter, accumulateRows, multiply, transpose } from "./dense";
import { reluInPlace, tanh4 } from "./math";

/** Arguments of both encoder kernels; written by plan.ts in this order. */
@unmanaged
export class EncoderArgs {
  inputs: i32; // I
  cells: i32; // C
  outputs: i32; // D
  mlpAfterGru: i32;
  mlpAfterPool: i32;
  paramCount: i32; // Q
  steps: i32; // T
  slots: i32; // sequences of a task
  params: usize; // [Q]
  sequences: usize; // [R, T, I]
  numPaths: usize; // [M] u32
  lastState: usize; // [R, C] out
  taskEmbedding: usize; // [M, C] out
  modulation: usize; // [M, D] out
  gradModulation: usize; // [M, D]
}

/** Rows (steps times sequences) whose inputs and weight gradients are handled together. */
const BLOCK_ROWS: i32 = 64;

/** A dense layer, y = x W + b. */
@unmanaged
class Dense {
  inputs: i32;
  outputs: i32;
  outPad: i32;
  weights: usize; // [inputs, outPad]
  bias: usize; // [outPad]
  transposed: usize; // [outputs, pad4(inputs)]
  grad: usize; // [pad4(inputs), outPad]
  gradBias: usize; // [outPad]
}

/** What a work item needs to know: sizes and addresses in scratch memory. */
@unmanaged
class Item {
  pad: i32; // pad4(C)
  inPad: i32; // pad4(I)
  rows: i32; // pad4(slots)
  blockSteps: i32; // steps of a block
  kernel: usize; // [I, 3 pad]
  recurrent: usize; // [C, 3 pad]
  bias: usize; // [3 pad]
  transposed: usize; // recurrent' [3 pad, pad]
  gradKernel: usize; // [inPad, 3 pad]
  gradRecurrent: usize; // [pad, 3 pad]
  gradBias: usize; // [3 pad]
  zeros: usize; // [max(pad, pad4(D))]
  x: usize; // [blockSteps, rows, inPad]
  gates: usize; // [steps kept, rows, 3 pad]: z, r, c; in the backward pass their gradients
  states: usize; // [steps kept + 1, rows, pad]
  resetStates: usize; // [steps kept, rows, pad] r * h
  hidden: usize; // [rows, pad] first dense layer after the GRU
  features: usize; // [rows, pad] second dense layer after the GRU, or the last state
  pooled: usize; // [4, pad] row 0: sum over sequences / numPaths, others zero
  poolHidden: usize; // [4, pad]
  embedding: usize; // [4, pad]
  modulation: usize; // [4, pad4(D)]
  gradState: usize; // [rows, pad]
  gradReset: usize; // [rows, pad]
  gradHidden: usize; // [rows, pad]
}

@inline
/** Dense layer 0, 1: after the GRU; 2, 3: after the pooling; 4: modulation. */
function denseAt(table: usize, index: i32): Dense {
  return changetype<Dense>(table + offsetof<Item>() + <usize>index * offsetof<Dense>());
}

@inline
function floats(count: i32): usize {
  return <usize>count * 4;
}

/**
 * Lays out an item in scratch memory, with the states of `kept` steps; returns the first free
 * address.
 */
function layOut(args: EncoderArgs, table: usize, backward: bool): usize {
  const item = changetype<Item>(table);
  const pad = pad4(args.cells), outPad = pad4(args.outputs);
  const rows = pad4(args.slots), inPad = pad4(args.inputs);
  item.pad = pad;
  item.inPad = inPad;
  item.rows = rows;
  item.blockSteps = max(1, min(BLOCK_ROWS / rows, args.steps));
  const kept = backward ? args.steps : item.blockSteps;
  let free = (table + offsetof<Item>() + 5 * offsetof<Dense>() + 15) & ~15;
  item.kernel = free;
  free += floats(args.inputs * 3 * pad);
  item.recurrent = free;
  free += floats(args.cells * 3 * pad);
  item.bias = free;
  free += floats(3 * pad);
  item.zeros = free;
  free += floats(max(pad, outPad));
  for (let d: i32 = 0; d < 5; d++) {
    const dense = denseAt(table, d);
    dense.inputs = args.cells;
    dense.outputs = d == 4 ? args.outputs : args.cells;
    dense.outPad = d == 4 ? outPad : pad;
    dense.weights = free;
    free += floats(args.cells * dense.outPad);
    dense.bias = free;
    free += floats(dense.outPad);
  }
  item.x = free;
  free += floats(item.blockSteps * rows * inPad);
  item.gates = free;
  free += floats(kept * rows * 3 * pad);
  item.states = free;
  free += floats((kept + 1) * rows * pad);
  item.resetStates = free;
  free += floats(kept * rows * pad);
  item.hidden = free;
  free += floats(rows * pad);
  item.features = free;
  free += floats(rows * pad);
  item.pooled = free;
  free += floats(4 * pad);
  item.poolHidden = free;
  free += floats(4 * pad);
  item.embedding = free;
  free += floats(4 * pad);
  item.modulation = free;
  free += floats(4 * outPad);
  if (!backward) return free;
  item.transposed = free;
  free += floats(3 * pad * pad);
  for (let d: i32 = 0; d < 5; d++) {
    const dense = denseAt(table, d);
    dense.transposed = free;
    free += floats(dense.outputs * pad);
  }
  item.gradState = free;
  free += floats(rows * pad);
  item.gradReset = free;
  free += floats(rows * pad);
  item.gradHidden = free;
  free += floats(rows * pad);
  // all sums of gradients in one piece, so that one fill clears them
  item.gradKernel = free;
  free += floats(inPad * 3 * pad);
  item.gradRecurrent = free;
  free += floats(pad * 3 * pad);
  item.gradBias = free;
  free += floats(3 * pad);
  for (let d: i32 = 0; d < 5; d++) {
    const dense = denseAt(table, d);
    dense.grad = free;
    free += floats(pad * dense.outPad);
    dense.gradBias = free;
    free += floats(dense.outPad);
  }
  return free;
}

/** Packs [rows, 3 cells] with each of the three blocks padded; returns the address behind. */
function packGates(from: usize, to: usize, rows: i32, cells: i32, pad: i32): usize {
  for (let k: i32 = 0; k < 3 * rows; k++) {
    copyPadded(to, from, cells, pad);
    from += floats(cells);
    to += floats(pad);
  }
  return from;
}

/** Packs the encoder's parameters, for the backward pass transposed as well. */
function packParams(args: EncoderArgs, table: usize, backward: bool): void {
  const item = changetype<Item>(table);
  const cells = args.cells, pad = item.pad;
  let from = packGates(args.params, item.kernel, args.inputs, cells, pad);
  from = packGates(from, item.recurrent, cells, cells, pad);
  from = packGates(from, item.bias, 1, cells, pad);
  zero(item.zeros, max(pad, pad4(args.outputs)));
  if (backward) {
    transpose(item.recurrent, floats(3 * pad), item.transposed, cells, 3 * pad);
  }
  for (let d: i32 = 0; d < 5; d++) {
    if (!hasDense(args, d)) continue;
    const dense = denseAt(table, d);
    // the bias follows the weights in both layouts
    let to = dense.weights;
    for (let k: i32 = 0; k <= cells; k++) {
      copyPadded(to, from, dense.outputs, dense.outPad);
      from += floats(dense.outputs);
      to += floats(dense.outPad);
    }
    if (backward) {
      transpose(dense.weights, floats(dense.outPad), dense.transposed, cells, dense.outputs);
    }
  }
}

@inline
function hasDense(args: EncoderArgs, index: i32): bool {
  if (index < 2) return args.mlpAfterGru != 0;
  return index == 4 || args.mlpAfterPool != 0;
}

/** Copies steps first .. first+steps of the task's sequences to x; rows of padding are zero. */
function loadBlock(args: EncoderArgs, item: Item, task: i32, first: i32, steps: i32): void {
  const slots = args.slots, width = args.inputs;
  const base = args.sequences + floats(task * slots * args.steps * width);
  let to = item.x;
  for (let t: i32 = 0; t < steps; t++) {
    for (let n: i32 = 0; n < slots; n++) {
      const from = base + floats((n * args.steps + first + t) * width);
      copyPadded(to, from, width, item.inPad);
      to += floats(item.inPad);
    }
    const missing = (item.rows - slots) * item.inPad;
    zero(to, missing);
    to += floats(missing);
  }
}

@inline
/** Hard sigmoid, clamp(0.2 v + 0.5, 0, 1). */
function hardSigmoid(v: v128): v128 {
  v = madd(v, f32x4.splat(0.2), f32x4.splat(0.5));
  return f32x4.pmin(f32x4.pmax(v, f32x4.splat(0)), f32x4.splat(1));
}

@inline
/** Slope of the hard sigmoid where its value is `s`. */
function hardSigmoidSlope(s: v128): v128 {
  const inside = v128.and(f32x4.gt(s, f32x4.splat(0)), f32x4.lt(s, f32x4.splat(1)));
  return v128.and(inside, f32x4.splat(0.2));
}

/** One step: gates [rows, 3 pad] hold x K + b and become z, r, c; state -> next [rows, pad]. */
function gruStep(
  args: EncoderArgs,
  item: Item,
  gates: usize,
  state: usize,
  resetState: usize,
  next: usize,
): void {
  const pad = item.pad, rows = item.rows, cells = args.cells;
  const ld = floats(pad), ldGates = 3 * ld;
  multiply(
    state,
    ld,
    item.recurrent,
    ldGates,
    gates,
    ldGates,
    0,
    rows,
    cells,
    2 * pad,
  );
  let gate = gates, h = state, rh = resetState;
  for (let n: i32 = 0; n < rows; n++) {
    const end = gate + ld;
    for (let p = gate; p < end; p += 16) {
      v128.store(p, hardSigmoid(v128.load(p)));
      const r = hardSigmoid(v128.load(p + ld));
      v128.store(p + ld, r);
      v128.store(rh, f32x4.mul(r, v128.load(h)));
      h += 16;
      rh += 16;
    }
    gate += ldGates;
  }
  const candidate = gates + 2 * ld;
  multiply(
    resetState,
    ld,
    item.recurrent + 2 * ld,
    ldGates,
    candidate,
    ldGates,
    0,
    rows,
    cells,
    pad,
  );
  gate = gates;
  h = state;
  for (let n: i32 = 0; n < rows; n++) {
    const end = gate + ld;
    for (let p = gate; p < end; p += 16) {
      const c = tanh4(v128.load(p + 2 * ld));
      v128.store(p + 2 * ld, c);
      // z h + (1 - z) c
      v128.store(next, madd(v128.load(p), f32x4.sub(v128.load(h), c), c));
      h += 16;
      next += 16;
    }
    gate += ldGates;
  }
}

/** Runs the GRU over all steps; returns the address of the last state [rows, pad]. */
function gruForward(args: EncoderArgs, item: Item, task: i32, keep: bool): usize {
  const rows = item.rows, pad = item.pad;
  const stateBytes = floats(rows * pad), gateBytes = 3 * stateBytes;
  zero(item.states, rows * pad);
  let gates = item.gates, state = item.states, resetState = item.resetStates;
  for (let first: i32 = 0; first < args.steps; first += item.blockSteps) {
    const steps = min(item.blockSteps, args.steps - first);
    if (!keep) {
      memory.copy(item.states, state, stateBytes);
      gates = item.gates;
      state = item.states;
      resetState = item.resetStates;
    }
    loadBlock(args, item, task, first, steps);
    multiply(
      item.x,
      floats(item.inPad),
      item.kernel,
      floats(3 * pad),
      gates,
      floats(3 * pad),
      item.bias,
      steps * rows,
      args.inputs,
      3 * pad,
    );
    for (let t: i32 = 0; t < steps; t++) {
      gruStep(args, item, gates, state, resetState, state + stateBytes);
      gates += gateBytes;
      state += stateBytes;
      resetState += stateBytes;
    }
  }
  return state;
}

/** y = x W + b. */
function denseForward(dense: Dense, x: usize, ldx: usize, y: usize, rows: i32): void {
  const ld = floats(dense.outPad);
  multiply(
    x,
    ldx,
    dense.weights,
    ld,
    y,
    ld,
    dense.bias,
    rows,
    dense.inputs,
    dense.outPad,
  );
}

/** From the last GRU state to the modulation. Returns the address of the task embedding. */
function headForward(args: EncoderArgs, table: usize, task: i32, last: usize): usize {
  const item = changetype<Item>(table);
  const pad = item.pad, ld = floats(pad);
  let features = last;
  if (args.mlpAfterGru) {
    denseForward(denseAt(table, 0), last, ld, item.hidden, item.rows);
    reluInPlace(item.hidden, item.rows * pad);
    denseForward(denseAt(table, 1), item.hidden, ld, item.features, item.rows);
    features = item.features;
  }
  zero(item.pooled, 4 * pad);
  accumulateRows(features, ld, item.pooled, args.slots, pad);
  const paths = f32x4.splat(<f32>load<u32>(args.numPaths + floats(task)));
  for (let p = item.pooled, end = p + ld; p < end; p += 16) {
    v128.store(p, f32x4.div(v128.load(p), paths));
  }
  let embedding = item.pooled;
  if (args.mlpAfterPool) {
    denseForward(denseAt(table, 2), item.pooled, ld, item.poolHidden, 4);
    reluInPlace(item.poolHidden, 4 * pad);
    denseForward(denseAt(table, 3), item.poolHidden, ld, item.embedding, 4);
    embedding = item.embedding;
  }
  denseForward(denseAt(table, 4), embedding, ld, item.modulation, 4);
  return embedding;
}

/** Bytes of scratch that `encoder_forward` needs. */
export function encoder_forward_scratch(args: EncoderArgs, scratch: usize): usize {
  return layOut(args, scratch, false) - scratch;
}

/** Kernel encoder_forward, one task. */
export function encoder_forward(
  args: EncoderArgs,
  task: i32,
  scratch: usize,
  _workspace: usize,
): void {
  layOut(args, scratch, false);
  packParams(args, scratch, false);
  const item = changetype<Item>(scratch);
  const last = gruForward(args, item, task, false);
  const embedding = headForward(args, scratch, task, last);
  const cells = args.cells;
  let to = args.lastState + floats(task * args.slots * cells), from = last;
  for (let n: i32 = 0; n < args.slots; n++) {
    copyPadded(to, from, cells, cells);
    to += floats(cells);
    from += floats(item.pad);
  }
  copyPadded(args.taskEmbedding + floats(task * cells), embedding, cells, cells);
  copyPadded(
    args.modulation + floats(task * args.outputs),
    item.modulation,
    args.outputs,
    args.outputs,
  );
}

/** Adds a dense layer's gradients; dx = dy W'. x, dx [rows, pad], dy [rows, outPad]. */
function denseBackward(
  dense: Dense,
  item: Item,
  x: usize,
  dy: usize,
  dx: usize,
  rows: i32,
): void {
  const ldx = floats(item.pad), ldy = floats(dense.outPad);
  accumulateOuter(x, ldx, dy, ldy, dense.grad, ldy, rows, item.pad, dense.outPad);
  accumulateRows(dy, ldy, dense.gradBias, rows, dense.outPad);
  multiply(
    dy,
    ldy,
    dense.transposed,
    ldx,
    dx,
    ldx,
    item.zeros,
    rows,
    dense.outputs,
    item.pad,
  );
}

/** dx = 0 where the relu's value x is 0; `count` floats. */
function throughRelu(dx: usize, x: usize, count: i32): void {
  const end = dx + floats(count);
  for (; dx < end; dx += 16, x += 16) {
    const on = f32x4.gt(v128.load(x), f32x4.splat(0));
    v128.store(dx, v128.and(v128.load(dx), on));
  }
}

/** From the modulation's gradient to that of the last GRU state, in gradState. */
function headBackward(
  args: EncoderArgs,
  table: usize,
  task: i32,
  last: usize,
  embedding: usize,
): void {
  const item = changetype<Item>(table);
  const pad = item.pad, ld = floats(pad), rows = item.rows;
  // the 4-row buffers of the forward pass are free again where they held no input of a layer
  zero(item.modulation, 4 * pad4(args.outputs));
  copyPadded(
    item.modulation,
    args.gradModulation + floats(task * args.outputs),
    args.outputs,
    args.outputs,
  );
  // gradients of the pooled row and of the sequences' features share gradState
  const gradRow = item.gradReset, other = item.gradHidden;
  denseBackward(denseAt(table, 4), item, embedding, item.modulation, gradRow, 4);
  if (args.mlpAfterPool) {
    denseBackward(denseAt(table, 3), item, item.poolHidden, gradRow, other, 4);
    throughRelu(other, item.poolHidden, 4 * pad);
    denseBackward(denseAt(table, 2), item, item.pooled, other, gradRow, 4);
  }
  // every sequence gets the pooled gradient / numPaths, rows of padding get none
  const paths = f32x4.splat(<f32>load<u32>(args.numPaths + floats(task)));
  zero(item.gradState, rows * pad);
  let to = item.gradState;
  for (let n: i32 = 0; n < args.slots; n++) {
    for (let p = gradRow, end = p + ld; p < end; p += 16) {
      v128.store(to, f32x4.div(v128.load(p), paths));
      to += 16;
    }
  }
  if (args.mlpAfterGru) {
    denseBackward(denseAt(table, 1), item, item.hidden, item.gradState, other, rows);
    throughRelu(other, item.hidden, rows * pad);
    denseBackward(denseAt(table, 0), item, last, other, item.gradState, rows);
  }
}

/** Back through one step: gates z, r, c become their gradients; gradState goes one step back. */
function gruStepBackward(item: Item, gates: usize, state: usize): void {
  const pad = item.pad, rows = item.rows;
  const ld = floats(pad), ldGates = 3 * ld;
  const one = f32x4.splat(1);
  let gate = gates, h = state, dh = item.gradState;
  for (let n: i32 = 0; n < rows; n++) {
    const end = gate + ld;
    for (let p = gate; p < end; p += 16) {
      const z = v128.load(p), c = v128.load(p + 2 * ld), d = v128.load(dh);
      const dz = f32x4.mul(d, f32x4.sub(v128.load(h), c));
      v128.store(p, f32x4.mul(dz, hardSigmoidSlope(z)));
      v128.store(p + 2 * ld, f32x4.mul(f32x4.mul(d, f32x4.sub(one, z)), nmadd(c, c, one)));
      v128.store(dh, f32x4.mul(d, z));
      h += 16;
      dh += 16;
    }
    gate += ldGates;
  }
  multiply(
    gates + 2 * ld,
    ldGates,
    item.transposed + 2 * floats(pad * pad),
    ld,
    item.gradReset,
    ld,
    item.zeros,
    rows,
    pad,
    pad,
  );
  gate = gates;
  h = state;
  dh = item.gradState;
  let dr = item.gradReset;
  for (let n: i32 = 0; n < rows; n++) {
    const end = gate + ld;
    for (let p = gate; p < end; p += 16) {
      const r = v128.load(p + ld), d = v128.load(dr);
      v128.store(p + ld, f32x4.mul(f32x4.mul(d, v128.load(h)), hardSigmoidSlope(r)));
      v128.store(dh, madd(d, r, v128.load(dh)));
      h += 16;
      dh += 16;
      dr += 16;
    }
    gate += ldGates;
  }
  multiply(
    gates,
    ldGates,
    item.transposed,
    ld,
    item.gradState,
    ld,
    0,
    rows,
    2 * pad,
    pad,
  );
}

/** Back-propagation through time from gradState; adds the gradients of the GRU's weights. */
function gruBackward(args: EncoderArgs, item: Item, task: i32): void {
  const rows = item.rows, pad = item.pad;
  const ld = floats(pad), ldGates = 3 * ld;
  const stateBytes = floats(rows * pad), gateBytes = 3 * stateBytes;
  let end = args.steps;
  while (end > 0) {
    const first = (end - 1) / item.blockSteps * item.blockSteps;
    const count = (end - first) * rows;
    for (let t = end - 1; t >= first; t--) {
      gruStepBackward(item, item.gates + t * gateBytes, item.states + t * stateBytes);
    }
    loadBlock(args, item, task, first, end - first);
    const gates = item.gates + first * gateBytes;
    accumulateOuter(
      item.x,
      floats(item.inPad),
      gates,
      ldGates,
      item.gradKernel,
      ldGates,
      count,
      item.inPad,
      3 * pad,
    );
    accumulateOuter(
      item.states + first * stateBytes,
      ld,
      gates,
      ldGates,
      item.gradRecurrent,
      ldGates,
      count,
      pad,
      2 * pad,
    );
    accumulateOuter(
      item.resetStates + first * stateBytes,
      ld,
      gates + 2 * ld,
      ldGates,
      item.gradRecurrent + 2 * ld,
      ldGates,
      count,
      pad,
      pad,
    );
    accumulateRows(gates, ldGates, item.gradBias, count, 3 * pad);
    end = first;
  }
}

/** Bytes of scratch that `encoder_backward` needs. */
export function encoder_backward_scratch(args: EncoderArgs, scratch: usize): usize {
  return layOut(args, scratch, true) - scratch;
}

/** First pass of kernel encoder_backward: one task's gradient to row `task` of workspace [M, Q]. */
export function encoder_backward(
  args: EncoderArgs,
  task: i32,
  scratch: usize,
  workspace: usize,
): void {
  const free = layOut(args, scratch, true);
  const item = changetype<Item>(scratch);
  memory.fill(item.gradKernel, 0, free - item.gradKernel);
  packParams(args, scratch, true);
  const last = gruForward(args, item, task, true);
  const embedding = headForward(args, scratch, task, last);
  headBackward(args, scratch, task, last, embedding);
  gruBackward(args, item, task);
  // unpadded, in the order of the parameters
  const cells = args.cells, pad = item.pad;
  let to = workspace + floats(task * args.paramCount);
  to = unpackRows(to, item.gradKernel, 3 * args.inputs, cells, pad);
  to = unpackRows(to, item.gradRecurrent, 3 * cells, cells, pad);
  to = unpackRows(to, item.gradBias, 3, cells, pad);
  for (let d: i32 = 0; d < 5; d++) {
    if (!hasDense(args, d)) continue;
    const dense = denseAt(scratch, d);
    to = unpackRows(to, dense.grad, cells, dense.outputs, dense.outPad);
    to = unpackRows(to, dense.gradBias, 1, dense.outputs, dense.outPad);
  }
}

/** Copies rows of `width` out of rows of `padded` floats; returns the address behind. */
function unpackRows(to: usize, from: usize, rows: i32, width: i32, padded: i32): usize {
  for (let k: i32 = 0; k < rows; k++) {
    copyPadded(to, from, width, width);
    to += floats(width);
    from += floats(padded);
  }
  return to;
}
