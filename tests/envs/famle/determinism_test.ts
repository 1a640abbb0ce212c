import assert from "node:assert/strict";
import { liveHandles, mujocoBinary } from "../../../src/envs/mujoco/runtime.ts";
import { testNeeding } from "../../permissions.ts";
import { playEpisodes } from "../mujoco/episodes.ts";
import { famle } from "./helpers.ts";

const NAMES = ["famle_reacher", "famle_ant"];
const test = testNeeding("read");

test("the same keys give the same bits, again, in another order, on another thread", async () => {
  const first = await playEpisodes(NAMES);
  assert.ok(first.every((numbers) => numbers.every(Number.isFinite)));
  const backwards = await playEpisodes([...NAMES].reverse());
  assert.deepEqual(backwards.reverse(), first);
  const worker = new Worker(new URL("../mujoco/rollout_worker.ts", import.meta.url), {
    type: "module",
  });
  const module = await mujocoBinary();
  const elsewhere = await new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
    worker.postMessage({ names: NAMES, module });
  }).finally(() => worker.terminate());
  assert.deepEqual(elsewhere, first);
});

test("instances free what they hold, once", async () => {
  const { simulations } = liveHandles;
  const envs = [];
  for (const name of NAMES) {
    for (let i = 0; i < 2; i++) envs.push(await (await famle(name)).createInstance());
  }
  assert.equal(liveHandles.simulations, simulations + 4);
  for (const env of envs) {
    env.close();
    env.close();
  }
  assert.equal(liveHandles.simulations, simulations);
});
