/**
 * exp, log, sin, cos and tanh that give the same bits on every JavaScript engine. ECMAScript
 * leaves the accuracy of `Math.exp` and its kin to the engine, and versions of V8 differ in the
 * last digit; results that must be reproducible (noise, environments) come from here.
 *
 * Only IEEE + - * /, `Math.floor` and access to the bits of a double are used. Each function
 * reduces its argument to a small interval and sums the Taylor series there; the number of terms
 * is such that the first neglected one is below 2^-56 of the result. Errors stay below 2 ulp
 * (tanh: 4 ulp).
 * Method: Cody and Waite, "Software Manual for the Elementary Functions", 1980.
 *
 * Left out: the sign of a zero result, and other elementary functions. `Math.sqrt`, `Math.abs`,
 * `Math.min`, `Math.max` and `Math.floor` are exact by the language's definition and are used as
 * they are.
 */

/** ln 2 in two parts: 32 bits, so that k * LN2_HIGH is exact for |k| < 2^21, and the rest. */
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
const INV_LN2 = 1.4426950408889634;

/** pi / 2 in three parts: 33 bits, 33 bits, the rest. */
const HALF_PI_HIGH = 1.5707963267341256;
const HALF_PI_MIDDLE = 6.077100506303966e-11;
const HALF_PI_LOW = 2.0222662487959506e-21;
const TWO_OVER_PI = 0.6366197723675814;
/** Products of an integer below 2^20 and a 33-bit part are exact. */
const LARGEST_DIRECT_ANGLE = 1e6;
const TWO_PI = 6.283185307179586;

/** exp overflows above and vanishes below these. */
const EXP_OVERFLOW = 709.782712893384;
const EXP_UNDERFLOW = -745.1332191019412;

const SQRT_TWO = 1.4142135623730951;
const SMALLEST_NORMAL = 2.2250738585072014e-308;
const TWO_POW_54 = 18014398509481984;

const bits = new Float64Array(1);
const words = new Int32Array(bits.buffer);
/** Which of the two words of a double holds sign and exponent. */
const TOP = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 1 : 0;

/** 2^k at index k - SMALLEST_POWER, -1074 <= k <= 1023. */
const SMALLEST_POWER = -1074;
const POWERS = new Float64Array(1024 - SMALLEST_POWER);
for (let i = 0, power = 5e-324; i < POWERS.length; i++, power *= 2) POWERS[i] = power;

/** y * 2^k without overflow of the factor; exact unless the result is subnormal. */
function scale(y: number, k: number): number {
  const half = k >> 1;
  return y * POWERS[half - SMALLEST_POWER] * POWERS[k - half - SMALLEST_POWER];
}

/** (e^r - 1 - r) / r^2 for |r| <= ln(2) / 2. */
function expTail(r: number): number {
  let p = 1 / 87178291200;
  p = p * r + 1 / 6227020800;
  p = p * r + 1 / 479001600;
  p = p * r + 1 / 39916800;
  p = p * r + 1 / 3628800;
  p = p * r + 1 / 362880;
  p = p * r + 1 / 40320;
  p = p * r + 1 / 5040;
  p = p * r + 1 / 720;
  p = p * r + 1 / 120;
  p = p * r + 1 / 24;
  p = p * r + 1 / 6;
  return p * r + 0.5;
}

/** e^x. Overflows to Infinity, underflows gradually to 0. */
export function exp(x: number): number {
  if (!(x <= EXP_OVERFLOW)) return x > 0 ? Infinity : NaN;
  if (x < EXP_UNDERFLOW) return 0;
  // x = k ln 2 + high - low, |high - low| <= ln(2) / 2
  const k = Math.floor(x * INV_LN2 + 0.5);
  const high = x - k * LN2_HIGH;
  const low = k * LN2_LOW;
  const r = high - low;
  // what r lost to rounding is as small as the last bit of 1 + ..., it goes in first
  const lost = (high - r) - low;
  return scale(1 + (r + (r * r * expTail(r) + lost)), k);
}

/** Natural logarithm; -Infinity at 0, NaN below. */
export function log(x: number): number {
  if (!(x > 0)) return x === 0 ? -Infinity : NaN;
  if (x === Infinity) return Infinity;
  let shift = 0;
  if (x < SMALLEST_NORMAL) {
    x *= TWO_POW_54;
    shift = -54;
  }
  // x = 2^k m, sqrt(1/2) <= m < sqrt(2)
  bits[0] = x;
  let k = (words[TOP] >>> 20) - 1023;
  let m = x * POWERS[-k - SMALLEST_POWER];
  if (m >= SQRT_TWO) {
    m *= 0.5;
    k += 1;
  }
  k += shift;
  // log(1 + f) = 2 atanh(s) = f - (f^2 / 2 - s (f^2 / 2 + R)), s = f / (2 + f)
  const f = m - 1;
  const s = f / (2 + f);
  const z = s * s;
  let p = 2 / 23;
  p = p * z + 2 / 21;
  p = p * z + 2 / 19;
  p = p * z + 2 / 17;
  p = p * z + 2 / 15;
  p = p * z + 2 / 13;
  p = p * z + 2 / 11;
  p = p * z + 2 / 9;
  p = p * z + 2 / 7;
  p = p * z + 2 / 5;
  p = p * z + 2 / 3;
  const tail = p * z;
  const halfSquare = 0.5 * f * f;
  return k * LN2_HIGH - ((halfSquare - (s * (halfSquare + tail) + k * LN2_LOW)) - f);
}

/** Angle left over by `reduceAngle`, as a sum of two doubles. */
const remainder = new Float64Array(2);

/** x = n pi / 2 + remainder[0] + remainder[1], |remainder| <= pi / 4; returns n mod 4. */
function reduceAngle(x: number): number {
  // The remainder by the double next to 2 pi is exact (and the sign is kept); its error,
  // 4e-17 x, is below the spacing of the doubles around x.
  if (x > LARGEST_DIRECT_ANGLE || x < -LARGEST_DIRECT_ANGLE) x %= TWO_PI;
  const n = Math.floor(x * TWO_OVER_PI + 0.5);
  const a = x - n * HALF_PI_HIGH;
  const b = n * HALF_PI_MIDDLE;
  const c = a - b;
  const d = ((a - c) - b) - n * HALF_PI_LOW;
  const r = c + d;
  remainder[0] = r;
  remainder[1] = (c - r) + d;
  return n & 3;
}

/** sin(r + e) for |r| <= pi / 4 and e below the last bit of r. */
function sinReduced(r: number, e: number): number {
  const z = r * r;
  let p = 1 / 355687428096000;
  p = p * z - 1 / 1307674368000;
  p = p * z + 1 / 6227020800;
  p = p * z - 1 / 39916800;
  p = p * z + 1 / 362880;
  p = p * z - 1 / 5040;
  p = p * z + 1 / 120;
  p = p * z - 1 / 6;
  return r + (z * r * p + e * (1 - 0.5 * z));
}

/** cos(r + e) for |r| <= pi / 4 and e below the last bit of r. */
function cosReduced(r: number, e: number): number {
  const z = r * r;
  let p = 1 / 20922789888000;
  p = p * z - 1 / 87178291200;
  p = p * z + 1 / 479001600;
  p = p * z - 1 / 3628800;
  p = p * z + 1 / 40320;
  p = p * z - 1 / 720;
  p = p * z + 1 / 24;
  const half = 0.5 * z;
  const w = 1 - half;
  return w + (((1 - w) - half) + (z * z * p - r * e));
}

/** Sine of an angle in radians; NaN for infinite angles. */
export function sin(x: number): number {
  const quadrant = reduceAngle(x);
  const r = remainder[0];
  const e = remainder[1];
  const value = (quadrant & 1) === 0 ? sinReduced(r, e) : cosReduced(r, e);
  return (quadrant & 2) === 0 ? value : -value;
}

/** Cosine of an angle in radians; NaN for infinite angles. */
export function cos(x: number): number {
  const quadrant = reduceAngle(x);
  const r = remainder[0];
  const e = remainder[1];
  const value = (quadrant & 1) === 0 ? cosReduced(r, e) : sinReduced(r, e);
  return ((quadrant + 1) & 2) === 0 ? value : -value;
}

/** Hyperbolic tangent. */
export function tanh(x: number): number {
  const t = x < 0 ? -x : x;
  // 1 - tanh(22) is below half of the last bit of 1
  if (t > 22) return x < 0 ? -1 : 1;
  // tanh t = m / (m + 2), m = e^2t - 1 = 2^k (e^r - 1) + 2^k - 1 keeps its digits near 0
  const y = 2 * t;
  const k = Math.floor(y * INV_LN2 + 0.5);
  const high = y - k * LN2_HIGH;
  const low = k * LN2_LOW;
  const r = high - low;
  const lost = (high - r) - low;
  const power = POWERS[k - SMALLEST_POWER];
  const m = (power - 1) + power * (r + (r * r * expTail(r) + lost));
  const value = m / (m + 2);
  return x < 0 ? -value : value;
}
