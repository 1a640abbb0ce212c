/** What `metarl embed` does: embeds fresh tasks of a run, or the situations of a FAMLE model. */
import type { EnvFactory, TaskBatch } from "../envs/env.ts";
import { type EmbeddingMap, embeddingMap, modeSeparation } from "../evaluation/embedding.ts";
import { evaluate, type Evaluation } from "../evaluation/evaluate.ts";
import { type LoadedRun, loadRun } from "../evaluation/load_run.ts";
import { cutText } from "../evaluation/summary.ts";
import type { ScatterSpec } from "../plot/mod.ts";
import { type NpyArray, writeNpy } from "../run/npy.ts";
import { ResultDir } from "../run/result_dir.ts";
import { readRunParams } from "../run/run_dir.ts";
import { dynamicsLayout } from "../compute/layout.ts";
import { embeddingOf, FAMLE, type FamleModel } from "../trainer/famle_model.ts";
import { UserError } from "../util/errors.ts";
import { isFile, MODEL_FILE, readModel } from "./famle/model.ts";
import {
  checkpointOption,
  refuseOptions,
  seedOption,
  wholeOption,
  workersOption,
} from "./options.ts";
import type { Output } from "./output.ts";
import { printTable } from "./table.ts";
import { VERSION } from "./version.ts";

/** What the user typed. */
export interface EmbedOptions {
  readonly tasks?: string;
  readonly checkpoint?: string;
  readonly seed?: string;
  readonly workers?: string;
  readonly out?: string;
  readonly force?: true;
  readonly json?: true;
}

const DEFAULT_TASKS = 200;
const LEAST_TASKS = 10;
/** t-SNE's time and memory grow with the square: 2,000 take a minute and 0.7 GB. */
const MOST_TASKS = 2000;
/** Fewer embeddings make no map. */
const LEAST_EMBEDDINGS = 3;

/** All files that the command may write. */
const FILES = [
  ...["embeddings.npy", "tasks.npy", "modes.npy", "pca.npy", "tsne.npy"],
  ...["embedding.svg", "embedding.png", "embed.json"],
];

/** How the points of a map are coloured or named. */
type Look = Pick<ScatterSpec, "groups" | "groupNames" | "ordered" | "names">;

/** Into how many steps a quantity is divided for its colours. */
const STEPS = 6;

/** A colour for every mode, with the mean place of its goals where tasks are places. */
function lookOfModes(tasks: TaskBatch, env: EnvFactory): Look {
  const names = Array.from({ length: env.spec.modes }, (_, mode) => {
    const goals = Array.from({ length: tasks.count }, (_, m) => m)
      .filter((m) => tasks.modes[m] === mode)
      .map((m) => env.goalOf?.(rowOf(tasks, m)));
    if (goals.length === 0 || goals[0] === undefined) return `mode ${mode}`;
    const middle = [0, 1].map((axis) =>
      goals.reduce((sum, goal) => sum + goal![axis], 0) / goals.length
    );
    const size = Math.max(...middle.map(Math.abs));
    const digits = size >= 1 || size === 0 ? 0 : Math.ceil(-Math.log10(size));
    const [x, y] = middle.map((value) => value.toFixed(digits).replace(/^-([0.]+)$/, "$1"));
    return `mode ${mode}, near (${x}, ${y})`;
  });
  return { groups: tasks.modes, groupNames: names };
}

function rowOf(tasks: TaskBatch, m: number): Float64Array {
  return tasks.rows.subarray(m * tasks.taskDim, (m + 1) * tasks.taskDim);
}

/** A colour for every sixth of the circle that goals lie in, or of the task's first number. */
function lookOfQuantity(tasks: TaskBatch, { spec, goalOf }: EnvFactory): Look {
  const values = Float64Array.from({ length: tasks.count }, (_, m) => {
    if (goalOf === undefined) return rowOf(tasks, m)[0];
    const [x, y] = goalOf(rowOf(tasks, m));
    return Math.atan2(y, x) * 180 / Math.PI;
  });
  const [low, high] = goalOf === undefined
    ? [Math.min(...values), Math.max(...values)]
    : [-180, 180];
  if (low === high) return {};
  const size = (high - low) / STEPS;
  const { name, unit } = spec.task[0];
  const digits = Math.max(0, 2 - Math.floor(Math.log10(high - low)));
  const bound = (step: number) =>
    goalOf === undefined ? (low + step * size).toFixed(digits) : String(low + step * size);
  const what = goalOf === undefined ? name : "goal at";
  const suffix = goalOf === undefined ? unit === "1" ? "" : ` ${unit}` : "°";
  return {
    groups: Int32Array.from(
      values,
      (value) => Math.min(STEPS - 1, Math.floor((value - low) / size)),
    ),
    groupNames: Array.from(
      { length: STEPS },
      (_, step) => `${what} ${bound(step)} to ${bound(step + 1)}${suffix}`,
    ),
    // an angle has no low end
    ordered: goalOf === undefined,
  };
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

/** The map as SVG: PCA and t-SNE side by side. */
async function draw(title: string, map: EmbeddingMap, look: Look): Promise<string> {
  const { scatterChart } = await import("../plot/mod.ts");
  const axis = (name: string, share: number) => ({
    label: `${name} axis, ${percent(share)} of the variance`,
  });
  return scatterChart({
    title,
    panels: [
      {
        label: "PCA",
        x: axis("first", map.explainedVariance[0]),
        y: axis("second", map.explainedVariance[1]),
        places: map.pca,
      },
      { label: "t-SNE", x: { label: "" }, y: { label: "" }, places: map.tsne, bare: true },
    ],
    ...look,
  });
}

/** What is written: arrays, picture, numbers. */
interface Written {
  readonly arrays: Readonly<Record<string, NpyArray>>;
  readonly map: EmbeddingMap;
  readonly title: string;
  readonly look: Look;
  readonly report: Readonly<Record<string, unknown>>;
}

/** Writes everything; gives the report with the paths. */
async function write(
  folder: ResultDir | null,
  { arrays, map, title, look, report }: Written,
): Promise<Record<string, unknown> & { files: string[] }> {
  const files: string[] = [];
  if (folder !== null) {
    const places = (points: EmbeddingMap["pca"]): NpyArray => ({
      type: "float64",
      shape: [points.length, 2],
      data: Float64Array.from(points.flat()),
    });
    const all = { ...arrays, "pca.npy": places(map.pca), "tsne.npy": places(map.tsne) };
    for (const [name, array] of Object.entries(all)) {
      files.push(folder.write(name, writeNpy(array)));
    }
    const svg = await draw(title, map, look);
    const { toPng } = await import("../plot/mod.ts");
    files.push(folder.write("embedding.svg", svg));
    files.push(folder.write("embedding.png", await toPng(svg)));
  }
  const { explainedVariance, silhouette, purity, chance } = map;
  const whole = { ...report, explainedVariance, silhouette, purity, chance, files };
  folder?.write("embed.json", `${JSON.stringify(whole, null, 2)}\n`);
  return whole;
}

/** Where results go, `null`: nowhere, for a script that doesn't say where. */
function resultFolder(run: string, options: EmbedOptions): ResultDir | null {
  if (options.out === undefined && options.json) return null;
  const folder = options.out ?? `${run}/embed`;
  return ResultDir.createFor(folder, FILES, options.force === true);
}

function printFiles(folder: ResultDir | null, files: readonly string[], output: Output): void {
  const names = files.map((path) => path.slice(folder!.path.length + 1));
  output.line(`results: ${folder!.path}: ${[...names, "embed.json"].join(", ")}`);
}

/** Numbers of two encoders side by side. */
function printSeparation(
  map: EmbeddingMap,
  untrained: { silhouette: number; purity: number; chance: number } | null,
  output: Output,
): void {
  const { silhouette, purity, chance } = map;
  if (silhouette === null || purity === null || chance === null || untrained === null) {
    return output.line("the tasks have no two modes that could lie apart");
  }
  const rows: [string, number, number][] = [
    ["silhouette of the modes (Euclidean distance)", silhouette, untrained.silhouette],
    ["purity of k-means, one cluster for each mode", purity, untrained.purity],
    ["the same with modes dealt out at random", chance, untrained.chance],
  ];
  printTable([
    ["", "trained", "untrained encoder"],
    ...rows.map(([name, ...values]) => [name, ...values.map((value) => value.toFixed(3))]),
  ], output);
}

function printVariance({ explainedVariance: [first, second] }: EmbeddingMap, output: Output): void {
  output.line(`variance along the two axes of PCA: ${percent(first)} and ${percent(second)}`);
}

/** The embeddings of a run of MMAML. */
async function embedTasks(path: string, options: EmbedOptions, output: Output): Promise<void> {
  const count = wholeOption("--tasks", options.tasks, DEFAULT_TASKS, LEAST_TASKS, MOST_TASKS);
  const checkpoint = checkpointOption(options.checkpoint);
  const seed = seedOption(options.seed);
  const workers = workersOption(options.workers);
  const run: LoadedRun = await loadRun(path, { checkpoint, version: VERSION });
  if (run.algorithm === "promp") {
    throw new UserError(
      "embed-algorithm",
      `can't embed tasks with ${run.path}: promp has no task encoder; give a run of mmaml, or a ` +
        "FAMLE model",
    );
  }
  run.notices.forEach((line) => output.error(line));
  // refused before the work; made for good after it, so that an interrupt leaves nothing
  resultFolder(run.path, options)?.[Symbol.dispose]();
  const { env, config } = run;
  const evaluation: Evaluation = await evaluate(run, {
    // one inner step: the encoder reads the rollouts before it, more would change nothing
    ...{ tasks: count, steps: 1, seed, mode: null, workers, initialEncoder: true },
    observer: {
      onTasks: (done) => output.status(`${run.path}: ${done}/${count} tasks`),
      onNotice: (line) => output.error(line),
    },
  });
  output.status(null);
  const { tasks } = evaluation;
  const embeddings = evaluation.embeddings!;
  const modes = env.spec.modes > 0 ? tasks.modes : null;
  const map = embeddingMap(embeddings, count, modes, seed);
  const untrained = modeSeparation(evaluation.initialEmbeddings!, modes, seed);
  const width = embeddings.length / count;
  using folder = resultFolder(run.path, options);
  const title =
    `Task embeddings of ${run.algorithm.toUpperCase()} on ${env.spec.name}, ${count} fresh tasks`;
  const written = await write(folder, {
    arrays: {
      "embeddings.npy": { type: "float32", shape: [count, width], data: embeddings },
      "tasks.npy": { type: "float64", shape: [count, tasks.taskDim], data: tasks.rows },
      ...modes !== null && { "modes.npy": { type: "int32", shape: [count], data: modes } },
    },
    map,
    title,
    look: map.silhouette === null ? lookOfQuantity(tasks, env) : lookOfModes(tasks, env),
    report: {
      run: run.path,
      algorithm: run.algorithm,
      environment: run.params.environment,
      checkpoint: run.checkpoint.iteration,
      seed,
      tasks: count,
      width,
      modes: env.spec.modes,
      distance: "euclidean",
      untrained,
      nonFiniteRollouts: evaluation.nonFinite,
    },
  });
  const cut = cutText(run, evaluation);
  if (cut !== null) output.error(cut);
  if (options.json) return output.line(JSON.stringify(written));
  output.line(
    `${run.path}: ${run.algorithm} on ${env.spec.name}, checkpoint of ` +
      `${run.checkpoint.iteration} iterations, embeddings of ${width} numbers from ` +
      `${config.rolloutsPerTask} rollouts in each of ${count} fresh tasks, seed ${seed}`,
  );
  printSeparation(map, untrained, output);
  printVariance(map, output);
  printFiles(folder, written.files, output);
}

/** Whether there is a FAMLE model: a file, or a folder of `famle train`. */
function isFamleModel(path: string): boolean {
  if (isFile(path) || isFile(`${path}/${MODEL_FILE}`)) return true;
  return readRunParams(path).algorithm === FAMLE;
}

/** Names of the situations that have each embedding. */
function embeddingNames({ spec, situations }: FamleModel): string[] {
  return Array.from({ length: spec.situations }, (_, e) => {
    const names = situations.filter((_, g) => embeddingOf(spec, g) === e).map(({ name }) => name);
    return names.length === 0 ? `situation ${e}` : names.join(", ");
  });
}

/** The embeddings of a FAMLE model's situations. */
async function embedSituations(path: string, options: EmbedOptions, output: Output): Promise<void> {
  const seed = seedOption(options.seed);
  const { tasks, checkpoint, workers } = options;
  refuseOptions({ tasks, checkpoint, workers }, "a FAMLE model, whose embeddings are in it");
  const model = await readModel(path);
  const { params, spec: { situations: count, embeddingDim: width } } = model;
  if (count < LEAST_EMBEDDINGS) {
    throw new UserError(
      "embed-few",
      `can't draw the embeddings of ${path}: it has ${count}; wanted a model with at least ` +
        `${LEAST_EMBEDDINGS}`,
    );
  }
  const run = path.replace(/(?<=.)\/+$/, "");
  if (isFile(run) && options.out === undefined && !options.json) {
    throw new UserError("usage", `${run} is a file: say with --out where the results should go`);
  }
  using folder = resultFolder(run, options);
  const entry = dynamicsLayout(model.spec).entries.find(({ name }) => name === "embeddings")!;
  const embeddings = params.slice(entry.offset, entry.offset + entry.size);
  const map = embeddingMap(embeddings, count, null, seed);
  const names = embeddingNames(model);
  const robot = model.env === null ? "" : ` on ${model.env.name}`;
  const taskDim = model.situations[0]?.row.length ?? 0;
  const written = await write(folder, {
    arrays: {
      "embeddings.npy": { type: "float32", shape: [count, width], data: embeddings },
      "tasks.npy": {
        type: "float64",
        shape: [model.situations.length, taskDim],
        data: Float64Array.from(model.situations.flatMap(({ row }) => [...row])),
      },
    },
    map,
    title: `Situation embeddings of FAMLE${robot}`,
    look: { names },
    report: {
      run,
      algorithm: FAMLE,
      environment: model.env,
      metaIterations: model.metaIterations,
      seed,
      embeddings: count,
      width,
      names,
    },
  });
  if (options.json) return output.line(JSON.stringify(written));
  output.line(`${run}: famle${robot}, ${count} embeddings of ${width} numbers`);
  names.forEach((name, e) => output.line(`  ${e}: ${name}`));
  printVariance(map, output);
  printFiles(folder, written.files, output);
}

/** Embeds. @throws UserError for whatever the user has to change */
export async function embed(path: string, options: EmbedOptions, output: Output): Promise<void> {
  await (isFamleModel(path) ? embedSituations : embedTasks)(path, options, output);
}
