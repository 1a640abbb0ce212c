// Dense layers on tiles of LANES samples that lie side by side: an activation is a row of LANES
// numbers, one per sample, and a tile [features, LANES]. All row distances but the weights' are so
// known to the compiler, one copy of the weights serves the forward and the backward pass, and no
// width of a layer leaves lanes of a vector unused. Made for small networks (dynamics*.ts).
//
// Accumulators and unrolled loops as in dense.ts: five outputs by eight samples on the way forward,
// four by eight on the way back. Samples are handled in blocks of eight: `blocks` of a tile are in
// use. Widths are padded to multiples of four with zero weights; `ldw` is in bytes.
import { fivesOf } from "./dense";
import { madd, nmadd } from "./simd";
import { tanh4, tanhFour } from "./math";

/** Samples of a tile. */
export const LANES: i32 = 32;
/** Samples of a block: two vectors. */
export const BLOCK_LANES: i32 = 8;
/** Bytes from one feature of a tile to the next. */
export const ROW: usize = 128;
/** Bytes of a block of samples. */
const BLOCK: usize = 32;

@inline
/** Five outputs of `layerForward` for one block of samples. */
function forwardFive(
  x: usize,
  w: usize,
  ldw: usize,
  bias: usize,
  y: usize,
  span: usize,
  floor: v128,
): void {
  let s00 = v128.load32_splat(bias), s01 = s00;
  let s10 = v128.load32_splat(bias, 4), s11 = s10;
  let s20 = v128.load32_splat(bias, 8), s21 = s20;
  let s30 = v128.load32_splat(bias, 12), s31 = s30;
  let s40 = v128.load32_splat(bias, 16), s41 = s40;
  let px = x, pw = w;
  const last = x + span;
  while (px < last) {
    let x0 = v128.load(px), x1 = v128.load(px, 16);
    let t = v128.load32_splat(pw);
    s00 = madd(t, x0, s00);
    s01 = madd(t, x1, s01);
    t = v128.load32_splat(pw, 4);
    s10 = madd(t, x0, s10);
    s11 = madd(t, x1, s11);
    t = v128.load32_splat(pw, 8);
    s20 = madd(t, x0, s20);
    s21 = madd(t, x1, s21);
    t = v128.load32_splat(pw, 12);
    s30 = madd(t, x0, s30);
    s31 = madd(t, x1, s31);
    t = v128.load32_splat(pw, 16);
    s40 = madd(t, x0, s40);
    s41 = madd(t, x1, s41);
    px += ROW;
    pw += ldw;
    if (px >= last) break;
    x0 = v128.load(px);
    x1 = v128.load(px, 16);
    t = v128.load32_splat(pw);
    s00 = madd(t, x0, s00);
    s01 = madd(t, x1, s01);
    t = v128.load32_splat(pw, 4);
    s10 = madd(t, x0, s10);
    s11 = madd(t, x1, s11);
    t = v128.load32_splat(pw, 8);
    s20 = madd(t, x0, s20);
    s21 = madd(t, x1, s21);
    t = v128.load32_splat(pw, 12);
    s30 = madd(t, x0, s30);
    s31 = madd(t, x1, s31);
    t = v128.load32_splat(pw, 16);
    s40 = madd(t, x0, s40);
    s41 = madd(t, x1, s41);
    px += ROW;
    pw += ldw;
    if (px >= last) break;
    x0 = v128.load(px);
    x1 = v128.load(px, 16);
    t = v128.load32_splat(pw);
    s00 = madd(t, x0, s00);
    s01 = madd(t, x1, s01);
    t = v128.load32_splat(pw, 4);
    s10 = madd(t, x0, s10);
    s11 = madd(t, x1, s11);
    t = v128.load32_splat(pw, 8);
    s20 = madd(t, x0, s20);
    s21 = madd(t, x1, s21);
    t = v128.load32_splat(pw, 12);
    s30 = madd(t, x0, s30);
    s31 = madd(t, x1, s31);
    t = v128.load32_splat(pw, 16);
    s40 = madd(t, x0, s40);
    s41 = madd(t, x1, s41);
    px += ROW;
    pw += ldw;
    if (px >= last) break;
    x0 = v128.load(px);
    x1 = v128.load(px, 16);
    t = v128.load32_splat(pw);
    s00 = madd(t, x0, s00);
    s01 = madd(t, x1, s01);
    t = v128.load32_splat(pw, 4);
    s10 = madd(t, x0, s10);
    s11 = madd(t, x1, s11);
    t = v128.load32_splat(pw, 8);
    s20 = madd(t, x0, s20);
    s21 = madd(t, x1, s21);
    t = v128.load32_splat(pw, 12);
    s30 = madd(t, x0, s30);
    s31 = madd(t, x1, s31);
    t = v128.load32_splat(pw, 16);
    s40 = madd(t, x0, s40);
    s41 = madd(t, x1, s41);
    px += ROW;
    pw += ldw;
  }
  v128.store(y, f32x4.pmax(s00, floor));
  v128.store(y, f32x4.pmax(s01, floor), 16);
  v128.store(y, f32x4.pmax(s10, floor), 128);
  v128.store(y, f32x4.pmax(s11, floor), 144);
  v128.store(y, f32x4.pmax(s20, floor), 256);
  v128.store(y, f32x4.pmax(s21, floor), 272);
  v128.store(y, f32x4.pmax(s30, floor), 384);
  v128.store(y, f32x4.pmax(s31, floor), 400);
  v128.store(y, f32x4.pmax(s40, floor), 512);
  v128.store(y, f32x4.pmax(s41, floor), 528);
}

@inline
/** Four outputs of `layerForward` for one block of samples. */
function forwardFour(
  x: usize,
  w: usize,
  ldw: usize,
  bias: usize,
  y: usize,
  span: usize,
  floor: v128,
): void {
  let s00 = v128.load32_splat(bias), s01 = s00;
  let s10 = v128.load32_splat(bias, 4), s11 = s10;
  let s20 = v128.load32_splat(bias, 8), s21 = s20;
  let s30 = v128.load32_splat(bias, 12), s31 = s30;
  let px = x, pw = w;
  const last = x + span;
  while (px < last) {
    const x0 = v128.load(px), x1 = v128.load(px, 16);
    let t = v128.load32_splat(pw);
    s00 = madd(t, x0, s00);
    s01 = madd(t, x1, s01);
    t = v128.load32_splat(pw, 4);
    s10 = madd(t, x0, s10);
    s11 = madd(t, x1, s11);
    t = v128.load32_splat(pw, 8);
    s20 = madd(t, x0, s20);
    s21 = madd(t, x1, s21);
    t = v128.load32_splat(pw, 12);
    s30 = madd(t, x0, s30);
    s31 = madd(t, x1, s31);
    px += ROW;
    pw += ldw;
  }
  v128.store(y, f32x4.pmax(s00, floor));
  v128.store(y, f32x4.pmax(s01, floor), 16);
  v128.store(y, f32x4.pmax(s10, floor), 128);
  v128.store(y, f32x4.pmax(s11, floor), 144);
  v128.store(y, f32x4.pmax(s20, floor), 256);
  v128.store(y, f32x4.pmax(s21, floor), 272);
  v128.store(y, f32x4.pmax(s30, floor), 384);
  v128.store(y, f32x4.pmax(s31, floor), 400);
}

/**
 * y[o,n] = bias[o] + sum_i w[i,o] x[i,n], with `relu` max(., 0) of it; rows of y behind the outputs
 * keep what they hold, or become what zero weights give.
 *
 * x [inputs, LANES], w [inputs, outPad], bias [outPad], y [outPad, LANES]
 */
export function layerForward(
  x: usize,
  w: usize,
  ldw: usize,
  bias: usize,
  y: usize,
  inputs: i32,
  outputs: i32,
  blocks: i32,
  relu: i32,
): void {
  const span = <usize>inputs * ROW;
  const floor = f32x4.splat(relu ? 0 : -Infinity);
  const last = <usize>blocks * BLOCK;
  const end = bias + <usize>outputs * 4, fives = bias + <usize>fivesOf(outputs) * 4;
  for (; bias < fives; bias += 20, w += 20, y += 5 * ROW) {
    for (let b: usize = 0; b < last; b += BLOCK) {
      forwardFive(x + b, w, ldw, bias, y + b, span, floor);
    }
  }
  for (; bias < end; bias += 16, w += 16, y += 4 * ROW) {
    for (let b: usize = 0; b < last; b += BLOCK) {
      forwardFour(x + b, w, ldw, bias, y + b, span, floor);
    }
  }
}

/**
 * dx[i,n] = sum_o w[i,o] d[o,n].
 *
 * d [outPad, LANES], w [inPad, outPad], dx [inPad, LANES]
 */
export function layerBackward(
  d: usize,
  w: usize,
  ldw: usize,
  dx: usize,
  inPad: i32,
  outPad: i32,
  blocks: i32,
): void {
  const span = <usize>outPad * ROW;
  const end = dx + <usize>inPad * ROW;
  for (; dx < end; dx += 4 * ROW, w += 4 * ldw) {
    for (let b: usize = 0; b < <usize>blocks * BLOCK; b += BLOCK) {
      let s00 = f32x4.splat(0), s01 = s00, s10 = s00, s11 = s00;
      let s20 = s00, s21 = s00, s30 = s00, s31 = s00;
      let pd = d + b;
      let w0 = w, w1 = w + ldw, w2 = w1 + ldw, w3 = w2 + ldw;
      const last = pd + span;
      while (pd < last) {
        // two outputs a round
        let d0 = v128.load(pd), d1 = v128.load(pd, 16);
        let t = v128.load32_splat(w0);
        s00 = madd(t, d0, s00);
        s01 = madd(t, d1, s01);
        t = v128.load32_splat(w1);
        s10 = madd(t, d0, s10);
        s11 = madd(t, d1, s11);
        t = v128.load32_splat(w2);
        s20 = madd(t, d0, s20);
        s21 = madd(t, d1, s21);
        t = v128.load32_splat(w3);
        s30 = madd(t, d0, s30);
        s31 = madd(t, d1, s31);
        d0 = v128.load(pd, 128);
        d1 = v128.load(pd, 144);
        t = v128.load32_splat(w0, 4);
        s00 = madd(t, d0, s00);
        s01 = madd(t, d1, s01);
        t = v128.load32_splat(w1, 4);
        s10 = madd(t, d0, s10);
        s11 = madd(t, d1, s11);
        t = v128.load32_splat(w2, 4);
        s20 = madd(t, d0, s20);
        s21 = madd(t, d1, s21);
        t = v128.load32_splat(w3, 4);
        s30 = madd(t, d0, s30);
        s31 = madd(t, d1, s31);
        pd += 2 * ROW;
        w0 += 8;
        w1 += 8;
        w2 += 8;
        w3 += 8;
      }
      const p = dx + b;
      v128.store(p, s00);
      v128.store(p, s01, 16);
      v128.store(p, s10, 128);
      v128.store(p, s11, 144);
      v128.store(p, s20, 256);
      v128.store(p, s21, 272);
      v128.store(p, s30, 384);
      v128.store(p, s31, 400);
    }
  }
}

@inline
/** Lane k of the result is the sum of the lanes of the k-th argument. */
function sumEach(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(v128.shuffle<f32>(a, b, 0, 4, 1, 5), v128.shuffle<f32>(a, b, 2, 6, 3, 7));
  const cd = f32x4.add(v128.shuffle<f32>(c, d, 0, 4, 1, 5), v128.shuffle<f32>(c, d, 2, 6, 3, 7));
  return f32x4.add(
    v128.shuffle<f32>(ab, cd, 0, 1, 4, 5),
    v128.shuffle<f32>(ab, cd, 2, 3, 6, 7),
  );
}

/**
 * g[i,o] = sum_n x[i,n] d[o,n], added to what is there with `add`. Sums run in a fixed order: four
 * interleaved sums over n, then these.
 *
 * x [inputs, LANES], d [outPad, LANES], g [inputs, outPad]; inputs a multiple of two
 */
export function weightGradient(
  x: usize,
  d: usize,
  g: usize,
  ldg: usize,
  inputs: i32,
  outPad: i32,
  blocks: i32,
  add: bool,
): void {
  const span = <usize>blocks * BLOCK;
  const end = x + <usize>inputs * ROW;
  const endRow = d + <usize>outPad * ROW;
  for (; x < end; x += 2 * ROW, g += 2 * ldg) {
    let to = g;
    for (let row = d; row < endRow; row += 4 * ROW, to += 16) {
      let s00 = f32x4.splat(0), s01 = s00, s02 = s00, s03 = s00;
      let s10 = s00, s11 = s00, s12 = s00, s13 = s00;
      let px = x, pd = row;
      const last = px + span;
      while (px < last) {
        let x0 = v128.load(px), x1 = v128.load(px, 128);
        let t = v128.load(pd);
        s00 = madd(x0, t, s00);
        s10 = madd(x1, t, s10);
        t = v128.load(pd, 128);
        s01 = madd(x0, t, s01);
        s11 = madd(x1, t, s11);
        t = v128.load(pd, 256);
        s02 = madd(x0, t, s02);
        s12 = madd(x1, t, s12);
        t = v128.load(pd, 384);
        s03 = madd(x0, t, s03);
        s13 = madd(x1, t, s13);
        x0 = v128.load(px, 16);
        x1 = v128.load(px, 144);
        t = v128.load(pd, 16);
        s00 = madd(x0, t, s00);
        s10 = madd(x1, t, s10);
        t = v128.load(pd, 144);
        s01 = madd(x0, t, s01);
        s11 = madd(x1, t, s11);
        t = v128.load(pd, 272);
        s02 = madd(x0, t, s02);
        s12 = madd(x1, t, s12);
        t = v128.load(pd, 400);
        s03 = madd(x0, t, s03);
        s13 = madd(x1, t, s13);
        px += BLOCK;
        pd += BLOCK;
      }
      let r0 = sumEach(s00, s01, s02, s03), r1 = sumEach(s10, s11, s12, s13);
      if (add) {
        r0 = f32x4.add(r0, v128.load(to));
        r1 = f32x4.add(r1, v128.load(to + ldg));
      }
      v128.store(to, r0);
      v128.store(to + ldg, r1);
    }
  }
}

/** g[o] = sum_n d[o,n], added to what is there with `add`; d [outPad, LANES], g [outPad]. */
export function biasGradient(d: usize, g: usize, outPad: i32, blocks: i32, add: bool): void {
  const span = <usize>blocks * BLOCK;
  const end = g + <usize>outPad * 4;
  for (; g < end; g += 16, d += 4 * ROW) {
    let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
    for (let p = d; p < d + span; p += 16) {
      s0 = f32x4.add(s0, v128.load(p));
      s1 = f32x4.add(s1, v128.load(p, 128));
      s2 = f32x4.add(s2, v128.load(p, 256));
      s3 = f32x4.add(s3, v128.load(p, 384));
    }
    const sums = sumEach(s0, s1, s2, s3);
    v128.store(g, add ? f32x4.add(v128.load(g), sums) : sums);
  }
}

/** x = tanh(x) for a tile [rows, LANES]. */
export function tanhTile(x: usize, rows: i32, blocks: i32): void {
  const end = x + <usize>rows * ROW, span = <usize>blocks * BLOCK;
  for (; x < end; x += ROW) {
    let p = x;
    const last = x + span;
    for (; p + 64 <= last; p += 64) tanhFour(p);
    for (; p < last; p += 16) v128.store(p, tanh4(v128.load(p)));
  }
}

/** Times the activation's slope: d *= 1 - y^2, or 0 / 1 of relu; d and y [rows, LANES]. */
export function slopeTile(relu: i32, d: usize, y: usize, rows: i32, blocks: i32): void {
  const end = d + <usize>rows * ROW, span = <usize>blocks * BLOCK;
  for (; d < end; d += ROW, y += ROW) {
    if (relu) {
      for (let at: usize = 0; at < span; at += 16) {
        const on = f32x4.gt(v128.load(y + at), f32x4.splat(0));
        v128.store(d + at, v128.and(v128.load(d + at), on));
      }
    } else {
      for (let at: usize = 0; at < span; at += 16) {
        const a = v128.load(y + at), b = v128.load(d + at);
        v128.store(d + at, nmadd(f32x4.mul(a, a), b, b));
      }
    }
  }
}

/**
 * Columns of a tile from rows in memory: tile[i,n] = from[row(n), i] for n < count. Later lanes
 * keep what they hold: their deltas are zero (`tileError`), so all that matters is that it is finite.
 *
 * @param rows [count] u32 row of every sample, or 0: samples are consecutive rows
 */
export function gatherRows(
  tile: usize,
  from: usize,
  width: i32,
  rows: usize,
  count: i32,
): void {
  const bytes = <usize>width * 4;
  for (let n: i32 = 0; n < count; n++) {
    const row = rows != 0 ? load<u32>(rows + <usize>n * 4) : <u32>n;
    let p = from + row * bytes, to = tile + <usize>n * 4;
    const end = p + bytes;
    for (; p < end; p += 4, to += ROW) store<f32>(to, load<f32>(p));
  }
}
