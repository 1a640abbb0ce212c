// Smallest building blocks of the SIMD kernels: four float32 lanes at a time.
//
// The same source is built twice: with relaxed SIMD `madd` is one fused instruction where the
// processor has it; without, a product and a sum (WebAssembly SIMD proposal, relaxed SIMD
// proposal). Nothing in this folder allocates or keeps state: all memory comes in by pointers.

/** Samples that pass through the network together; all activations of a tile stay in cache. */
export const TILE: i32 = 64;

@inline
/** a * b + c */
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

@inline
/** c - a * b */
export function nmadd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_nmadd(a, b, c);
  return f32x4.sub(c, f32x4.mul(a, b));
}

@inline
/** Next multiple of four: widths and row counts are padded so that vectors never straddle. */
export function pad4(n: i32): i32 {
  return (n + 3) & ~3;
}

@inline
/** Sum of the four lanes, in a fixed order. */
export function sumLanes(v: v128): f32 {
  return (f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1)) +
    (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3));
}

/** Fills `count` floats (a multiple of 4) with zeros. */
export function zero(to: usize, count: i32): void {
  memory.fill(to, 0, <usize>count * 4);
}

/** Copies `count` floats and fills up to `padded` with zeros. */
export function copyPadded(to: usize, from: usize, count: i32, padded: i32): void {
  let i: i32 = 0;
  for (; i + 4 <= count; i += 4) {
    v128.store(to + <usize>i * 4, v128.load(from + <usize>i * 4));
  }
  for (; i < count; i++) store<f32>(to + <usize>i * 4, load<f32>(from + <usize>i * 4));
  for (; i < padded; i++) store<f32>(to + <usize>i * 4, 0);
}
