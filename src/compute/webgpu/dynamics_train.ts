/**
 * dynamics_train: sequential updates on minibatches. Parameters and moments stay in the packed
 * layout from the first update to the last; an update is two launches, the minibatch's gradient
 * and the optimiser's step, which sums the chunks' parts in their order and writes the loss.
 */
import type { DynamicsOptimizer, DynamicsTrain } from "../kernels.ts";
import { chunksOf, wantedTilesPerChunk } from "./chunks.ts";
import {
  dynamicsSizes,
  packDynamics,
  type PackedDynamics,
  unpackDynamicsKernel,
} from "./dynamics_packing.ts";
import { dynamicsGradientKernel, type GradientVariant } from "./dynamics_gradient.ts";
import { packDispatch } from "./dynamics_rows.ts";
import { DynamicsTile } from "./dynamics_tile.ts";
import { adamFactors } from "./elementwise.ts";
import {
  type BindingDecl,
  buildKernel,
  type Dispatch,
  elementGrid,
  elementMain,
  type Kernel,
  type PlanContext,
} from "./kernel.ts";

const MINIBATCH: GradientVariant = {
  name: "dynamics_train_gradient",
  what: "gradient of the sum of squared errors over rows order[first + n], n < count",
  bindings: [{ name: "order", access: "read", element: "u32" }],
  scalars: [{ name: "situation", type: "u32" }, { name: "first", type: "u32" }],
  dynamicScalars: true,
};

/** Where the gradient kernel of a minibatch finds its rows. */
const MINIBATCH_ROWS = { row: "order[args.first + n]", situation: "args.situation", single: true };

/** Kernel of a minibatch's gradient. */
export function trainGradientKernel(model: DynamicsTile): Kernel {
  return dynamicsGradientKernel(model, MINIBATCH);
}

/**
 * Tile of a minibatch's gradient, no larger than the minibatch needs.
 * @param singleTile small minibatches: a chunk is one tile
 */
export function trainTile(
  packed: PackedDynamics,
  { profile, limits }: Pick<PlanContext, "profile" | "limits">,
  batchSize: number,
  singleTile: boolean,
): DynamicsTile {
  const smallest = profile.tileSizes.at(-1)!;
  const tileSizes = profile.tileSizes.filter((size) => size < 2 * batchSize || size === smallest);
  return new DynamicsTile({
    ...{ packed, profile: { ...profile, tileSizes }, limits, backward: true, singleTile },
    source: MINIBATCH_ROWS,
  });
}

/** The optimiser's step on a packed row, from the chunks' gradient rows. */
export function trainUpdateKernel(packed: PackedDynamics, kind: DynamicsOptimizer["kind"]): Kernel {
  const { spec, size, gradSize } = packed;
  const adam = kind === "adam";
  const vectors = (name: string): BindingDecl => ({ name, access: "read_write", element: "vec4f" });
  return buildKernel({
    name: `dynamics_train_${kind}`,
    sizes: dynamicsSizes(spec),
    header: [
      "g = gradients[0,p] + gradients[1,p] + ..., in that order",
      ...(adam
        ? [
          "first  = beta1 * first + (1 - beta1) * g",
          "second = beta2 * second + (1 - beta2) * g^2",
          "packed -= stepSize * first / (sqrt(second) * rootScale + epsilon)",
        ]
        : ["packed -= lr * g"]),
      "p vec4 of a packed row; a unit is one chunk",
      `updates packed${adam ? ", first and second" : ""}, overwrites losses[update]`,
    ],
    bindings: [
      { name: "gradients", access: "read", element: "vec4f" },
      vectors("packed"),
      ...(adam ? [vectors("first"), vectors("second")] : []),
      { name: "losses", access: "read_write", element: "f32" },
    ],
    scalars: [
      { name: "chunks", type: "u32" },
      { name: "update", type: "u32" },
      ...(adam
        ? [
          ...["beta1", "oneMinusBeta1", "beta2", "oneMinusBeta2", "epsilon"],
          ...["stepSize", "rootScale"],
        ]
        : ["lr"]).map((name) => ({ name, type: "f32" } as const)),
    ],
    dynamicScalars: true,
    body: (w) => {
      elementMain(w, `${size / 4 + 1}u`, () => {
        w.line("var g = vec4f();");
        w.block("for (var chunk = 0u; chunk < args.chunks; chunk++)", () => {
          w.line(`g += gradients[chunk * ${gradSize / 4}u + index];`);
        });
        w.line("// behind the parameters: the loss");
        w.block(`if (index == ${size / 4}u)`, () => {
          w.line("losses[args.update] = g.x;", "return;");
        });
        if (!adam) {
          w.line("packed[index] -= args.lr * g;");
          return;
        }
        w.line(
          "let m = args.beta1 * first[index] + args.oneMinusBeta1 * g;",
          "let v = args.beta2 * second[index] + args.oneMinusBeta2 * g * g;",
          "first[index] = m;",
          "second[index] = v;",
          "packed[index] -= args.stepSize * m / (sqrt(v) * args.rootScale + args.epsilon);",
        );
      });
      return 1;
    },
  });
}

/** Scalars of the optimiser's step, in the order of the kernel, for every update. */
function updateScalars(optimizer: DynamicsOptimizer, updates: number, chunks: number): number[][] {
  return Array.from({ length: updates }, (_, update) => {
    if (optimizer.kind === "sgd") return [chunks, update, optimizer.lr];
    const { beta1, beta2, epsilon, firstStep } = optimizer;
    const { stepSize, rootScale } = adamFactors({ ...optimizer, step: firstStep + update });
    return [
      ...[chunks, update, beta1, 1 - beta1, beta2, 1 - beta2, epsilon],
      ...[stepSize, rootScale],
    ];
  });
}

/** Dispatches of {@link DynamicsTrain}. */
export function planDynamicsTrain(command: DynamicsTrain, context: PlanContext): Dispatch[] {
  const { spec, params, inputs, targets, order, batchSize, optimizer, losses } = command;
  const updates = losses.size;
  if (updates === 0) return [];
  const packed = packDynamics(spec);
  const { size, gradSize, numParams } = packed;
  const { tileSize } = trainTile(packed, context, batchSize, true);
  const tiles = Math.ceil(batchSize / tileSize);
  const singleTile = wantedTilesPerChunk(tiles, 1, context.profile, gradSize) === 1;
  const model = trainTile(packed, context, batchSize, singleTile);
  const key = JSON.stringify(spec);
  const kernel = context.kernel(
    `train_gradient ${key} ${tileSize} ${singleTile}`,
    () => trainGradientKernel(model),
  );
  const cut = chunksOf(kernel, tileSize, 1, batchSize, context, gradSize);
  const { chunks, tilesPerChunk } = cut;
  const parts = context.scratch("gradients", chunks * gradSize);
  // what is trained, each with its packed row
  const trained = optimizer.kind === "sgd" ? [params] : [params, optimizer.m, optimizer.v];
  const rows = ["packed", "first", "second"].slice(0, trained.length)
    .map((slot) => context.scratch(slot, size));
  const update: Dispatch = {
    kernel: context.kernel(
      `train ${optimizer.kind} ${key}`,
      () => trainUpdateKernel(packed, optimizer.kind),
    ),
    buffers: [parts, ...rows, context.binding(losses)],
    scalars: updateScalars(optimizer, updates, chunks),
    grid: elementGrid(size / 4 + 1),
    units: chunks,
  };
  const gradient: Dispatch = {
    kernel,
    buffers: [
      model.weightBuffer(rows[0]),
      ...[inputs, targets, order].map((tensor) => context.binding(tensor)),
      parts,
    ],
    scalars: Array.from(
      { length: updates },
      (_, u) => [batchSize, tilesPerChunk, command.situation, u * batchSize],
    ),
    grid: [chunks, 1, 1],
    units: tilesPerChunk,
    next: update,
  };
  const unpack = context.kernel(
    `unpack_dynamics ${key}`,
    () => unpackDynamicsKernel(packed, false),
  );
  return [
    ...trained.map((tensor, at) =>
      packDispatch(packed, context.binding(tensor), rows[at], context)
    ),
    gradient,
    ...trained.map((tensor, at): Dispatch => ({
      kernel: unpack,
      buffers: [rows[at], context.binding(tensor)],
      scalars: [],
      grid: elementGrid(numParams),
    })),
  ];
}
