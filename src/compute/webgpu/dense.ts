/**
 * Small dense layers and pooling of the encoder, one thread per result, sizes at run time. They
 * work on a few hundred rows at most times the number of slots, so plain loops do.
 *
 * Axis letters: n row, i input, o output.
 */
import {
  buildKernel,
  type Dispatch,
  elementGrid,
  elementMain,
  type Kernel,
  type PlanContext,
  type ScalarDecl,
} from "./kernel.ts";

const SIZES = "sizes at run time";
const read = (name: string) => ({ name, access: "read", element: "f32" } as const);
const write = (name: string) => ({ name, access: "read_write", element: "f32" } as const);
const u32s = (...names: string[]): ScalarDecl[] => names.map((name) => ({ name, type: "u32" }));

/** A layer's sizes and where its tensors start in the flat parameter vector. */
export interface DenseLayer {
  readonly inputs: number;
  readonly outputs: number;
  readonly weights: number;
  readonly bias: number;
}

/** y[n,o] = b[o] + sum_i x[n,i] W[i,o], or relu of it. */
export function denseForwardKernel(relu: boolean): Kernel {
  return buildKernel({
    name: relu ? "dense_relu" : "dense",
    sizes: SIZES,
    header: [`y[n,o] = ${relu ? "relu" : ""}(b[o] + sum_i x[n,i] W[i,o]); overwrites y`],
    bindings: [read("params"), read("x"), write("y")],
    scalars: u32s("rows", "inputs", "outputs", "weights", "bias"),
    body: (w) => {
      elementMain(w, "args.rows * args.outputs", () => {
        w.line(
          "let n = index / args.outputs;",
          "let o = index % args.outputs;",
          "var sum = params[args.bias + o];",
        );
        w.block("for (var i = 0u; i < args.inputs; i++)", () => {
          w.line("sum += x[n * args.inputs + i] * params[args.weights + i * args.outputs + o];");
        });
        w.line(relu ? "y[index] = select(sum, 0.0, sum < 0.0);" : "y[index] = sum;");
      });
      return 1;
    },
  });
}

/** dx[n,i] = sum_o dy[n,o] W[i,o]; with `relu`, 0 where y[n,i] of the layer before is 0. */
export function denseBackwardKernel(relu: boolean): Kernel {
  return buildKernel({
    name: relu ? "dense_back_relu" : "dense_back",
    sizes: SIZES,
    header: [
      `dx[n,i] = sum_o dy[n,o] W[i,o]${relu ? " where x[n,i] > 0, else 0" : ""}; overwrites dx`,
    ],
    bindings: [read("params"), read("dy"), ...(relu ? [read("x")] : []), write("dx")],
    scalars: u32s("rows", "inputs", "outputs", "weights"),
    body: (w) => {
      elementMain(w, "args.rows * args.inputs", () => {
        w.line(
          "let n = index / args.inputs;",
          "let i = index % args.inputs;",
          "var sum = 0.0;",
        );
        w.block("for (var o = 0u; o < args.outputs; o++)", () => {
          w.line("sum += dy[n * args.outputs + o] * params[args.weights + i * args.outputs + o];");
        });
        w.line(relu ? "dx[index] = select(0.0, sum, x[index] > 0.0);" : "dx[index] = sum;");
      });
      return 1;
    },
  });
}

/** dW[i,o] = scale * sum_n x[n,i] dy[n,o], db[o] = scale * sum_n dy[n,o], in the order of n. */
export function denseGradientKernel(): Kernel {
  return buildKernel({
    name: "dense_gradient",
    sizes: SIZES,
    header: [
      "dW[i,o] = scale * sum_n x[n,i] dy[n,o];  db[o] = scale * sum_n dy[n,o]",
      "overwrites these two places of gradParams",
    ],
    bindings: [read("x"), read("dy"), write("gradParams")],
    scalars: [
      ...u32s("rows", "inputs", "outputs", "weights", "bias"),
      { name: "scale", type: "f32" },
    ],
    body: (w) => {
      elementMain(w, "(args.inputs + 1u) * args.outputs", () => {
        w.line("let i = index / args.outputs;", "let o = index % args.outputs;", "var sum = 0.0;");
        w.block("for (var n = 0u; n < args.rows; n++)", () => {
          w.line(
            "let factor = select(1.0, x[n * args.inputs + i], i < args.inputs);",
            "sum += factor * dy[n * args.outputs + o];",
          );
        });
        w.line(
          "let place = select(args.bias + o, args.weights + index, i < args.inputs);",
          "gradParams[place] = args.scale * sum;",
        );
      });
      return 1;
    },
  });
}

/** pooled[m,c] = sum over the task's slots of y[r,c] / numPaths[m]. */
export function poolKernel(): Kernel {
  return buildKernel({
    name: "pool",
    sizes: SIZES,
    header: ["pooled[m,c] = (sum of y[r,c] over task m's slots) / numPaths[m]; overwrites pooled"],
    bindings: [read("y"), { name: "numPaths", access: "read", element: "u32" }, write("pooled")],
    scalars: u32s("tasks", "slots", "cells"),
    body: (w) => {
      elementMain(w, "args.tasks * args.cells", () => {
        w.line(
          "let m = index / args.cells;",
          "let c = index % args.cells;",
          "var sum = 0.0;",
        );
        w.block("for (var slot = 0u; slot < args.slots; slot++)", () => {
          w.line("sum += y[(m * args.slots + slot) * args.cells + c];");
        });
        w.line("pooled[index] = sum / f32(numPaths[m]);");
      });
      return 1;
    },
  });
}

/** dy[r,c] = dPooled[m,c] / numPaths[m] for every slot r of task m. */
export function poolBackwardKernel(): Kernel {
  return buildKernel({
    name: "pool_back",
    sizes: SIZES,
    header: ["dy[r,c] = dPooled[m,c] / numPaths[m], r slot of task m; overwrites dy"],
    bindings: [
      read("dPooled"),
      { name: "numPaths", access: "read", element: "u32" },
      write("dy"),
    ],
    scalars: u32s("sequences", "slots", "cells"),
    body: (w) =>
      elementMain(w, "args.sequences * args.cells", () => {
        w.line(
          "let m = index / (args.slots * args.cells);",
          "dy[index] = dPooled[m * args.cells + index % args.cells] / f32(numPaths[m]);",
        );
      }),
  });
}

/** Launch of {@link denseForwardKernel}. */
export function denseForward(
  context: PlanContext,
  layer: DenseLayer,
  rows: number,
  relu: boolean,
  buffers: { params: GPUBufferBinding; x: GPUBufferBinding; y: GPUBufferBinding },
): Dispatch {
  const { inputs, outputs, weights, bias } = layer;
  return {
    kernel: context.kernel(`dense ${relu}`, () => denseForwardKernel(relu)),
    buffers: [buffers.params, buffers.x, buffers.y],
    scalars: [rows, inputs, outputs, weights, bias],
    grid: elementGrid(rows * outputs),
    units: inputs,
  };
}

/**
 * Launches of {@link denseGradientKernel} and {@link denseBackwardKernel}.
 * @param relu whether x came out of a relu, through which dx goes on
 */
export function denseBackward(
  context: PlanContext,
  layer: DenseLayer,
  rows: number,
  relu: boolean,
  scale: number,
  buffers: {
    params: GPUBufferBinding;
    x: GPUBufferBinding;
    dy: GPUBufferBinding;
    dx: GPUBufferBinding;
    gradParams: GPUBufferBinding;
  },
): Dispatch[] {
  const { inputs, outputs, weights, bias } = layer;
  const { params, x, dy, dx, gradParams } = buffers;
  return [
    {
      kernel: context.kernel("dense_gradient", denseGradientKernel),
      buffers: [x, dy, gradParams],
      scalars: [rows, inputs, outputs, weights, bias, scale],
      grid: elementGrid((inputs + 1) * outputs),
      units: rows,
    },
    {
      kernel: context.kernel(`dense_back ${relu}`, () => denseBackwardKernel(relu)),
      buffers: [params, dy, ...(relu ? [x] : []), dx],
      scalars: [rows, inputs, outputs, weights],
      grid: elementGrid(rows * inputs),
      units: outputs,
    },
  ];
}
