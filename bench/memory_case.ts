/**
 * `deno run bench/memory_case.ts CASE ALGORITHM [DEVICE] [--quick]`: two meta-gradients, nothing
 * else; prints the peak of the process's resident memory in bytes. For bench/parts/memory.ts.
 */
import { CpuDevice } from "../src/compute/cpu/cpu_device.ts";
import { WebGpuDevice } from "../src/compute/webgpu/webgpu_device.ts";
import { MetaCase, metaCases } from "./meta_case.ts";
import { peakMemory } from "./peak_memory.ts";

const [name, algorithm, kind] = Deno.args;
const found = metaCases(Deno.args.includes("--quick"))
  .find(([shape, each]) => shape.name === name && each === algorithm);
if (found === undefined) throw new Error(`there is no case ${name} ${algorithm}`);
const device = kind === "webgpu" ? await WebGpuDevice.create() : await CpuDevice.create();
const metaCase = new MetaCase(...found);
const objective = metaCase.objective(device);
for (let i = 0; i < 2; i++) await objective.gradient(metaCase.coefficients);
console.log(peakMemory());
await device.close();
