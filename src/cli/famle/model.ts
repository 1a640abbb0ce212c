/** Where the model of `famle adapt` comes from. */
import type { FamleEnvFactory } from "../../envs/famle/famle_env.ts";
import { decodeCheckpoint, latestCheckpoint, readCheckpoint } from "../../run/checkpoint.ts";
import { readDataFile } from "../../run/data_file.ts";
import { type FamleModel, modelFromCheckpoint } from "../../trainer/famle_model.ts";
import { readTorchModel } from "../../trainer/torch_model.ts";
import { UserError } from "../../util/errors.ts";

/** Name of a trained model in the folder of its run or of its data. */
export const MODEL_FILE = "model.safetensors";
/** The same with one embedding for all situations. */
export const MAML_FILE = "model-maml.safetensors";

/** Which of the models that metarl brings along. */
export type BuiltIn = "famle" | "maml";

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false; // reading it says what is wrong
  }
}

/** Whether there is a file. */
export function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/**
 * The model in a file (`.safetensors`, or `.pt` of PyTorch) or in a run's folder.
 *
 * @throws UserError for whatever is no model
 */
export async function readModel(path: string): Promise<FamleModel> {
  if (/\.pth?$/.test(path)) return readTorchModel(readDataFile(path), path);
  if (!isFolder(path)) return modelFromCheckpoint(await readCheckpoint(path), path);
  const file = `${path.replace(/(?<=.)\/+$/, "")}/${MODEL_FILE}`;
  if (isFile(file)) return modelFromCheckpoint(await readCheckpoint(file), file);
  const latest = await latestCheckpoint(`${path}/checkpoints`);
  if (latest === null) {
    throw new UserError(
      "model-not-found",
      `there is no model in ${path}; train one with \`metarl famle train\``,
    );
  }
  return modelFromCheckpoint(latest.checkpoint, latest.path);
}

/** A model that metarl brings along. @throws UserError `model-not-found` */
export async function builtInModel(factory: FamleEnvFactory, kind: BuiltIn): Promise<FamleModel> {
  const { BUILT_IN } = await import("./builtin_models.ts");
  const { name } = factory.spec;
  const bytes = BUILT_IN[name]?.[kind];
  if (bytes === undefined) {
    throw new UserError("model-not-found", `metarl has no model of ${name} inside; give --model`);
  }
  const source = `the built-in model of ${name}`;
  const model = modelFromCheckpoint(await decodeCheckpoint(bytes.slice(), source), source);
  checkModel(model, factory, source);
  return model;
}

/**
 * Throws where a model can't control this robot.
 *
 * @param source what the user gave, for the message
 * @throws UserError `model-mismatch`
 */
export function checkModel(
  model: FamleModel,
  { spec }: FamleEnvFactory,
  source: string,
): void {
  if (model.env !== null && model.env.name !== spec.name) {
    throw new UserError(
      "model-mismatch",
      `${source} is a model of ${model.env.name}, not of ${spec.name}; give --env ` +
        `${model.env.name} or another --model`,
    );
  }
  const { inputDim, outputDim } = model.spec;
  if (outputDim !== spec.obsDim || inputDim !== spec.obsDim + spec.actDim) {
    throw new UserError(
      "model-mismatch",
      `${source} predicts ${outputDim} from ${inputDim} numbers, ${spec.name} has ${spec.obsDim} ` +
        `and ${spec.obsDim + spec.actDim}; give a model of this environment`,
    );
  }
}

/** Throws where a model for the baseline has several embeddings. @throws UserError */
export function checkOneEmbedding({ spec: { situations } }: FamleModel, source: string): void {
  if (situations === 1) return;
  throw new UserError(
    "model-mismatch",
    `${source} has ${situations} embeddings, --baseline maml compares with a model of one; train ` +
      "one with `metarl famle train DATA --embeddings 1`",
  );
}
