/**
 * The models that `famle adapt` works with: named, beside the data, trained on the data, or the
 * ones inside of the program.
 */
import { encodeCheckpoint } from "../../run/checkpoint.ts";
import { writeFileAtomic } from "../../run/files.ts";
import { readData, type StoredData } from "../../trainer/famle_data.ts";
import { dynamicsSpecOf, type FamleModel, modelToCheckpoint } from "../../trainer/famle_model.ts";
import { trainFamle } from "../../trainer/famle_trainer.ts";
import { RunError, UserError } from "../../util/errors.ts";
import type { Output } from "../output.ts";
import { loadFamleEnv } from "./environment.ts";
import { builtInModel, checkModel, isFile, MAML_FILE, MODEL_FILE, readModel } from "./model.ts";
import { type CommonOptions, openDevice } from "./options.ts";
import { type SettingOptions, settingsOf } from "./settings.ts";
import { BlockView } from "./train.ts";

/** What the user typed about models. */
export interface ModelOptions extends CommonOptions, SettingOptions {
  readonly model?: string;
  readonly mamlModel?: string;
  readonly env?: string;
  readonly data?: string;
}

/** Models of one environment. */
export interface Models {
  /** The environment they are of. */
  readonly env: string;
  /** With an embedding per situation. */
  readonly famle: FamleModel;
  /** With one embedding, where it is wanted. */
  readonly maml: FamleModel | null;
  /** Where they come from, for people. */
  readonly source: string;
}

const DEFAULT_ENV = "famle_reacher";

/** The model beside the data; trained first where there is none, as the published code does. */
async function modelOfData(
  folder: string,
  data: StoredData,
  embeddings: number | null,
  options: ModelOptions,
  output: Output,
  stop: AbortSignal,
  seed: number,
): Promise<FamleModel> {
  const name = embeddings === null ? MODEL_FILE : MAML_FILE;
  const path = `${folder}/${name}`;
  if (isFile(path)) return await readModel(path);
  output.error(`no ${name} in ${folder}: training one on the data there`);
  const config = settingsOf(data.env.name, options, [
    ["--embeddings", "embeddings", embeddings === null ? undefined : String(embeddings)],
  ]);
  const spec = dynamicsSpecOf(config, data.inputDim, data.outputDim, data.situations.length);
  const device = await openDevice(options, "training", spec, output);
  try {
    const view = new BlockView(config, output, options.json === true);
    const { model, finished } = await trainFamle(device, {
      data,
      config,
      seed,
      writer: null,
      resume: null,
      stop,
      onBlock: view.block,
    });
    output.status(null);
    if (!finished) throw new RunError("interrupted", "meta-training was interrupted");
    writeFileAtomic(folder, name, await encodeCheckpoint(modelToCheckpoint(model, config)));
    return model;
  } finally {
    output.status(null);
    await device.close();
  }
}

/**
 * Finds the models.
 *
 * @param wantsMaml whether the baseline with one embedding is asked for
 * @param seed of a training that may be needed
 * @throws UserError for a model that is missing, damaged or of another environment
 */
export async function findModels(
  options: ModelOptions,
  wantsMaml: boolean,
  output: Output,
  stop: AbortSignal,
  seed: number,
): Promise<Models> {
  if (options.model !== undefined) {
    if (options.data !== undefined) {
      throw new UserError("usage", "--model can't be combined with --data: give one of them");
    }
    const famle = await readModel(options.model);
    const env = options.env ?? famle.env?.name ?? DEFAULT_ENV;
    const factory = await loadFamleEnv(env);
    checkModel(famle, factory, options.model);
    let maml: FamleModel | null = null;
    if (wantsMaml) {
      if (options.mamlModel === undefined) {
        throw new UserError(
          "usage",
          "--baseline maml beside --model needs a model with one embedding: give --maml-model " +
            "(`metarl famle train DATA --embeddings 1` makes one)",
        );
      }
      maml = await readModel(options.mamlModel);
      checkModel(maml, factory, options.mamlModel);
    }
    return { env, famle, maml, source: options.model };
  }
  if (options.data !== undefined) {
    const folder = options.data.replace(/(?<=.)\/+$/, "");
    const data = await readData(folder, loadFamleEnv);
    const env = data.env.name;
    if (options.env !== undefined && options.env !== env) {
      throw new UserError("model-mismatch", `the data in ${folder} are of ${env}; leave out --env`);
    }
    const famle = await modelOfData(folder, data, null, options, output, stop, seed);
    const maml = wantsMaml ? await modelOfData(folder, data, 1, options, output, stop, seed) : null;
    return { env, famle, maml, source: `${folder}/${MODEL_FILE}` };
  }
  const env = options.env ?? DEFAULT_ENV;
  const { spec: { name } } = await loadFamleEnv(env);
  return {
    env: name,
    famle: await builtInModel(name, "famle"),
    maml: wantsMaml ? await builtInModel(name, "maml") : null,
    source: "the built-in one",
  };
}
