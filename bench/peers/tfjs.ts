/** TensorFlow.js as a peer: its backends, opened one at a time. */
import "@tensorflow/tfjs";
import {
  findBackendFactory,
  registerBackend,
  removeBackend,
  setBackend,
} from "@tensorflow/tfjs-core";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import { openTfjsKernels } from "../../src/compute/tfjs/mod.ts";

/** A backend that is in use until it is closed. */
export interface TfjsBackend {
  readonly name: "webgpu" | "wasm";
  /** Makes it the one that operations run on. */
  use(): Promise<void>;
  close(): Promise<void>;
}

/** What the package registers when it is loaded; tfjs forgets it with a backend that is removed. */
const wasmFactory = findBackendFactory("wasm");

/** The backend in SIMD WASM, one thread: Deno does not isolate origins, which threads would need. */
export async function openWasmBackend(): Promise<TfjsBackend> {
  const module = import.meta.resolve("@tensorflow/tfjs-backend-wasm");
  setWasmPaths(new URL(".", module).pathname);
  if (findBackendFactory("wasm") === null) registerBackend("wasm", wasmFactory);
  const use = async () => {
    if (!await setBackend("wasm")) throw new Error("tfjs has no wasm backend");
  };
  await use();
  return { name: "wasm", use, close: () => Promise.resolve(removeBackend("wasm")) };
}

/** The backend on the GPU that the kernels would use too. */
export async function openWebGpuBackend(): Promise<TfjsBackend> {
  const kernels = await openTfjsKernels();
  return {
    name: "webgpu",
    use: async () => {
      if (!await setBackend("webgpu")) throw new Error("tfjs has no webgpu backend");
    },
    close: async () => {
      await kernels.close();
      removeBackend("webgpu");
    },
  };
}
