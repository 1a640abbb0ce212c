/**
 * The compiled WASM module of the kernels and what it exports. The binary is embedded
 * (kernels_wasm.ts, built from assembly/), so that nothing has to be found at run time.
 */
import { PLAIN_KERNELS, RELAXED_KERNELS } from "./kernels_wasm.ts";

/** A pass of a kernel: fn(args, item, scratch, workspace), see assembly/index.ts. */
export type PassFunction = (
  args: number,
  item: number,
  scratch: number,
  workspace: number,
) => void;

/** Bytes of scratch memory, or of partial sums, that a kernel needs for these arguments. */
export type SizeFunction = (args: number, scratch: number) => number;

/** Every pass, in the order of the numbers by which a job names them. */
export const PASS_NAMES = [
  "policy_forward",
  "surrogate_gradient",
  "surrogate_gradient_finish",
  "inner_step_pullback",
  "inner_step_pullback_finish",
  "encoder_forward",
  "encoder_backward",
  "broadcast_row",
  "sgd_step",
  "sum_rows",
  "clear",
  "adam",
  "interpolate",
  "dynamics_forward",
  "dynamics_gradient",
  "dynamics_gradient_finish",
  "dynamics_errors",
  "dynamics_errors_finish",
  "dynamics_train",
  "dynamics_rollout",
] as const;

/** Name of a pass. */
export type PassName = typeof PASS_NAMES[number];

/** Functions that tell sizes. */
export type SizeName =
  | "policy_forward_scratch"
  | "surrogate_gradient_scratch"
  | "inner_step_pullback_scratch"
  | "policy_partials"
  | "encoder_forward_scratch"
  | "encoder_backward_scratch"
  | "dynamics_rows_scratch"
  | "dynamics_gradient_partials"
  | "dynamics_train_scratch"
  | "dynamics_rollout_scratch";

/** What an instance of the module offers. */
export type KernelExports =
  & Readonly<Record<PassName, PassFunction>>
  & Readonly<Record<SizeName, SizeFunction>>
  & {
    /** 96 operations per round on registers alone (any x): one thread's limit, for benchmarks. */
    readonly multiply_add_limit: (rounds: number, x: number) => number;
  };

/** `relaxed`: fused multiply-add where the processor has it; `plain`: product and sum. */
export type SimdLevel = "relaxed" | "plain";

/** A compiled module; it can be posted to workers. */
export interface KernelModule {
  readonly module: WebAssembly.Module;
  readonly simd: SimdLevel;
}

const compiled = new Map<SimdLevel, KernelModule>();

function decode(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/**
 * The kernels' module, compiled once per thread.
 *
 * @param simd which build; by default the relaxed one where the engine can run it
 */
export function kernelModule(simd?: SimdLevel): KernelModule {
  const relaxed = decode(RELAXED_KERNELS);
  const level = simd ?? (WebAssembly.validate(relaxed) ? "relaxed" : "plain");
  let entry = compiled.get(level);
  if (entry === undefined) {
    const binary = level === "relaxed" ? relaxed : decode(PLAIN_KERNELS);
    entry = { module: new WebAssembly.Module(binary), simd: level };
    compiled.set(level, entry);
  }
  return entry;
}

/** Instance of the module over a shared memory. */
export function instantiateKernels(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
): KernelExports {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  return exports as unknown as KernelExports;
}
