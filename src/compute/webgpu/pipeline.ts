/**
 * Turns kernels into pipelines, once per WGSL text, and WebGPU's errors into RunErrors that name
 * the kernel, its sizes and the WGSL line.
 */
import type { Kernel } from "./kernel.ts";
import { messageOf, RunError } from "../../util/errors.ts";

/** A compiled kernel. */
export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** Line number in naga's report (`wgsl:12:5`) or in Tint's (`:12:5 error`). */
const LINE_IN_MESSAGE = /(?:wgsl|^|\s):(\d+):\d+/;

/**
 * The RunError of a kernel that could not be compiled.
 * @param line 1-based line of the WGSL text, where it is known
 */
export function shaderError(kernel: Kernel, message: string, line?: number): RunError {
  const at = line ?? Number(message.match(LINE_IN_MESSAGE)?.[1] ?? NaN);
  const source = Number.isNaN(at) ? undefined : kernel.wgsl.split("\n")[at - 1]?.trim();
  const place = source === undefined ? "" : `, WGSL line ${at}: \`${source}\``;
  // naga's report repeats the source; its first line and its last note say what is wrong
  const text = message.split("\n").map((part) => part.trim())
    .filter((part) => part !== "" && !/^[│┌=\d|]/.test(part)).join(" ");
  return new RunError(
    "shader",
    `Cannot compile kernel ${kernel.name} (${kernel.sizes})${place}: ${text}`,
  );
}

/** Compiled kernels of one device. */
export class PipelineCache {
  readonly #pipelines = new Map<string, Promise<Pipeline>>();

  constructor(readonly device: GPUDevice) {}

  /** Number of different kernels compiled so far. */
  get size(): number {
    return this.#pipelines.size;
  }

  /** The kernel's pipeline, compiled on first use. */
  get(kernel: Kernel): Promise<Pipeline> {
    const known = this.#pipelines.get(kernel.wgsl);
    if (known !== undefined) return known;
    const pipeline = this.#compile(kernel);
    this.#pipelines.set(kernel.wgsl, pipeline);
    return pipeline;
  }

  async #compile(kernel: Kernel): Promise<Pipeline> {
    const { device } = this;
    device.pushErrorScope("validation");
    device.pushErrorScope("internal");
    const compiled = this.#create(kernel);
    const errors = [await device.popErrorScope(), await device.popErrorScope()];
    if (compiled instanceof Error) throw shaderError(kernel, compiled.message);
    const { module, ...pipeline } = compiled;
    const error = errors.find((candidate) => candidate !== null);
    if (error) {
      const info = await module.getCompilationInfo();
      const first = info.messages.find((message) => message.type === "error");
      throw shaderError(kernel, first?.message ?? error.message, first?.lineNum || undefined);
    }
    return pipeline;
  }

  #create(kernel: Kernel): (Pipeline & { module: GPUShaderModule }) | Error {
    const { device } = this;
    const entries: GPUBindGroupLayoutEntry[] = kernel.bindings.map((binding, at) => ({
      binding: at,
      visibility: GPUShaderStage.COMPUTE,
      buffer: {
        type: binding.access === "uniform"
          ? "uniform"
          : binding.access === "read"
          ? "read-only-storage"
          : "storage",
        hasDynamicOffset: binding.dynamic === true,
      },
    }));
    if (kernel.scalars.length > 0) {
      const binding = kernel.bindings.length;
      entries.push({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type: "uniform", hasDynamicOffset: kernel.dynamicScalars },
      });
    }
    try {
      const label = kernel.name;
      const module = device.createShaderModule({ label, code: kernel.wgsl });
      const layout = device.createBindGroupLayout({ label, entries });
      const pipeline = device.createComputePipeline({
        label,
        layout: device.createPipelineLayout({ label, bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: "main" },
      });
      return { module, layout, pipeline };
    } catch (error) {
      return error instanceof Error ? error : new Error(messageOf(error));
    }
  }
}
