/** dynamics_forward and dynamics_errors: the model on rows, without a way back. */
import type { DynamicsErrors, DynamicsForward } from "../kernels.ts";
import { chunksOf, reduceRows } from "./chunks.ts";
import {
  dynamicsSizes,
  packDynamics,
  packDynamicsKernel,
  type PackedDynamics,
} from "./dynamics_packing.ts";
import { DynamicsTile, ROWS_WITH_SITUATIONS, type RowSource } from "./dynamics_tile.ts";
import {
  buildKernel,
  type Dispatch,
  elementGrid,
  type Kernel,
  type PlanContext,
} from "./kernel.ts";

/** A workgroup of dynamics_errors takes all rows as they come, with one situation. */
export const ERRORS_ROWS: RowSource = { row: "n", situation: null, single: true };

/** Kernel of the model's outputs on rows with a situation each. */
export function dynamicsForwardKernel(model: DynamicsTile): Kernel {
  const { spec } = model.packed;
  return buildKernel({
    name: "dynamics_forward",
    sizes: dynamicsSizes(spec),
    header: [
      "outputs[n,:] = f(inputs[n,:], embeddings[situations[n],:])",
      `a tile is ${model.tileSize} rows; n row, i input, o output; overwrites outputs`,
    ],
    bindings: [
      model.weightBinding(),
      { name: "inputs", access: "read", element: "f32" },
      { name: "situations", access: "read", element: "u32" },
      { name: "outputs", access: "read_write", element: "f32" },
    ],
    scalars: model.scalars(),
    body: (w) =>
      model.main(w, {
        tile: (tile) =>
          model.eachOutput(tile, (_place, inside) => {
            for (const [part, axis] of [..."xyzw"].entries()) {
              const place = `outputs[(n + ${part}u) * ${spec.outputDim}u + o]`;
              w.line(`if (${inside(part)}) { ${place} = f.${axis}; }`);
            }
          }),
        finish: () => {},
      }),
  });
}

/** Kernel of the squared errors of all rows, once with every embedding. */
export function dynamicsErrorsKernel(model: DynamicsTile): Kernel {
  return buildKernel({
    name: "dynamics_errors",
    sizes: dynamicsSizes(model.packed.spec),
    header: [
      "parts[g, chunk] = sum over the chunk's rows of |f(inputs[n,:], embeddings[g,:]) - targets|^2",
      `a tile is ${model.tileSize} rows, a chunk is tilesPerChunk tiles; workgroups (chunk, g)`,
      "n row, g situation, i input, o output; overwrites parts",
    ],
    bindings: [
      model.weightBinding(),
      { name: "inputs", access: "read", element: "f32" },
      { name: "targets", access: "read", element: "f32" },
      { name: "parts", access: "read_write", element: "f32" },
    ],
    scalars: [...model.scalars(), { name: "chunks", type: "u32" }],
    body: (w) =>
      model.main(w, {
        tile: (tile) => model.addErrors(tile),
        finish: (tile) => model.storeErrors(tile, "parts[workgroup.y * args.chunks + workgroup.x]"),
      }),
  });
}

/** Launch that packs a tensor in the layout of the parameters. */
export function packDispatch(
  packed: PackedDynamics,
  params: GPUBufferBinding,
  out: GPUBufferBinding,
  context: PlanContext,
): Dispatch {
  return {
    kernel: context.kernel(
      `pack_dynamics ${JSON.stringify(packed.spec)}`,
      () => packDynamicsKernel(packed),
    ),
    buffers: [params, out],
    scalars: [],
    grid: elementGrid(packed.size),
  };
}

/** Dispatches of {@link DynamicsForward}. */
export function planDynamicsForward(command: DynamicsForward, context: PlanContext): Dispatch[] {
  const { spec, params, inputs, situations, outputs } = command;
  const packed = packDynamics(spec);
  const { profile, limits } = context;
  const source = ROWS_WITH_SITUATIONS;
  const model = new DynamicsTile({ packed, profile, limits, source, backward: false });
  const kernel = context.kernel(
    `dynamics_forward ${JSON.stringify(spec)}`,
    () => dynamicsForwardKernel(model),
  );
  const weights = context.scratch("packed", packed.size);
  const { chunks, tilesPerChunk } = chunksOf(kernel, model.tileSize, 1, situations.size, context);
  return [
    packDispatch(packed, context.binding(params), weights, context),
    {
      kernel,
      buffers: [
        model.weightBuffer(weights),
        ...[inputs, situations, outputs].map((tensor) => context.binding(tensor)),
      ],
      scalars: [situations.size, tilesPerChunk],
      grid: [chunks, 1, 1],
      units: tilesPerChunk,
    },
  ];
}

/** Dispatches of {@link DynamicsErrors}. */
export function planDynamicsErrors(command: DynamicsErrors, context: PlanContext): Dispatch[] {
  const { spec, params, inputs, targets, errors } = command;
  const { situations } = spec;
  const rows = inputs.size / spec.inputDim;
  const packed = packDynamics(spec);
  const { profile, limits } = context;
  const source = ERRORS_ROWS;
  const model = new DynamicsTile({ packed, profile, limits, source, backward: false });
  const kernel = context.kernel(
    `dynamics_errors ${JSON.stringify(spec)}`,
    () => dynamicsErrorsKernel(model),
  );
  const weights = context.scratch("packed", packed.size);
  const cut = chunksOf(kernel, model.tileSize, situations, rows, context);
  const { chunks, tilesPerChunk } = cut;
  const out = context.binding(errors);
  const parts = chunks === 1 ? out : context.scratch("parts", situations * chunks);
  return [
    packDispatch(packed, context.binding(params), weights, context),
    {
      kernel,
      buffers: [
        model.weightBuffer(weights),
        ...[inputs, targets].map((tensor) => context.binding(tensor)),
        parts,
      ],
      scalars: [rows, tilesPerChunk, chunks],
      grid: [chunks, situations, 1],
      units: tilesPerChunk,
    },
    ...(chunks === 1 ? [] : [reduceRows(parts, out, situations, chunks, 1, context)]),
  ];
}
