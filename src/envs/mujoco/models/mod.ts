/** The models of this project, by name. MJCF files beside this one, imported as text. */
import antTarget from "./ant_target.xml" with { type: "text" };
import ant from "./ant.xml" with { type: "text" };
import famleReacher from "./famle_reacher.xml" with { type: "text" };
import halfCheetah from "./half_cheetah.xml" with { type: "text" };
import hopper from "./hopper.xml" with { type: "text" };
import humanoid from "./humanoid.xml" with { type: "text" };
import reacher3Link from "./reacher_3link.xml" with { type: "text" };
import reacher from "./reacher.xml" with { type: "text" };
import swimmer from "./swimmer.xml" with { type: "text" };
import walker2d from "./walker2d.xml" with { type: "text" };
import { Model } from "../model.ts";

/** MJCF by name. */
const MJCF = {
  ant,
  ant_target: antTarget,
  famle_reacher: famleReacher,
  half_cheetah: halfCheetah,
  hopper,
  humanoid,
  reacher,
  reacher_3link: reacher3Link,
  swimmer,
  walker2d,
} as const;

/** Name of a model. */
export type ModelName = keyof typeof MJCF;

/** All names. */
export const MODEL_NAMES = Object.keys(MJCF) as readonly ModelName[];

const compiled = new Map<ModelName, Promise<Model>>();

/** A model as its file says, for the caller alone. */
export function compileModel(name: ModelName): Promise<Model> {
  return Model.compile(name, MJCF[name], { "ant.xml": ant });
}

/**
 * A model, compiled once per thread and kept until {@link releaseModels}. Nothing of it is ever
 * changed but the place of a goal's marker, which is only drawn.
 */
export function loadModel(name: ModelName): Promise<Model> {
  let model = compiled.get(name);
  if (model === undefined) {
    model = compileModel(name);
    compiled.set(name, model);
  }
  return model;
}

/** Frees the models that {@link loadModel} keeps; close their simulations first. */
export async function releaseModels(): Promise<void> {
  const models = [...compiled.values()];
  compiled.clear();
  for (const model of models) (await model).close();
}
