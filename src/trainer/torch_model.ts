/**
 * The published models: files of PyTorch that hold
 * `{kwargs: sizes, state_dict: tensors, others: normaliser}` (FAMLE's `models/famle.py`). For
 * predictions and adaptation; what situations the embeddings stand for is not in the file.
 *
 * PyTorch stores a layer's weights as [outputs, inputs]; here they are [inputs, outputs].
 */
import { dynamicsLayout, type DynamicsSpec } from "../compute/layout.ts";
import type { NpyArray } from "../run/npy.ts";
import { readTorchCheckpoint, type TorchValue } from "../run/torch_file.ts";
import { UserError } from "../util/errors.ts";
import type { FamleModel } from "./famle_model.ts";

type Dictionary = Readonly<Record<string, TorchValue>>;

function isTensor(value: TorchValue | undefined): value is NpyArray {
  return typeof value === "object" && value !== null && "data" in value && "shape" in value;
}

function isDictionary(value: TorchValue | undefined): value is Dictionary {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isTensor(value);
}

/** Reads one file; every error names it. */
class Reader {
  constructor(readonly source: string) {}

  refuse(problem: string): never {
    throw new UserError("model-mismatch", `can't use the model ${this.source}: ${problem}`);
  }

  dictionary(value: TorchValue | undefined, name: string): Dictionary {
    return isDictionary(value) ? value : this.refuse(`it has no "${name}"`);
  }

  size(value: TorchValue | undefined, name: string): number {
    const size = Number(value);
    return Number.isInteger(size) && size > 0
      ? size
      : this.refuse(`its "${name}" is ${String(value)}`);
  }

  limit(value: TorchValue | undefined): number | null {
    if (value === null || value === undefined) return null;
    const limit = Number(value);
    return Number.isFinite(limit) && limit > 0
      ? limit
      : this.refuse(`its "output_limit" is ${String(value)}`);
  }

  tensor(values: Dictionary, name: string, shape: readonly number[]): Float64Array {
    const value = values[name];
    if (!isTensor(value)) return this.refuse(`it has no tensor "${name}"`);
    // a vector may come with an axis of one
    const extents = value.shape.filter((extent, axis) => extent !== 1 || shape[axis] === 1);
    if (extents.join() !== shape.join() && value.shape.join() !== shape.join()) {
      this.refuse(`its tensor "${name}" is [${value.shape}], wanted [${shape}]`);
    }
    return Float64Array.from(value.data as ArrayLike<number | bigint>, Number);
  }
}

/** [outputs, inputs] to [inputs, outputs]. */
function transposed(weights: Float64Array, outputs: number, inputs: number): Float64Array {
  const out = new Float64Array(weights.length);
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) out[i * outputs + o] = weights[o * inputs + i];
  }
  return out;
}

/**
 * The model in a file of PyTorch.
 *
 * @param source how to call the file in an error message
 * @throws UserError `data-file-damaged`, `model-mismatch`
 */
export function readTorchModel(file: Uint8Array, source: string): FamleModel {
  const reader = new Reader(source);
  const value = reader.dictionary(readTorchCheckpoint(file, source), "kwargs");
  const kwargs = reader.dictionary(value.kwargs, "kwargs");
  const state = reader.dictionary(value.state_dict, "state_dict");
  const others = reader.dictionary(value.others, "others");
  const hidden = kwargs.hidden;
  if (!Array.isArray(hidden) || hidden.length < 1 || hidden.length > 4) {
    reader.refuse(
      `it has ${Array.isArray(hidden) ? hidden.length : "no"} hidden layers, not 1 to 4`,
    );
  }
  const spec: DynamicsSpec = {
    inputDim: reader.size(kwargs.dim_in, "dim_in"),
    outputDim: reader.size(kwargs.dim_out, "dim_out"),
    situations: reader.size(kwargs.num_tasks, "num_tasks"),
    embeddingDim: reader.size(kwargs.embedding_dim, "embedding_dim"),
    hiddenSizes: (hidden as readonly TorchValue[]).map((size) => reader.size(size, "hidden")),
    // as in the published code, all that is not relu is tanh
    activation: kwargs.hidden_activation === "relu" ? "relu" : "tanh",
    outputLimit: reader.limit(kwargs.output_limit),
  };
  const layout = dynamicsLayout(spec);
  const last = spec.hiddenSizes.length;
  // found before room is made for them: stated sizes may be any
  const tensors = layout.entries.map(({ name, shape }) => {
    if (name === "embeddings") return reader.tensor(state, "embeddings.weight", shape);
    const layer = Number(name.slice(1));
    const prefix = layer === last ? "fcout" : `Layers.${layer}`;
    if (name.startsWith("b")) return reader.tensor(state, `${prefix}.bias`, shape);
    const [inputs, outputs] = shape;
    const weights = reader.tensor(state, `${prefix}.weight`, [outputs, inputs]);
    return transposed(weights, outputs, inputs);
  });
  const params = new Float32Array(layout.size);
  layout.entries.forEach(({ offset }, i) => params.set(tensors[i], offset));
  return {
    env: null,
    spec,
    normalizer: {
      meanIn: reader.tensor(others, "data_mean_input", [spec.inputDim]),
      stdIn: reader.tensor(others, "data_std_input", [spec.inputDim]),
      meanOut: reader.tensor(others, "data_mean_output", [spec.outputDim]),
      stdOut: reader.tensor(others, "data_std_output", [spec.outputDim]),
    },
    params,
    situations: Array.from({ length: spec.situations }, (_, g) => ({
      name: `situation ${g}`,
      row: new Float64Array(0),
    })),
    metaIterations: 0,
    seed: 0,
  };
}
