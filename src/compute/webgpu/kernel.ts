/**
 * A kernel and its launch as data: WGSL text, bindings, scalars and grid. Generators return
 * kernels, planners return dispatches, and only the device turns them into pipelines and passes.
 */
import type { Tensor } from "../device.ts";
import type { TileProfile } from "./profile.ts";
import { RunError } from "../../util/errors.ts";
import { WgslWriter } from "./wgsl_writer.ts";

/** One buffer of a kernel; `weights` is a uniform or storage array of vec4f by profile. */
export interface BindingDecl {
  readonly name: string;
  readonly access: "read" | "read_write" | "uniform";
  readonly element: "f32" | "u32" | "vec4f";
  /** Elements, for `uniform` alone. */
  readonly length?: number;
  /** One bind group serves several launches that differ in this buffer's offset. */
  readonly dynamic?: boolean;
}

/** One scalar argument, a member of the uniform struct `args`. */
export interface ScalarDecl {
  readonly name: string;
  readonly type: "f32" | "u32";
}

/** Source of one compute pipeline; the entry point is `main`. */
export interface Kernel {
  /** Name for messages: the command, and the part of it where it takes several kernels. */
  readonly name: string;
  /** Sizes compiled in, for messages. */
  readonly sizes: string;
  readonly wgsl: string;
  readonly bindings: readonly BindingDecl[];
  readonly scalars: readonly ScalarDecl[];
  /** One bind group serves several launches that differ in the scalars. */
  readonly dynamicScalars: boolean;
  /** Most loop iterations of an invocation, apart from those counted by unit. */
  readonly iterations: number;
  /** Further iterations per tile or time step, whose number a launch decides. */
  readonly iterationsPerUnit: number;
}

/** One launch of one kernel. */
export interface Dispatch {
  readonly kernel: Kernel;
  /** In the order of `kernel.bindings`. */
  readonly buffers: readonly GPUBufferBinding[];
  /** In the order of `kernel.scalars`; where these are dynamic, one list for every launch. */
  readonly scalars: readonly number[] | readonly (readonly number[])[];
  readonly grid: readonly [number, number, number];
  /** Byte offset of all dynamic bindings, one launch for each; absent: one launch. */
  readonly dynamicOffsets?: readonly number[];
  /** Tiles or time steps of one invocation, checked against the device's loop limit. */
  readonly units?: number;
  /** As many launches, taken in turn with these: launch k of it follows launch k of this one. */
  readonly next?: Dispatch;
}

/** Number of launches of a dispatch. */
export function launchesOf({ kernel, scalars, dynamicOffsets }: Dispatch): number {
  return kernel.dynamicScalars ? scalars.length : dynamicOffsets?.length ?? 1;
}

/** Limits that decide the shape of kernels and launches. */
export interface KernelLimits {
  /** Bytes of workgroup memory. */
  readonly workgroupBytes: number;
  /** Most bytes of one uniform binding. */
  readonly uniformBytes: number;
  /** Most bytes of one storage binding. */
  readonly storageBytes: number;
  /** Loop iterations that one invocation may execute, Infinity where there is no such limit. */
  readonly loopIterations: number;
}

/** What a planner sees of the device. */
export interface PlanContext {
  readonly profile: TileProfile;
  readonly limits: KernelLimits;
  /** Whole buffer of a tensor. */
  binding(tensor: Tensor): GPUBufferBinding;
  /** Memory that lives for one command; `slot` tells buffers of one command apart. */
  scratch(slot: string, floats: number): GPUBufferBinding;
  /** The kernel of this key, built on first use. */
  kernel(key: string, build: () => Kernel): Kernel;
}

/** Threads of a workgroup of element-wise kernels. */
export const ELEMENT_WORKGROUP = 64;

/** Workgroups along x before a grid of elements continues along y. */
const GRID_WIDTH = 32768;

/** Grid of {@link ELEMENT_WORKGROUP} threads each that covers `count` elements. */
export function elementGrid(count: number): [number, number, number] {
  const groups = Math.max(1, Math.ceil(count / ELEMENT_WORKGROUP));
  return [Math.min(groups, GRID_WIDTH), Math.ceil(groups / GRID_WIDTH), 1];
}

/** Opens `main` of an element-wise kernel: `index` counts elements, those from `count` on leave. */
export function elementMain(writer: WgslWriter, count: string, body: () => void): void {
  writer.line(`@compute @workgroup_size(${ELEMENT_WORKGROUP})`);
  writer.block(
    "fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lid: u32)",
    () => {
      writer.line(
        `let index = (group.y * ${GRID_WIDTH}u + group.x) * ${ELEMENT_WORKGROUP}u + lid;`,
        `if (index >= ${count}) { return; }`,
      );
      body();
    },
  );
}

/** What {@link buildKernel} puts together. */
export interface KernelText {
  readonly name: string;
  readonly sizes: string;
  /** Comment lines: what it computes, axis letters, what it overwrites and accumulates. */
  readonly header: readonly string[];
  readonly bindings: readonly BindingDecl[];
  readonly scalars?: readonly ScalarDecl[];
  /** Launches differ in the scalars; by default there is one list of them. */
  readonly dynamicScalars?: boolean;
  /** Writes declarations and `main`; may return the iterations of one unit. */
  readonly body: (writer: WgslWriter) => number | void;
}

/** Header, bindings and scalars as WGSL, then the body. */
export function buildKernel(text: KernelText): Kernel {
  const scalars = text.scalars ?? [];
  const writer = new WgslWriter();
  writer.line(`// ${text.name}: ${text.sizes}`);
  for (const line of text.header) writer.line(`// ${line}`);
  writer.line("");
  text.bindings.forEach((binding, at) => {
    const place = `@group(0) @binding(${at})`;
    writer.line(
      binding.access === "uniform"
        ? `${place} var<uniform> ${binding.name}: array<${binding.element}, ${binding.length}>;`
        : `${place} var<storage, ${binding.access}> ${binding.name}: array<${binding.element}>;`,
    );
  });
  if (scalars.length > 0) {
    writer.block("struct Args", () => {
      for (const { name, type } of scalars) writer.line(`${name}: ${type},`);
    });
    writer.line(`@group(0) @binding(${text.bindings.length}) var<uniform> args: Args;`);
  }
  writer.line("");
  const perUnit = text.body(writer);
  return {
    name: text.name,
    sizes: text.sizes,
    wgsl: writer.toString(),
    bindings: text.bindings,
    scalars,
    dynamicScalars: text.dynamicScalars ?? false,
    iterations: writer.iterations,
    iterationsPerUnit: perUnit ?? 0,
  };
}

/** Units (tiles, time steps) that one invocation of the kernel may take on; at least one. */
export function unitsPerInvocation(kernel: Kernel, limits: KernelLimits): number {
  const units = Math.floor((limits.loopIterations - kernel.iterations) / kernel.iterationsPerUnit);
  if (units >= 1) return units;
  throw new RunError(
    "loop-limit",
    `Cannot run ${kernel.name} (${kernel.sizes}): one tile takes ` +
      `${kernel.iterations + kernel.iterationsPerUnit} loop iterations, this driver ends loops ` +
      `after ${limits.loopIterations}; take smaller layers or --device cpu`,
  );
}
