// The machine's limit for these kernels: multiply-adds that touch no memory.
import { madd } from "./simd";

/**
 * Runs `rounds` times 12 four-lane multiply-adds (96 operations) on registers alone, in chains that
 * are independent of each other: more than what two units with a latency of four cycles need, as
 * many as fit the registers. `x` may be anything: it keeps compilers from knowing the numbers.
 */
export function multiply_add_limit(rounds: i32, x: f32): f32 {
  const a = f32x4.splat(x), b = f32x4.splat(x + 1);
  let s0 = b, s1 = b, s2 = b, s3 = b, s4 = b, s5 = b;
  let s6 = b, s7 = b, s8 = b, s9 = b, s10 = b, s11 = b;
  for (let i: i32 = 0; i < rounds; i++) {
    s0 = madd(s0, a, s0);
    s1 = madd(s1, a, s1);
    s2 = madd(s2, a, s2);
    s3 = madd(s3, a, s3);
    s4 = madd(s4, a, s4);
    s5 = madd(s5, a, s5);
    s6 = madd(s6, a, s6);
    s7 = madd(s7, a, s7);
    s8 = madd(s8, a, s8);
    s9 = madd(s9, a, s9);
    s10 = madd(s10, a, s10);
    s11 = madd(s11, a, s11);
  }
  s0 = f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3));
  s4 = f32x4.add(f32x4.add(s4, s5), f32x4.add(s6, s7));
  s8 = f32x4.add(f32x4.add(s8, s9), f32x4.add(s10, s11));
  return f32x4.extract_lane(f32x4.add(f32x4.add(s0, s4), s8), 0);
}
