/** Tests of src/evaluation/embedding.ts, and of the untrained encoder's embeddings. */
import assert from "node:assert/strict";
import { embeddingMap, modeSeparation } from "../../src/evaluation/embedding.ts";
import { evaluate } from "../../src/evaluation/evaluate.ts";
import { loadRun } from "../../src/evaluation/load_run.ts";
import { RunError } from "../../src/util/errors.ts";
import { KeyedRandom, Purpose } from "../../src/util/prng.ts";
import { inTemporaryFolder } from "../cli/metarl_process.ts";
import { testNeeding } from "../permissions.ts";
import { trainInto } from "./trained_run.ts";

const COUNT = 40;
const WIDTH = 8;

/** Embeddings and modes; those of mode i have `gap` more in coordinate i. */
function clouds(gap: number): { embeddings: Float32Array; modes: Int32Array } {
  const embeddings = new Float32Array(COUNT * WIDTH);
  new KeyedRandom(5).at(Purpose.TEST_DATA).fillNormal(embeddings);
  const modes = Int32Array.from({ length: COUNT }, (_, m) => m % 4);
  modes.forEach((mode, m) => embeddings[m * WIDTH + mode] += gap);
  return { embeddings, modes };
}

Deno.test("embeddingMap() tells whether modes lie apart", () => {
  const apart = clouds(30);
  const map = embeddingMap(apart.embeddings, COUNT, apart.modes, 1);
  assert.equal(map.pca.length, COUNT);
  assert.equal(map.tsne.length, COUNT);
  assert.equal(map.purity, 1);
  assert.ok(map.silhouette! > 0.8, `${map.silhouette}`);
  // 40 tasks of 4 modes in pure clusters of 10: chance lies between 1/4 and 1/2
  assert.ok(map.chance! > 0.25 && map.chance! < 0.5, `${map.chance}`);
  // four corners of a tetrahedron span three equal axes
  for (const share of map.explainedVariance) assert.ok(Math.abs(share - 1 / 3) < 0.05, `${share}`);

  const mixed = clouds(0);
  const none = embeddingMap(mixed.embeddings, COUNT, mixed.modes, 1);
  assert.ok(Math.abs(none.silhouette!) < 0.1, `${none.silhouette}`);
  assert.ok(none.purity! - none.chance! < 0.15, `${none.purity} ${none.chance}`);
});

Deno.test("embeddingMap() gives the same numbers for the same input", () => {
  const { embeddings, modes } = clouds(2);
  const first = embeddingMap(embeddings, COUNT, modes, 3);
  assert.deepEqual(embeddingMap(embeddings, COUNT, modes, 3), first);
  assert.notDeepEqual(embeddingMap(embeddings, COUNT, modes, 4).tsne, first.tsne);
});

Deno.test("embeddingMap() says nothing of modes where there are not two", () => {
  const { embeddings } = clouds(2);
  for (const modes of [null, new Int32Array(COUNT)]) {
    const { silhouette, purity, chance } = embeddingMap(embeddings, COUNT, modes, 1);
    assert.deepEqual([silhouette, purity, chance], [null, null, null]);
    assert.equal(modeSeparation(embeddings, modes, 1), null);
  }
});

Deno.test("embeddingMap() refuses numbers that are not finite, with their place", () => {
  const { embeddings, modes } = clouds(2);
  embeddings[3 * WIDTH + 2] = NaN;
  assert.throws(
    () => embeddingMap(embeddings, COUNT, modes, 1),
    (error) =>
      error instanceof RunError && error.code === "embedding-not-finite" &&
      /number 2 of task 3 is NaN/.test(error.message),
  );
});

testNeeding("read", "write")(
  "evaluate() shows the same rollouts to the encoder that the run started with",
  () =>
    inTemporaryFolder(async (folder) => {
      const evaluated = async (name: string, changes: Readonly<Record<string, unknown>>) => {
        await trainInto(`${folder}/${name}`, "mmaml", changes);
        const run = await loadRun(`${folder}/${name}`, { checkpoint: null, version: "0.1.0" });
        const request = { tasks: 43, steps: 1, seed: 1, mode: null, workers: 1 };
        return await evaluate(run, { ...request, initialEncoder: true });
      };
      // steps of 1e-30 leave every float32 parameter as it is
      const still = await evaluated("still", { learning_rate: 1e-30 });
      assert.deepEqual(still.initialEmbeddings, still.embeddings);
      const moved = await evaluated("moved", {});
      assert.notDeepEqual(moved.initialEmbeddings, moved.embeddings);
      assert.equal(moved.initialEmbeddings!.length, moved.embeddings!.length);
    }),
);
