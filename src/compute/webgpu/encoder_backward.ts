/**
 * encoder_backward: gradient of the encoder's parameters from the modulation's, the forward pass
 * recomputed. Where the blocks kept for the way back exceed one storage binding, the sequences are
 * kept in several buffers.
 */
import type { EncoderBackward } from "../kernels.ts";
import { denseBackward, type DenseLayer, poolBackwardKernel } from "./dense.ts";
import { encoderBuffers, planEncoder, timeRanges, upperForward } from "./encoder_forward.ts";
import { unpackGruKernel } from "./encoder_packing.ts";
import { gruBackwardKernel, gruForwardKernel, gruGradientKernel, gruWeights } from "./gru.ts";
import { type Dispatch, elementGrid, type PlanContext, unitsPerInvocation } from "./kernel.ts";
import { MAX_GRADIENT_BYTES, reduceDispatch } from "./chunks.ts";
import { RunError } from "../../util/errors.ts";

/** Dispatches of {@link EncoderBackward}. */
export function planEncoderBackward(command: EncoderBackward, context: PlanContext): Dispatch[] {
  const plan = planEncoder(command, context);
  const { gru, tasks, sequences, steps, cells, tiles, gruLayers, poolLayers, outLayer } = plan;
  const { packed } = gru;
  const { scale } = command;
  const buffers = encoderBuffers(plan, context, {});
  const params = context.binding(command.params);
  const gradParams = context.binding(command.gradParams);
  const weights = gruWeights(gru, plan.packedRows);

  // groups of tiles whose kept blocks fit one binding
  const blockFloats = gru.blockRows * gru.tileSize;
  const tileBytes = steps * blockFloats * 4;
  const tilesPerGroup = Math.min(tiles, Math.floor(context.limits.storageBytes / tileBytes));
  if (tilesPerGroup < 1) {
    throw new RunError(
      "gpu-memory",
      `Cannot run encoder_backward: ${steps} steps of ${gru.tileSize} sequences with ` +
        `${cells} cells take ${tileBytes} bytes, this GPU binds at most ` +
        `${context.limits.storageBytes}; take shorter rollouts, fewer cells or --device cpu`,
    );
  }
  const groups = Array.from({ length: Math.ceil(tiles / tilesPerGroup) }, (_, at) => {
    const first = at * tilesPerGroup;
    const count = Math.min(tilesPerGroup, tiles - first);
    return { first, count, kept: context.scratch(`kept${at}`, count * steps * blockFloats) };
  });

  const forward = context.kernel(`gru_keep ${plan.key}`, () => gruForwardKernel(gru, true));
  const backward = context.kernel(`gru_backward ${plan.key}`, () => gruBackwardKernel(gru));
  const gradient = context.kernel(`gru_gradient ${plan.key}`, () => gruGradientKernel(gru));
  const unpack = context.kernel(`unpack_gru ${plan.key}`, () => unpackGruKernel(packed));
  const dispatches: Dispatch[] = [plan.pack];
  for (const { first, count, kept } of groups) {
    for (const [firstStep, endStep] of timeRanges(forward, steps, context)) {
      dispatches.push({
        kernel: forward,
        buffers: [...weights, context.binding(command.sequences), buffers.lastState, kept],
        scalars: [sequences, steps, first, firstStep, endStep],
        grid: [count, 1, 1],
        units: endStep - firstStep,
      });
    }
  }
  dispatches.push(...upperForward(command, plan, buffers, context));

  // back through the upper layers
  const perTask = (slot: string) => context.scratch(slot, tasks * cells);
  const perSequence = (slot: string) => context.scratch(slot, sequences * cells);
  const mlp = (
    layers: readonly DenseLayer[],
    rows: number,
    from: { x: GPUBufferBinding; hidden: GPUBufferBinding; dy: GPUBufferBinding },
    to: { dHidden: GPUBufferBinding; dx: GPUBufferBinding },
  ) => {
    if (layers.length === 0) return from.dy;
    const { x, hidden, dy } = from;
    const { dHidden, dx } = to;
    const shared = { params, gradParams };
    dispatches.push(
      ...denseBackward(context, layers[1], rows, true, scale, {
        ...shared,
        x: hidden,
        dy,
        dx: dHidden,
      }),
      ...denseBackward(context, layers[0], rows, false, scale, { ...shared, x, dy: dHidden, dx }),
    );
    return dx;
  };
  const dEmbedding = perTask("dEmbedding");
  dispatches.push(...denseBackward(context, outLayer, tasks, false, scale, {
    params,
    x: buffers.taskEmbedding,
    dy: context.binding(command.gradModulation),
    dx: dEmbedding,
    gradParams,
  }));
  const dPooled = mlp(
    poolLayers,
    tasks,
    { x: buffers.pooled, hidden: buffers.poolHidden, dy: dEmbedding },
    { dHidden: perTask("dPoolHidden"), dx: perTask("dPooled") },
  );
  const dGruOut = perSequence("dGruOut");
  dispatches.push({
    kernel: context.kernel("pool_back", poolBackwardKernel),
    buffers: [dPooled, context.binding(command.numPaths), dGruOut],
    scalars: [sequences, command.slots, cells],
    grid: elementGrid(sequences * cells),
  });
  const dState = mlp(
    gruLayers,
    sequences,
    { x: buffers.lastState, hidden: buffers.gruHidden, dy: dGruOut },
    { dHidden: perSequence("dGruHidden"), dx: perSequence("dLastState") },
  );

  // back through time, then the weights' gradient, in chunks of kept blocks
  const most = unitsPerInvocation(gradient, context.limits);
  const wanted = Math.ceil(tiles * steps / context.profile.targetWorkgroups);
  const fewest = Math.ceil(tiles * steps * packed.size * 4 / MAX_GRADIENT_BYTES);
  const blocksPerChunk = Math.min(most, Math.max(wanted, fewest, 1));
  const chunksOfGroup = groups.map(({ count }) => Math.ceil(count * steps / blocksPerChunk));
  const chunks = chunksOfGroup.reduce((sum, count) => sum + count, 0);
  const parts = context.scratch("gradients", chunks * packed.size);
  let firstChunk = 0;
  groups.forEach(({ first, count, kept }, at) => {
    for (const [firstStep, endStep] of timeRanges(backward, steps, context).reverse()) {
      dispatches.push({
        kernel: backward,
        buffers: [...weights, dState, kept],
        scalars: [sequences, steps, first, firstStep, endStep],
        grid: [count, 1, 1],
        units: endStep - firstStep,
      });
    }
    dispatches.push({
      kernel: gradient,
      buffers: [kept, parts],
      scalars: [count * steps, blocksPerChunk, firstChunk],
      grid: [chunksOfGroup[at], 1, 1],
      units: blocksPerChunk,
    });
    firstChunk += chunksOfGroup[at];
  });
  const { rows, dispatches: reduce } = reduceDispatch(
    parts,
    1,
    chunks,
    packed.size,
    "rows",
    context,
  );
  return [...dispatches, ...reduce, {
    kernel: unpack,
    buffers: [rows, gradParams],
    scalars: [scale],
    grid: elementGrid((packed.inputs + packed.cells + 1) * 3 * packed.cells),
  }];
}
