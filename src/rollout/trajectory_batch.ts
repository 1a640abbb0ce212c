/**
 * What was recorded while one task was sampled for one round: E rollouts of up to T steps, in
 * flat arrays over one SharedArrayBuffer, so that a worker fills it and the learner reads it
 * without a copy.
 *
 * The rollouts lie behind each other without gaps: rollout e is rows offsets[e] .. offsets[e+1]
 * of the arrays over N samples, N = offsets[E] <= E * T. (While a sampler fills the batch, rollout
 * e starts at row e * T; {@link packRollouts} closes the gaps, which costs nothing where every
 * rollout has T steps.)
 *
 * Axis letters: E rollouts, T most steps of one, N samples, O observation, A action, R reward
 * parts.
 */

/** Sizes that a batch is allocated for. */
export interface BatchSizes {
  /** E */
  readonly rollouts: number;
  /** T */
  readonly maxSteps: number;
  /** O */
  readonly obsDim: number;
  /** A */
  readonly actDim: number;
  /** R */
  readonly rewardParts: number;
}

/** Data of one task and round; arrays over N have room for E * T rows. */
export interface TrajectoryBatch {
  /** What it was allocated for. */
  readonly sizes: BatchSizes;
  /** Everything below; hand it and the sizes to {@link viewTrajectoryBatch} elsewhere. */
  readonly buffer: SharedArrayBuffer;
  /** [N, O] observation before the action */
  readonly obs: Float32Array<SharedArrayBuffer>;
  /** [N, A] as the policy gave it: neither scaled nor clipped */
  readonly actions: Float32Array<SharedArrayBuffer>;
  /** [N, A] mean of the distribution that the action was drawn from */
  readonly mean: Float32Array<SharedArrayBuffer>;
  /** [N, A] its log standard deviation */
  readonly logStd: Float32Array<SharedArrayBuffer>;
  /** [N] reward of the step */
  readonly rewards: Float32Array<SharedArrayBuffer>;
  /** [N] written by the processor */
  readonly advantages: Float32Array<SharedArrayBuffer>;
  /** [E+1] first sample of each rollout, then N */
  readonly offsets: Uint32Array<SharedArrayBuffer>;
  /** [E] 1: the rollout ended in an absorbing state */
  readonly terminated: Uint8Array<SharedArrayBuffer>;
  /** [E] 1: it was cut after T steps */
  readonly truncated: Uint8Array<SharedArrayBuffer>;
  /** [E] 1: it was cut because the simulator gave a number that is not finite */
  readonly nonFinite: Uint8Array<SharedArrayBuffer>;
  /** [E] undiscounted sum of rewards, summed in float64 */
  readonly returns: Float64Array<SharedArrayBuffer>;
  /** [E] discounted sum of rewards; written by the processor */
  readonly discountedReturns: Float64Array<SharedArrayBuffer>;
  /** [E, R] undiscounted sum of each reward part */
  readonly rewardPartSums: Float64Array<SharedArrayBuffer>;
}

/** Number of bytes of a batch. */
export function trajectoryBatchBytes(sizes: BatchSizes): number {
  const { rollouts, maxSteps, obsDim, actDim, rewardParts } = sizes;
  const doubles = rollouts * (2 + rewardParts);
  const floats = rollouts * maxSteps * (obsDim + 3 * actDim + 2);
  return 8 * doubles + 4 * (floats + rollouts + 1) + 3 * rollouts;
}

/** The arrays of a batch in a buffer of {@link trajectoryBatchBytes} bytes. */
export function viewTrajectoryBatch(
  sizes: BatchSizes,
  buffer: SharedArrayBuffer,
): TrajectoryBatch {
  const { rollouts, maxSteps, obsDim, actDim, rewardParts } = sizes;
  const capacity = rollouts * maxSteps;
  // widest elements first: every array is aligned
  let byte = 0;
  const f64 = (size: number) => {
    const view = new Float64Array(buffer, byte, size);
    byte += view.byteLength;
    return view;
  };
  const f32 = (size: number) => {
    const view = new Float32Array(buffer, byte, size);
    byte += view.byteLength;
    return view;
  };
  const u8 = (size: number) => {
    const view = new Uint8Array(buffer, byte, size);
    byte += view.byteLength;
    return view;
  };
  const returns = f64(rollouts);
  const discountedReturns = f64(rollouts);
  const rewardPartSums = f64(rollouts * rewardParts);
  const obs = f32(capacity * obsDim);
  const actions = f32(capacity * actDim);
  const mean = f32(capacity * actDim);
  const logStd = f32(capacity * actDim);
  const rewards = f32(capacity);
  const advantages = f32(capacity);
  const offsets = new Uint32Array(buffer, byte, rollouts + 1);
  byte += offsets.byteLength;
  const terminated = u8(rollouts);
  const truncated = u8(rollouts);
  const nonFinite = u8(rollouts);
  return {
    sizes,
    buffer,
    obs,
    actions,
    mean,
    logStd,
    rewards,
    advantages,
    offsets,
    terminated,
    truncated,
    nonFinite,
    returns,
    discountedReturns,
    rewardPartSums,
  };
}

/** A new, empty batch. */
export function createTrajectoryBatch(sizes: BatchSizes): TrajectoryBatch {
  return viewTrajectoryBatch(sizes, new SharedArrayBuffer(trajectoryBatchBytes(sizes)));
}

/** N: samples in the batch. */
export function sampleCount(batch: TrajectoryBatch): number {
  return batch.offsets[batch.sizes.rollouts];
}

/** Rollouts that were cut because of a number that is not finite. */
export function nonFiniteCount(batch: TrajectoryBatch): number {
  let count = 0;
  for (const flag of batch.nonFinite) count += flag;
  return count;
}

/**
 * Ends the filling of a batch: rollout e has `lengths[e]` rows from row e * T on. Moves them
 * together and sets `offsets`.
 * @param lengths [E]
 */
export function packRollouts(batch: TrajectoryBatch, lengths: ArrayLike<number>): void {
  const { rollouts, maxSteps, obsDim, actDim } = batch.sizes;
  const { offsets } = batch;
  let row = 0;
  for (let e = 0; e < rollouts; e++) {
    const from = e * maxSteps;
    if (row !== from) {
      moveRows(batch.obs, obsDim, row, from, lengths[e]);
      moveRows(batch.actions, actDim, row, from, lengths[e]);
      moveRows(batch.mean, actDim, row, from, lengths[e]);
      moveRows(batch.logStd, actDim, row, from, lengths[e]);
      moveRows(batch.rewards, 1, row, from, lengths[e]);
    }
    offsets[e] = row;
    row += lengths[e];
  }
  offsets[rollouts] = row;
}

function moveRows(data: Float32Array, width: number, to: number, from: number, rows: number): void {
  data.copyWithin(to * width, from * width, (from + rows) * width);
}
