// dynamics_rollout: candidate action sequences through the model. A work item is a chunk of
// sequences; a tile of them is played over the whole horizon, its states never leave the cache.
import {
  blocksOf,
  foldEmbedding,
  forwardTile,
  lastLayer,
  layerOf,
  layOutModel,
  loadModel,
  ModelArgs,
  modelOf,
} from "./dynamics";
import { LANES, ROW } from "./lanes";
import { exp4 } from "./math";
import { madd } from "./simd";

/** Arguments of `dynamics_rollout`; written by plan.ts in this order. */
@unmanaged
export class RolloutArgs extends ModelArgs {
  discount: f64;
  count: i32; // L
  horizon: i32; // H
  chunk: i32; // sequences of a work item, a multiple of LANES
  normalizer: usize; // [2 X + 2 Y] meanIn, stdIn, meanOut, stdOut
  state: usize; // [Z]
  bounds: usize; // [2, Z]
  sequences: usize; // [L, H, A]
  returns: usize; // [L] out
  states: usize; // [H, L, Z] out or 0
  proximityWeight: f32;
  penaltyColumn: i32; // -1: no penalty
  penaltyBelow: f32;
  penaltyAmount: f32;
  linearTerms: i32; // pairs (column, weight) at the end of the struct
  proximityTerms: i32; // pairs (column, goal) behind them
}

@inline
/** Address of the reward's term `index`: column (i32), weight or goal (f32). */
function termOf(args: RolloutArgs, index: i32): usize {
  return changetype<usize>(args) + offsetof<RolloutArgs>() + <usize>index * 8;
}

/** Bytes of scratch that `dynamics_rollout` needs: model, states, returns. */
export function dynamics_rollout_scratch(args: RolloutArgs, scratch: usize): usize {
  const end = layOutModel(args, scratch);
  return end + <usize>(lastLayer(args, scratch).outputs + 1) * ROW - scratch;
}

/** States and actions of step h, normalised, to the input tile. */
function loadInputs(
  args: RolloutArgs,
  x: usize,
  states: usize,
  stateDim: i32,
  sequences: usize,
  count: i32,
  h: i32,
): void {
  const actDim = args.inputs - stateDim;
  const stride = <usize>(args.horizon * actDim) * 4;
  let p = sequences + <usize>(h * actDim) * 4;
  // lanes without a sequence repeat the last one
  for (let n: i32 = 0; n < LANES; n++) {
    const to = x + <usize>stateDim * ROW + <usize>n * 4;
    for (let a: i32 = 0; a < actDim; a++) {
      store<f32>(to + <usize>a * ROW, load<f32>(p + <usize>a * 4));
    }
    if (n + 1 < count) p += stride;
  }
  const stds = args.normalizer + <usize>args.inputs * 4;
  for (let i: i32 = 0; i < args.inputs; i++) {
    const to = x + <usize>i * ROW;
    const from = i < stateDim ? states + <usize>i * ROW : to;
    const mean = v128.load32_splat(args.normalizer + <usize>i * 4);
    const std = v128.load32_splat(stds + <usize>i * 4);
    for (let at: usize = 0; at < ROW; at += 16) {
      v128.store(to + at, f32x4.div(f32x4.sub(v128.load(from + at), mean), std));
    }
  }
}

/** Adds the predicted change to the states and clamps them. */
function advance(args: RolloutArgs, y: usize, states: usize, stateDim: i32): void {
  const means = args.normalizer + <usize>(2 * args.inputs) * 4;
  const limit = f32x4.splat(args.limit != 0 ? args.limit : 1);
  for (let z: i32 = 0; z < stateDim; z++) {
    const at = <usize>z * 4, above = <usize>(z + stateDim) * 4;
    const mean = v128.load32_splat(means + at), std = v128.load32_splat(means + above);
    const low = v128.load32_splat(args.bounds + at);
    const high = v128.load32_splat(args.bounds + above);
    const s = states + <usize>z * ROW, from = y + <usize>z * ROW;
    for (let lane: usize = 0; lane < ROW; lane += 16) {
      const change = madd(f32x4.mul(v128.load(from + lane), limit), std, mean);
      const next = f32x4.add(v128.load(s + lane), change);
      v128.store(s + lane, f32x4.min(f32x4.max(next, low), high));
    }
  }
}

/** Adds `weight` times the reward of the states to the returns. */
function addReward(args: RolloutArgs, states: usize, returns: usize, weight: f32): void {
  for (let lane: usize = 0; lane < ROW; lane += 16) {
    let sum = f32x4.splat(0);
    let term = termOf(args, 0);
    for (let i: i32 = 0; i < args.linearTerms; i++, term += 8) {
      const s = v128.load(states + load<usize>(term) * ROW + lane);
      sum = madd(v128.load32_splat(term, 4), s, sum);
    }
    if (args.proximityWeight != 0) {
      let distance2 = f32x4.splat(0);
      for (let i: i32 = 0; i < args.proximityTerms; i++, term += 8) {
        const s = v128.load(states + load<usize>(term) * ROW + lane);
        const distance = f32x4.sub(s, v128.load32_splat(term, 4));
        distance2 = madd(distance, distance, distance2);
      }
      sum = madd(f32x4.splat(args.proximityWeight), exp4(f32x4.neg(distance2)), sum);
    }
    if (args.penaltyColumn >= 0) {
      const s = v128.load(states + <usize>args.penaltyColumn * ROW + lane);
      const below = f32x4.lt(s, f32x4.splat(args.penaltyBelow));
      sum = f32x4.sub(sum, v128.and(f32x4.splat(args.penaltyAmount), below));
    }
    v128.store(returns + lane, madd(f32x4.splat(weight), sum, v128.load(returns + lane)));
  }
}

/** Kernel dynamics_rollout, one chunk of sequences. */
export function dynamics_rollout(
  args: RolloutArgs,
  item: i32,
  scratch: usize,
  _workspace: usize,
): void {
  const states = layOutModel(args, scratch);
  loadModel(args, scratch);
  foldEmbedding(args, scratch, args.situation);
  const x = layerOf(scratch, 0).x, last = lastLayer(args, scratch);
  const stateDim = last.outputs;
  const returns = states + <usize>stateDim * ROW;
  const actions = <usize>(args.horizon * (args.inputs - stateDim)) * 4;
  const end = min((item + 1) * args.chunk, args.count);
  for (let first = item * args.chunk; first < end; first += LANES) {
    const count = min(LANES, end - first), blocks = blocksOf(count);
    for (let z: i32 = 0; z < stateDim; z++) {
      const start = v128.load32_splat(args.state + <usize>z * 4);
      for (let lane: usize = 0; lane < ROW; lane += 16) {
        v128.store(states + <usize>z * ROW + lane, start);
      }
    }
    memory.fill(returns, 0, ROW);
    const sequences = args.sequences + <usize>first * actions;
    let weight: f64 = 1;
    for (let h: i32 = 0; h < args.horizon; h++) {
      loadInputs(args, x, states, stateDim, sequences, count, h);
      forwardTile(args, scratch, blocks, true);
      advance(args, last.y, states, stateDim);
      addReward(args, states, returns, <f32>weight);
      weight *= args.discount;
      if (args.states != 0) {
        let to = args.states + <usize>((h * args.count + first) * stateDim) * 4;
        for (let n: i32 = 0; n < count; n++) {
          for (let z: i32 = 0; z < stateDim; z++, to += 4) {
            store<f32>(to, load<f32>(states + <usize>z * ROW + <usize>n * 4));
          }
        }
      }
    }
    memory.copy(args.returns + <usize>first * 4, returns, <usize>count * 4);
  }
}
