/** `metarl famle adapt`: a damaged robot, a meta-trained model, and what adapting makes of it. */
import type { Device } from "../../compute/device.ts";
import type { FamleConfig } from "../../config/famle.ts";
import type { FamleEnvFactory, Situation } from "../../envs/famle/famle_env.ts";
import { ResultDir } from "../../run/result_dir.ts";
import type { FamleModel } from "../../trainer/famle_model.ts";
import {
  type ControlMethod,
  controlRobot,
  type EpisodeReport,
} from "../../trainer/online_control.ts";
import { UserError } from "../../util/errors.ts";
import { KeyedRandom, Purpose } from "../../util/prng.ts";
import { ExitCode } from "../failure.ts";
import { Interrupt } from "../interrupt.ts";
import type { Output } from "../output.ts";
import { formatDuration } from "../progress.ts";
import { VERSION } from "../version.ts";
import { loadFamleEnv } from "./environment.ts";
import { findModels, type Models } from "./find_models.ts";
import {
  type CommonOptions,
  openDevice,
  probabilityOption,
  seedOption,
  wholeOption,
} from "./options.ts";
import { drawArm, drawRewards } from "./pictures.ts";
import {
  healthyReward,
  METHOD_LABELS,
  type MethodName,
  type MethodRuns,
  recoveryTests,
  resultTable,
  summarize,
} from "./results.ts";
import { type SettingOptions, settingsOf } from "./settings.ts";

/** What the user typed. */
export interface AdaptOptions extends CommonOptions, SettingOptions {
  readonly model?: string;
  readonly env?: string;
  readonly data?: string;
  readonly iterations?: string;
  readonly damage?: string;
  readonly randMotorDamage?: true;
  readonly randOrientationFault?: true;
  readonly online?: true;
  readonly adaptSteps?: string;
  readonly controlSteps?: string;
  readonly sampleModel?: true;
  readonly onlineDamageProbability?: string;
  readonly planner?: string;
  readonly baseline?: string;
  readonly seeds?: string;
  readonly expDetails?: string;
}

const DEFAULT_ENV = "famle_reacher";
const DEFAULT_EPISODES = 20;
/** Control steps of a mission without resets. */
const DEFAULT_MISSION = 500;
/** Control steps between two adaptations of such a mission. */
const DEFAULT_CONTROL_STEPS = 25;
const BASELINES = ["mbrl", "maml"] as const;
/** What a key of DAMAGE draws besides what happens during a mission; never renumber. */
const FIRST_DAMAGE = 1;

/** Which damage every seed has. */
type DamagePlan = (seed: number) => Situation;

function parseDamageList(text: string): number[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = null;
  }
  if (Array.isArray(value) && value.every((entry) => typeof entry === "number")) return value;
  throw new UserError(
    "damage",
    `--damage must be "[f1, f2, ...]" with a number per motor, random or none; got ${text}`,
  );
}

function damagePlan(factory: FamleEnvFactory, options: AdaptOptions): DamagePlan {
  const { damage, randMotorDamage, randOrientationFault } = options;
  const isDrawn = randMotorDamage === true || randOrientationFault === true;
  if (damage !== undefined && damage !== "random" && isDrawn) {
    throw new UserError(
      "usage",
      `--damage ${damage} can't be combined with --rand-motor-damage or --rand-orientation-fault`,
    );
  }
  if (damage === "random" || isDrawn) {
    const kinds = {
      motor: randMotorDamage === true || randOrientationFault !== true,
      sensor: randOrientationFault === true,
    };
    return (seed) =>
      factory.drawDamage(new KeyedRandom(seed).at(Purpose.DAMAGE, 0, FIRST_DAMAGE), kinds);
  }
  if (damage === "none") return () => factory.situations[0];
  const fixed = damage === undefined
    ? factory.testDamage
    : factory.damageOf(parseDamageList(damage));
  return () => fixed;
}

function parseBaselines(text: string | undefined): MethodName[] {
  if (text === undefined) return [];
  return text.split(",").map((part) => {
    const name = part.trim();
    const found = BASELINES.find((baseline) => baseline === name);
    if (found !== undefined) return found;
    throw new UserError("option-value", `--baseline must be of ${BASELINES}; got "${name}"`);
  });
}

function refuseWithoutOnline(options: AdaptOptions): void {
  const onlineOnly = {
    "--control-steps": options.controlSteps,
    "--online-damage-probability": options.onlineDamageProbability,
  };
  for (const [option, value] of Object.entries(onlineOnly)) {
    if (value !== undefined && !options.online) {
      throw new UserError("usage", `${option} is for missions without resets; add --online`);
    }
  }
}

/** Everything settled before the first episode. */
interface Study {
  readonly factory: FamleEnvFactory;
  readonly config: FamleConfig;
  readonly models: Models;
  readonly methods: readonly MethodName[];
  readonly damageOf: DamagePlan;
  readonly seeds: readonly number[];
  readonly episodes: number;
  readonly steps: number;
  readonly online: boolean;
  readonly adaptSteps: number | null;
  readonly damageProbability: number;
  readonly sample: boolean;
  readonly drawLater: (random: KeyedRandom) => Situation;
}

async function settle(options: AdaptOptions, output: Output, stop: AbortSignal): Promise<Study> {
  refuseWithoutOnline(options);
  const first = seedOption(options.seed);
  const count = wholeOption("--seeds", options.seeds, 1, 1, 1000);
  const online = options.online === true;
  const controlSteps = wholeOption(
    "--control-steps",
    options.controlSteps,
    DEFAULT_CONTROL_STEPS,
    1,
  );
  const iterations = wholeOption(
    "--iterations",
    options.iterations,
    online ? DEFAULT_MISSION : DEFAULT_EPISODES,
    1,
  );
  const adaptSteps = options.adaptSteps === undefined
    ? null
    : wholeOption("--adapt-steps", options.adaptSteps, 0, 2);
  const baselines = parseBaselines(options.baseline);
  const damageProbability = probabilityOption(
    "--online-damage-probability",
    options.onlineDamageProbability,
  );
  const models = await findModels(options, baselines.includes("maml"), output, stop, first);
  const factory = await loadFamleEnv(models.env ?? options.env ?? DEFAULT_ENV);
  const config = settingsOf(factory.spec.name, options, [[
    "--planner",
    "planner",
    options.planner,
  ]]);
  const damageOf = damagePlan(factory, options);
  const isHealthy = options.damage === "none";
  return {
    factory,
    config,
    models,
    // the healthy robot is what recovery is measured by
    methods: [...(isHealthy || online ? [] : ["healthy" as const]), "famle", ...baselines],
    damageOf,
    seeds: Array.from({ length: count }, (_, i) => first + i),
    episodes: online ? Math.max(1, Math.round(iterations / controlSteps)) : iterations,
    steps: online ? controlSteps : config.episodeLength,
    online,
    adaptSteps,
    damageProbability,
    sample: options.sampleModel === true,
    drawLater: (random) =>
      factory.drawDamage(random, {
        motor: options.randMotorDamage === true || options.randOrientationFault !== true,
        sensor: options.randOrientationFault === true,
      }),
  };
}

function controlMethod(method: MethodName, study: Study): ControlMethod {
  if (method === "mbrl") return { kind: "scratch" };
  const model = method === "maml" ? study.models.maml : study.models.famle;
  return { kind: "meta", model: model!, sample: study.sample };
}

/** `joint 2 dead (0.93)`: what was selected. */
function selectedText(report: EpisodeReport, model: FamleModel): string {
  const { learned } = report;
  if (learned === null) return "";
  if (learned.selected === null) return `, model error ${learned.errorAfter?.toPrecision(2)}`;
  const { selected, likelihoods, errorBefore, errorAfter } = learned;
  const { situations, spec } = model;
  const what = spec.situations < situations.length
    ? ""
    : `, looks like "${situations[selected].name}" (${likelihoods[selected].toFixed(2)})`;
  return `${what}, model error ${errorBefore?.toPrecision(2)} -> ${errorAfter?.toPrecision(2)}`;
}

/** One line per episode, or one object. */
function showEpisode(
  method: MethodName,
  seed: number,
  report: EpisodeReport,
  study: Study,
  options: AdaptOptions,
  output: Output,
): void {
  const { episode, reward, stopped, nonFinite, learned, planSeconds, stepSeconds, damage } = report;
  if (stopped !== null) {
    output.error(
      `${METHOD_LABELS[method]}, seed ${seed}: episode ${episode + 1} was stopped after ` +
        `${report.steps} steps: ${stopped}`,
    );
  }
  const seconds = planSeconds + stepSeconds + (learned?.seconds ?? 0);
  if (options.json) {
    output.line(JSON.stringify({
      type: "episode",
      method,
      seed,
      episode,
      reward,
      steps: report.steps,
      stopped,
      non_finite: nonFinite,
      damage: damage.name,
      planned_with: report.plannedWith,
      selected: learned?.selected ?? null,
      likelihoods: learned?.likelihoods ?? [],
      error_before: learned?.errorBefore ?? null,
      error_after: learned?.errorAfter ?? null,
      seconds,
    }));
    return;
  }
  const model = method === "maml" ? study.models.maml! : study.models.famle;
  const seeds = study.seeds.length === 1 ? "" : `, seed ${seed}`;
  output.line(
    `${METHOD_LABELS[method]}${seeds}, ${study.online ? "stretch" : "episode"} ${episode + 1}: ` +
      `reward ${reward.toFixed(1)}${selectedText(report, model)}, ${seconds.toFixed(1)} s`,
  );
}

async function control(
  device: Device,
  study: Study,
  method: MethodName,
  seed: number,
  stop: AbortSignal,
  onEpisode: (report: EpisodeReport) => void,
): Promise<EpisodeReport[]> {
  const isHealthy = method === "healthy";
  const { factory, config, episodes, steps, online, adaptSteps, damageProbability } = study;
  return await controlRobot(device, {
    factory,
    method: controlMethod(method, study),
    config,
    seed,
    damage: isHealthy ? factory.situations[0] : study.damageOf(seed),
    episodes,
    steps,
    online,
    adaptSteps,
    damageProbability: isHealthy ? 0 : damageProbability,
    drawDamage: study.drawLater,
    stop,
    onEpisode,
  });
}

/** Runs the command; gives the exit code. */
export async function adaptRobot(options: AdaptOptions, output: Output): Promise<number> {
  using interrupt = new Interrupt(() =>
    output.error("finishing this episode; Ctrl-C again ends at once")
  );
  const start = performance.now();
  const study = await settle(options, output, interrupt.signal);
  const { factory, config, seeds, methods } = study;
  const { name } = factory.spec;
  const folder = options.out !== undefined
    ? ResultDir.create(options.out)
    : options.json
    ? null
    : ResultDir.createStamped(`famle-adapt-${name}-${seeds[0]}`, new Date());
  const damages = [...new Set(seeds.map((seed) => study.damageOf(seed).name))];
  const damageText = damages.length === 1 ? damages[0] : `${damages.length} random ones`;
  if (!options.json) {
    const seedText = seeds.length === 1
      ? `seed ${seeds[0]}`
      : `seeds ${seeds[0]} to ${seeds.at(-1)}`;
    output.line(
      `metarl ${VERSION}: famle adapt on ${name}, damage: ${damageText}, ${seedText}, ` +
        `${study.episodes} ${study.online ? "stretches" : "episodes"} of ${study.steps} steps, ` +
        `planner ${config.planner}, model: ${study.models.source}`,
    );
  }
  const device = await openDevice(options, "planning", study.models.famle.spec, output);
  const results: MethodRuns[] = [];
  try {
    for (const method of methods) {
      const runs: EpisodeReport[][] = [];
      for (const seed of seeds) {
        if (interrupt.signal.aborted) break;
        const show = (report: EpisodeReport) =>
          showEpisode(method, seed, report, study, options, output);
        const run = await control(device, study, method, seed, interrupt.signal, show);
        if (run.length > 0) runs.push(run);
      }
      if (runs.length > 0) results.push({ method, runs });
    }
  } finally {
    await device.close();
  }
  if (results.length === 0) return ExitCode.INTERRUPTED;
  await showResults(results, study, damageText, folder, options, output, {
    seconds: (performance.now() - start) / 1000,
    device: device.description,
  });
  return interrupt.signal.aborted ? ExitCode.INTERRUPTED : ExitCode.OK;
}

async function showResults(
  results: readonly MethodRuns[],
  study: Study,
  damageText: string,
  folder: ResultDir | null,
  options: AdaptOptions,
  output: Output,
  run: { readonly seconds: number; readonly device: string },
): Promise<void> {
  const { factory, online } = study;
  const healthy = healthyReward(results);
  const summaries = results.map((result) => summarize(result, healthy));
  const tests = recoveryTests(results);
  const files: string[] = [];
  if (folder !== null) {
    const { toPng } = await import("../../plot/mod.ts");
    const write = async (stem: string, svg: string | null) => {
      if (svg === null) return;
      files.push(folder.write(`${stem}.svg`, svg));
      files.push(folder.write(`${stem}.png`, await toPng(svg)));
    };
    const title = `${factory.spec.name}: ${damageText}`;
    await write("rewards", await drawRewards(title, summaries, healthy, online));
    const famle = results.find(({ method }) => method === "famle");
    if (famle !== undefined && !online) {
      await write("arm", await drawArm(factory, `FAMLE, ${title}`, famle.runs[0]));
    }
  }
  const summary = {
    type: "summary",
    env: factory.spec.name,
    damage: damageText,
    seeds: study.seeds,
    healthy_reward: healthy,
    methods: results.map(({ method, runs }, i) => ({
      method,
      rewards: runs.map((episodes) => episodes.map(({ reward }) => reward)),
      damages: runs.map((episodes) => episodes[0].damage.name),
      selected: runs.map((episodes) => episodes.map(({ learned }) => learned?.selected ?? null)),
      last_5: summaries[i].last,
      episodes_until_90_percent: summaries[i].recovery,
      stopped_episodes: summaries[i].stopped,
      non_finite_sequences: summaries[i].nonFinite,
    })),
    fewer_episodes_than: tests,
    seconds: run.seconds,
    device: run.device,
    files,
  };
  if (folder !== null) {
    folder.write("adapt.json", `${JSON.stringify(summary, null, 2)}\n`);
    if (options.expDetails !== undefined) folder.write("details.txt", `${options.expDetails}\n`);
  }
  if (options.json) {
    output.line(JSON.stringify(summary));
    return;
  }
  for (const line of resultTable(summaries)) output.line(line);
  for (const { than, p } of tests) {
    output.line(
      `FAMLE needs fewer episodes than ${METHOD_LABELS[than]}: p = ${p.toPrecision(2)} (exact ` +
        "paired permutation test, one-sided)",
    );
  }
  for (const { method, stopped, nonFinite } of summaries) {
    if (stopped + nonFinite === 0) continue;
    output.line(
      `${
        METHOD_LABELS[method]
      }: ${stopped} episodes stopped early, ${nonFinite} action sequences ` +
        "with a return that is not finite",
    );
  }
  output.line(
    `${formatDuration(run.seconds)} in all; results: ${folder!.path}: ${
      files.map((path) => path.slice(folder!.path.length + 1)).join(", ")
    }, adapt.json`,
  );
}
