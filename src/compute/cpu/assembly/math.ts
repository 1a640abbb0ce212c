// exp, expm1 and tanh of four floats, to float32 accuracy (a few units in the last place).
//
// exp: x = k ln 2 + r with |r| <= ln 2 / 2, a polynomial for expm1(r) (Cephes, expf), scaling by
// 2^k through the exponent bits. tanh: the rational minimax approximation of Eigen's
// MathFunctionsImpl. Leaves out: NaN keeps NaN, but denormal results of exp become zero.
import { madd, nmadd } from "./simd";

@inline
/** expm1(r) for |r| <= ln 2 / 2. */
function expm1Reduced(r: v128): v128 {
  let p = f32x4.splat(1.9875691500e-4);
  p = madd(p, r, f32x4.splat(1.3981999507e-3));
  p = madd(p, r, f32x4.splat(8.3334519073e-3));
  p = madd(p, r, f32x4.splat(4.1665795894e-2));
  p = madd(p, r, f32x4.splat(1.6666665459e-1));
  p = madd(p, r, f32x4.splat(5.0000001201e-1));
  return madd(p, f32x4.mul(r, r), r);
}

@inline
/** k of x = k ln 2 + r, as a float. */
function exponentOf(x: v128): v128 {
  return f32x4.nearest(f32x4.mul(x, f32x4.splat(1.44269504088896341)));
}

@inline
/** x - k ln 2, with ln 2 in two parts. */
function reduce(x: v128, k: v128): v128 {
  const r = nmadd(k, f32x4.splat(0.693359375), x);
  return nmadd(k, f32x4.splat(-2.12194440e-4), r);
}

@inline
/** 2^k for integers -126 <= k <= 127. */
function powerOfTwo(k: v128): v128 {
  return i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(k), i32x4.splat(127)), 23);
}

@inline
/** Keeps x where 2^k is a normal number in two factors; NaN passes. */
function limit(x: v128): v128 {
  return f32x4.pmax(f32x4.pmin(x, f32x4.splat(89.0)), f32x4.splat(-87.0));
}

/** e^x; +Infinity above 88.7, 2^-125.5 instead of anything smaller below -87. */
export function exp4(x: v128): v128 {
  x = limit(x);
  const k = exponentOf(x);
  const p = expm1Reduced(reduce(x, k));
  // 2^k in two factors: k reaches 128 where the result is still finite (or must overflow)
  const half = f32x4.nearest(f32x4.mul(k, f32x4.splat(0.5)));
  const first = powerOfTwo(half), second = powerOfTwo(f32x4.sub(k, half));
  return f32x4.mul(f32x4.mul(f32x4.add(p, f32x4.splat(1)), first), second);
}

/** e^x - 1 without cancellation near zero. */
export function expm14(x: v128): v128 {
  x = limit(x);
  const k = exponentOf(x);
  const p = expm1Reduced(reduce(x, k));
  const half = f32x4.nearest(f32x4.mul(k, f32x4.splat(0.5)));
  const first = powerOfTwo(half), second = powerOfTwo(f32x4.sub(k, half));
  // 2^k p + (2^k - 1) = second * (first * p + first - 1 / second)
  const tail = f32x4.sub(first, powerOfTwo(f32x4.sub(half, k)));
  return f32x4.mul(madd(p, first, tail), second);
}

/**
 * Coefficients of tanh4, loaded rather than written into the code: V8 builds a vector constant
 * anew, with several instructions, at each of its uses.
 */
const TANH = memory.data<f32>([
  7.90531110763549805, // |x| from which on the result is 1
  -7.90531110763549805,
  -2.76076847742355e-16, // numerator: x^13, x^11, ... x
  2.00018790482477e-13,
  -8.60467152213735e-11,
  5.12229709037114e-08,
  1.48572235717979e-05,
  6.37261928875436e-04,
  4.89352455891786e-03,
  1.19825839466702e-06, // denominator: x^6, ... 1
  1.18534705686654e-04,
  2.26843463243900e-03,
  4.89352518554385e-03,
]);

@inline
function tanhConstant(index: i32): v128 {
  return v128.load32_splat(TANH + <usize>index * 4);
}

@inline
/** Hyperbolic tangent. */
export function tanh4(x: v128): v128 {
  x = f32x4.pmin(x, tanhConstant(0)); // keeps NaN, unlike its mirror image
  x = f32x4.pmax(x, tanhConstant(1));
  const y = f32x4.mul(x, x);
  let p = madd(y, tanhConstant(2), tanhConstant(3));
  p = madd(p, y, tanhConstant(4));
  p = madd(p, y, tanhConstant(5));
  p = madd(p, y, tanhConstant(6));
  p = madd(p, y, tanhConstant(7));
  p = madd(p, y, tanhConstant(8));
  let q = madd(y, tanhConstant(9), tanhConstant(10));
  q = madd(q, y, tanhConstant(11));
  q = madd(q, y, tanhConstant(12));
  return f32x4.div(f32x4.mul(p, x), q);
}

/** x = tanh(x) for `count` floats, a multiple of 4. */
export function tanhInPlace(x: usize, count: i32): void {
  const end = x + <usize>count * 4;
  for (; x < end; x += 16) v128.store(x, tanh4(v128.load(x)));
}

/** x = max(x, 0) for `count` floats, a multiple of 4. */
export function reluInPlace(x: usize, count: i32): void {
  const end = x + <usize>count * 4;
  for (; x < end; x += 16) v128.store(x, f32x4.pmax(v128.load(x), f32x4.splat(0)));
}
