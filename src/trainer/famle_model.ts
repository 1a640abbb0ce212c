/**
 * A meta-trained dynamics model as data: what a file holds, and what adapting needs. The file is a
 * checkpoint (`run/checkpoint.ts`) with one tensor per entry of the layout, the normaliser
 * (`normalizer.mean_in` ...) and the task rows of the situations.
 */
import { dynamicsLayout, type DynamicsSpec } from "../compute/layout.ts";
import { type FamleConfig, publishedFamleConfig } from "../config/famle.ts";
import { type Checkpoint, type NamedTensor, tensorOf } from "../run/checkpoint.ts";
import { RunError, UserError } from "../util/errors.ts";
import type { JsonValue } from "../util/json.ts";
import type { Normalizer } from "../util/normalizer.ts";

/** Name of the algorithm in a checkpoint's metadata. */
export const FAMLE = "famle";

/** A situation that a model was trained on. */
export interface TrainedSituation {
  /** For people. */
  readonly name: string;
  /** [D] task row of the environment */
  readonly row: Float64Array;
}

/** A model and where it comes from. */
export interface FamleModel {
  /** Environment that the data are from; `null` where that is not known (a PyTorch file). */
  readonly env: { readonly name: string; readonly version: number | string } | null;
  /** Sizes of the network. */
  readonly spec: DynamicsSpec;
  /** Units of the network's inputs and outputs. */
  readonly normalizer: Normalizer;
  /** [P] */
  readonly params: Float32Array;
  /** What it was trained on; situation g has embedding g modulo `spec.situations`. */
  readonly situations: readonly TrainedSituation[];
  /** Meta-iterations done. */
  readonly metaIterations: number;
  /** Seed of the meta-training. */
  readonly seed: number;
}

/**
 * Network for `inputDim` inputs and `outputDim` outputs with these settings.
 *
 * @param situations of the data
 * @throws UserError `config-value` for more embeddings than situations
 */
export function dynamicsSpecOf(
  config: FamleConfig,
  inputDim: number,
  outputDim: number,
  situations: number,
): DynamicsSpec {
  const embeddings = config.embeddings ?? situations;
  if (embeddings > situations) {
    throw new UserError(
      "config-value",
      `"embeddings" must be at most the number of situations; got ${embeddings} for data of ` +
        `${situations}`,
    );
  }
  return {
    inputDim,
    outputDim,
    situations: embeddings,
    embeddingDim: config.embeddingSize,
    hiddenSizes: config.hiddenSizes,
    activation: config.activation,
    outputLimit: config.outputLimit,
  };
}

/** Embedding of every situation's data. */
export function embeddingOf(spec: DynamicsSpec, situation: number): number {
  return situation % spec.situations;
}

/** The model as a checkpoint. */
export function modelToCheckpoint(model: FamleModel, config: FamleConfig): Checkpoint {
  const { spec, params, normalizer, situations } = model;
  for (const [at, value] of params.entries()) {
    if (Number.isFinite(value)) continue;
    const entry = dynamicsLayout(spec).entries.find((e) => at < e.offset + e.size)!;
    throw new RunError(
      "not-finite",
      `Parameter ${entry.name} of the dynamics model is ${value} after ${model.metaIterations} ` +
        "meta-iterations; lower inner_step",
    );
  }
  const tensors: NamedTensor[] = dynamicsLayout(spec).entries.map((entry) => ({
    name: entry.name,
    shape: entry.shape,
    data: params.subarray(entry.offset, entry.offset + entry.size),
  }));
  const add = (name: string, data: Float64Array) => {
    tensors.push({ name, shape: [data.length], data });
  };
  add("normalizer.mean_in", normalizer.meanIn);
  add("normalizer.std_in", normalizer.stdIn);
  add("normalizer.mean_out", normalizer.meanOut);
  add("normalizer.std_out", normalizer.stdOut);
  const taskDim = situations[0].row.length;
  tensors.push({
    name: "situations",
    shape: [situations.length, taskDim],
    data: Float64Array.from(situations.flatMap(({ row }) => [...row])),
  });
  return {
    algorithm: FAMLE,
    iteration: model.metaIterations,
    counters: { seed: model.seed },
    config: {
      ...publishedFamleConfig(config),
      env: model.env?.name ?? null,
      env_version: model.env?.version ?? null,
      situations: situations.map(({ name }) => name),
    },
    tensors,
  };
}

/** A field of a checkpoint's configuration that this program wrote; anything else is damage. */
function field<T extends JsonValue>(
  checkpoint: Checkpoint,
  source: string,
  name: string,
  isRight: (value: JsonValue | undefined) => value is T,
): T {
  const value = checkpoint.config[name];
  if (isRight(value)) return value;
  throw new UserError(
    "model-mismatch",
    `${source} is not a FAMLE model: its "${name}" is ${JSON.stringify(value)}`,
  );
}

/**
 * The model in a checkpoint.
 *
 * @param source how to call the file in an error message
 * @throws UserError `model-mismatch`, `checkpoint-mismatch`
 */
export function modelFromCheckpoint(checkpoint: Checkpoint, source: string): FamleModel {
  if (checkpoint.algorithm !== FAMLE) {
    throw new UserError(
      "model-mismatch",
      `${source} is a checkpoint of ${checkpoint.algorithm}, not a FAMLE model`,
    );
  }
  const isString = (value: JsonValue | undefined): value is string => typeof value === "string";
  const isStrings = (value: JsonValue | undefined): value is string[] =>
    Array.isArray(value) && value.every(isString) && value.length > 0;
  const isSizes = (value: JsonValue | undefined): value is number[] =>
    Array.isArray(value) && value.every((size) => typeof size === "number");
  const isLimit = (value: JsonValue | undefined): value is number | null =>
    value === null || typeof value === "number";
  const isActivation = (value: JsonValue | undefined): value is "relu" | "tanh" =>
    value === "relu" || value === "tanh";
  const names = field(checkpoint, source, "situations", isStrings);
  const shapeOf = (name: string): readonly number[] => {
    const tensor = checkpoint.tensors.find((candidate) => candidate.name === name);
    if (tensor !== undefined) return tensor.shape;
    throw new UserError("checkpoint-mismatch", `${source} has no tensor "${name}"`);
  };
  const [inputDim] = shapeOf("normalizer.mean_in");
  const [outputDim] = shapeOf("normalizer.mean_out");
  const [situations, embeddingDim] = shapeOf("embeddings");
  const spec: DynamicsSpec = {
    inputDim,
    outputDim,
    situations,
    embeddingDim,
    hiddenSizes: field(checkpoint, source, "hidden_layers", isSizes),
    activation: field(checkpoint, source, "hidden_activation", isActivation),
    outputLimit: field(checkpoint, source, "output_limit", isLimit),
  };
  const layout = dynamicsLayout(spec);
  // found before room is made for them: stated sizes may be any
  const tensors = layout.entries.map(({ name, shape }) => tensorOf(checkpoint, name, shape));
  const params = new Float32Array(layout.size);
  layout.entries.forEach(({ offset }, i) => params.set(tensors[i], offset));
  const vector = (name: string, length: number) =>
    Float64Array.from(tensorOf(checkpoint, `normalizer.${name}`, [length]));
  const [, taskDim] = shapeOf("situations");
  const rows = Float64Array.from(tensorOf(checkpoint, "situations", [names.length, taskDim]));
  const env = checkpoint.config.env, version = checkpoint.config.env_version;
  return {
    env: typeof env === "string" && (typeof version === "number" || typeof version === "string")
      ? { name: env, version }
      : null,
    spec,
    normalizer: {
      meanIn: vector("mean_in", inputDim),
      stdIn: vector("std_in", inputDim),
      meanOut: vector("mean_out", outputDim),
      stdOut: vector("std_out", outputDim),
    },
    params,
    situations: names.map((name, g) => ({
      name,
      row: rows.slice(g * taskDim, (g + 1) * taskDim),
    })),
    metaIterations: checkpoint.iteration,
    seed: checkpoint.counters.seed ?? 0,
  };
}
