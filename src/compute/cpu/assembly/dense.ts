// Products of small matrices, the work of all kernels: four rows by eight columns in registers
// (eight accumulators; more spill in V8, fewer leave the multiply-add units waiting).
//
// Matrices are row-major; `ld` is the distance of two rows in bytes. Row and column counts are
// multiples of four: callers pad with zeros, which keeps results exact.
import { madd, pad4 } from "./simd";

/**
 * c[r,o] = init[r,o] + sum_k a[r,k] b[k,o]
 *
 * a [rows, inner], b [inner, cols], c and init [rows, cols]; `ldi` 0 gives every row the same
 * start (a bias); `init` may be c itself.
 */
export function multiply(
  a: usize,
  lda: usize,
  b: usize,
  ldb: usize,
  c: usize,
  ldc: usize,
  init: usize,
  ldi: usize,
  rows: i32,
  inner: i32,
  cols: i32,
): void {
  const span = <usize>inner * 4;
  const lda2 = 2 * lda, lda3 = 3 * lda;
  let col: i32 = 0;
  for (; col + 8 <= cols; col += 8) {
    const shift = <usize>col * 4;
    let pc = c + shift, pi = init + shift, pr = a;
    for (let row: i32 = 0; row < rows; row += 4) {
      let s00 = v128.load(pi), s01 = v128.load(pi, 16);
      pi += ldi;
      let s10 = v128.load(pi), s11 = v128.load(pi, 16);
      pi += ldi;
      let s20 = v128.load(pi), s21 = v128.load(pi, 16);
      pi += ldi;
      let s30 = v128.load(pi), s31 = v128.load(pi, 16);
      pi += ldi;
      let pa = pr, pb = b + shift;
      const end = pa + span;
      while (pa < end) {
        const b0 = v128.load(pb), b1 = v128.load(pb, 16);
        let x = v128.load32_splat(pa);
        s00 = madd(x, b0, s00);
        s01 = madd(x, b1, s01);
        x = v128.load32_splat(pa + lda);
        s10 = madd(x, b0, s10);
        s11 = madd(x, b1, s11);
        x = v128.load32_splat(pa + lda2);
        s20 = madd(x, b0, s20);
        s21 = madd(x, b1, s21);
        x = v128.load32_splat(pa + lda3);
        s30 = madd(x, b0, s30);
        s31 = madd(x, b1, s31);
        pa += 4;
        pb += ldb;
      }
      v128.store(pc, s00);
      v128.store(pc, s01, 16);
      pc += ldc;
      v128.store(pc, s10);
      v128.store(pc, s11, 16);
      pc += ldc;
      v128.store(pc, s20);
      v128.store(pc, s21, 16);
      pc += ldc;
      v128.store(pc, s30);
      v128.store(pc, s31, 16);
      pc += ldc;
      pr += 4 * lda;
    }
  }
  if (col < cols) {
    // the last four columns
    const shift = <usize>col * 4;
    let pc = c + shift, pi = init + shift, pr = a;
    for (let row: i32 = 0; row < rows; row += 4) {
      let s0 = v128.load(pi), s1 = v128.load(pi + ldi);
      let s2 = v128.load(pi + 2 * ldi), s3 = v128.load(pi + 3 * ldi);
      pi += 4 * ldi;
      let pa = pr, pb = b + shift;
      const end = pa + span;
      while (pa < end) {
        const b0 = v128.load(pb);
        s0 = madd(v128.load32_splat(pa), b0, s0);
        s1 = madd(v128.load32_splat(pa + lda), b0, s1);
        s2 = madd(v128.load32_splat(pa + lda2), b0, s2);
        s3 = madd(v128.load32_splat(pa + lda3), b0, s3);
        pa += 4;
        pb += ldb;
      }
      v128.store(pc, s0);
      v128.store(pc + ldc, s1);
      v128.store(pc + 2 * ldc, s2);
      v128.store(pc + 3 * ldc, s3);
      pc += 4 * ldc;
      pr += 4 * lda;
    }
  }
}

/**
 * ACCUMULATES c[k,o] += sum_n a[n,k] b[n,o], the gradient of a dense layer's weights.
 *
 * a [count, rows], b [count, cols], c [rows, cols]; sums run in the order of n.
 */
export function accumulateOuter(
  a: usize,
  lda: usize,
  b: usize,
  ldb: usize,
  c: usize,
  ldc: usize,
  count: i32,
  rows: i32,
  cols: i32,
): void {
  let col: i32 = 0;
  const span = <usize>count * lda;
  for (; col + 8 <= cols; col += 8) {
    const shift = <usize>col * 4;
    let pr = a, pc = c + shift;
    for (let row: i32 = 0; row < rows; row += 4) {
      const c1 = pc + ldc, c2 = c1 + ldc, c3 = c2 + ldc;
      let s00 = v128.load(pc), s01 = v128.load(pc, 16);
      let s10 = v128.load(c1), s11 = v128.load(c1, 16);
      let s20 = v128.load(c2), s21 = v128.load(c2, 16);
      let s30 = v128.load(c3), s31 = v128.load(c3, 16);
      let pa = pr, pb = b + shift;
      const end = pa + span;
      while (pa < end) {
        const b0 = v128.load(pb), b1 = v128.load(pb, 16);
        let x = v128.load32_splat(pa);
        s00 = madd(x, b0, s00);
        s01 = madd(x, b1, s01);
        x = v128.load32_splat(pa, 4);
        s10 = madd(x, b0, s10);
        s11 = madd(x, b1, s11);
        x = v128.load32_splat(pa, 8);
        s20 = madd(x, b0, s20);
        s21 = madd(x, b1, s21);
        x = v128.load32_splat(pa, 12);
        s30 = madd(x, b0, s30);
        s31 = madd(x, b1, s31);
        pa += lda;
        pb += ldb;
      }
      v128.store(pc, s00);
      v128.store(pc, s01, 16);
      v128.store(c1, s10);
      v128.store(c1, s11, 16);
      v128.store(c2, s20);
      v128.store(c2, s21, 16);
      v128.store(c3, s30);
      v128.store(c3, s31, 16);
      pc = c3 + ldc;
      pr += 16;
    }
  }
  if (col < cols) {
    const shift = <usize>col * 4;
    let pr = a, pc = c + shift;
    for (let row: i32 = 0; row < rows; row += 4) {
      const c1 = pc + ldc, c2 = c1 + ldc, c3 = c2 + ldc;
      let s0 = v128.load(pc), s1 = v128.load(c1), s2 = v128.load(c2), s3 = v128.load(c3);
      let pa = pr, pb = b + shift;
      const end = pa + span;
      while (pa < end) {
        const b0 = v128.load(pb);
        s0 = madd(v128.load32_splat(pa), b0, s0);
        s1 = madd(v128.load32_splat(pa, 4), b0, s1);
        s2 = madd(v128.load32_splat(pa, 8), b0, s2);
        s3 = madd(v128.load32_splat(pa, 12), b0, s3);
        pa += lda;
        pb += ldb;
      }
      v128.store(pc, s0);
      v128.store(c1, s1);
      v128.store(c2, s2);
      v128.store(c3, s3);
      pc = c3 + ldc;
      pr += 16;
    }
  }
}

/** ACCUMULATES sums[o] += sum_n a[n,o]; a [count, cols], sums in the order of n. */
export function accumulateRows(a: usize, lda: usize, sums: usize, count: i32, cols: i32): void {
  for (let col: i32 = 0; col < cols; col += 4) {
    const shift = <usize>col * 4;
    let sum = v128.load(sums + shift), p = a + shift;
    const end = p + <usize>count * lda;
    while (p < end) {
      sum = f32x4.add(sum, v128.load(p));
      p += lda;
    }
    v128.store(sums + shift, sum);
  }
}

/** to[o,k] = from[k,o]; from [rows, cols] with row distance `ldf`, to [cols, pad4(rows)]. */
export function transpose(from: usize, ldf: usize, to: usize, rows: i32, cols: i32): void {
  const padded = pad4(rows);
  for (let col: i32 = 0; col < cols; col++) {
    let p = from + <usize>col * 4;
    let k: i32 = 0;
    for (; k < rows; k++) {
      store<f32>(to + <usize>k * 4, load<f32>(p));
      p += ldf;
    }
    for (; k < padded; k++) store<f32>(to + <usize>k * 4, 0);
    to += <usize>padded * 4;
  }
}
