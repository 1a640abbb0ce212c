/**
 * Collected data as files that numpy reads, and back:
 *
 *     data.json         environment, its version, seed, names of situations
 *     mismatches.npy    [G, D] task row of every situation
 *     transitions.npz   inputs_g [n, Z+A] state and action, targets_g [n, Z] change of the state,
 *                       costs_g [n] minus the reward, for g = 0 .. G-1
 *
 * The files of the published code (`trajectories.npy`, `mismatches.npy`) are read too.
 *
 * Axis letters: G situations, n rows of one, Z state, A action, D task row.
 */
import type { EnvSpec } from "../envs/env.ts";
import type { FamleEnvFactory } from "../envs/famle/famle_env.ts";
import { TransitionDataset } from "../rollout/transitions.ts";
import { readDataFile } from "../run/data_file.ts";
import { type NpyArray, readNpy, writeNpy } from "../run/npy.ts";
import { readNpz, writeNpz } from "../run/npz.ts";
import { readOriginalTrajectories } from "../run/original_data.ts";
import { UserError } from "../util/errors.ts";
import { type JsonValue, parseJsonText } from "../util/json.ts";
import type { CollectedData } from "./famle_collect.ts";
import type { FamleData } from "./famle_trainer.ts";

const DATA_FILE = "data.json";
const MISMATCHES_FILE = "mismatches.npy";
const TRANSITIONS_FILE = "transitions.npz";
const ORIGINAL_FILE = "trajectories.npy";
const FORMAT_VERSION = 1;

/** Data read from a folder. */
export interface StoredData extends FamleData {
  /** The same rows with their rewards, to add to. */
  readonly collected: CollectedData;
}

/** Finds the environment of a name. */
export type FactoryOf = (name: string) => Promise<FamleEnvFactory>;

function float64(shape: readonly number[], data: Float64Array): NpyArray {
  return { type: "float64", shape, data };
}

/** The files of collected data, by name. */
export function dataFiles(
  data: CollectedData,
  factory: FamleEnvFactory,
  seed: number,
): Map<string, Uint8Array> {
  const { spec, situations } = factory;
  const arrays: Record<string, NpyArray> = {};
  situations.forEach((_, g) => {
    const rows = data.transitions.rows(g);
    const inputs = data.transitions.inputs(g).slice();
    const targets = data.transitions.targets(g).slice();
    arrays[`inputs_${g}`] = float64([rows, spec.obsDim + spec.actDim], inputs);
    arrays[`targets_${g}`] = float64([rows, spec.obsDim], targets);
    arrays[`costs_${g}`] = float64([rows], Float64Array.from(data.rewards[g], (r) => -r));
  });
  const rows = Float64Array.from(situations.flatMap(({ row }) => [...row]));
  const description = {
    metarl_data: FORMAT_VERSION,
    env: spec.name,
    env_version: spec.version,
    seed,
    episodes: data.episodes,
    situations: situations.map(({ name }) => name),
    inputs: [...spec.observation, ...spec.action].map(({ name }) => name),
    targets: spec.observation.map(({ name }) => `change of ${name}`),
  };
  return new Map([
    [MISMATCHES_FILE, writeNpy(float64([situations.length, spec.taskDim], rows))],
    [TRANSITIONS_FILE, writeNpz(arrays)],
    [DATA_FILE, new TextEncoder().encode(`${JSON.stringify(description, null, 2)}\n`)],
  ]);
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Numbers of an array of the wanted shape; -1 stands for any extent. */
function numbersOf(
  array: NpyArray | undefined,
  name: string,
  source: string,
  shape: readonly number[],
): Float64Array {
  if (array === undefined) {
    throw new UserError("data-file-damaged", `${source} has no array "${name}"`);
  }
  const fits = array.shape.length === shape.length &&
    shape.every((extent, axis) => extent === -1 || extent === array.shape[axis]);
  if (!fits) {
    const wanted = shape.map((extent) => extent === -1 ? "any" : extent);
    throw new UserError(
      "data-size",
      `"${name}" in ${source} is [${array.shape}], wanted [${wanted}] for this environment`,
    );
  }
  return Float64Array.from(array.data as ArrayLike<number | bigint>, Number);
}

interface Description {
  readonly env: string;
  readonly env_version: number | string;
  readonly episodes: number;
  readonly situations: readonly string[];
}

function readDescription(path: string): Description {
  const text = new TextDecoder().decode(readDataFile(path));
  const value = parseJsonText(text, path) as Readonly<Record<string, JsonValue>> | null;
  const names = value?.situations;
  if (
    value === null || typeof value !== "object" || value.metarl_data !== FORMAT_VERSION ||
    typeof value.env !== "string" || !Array.isArray(names) ||
    !(typeof value.env_version === "number" || typeof value.env_version === "string")
  ) {
    throw new UserError("data-file-damaged", `${path} was not written by metarl famle collect`);
  }
  return {
    env: value.env,
    env_version: value.env_version,
    episodes: typeof value.episodes === "number" ? value.episodes : 0,
    situations: names.map(String),
  };
}

/** Rows into a dataset; a number that is not finite is refused with its place. */
function fill(
  transitions: TransitionDataset,
  situation: number,
  inputs: Float64Array,
  targets: Float64Array,
): void {
  const { stateDim, actDim } = transitions;
  const width = stateDim + actDim;
  for (let row = 0; row * width < inputs.length; row++) {
    const from = row * width;
    transitions.appendDelta(
      situation,
      inputs.subarray(from, from + stateDim),
      inputs.subarray(from + stateDim, from + width),
      targets.subarray(row * stateDim, (row + 1) * stateDim),
    );
  }
}

function toStored(
  spec: EnvSpec,
  version: number | string,
  names: readonly string[],
  mismatches: Float64Array,
  collected: CollectedData,
): StoredData {
  const width = mismatches.length / names.length;
  return {
    env: { name: spec.name, version },
    inputDim: spec.obsDim + spec.actDim,
    outputDim: spec.obsDim,
    collected,
    situations: names.map((name, g) => ({
      name,
      row: mismatches.slice(g * width, (g + 1) * width),
      inputs: collected.transitions.inputs(g),
      targets: collected.transitions.targets(g),
    })),
  };
}

async function readOwn(folder: string, factoryOf: FactoryOf): Promise<StoredData> {
  const description = readDescription(`${folder}/${DATA_FILE}`);
  const factory = await factoryOf(description.env);
  const { spec } = factory;
  if (description.env_version !== spec.version) {
    throw new UserError(
      "data-mismatch",
      `can't use ${folder}: its data are of version ${description.env_version} of ${spec.name}, ` +
        `this metarl has version ${spec.version}; collect again`,
    );
  }
  const count = description.situations.length;
  const path = `${folder}/${MISMATCHES_FILE}`;
  const mismatches = numbersOf(
    readNpy(readDataFile(path), path),
    MISMATCHES_FILE,
    folder,
    [count, spec.taskDim],
  );
  const source = `${folder}/${TRANSITIONS_FILE}`;
  const arrays = readNpz(readDataFile(source), source);
  const transitions = new TransitionDataset(spec.obsDim, spec.actDim, count);
  const rewards: number[][] = [];
  for (let g = 0; g < count; g++) {
    const array = (name: string, shape: number[]) =>
      numbersOf(arrays.get(`${name}_${g}`), `${name}_${g}`, source, shape);
    const inputs = array("inputs", [-1, spec.obsDim + spec.actDim]);
    const rows = inputs.length / (spec.obsDim + spec.actDim);
    fill(transitions, g, inputs, array("targets", [rows, spec.obsDim]));
    rewards.push(Array.from(array("costs", [rows]), (cost) => -cost));
  }
  checkRows(transitions, description.situations, folder);
  const collected = { transitions, rewards, episodes: description.episodes };
  return toStored(spec, spec.version, description.situations, mismatches, collected);
}

function checkRows(
  transitions: TransitionDataset,
  names: readonly string[],
  folder: string,
): void {
  names.forEach((name, g) => {
    if (transitions.rows(g) > 0) return;
    throw new UserError(
      "data-empty",
      `can't use ${folder}: situation "${name}" has no rows; collect more`,
    );
  });
}

/** Environments whose data the published code collected. */
const ORIGINAL_ENVS = ["famle_reacher", "famle_ant"];

async function readOriginal(folder: string, factoryOf: FactoryOf): Promise<StoredData> {
  const source = `${folder}/${ORIGINAL_FILE}`;
  const tasks = readOriginalTrajectories(readDataFile(source), source);
  const { stateDim, actDim } = tasks[0];
  for (const name of ORIGINAL_ENVS) {
    const factory = await factoryOf(name);
    const { spec } = factory;
    if (spec.obsDim !== stateDim || spec.actDim !== actDim) continue;
    const path = `${folder}/${MISMATCHES_FILE}`;
    const stored = readNpy(readDataFile(path), path);
    const width = stored.shape.at(-1) ?? 0;
    const mismatches = numbersOf(stored, MISMATCHES_FILE, folder, [tasks.length, width]);
    const transitions = new TransitionDataset(stateDim, actDim, tasks.length);
    tasks.forEach((task, g) => {
      for (let row = 0; row < task.costs.length; row++) {
        transitions.appendDelta(
          g,
          task.states.subarray(row * stateDim, (row + 1) * stateDim),
          task.actions.subarray(row * actDim, (row + 1) * actDim),
          task.deltas.subarray(row * stateDim, (row + 1) * stateDim),
        );
      }
    });
    // behind the damage a task row has what the published files lack, e.g. the goal
    const situations = tasks.map((_, g) =>
      factory.damageOf([...mismatches.subarray(g * width, (g + 1) * width)])
    );
    checkRows(transitions, situations.map((situation) => situation.name), folder);
    const rewards = tasks.map(({ costs }) => Array.from(costs, (cost) => -cost));
    return toStored(
      spec,
      "of the published code",
      situations.map((situation) => situation.name),
      Float64Array.from(situations.flatMap(({ row }) => [...row])),
      { transitions, rewards, episodes: 0 },
    );
  }
  throw new UserError(
    "data-size",
    `can't use ${source}: its states have ${stateDim} and its actions ${actDim} numbers, which no ` +
      "environment has",
  );
}

/**
 * Reads a folder of data.
 *
 * @throws UserError `data-not-found`, `data-file-damaged`, `data-size`, `data-empty`,
 * `data-not-finite`, `data-mismatch`
 */
export async function readData(folder: string, factoryOf: FactoryOf): Promise<StoredData> {
  const path = folder.replace(/(?<=.)\/+$/, "");
  if (exists(`${path}/${DATA_FILE}`)) return await readOwn(path, factoryOf);
  if (exists(`${path}/${ORIGINAL_FILE}`)) return await readOriginal(path, factoryOf);
  throw new UserError(
    "data-not-found",
    `there are no data in ${path}: it has neither ${DATA_FILE} nor ${ORIGINAL_FILE}; collect some ` +
      "with `metarl famle collect`",
  );
}
