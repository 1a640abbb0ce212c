/**
 * Golden check of FAMLE: normalisation, the network and its gradient, meta-training, selection,
 * adaptation, and the planner's cost.
 */
import { DynamicsModel } from "../algos/dynamics_model.ts";
import {
  adapt,
  adaptationRows,
  mostLikely,
  ReptileTraining,
  situationLikelihoods,
} from "../algos/famle.ts";
import type { Device, Tensor } from "../compute/device.ts";
import { type Activation, dynamicsLayout, type DynamicsSpec } from "../compute/layout.ts";
import { type Normalizer, normalizerOf } from "../util/normalizer.ts";
import type { Comparison } from "./comparison.ts";
import { flatten, type Nested, type Tensors } from "./fixture.ts";
import { packParams } from "./meta.ts";

interface FamleCase {
  readonly name: string;
  readonly dim_in: number;
  readonly dim_out: number;
  readonly embedding_dim: number;
  readonly hidden_sizes: number[];
  readonly num_tasks: number;
  readonly activation: Activation;
  readonly output_limit: number | null;
  readonly params: Tensors;
  readonly tasks_in: number[][][];
  readonly tasks_out: number[][][];
  readonly network: {
    readonly batch_x: number[][];
    readonly batch_y: number[][];
    readonly task_ids: number[];
    readonly raw_inputs: number[][];
    readonly raw_task_id: number;
  };
  readonly meta_training: {
    readonly meta_iter: number;
    readonly inner_iter: number;
    readonly inner_step: number;
    readonly meta_step: number;
    readonly minibatch: number;
    readonly inner_sample_size: number | null;
    readonly permutations: number[][][];
  };
  readonly selection: { readonly inputs: number[][]; readonly targets: number[][] };
  readonly adaptation: {
    readonly epochs: number;
    readonly learning_rate: number;
    readonly minibatch: number;
    readonly permutations: number[][];
  };
  readonly expected: {
    readonly normalization: {
      readonly mean_in: number[];
      readonly std_in: number[];
      readonly mean_out: number[];
      readonly std_out: number[];
    };
    readonly batch_output: Nested;
    readonly batch_loss: number;
    readonly batch_gradients: Tensors;
    readonly raw_predictions: Nested;
    readonly meta_step_sizes: number[];
    readonly meta_task_losses: number[];
    readonly params_after_first_meta_iteration: Tensors;
    readonly params_after_meta_training: Tensors;
    readonly selection_errors: number[];
    readonly selection_likelihoods: number[];
    readonly selected_task: number;
    readonly adaptation_losses: number[];
    readonly params_after_adaptation: Tensors;
  };
}

interface PlannerCase {
  readonly state_dim: number;
  readonly action_dim: number;
  readonly horizon: number;
  readonly activation: Activation;
  readonly output_limit: number | null;
  readonly params: Tensors;
  readonly normalization: FamleCase["expected"]["normalization"];
  readonly task_id: number;
  readonly initial_state: number[];
  readonly goal: number[];
  readonly clamp_high: number[];
  readonly clamp_low: number[];
  readonly discount: number;
  readonly candidates: number[][];
  readonly expected: {
    readonly states_after_each_step: Nested;
    readonly costs: number[];
    readonly best_index: number;
    readonly best_sequence: number[];
    readonly first_action: number[];
  };
}

function toNormalizer(stored: FamleCase["expected"]["normalization"]): Normalizer {
  return {
    meanIn: Float64Array.from(stored.mean_in),
    stdIn: Float64Array.from(stored.std_in),
    meanOut: Float64Array.from(stored.mean_out),
    stdOut: Float64Array.from(stored.std_out),
  };
}

/** Runs `use` with new tensors of these shapes and frees them. */
async function withTensors<Name extends string>(
  device: Device,
  shapes: Readonly<Record<Name, readonly number[]>>,
  use: (tensors: Record<Name, Tensor>) => Promise<void>,
): Promise<void> {
  const entries = Object.entries<readonly number[]>(shapes).map(([name, shape]) =>
    [name, device.tensor(name, shape, name === "situations" ? "u32" : "f32")] as const
  );
  try {
    await use(Object.fromEntries(entries) as Record<Name, Tensor>);
  } finally {
    for (const [, tensor] of entries) device.free(tensor);
  }
}

async function checkNetwork(
  model: DynamicsModel,
  c: FamleCase,
  comparison: Comparison,
): Promise<void> {
  const { device, spec, params } = model;
  const { network, expected } = c;
  const rows = network.batch_x.length;
  const layout = dynamicsLayout(spec);
  await withTensors(device, {
    inputs: [rows, spec.inputDim],
    targets: [rows, spec.outputDim],
    situations: [rows],
    outputs: [rows, spec.outputDim],
    gradParams: [layout.size],
    loss: [1],
  }, async (tensors) => {
    device.write(tensors.inputs, flatten(network.batch_x));
    device.write(tensors.targets, flatten(network.batch_y));
    device.write(tensors.situations, network.task_ids);
    await device.submit([
      { kernel: "dynamics_forward", spec, params, ...tensors },
      { kernel: "dynamics_gradient", spec, params, ...tensors },
    ]);
    const at = (name: string) => `${c.name}: ${name}`;
    const read = (name: keyof typeof tensors) => device.read(tensors[name]);
    comparison.add(at("batch_output"), await read("outputs"), expected.batch_output);
    comparison.add(at("batch_loss"), await read("loss"), expected.batch_loss);
    comparison.addParams(
      at("batch_gradients"),
      await read("gradParams"),
      layout.entries,
      expected.batch_gradients,
    );
  });
  comparison.add(
    `${c.name}: raw_predictions`,
    await model.predict(flatten(network.raw_inputs), network.raw_task_id),
    expected.raw_predictions,
  );
}

async function checkMetaTraining(
  model: DynamicsModel,
  c: FamleCase,
  comparison: Comparison,
): Promise<void> {
  const { meta_training: stored, expected } = c;
  const { entries } = dynamicsLayout(model.spec);
  const rows = c.tasks_in.map((inputs, task) =>
    model.upload(flatten(inputs), flatten(c.tasks_out[task]))
  );
  const training = new ReptileTraining(model, rows, {
    metaIterations: stored.meta_iter,
    metaStep: stored.meta_step,
    innerPasses: stored.inner_iter,
    innerLr: stored.inner_step,
    batchSize: stored.minibatch,
    sampleSize: stored.inner_sample_size,
  });
  try {
    const stepSizes: number[] = [], losses: number[] = [];
    for (let n = 0; n < stored.meta_iter; n++) {
      const situation = training.situationOf(n);
      const used = training.rowsPerPass(situation);
      const order = stored.permutations[n].flatMap((pass) => pass.slice(0, used));
      await training.iterate(n, Uint32Array.from(order));
      stepSizes.push(training.stepSize(n));
      losses.push(await training.lastLoss(situation));
      if (n > 0) continue;
      comparison.addParams(
        `${c.name}: params_after_first_meta_iteration`,
        await model.readParams(),
        entries,
        expected.params_after_first_meta_iteration,
      );
    }
    comparison.add(`${c.name}: meta_step_sizes`, stepSizes, expected.meta_step_sizes);
    comparison.add(`${c.name}: meta_task_losses`, losses, expected.meta_task_losses);
    comparison.addParams(
      `${c.name}: params_after_meta_training`,
      await model.readParams(),
      entries,
      expected.params_after_meta_training,
    );
  } finally {
    training.close();
    for (const set of rows) model.free(set);
  }
}

async function checkAdaptation(
  model: DynamicsModel,
  c: FamleCase,
  comparison: Comparison,
): Promise<void> {
  const { selection, adaptation, expected } = c;
  const rows = model.upload(flatten(selection.inputs), flatten(selection.targets));
  try {
    const at = (name: string) => `${c.name}: ${name}`;
    const errors = await model.errors(rows);
    const likelihoods = situationLikelihoods(errors, rows.count);
    const selected = mostLikely(likelihoods);
    comparison.add(at("selection_errors"), errors, expected.selection_errors);
    comparison.add(at("selection_likelihoods"), likelihoods, expected.selection_likelihoods);
    comparison.add(at("selected_task"), [selected], expected.selected_task);
    const settings = {
      epochs: adaptation.epochs,
      learningRate: adaptation.learning_rate,
      batchSize: adaptation.minibatch,
    };
    const used = adaptationRows(settings, rows.count);
    const order = adaptation.permutations.flatMap((epoch) => epoch.slice(0, used));
    const losses = await adapt(model, rows, selected, settings, Uint32Array.from(order));
    comparison.add(at("adaptation_losses"), losses, expected.adaptation_losses);
    comparison.addParams(
      at("params_after_adaptation"),
      await model.readParams(),
      dynamicsLayout(model.spec).entries,
      expected.params_after_adaptation,
    );
  } finally {
    model.free(rows);
  }
}

async function checkCase(device: Device, c: FamleCase, comparison: Comparison): Promise<void> {
  const { normalization } = c.expected;
  const normalizer = normalizerOf(
    c.tasks_in.map((inputs, task) => ({
      inputs: flatten(inputs),
      targets: flatten(c.tasks_out[task]),
    })),
    c.dim_in,
    c.dim_out,
  );
  for (
    const [name, computed] of Object.entries({
      mean_in: normalizer.meanIn,
      std_in: normalizer.stdIn,
      mean_out: normalizer.meanOut,
      std_out: normalizer.stdOut,
    })
  ) {
    const stored = normalization[name as keyof typeof normalization];
    comparison.add(`${c.name}: normalization.${name}`, computed, stored);
  }
  const spec: DynamicsSpec = {
    inputDim: c.dim_in,
    outputDim: c.dim_out,
    situations: c.num_tasks,
    embeddingDim: c.embedding_dim,
    hiddenSizes: c.hidden_sizes,
    activation: c.activation,
    outputLimit: c.output_limit,
  };
  const model = new DynamicsModel(device, spec, normalizer);
  try {
    model.setParams(packParams(dynamicsLayout(spec), c.params));
    await checkNetwork(model, c, comparison);
    await checkMetaTraining(model, c, comparison);
    await checkAdaptation(model, c, comparison);
  } finally {
    model.close();
  }
}

async function checkPlanner(device: Device, p: PlannerCase, comparison: Comparison): Promise<void> {
  const [situations, embeddingDim] = shapeOf(p.params.embeddings);
  const spec: DynamicsSpec = {
    inputDim: p.state_dim + p.action_dim,
    outputDim: p.state_dim,
    situations,
    embeddingDim,
    hiddenSizes: [shapeOf(p.params.b0)[0], shapeOf(p.params.b1)[0]],
    activation: p.activation,
    outputLimit: p.output_limit,
  };
  const count = p.candidates.length;
  const model = new DynamicsModel(device, spec, toNormalizer(p.normalization));
  const { meanIn, stdIn, meanOut, stdOut } = model.normalizer;
  try {
    model.setParams(packParams(dynamicsLayout(spec), p.params));
    await withTensors(device, {
      normalizer: [2 * (spec.inputDim + spec.outputDim)],
      state: [p.state_dim],
      bounds: [2, p.state_dim],
      sequences: [count, p.horizon, p.action_dim],
      returns: [count],
      states: [p.horizon, count, p.state_dim],
    }, async (tensors) => {
      device.write(tensors.normalizer, [...meanIn, ...stdIn, ...meanOut, ...stdOut]);
      device.write(tensors.state, p.initial_state);
      device.write(tensors.bounds, [...p.clamp_low, ...p.clamp_high]);
      device.write(tensors.sequences, flatten(p.candidates));
      await device.submit([{
        kernel: "dynamics_rollout",
        spec,
        params: model.params,
        situation: p.task_id,
        horizon: p.horizon,
        discount: p.discount,
        reward: {
          linear: [],
          proximity: {
            weight: 1,
            columns: [p.state_dim - 2, p.state_dim - 1],
            goal: p.goal,
          },
          penalty: null,
        },
        ...tensors,
      }]);
      const { expected } = p;
      const costs = Array.from(await device.read(tensors.returns), (value) => -value);
      const best = costs.indexOf(Math.min(...costs));
      comparison.add(
        "planner: states_after_each_step",
        await device.read(tensors.states),
        expected.states_after_each_step,
      );
      comparison.add("planner: costs", costs, expected.costs);
      comparison.add("planner: best_index", [best], expected.best_index);
      comparison.add("planner: best_sequence", p.candidates[best], expected.best_sequence);
      const first = p.candidates[best].slice(0, p.action_dim);
      comparison.add("planner: first_action", first, expected.first_action);
    });
  } finally {
    model.close();
  }
}

/** Extents of a nested array. */
function shapeOf(nested: Nested): number[] {
  return typeof nested === "number" ? [] : [nested.length, ...shapeOf(nested[0])];
}

/** Checks one case of `famle.json`, or its planner, on a device. */
export async function checkFamle(
  device: Device,
  content: unknown,
  comparison: Comparison,
): Promise<void> {
  const part = content as FamleCase | { readonly planner: PlannerCase };
  if ("planner" in part) await checkPlanner(device, part.planner, comparison);
  else await checkCase(device, part, comparison);
}
