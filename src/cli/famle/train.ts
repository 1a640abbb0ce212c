/** `metarl famle train`: meta-train a dynamics model on collected data. */
import type { Device } from "../../compute/device.ts";
import type { DynamicsSpec } from "../../compute/layout.ts";
import { type FamleConfig, publishedFamleConfig, resolveFamleConfig } from "../../config/famle.ts";
import { encodeCheckpoint } from "../../run/checkpoint.ts";
import { writeFileAtomic } from "../../run/files.ts";
import { deviceChange } from "../../run/provenance.ts";
import { stampedName } from "../../run/result_dir.ts";
import { RunDir } from "../../run/run_dir.ts";
import { readData, type StoredData } from "../../trainer/famle_data.ts";
import { dynamicsSpecOf, FAMLE, modelToCheckpoint } from "../../trainer/famle_model.ts";
import {
  BLOCK,
  type BlockReport,
  checkData,
  type FamleTrainResult,
  trainFamle,
} from "../../trainer/famle_trainer.ts";
import { UserError } from "../../util/errors.ts";
import { ExitCode } from "../failure.ts";
import { Interrupt } from "../interrupt.ts";
import type { Output } from "../output.ts";
import { formatDuration } from "../progress.ts";
import { changesSince, provenanceOf } from "../provenance.ts";
import { createRunDir, leaveFailed, shellWord } from "../run_folder.ts";
import { VERSION } from "../version.ts";
import { loadFamleEnv } from "./environment.ts";
import { MODEL_FILE } from "./model.ts";
import { refuseOptions, seedOption } from "../options.ts";
import { type CommonOptions, openDevice } from "./options.ts";
import { givenSettings, type SettingOptions, unusedSettings } from "./settings.ts";

/** What the user typed. */
export interface TrainFamleOptions extends CommonOptions, SettingOptions {
  readonly iterations?: string;
  readonly embeddings?: string;
  readonly resume?: string;
  /** False with --no-report. */
  readonly report?: boolean;
}

/** Without a terminal there is a line every so many meta-iterations. */
const LINE_EVERY = 5 * BLOCK;

/** Shows blocks as they come. */
export class BlockView {
  readonly #config: FamleConfig;
  readonly #output: Output;
  readonly #json: boolean;

  constructor(config: FamleConfig, output: Output, json: boolean) {
    this.#config = config;
    this.#output = output;
    this.#json = json;
  }

  /** Shows one. */
  readonly block = (report: BlockReport): void => {
    if (this.#json) {
      this.#output.line(JSON.stringify({
        type: "block",
        meta_iterations: report.metaIterations,
        losses: report.losses,
        mean_loss: report.meanLoss,
        seconds: report.seconds,
      }));
      return;
    }
    const { metaIterations: done, meanLoss, seconds } = report;
    const total = this.#config.metaIterations;
    // a block's time stands for what is left; blocks are alike
    const left = formatDuration((total - done) * seconds / BLOCK);
    const text = `meta-iteration ${done} of ${total}: loss ${meanLoss.toPrecision(4)}, ETA ${left}`;
    if (this.#output.isTerminal) this.#output.status(text);
    else if (done % LINE_EVERY === 0 || done === total) this.#output.line(text);
  };
}

function specOf(data: StoredData, config: FamleConfig): DynamicsSpec {
  return dynamicsSpecOf(config, data.inputDim, data.outputDim, data.situations.length);
}

/** Runs the command; gives the exit code. */
export async function trainModel(
  folder: string | undefined,
  options: TrainFamleOptions,
  output: Output,
): Promise<number> {
  if (options.resume !== undefined) return await resume(folder, options, output);
  if (folder === undefined) {
    throw new UserError("usage", "give the folder of the data, or --resume RUN");
  }
  const seed = seedOption(options.seed);
  const data = await readData(folder, loadFamleEnv);
  const { config, sources } = givenSettings(data.env.name, options, [
    ["--iterations", "metaIterations", options.iterations],
    ["--embeddings", "embeddings", options.embeddings],
  ]);
  checkData(data, config);
  const spec = specOf(data, config);
  const started = new Date();
  using run = await createRunDir(
    options.out ?? null,
    stampedName(`famle-train-${data.env.name}-${seed}`, started),
    {
      started: started.toISOString(),
      metarlVersion: VERSION,
      algorithm: FAMLE,
      seed,
      environment: data.env,
      device: null,
      config: { ...publishedFamleConfig(config), data: await Deno.realPath(folder) },
      provenance: await provenanceOf(
        sources,
        publishedFamleConfig(config),
        (await loadFamleEnv(data.env.name)).spec,
      ),
    },
  );
  return await train(run, data, config, spec, options, output);
}

async function resume(
  folder: string | undefined,
  options: TrainFamleOptions,
  output: Output,
): Promise<number> {
  const { iterations, embeddings, seed, out, config: file, set } = options;
  refuseOptions({ iterations, embeddings, seed, out, config: file, set }, "--resume");
  using run = await RunDir.open(options.resume!);
  const { algorithm, config: { data: stored, ...values } } = run.params;
  if (algorithm !== FAMLE) {
    throw new UserError(
      "resume-mismatch",
      `${run.path} is a run of ${algorithm}, not of famle train`,
    );
  }
  const data = await readData(folder ?? String(stored), loadFamleEnv);
  const config = resolveFamleConfig(data.env.name, [
    { source: `${run.path}/params.json`, values },
  ]);
  return await train(run, data, config, specOf(data, config), options, output);
}

async function train(
  run: RunDir,
  data: StoredData,
  config: FamleConfig,
  spec: DynamicsSpec,
  options: TrainFamleOptions,
  output: Output,
): Promise<number> {
  const say = (line: string) => {
    output.error(line);
    run.note(line);
  };
  const { seed } = run.params;
  const latest = await run.latestCheckpoint();
  const rows = data.situations.reduce((sum, { targets }) => sum + targets.length, 0) /
    data.outputDim;
  const first = `metarl ${VERSION}: famle train on ${data.env.name}, seed ${seed}, ${rows} ` +
    `transitions of ${data.situations.length} situations, ${spec.situations} embeddings, ` +
    `${config.metaIterations} meta-iterations, run folder ${run.path}`;
  run.note(`${new Date().toISOString()} ${first}`);
  if (!options.json) output.line(first);
  unusedSettings(options, ["train"]).forEach(say);
  const deviceBefore = run.params.device;
  if (options.resume !== undefined) {
    const { spec: tables } = await loadFamleEnv(data.env.name);
    (await changesSince(run.path, run.params, publishedFamleConfig(config), tables)).forEach(say);
  }
  for (const notice of latest?.notices ?? []) say(notice);
  if (latest !== null) say(`resuming ${run.path} at meta-iteration ${latest.checkpoint.iteration}`);
  using interrupt = new Interrupt(() =>
    say("finishing this block, then writing a checkpoint; Ctrl-C again ends at once")
  );
  const view = new BlockView(config, output, options.json === true);
  let device: Device | null = null;
  let result: FamleTrainResult;
  let blocks = 0;
  try {
    device = await openDevice(options, "training", spec, output);
    run.recordDevice(device.description);
    const change = deviceChange(deviceBefore, device.description);
    if (change !== null) say(change);
    result = await trainFamle(device, {
      data,
      config,
      seed,
      writer: run,
      resume: latest?.checkpoint ?? null,
      stop: interrupt.signal,
      onBlock: (report) => {
        blocks++;
        view.block(report);
        if (output.isClosed) interrupt.abort();
      },
    });
  } catch (error) {
    leaveFailed(run, error, blocks === 0 && options.resume === undefined);
    throw error;
  } finally {
    output.status(null);
    await device?.close();
  }
  const { finished, seconds, model, losses } = result;
  const path = `${run.path}/${MODEL_FILE}`;
  if (finished) {
    const bytes = await encodeCheckpoint(modelToCheckpoint(model, config));
    writeFileAtomic(run.path, MODEL_FILE, bytes);
  }
  if (options.json) {
    const summary = {
      type: "summary",
      finished,
      meta_iterations: model.metaIterations,
      losses,
      seconds,
      device: device?.description,
      model: finished ? path : null,
      run: run.path,
    };
    output.line(JSON.stringify(summary));
  } else if (finished) {
    // a resumed training that was done already has trained nothing
    if (losses.some((loss) => loss !== null)) {
      output.line("mean squared error per row, normalised, in the last pass over a situation:");
      model.situations.forEach(({ name }, g) =>
        output.line(`  ${name.padEnd(24)} ${losses[g]?.toPrecision(3) ?? "-"}`)
      );
    }
    output.line(`model after ${formatDuration(seconds)}: ${path}`);
  }
  if (options.report !== false) {
    const { writeRunReport } = await import("../report_runs.ts");
    await writeRunReport(run.path, null, output, options.json === true);
  }
  if (finished) return ExitCode.OK;
  say(`continue with: metarl famle train --resume ${shellWord(run.path)}`);
  return ExitCode.INTERRUPTED;
}
