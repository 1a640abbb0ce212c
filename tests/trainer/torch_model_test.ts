/** A file of PyTorch, made by tests/run/data/make_fixtures.py, as a model. */
import assert from "node:assert/strict";
import { DynamicsModel } from "../../src/algos/dynamics_model.ts";
import { ReferenceDevice } from "../../src/compute/reference/reference_device.ts";
import { readTorchModel } from "../../src/trainer/torch_model.ts";
import { UserError } from "../../src/util/errors.ts";
import { testNeeding } from "../permissions.ts";

const folder = new URL("../run/data/", import.meta.url);
const read = (name: string) => Deno.readFileSync(new URL(name, folder));

/** y = x W' + b with PyTorch's W [outputs][inputs]. */
function dense(x: number[], weight: number[][], bias: number[]): number[] {
  return weight.map((row, o) => row.reduce((sum, w, i) => sum + w * x[i], bias[o]));
}

testNeeding("read")("readTorchModel() predicts what PyTorch's layers give", async () => {
  const model = readTorchModel(read("famle_model.pt"), "famle_model.pt");
  const stored = JSON.parse(new TextDecoder().decode(read("expected_torch.json")));
  const { state_dict: state, others } = stored;
  const { spec } = model;
  const device = new ReferenceDevice();
  const dynamics = new DynamicsModel(device, spec, model.normalizer);
  dynamics.setParams(model.params);
  const input = Array.from({ length: spec.inputDim }, (_, i) => Math.sin(1 + i));
  for (let situation = 0; situation < spec.situations; situation++) {
    const flat = (values: number[] | number[][]) => values.flat();
    const normalised = input.map((x, i) =>
      (x - flat(others.data_mean_input)[i]) / flat(others.data_std_input)[i]
    );
    let x = [...normalised, ...state["embeddings.weight"][situation]];
    const act = spec.activation === "relu" ? (v: number) => Math.max(v, 0) : Math.tanh;
    spec.hiddenSizes.forEach((_, layer) => {
      x = dense(x, state[`Layers.${layer}.weight`], state[`Layers.${layer}.bias`]).map(act);
    });
    const limit = spec.outputLimit;
    const expected = dense(x, state["fcout.weight"], state["fcout.bias"])
      .map((v) => limit === null ? v : Math.tanh(v) * limit)
      .map((v, i) => v * flat(others.data_std_output)[i] + flat(others.data_mean_output)[i]);
    const predicted = await dynamics.predict(input, situation);
    const scale = Math.max(...expected.map(Math.abs));
    // both are float64 on the same float32 weights
    predicted.forEach((v, i) => assert.ok(Math.abs(v - expected[i]) < 1e-9 * scale));
  }
});

testNeeding("read")("readTorchModel() refuses files that are no FAMLE model", () => {
  for (
    const [name, wanted] of [
      ["tensors.pt", /can't use the model tensors\.pt: it has no "kwargs"/],
      ["famle_model_legacy.pt", /famle_model_legacy\.pt/],
    ] as const
  ) {
    assert.throws(
      () => readTorchModel(read(name), name),
      (error) => error instanceof UserError && wanted.test(error.message),
    );
  }
  assert.throws(
    () => readTorchModel(read("famle_model.pt").slice(0, 500), "cut.pt"),
    (error) => error instanceof UserError && /cut\.pt/.test(error.message),
  );
});
