/**
 * dynamics_gradient: the sum of squared errors over rows with a situation each, and its gradient,
 * forward and backward pass fused.
 */
import type { DynamicsGradient } from "../kernels.ts";
import { chunksOf, reduceDispatch } from "./chunks.ts";
import { dynamicsSizes, packDynamics, unpackDynamicsKernel } from "./dynamics_packing.ts";
import { packDispatch } from "./dynamics_rows.ts";
import { DynamicsTile, ROWS_WITH_SITUATIONS } from "./dynamics_tile.ts";
import {
  type BindingDecl,
  buildKernel,
  type Dispatch,
  elementGrid,
  type Kernel,
  type PlanContext,
  type ScalarDecl,
} from "./kernel.ts";

/** What tells the gradient kernels of two commands apart. */
export interface GradientVariant {
  readonly name: string;
  /** First line of the header. */
  readonly what: string;
  /** What the source of the rows reads. */
  readonly bindings: readonly BindingDecl[];
  readonly scalars: readonly ScalarDecl[];
  readonly dynamicScalars: boolean;
}

const ROWS_VARIANT: GradientVariant = {
  name: "dynamics_gradient",
  what: "loss = sum_n |f(inputs[n,:], embeddings[situations[n],:]) - targets[n,:]|^2, its gradient",
  bindings: [{ name: "situations", access: "read", element: "u32" }],
  scalars: [],
  dynamicScalars: false,
};

/** Kernel of forward and backward pass; writes one gradient row per chunk. */
export function dynamicsGradientKernel(
  model: DynamicsTile,
  variant: GradientVariant = ROWS_VARIANT,
): Kernel {
  const { size, spec } = model.packed;
  return buildKernel({
    name: variant.name,
    sizes: dynamicsSizes(spec),
    header: [
      variant.what,
      `a tile is ${model.tileSize} rows, a chunk is tilesPerChunk tiles`,
      "n row, i input and o output of the model, j output of a layer, e embedding, g situation",
      "overwrites gradients[chunk, gradient row] with the chunk's part of the sums",
    ],
    bindings: [
      model.weightBinding(),
      { name: "inputs", access: "read", element: "f32" },
      { name: "targets", access: "read", element: "f32" },
      ...variant.bindings,
      { name: "gradients", access: "read_write", element: "vec4f" },
    ],
    scalars: [...model.scalars(), ...variant.scalars],
    dynamicScalars: variant.dynamicScalars,
    body: (w) =>
      model.main(w, {
        tile: (tile, gradient) => {
          model.addErrors(tile);
          model.backward(tile, gradient);
          model.backToEmbeddings(tile);
        },
        finish: (tile) => model.storeErrors(tile, `gradients[gradientBase + ${size / 4}u].x`),
      }),
  });
}

/** Dispatches of {@link DynamicsGradient}. */
export function planDynamicsGradient(command: DynamicsGradient, context: PlanContext): Dispatch[] {
  const { spec, params, inputs, targets, situations, gradParams, loss } = command;
  const packed = packDynamics(spec);
  const { profile, limits } = context;
  const source = ROWS_WITH_SITUATIONS;
  const model = new DynamicsTile({ packed, profile, limits, source, backward: true });
  const key = JSON.stringify(spec);
  const kernel = context.kernel(`dynamics_gradient ${key}`, () => dynamicsGradientKernel(model));
  const { gradSize } = packed;
  const rows = situations.size;
  const cut = chunksOf(kernel, model.tileSize, 1, rows, context, gradSize);
  const weights = context.scratch("packed", packed.size);
  const parts = context.scratch("gradients", cut.chunks * gradSize);
  const { rows: sums, dispatches } = reduceDispatch(
    ...[parts, 1, cut.chunks, gradSize, "rows", context] as const,
  );
  return [
    packDispatch(packed, context.binding(params), weights, context),
    {
      kernel,
      buffers: [
        model.weightBuffer(weights),
        ...[inputs, targets, situations].map((tensor) => context.binding(tensor)),
        parts,
      ],
      scalars: [rows, cut.tilesPerChunk],
      grid: [cut.chunks, 1, 1],
      units: cut.tilesPerChunk,
    },
    ...dispatches,
    {
      kernel: context.kernel(
        `unpack_dynamics_gradient ${key}`,
        () => unpackDynamicsKernel(packed, true),
      ),
      buffers: [sums, context.binding(gradParams), context.binding(loss)],
      scalars: [],
      grid: elementGrid(packed.numParams),
    },
  ];
}
