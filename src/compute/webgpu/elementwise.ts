/**
 * The small kernels: broadcast_row, sgd_step, sum_rows, clear, interpolate and adam. One thread works on one
 * element and sizes come in at run time, so each is one pipeline for all networks.
 */
import type { Adam, BroadcastRow, Clear, Interpolate, SgdStep, SumRows } from "../kernels.ts";
import {
  buildKernel,
  type Dispatch,
  elementGrid,
  elementMain,
  type Kernel,
  type PlanContext,
  unitsPerInvocation,
} from "./kernel.ts";
import { RunError } from "../../util/errors.ts";

const SIZES = "sizes at run time";

/** out[m,p] = row[p]. */
export function broadcastRowKernel(): Kernel {
  return buildKernel({
    name: "broadcast_row",
    sizes: SIZES,
    header: ["out[m,p] = row[p]; m task, p parameter; overwrites out"],
    bindings: [
      { name: "row", access: "read", element: "f32" },
      { name: "out", access: "read_write", element: "f32" },
    ],
    scalars: [{ name: "width", type: "u32" }, { name: "count", type: "u32" }],
    body: (w) =>
      elementMain(w, "args.count", () => w.line("out[index] = row[index % args.width];")),
  });
}

/** Dispatches of {@link BroadcastRow}. */
export function planBroadcastRow(command: BroadcastRow, context: PlanContext): Dispatch[] {
  const { row, out } = command;
  return [{
    kernel: context.kernel("broadcast_row", broadcastRowKernel),
    buffers: [context.binding(row), context.binding(out)],
    scalars: [row.size, out.size],
    grid: elementGrid(out.size),
  }];
}

/** out = params - lr * grad; in place where out is params, which may not be bound twice. */
export function sgdStepKernel(inPlace: boolean): Kernel {
  return buildKernel({
    name: "sgd_step",
    sizes: SIZES,
    header: [
      inPlace ? "out -= lr * grad; updates out" : "out = params - lr * grad; overwrites out",
    ],
    bindings: [
      { name: "grad", access: "read", element: "f32" },
      { name: "out", access: "read_write", element: "f32" },
      ...(inPlace ? [] : [{ name: "params", access: "read", element: "f32" } as const]),
    ],
    scalars: [{ name: "lr", type: "f32" }, { name: "count", type: "u32" }],
    body: (w) =>
      elementMain(w, "args.count", () => {
        w.line(`out[index] = ${inPlace ? "out" : "params"}[index] - args.lr * grad[index];`);
      }),
  });
}

/** Dispatches of {@link SgdStep}. */
export function planSgdStep(command: SgdStep, context: PlanContext): Dispatch[] {
  const { params, grad, out, lr } = command;
  const inPlace = out === params;
  const buffers = [context.binding(grad), context.binding(out)];
  if (!inPlace) buffers.push(context.binding(params));
  return [{
    kernel: context.kernel(`sgd_step ${inPlace}`, () => sgdStepKernel(inPlace)),
    buffers,
    scalars: [lr, out.size],
    grid: elementGrid(out.size),
  }];
}

/** out[p] = scale * sum over m of rows[m,p]. */
export function sumRowsKernel(): Kernel {
  return buildKernel({
    name: "sum_rows",
    sizes: SIZES,
    header: [
      "out[p] = scale * (rows[0,p] + rows[1,p] + ...), in that order; overwrites out",
      "m row, p column; a unit is one row",
    ],
    bindings: [
      { name: "rows", access: "read", element: "f32" },
      { name: "out", access: "read_write", element: "f32" },
    ],
    scalars: [
      { name: "scale", type: "f32" },
      { name: "width", type: "u32" },
      { name: "height", type: "u32" },
    ],
    body: (w) => {
      elementMain(w, "args.width", () => {
        w.line("var sum = 0.0;");
        w.block("for (var m = 0u; m < args.height; m++)", () => {
          w.line("sum += rows[m * args.width + index];");
        });
        w.line("out[index] = args.scale * sum;");
      });
      return 1;
    },
  });
}

/** Dispatches of {@link SumRows}. */
export function planSumRows(command: SumRows, context: PlanContext): Dispatch[] {
  const { rows, out, scale } = command;
  const height = Math.ceil(rows.size / out.size);
  const kernel = context.kernel("sum_rows", sumRowsKernel);
  if (height > unitsPerInvocation(kernel, context.limits)) {
    throw new RunError(
      "loop-limit",
      `Cannot run sum_rows: ${height} rows, this driver ends loops after ` +
        `${context.limits.loopIterations} iterations; take fewer tasks or --device cpu`,
    );
  }
  return [{
    kernel,
    buffers: [context.binding(rows), context.binding(out)],
    scalars: [scale, out.size, height],
    grid: elementGrid(out.size),
    units: height,
  }];
}

/** out = 0. */
export function clearKernel(): Kernel {
  return buildKernel({
    name: "clear",
    sizes: SIZES,
    header: ["out = 0; overwrites out"],
    bindings: [{ name: "out", access: "read_write", element: "f32" }],
    scalars: [{ name: "count", type: "u32" }],
    body: (w) => elementMain(w, "args.count", () => w.line("out[index] = 0.0;")),
  });
}

/** Dispatches of {@link Clear}. */
export function planClear({ out }: Clear, context: PlanContext): Dispatch[] {
  return [{
    kernel: context.kernel("clear", clearKernel),
    buffers: [context.binding(out)],
    scalars: [out.size],
    grid: elementGrid(out.size),
  }];
}

/** Which input of interpolate is the output, too. */
export type InterpolateTarget = "from" | "to" | "other";

/** out = from + (to - from) * factor; an input that is the output may not be bound twice. */
export function interpolateKernel(target: InterpolateTarget): Kernel {
  // `from` is a reserved word in WGSL
  const start = target === "from" ? "out" : "start", end = target === "to" ? "out" : "end";
  return buildKernel({
    name: "interpolate",
    sizes: SIZES,
    header: [
      `out = ${start} + (${end} - ${start}) * factor`,
      target === "other" ? "overwrites out" : "updates out",
    ],
    bindings: [
      { name: "out", access: "read_write", element: "f32" },
      ...[start, end].filter((name) => name !== "out")
        .map((name) => ({ name, access: "read", element: "f32" } as const)),
    ],
    scalars: [{ name: "factor", type: "f32" }, { name: "count", type: "u32" }],
    body: (w) =>
      elementMain(w, "args.count", () => {
        w.line(
          `let first = ${start}[index];`,
          `out[index] = first + (${end}[index] - first) * args.factor;`,
        );
      }),
  });
}

/** Dispatches of {@link Interpolate}. */
export function planInterpolate(command: Interpolate, context: PlanContext): Dispatch[] {
  const { from, to, out, factor } = command;
  // nothing lies between a tensor and itself
  if (out === from && out === to) return [];
  const target = out === from ? "from" : out === to ? "to" : "other";
  const inputs = [from, to].filter((tensor) => tensor !== out);
  return [{
    kernel: context.kernel(`interpolate ${target}`, () => interpolateKernel(target)),
    buffers: [out, ...inputs].map((tensor) => context.binding(tensor)),
    scalars: [factor, out.size],
    grid: elementGrid(out.size),
  }];
}

/** One Adam step; the flavours differ in two factors, which the host computes in float64. */
export function adamKernel(): Kernel {
  return buildKernel({
    name: "adam",
    sizes: SIZES,
    header: [
      "first  = beta1 * first + (1 - beta1) * grad",
      "second = beta2 * second + (1 - beta2) * grad^2",
      "params -= stepSize * first / (sqrt(second) * rootScale + epsilon)",
      "updates params, first and second",
    ],
    bindings: [
      { name: "params", access: "read_write", element: "f32" },
      { name: "grad", access: "read", element: "f32" },
      { name: "first", access: "read_write", element: "f32" },
      { name: "second", access: "read_write", element: "f32" },
    ],
    scalars: [
      { name: "beta1", type: "f32" },
      { name: "oneMinusBeta1", type: "f32" },
      { name: "beta2", type: "f32" },
      { name: "oneMinusBeta2", type: "f32" },
      { name: "stepSize", type: "f32" },
      { name: "rootScale", type: "f32" },
      { name: "epsilon", type: "f32" },
      { name: "count", type: "u32" },
    ],
    body: (w) =>
      elementMain(w, "args.count", () => {
        w.line(
          "let g = grad[index];",
          "let m = args.beta1 * first[index] + args.oneMinusBeta1 * g;",
          "let v = args.beta2 * second[index] + args.oneMinusBeta2 * g * g;",
          "first[index] = m;",
          "second[index] = v;",
          "params[index] -= args.stepSize * m / (sqrt(v) * args.rootScale + args.epsilon);",
        );
      }),
  });
}

/** The bias corrections of Adam's step of that number, and where they go in the flavour. */
export function adamFactors(
  { lr, beta1, beta2, step, flavour }: Pick<Adam, "lr" | "beta1" | "beta2" | "step" | "flavour">,
): { stepSize: number; rootScale: number } {
  const bias1 = 1 - beta1 ** step;
  const rootBias2 = Math.sqrt(1 - beta2 ** step);
  return flavour === "tensorflow"
    ? { stepSize: lr * rootBias2 / bias1, rootScale: 1 }
    : { stepSize: lr / bias1, rootScale: 1 / rootBias2 };
}

/** Dispatches of {@link Adam}. */
export function planAdam(command: Adam, context: PlanContext): Dispatch[] {
  const { params, grad, m, v, beta1, beta2, epsilon } = command;
  const { stepSize, rootScale } = adamFactors(command);
  return [{
    kernel: context.kernel("adam", adamKernel),
    buffers: [params, grad, m, v].map((tensor) => context.binding(tensor)),
    scalars: [beta1, 1 - beta1, beta2, 1 - beta2, stepSize, rootScale, epsilon, params.size],
    grid: elementGrid(params.size),
  }];
}
