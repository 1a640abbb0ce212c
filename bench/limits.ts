/** What a device reaches at most: loops of multiply-adds on registers alone. */
import { CpuMemory } from "../src/compute/cpu/cpu_memory.ts";
import { kernelModule, type SimdLevel } from "../src/compute/cpu/kernel_module.ts";
import type { WebGpuDevice } from "../src/compute/webgpu/webgpu_device.ts";

/**
 * GFLOP/s of one thread of the cpu, best of some short calls: a running WASM function is not
 * replaced by its optimised version, so the calls must be many.
 */
export function cpuLimit(simd: SimdLevel): () => number {
  const { exports } = new CpuMemory(kernelModule(simd));
  const rounds = 1e4;
  return () => {
    let best = Infinity;
    for (let i = 0; i < 200; i++) {
      const start = performance.now();
      exports.multiply_add_limit(rounds, 0);
      best = Math.min(best, performance.now() - start);
    }
    return 96 * rounds / best / 1e6;
  };
}

const PASSES = 500;
const UNROLLED = 16;
/** Chains of multiply-adds that are independent of each other: what fits 16 vector registers. */
const CHAINS = 12;
const WORKGROUP = 64;

/** WGSL of the chains, unrolled: software drivers execute few loop iterations, and slowly. */
function chainsShader(): string {
  const names = Array.from({ length: CHAINS }, (_, at) => `c${at}`);
  const step = names.map((name) => `${name} = fma(${name}, a, b);`).join(" ");
  return `@group(0) @binding(0) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(${WORKGROUP}) fn main(@builtin(global_invocation_id) id: vec3u) {
  let a = 0.5 + f32(id.x) * 1e-9; let b = 0.25;
  ${names.map((name, at) => `var ${name} = ${at}.0;`).join(" ")}
  for (var k = 0u; k < ${PASSES}u; k++) { ${Array(UNROLLED).fill(step).join("\n")} }
  out[id.x] = ${names.join(" + ")};
}`;
}

/**
 * GFLOP/s of a whole WebGPU device.
 * @param clock milliseconds; by default those on the wall
 */
export function webGpuLimit(
  device: WebGpuDevice,
  clock: () => number = () => performance.now(),
): () => Promise<number> {
  const gpu = device.gpuDevice;
  const buffers = new Map<number, GPUBuffer>();
  const pipeline = gpu.createComputePipeline({
    layout: "auto",
    compute: { module: gpu.createShaderModule({ code: chainsShader() }), entryPoint: "main" },
  });
  const marker = device.tensor("marker", [1]);
  // enough that a launch takes tens of milliseconds
  let workgroups = 1024;
  const launch = async (count: number) => {
    if (!buffers.has(count)) {
      const size = count * WORKGROUP * 4;
      buffers.set(count, gpu.createBuffer({ size, usage: GPUBufferUsage.STORAGE }));
    }
    const group = gpu.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: [{ binding: 0, resource: { buffer: buffers.get(count)! } }],
    });
    const start = clock();
    const encoder = gpu.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(count);
    pass.end();
    gpu.queue.submit([encoder.finish()]);
    await device.read(marker);
    return clock() - start;
  };
  return async () => {
    let best = await launch(workgroups);
    while (best < 20 && workgroups < 2 ** 15) {
      workgroups *= 2;
      best = await launch(workgroups);
    }
    for (let i = 0; i < 3; i++) best = Math.min(best, await launch(workgroups));
    return 2 * CHAINS * UNROLLED * PASSES * WORKGROUP * workgroups / best / 1e6;
  };
}
