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
 * The Philox4x32-10 bijection: out = philox(counter, key).
 * @param counter 4 words
 * @param key 2 words
 * @param out 4 words, overwritten; may be `counter`
 */
export function philox4x32(counter: Int32Array, key: Int32Array, out: Int32Array): void {
  let c0 = counter[0];
  let c1 = counter[1];
  let c2 = counter[2];
  let c3 = counter[3];
  let k0 = key[0];
  let k1 = key[1];
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
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

const TWO_POW_32 = 4294967296;
const TWO_POW_MINUS_53 = 1 / 9007199254740992;
const TWO_PI = 6.283185307179586;

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
}
