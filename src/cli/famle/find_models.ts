/**
 * The models that `famle adapt` works with: named, beside the data, trained on the data, or the
 * ones inside of the program.
 */
import { basename, dirname } from "node:path";
import type { FamleConfig } from "../../config/famle.ts";
import type { FamleEnvFactory } from "../../envs/famle/famle_env.ts";
import { encodeCheckpoint } from "../../run/checkpoint.ts";
import { writeFileAtomic } from "../../run/files.ts";
import { readData, type StoredData } from "../../trainer/famle_data.ts";
import { dynamicsSpecOf, type FamleModel, modelToCheckpoint } from "../../trainer/famle_model.ts";
import { checkData, trainFamle } from "../../trainer/famle_trainer.ts";
import { UserError } from "../../util/errors.ts";
import type { Output } from "../output.ts";
import { DEFAULT_ENV, loadFamleEnv } from "./environment.ts";
import {
  type BuiltIn,
  builtInModel,
  checkModel,
  checkOneEmbedding,
  isFile,
  MAML_FILE,
  MODEL_FILE,
  readModel,
} from "./model.ts";
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
  /** With an embedding per situation. */
  readonly famle: FamleModel;
  /** With one embedding, where it is wanted. */
  readonly maml: FamleModel | null;
}

/** Where models will come from: everything that can be refused is checked. */
export interface ModelPlan {
  /** The environment they are of. */
  readonly factory: FamleEnvFactory;
  /** Where they come from, for people. */
  readonly source: string;
  /** Whether one has to be trained first. */
  readonly trains: boolean;
  /** Lines for the user. */
  readonly warnings: readonly string[];
  /**
   * Gives them; trains what has to be trained. `null` where that was stopped.
   * @param seed of a training
   */
  load(output: Output, stop: AbortSignal, seed: number): Promise<Models | null>;
}

/** Trains a model on the data and keeps it beside them; `null` where it was stopped. */
async function trainBeside(
  path: string,
  data: StoredData,
  config: FamleConfig,
  options: ModelOptions,
  output: Output,
  stop: AbortSignal,
  seed: number,
): Promise<FamleModel | null> {
  output.error(`there is no ${path}: training it on the data there`);
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
    if (!finished) return null;
    const bytes = await encodeCheckpoint(modelToCheckpoint(model, config));
    writeFileAtomic(dirname(path), basename(path), bytes);
    return model;
  } finally {
    output.status(null);
    await device.close();
  }
}

/** A model that has to be of this robot, with as many embeddings as its part asks for. */
async function checkedModel(
  path: string,
  factory: FamleEnvFactory,
  kind: BuiltIn,
): Promise<FamleModel> {
  const model = await readModel(path);
  checkModel(model, factory, path);
  if (kind === "maml") checkOneEmbedding(model, path);
  return model;
}

/** A line about a model of another version of its environment. */
function versionWarnings(models: readonly (FamleModel | null)[], { spec }: FamleEnvFactory) {
  const versions = models.map((model) => model?.env?.version)
    // data of the published code have no number
    .filter((version) => typeof version === typeof spec.version && version !== spec.version);
  return versions.length === 0 ? [] : [
    `warning: the model was trained on version ${versions[0]} of ${spec.name}, this metarl has ` +
    `version ${spec.version}`,
  ];
}

/** Models that are there already. */
function ready(
  factory: FamleEnvFactory,
  source: string,
  famle: FamleModel,
  maml: FamleModel | null,
): ModelPlan {
  return {
    factory,
    source,
    trains: false,
    warnings: versionWarnings([famle, maml], factory),
    load: () => Promise.resolve({ famle, maml }),
  };
}

/** The models beside data; trained first where there are none, as the published code does. */
async function planBesideData(
  folder: string,
  options: ModelOptions,
  wantsMaml: boolean,
): Promise<ModelPlan> {
  const data = await readData(folder, loadFamleEnv);
  const { name } = data.env;
  if (options.env !== undefined && (await loadFamleEnv(options.env)).spec.name !== name) {
    throw new UserError("model-mismatch", `the data in ${folder} are of ${name}; leave out --env`);
  }
  const factory = await loadFamleEnv(name);
  const paths = { famle: `${folder}/${MODEL_FILE}`, maml: `${folder}/${MAML_FILE}` };
  const stored = async (kind: BuiltIn) =>
    isFile(paths[kind]) ? await checkedModel(paths[kind], factory, kind) : null;
  const configOf = (kind: BuiltIn) => {
    const embeddings = kind === "famle" ? undefined : "1";
    const config = settingsOf(name, options, [["--embeddings", "embeddings", embeddings]]);
    checkData(data, config);
    return config;
  };
  const famle = await stored("famle");
  const maml = !wantsMaml
    ? null
    : options.mamlModel === undefined
    ? await stored("maml")
    : await checkedModel(options.mamlModel, factory, "maml");
  const missing = { famle: famle === null, maml: wantsMaml && maml === null };
  const configs = {
    famle: missing.famle ? configOf("famle") : null,
    maml: missing.maml ? configOf("maml") : null,
  };
  return {
    factory,
    source: paths.famle,
    trains: missing.famle || missing.maml,
    warnings: versionWarnings([famle, maml], factory),
    async load(output, stop, seed) {
      const train = (kind: BuiltIn) =>
        trainBeside(paths[kind], data, configs[kind]!, options, output, stop, seed);
      const loaded = {
        famle: famle ?? await train("famle"),
        maml: missing.maml && !stop.aborted ? await train("maml") : maml,
      };
      if (loaded.famle === null || (wantsMaml && loaded.maml === null)) return null;
      return { famle: loaded.famle, maml: loaded.maml };
    },
  };
}

/**
 * Says where the models come from.
 *
 * @param wantsMaml whether the baseline with one embedding is asked for
 * @throws UserError for a model that is missing, damaged or of another environment
 */
export async function planModels(options: ModelOptions, wantsMaml: boolean): Promise<ModelPlan> {
  const { model, mamlModel, data } = options;
  if (model !== undefined && data !== undefined) {
    throw new UserError("usage", "--model can't be combined with --data: give one of them");
  }
  if (mamlModel !== undefined && !wantsMaml) {
    throw new UserError("usage", "--maml-model is for --baseline maml; add that");
  }
  if (data !== undefined) {
    return await planBesideData(data.replace(/(?<=.)\/+$/, ""), options, wantsMaml);
  }
  if (model === undefined) {
    const factory = await loadFamleEnv(options.env ?? DEFAULT_ENV);
    const famle = await builtInModel(factory, "famle");
    const maml = !wantsMaml
      ? null
      : mamlModel === undefined
      ? await builtInModel(factory, "maml")
      : await checkedModel(mamlModel, factory, "maml");
    return ready(factory, "the built-in one", famle, maml);
  }
  const famle = await readModel(model);
  const factory = await loadFamleEnv(options.env ?? famle.env?.name ?? DEFAULT_ENV);
  checkModel(famle, factory, model);
  if (!wantsMaml) return ready(factory, model, famle, null);
  if (mamlModel === undefined) {
    throw new UserError(
      "usage",
      "--baseline maml beside --model needs a model with one embedding: give --maml-model " +
        "(`metarl famle train DATA --embeddings 1` makes one)",
    );
  }
  return ready(factory, model, famle, await checkedModel(mamlModel, factory, "maml"));
}
