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
  for (; x + 64 <= end; x += 64) tanhFour(x);
  for (; x < end; x += 16) v128.store(x, tanh4(v128.load(x)));
}

@inline
/**
 * tanh4 of four vectors at x, in place: each coefficient is loaded once for all of them, and the
 * result of every lane is that of tanh4.
 */
export function tanhFour(x: usize): void {
  let c = tanhConstant(0), d = tanhConstant(1);
  const x0 = f32x4.pmax(f32x4.pmin(v128.load(x), c), d);
  const x1 = f32x4.pmax(f32x4.pmin(v128.load(x, 16), c), d);
  const x2 = f32x4.pmax(f32x4.pmin(v128.load(x, 32), c), d);
  const x3 = f32x4.pmax(f32x4.pmin(v128.load(x, 48), c), d);
  const y0 = f32x4.mul(x0, x0), y1 = f32x4.mul(x1, x1);
  const y2 = f32x4.mul(x2, x2), y3 = f32x4.mul(x3, x3);
  c = tanhConstant(2);
  d = tanhConstant(3);
  let p0 = madd(y0, c, d), p1 = madd(y1, c, d), p2 = madd(y2, c, d), p3 = madd(y3, c, d);
  c = tanhConstant(4);
  p0 = madd(p0, y0, c);
  p1 = madd(p1, y1, c);
  p2 = madd(p2, y2, c);
  p3 = madd(p3, y3, c);
  c = tanhConstant(5);
  p0 = madd(p0, y0, c);
  p1 = madd(p1, y1, c);
  p2 = madd(p2, y2, c);
  p3 = madd(p3, y3, c);
  c = tanhConstant(6);
  p0 = madd(p0, y0, c);
  p1 = madd(p1, y1, c);
  p2 = madd(p2, y2, c);
  p3 = madd(p3, y3, c);
  c = tanhConstant(7);
  p0 = madd(p0, y0, c);
  p1 = madd(p1, y1, c);
  p2 = madd(p2, y2, c);
  p3 = madd(p3, y3, c);
  c = tanhConstant(8);
  p0 = madd(p0, y0, c);
  p1 = madd(p1, y1, c);
  p2 = madd(p2, y2, c);
  p3 = madd(p3, y3, c);
  p0 = f32x4.mul(p0, x0);
  p1 = f32x4.mul(p1, x1);
  p2 = f32x4.mul(p2, x2);
  p3 = f32x4.mul(p3, x3);
  c = tanhConstant(9);
  d = tanhConstant(10);
  let q0 = madd(y0, c, d), q1 = madd(y1, c, d), q2 = madd(y2, c, d), q3 = madd(y3, c, d);
  c = tanhConstant(11);
  q0 = madd(q0, y0, c);
  q1 = madd(q1, y1, c);
  q2 = madd(q2, y2, c);
  q3 = madd(q3, y3, c);
  c = tanhConstant(12);
  q0 = madd(q0, y0, c);
  q1 = madd(q1, y1, c);
  q2 = madd(q2, y2, c);
  q3 = madd(q3, y3, c);
  v128.store(x, f32x4.div(p0, q0));
  v128.store(x, f32x4.div(p1, q1), 16);
  v128.store(x, f32x4.div(p2, q2), 32);
  v128.store(x, f32x4.div(p3, q3), 48);
}

/** x = max(x, 0) for `count` floats, a multiple of 4. */
export function reluInPlace(x: usize, count: i32): void {
  const end = x + <usize>count * 4;
  for (; x < end; x += 16) v128.store(x, f32x4.pmax(v128.load(x), f32x4.splat(0)));
}
