import assert from "node:assert/strict";
import { mujocoBinary } from "../../../src/envs/mujoco/runtime.ts";
import { playEpisodes } from "./episodes.ts";
import { mujocoNames } from "./helpers.ts";
import { testNeeding } from "../../permissions.ts";

const test = testNeeding("read");

/** The same episodes on a new thread, which gets the compiled WASM or compiles its own. */
function playInWorker(module: WebAssembly.Module | null): Promise<Float64Array[]> {
  const url = new URL("./rollout_worker.ts", import.meta.url).href;
  const worker = new Worker(url, { type: "module" });
  return new Promise<Float64Array[]>((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
    worker.postMessage({ names: mujocoNames(), module });
  }).finally(() => worker.terminate());
}

test("the same keys give the same bits: again, in other threads, compiled by whom ever", async () => {
  const first = await playEpisodes(mujocoNames());
  assert.equal(first.length, mujocoNames().length);
  assert.ok(first.every((numbers) => numbers.every(Number.isFinite)));
  assert.deepEqual(await playEpisodes(mujocoNames()), first);
  // in another order: an environment doesn't depend on who ran before it
  const backwards = await playEpisodes(mujocoNames().reverse());
  assert.deepEqual(backwards.reverse(), first);
  assert.deepEqual(await playInWorker(null), first);
  assert.deepEqual(await playInWorker(await mujocoBinary()), first);
});
