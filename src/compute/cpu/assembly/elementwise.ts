// Kernels that handle every element on its own. A work item is BLOCK elements.
//
// Tensors are allocated in multiples of 16 bytes (heap.ts), so the last vector may run over the
// end of the elements into the tensor's own padding.
import { madd, nmadd } from "./simd";

/** Elements of a work item; plan.ts has the same number. */
const BLOCK: i32 = 8192;

/** Arguments of all kernels of this file; written by plan.ts in this order. */
@unmanaged
export class ElementArgs {
  count: i32; // elements of `out`
  rows: i32; // sum_rows: M
  out: usize; // [count]
  a: usize;
  b: usize;
  c: usize;
  scale: f32; // sgd_step, interpolate, sum_rows
  keep1: f32; // adam: beta1, 1 - beta1, beta2, 1 - beta2
  add1: f32;
  keep2: f32;
  add2: f32;
  rate: f32; // adam: p -= rate * m / (rootScale * sqrt(v) + epsilon)
  rootScale: f32;
  epsilon: f32;
}

@inline
/** Byte offset of the item's first element. */
function firstByte(item: i32): usize {
  return <usize>(item * BLOCK) * 4;
}

@inline
/** Byte offset behind the item's last element. */
function endByte(args: ElementArgs, item: i32): usize {
  return <usize>min(item * BLOCK + BLOCK, args.count) * 4;
}

/** out[m,:] = a for row m = item; a [count]. */
export function broadcast_row(
  args: ElementArgs,
  item: i32,
  _scratch: usize,
  _workspace: usize,
): void {
  const bytes = <usize>args.count * 4;
  memory.copy(args.out + <usize>item * bytes, args.a, bytes);
}

/** out = 0. */
export function clear(args: ElementArgs, item: i32, _scratch: usize, _workspace: usize): void {
  const first = firstByte(item);
  memory.fill(args.out + first, 0, endByte(args, item) - first);
}

/** out = a - scale * b; out may be a. */
export function sgd_step(args: ElementArgs, item: i32, _scratch: usize, _workspace: usize): void {
  const end = endByte(args, item), scale = f32x4.splat(args.scale);
  for (let at = firstByte(item); at < end; at += 16) {
    v128.store(args.out + at, nmadd(scale, v128.load(args.b + at), v128.load(args.a + at)));
  }
}

/** out = a + scale * (b - a); out may be a or b. */
export function interpolate(
  args: ElementArgs,
  item: i32,
  _scratch: usize,
  _workspace: usize,
): void {
  const end = endByte(args, item), scale = f32x4.splat(args.scale);
  for (let at = firstByte(item); at < end; at += 16) {
    const from = v128.load(args.a + at);
    v128.store(args.out + at, madd(f32x4.sub(v128.load(args.b + at), from), scale, from));
  }
}

/** out[p] = scale * sum_m a[m,p], in the order of m; a [rows, count] or, where 0, workspace. */
export function sum_rows(args: ElementArgs, item: i32, _scratch: usize, workspace: usize): void {
  const rows = args.a != 0 ? args.a : workspace;
  const end = endByte(args, item), ld = <usize>args.count * 4;
  const scale = f32x4.splat(args.scale);
  for (let at = firstByte(item); at < end; at += 16) {
    let sum = f32x4.splat(0), p = rows + at;
    for (let m: i32 = 0; m < args.rows; m++) {
      sum = f32x4.add(sum, v128.load(p));
      p += ld;
    }
    v128.store(args.out + at, f32x4.mul(sum, scale));
  }
}

/** One Adam step of parameters `out` with gradient a, moments b and c, all [count]. */
export function adam(args: ElementArgs, item: i32, _scratch: usize, _workspace: usize): void {
  const end = endByte(args, item);
  const keep1 = f32x4.splat(args.keep1), add1 = f32x4.splat(args.add1);
  const keep2 = f32x4.splat(args.keep2), add2 = f32x4.splat(args.add2);
  const rate = f32x4.splat(args.rate), epsilon = f32x4.splat(args.epsilon);
  const rootScale = f32x4.splat(args.rootScale);
  for (let at = firstByte(item); at < end; at += 16) {
    const g = v128.load(args.a + at);
    const m = madd(keep1, v128.load(args.b + at), f32x4.mul(add1, g));
    const v = madd(keep2, v128.load(args.c + at), f32x4.mul(f32x4.mul(add2, g), g));
    v128.store(args.b + at, m);
    v128.store(args.c + at, v);
    const divisor = madd(f32x4.sqrt(v), rootScale, epsilon);
    const step = f32x4.div(f32x4.mul(rate, m), divisor);
    v128.store(args.out + at, f32x4.sub(v128.load(args.out + at), step));
  }
}
