// Products of small matrices, the work of all kernels: five rows by eight columns in registers, ten
// accumulators. Eight are just what two multiply-add units with a latency of four cycles need, so
// that every hiccup costs; twelve, with three vectors of operands, leave V8 no register. What rows
// are left go in blocks of four. All blocks sum in the order of the inner index, so that it changes
// no bit of the results which rows a block has.
//
// The long loops are unrolled by hand: V8 asks for interrupts and reads the size of the memory, to
// check bounds against, once a round. The test of the end between the steps is what keeps them
// apart: without it binaryen does all steps of one accumulator before those of the next.
//
// Matrices are row-major; `ld` is the distance of two rows in bytes. Row and column counts are
// multiples of four: callers pad with zeros, which keeps results exact.
import { madd, pad4 } from "./simd";

/**
 * How many of `rows` blocks of five take; blocks of four take the rest. Negative where few rows have
 * no such sum: then blocks of four take them all, and what is missing to a multiple of four.
 */
export function fivesOf(rows: i32): i32 {
  return rows - 4 * ((5 - rows % 5) % 5);
}

@inline
/** Five rows and eight columns of `multiply`: from i0, i1 or, with `accumulate`, from c. */
function multiplyFive(
  a: usize,
  lda: usize,
  b: usize,
  ldb: usize,
  c: usize,
  ldc: usize,
  accumulate: bool,
  i0: v128,
  i1: v128,
  span: usize,
): void {
  const c1 = c + ldc, c2 = c1 + ldc, c3 = c2 + ldc, c4 = c3 + ldc;
  let s00 = i0, s01 = i1, s10 = i0, s11 = i1;
  let s20 = i0, s21 = i1, s30 = i0, s31 = i1;
  let s40 = i0, s41 = i1;
  if (accumulate) {
    s00 = v128.load(c);
    s01 = v128.load(c, 16);
    s10 = v128.load(c1);
    s11 = v128.load(c1, 16);
    s20 = v128.load(c2);
    s21 = v128.load(c2, 16);
    s30 = v128.load(c3);
    s31 = v128.load(c3, 16);
    s40 = v128.load(c4);
    s41 = v128.load(c4, 16);
  }
  let pa = a, pb = b;
  const end = a + span;
  while (pa < end) {
    let b0 = v128.load(pb), b1 = v128.load(pb, 16);
    let x = v128.load32_splat(pa);
    s00 = madd(x, b0, s00);
    s01 = madd(x, b1, s01);
    x = v128.load32_splat(pa + lda);
    s10 = madd(x, b0, s10);
    s11 = madd(x, b1, s11);
    x = v128.load32_splat(pa + 2 * lda);
    s20 = madd(x, b0, s20);
    s21 = madd(x, b1, s21);
    x = v128.load32_splat(pa + 3 * lda);
    s30 = madd(x, b0, s30);
    s31 = madd(x, b1, s31);
    x = v128.load32_splat(pa + 4 * lda);
    s40 = madd(x, b0, s40);
    s41 = madd(x, b1, s41);
    pa += 4;
    pb += ldb;
    if (pa >= end) break;
    b0 = v128.load(pb);
    b1 = v128.load(pb, 16);
    x = v128.load32_splat(pa);
    s00 = madd(x, b0, s00);
    s01 = madd(x, b1, s01);
    x = v128.load32_splat(pa + lda);
    s10 = madd(x, b0, s10);
    s11 = madd(x, b1, s11);
    x = v128.load32_splat(pa + 2 * lda);
    s20 = madd(x, b0, s20);
    s21 = madd(x, b1, s21);
    x = v128.load32_splat(pa + 3 * lda);
    s30 = madd(x, b0, s30);
    s31 = madd(x, b1, s31);
    x = v128.load32_splat(pa + 4 * lda);
    s40 = madd(x, b0, s40);
    s41 = madd(x, b1, s41);
    pa += 4;
    pb += ldb;
    if (pa >= end) break;
    b0 = v128.load(pb);
    b1 = v128.load(pb, 16);
    x = v128.load32_splat(pa);
    s00 = madd(x, b0, s00);
    s01 = madd(x, b1, s01);
    x = v128.load32_splat(pa + lda);
    s10 = madd(x, b0, s10);
    s11 = madd(x, b1, s11);
    x = v128.load32_splat(pa + 2 * lda);
    s20 = madd(x, b0, s20);
    s21 = madd(x, b1, s21);
    x = v128.load32_splat(pa + 3 * lda);
    s30 = madd(x, b0, s30);
    s31 = madd(x, b1, s31);
    x = v128.load32_splat(pa + 4 * lda);
    s40 = madd(x, b0, s40);
    s41 = madd(x, b1, s41);
    pa += 4;
    pb += ldb;
    if (pa >= end) break;
    b0 = v128.load(pb);
    b1 = v128.load(pb, 16);
    x = v128.load32_splat(pa);
    s00 = madd(x, b0, s00);
    s01 = madd(x, b1, s01);
    x = v128.load32_splat(pa + lda);
    s10 = madd(x, b0, s10);
    s11 = madd(x, b1, s11);
    x = v128.load32_splat(pa + 2 * lda);
    s20 = madd(x, b0, s20);
    s21 = madd(x, b1, s21);
    x = v128.load32_splat(pa + 3 * lda);
    s30 = madd(x, b0, s30);
    s31 = madd(x, b1, s31);
    x = v128.load32_splat(pa + 4 * lda);
    s40 = madd(x, b0, s40);
    s41 = madd(x, b1, s41);
    pa += 4;
    pb += ldb;
  }
  v128.store(c, s00);
  v128.store(c, s01, 16);
  v128.store(c1, s10);
  v128.store(c1, s11, 16);
  v128.store(c2, s20);
  v128.store(c2, s21, 16);
  v128.store(c3, s30);
  v128.store(c3, s31, 16);
  v128.store(c4, s40);
  v128.store(c4, s41, 16);
}

@inline
/** Four rows and eight columns of `multiply`, as `multiplyFive`. */
function multiplyFour(
  a: usize,
  lda: usize,
  b: usize,
  ldb: usize,
  c: usize,
  ldc: usize,
  accumulate: bool,
  i0: v128,
  i1: v128,
  span: usize,
): void {
  const c1 = c + ldc, c2 = c1 + ldc, c3 = c2 + ldc;
  let s00 = i0, s01 = i1, s10 = i0, s11 = i1;
  let s20 = i0, s21 = i1, s30 = i0, s31 = i1;
  if (accumulate) {
    s00 = v128.load(c);
    s01 = v128.load(c, 16);
    s10 = v128.load(c1);
    s11 = v128.load(c1, 16);
    s20 = v128.load(c2);
    s21 = v128.load(c2, 16);
    s30 = v128.load(c3);
    s31 = v128.load(c3, 16);
  }
  let pa = a, pb = b;
  const end = a + span;
  while (pa < end) {
    const b0 = v128.load(pb), b1 = v128.load(pb, 16);
    let x = v128.load32_splat(pa);
    s00 = madd(x, b0, s00);
    s01 = madd(x, b1, s01);
    x = v128.load32_splat(pa + lda);
    s10 = madd(x, b0, s10);
    s11 = madd(x, b1, s11);
    x = v128.load32_splat(pa + 2 * lda);
    s20 = madd(x, b0, s20);
    s21 = madd(x, b1, s21);
    x = v128.load32_splat(pa + 3 * lda);
    s30 = madd(x, b0, s30);
    s31 = madd(x, b1, s31);
    pa += 4;
    pb += ldb;
  }
  v128.store(c, s00);
  v128.store(c, s01, 16);
  v128.store(c1, s10);
  v128.store(c1, s11, 16);
  v128.store(c2, s20);
  v128.store(c2, s21, 16);
  v128.store(c3, s30);
  v128.store(c3, s31, 16);
}

/**
 * c[r,o] = bias[o] + sum_k a[r,k] b[k,o]; without bias (0) it ACCUMULATES c[r,o] += ...
 *
 * a [rows, inner], b [inner, cols], c [rows, cols], bias [cols]
 */
export function multiply(
  a: usize,
  lda: usize,
  b: usize,
  ldb: usize,
  c: usize,
  ldc: usize,
  bias: usize,
  rows: i32,
  inner: i32,
  cols: i32,
): void {
  const span = <usize>inner * 4;
  const fives = fivesOf(rows);
  let col: i32 = 0;
  for (; col + 8 <= cols; col += 8) {
    const shift = <usize>col * 4;
    let pc = c + shift, pr = a;
    let i0 = f32x4.splat(0), i1 = i0;
    if (bias != 0) {
      i0 = v128.load(bias + shift);
      i1 = v128.load(bias + shift, 16);
    }
    let row: i32 = 0;
    for (; row < fives; row += 5) {
      multiplyFive(pr, lda, b + shift, ldb, pc, ldc, bias == 0, i0, i1, span);
      pc += 5 * ldc;
      pr += 5 * lda;
    }
    for (; row < rows; row += 4) {
      multiplyFour(pr, lda, b + shift, ldb, pc, ldc, bias == 0, i0, i1, span);
      pc += 4 * ldc;
      pr += 4 * lda;
    }
  }
  if (col < cols) {
    const shift = <usize>col * 4;
    const start = bias == 0 ? 0 : bias + shift;
    multiplyLast(a, lda, b + shift, ldb, c + shift, ldc, start, rows, inner);
  }
}

/** `multiply` of four columns alone: eight rows at a time, then four. */
function multiplyLast(
  a: usize,
  lda: usize,
  b: usize,
  ldb: usize,
  c: usize,
  ldc: usize,
  bias: usize,
  rows: i32,
  inner: i32,
): void {
  const span = <usize>inner * 4;
  const lda2 = 2 * lda, lda3 = 3 * lda;
  const init = bias != 0 ? v128.load(bias) : f32x4.splat(0);
  let row: i32 = 0;
  for (; row + 8 <= rows; row += 8) {
    const cq = c + 4 * ldc;
    let s0 = init, s1 = init, s2 = init, s3 = init, s4 = init, s5 = init, s6 = init, s7 = init;
    if (bias == 0) {
      s0 = v128.load(c);
      s1 = v128.load(c + ldc);
      s2 = v128.load(c + 2 * ldc);
      s3 = v128.load(c + 3 * ldc);
      s4 = v128.load(cq);
      s5 = v128.load(cq + ldc);
      s6 = v128.load(cq + 2 * ldc);
      s7 = v128.load(cq + 3 * ldc);
    }
    let pa = a, pq = a + 4 * lda, pb = b;
    const end = pa + span;
    while (pa < end) {
      const b0 = v128.load(pb);
      s0 = madd(v128.load32_splat(pa), b0, s0);
      s1 = madd(v128.load32_splat(pa + lda), b0, s1);
      s2 = madd(v128.load32_splat(pa + lda2), b0, s2);
      s3 = madd(v128.load32_splat(pa + lda3), b0, s3);
      s4 = madd(v128.load32_splat(pq), b0, s4);
      s5 = madd(v128.load32_splat(pq + lda), b0, s5);
      s6 = madd(v128.load32_splat(pq + lda2), b0, s6);
      s7 = madd(v128.load32_splat(pq + lda3), b0, s7);
      pa += 4;
      pq += 4;
      pb += ldb;
    }
    v128.store(c, s0);
    v128.store(c + ldc, s1);
    v128.store(c + 2 * ldc, s2);
    v128.store(c + 3 * ldc, s3);
    v128.store(cq, s4);
    v128.store(cq + ldc, s5);
    v128.store(cq + 2 * ldc, s6);
    v128.store(cq + 3 * ldc, s7);
    c = cq + 4 * ldc;
    a += 8 * lda;
  }
  if (row < rows) {
    let s0 = init, s1 = init, s2 = init, s3 = init;
    if (bias == 0) {
      s0 = v128.load(c);
      s1 = v128.load(c + ldc);
      s2 = v128.load(c + 2 * ldc);
      s3 = v128.load(c + 3 * ldc);
    }
    let pa = a, pb = b;
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
    v128.store(c, s0);
    v128.store(c + ldc, s1);
    v128.store(c + 2 * ldc, s2);
    v128.store(c + 3 * ldc, s3);
  }
}

@inline
/** Five rows and eight columns of `accumulateOuter`. */
function accumulateFive(
  a: usize,
  lda: usize,
  b: usize,
  ldb: usize,
  c: usize,
  ldc: usize,
  span: usize,
): void {
  const c1 = c + ldc, c2 = c1 + ldc, c3 = c2 + ldc, c4 = c3 + ldc;
  let s00 = v128.load(c), s01 = v128.load(c, 16);
  let s10 = v128.load(c1), s11 = v128.load(c1, 16);
  let s20 = v128.load(c2), s21 = v128.load(c2, 16);
  let s30 = v128.load(c3), s31 = v128.load(c3, 16);
  let s40 = v128.load(c4), s41 = v128.load(c4, 16);
  let pa = a, pb = b;
  const end = a + span;
  while (pa < end) {
    let b0 = v128.load(pb), b1 = v128.load(pb, 16);
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
    x = v128.load32_splat(pa, 16);
    s40 = madd(x, b0, s40);
    s41 = madd(x, b1, s41);
    pa += lda;
    pb += ldb;
    if (pa >= end) break;
    b0 = v128.load(pb);
    b1 = v128.load(pb, 16);
    x = v128.load32_splat(pa);
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
    x = v128.load32_splat(pa, 16);
    s40 = madd(x, b0, s40);
    s41 = madd(x, b1, s41);
    pa += lda;
    pb += ldb;
    if (pa >= end) break;
    b0 = v128.load(pb);
    b1 = v128.load(pb, 16);
    x = v128.load32_splat(pa);
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
    x = v128.load32_splat(pa, 16);
    s40 = madd(x, b0, s40);
    s41 = madd(x, b1, s41);
    pa += lda;
    pb += ldb;
    if (pa >= end) break;
    b0 = v128.load(pb);
    b1 = v128.load(pb, 16);
    x = v128.load32_splat(pa);
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
    x = v128.load32_splat(pa, 16);
    s40 = madd(x, b0, s40);
    s41 = madd(x, b1, s41);
    pa += lda;
    pb += ldb;
  }
  v128.store(c, s00);
  v128.store(c, s01, 16);
  v128.store(c1, s10);
  v128.store(c1, s11, 16);
  v128.store(c2, s20);
  v128.store(c2, s21, 16);
  v128.store(c3, s30);
  v128.store(c3, s31, 16);
  v128.store(c4, s40);
  v128.store(c4, s41, 16);
}

@inline
/** Four rows and eight columns of `accumulateOuter`. */
function accumulateFour(
  a: usize,
  lda: usize,
  b: usize,
  ldb: usize,
  c: usize,
  ldc: usize,
  span: usize,
): void {
  const c1 = c + ldc, c2 = c1 + ldc, c3 = c2 + ldc;
  let s00 = v128.load(c), s01 = v128.load(c, 16);
  let s10 = v128.load(c1), s11 = v128.load(c1, 16);
  let s20 = v128.load(c2), s21 = v128.load(c2, 16);
  let s30 = v128.load(c3), s31 = v128.load(c3, 16);
  let pa = a, pb = b;
  const end = a + span;
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
  v128.store(c, s00);
  v128.store(c, s01, 16);
  v128.store(c1, s10);
  v128.store(c1, s11, 16);
  v128.store(c2, s20);
  v128.store(c2, s21, 16);
  v128.store(c3, s30);
  v128.store(c3, s31, 16);
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
  const span = <usize>count * lda;
  const fives = fivesOf(rows);
  let col: i32 = 0;
  for (; col + 8 <= cols; col += 8) {
    const shift = <usize>col * 4;
    let pr = a, pc = c + shift;
    let row: i32 = 0;
    for (; row < fives; row += 5) {
      accumulateFive(pr, lda, b + shift, ldb, pc, ldc, span);
      pc += 5 * ldc;
      pr += 20;
    }
    for (; row < rows; row += 4) {
      accumulateFour(pr, lda, b + shift, ldb, pc, ldc, span);
      pc += 4 * ldc;
      pr += 16;
    }
  }
  if (col < cols) {
    const shift = <usize>col * 4;
    accumulateLast(a, lda, b + shift, ldb, c + shift, ldc, span, rows);
  }
}

/** `accumulateOuter` of four columns alone: eight rows at a time, then four. */
function accumulateLast(
  a: usize,
  lda: usize,
  b: usize,
  ldb: usize,
  c: usize,
  ldc: usize,
  span: usize,
  rows: i32,
): void {
  let row: i32 = 0;
  for (; row + 8 <= rows; row += 8, a += 32) {
    const c1 = c + ldc, c2 = c1 + ldc, c3 = c2 + ldc, c4 = c3 + ldc;
    const c5 = c4 + ldc, c6 = c5 + ldc, c7 = c6 + ldc;
    let s0 = v128.load(c), s1 = v128.load(c1), s2 = v128.load(c2), s3 = v128.load(c3);
    let s4 = v128.load(c4), s5 = v128.load(c5), s6 = v128.load(c6), s7 = v128.load(c7);
    let pb = b;
    const end = a + span;
    for (let pa = a; pa < end; pa += lda) {
      const b0 = v128.load(pb);
      s0 = madd(v128.load32_splat(pa), b0, s0);
      s1 = madd(v128.load32_splat(pa, 4), b0, s1);
      s2 = madd(v128.load32_splat(pa, 8), b0, s2);
      s3 = madd(v128.load32_splat(pa, 12), b0, s3);
      s4 = madd(v128.load32_splat(pa, 16), b0, s4);
      s5 = madd(v128.load32_splat(pa, 20), b0, s5);
      s6 = madd(v128.load32_splat(pa, 24), b0, s6);
      s7 = madd(v128.load32_splat(pa, 28), b0, s7);
      pb += ldb;
    }
    v128.store(c, s0);
    v128.store(c1, s1);
    v128.store(c2, s2);
    v128.store(c3, s3);
    v128.store(c4, s4);
    v128.store(c5, s5);
    v128.store(c6, s6);
    v128.store(c7, s7);
    c = c7 + ldc;
  }
  if (row < rows) {
    const c1 = c + ldc, c2 = c1 + ldc, c3 = c2 + ldc;
    let s0 = v128.load(c), s1 = v128.load(c1), s2 = v128.load(c2), s3 = v128.load(c3);
    let pb = b;
    const end = a + span;
    for (let pa = a; pa < end; pa += lda) {
      const b0 = v128.load(pb);
      s0 = madd(v128.load32_splat(pa), b0, s0);
      s1 = madd(v128.load32_splat(pa, 4), b0, s1);
      s2 = madd(v128.load32_splat(pa, 8), b0, s2);
      s3 = madd(v128.load32_splat(pa, 12), b0, s3);
      pb += ldb;
    }
    v128.store(c, s0);
    v128.store(c1, s1);
    v128.store(c2, s2);
    v128.store(c3, s3);
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
