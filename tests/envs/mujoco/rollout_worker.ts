/** Plays an episode of every named environment on a thread of its own; for determinism_test.ts. */
import { shareMujocoBinary } from "../../../src/envs/mujoco/runtime.ts";
import { playEpisodes } from "./episodes.ts";

const scope = self as unknown as {
  onmessage: (event: MessageEvent<{ names: string[]; module: WebAssembly.Module | null }>) => void;
  postMessage(message: Float64Array[]): void;
};

scope.onmessage = async ({ data: { names, module } }) => {
  if (module !== null) shareMujocoBinary(module);
  scope.postMessage(await playEpisodes(names));
};
