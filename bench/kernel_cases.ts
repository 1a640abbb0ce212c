/**
 * Every kernel at the point and the ant sizes, as commands for any device, on random data.
 *
 * Operations counted (multiply and add are two), per sample of an O-H-H-A policy:
 * forward 2 (OH + HH + HA); gradient 2 (2 OH + 3 HH + 3 HA): forward, weights' and activations'
 * gradients, none for the input; pullback 2 (3 OH + 8 HH + 8 HA): both forward and both backward
 * passes. Per step of a GRU sequence: forward 2 * 3C (I + C); backward 2 * 3C (2I + 3C) with the
 * recomputed forward. tanh, exp, packing and pooling are work that is not counted.
 */
import type { Device, Tensor } from "../src/compute/device.ts";
import type { Adam, Command } from "../src/compute/kernels.ts";
import {
  encoderLayout,
  modulationLayout,
  policyLayout,
  type PolicySpec,
} from "../src/compute/layout.ts";
import { KeyedRandom, Purpose } from "../src/util/prng.ts";

/** A kernel at one size. */
export interface KernelCase {
  readonly name: string;
  /** Matrix products, which the goals are about, or what moves memory. */
  readonly kind: "dense" | "elements";
  /** Operations, or bytes read and written. */
  readonly amount: number;
  readonly command: Command;
  /** A small tensor; reading it waits for the command. */
  readonly result: Tensor;
}

/** Makes the cases of one family, with tensors of their own, and frees them. */
export interface KernelSuite {
  open(): KernelCase[];
  close(): void;
}

/** Tensors that are freed together. */
class Scope {
  readonly #tensors: Tensor[] = [];

  constructor(readonly device: Device) {}

  tensor(label: string, shape: readonly number[], type?: "u32"): Tensor {
    const tensor = this.device.tensor(label, shape, type);
    this.#tensors.push(tensor);
    return tensor;
  }

  /** Normal numbers times `scale`. */
  random(label: string, shape: readonly number[], scale: number): Tensor {
    const random = new KeyedRandom(1).at(Purpose.TEST_DATA);
    const tensor = this.tensor(label, shape);
    const data = new Float32Array(tensor.size);
    random.fillNormal(data);
    this.device.write(tensor, data.map((x) => scale * x));
    return tensor;
  }

  indices(label: string, values: readonly number[]): Tensor {
    const tensor = this.tensor(label, [values.length], "u32");
    this.device.write(tensor, values);
    return tensor;
  }

  free(): void {
    for (const tensor of this.#tensors.splice(0)) this.device.free(tensor);
  }
}

function policyCases(
  scope: Scope,
  size: string,
  [tasks, count, O, H, A]: readonly number[],
): KernelCase[] {
  const spec: PolicySpec = {
    obsDim: O,
    actDim: A,
    hiddenSizes: [H, H],
    activation: "tanh",
    learnStd: true,
    film: { useBetas: false, shiftGammas: true },
  };
  const name = `${size} ${tasks} x ${count}, ${O}-${H}-${H}-${A}`;
  const S = tasks * count, P = policyLayout(spec).size, D = modulationLayout(spec).size;
  const params = scope.random("params", [tasks, P], 0.1);
  const modulation = scope.random("modulation", [tasks, D], 0.1);
  const adjointIn = scope.random("adjointIn", [tasks, P], 1);
  const offsets = scope.indices("offsets", Array.from({ length: tasks + 1 }, (_, m) => m * count));
  const samples = {
    obs: scope.random("obs", [S, O], 1),
    actions: scope.random("actions", [S, A], 1),
    advantages: scope.random("advantages", [S], 1),
    oldMean: scope.random("oldMean", [S, A], 0.1),
    oldLogStd: scope.random("oldLogStd", [S, A], 0.1),
    offsets,
    maxSamplesPerTask: count,
  };
  const mean = scope.tensor("mean", [S, A]);
  const gradParams = scope.tensor("gradParams", [tasks, P]);
  const gradModulation = scope.tensor("gradModulation", [tasks, D]);
  const stats = scope.tensor("stats", [tasks, 2]);
  const adjointOut = scope.tensor("adjointOut", [tasks, P]);
  const products = O * H + H * H + H * A;
  const modulated = (modulation: Tensor | null): KernelCase[] => {
    const args = { spec, params, modulation };
    const gradient = modulation === null ? null : gradModulation;
    const suffix = `${name}${modulation === null ? "" : ", modulated"}`;
    return [
      {
        name: `surrogate_gradient ${suffix}`,
        kind: "dense",
        amount: 2 * S * (3 * products - O * H),
        command: {
          kernel: "surrogate_gradient",
          ...args,
          ...{ samples, clipEps: null, minLogStd: -13 },
          ...{ gradParams, gradModulation: gradient, stats },
        },
        result: stats,
      },
      {
        name: `inner_step_pullback ${suffix}`,
        kind: "dense",
        amount: 2 * S * (8 * products - 5 * O * H),
        command: {
          kernel: "inner_step_pullback",
          ...args,
          ...{ samples, minLogStd: -13 },
          ...{ innerLr: 0.1, klScale: 5e-4, adjointIn, adjointOut, gradModulation: gradient },
        },
        result: stats,
      },
    ];
  };
  const forward: KernelCase = {
    name: `policy_forward ${name}`,
    kind: "dense",
    amount: 2 * S * products,
    command: {
      kernel: "policy_forward",
      ...{ spec, params, modulation: null, obs: samples.obs, offsets },
      ...{ maxSamplesPerTask: count, mean },
    },
    result: stats,
  };
  return [forward, ...modulated(null), ...modulated(modulation)];
}

function encoderCases(
  scope: Scope,
  size: string,
  [tasks, slots, T, I, C]: readonly number[],
): KernelCase[] {
  const spec = {
    ...{ inputDim: I, cellSize: C, outputDim: 2 * C },
    ...{ mlpAfterGru: true, mlpAfterPool: true },
  };
  const R = tasks * slots;
  const params = scope.random("params", [encoderLayout(spec).size], 0.1);
  const numPaths = scope.indices("numPaths", new Array(tasks).fill(slots));
  const sequences = scope.random("sequences", [R, T, I], 1);
  const args = { spec, params, sequences, slots, numPaths };
  const modulation = scope.tensor("modulation", [tasks, 2 * C]);
  const gradParams = scope.tensor("gradParams", [params.size]);
  const gradModulation = scope.random("gradModulation", modulation.shape, 1);
  const steps = 2 * R * T * 3 * C;
  return [
    {
      name: `encoder_forward ${size} ${R} x ${T}, ${I}-${C}`,
      kind: "dense",
      amount: steps * (I + C),
      command: {
        kernel: "encoder_forward",
        ...args,
        ...{ modulation },
        lastState: scope.tensor("lastState", [R, C]),
        taskEmbedding: scope.tensor("taskEmbedding", [tasks, C]),
      },
      result: modulation,
    },
    {
      name: `encoder_backward ${size} ${R} x ${T}, ${I}-${C}`,
      kind: "dense",
      amount: steps * (2 * I + 3 * C),
      command: { kernel: "encoder_backward", ...args, gradModulation, scale: 1, gradParams },
      result: gradParams,
    },
  ];
}

/** What moves through memory once: the elements of the parameters of 400 tasks. */
function elementCases(scope: Scope): KernelCase[] {
  const [tasks, P] = [400, 4612];
  const params = scope.random("params", [tasks, P], 1);
  const grad = scope.random("grad", [tasks, P], 1);
  const out = scope.tensor("out", [tasks, P]);
  const row = scope.tensor("row", [P]);
  const size = `[${tasks}, ${P}]`;
  const adam: Adam = {
    kernel: "adam",
    ...{ params, grad, lr: 1e-3, step: 1, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
    flavour: "tensorflow",
    m: scope.tensor("m", [tasks, P]),
    v: scope.tensor("v", [tasks, P]),
  };
  const elements = (name: string, arrays: number, command: Command): KernelCase => ({
    ...{ name: `${name} ${size}`, kind: "elements", amount: 4 * arrays * tasks * P },
    ...{ command, result: row },
  });
  return [
    elements("sgd_step", 3, { kernel: "sgd_step", params, grad, lr: 0.1, out }),
    elements("interpolate", 3, { kernel: "interpolate", from: params, to: grad, factor: 0.3, out }),
    elements("sum_rows", 1, { kernel: "sum_rows", rows: params, scale: 1, out: row }),
    elements("broadcast_row", 1, { kernel: "broadcast_row", row, out }),
    elements("clear", 1, { kernel: "clear", out }),
    elements("adam", 7, adam),
  ];
}

/** All families on a device, at the published sizes; `quick` leaves most of the tasks out. */
export function kernelSuites(device: Device, quick = false): KernelSuite[] {
  const tasks = quick ? 8 : 40;
  const makers: ((scope: Scope) => KernelCase[])[] = [
    (scope) => policyCases(scope, "point", [tasks, 2000, 4, 64, 2]),
    (scope) => policyCases(scope, "ant", [tasks, 5000, 29, 64, 8]),
    (scope) => encoderCases(scope, "point", [tasks, 20, 100, 7, 64]),
    (scope) => encoderCases(scope, "ant", [tasks, 20, 250, 38, 64]),
    elementCases,
  ];
  return makers.map((make) => {
    const scope = new Scope(device);
    return { open: () => make(scope), close: () => scope.free() };
  });
}
