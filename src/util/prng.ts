/**
 * Random numbers that depend on nothing but where they are used: a counter-based generator,
 * Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel Random Numbers: As Easy as 1, 2, 3",
 * SC 2011), keyed by (seed, purpose, iteration, task, round, rollout, step). The same key gives
 * the same numbers on every machine, whatever was drawn before, by whom and in which order.
 *
 * Where the coordinates lie in Philox's 64-bit key and 128-bit counter (all of them apart, so no
 * two keys share a number; `at` refuses values out of range):
 *
 *     key[0]      seed, low 32 bits
 *     key[1]      seed, high 21 bits | purpose << 21       purpose < 2^11
 *     counter[0]  block                                    2^32 blocks of 4 words at every key
 *     counter[1]  iteration                                < 2^32
 *     counter[2]  rollout | task << 16                     both < 2^16
 *     counter[3]  step | round << 24                       step < 2^24, round < 2^8
 *
 * Left out: cryptographic strength, and a stream with memory across keys.
 */
import { UserError } from "./errors.ts";
import { cos, log, sin } from "./math.ts";

/** What a number is drawn for; numbers of different purposes are independent. Never renumber. */
export const Purpose = {
  /** Tasks of an iteration (iteration, task). */
  TASK: 1,
  /** Start of an episode (iteration, task, round, rollout). */
  ENV_RESET: 2,
  /** Noise of the policy's action (iteration, task, round, rollout, step). */
  ACTION_NOISE: 3,
  /** Initial parameters (task: which network). */
  PARAM_INIT: 4,
  /** Random inputs of benchmarks, self-checks and tests. */
  TEST_DATA: 5,
  /** Candidates of a planner (iteration: episode, task, round: the planner's round, step). */
  PLANNER: 6,
  /** Order in which rows are taken in training (iteration, task, round: what for, step: pass). */
  TRAINING_ORDER: 7,
  /** Random actions while data is collected (iteration: episode, task: situation, step). */
  COLLECT: 8,
  /** Damage of a robot (iteration: stretch of a mission; task: 1 for the one at the start). */
  DAMAGE: 9,
  /** Choice among situations (iteration: adaptation; task: 0 the first one, 1 a drawn one). */
  SITUATION: 10,
  /** Sinusoids (task: which one; round: 0 its phase and amplitude, 1 the points seen). */
  SINE: 11,
  /** Resampling of results (iteration: which draw). */
  BOOTSTRAP: 12,
  /** Clusters of embeddings (iteration: which start; round: 0 first centres, 1 chance level). */
  CLUSTERS: 13,
  /** Seed of a map of embeddings. */
  NEIGHBOUR_MAP: 14,
} as const;
/** One of the values of {@link Purpose}. */
export type Purpose = typeof Purpose[keyof typeof Purpose];

/** Philox multipliers, each as low and high half, and Weyl increments of the key. */
const M0_LOW = 0x1f53;
const M0_HIGH = 0xd251;
const M0 = 0xd2511f53 | 0;
const M1_LOW = 0x8d57;
const M1_HIGH = 0xcd9e;
const M1 = 0xcd9e8d57 | 0;
const W0 = 0x9e3779b9 | 0;
const W1 = 0xbb67ae85 | 0;
const ROUNDS = 10;

/** High 32 bits of the unsigned product a * b, with b given as its 16-bit halves. */
function multiplyHigh(a: number, bLow: number, bHigh: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const middle = (Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16)) >>> 0;
  const carry = (Math.imul(aLow, bHigh) + (middle & 0xffff)) >>> 0;
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (carry >>> 16)) | 0;
}

/**
 * `blocks` consecutive Philox4x32-10 blocks: out[offset + 4 b ...] = philox(counter + b, key), b
 * added to the first word of the counter alone.
 */
function philoxBlocks(
  counter: Int32Array,
  key: Int32Array,
  out: Int32Array,
  offset: number,
  blocks: number,
): void {
  const first = counter[0];
  const counter1 = counter[1];
  const counter2 = counter[2];
  const counter3 = counter[3];
  const key0 = key[0];
  const key1 = key[1];
  for (let b = 0, o = offset; b < blocks; b++, o += 4) {
    let c0 = (first + b) | 0;
    let c1 = counter1;
    let c2 = counter2;
    let c3 = counter3;
    let k0 = key0;
    let k1 = key1;
    for (let round = 0; round < ROUNDS; round++) {
      const high0 = multiplyHigh(c0, M0_LOW, M0_HIGH);
      const low0 = Math.imul(c0, M0);
      const high1 = multiplyHigh(c2, M1_LOW, M1_HIGH);
      const low1 = Math.imul(c2, M1);
      c0 = high1 ^ c1 ^ k0;
      c1 = low1;
      c2 = high0 ^ c3 ^ k1;
      c3 = low0;
      k0 = (k0 + W0) | 0;
      k1 = (k1 + W1) | 0;
    }
    out[o] = c0;
    out[o + 1] = c1;
    out[o + 2] = c2;
    out[o + 3] = c3;
  }
}

/**
 * The Philox4x32-10 bijection: out = philox(counter, key).
 * @param counter 4 words
 * @param key 2 words
 * @param out 4 words, overwritten; may be `counter`
 */
export function philox4x32(counter: Int32Array, key: Int32Array, out: Int32Array): void {
  philoxBlocks(counter, key, out, 0, 1);
}

const TWO_POW_32 = 4294967296;
const TWO_POW_MINUS_53 = 1 / 9007199254740992;
const TWO_POW_MINUS_24 = 1 / 16777216;
const TWO_PI = 6.283185307179586;

/** Words that the bulk methods work on at a time: 16 KiB, they stay in the nearest cache. */
const bulkWords = new Int32Array(4096);

/**
 * The number below which a standard normal number lies with probability p, 0 < p < 1; relative
 * error below 2e-7. Wichura, "Algorithm AS 241", Applied Statistics 37, 1988 (PPND7).
 */
function normalQuantile(p: number): number {
  const q = p - 0.5;
  if (q >= -0.425 && q <= 0.425) {
    const r = 0.180625 - q * q;
    const top = ((59.10937472 * r + 159.29113202) * r + 50.434271938) * r + 3.3871327179;
    return q * top / (((67.1875636 * r + 78.757757664) * r + 17.895169469) * r + 1);
  }
  const r = Math.sqrt(-log(q < 0 ? p : 1 - p));
  let value: number;
  if (r <= 5) {
    const t = r - 1.6;
    const top = ((0.17023821103 * t + 1.3067284816) * t + 2.75681539) * t + 1.4234372777;
    value = top / ((0.12021132975 * t + 0.7370016425) * t + 1);
  } else {
    const t = r - 5;
    const top = ((0.017337203997 * t + 0.42868294337) * t + 3.081226386) * t + 6.657905115;
    value = top / ((0.012258202635 * t + 0.24197894225) * t + 1);
  }
  return q < 0 ? -value : value;
}

/** Random numbers of one seed. Position it with {@link at}, then draw as many as needed. */
export class KeyedRandom {
  /** The seed, a safe integer >= 0. */
  readonly seed: number;
  readonly #key = new Int32Array(2);
  readonly #counter = new Int32Array(4);
  readonly #block = new Int32Array(4);
  /** Words of #block already used; 4: the next draw makes a new block. */
  #used = 4;
  /** Second number of the last Box-Muller pair, and whether it is still to be given out. */
  readonly #spare = new Float64Array(1);
  #hasSpare = false;

  /**
   * The numbers of one seed. @throws UserError `seed-range` where `seed` is not an integer in 0 ..
   * 2^53 - 1.
   */
  constructor(seed: number) {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new UserError(
        "seed-range",
        `Cannot use ${seed} as seed; give an integer from 0 to ${Number.MAX_SAFE_INTEGER}`,
      );
    }
    this.seed = seed;
    this.at(Purpose.TASK);
  }

  /**
   * Goes to the first number of a key. Coordinates that a purpose does not use stay 0.
   * @throws RangeError where a coordinate has no place in the key (header of this file).
   */
  at(purpose: Purpose, iteration = 0, task = 0, round = 0, rollout = 0, step = 0): this {
    if (
      purpose !== (purpose & 0x7ff) || iteration !== iteration >>> 0 ||
      task !== (task & 0xffff) || round !== (round & 0xff) ||
      rollout !== (rollout & 0xffff) || step !== (step & 0xffffff)
    ) {
      throw new RangeError(
        `Cannot key random numbers by purpose ${purpose}, iteration ${iteration}, task ${task}, ` +
          `round ${round}, rollout ${rollout}, step ${step}; they must be integers from 0 to ` +
          "2^11, 2^32, 2^16, 2^8, 2^16, 2^24 (exclusive)",
      );
    }
    this.#key[0] = this.seed % TWO_POW_32;
    this.#key[1] = Math.floor(this.seed / TWO_POW_32) | (purpose << 21);
    this.#counter[0] = 0;
    this.#counter[1] = iteration;
    this.#counter[2] = rollout | (task << 16);
    this.#counter[3] = step | (round << 24);
    this.#used = 4;
    this.#hasSpare = false;
    return this;
  }

  /** Next 32 random bits as a signed integer. */
  #word(): number {
    if (this.#used === 4) {
      philox4x32(this.#counter, this.#key, this.#block);
      this.#counter[0]++;
      this.#used = 0;
    }
    return this.#block[this.#used++];
  }

  /** Uniform in [0, 1), a multiple of 2^-53. */
  uniform(): number {
    const high = this.#word() >>> 5;
    const low = this.#word() >>> 6;
    return (high * 67108864 + low) * TWO_POW_MINUS_53;
  }

  /** Uniform in [low, high). */
  uniformRange(low: number, high: number): number {
    return low + (high - low) * this.uniform();
  }

  /**
   * Uniform integer in 0 .. n - 1, without bias (words in the incomplete last stretch of 2^32
   * are drawn again). @throws RangeError unless 1 <= n <= 2^32.
   */
  integer(n: number): number {
    if (!(n >= 1 && n <= TWO_POW_32) || Math.floor(n) !== n) {
      throw new RangeError(`Cannot draw an integer below ${n}; give an integer from 1 to 2^32`);
    }
    const limit = TWO_POW_32 - (TWO_POW_32 % n);
    let word = this.#word() >>> 0;
    while (word >= limit) word = this.#word() >>> 0;
    return word % n;
  }

  /** Standard normal number (Box-Muller; two uniforms give two numbers). */
  normal(): number {
    if (this.#hasSpare) {
      this.#hasSpare = false;
      return this.#spare[0];
    }
    // 1 - u is in (0, 1]: the logarithm is finite
    const radius = Math.sqrt(-2 * log(1 - this.uniform()));
    const angle = TWO_PI * this.uniform();
    this.#spare[0] = radius * sin(angle);
    this.#hasSpare = true;
    return radius * cos(angle);
  }

  /** Fills `out` with standard normal numbers. */
  fillNormal(out: Float32Array | Float64Array): void {
    for (let i = 0; i < out.length; i++) out[i] = this.normal();
  }

  /** Takes the next `count` words of the key into the front of {@link bulkWords}. */
  #takeWords(count: number): void {
    let i = 0;
    while (i < count && this.#used < 4) bulkWords[i++] = this.#block[this.#used++];
    const blocks = (count - i) >> 2;
    philoxBlocks(this.#counter, this.#key, bulkWords, i, blocks);
    this.#counter[0] += blocks;
    for (i += 4 * blocks; i < count; i++) bulkWords[i] = this.#word();
  }

  /**
   * Fills `out` with uniform numbers, one word w of the key each, so in the order of `out`
   * low[d] + (high[d] - low[d]) * floor(w / 2^8) / 2^24, rounded to float32 (which may round up
   * to high[d]). Made for many numbers at once; {@link uniform} takes two words for one.
   *
   * @param out [N, D], row-major
   * @param low [D] smallest value of every column
   * @param high [D] largest value of every column
   */
  fillUniform(out: Float32Array, low: ArrayLike<number>, high: ArrayLike<number>): void {
    const columns = low.length;
    const base = Float64Array.from(low);
    const width = Float64Array.from(high, (value, d) => (value - base[d]) * TWO_POW_MINUS_24);
    for (let start = 0, d = 0; start < out.length; start += bulkWords.length) {
      const count = Math.min(bulkWords.length, out.length - start);
      this.#takeWords(count);
      for (let i = 0; i < count; i++) {
        out[start + i] = base[d] + width[d] * (bulkWords[i] >>> 8);
        if (++d === columns) d = 0;
      }
    }
  }

  /**
   * Fills `out` with standard normal numbers, one word w of the key each: the quantile (AS 241,
   * PPND7) of (w + 1/2) / 2^32. Made for many numbers at once, several times as fast as
   * {@link fillNormal} and other numbers than it; exact to 7 digits, none beyond +-6.4.
   */
  fillNormalByQuantile(out: Float32Array): void {
    for (let start = 0; start < out.length; start += bulkWords.length) {
      const count = Math.min(bulkWords.length, out.length - start);
      this.#takeWords(count);
      for (let i = 0; i < count; i++) {
        out[start + i] = normalQuantile(((bulkWords[i] >>> 0) + 0.5) / TWO_POW_32);
      }
    }
  }
}
