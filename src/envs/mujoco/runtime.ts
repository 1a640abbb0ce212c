/**
 * MuJoCo on this thread: the official WASM build (npm `@mujoco/mujoco`, single-threaded), loaded
 * once, when first asked for. Left out: its `mt` build, which gains nothing here and replaces
 * `Worker`.
 *
 * A compiled `WebAssembly.Module` can be posted to other threads, which then need neither the
 * bytes nor the compiler: {@link mujocoBinary} there, {@link shareMujocoBinary} here.
 */
import type { MainModule } from "@mujoco/mujoco";
import { messageOf, RunError } from "../../util/errors.ts";

/** The API of MuJoCo: functions, classes, enumerations. */
export type Mujoco = MainModule;

let binary: Promise<WebAssembly.Module> | null = null;
let runtime: Promise<Mujoco> | null = null;
/** Of the newest instance. */
let memory: WebAssembly.Memory | null = null;

/** Objects of this thread that occupy WASM memory: what tests for leaks count. */
export const liveHandles = { models: 0, simulations: 0 };

/** Bytes that MuJoCo's WASM memory has grown to on this thread, 0 without MuJoCo; for the same tests. */
export function mujocoBytes(): number {
  return memory?.buffer.byteLength ?? 0;
}

/** The compiled WASM binary, compiled on the first call. */
export function mujocoBinary(): Promise<WebAssembly.Module> {
  binary ??= import("./binary.ts").then(({ mujocoWasm }) => WebAssembly.compile(mujocoWasm));
  return binary;
}

/** Makes this thread use a binary that another thread compiled; call before {@link loadMujoco}. */
export function shareMujocoBinary(module: WebAssembly.Module): void {
  binary = Promise.resolve(module);
}

/**
 * MuJoCo, instantiated on the first call (about 60 ms, or 150 ms with compiling).
 * @throws RunError `mujoco-load`.
 */
export function loadMujoco(): Promise<Mujoco> {
  runtime ??= instantiate().catch((error) => {
    throw new RunError("mujoco-load", `Cannot load MuJoCo: ${messageOf(error)}`, { cause: error });
  });
  return runtime;
}

/** Makes the next {@link loadMujoco} of this thread start a new one: this one broke. */
export async function forgetMujoco(broken: Mujoco): Promise<void> {
  if (await runtime === broken) runtime = null;
}

async function instantiate(): Promise<Mujoco> {
  const [{ default: createModule }, module] = await Promise.all([
    import("@mujoco/mujoco"),
    mujocoBinary(),
  ]);
  // The promise of createModule stays open where this hook's work fails, so the hook rejects.
  return await new Promise((resolve, reject) => {
    createModule({
      // what it has to say comes as errors
      print: () => {},
      printErr: () => {},
      instantiateWasm(
        imports: WebAssembly.Imports,
        done: (instance: WebAssembly.Instance, module: WebAssembly.Module) => void,
      ): Record<string, never> {
        WebAssembly.instantiate(module, imports).then((instance) => {
          memory = Object.values(instance.exports)
            .find((value) => value instanceof WebAssembly.Memory) ?? null;
          done(instance, module);
        }).catch(reject);
        return {};
      },
    }).then(resolve, reject);
  });
}
