/**
 * encoder_forward: GRU over each sequence, dense layers, mean over a task's sequences, dense
 * layers. Formulas: tests/golden README, "Task encoder".
 */
import type { EncoderArgs, EncoderForward } from "../kernels.ts";
import { encoderLayout } from "../layout.ts";
import { denseForward, type DenseLayer, poolKernel } from "./dense.ts";
import { packGru, packGruKernel } from "./encoder_packing.ts";
import { gruForwardKernel, type GruTile, gruTile, gruWeights } from "./gru.ts";
import {
  type Dispatch,
  elementGrid,
  type Kernel,
  type PlanContext,
  unitsPerInvocation,
} from "./kernel.ts";

/** Sizes of an encoder command and its GRU tile. */
export interface EncoderPlan {
  readonly gru: GruTile;
  readonly key: string;
  /** M, R, T, C. */
  readonly tasks: number;
  readonly sequences: number;
  readonly steps: number;
  readonly cells: number;
  readonly tiles: number;
  /** The two layers behind the GRU and behind the pooling, where there are any. */
  readonly gruLayers: readonly DenseLayer[];
  readonly poolLayers: readonly DenseLayer[];
  readonly outLayer: DenseLayer;
  /** Packed GRU weights and the launch that fills them. */
  readonly packedRows: GPUBufferBinding;
  readonly pack: Dispatch;
}

/** What both encoder kernels share. */
export function planEncoder(
  command: EncoderArgs,
  context: PlanContext,
): EncoderPlan {
  const { spec, params, sequences, slots, numPaths } = command;
  const layout = encoderLayout(spec);
  const tasks = numPaths.size;
  const count = tasks * slots;
  const steps = sequences.size / (count * spec.inputDim);
  const offset = (name: string) => layout.entries.find((entry) => entry.name === name)!.offset;
  const cells = spec.cellSize;
  const layer = (name: string, separator: string, outputs: number): DenseLayer => ({
    inputs: cells,
    outputs,
    weights: offset(`${name}${separator}W`),
    bias: offset(`${name}${separator}b`),
  });
  const pair = (prefix: string) => [0, 1].map((at) => layer(`${prefix}_mlp${at}`, "_", cells));
  const packed = packGru(spec);
  const gru = gruTile(packed, context.profile, context.limits);
  const key = JSON.stringify([spec.inputDim, spec.cellSize, spec.mlpAfterGru, spec.mlpAfterPool]);
  const packedRows = context.scratch("gru", packed.size);
  return {
    gru,
    key,
    tasks,
    sequences: count,
    steps,
    cells,
    tiles: Math.ceil(count / gru.tileSize),
    gruLayers: spec.mlpAfterGru ? pair("gru") : [],
    poolLayers: spec.mlpAfterPool ? pair("pool") : [],
    outLayer: layer("out", "_", spec.outputDim),
    packedRows,
    pack: {
      kernel: context.kernel(`pack_gru ${key}`, () => packGruKernel(packed)),
      buffers: [context.binding(params), packedRows],
      scalars: [],
      grid: elementGrid(packed.size),
    },
  };
}

/** Consecutive ranges of steps, as many to a launch as the driver's loops allow. */
export function timeRanges(
  kernel: Kernel,
  steps: number,
  context: PlanContext,
): [number, number][] {
  const most = Math.min(steps, unitsPerInvocation(kernel, context.limits));
  const ranges: [number, number][] = [];
  for (let first = 0; first < steps; first += most) {
    ranges.push([first, Math.min(first + most, steps)]);
  }
  return ranges;
}

/** Buffers of the layers above the GRU. */
export interface EncoderBuffers {
  readonly lastState: GPUBufferBinding;
  readonly gruHidden: GPUBufferBinding;
  readonly gruOut: GPUBufferBinding;
  readonly pooled: GPUBufferBinding;
  readonly poolHidden: GPUBufferBinding;
  readonly taskEmbedding: GPUBufferBinding;
  readonly modulation: GPUBufferBinding;
}

/** Scratch for what is not an output of the command; without layers, steps share one buffer. */
export function encoderBuffers(
  plan: EncoderPlan,
  context: PlanContext,
  outputs: Partial<EncoderBuffers>,
): EncoderBuffers {
  const { tasks, sequences, cells, outLayer } = plan;
  const perSequence = (slot: string) => context.scratch(slot, sequences * cells);
  const perTask = (slot: string) => context.scratch(slot, tasks * cells);
  const lastState = outputs.lastState ?? perSequence("lastState");
  const taskEmbedding = outputs.taskEmbedding ?? perTask("taskEmbedding");
  return {
    lastState,
    gruHidden: perSequence("gruHidden"),
    gruOut: plan.gruLayers.length > 0 ? perSequence("gruOut") : lastState,
    pooled: plan.poolLayers.length > 0 ? perTask("pooled") : taskEmbedding,
    poolHidden: perTask("poolHidden"),
    taskEmbedding,
    modulation: outputs.modulation ?? context.scratch("modulation", tasks * outLayer.outputs),
  };
}

/** From the GRU's last states to the modulation. */
export function upperForward(
  command: EncoderArgs,
  plan: EncoderPlan,
  buffers: EncoderBuffers,
  context: PlanContext,
): Dispatch[] {
  const { tasks, sequences, cells, gruLayers, poolLayers, outLayer } = plan;
  const params = context.binding(command.params);
  const { lastState, gruHidden, gruOut, pooled, poolHidden, taskEmbedding, modulation } = buffers;
  const mlp = (
    layers: readonly DenseLayer[],
    rows: number,
    x: GPUBufferBinding,
    hidden: GPUBufferBinding,
    y: GPUBufferBinding,
  ) =>
    layers.length === 0 ? [] : [
      denseForward(context, layers[0], rows, true, { params, x, y: hidden }),
      denseForward(context, layers[1], rows, false, { params, x: hidden, y }),
    ];
  return [
    ...mlp(gruLayers, sequences, lastState, gruHidden, gruOut),
    {
      kernel: context.kernel("pool", poolKernel),
      buffers: [gruOut, context.binding(command.numPaths), pooled],
      scalars: [tasks, command.slots, cells],
      grid: elementGrid(tasks * cells),
      units: command.slots,
    },
    ...mlp(poolLayers, tasks, pooled, poolHidden, taskEmbedding),
    denseForward(context, outLayer, tasks, false, { params, x: taskEmbedding, y: modulation }),
  ];
}

/** Dispatches of {@link EncoderForward}. */
export function planEncoderForward(command: EncoderForward, context: PlanContext): Dispatch[] {
  const plan = planEncoder(command, context);
  const { gru, sequences, steps, tiles } = plan;
  const buffers = encoderBuffers(plan, context, {
    lastState: context.binding(command.lastState),
    taskEmbedding: context.binding(command.taskEmbedding),
    modulation: context.binding(command.modulation),
  });
  const kernel = context.kernel(`gru_forward ${plan.key}`, () => gruForwardKernel(gru, false));
  return [
    plan.pack,
    ...timeRanges(kernel, steps, context).map(([first, end]): Dispatch => ({
      kernel,
      buffers: [
        ...gruWeights(gru, plan.packedRows),
        context.binding(command.sequences),
        buffers.lastState,
      ],
      scalars: [sequences, steps, 0, first, end],
      grid: [tiles, 1, 1],
      units: end - first,
    })),
    ...upperForward(command, plan, buffers, context),
  ];
}
