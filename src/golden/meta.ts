/**
 * Golden checks of the meta-objective: values, adapted parameters, gradient, outer epochs.
 * One meta-gradient with everything in it: encoder, inner steps, pullback, Adam.
 */
import { MetaObjective, type TaskSamples } from "../algos/meta_objective.ts";
import type { Device, Tensor } from "../compute/device.ts";
import {
  encoderLayout,
  type EncoderSpec,
  type Layout,
  modulationLayout,
  policyLayout,
  type PolicySpec,
} from "../compute/layout.ts";
import { logLikelihood } from "../compute/reference/distribution.ts";
import type { Comparison } from "./comparison.ts";
import { flatten, type Nested, type Tensors } from "./fixture.ts";

/** One rollout of a fixture. */
export interface FixturePath {
  readonly observations: number[][];
  readonly actions: number[][];
  readonly rewards: number[];
}

interface SamplePath extends FixturePath {
  readonly advantages: number[];
  readonly old_mean: number[][];
  readonly old_log_std: number[][];
}

interface MetaCase {
  readonly name: string;
  readonly algorithm: "promp" | "mmaml";
  readonly obs_dim: number;
  readonly act_dim: number;
  readonly hidden_sizes: number[];
  readonly num_tasks: number;
  readonly num_inner_steps: number;
  readonly max_path_length: number;
  readonly inner_lr: number;
  readonly clip_eps: number;
  readonly inner_kl_coeff: number[];
  readonly min_log_std: number;
  readonly cell_size: number;
  readonly use_betas: boolean;
  readonly shift_gammas: boolean;
  readonly mlp_after_gru: boolean;
  readonly mlp_after_pool: boolean;
  readonly policy: Tensors;
  readonly encoder: Tensors;
  readonly steps: { tasks: { paths: SamplePath[] }[] }[];
  readonly expected: {
    readonly inner_surrogates: Nested;
    readonly inner_kls: Nested;
    readonly adapted_params: Tensors[][];
    readonly outer_likelihood_ratios: Nested;
    readonly outer_surrogates: Nested;
    readonly outer_kls: Nested;
    readonly mean_inner_kls: Nested;
    readonly mean_outer_kl: number;
    readonly meta_loss: number;
    readonly gradient_policy: Tensors;
    readonly gradient_encoder: Tensors;
    readonly modulation: Nested;
    readonly outer_epochs: {
      readonly learning_rate: number;
      readonly losses_before_each: number[];
      readonly loss_after: number;
      readonly mean_inner_kls_after: Nested;
      readonly policy_after: Tensors;
      readonly encoder_after: Tensors;
    };
  };
}

/** Flat parameter vector from named tensors, in the layout's order. */
export function packParams(layout: Layout, tensors: Tensors): Float64Array {
  const flat = new Float64Array(layout.size);
  for (const { name, offset, size } of layout.entries) {
    const numbers = flatten(tensors[name]);
    if (numbers.length !== size) {
      throw new RangeError(
        `Cannot pack ${name}: ${numbers.length} numbers, the layout has ${size}`,
      );
    }
    flat.set(numbers, offset);
  }
  return flat;
}

/**
 * Encoder input [tasks, slots, maxPathLength, I]: rows of [observation, action, reward], padded
 * with zero rows at the front; slots is the largest number of paths of a task.
 */
export function padSequences(
  tasks: readonly (readonly FixturePath[])[],
  maxPathLength: number,
  inputDim: number,
): { sequences: Float64Array; numPaths: number[]; slots: number } {
  const slots = Math.max(...tasks.map((paths) => paths.length));
  const sequences = new Float64Array(tasks.length * slots * maxPathLength * inputDim);
  tasks.forEach((paths, m) =>
    paths.forEach((path, slot) =>
      path.observations.forEach((obs, t) => {
        const step = maxPathLength - path.observations.length + t;
        sequences.set(
          [...obs, ...path.actions[t], path.rewards[t]],
          ((m * slots + slot) * maxPathLength + step) * inputDim,
        );
      })
    )
  );
  return { sequences, numPaths: tasks.map((paths) => paths.length), slots };
}

function taskSamples({ paths }: { paths: SamplePath[] }): TaskSamples {
  const all = (pick: (path: SamplePath) => Nested) =>
    Float64Array.from(paths.flatMap(
      (path) => flatten(pick(path)),
    ));
  const advantages = all((path) => path.advantages);
  return {
    count: advantages.length,
    obs: all((path) => path.observations),
    actions: all((path) => path.actions),
    advantages,
    oldMean: all((path) => path.old_mean),
    oldLogStd: all((path) => path.old_log_std),
  };
}

/** Checks one case of `*_meta.json` on a device. */
export async function checkMetaCase(
  device: Device,
  content: unknown,
  comparison: Comparison,
): Promise<void> {
  const c = content as MetaCase;
  const { expected, num_inner_steps: innerSteps, num_tasks: tasks } = c;
  const modulated = c.algorithm === "mmaml";
  const policy: PolicySpec = {
    obsDim: c.obs_dim,
    actDim: c.act_dim,
    hiddenSizes: c.hidden_sizes,
    activation: "tanh",
    learnStd: true,
    film: modulated ? { useBetas: c.use_betas, shiftGammas: c.shift_gammas } : null,
  };
  const encoder: EncoderSpec | null = !modulated ? null : {
    inputDim: c.obs_dim + c.act_dim + 1,
    cellSize: c.cell_size,
    mlpAfterGru: c.mlp_after_gru,
    mlpAfterPool: c.mlp_after_pool,
    outputDim: modulationLayout(policy).size,
  };
  const data = c.steps.map((step) => step.tasks.map(taskSamples));
  const input = padSequences(
    c.steps[0].tasks.map((task) => task.paths),
    c.max_path_length,
    c.obs_dim + c.act_dim + 1,
  );
  const objective = new MetaObjective(device, {
    policy,
    encoder,
    tasks,
    innerSteps,
    innerLr: c.inner_lr,
    minLogStd: c.min_log_std,
    sampleCapacity: Math.max(
      ...data.map((step) => step.reduce((sum, { count }) => sum + count, 0)),
    ),
    slots: input.slots,
    sequenceLength: c.max_path_length,
  });
  try {
    const policyEntries = policyLayout(policy).entries;
    const encoderEntries = encoder === null ? [] : encoderLayout(encoder).entries;
    objective.setParams({
      policy: packParams(policyLayout(policy), c.policy),
      encoder: encoder === null ? null : packParams(encoderLayout(encoder), c.encoder),
    });
    data.forEach((step, k) => objective.setSamples(k, step));
    if (encoder !== null) objective.setSequences(input.sequences, input.numPaths);

    const coefficients = { clipEps: c.clip_eps, klCoeff: c.inner_kl_coeff };
    const { metaGradient } = comparison.tolerances;
    const mean = (xs: number[]) => xs.reduce((sum, x) => sum + x, 0) / xs.length;
    const at = (name: string) => `${c.name}: ${name}`;

    const values = await objective.gradient(coefficients);
    comparison.add(
      at("inner_surrogates"),
      values.innerSurrogates.flat(),
      expected.inner_surrogates,
    );
    comparison.add(at("inner_kls"), values.innerKls.flat(), expected.inner_kls);
    comparison.add(at("outer_surrogates"), values.outerSurrogates, expected.outer_surrogates);
    comparison.add(at("outer_kls"), values.outerKls, expected.outer_kls);
    comparison.add(at("mean_inner_kls"), values.innerKls.map(mean), expected.mean_inner_kls);
    comparison.add(at("mean_outer_kl"), [mean(values.outerKls)], expected.mean_outer_kl);
    comparison.add(at("meta_loss"), [values.loss], expected.meta_loss);
    const paramCount = policyLayout(policy).size;
    for (let k = 0; k < innerSteps; k++) {
      const adapted = await objective.adaptedParams(k + 1);
      for (let i = 0; i < tasks; i++) {
        comparison.addParams(
          at(`adapted_params[${k}][${i}]`),
          adapted.slice(i * paramCount, (i + 1) * paramCount),
          policyEntries,
          expected.adapted_params[k][i],
        );
      }
    }
    const encoding = await objective.encoding();
    if (encoding !== null) {
      comparison.add(at("modulation"), encoding.modulation, expected.modulation);
    }
    comparison.add(
      at("outer_likelihood_ratios"),
      await outerRatios(device, objective, policy, data[innerSteps]),
      expected.outer_likelihood_ratios,
    );
    const gradients = await objective.gradients();
    comparison.addParams(
      at("gradient_policy"),
      gradients.policy,
      policyEntries,
      expected.gradient_policy,
      metaGradient,
    );
    if (gradients.encoder !== null) {
      comparison.addParams(
        at("gradient_encoder"),
        gradients.encoder,
        encoderEntries,
        expected.gradient_encoder,
        metaGradient,
      );
    }

    const epochs = expected.outer_epochs;
    const losses: number[] = [];
    for (let step = 1; step <= epochs.losses_before_each.length; step++) {
      losses.push((await objective.step(coefficients, { lr: epochs.learning_rate, step })).loss);
    }
    const after = await objective.evaluate(coefficients);
    // Losses after a step follow from the meta-gradient, so its tolerance is theirs.
    comparison.add(at("losses_before_each"), losses, epochs.losses_before_each, metaGradient);
    comparison.add(at("loss_after"), [after.loss], epochs.loss_after, metaGradient);
    if (device.kind === "reference") {
      // In float32 Adam turns rounding noise in tiny gradients into full steps.
      comparison.add(
        at("mean_inner_kls_after"),
        after.innerKls.map(mean),
        epochs.mean_inner_kls_after,
      );
      const params = await objective.params();
      comparison.addParams(at("policy_after"), params.policy, policyEntries, epochs.policy_after);
      if (params.encoder !== null) {
        comparison.addParams(
          at("encoder_after"),
          params.encoder,
          encoderEntries,
          epochs.encoder_after,
        );
      }
    }
  } finally {
    objective.close();
  }
}

/** Likelihood ratios of the last step's samples, from means that the device computes. */
async function outerRatios(
  device: Device,
  objective: MetaObjective,
  spec: PolicySpec,
  tasks: readonly TaskSamples[],
): Promise<number[]> {
  const { size } = policyLayout(spec);
  const { actDim } = spec;
  const adapted = await objective.adaptedParams(objective.spec.innerSteps);
  const encoding = await objective.encoding();
  const width = modulationLayout(spec).size;
  const ratios: number[] = [];
  for (const [m, task] of tasks.entries()) {
    const owned: Tensor[] = [];
    const tensor = (label: string, shape: number[], data?: ArrayLike<number>, type?: "u32") => {
      const made = device.tensor(label, shape, type);
      if (data !== undefined) device.write(made, data);
      owned.push(made);
      return made;
    };
    const theta = adapted.slice(m * size, (m + 1) * size);
    const mean = tensor("mean", [task.count, actDim]);
    await device.submit([{
      kernel: "policy_forward",
      spec,
      params: tensor("adapted params", [1, size], theta),
      modulation: encoding === null
        ? null
        : tensor("modulation", [1, width], encoding.modulation.slice(m * width, (m + 1) * width)),
      obs: tensor("obs", [task.count, spec.obsDim], task.obs),
      offsets: tensor("offsets", [2], [0, task.count], "u32"),
      maxSamplesPerTask: task.count,
      mean,
    }]);
    const means = await device.read(mean);
    for (const made of owned) device.free(made);
    const logStd = { data: theta, at: size - actDim };
    for (let s = 0; s < task.count; s++) {
      const at = s * actDim;
      const action = { data: task.actions, at };
      ratios.push(Math.exp(
        logLikelihood(action, { data: means, at }, logStd, actDim) -
          logLikelihood(
            action,
            { data: task.oldMean, at },
            { data: task.oldLogStd, at },
            actDim,
          ),
      ));
    }
  }
  return ratios;
}
