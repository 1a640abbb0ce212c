/** `metarl famle collect`: data of every training situation. */
import type { Device } from "../../compute/device.ts";
import { type FamleConfig, publishedFamleConfig, resolveFamleConfig } from "../../config/famle.ts";
import type { FamleEnvFactory } from "../../envs/famle/famle_env.ts";
import type { LatestCheckpoint } from "../../run/checkpoint.ts";
import { writeFileAtomic } from "../../run/files.ts";
import { deviceChange } from "../../run/provenance.ts";
import { stampedName } from "../../run/result_dir.ts";
import { RunDir } from "../../run/run_dir.ts";
import {
  collectData,
  type CollectedData,
  type CollectedEpisode,
  collectSpec,
  FAMLE_COLLECT,
} from "../../trainer/famle_collect.ts";
import { dataFiles, readData } from "../../trainer/famle_data.ts";
import { UserError } from "../../util/errors.ts";
import { ExitCode } from "../failure.ts";
import { Interrupt } from "../interrupt.ts";
import type { Output } from "../output.ts";
import { formatDuration } from "../progress.ts";
import { changesSince, provenanceOf } from "../provenance.ts";
import { createRunDir, leaveFailed, shellWord } from "../run_folder.ts";
import { VERSION } from "../version.ts";
import { DEFAULT_ENV, loadFamleEnv } from "./environment.ts";
import { refuseOptions, seedOption, wholeOption } from "../options.ts";
import { type CommonOptions, openDevice } from "./options.ts";
import {
  type GivenSettings,
  givenSettings,
  type SettingOptions,
  unusedSettings,
} from "./settings.ts";

/** What the user typed. */
export interface CollectOptions extends CommonOptions, SettingOptions {
  readonly env?: string;
  readonly iterations?: string;
  readonly episodeLength?: string;
  readonly randomEpisodes?: string;
  readonly dataDir?: string;
  readonly dumpTrajects?: string;
  readonly expDetails?: string;
  readonly resume?: string;
}

/** As published. */
const DUMP_EVERY = 100;

/** What is settled before the first episode. */
interface Plan {
  readonly factory: FamleEnvFactory;
  readonly config: FamleConfig;
  readonly seed: number;
  /** Data to add to. */
  readonly given: CollectedData | null;
}

/** The plan of a new collection. */
async function settleNew(
  options: CollectOptions,
): Promise<{ plan: Plan; sources: GivenSettings["sources"] }> {
  const seed = seedOption(options.seed);
  const factory = await loadFamleEnv(options.env ?? DEFAULT_ENV);
  if (options.dataDir !== undefined && options.randomEpisodes !== undefined) {
    throw new UserError(
      "usage",
      "--random-episodes can't be combined with --data-dir: nothing is random beside given data",
    );
  }
  const random = options.dataDir === undefined ? options.randomEpisodes : "0";
  const { config, sources } = givenSettings(factory.spec.name, options, [
    ["--iterations", "collectIterations", options.iterations],
    ["--episode-length", "collectEpisodeLength", options.episodeLength],
    ["--random-episodes", "randomEpisodes", random],
  ]);
  const given = options.dataDir === undefined ? null : await readGiven(options.dataDir, factory);
  return { plan: { factory, config, seed, given }, sources };
}

/** Data to add to: of the same robot in the same situations. */
async function readGiven(folder: string, factory: FamleEnvFactory): Promise<CollectedData> {
  const { env, situations, collected } = await readData(folder, loadFamleEnv);
  const rowsOf = (all: readonly { readonly row: Float64Array }[]) =>
    all.map(({ row }) => [...row]).join();
  if (env.name !== factory.spec.name || rowsOf(situations) !== rowsOf(factory.situations)) {
    throw new UserError(
      "data-mismatch",
      `can't add to the data in ${folder}: they are of ${situations.length} situations of ` +
        `${env.name}, not of the ${factory.situations.length} of ${factory.spec.name}`,
    );
  }
  return collected;
}

/** The plan of a collection that is continued. */
async function settleResumed(
  options: CollectOptions,
  run: RunDir,
  latest: LatestCheckpoint | null,
): Promise<Plan> {
  refuseWithResume(options, run);
  const { environment, seed, config: { data_dir: dataDir, ...values } } = run.params;
  const factory = await loadFamleEnv(environment.name);
  if (factory.spec.version !== environment.version) {
    throw new UserError(
      "resume-mismatch",
      `can't resume ${run.path}: it was collected with version ${environment.version} of ` +
        `${environment.name}, this metarl has version ${factory.spec.version}; start a new run`,
    );
  }
  const source = `${run.path}/params.json`;
  const config = resolveFamleConfig(factory.spec.name, [{ source, values }]);
  // a checkpoint has them already
  const isGiven = latest === null && typeof dataDir === "string";
  return { factory, config, seed, given: isGiven ? await readGiven(dataDir, factory) : null };
}

/** Runs the command; gives the exit code. */
export async function collect(options: CollectOptions, output: Output): Promise<number> {
  const dumpEvery = wholeOption("--dump-trajects", options.dumpTrajects, DUMP_EVERY, 1);
  const started = new Date();
  if (options.resume !== undefined) {
    using run = await RunDir.open(options.resume);
    const latest = await run.latestCheckpoint();
    const plan = await settleResumed(options, run, latest);
    return await runPlan(run, plan, latest, dumpEvery, started, options, output);
  }
  const { plan, sources } = await settleNew(options);
  const { factory: { spec }, config, seed } = plan;
  using run = await createRunDir(
    options.out ?? null,
    stampedName(`famle-collect-${spec.name}-${seed}`, started),
    {
      started: started.toISOString(),
      metarlVersion: VERSION,
      algorithm: FAMLE_COLLECT,
      seed,
      environment: { name: spec.name, version: spec.version },
      device: null,
      config: {
        ...publishedFamleConfig(config),
        ...options.dataDir === undefined ? {} : { data_dir: await Deno.realPath(options.dataDir) },
      },
      provenance: await provenanceOf(sources, publishedFamleConfig(config), spec),
    },
  );
  return await runPlan(run, plan, null, dumpEvery, started, options, output);
}

async function runPlan(
  run: RunDir,
  { factory, config, seed, given }: Plan,
  latest: LatestCheckpoint | null,
  dumpEvery: number,
  started: Date,
  options: CollectOptions,
  output: Output,
): Promise<number> {
  const situations = factory.situations.length;
  const total = config.collectIterations * situations;
  const say = (line: string) => {
    output.error(line);
    run.note(line);
  };
  const random = Math.min(config.randomEpisodes, config.collectIterations);
  const first = `metarl ${VERSION}: famle collect on ${factory.spec.name}, seed ${seed}, ` +
    `${situations} situations of ${config.collectIterations} episodes, ${random} of them random, ` +
    `run folder ${run.path}`;
  run.note(`${started.toISOString()} ${first}`);
  if (options.expDetails !== undefined) run.note(options.expDetails);
  if (!options.json) output.line(first);
  unusedSettings(options, ["collect"]).forEach(say);
  const deviceBefore = run.params.device;
  if (options.resume !== undefined) {
    const settings = publishedFamleConfig(config);
    (await changesSince(run.path, run.params, settings, factory.spec)).forEach(say);
  }
  for (const notice of latest?.notices ?? []) say(notice);
  if (latest !== null) say(`resuming ${run.path} at episode ${latest.checkpoint.iteration}`);

  using interrupt = new Interrupt(() =>
    say("finishing this episode, then writing the data; Ctrl-C again ends at once")
  );
  let device: Device | null = null;
  let done = 0;
  try {
    const spec = collectSpec(factory.spec, config);
    device = await openDevice(options, "planning", spec, output);
    run.recordDevice(device.description);
    const change = deviceChange(deviceBefore, device.description);
    if (change !== null) say(change);
    const { data, finished } = await collectData(device, {
      factory,
      config,
      seed,
      given,
      writer: run,
      resume: latest?.checkpoint ?? null,
      dumpEvery,
      onDump: (dump) => writeData(run.path, dump, factory, seed),
      stop: interrupt.signal,
      onEpisode: (report) => {
        done++;
        showEpisode(report, total, started, options, output);
        if (output.isClosed) interrupt.abort();
      },
    });
    output.status(null);
    showEnd(data, finished, run.path, device.description, options, output);
    if (finished) return ExitCode.OK;
    say(`continue with: metarl famle collect --resume ${shellWord(run.path)}`);
    return ExitCode.INTERRUPTED;
  } catch (error) {
    leaveFailed(run, error, done === 0 && options.resume === undefined);
    throw error;
  } finally {
    output.status(null);
    await device?.close();
  }
}

function refuseWithResume(options: CollectOptions, run: RunDir): void {
  const fixed = {
    env: options.env,
    seed: options.seed,
    iterations: options.iterations,
    "episode-length": options.episodeLength,
    "random-episodes": options.randomEpisodes,
    "data-dir": options.dataDir,
    out: options.out,
    config: options.config,
    set: options.set,
  };
  refuseOptions(fixed, "--resume");
  if (run.params.algorithm !== FAMLE_COLLECT) {
    throw new UserError(
      "resume-mismatch",
      `${run.path} is a run of ${run.params.algorithm}, not of famle collect`,
    );
  }
}

function writeData(
  folder: string,
  data: CollectedData,
  factory: FamleEnvFactory,
  seed: number,
): void {
  for (const [name, bytes] of dataFiles(data, factory, seed)) {
    writeFileAtomic(folder, name, bytes);
  }
}

function showEpisode(
  report: CollectedEpisode,
  total: number,
  started: Date,
  options: CollectOptions,
  output: Output,
): void {
  const done = report.episode + 1;
  if (report.stopped !== null) {
    output.error(`episode ${done} was stopped after ${report.steps} steps: ${report.stopped}`);
  }
  if (options.json) {
    output.line(JSON.stringify({
      type: "episode",
      episode: report.episode,
      situation: report.situation,
      random: report.isRandom,
      reward: report.reward,
      steps: report.steps,
      model_loss: report.modelLoss,
      non_finite: report.nonFinite,
      stopped: report.stopped,
      seconds: report.seconds,
    }));
    return;
  }
  const how = report.isRandom ? "random" : "planned";
  const seconds = (Date.now() - started.getTime()) / 1000;
  const left = formatDuration((total - done) * report.seconds);
  if (output.isTerminal) {
    output.status(
      `${done}/${total}  ${formatDuration(seconds)}  ETA ${left}  situation ` +
        `${report.situation} ${how}  reward ${report.reward.toFixed(1)}`,
    );
  } else if (!report.isRandom || done % 20 === 0 || done === total) {
    output.line(
      `episode ${done} of ${total}: situation ${report.situation}, ${how}, reward ` +
        `${report.reward.toFixed(1)}, ${report.seconds.toPrecision(3)} s, ETA ${left}`,
    );
  }
}

function showEnd(
  { transitions, episodes }: CollectedData,
  finished: boolean,
  run: string,
  device: string,
  options: CollectOptions,
  output: Output,
): void {
  if (options.json) {
    const rows = Array.from({ length: transitions.situations }, (_, g) => transitions.rows(g));
    output.line(JSON.stringify({ type: "summary", finished, episodes, rows, device, run }));
    return;
  }
  if (episodes === 0) return; // nothing is written then
  output.line(
    `${transitions.totalRows} transitions of ${transitions.situations} situations in ${run}: ` +
      "transitions.npz, mismatches.npy, data.json",
  );
}
