/**
 * The kernels on tfjs tensors: memory is really shared, and tfjs's autodiff, an implementation
 * that knows nothing of ours, gives the same first derivatives.
 */
import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs";
import { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import {
  layerWidths,
  modulationLayout,
  openTfjsKernels,
  policyLayout,
  type PolicySpec,
  type TfjsKernels,
  type TfjsTensor,
} from "../../src/compute/tfjs/mod.ts";
import { relativeError, testRandom, VALUE_TOLERANCE } from "./compare.ts";
import { gpuTest } from "./webgpu_support.ts";

const spec: PolicySpec = {
  obsDim: 3,
  actDim: 2,
  hiddenSizes: [6, 5],
  activation: "tanh",
  learnStd: true,
  film: { useBetas: true, shiftGammas: true },
};
const COUNTS = [4, 9];
const CLIP = 0.1;

/** Opens the kernels, hands them over, frees everything and checks that nothing is left. */
async function withKernels(use: (kernels: TfjsKernels) => Promise<void>): Promise<void> {
  const kernels = await openTfjsKernels();
  try {
    tf.engine().startScope();
    await use(kernels);
    tf.engine().endScope();
    assert.equal(kernels.device.liveTensors, 0, "views are freed");
  } finally {
    await kernels.close();
    tf.removeBackend("webgpu");
  }
}

const random = testRandom(11);
const normal = (shape: number[], scale: number, mean = 0) =>
  tf.tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () =>
      mean + scale * random.normal()),
    shape,
  );

/** Means of one task, from tfjs operations alone. */
function mlp(params: tf.Tensor1D, modulation: tf.Tensor1D, obs: tf.Tensor2D): tf.Tensor2D {
  const widths = layerWidths(spec);
  const entry = (name: string) => policyLayout(spec).entries.find((e) => e.name === name)!;
  const film = (name: string) => modulationLayout(spec).entries.find((e) => e.name === name)!;
  const part = (vector: tf.Tensor1D, { offset, size }: { offset: number; size: number }) =>
    vector.slice(offset, size);
  let x = obs;
  for (let layer = 0; layer + 1 < widths.length; layer++) {
    const weights = part(params, entry(`W${layer}`)).reshape([widths[layer], widths[layer + 1]]);
    const u = tf.add(tf.matMul(x, weights as tf.Tensor2D), part(params, entry(`b${layer}`)));
    if (layer === widths.length - 2) return u as tf.Tensor2D;
    const gamma = part(modulation, film(`gamma${layer}`)).add(1);
    x = u.mul(gamma).add(part(modulation, film(`beta${layer}`))).tanh() as tf.Tensor2D;
  }
  return x;
}

gpuTest(
  "tfjs and the kernels see each other's writes in the same memory",
  () =>
    withKernels(async (kernels) => {
      const { device } = kernels;
      const doubled = tf.tensor2d([[1, 2], [3, 4]]).mul(2);
      const view = kernels.tensorFromTfjs(doubled);
      assert.deepEqual(view.shape, [2, 2]);
      assert.deepEqual([...await device.read(view)], [2, 4, 6, 8], "what tfjs had queued is there");
      device.write(view, [9], 3);
      assert.deepEqual([...await doubled.data()], [2, 4, 6, 9], "tfjs sees the device's write");
      const resource = kernels.backend.tensorMap.get(doubled.dataId).resource;
      assert.equal(device.bufferOf(view), resource, "one buffer");
      device.free(view);
      assert.deepEqual([...await doubled.data()], [2, 4, 6, 9], "freeing a view frees no memory");

      const tensor = device.tensor("own", [2], "f32");
      const shown = kernels.tfjsFromTensor(tensor);
      device.write(tensor, [5, 6]);
      assert.deepEqual([...await shown.add(1).data()], [6, 7]);
      shown.dispose();
      assert.deepEqual([...await device.read(tensor)], [5, 6], "disposing frees no memory");
      device.free(tensor);
    }),
);

gpuTest("surrogateGradient() equals tfjs's autodiff", () =>
  withKernels(async (kernels) => {
    const tasks = COUNTS.length;
    const total = COUNTS.reduce((a, b) => a + b, 0);
    const { obsDim, actDim } = spec;
    const numParams = policyLayout(spec).size;
    const numModulation = modulationLayout(spec).size;
    const params = normal([tasks, numParams], 0.4);
    const modulation = normal([tasks, numModulation], 0.4);
    const obs = normal([total, obsDim], 1);
    const actions = normal([total, actDim], 0.8);
    const advantages = normal([total], 1);
    const oldMean = normal([total, actDim], 0.3);
    const oldLogStd = normal([total, actDim], 0.1);
    const offsets = tf.tensor1d([0, COUNTS[0], total], "int32");
    const maxSamplesPerTask = Math.max(...COUNTS);
    const samples = { obs, actions, advantages, oldMean, oldLogStd, offsets, maxSamplesPerTask };

    const rows = (tensor: TfjsTensor, m: number) =>
      tensor.slice([m === 0 ? 0 : COUNTS[0]], [COUNTS[m]]);
    const squared = (z: TfjsTensor) => tf.sum(tf.square(z), -1);
    const ratio = (theta: tf.Tensor1D, gamma: tf.Tensor1D, m: number) => {
      const mean = mlp(theta, gamma, rows(obs, m) as tf.Tensor2D);
      const logStd = theta.slice(numParams - actDim, actDim);
      const [x, old, oldStd] = [actions, oldMean, oldLogStd].map((tensor) => rows(tensor, m));
      const z = tf.div(tf.sub(x, mean), tf.exp(logStd));
      const zOld = tf.div(tf.sub(x, old), tf.exp(oldStd));
      const constants = tf.sub(tf.sum(oldStd, -1), tf.sum(logStd));
      return tf.exp(tf.add(constants, tf.mul(0.5, tf.sub(squared(zOld), squared(z)))));
    };
    for (const clipEps of [null, CLIP]) {
      const result = await kernels.surrogateGradient({
        ...{ spec, params, modulation, samples, clipEps, minLogStd: null },
      });
      const stats = await result.stats.array() as number[][];
      for (let m = 0; m < tasks; m++) {
        const loss = (theta: TfjsTensor, gamma: TfjsTensor) => {
          const r = ratio(theta as tf.Tensor1D, gamma as tf.Tensor1D, m);
          const adv = rows(advantages, m);
          const plain = tf.mul(r, adv);
          const objective = clipEps === null
            ? plain
            : tf.minimum(plain, tf.mul(tf.clipByValue(r, 1 - clipEps, 1 + clipEps), adv));
          return tf.neg(tf.mean(objective)) as tf.Scalar;
        };
        const theta = params.slice([m, 0], [1, numParams]).flatten();
        const gamma = modulation.slice([m, 0], [1, numModulation]).flatten();
        const [value] = await loss(theta, gamma).data();
        assert.ok(Math.abs(stats[m][0] - value) < VALUE_TOLERANCE);
        const [dTheta, dGamma] = tf.grads(loss)([theta, gamma]);
        const taskRow = (tensor: TfjsTensor) => tensor.slice([m, 0], [1, tensor.shape[1]!]).data();
        const pairs = [
          [await taskRow(result.gradParams), await dTheta.data()],
          [await taskRow(result.gradModulation!), await dGamma.data()],
        ];
        for (const [ours, theirs] of pairs) {
          assert.ok(relativeError(ours, theirs) < VALUE_TOLERANCE, `task ${m}, clip ${clipEps}`);
          assert.ok(theirs.some((entry) => entry !== 0));
        }
      }
    }
  }));

gpuTest(
  "policyForward() and encoderForward() give tfjs tensors that tfjs goes on with",
  () =>
    withKernels(async (kernels) => {
      const numParams = policyLayout(spec).size;
      const params = normal([1, numParams], 0.4);
      const modulation = normal([1, modulationLayout(spec).size], 0.4);
      const obs = normal([5, spec.obsDim], 1);
      const offsets = tf.tensor1d([0, 5], "int32");
      const mean = await kernels.policyForward({
        ...{ spec, params, modulation, obs, offsets, maxSamplesPerTask: 5 },
      });
      const expected = mlp(params.flatten(), modulation.flatten(), obs as tf.Tensor2D);
      const difference = tf.max(tf.abs(tf.sub(mean, expected)));
      assert.ok((await difference.data())[0] < VALUE_TOLERANCE);

      // zero weights: the GRU stays at 0, so that the modulation is out_b = 0
      const encoder = { inputDim: 2, cellSize: 3, outputDim: 4, mlpAfterGru: false };
      const result = await kernels.encoderForward({
        spec: { ...encoder, mlpAfterPool: false },
        params: tf.zeros([(2 + 3 + 1) * 9 + 3 * 4 + 4]),
        sequences: normal([2, 3, 2], 1),
        slots: 2,
        numPaths: tf.tensor1d([2], "int32"),
      });
      assert.deepEqual(result.modulation.shape, [1, 4]);
      assert.deepEqual([...await result.modulation.add(1).data()], [1, 1, 1, 1]);
    }),
);

gpuTest("openTfjsKernels() takes the device of a backend that tfjs already has", async () => {
  const first = await openTfjsKernels();
  const backend = new WebGPUBackend(first.device.gpuDevice);
  const kernels = await openTfjsKernels(backend);
  assert.equal(kernels.device.gpuDevice, first.device.gpuDevice);
  await kernels.close();
  // closing the kernels left the shared device open
  assert.deepEqual([...await tf.tensor1d([1, 2]).add(1).data()], [2, 3]);
  await first.close();
  tf.removeBackend("webgpu");
});
