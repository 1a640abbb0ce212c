/**
 * Speed of the WebGPU kernels at the published sizes, on the adapter found: first call (with
 * compilation), best of the later calls, GFLOP/s (multiply and add = 2), and beside them what a
 * loop of multiply-adds in registers reaches on the same device.
 *
 * Run: deno run -A bench/kernels_webgpu.ts [--profile software|gpu] [--repeats N] [FILTER]
 *
 * FLOPs per sample, layers a -> b: forward 2 ab, gradient 6 ab (4 ab in the first layer), pullback
 * 16 ab (6 ab in the first layer); per GRU step: forward 6 C (I + C), forward and back with the
 * weights' gradient 3 times that less the inputs' own derivative.
 */
import { parseArgs } from "node:util";
import type { Command } from "../src/compute/kernels.ts";
import {
  encoderLayout,
  type EncoderSpec,
  layerWidths,
  modulationLayout,
  policyLayout,
  type PolicySpec,
} from "../src/compute/layout.ts";
import type { Tensor } from "../src/compute/device.ts";
import { GPU_PROFILE, SOFTWARE_PROFILE } from "../src/compute/webgpu/profile.ts";
import { WebGpuDevice } from "../src/compute/webgpu/webgpu_device.ts";

const { values: options, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: { profile: { type: "string" }, repeats: { type: "string", default: "5" } },
});
const profiles = { software: SOFTWARE_PROFILE, gpu: GPU_PROFILE };
const profile = options.profile === undefined
  ? undefined
  : profiles[options.profile as keyof typeof profiles];
const repeats = Number(options.repeats);
const filter = positionals[0] ?? "";

/** Deterministic numbers in (-1, 1); their quality does not matter here. */
function numbers(count: number, scale = 1): Float32Array {
  let state = 1;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return scale * (state / 2 ** 31 - 1);
  });
}

interface Case {
  readonly name: string;
  readonly flops: number;
  readonly command: Command;
  /** A small tensor that the command writes; reading it waits for the command. */
  readonly result: Tensor;
}

const device = await WebGpuDevice.create({ profile });

function put(label: string, shape: readonly number[], data: ArrayLike<number>): Tensor {
  const tensor = device.tensor(label, shape);
  device.write(tensor, data);
  return tensor;
}

function policyCases(name: string, spec: PolicySpec, tasks: number, samples: number): Case[] {
  const total = tasks * samples;
  const numParams = policyLayout(spec).size;
  const numModulation = modulationLayout(spec).size;
  const { obsDim, actDim } = spec;
  const offsets = device.tensor("offsets", [tasks + 1], "u32");
  device.write(offsets, Array.from({ length: tasks + 1 }, (_, m) => m * samples));
  const actions = numbers(total * actDim);
  const data = {
    obs: put("obs", [total, obsDim], numbers(total * obsDim)),
    actions: put("actions", [total, actDim], actions),
    advantages: put("advantages", [total], numbers(total)),
    oldMean: put("oldMean", [total, actDim], numbers(total * actDim, 0.1)),
    oldLogStd: put("oldLogStd", [total, actDim], numbers(total * actDim, 0.1)),
    offsets,
    maxSamplesPerTask: samples,
  };
  const args = {
    spec,
    params: put("params", [tasks, numParams], numbers(tasks * numParams, 0.2)),
    modulation: put("modulation", [tasks, numModulation], numbers(tasks * numModulation, 0.2)),
  };
  const mean = device.tensor("mean", [total, actDim]);
  const stats = device.tensor("stats", [tasks, 2]);
  const gradParams = device.tensor("gradParams", [tasks, numParams]);
  const gradModulation = device.tensor("gradModulation", [tasks, numModulation]);
  const adjointIn = put("adjointIn", [tasks, numParams], numbers(tasks * numParams));
  const adjointOut = device.tensor("adjointOut", [tasks, numParams]);
  const widths = layerWidths(spec);
  const products = widths.slice(1).map((width, layer) => width * widths[layer]);
  const [first, ...rest] = products;
  const others = rest.reduce((sum, product) => sum + product, 0);
  const common = { samples: data, minLogStd: -13.8, ...args };
  return [
    {
      name: `policy_forward ${name}`,
      flops: 2 * total * (first + others),
      command: {
        ...{ kernel: "policy_forward", ...args, obs: data.obs, offsets, mean },
        maxSamplesPerTask: samples,
      },
      result: mean,
    },
    {
      name: `surrogate_gradient ${name}`,
      flops: total * (4 * first + 6 * others),
      command: {
        ...{ kernel: "surrogate_gradient", ...common, clipEps: null },
        ...{ gradParams, gradModulation, stats },
      },
      result: stats,
    },
    {
      name: `inner_step_pullback ${name}`,
      flops: total * (6 * first + 16 * others),
      command: {
        ...{ kernel: "inner_step_pullback", ...common, innerLr: 0.01, klScale: 5e-4 },
        ...{ adjointIn, adjointOut, gradModulation },
      },
      result: gradModulation,
    },
  ];
}

function encoderCases(
  name: string,
  spec: EncoderSpec,
  tasks: number,
  slots: number,
  steps: number,
): Case[] {
  const count = tasks * slots;
  const { inputDim, cellSize, outputDim } = spec;
  const size = encoderLayout(spec).size;
  const numPaths = device.tensor("numPaths", [tasks], "u32");
  device.write(numPaths, new Array(tasks).fill(slots));
  const sequences = put("sequences", [count, steps, inputDim], numbers(count * steps * inputDim));
  const args = {
    spec,
    params: put("params", [size], numbers(size, 0.2)),
    sequences,
    slots,
    numPaths,
  };
  const modulation = device.tensor("modulation", [tasks, outputDim]);
  const gradParams = device.tensor("gradParams", [size]);
  const gradModulation = put("gradModulation", [tasks, outputDim], numbers(tasks * outputDim));
  const forward = count * steps * 6 * cellSize * (inputDim + cellSize);
  return [
    {
      name: `encoder_forward ${name}`,
      flops: forward,
      command: {
        ...{ kernel: "encoder_forward", ...args, modulation },
        lastState: device.tensor("lastState", [count, cellSize]),
        taskEmbedding: device.tensor("taskEmbedding", [tasks, cellSize]),
      },
      result: modulation,
    },
    {
      name: `encoder_backward ${name}`,
      flops: 2 * forward + count * steps * 6 * cellSize * cellSize,
      command: { kernel: "encoder_backward", ...args, gradModulation, scale: 1, gradParams },
      result: gradParams,
    },
  ];
}

/** GFLOP/s of twelve chains of multiply-adds in registers. */
async function registerLimit(): Promise<number> {
  const passes = 500, unrolled = 16, chains = 12, invocations = 64 * 4096;
  const names = Array.from({ length: chains }, (_, at) => `c${at}`);
  const body = Array.from(
    { length: unrolled },
    () => names.map((name) => `${name} = fma(${name}, a, b);`).join(" "),
  ).join("\n");
  const code = `@group(0) @binding(0) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  let a = 0.5 + f32(id.x) * 1e-9; let b = 0.25;
  ${names.map((name, at) => `var ${name} = ${at}.0;`).join(" ")}
  for (var k = 0u; k < ${passes}u; k++) { ${body} }
  out[id.x] = ${names.join(" + ")};
}`;
  const gpu = device.gpuDevice;
  const out = gpu.createBuffer({ size: invocations * 4, usage: GPUBufferUsage.STORAGE });
  const pipeline = gpu.createComputePipeline({
    layout: "auto",
    compute: { module: gpu.createShaderModule({ code }), entryPoint: "main" },
  });
  const group = gpu.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer: out } }],
  });
  const marker = device.tensor("marker", [1]);
  let best = Infinity;
  for (let repeat = 0; repeat < repeats; repeat++) {
    const start = performance.now();
    const encoder = gpu.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(invocations / 64);
    pass.end();
    gpu.queue.submit([encoder.finish()]);
    await device.read(marker);
    best = Math.min(best, performance.now() - start);
  }
  out.destroy();
  return 2 * chains * unrolled * passes * invocations / best / 1e6;
}

const film = { useBetas: false, shiftGammas: true };
const tanh = { hiddenSizes: [64, 64], activation: "tanh", learnStd: true, film } as const;
const point: PolicySpec = { obsDim: 4, actDim: 2, ...tanh };
const ant: PolicySpec = { obsDim: 29, actDim: 8, ...tanh };
const dense = { cellSize: 64, mlpAfterGru: true, mlpAfterPool: true, outputDim: 128 };
const suites = [
  () => policyCases("point 40 x 2000, 4-64-64-2", point, 40, 2000),
  () => policyCases("ant 40 x 5000, 29-64-64-8", ant, 40, 5000),
  () => encoderCases("point 800 x 100, 7-64", { inputDim: 7, ...dense }, 40, 20, 100),
  () => encoderCases("ant 800 x 250, 38-64", { inputDim: 38, ...dense }, 40, 20, 250),
];

console.log(device.description);
console.log(`register multiply-add loop: ${(await registerLimit()).toFixed(0)} GFLOP/s`);
console.log("kernel | first call s | best ms | GFLOP/s");
for (const suite of suites) {
  for (const { name, flops, command, result } of suite()) {
    if (!name.includes(filter)) continue;
    const run = async () => {
      const start = performance.now();
      await device.submit([command]);
      await device.read(result);
      return performance.now() - start;
    };
    const first = await run();
    let best = Infinity;
    for (let repeat = 0; repeat < repeats; repeat++) best = Math.min(best, await run());
    const row = [name, (first / 1000).toFixed(1), best.toFixed(1), (flops / best / 1e6).toFixed(1)];
    console.log(row.join(" | "));
  }
}
await device.close();
