/**
 * exp and tanh as WGSL functions. The builtins may be off by 3 + 2 |x| units in the last place
 * (exp) and by 1e-5 (tanh), lavapipe's exp is biased by half a unit, and some drivers overflow in
 * tanh; these are within 2.5e-7, relative for exp and absolute for tanh, on every device.
 */
import type { WgslWriter } from "./wgsl_writer.ts";

/**
 * Declares `exp4(vec4f)` and `exp1(f32)`: x = n ln 2 + r, e^r by its series, 2^n through the
 * exponent's bits in two halves, so that results overflow to infinity and underflow to 0 as they
 * should; NaN stays NaN, and an infinite x gives NaN. Cody & Waite, Software Manual for the
 * Elementary Functions, 1980, ch. 6.
 */
export function declareExp(w: WgslWriter): void {
  w.block("fn exp4(x: vec4f) -> vec4f", () => {
    w.line(
      "let n = round(x * 1.44269504);",
      "// ln 2 in two parts, the first with few bits: n times it is exact",
      "let r = (x - n * 0.693359375) + n * 2.12194440e-4;",
      "let series = 1.0 + r * (1.0 + r * (0.5 + r * (0.16666667 + r * (0.041666668 + " +
        "r * (0.0083333340 + r * 0.0013888889)))));",
      "let power = vec4i(clamp(n, vec4f(-252.0), vec4f(252.0)));",
      "let halved = power / 2;",
      "let low = bitcast<vec4f>((halved + 127) << vec4u(23u));",
      "let high = bitcast<vec4f>((power - halved + 127) << vec4u(23u));",
      "return series * low * high;",
    );
  });
  w.block("fn exp1(x: f32) -> f32", () => w.line("return exp4(vec4f(x)).x;"));
}

/** Declares `tanh4(vec4f)`: (1 - e) / (1 + e) with e = exp(-2 |x|), as {@link declareExp} has it. */
export function declareTanh(w: WgslWriter): void {
  w.block("fn tanh4(x: vec4f) -> vec4f", () => {
    w.line(
      "let y = -2.0 * abs(x);",
      "let n = round(y * 1.44269504);",
      "let r = (y - n * 0.693359375) + n * 2.12194440e-4;",
      "let series = 1.0 + r * (1.0 + r * (0.5 + r * (0.16666667 + r * (0.041666668 + " +
        "r * (0.0083333340 + r * 0.0013888889)))));",
      "// n is 0 at most, and below -126 what is left of e makes no difference",
      "let e = series * bitcast<vec4f>((vec4i(max(n, vec4f(-126.0))) + 127) << vec4u(23u));",
      "let t = (1.0 - e) / (1.0 + e);",
      "return select(t, -t, x < vec4f());",
    );
  });
}
