/** `metarl famle collect`: data of every training situation. */
import { publishedFamleConfig, resolveFamleConfig } from "../../config/famle.ts";
import type { Device } from "../../compute/device.ts";
import { writeFileAtomic } from "../../run/files.ts";
import { stampedName } from "../../run/result_dir.ts";
import { RunDir } from "../../run/run_dir.ts";
import {
  collectData,
  type CollectedData,
  type CollectedEpisode,
  FAMLE_COLLECT,
} from "../../trainer/famle_collect.ts";
import { dataFiles, readData } from "../../trainer/famle_data.ts";
import { UserError } from "../../util/errors.ts";
import { ExitCode } from "../failure.ts";
import { Interrupt } from "../interrupt.ts";
import type { Output } from "../output.ts";
import { formatDuration } from "../progress.ts";
import { VERSION } from "../version.ts";
import { loadFamleEnv } from "./environment.ts";
import { type CommonOptions, openDevice, seedOption, wholeOption } from "./options.ts";
import { type SettingOptions, settingsOf } from "./settings.ts";

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

const DEFAULT_ENV = "famle_reacher";
/** As published. */
const DUMP_EVERY = 100;

/** Runs the command; gives the exit code. */
export async function collect(options: CollectOptions, output: Output): Promise<number> {
  const dumpEvery = wholeOption("--dump-trajects", options.dumpTrajects, DUMP_EVERY, 1);
  const started = new Date();
  const resumed = options.resume === undefined ? null : await RunDir.open(options.resume);
  try {
    if (resumed !== null) refuseWithResume(options, resumed);
    const envName = resumed?.params.environment.name ?? options.env ?? DEFAULT_ENV;
    const factory = await loadFamleEnv(envName);
    const seed = resumed?.params.seed ?? seedOption(options.seed);
    const config = resumed === null
      ? settingsOf(factory.spec.name, options, [
        ["--iterations", "collectIterations", options.iterations],
        ["--episode-length", "collectEpisodeLength", options.episodeLength],
        ["--random-episodes", "randomEpisodes", options.randomEpisodes],
      ])
      : resolveFamleConfig(factory.spec.name, [{
        source: `${resumed.path}/params.json`,
        values: resumed.params.config,
      }]);
    const given = options.dataDir === undefined
      ? null
      : (await readData(options.dataDir, loadFamleEnv)).collected;
    const run = resumed ?? await RunDir.create(
      options.out ?? `runs/${stampedName(`famle-collect-${factory.spec.name}-${seed}`, started)}`,
      {
        started: started.toISOString(),
        metarlVersion: VERSION,
        algorithm: FAMLE_COLLECT,
        seed,
        environment: { name: factory.spec.name, version: factory.spec.version },
        device: null,
        config: publishedFamleConfig(config),
      },
      false,
    );
    using _run = run;
    const latest = await run.latestCheckpoint();
    const situations = factory.situations.length;
    const total = config.collectIterations * situations;
    const say = (line: string) => {
      output.error(line);
      run.note(line);
    };
    const first = `metarl ${VERSION}: famle collect on ${factory.spec.name}, seed ${seed}, ` +
      `${situations} situations of ${config.collectIterations} episodes, ` +
      `${given === null ? config.randomEpisodes : 0} of them random, folder ${run.path}`;
    run.note(`${started.toISOString()} ${first}`);
    if (options.expDetails !== undefined) run.note(options.expDetails);
    if (!options.json) output.line(first);
    for (const notice of latest?.notices ?? []) say(notice);
    if (latest !== null) say(`resuming ${run.path} at episode ${latest.checkpoint.iteration}`);

    using interrupt = new Interrupt(() =>
      say("finishing this episode, then writing the data; Ctrl-C again ends at once")
    );
    let device: Device | null = null;
    try {
      device = await openDevice(options, "planning", {
        inputDim: factory.spec.obsDim + factory.spec.actDim,
        outputDim: factory.spec.obsDim,
        situations: 0,
        embeddingDim: 0,
        hiddenSizes: config.collectHiddenSizes,
        activation: config.activation,
        outputLimit: null,
      }, output);
      run.recordDevice(device.description);
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
        onEpisode: (report) => showEpisode(report, total, started, options, output),
      });
      output.status(null);
      showEnd(data, finished, run.path, options, output);
      if (finished) return ExitCode.OK;
      say(`continue with: metarl famle collect --resume ${run.path}`);
      return ExitCode.INTERRUPTED;
    } finally {
      await device?.close();
    }
  } finally {
    resumed?.[Symbol.dispose]();
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
  for (const [option, value] of Object.entries(fixed)) {
    if (value !== undefined) {
      throw new UserError("usage", `--${option} can't be combined with --resume`);
    }
  }
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
  factory: Parameters<typeof dataFiles>[1],
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
  if (options.json) {
    output.line(JSON.stringify({ type: "episode", ...report }));
    return;
  }
  const how = report.isRandom ? "random" : "planned";
  const done = report.episode + 1;
  if (report.stopped !== null) {
    output.error(`episode ${report.episode} was stopped after ${report.steps}: ${report.stopped}`);
  }
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
  folder: string,
  options: CollectOptions,
  output: Output,
): void {
  if (options.json) {
    const rows = Array.from({ length: transitions.situations }, (_, g) => transitions.rows(g));
    output.line(JSON.stringify({ type: "summary", finished, episodes, rows, folder }));
    return;
  }
  output.line(
    `${transitions.totalRows} transitions of ${transitions.situations} situations in ${folder}: ` +
      "transitions.npz, mismatches.npy, data.json",
  );
}
