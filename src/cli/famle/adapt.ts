/** `metarl famle adapt`: a damaged robot, a meta-trained model, and what adapting makes of it. */
import type { Device } from "../../compute/device.ts";
import { type FamleConfig, publishedFamleConfig } from "../../config/famle.ts";
import type { DamageKinds, FamleEnvFactory, Situation } from "../../envs/famle/famle_env.ts";
import { describeMachine } from "../../run/provenance.ts";
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
import { type ModelOptions, type ModelPlan, type Models, planModels } from "./find_models.ts";
import { seedOption, wholeOption } from "../options.ts";
import { openDevice, probabilityOption } from "./options.ts";
import { drawArm, drawRewards } from "./pictures.ts";
import { encodeEpisodes, EPISODES_FILE } from "./recorded_episodes.ts";
import {
  healthyReward,
  METHOD_LABELS,
  type MethodName,
  type MethodRuns,
  recoveryTests,
  resultTable,
  summarize,
} from "./results.ts";
import { settingsOf, unusedSettings } from "./settings.ts";

/** What the user typed. */
export interface AdaptOptions extends ModelOptions {
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

/** What a random damage is: of a motor, but where a fault of a sensor alone is asked for. */
function damageKinds({ randMotorDamage, randOrientationFault }: AdaptOptions): DamageKinds {
  return {
    motor: randMotorDamage === true || randOrientationFault !== true,
    sensor: randOrientationFault === true,
  };
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
    const kinds = damageKinds(options);
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
  const names = text.split(",").map((part) => part.trim());
  return names.map((name, at) => {
    const found = BASELINES.find((baseline) => baseline === name);
    if (found !== undefined && names.indexOf(name) === at) return found;
    throw new UserError(
      "option-value",
      `--baseline must be ${BASELINES.join(" or ")}, or both with a comma between; got "${text}"`,
    );
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

/** How long the robot is controlled. */
interface Length {
  /** Episodes, or stretches of a mission. */
  readonly episodes: number;
  /** Control steps of each. */
  readonly steps: number;
}

/** Stretches of a mission of so many control steps in all. */
function missionLength(options: AdaptOptions): Length {
  const steps = wholeOption("--control-steps", options.controlSteps, DEFAULT_CONTROL_STEPS, 1);
  if (options.iterations === undefined) {
    return { episodes: Math.max(1, Math.round(DEFAULT_MISSION / steps)), steps };
  }
  const total = wholeOption("--iterations", options.iterations, DEFAULT_MISSION, 1);
  if (total % steps !== 0) {
    throw new UserError(
      "option-value",
      `--iterations must be a multiple of the ${steps} steps between two adaptations ` +
        `(--control-steps) with --online; got ${total}`,
    );
  }
  return { episodes: total / steps, steps };
}

/** Everything settled before the first episode. */
interface Study {
  readonly factory: FamleEnvFactory;
  readonly config: FamleConfig;
  readonly models: Models;
  readonly methods: readonly MethodName[];
  readonly damageOf: DamagePlan;
  readonly seeds: readonly number[];
  readonly length: Length;
  readonly online: boolean;
  readonly adaptSteps: number | null;
  readonly damageProbability: number;
  readonly sample: boolean;
  readonly drawLater: (random: KeyedRandom) => Situation;
}

/** A study whose models are not loaded, or not trained, yet. */
interface PlannedStudy {
  readonly plan: ModelPlan;
  readonly study: Omit<Study, "models">;
}

/** Settles everything that can be refused; nothing is trained or written yet. */
async function settle(options: AdaptOptions): Promise<PlannedStudy> {
  refuseWithoutOnline(options);
  const first = seedOption(options.seed);
  const count = wholeOption("--seeds", options.seeds, 1, 1, 1000);
  const online = options.online === true;
  const mission = online ? missionLength(options) : null;
  const episodes = wholeOption("--iterations", options.iterations, DEFAULT_EPISODES, 1);
  const adaptSteps = options.adaptSteps === undefined
    ? null
    : wholeOption("--adapt-steps", options.adaptSteps, 0, 2);
  const baselines = parseBaselines(options.baseline);
  const damageProbability = probabilityOption(
    "--online-damage-probability",
    options.onlineDamageProbability,
  );
  const plan = await planModels(options, baselines.includes("maml"));
  const { factory } = plan;
  const config = settingsOf(factory.spec.name, options, [
    ["--planner", "planner", options.planner],
  ]);
  const isHealthy = options.damage === "none";
  const study = {
    factory,
    config,
    // the healthy robot is what recovery is measured by
    methods: [...(isHealthy || online ? [] : ["healthy" as const]), "famle" as const, ...baselines],
    damageOf: damagePlan(factory, options),
    seeds: Array.from({ length: count }, (_, i) => first + i),
    length: mission ?? { episodes, steps: config.episodeLength },
    online,
    adaptSteps,
    damageProbability,
    sample: options.sampleModel === true,
    drawLater: (random: KeyedRandom) => factory.drawDamage(random, damageKinds(options)),
  };
  return { plan, study };
}

/** The study with its models. The model from scratch is of the same size as they are. */
function withModels({ config, ...study }: Omit<Study, "models">, models: Models): Study {
  const { situations, spec: { hiddenSizes, activation, outputLimit } } = models.famle;
  if (config.firstSituation !== null && config.firstSituation >= situations.length) {
    throw new UserError(
      "config-value",
      `"first_situation" must be null or from 0 to ${situations.length - 1}, the model's ` +
        `situations; got ${config.firstSituation}`,
    );
  }
  return { ...study, config: { ...config, hiddenSizes, activation, outputLimit }, models };
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
  const { factory, config, length, online, adaptSteps, damageProbability } = study;
  return await controlRobot(device, {
    factory,
    method: controlMethod(method, study),
    config,
    seed,
    damage: isHealthy ? factory.situations[0] : study.damageOf(seed),
    ...length,
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
    output.error("stopping after this episode; Ctrl-C again ends at once")
  );
  const start = performance.now();
  const { plan, study: planned } = await settle(options);
  const { seeds, length, online, factory: { spec: { name } } } = planned;
  using folder = options.out !== undefined
    ? ResultDir.create(options.out)
    : options.json
    ? null
    : ResultDir.createStamped(`famle-adapt-${name}-${seeds[0]}`, new Date());
  const damages = [...new Set(seeds.map((seed) => planned.damageOf(seed).name))];
  const damageText = damages.length === 1 ? damages[0] : `${damages.length} random ones`;
  if (!options.json) {
    const seedText = seeds.length === 1
      ? `seed ${seeds[0]}`
      : `seeds ${seeds[0]} to ${seeds.at(-1)}`;
    output.line(
      `metarl ${VERSION}: famle adapt on ${name}, damage: ${damageText}, ${seedText}, ` +
        `${length.episodes} ${online ? "stretches" : "episodes"} of ${length.steps} steps, ` +
        `planner ${planned.config.planner}, model: ${plan.source}`,
    );
  }
  const uses = plan.trains ? ["train", "adapt"] as const : ["adapt"] as const;
  for (const line of [...plan.warnings, ...unusedSettings(options, uses)]) output.error(line);
  const models = await plan.load(output, interrupt.signal, seeds[0]);
  if (models === null) {
    output.error("stopped before the model was trained: nothing is kept");
    return ExitCode.INTERRUPTED;
  }
  const study = withModels(planned, models);
  const { results, device, failure } = await runStudy(study, options, output, interrupt);
  const finished = failure === null && !interrupt.signal.aborted;
  if (results.length > 0) {
    const seconds = (performance.now() - start) / 1000;
    const run = { finished, seconds, device, model: plan.source };
    await showResults(results, study, damageText, folder, options, output, run);
  }
  // what was done before an error is kept
  if (failure !== null) throw failure;
  return finished ? ExitCode.OK : ExitCode.INTERRUPTED;
}

/** Results so far, and the error that ended them, if one did. */
interface StudyResults {
  readonly results: readonly MethodRuns[];
  readonly device: string;
  readonly failure: unknown;
}

async function runStudy(
  study: Study,
  options: AdaptOptions,
  output: Output,
  interrupt: Interrupt,
): Promise<StudyResults> {
  const device = await openDevice(options, "planning", study.models.famle.spec, output);
  const results: { readonly method: MethodName; readonly runs: EpisodeReport[][] }[] = [];
  let failure: unknown = null;
  try {
    for (const method of study.methods) {
      const runs: EpisodeReport[][] = [];
      results.push({ method, runs });
      for (const seed of study.seeds) {
        if (interrupt.signal.aborted) break;
        const show = (report: EpisodeReport) => {
          showEpisode(method, seed, report, study, options, output);
          if (output.isClosed) interrupt.abort();
        };
        const run = await control(device, study, method, seed, interrupt.signal, show);
        if (run.length > 0) runs.push(run);
      }
    }
  } catch (error) {
    failure = error;
  } finally {
    await device.close();
  }
  const done = results.filter(({ runs }) => runs.length > 0);
  return { results: done, device: device.description, failure };
}

/** Four significant digits: a likelihood in a file needs no more. */
function shortNumber(value: number): number {
  return Number(value.toPrecision(4));
}

async function showResults(
  results: readonly MethodRuns[],
  study: Study,
  damageText: string,
  folder: ResultDir | null,
  options: AdaptOptions,
  output: Output,
  run: {
    readonly finished: boolean;
    readonly seconds: number;
    readonly device: string;
    readonly model: string;
  },
): Promise<void> {
  const { factory, online } = study;
  const healthy = healthyReward(results);
  const summaries = results.map((result) => summarize(result, healthy));
  // seeds that were not run to their end say nothing about the count of episodes
  const tests = run.finished ? recoveryTests(results) : [];
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
    files.push(folder.write(EPISODES_FILE, encodeEpisodes(results, factory.spec.actDim)));
  }
  const { memoryGiB, ...machine } = describeMachine();
  const summary = {
    type: "summary",
    finished: run.finished,
    env: factory.spec.name,
    env_version: factory.spec.version,
    damage: damageText,
    seeds: study.seeds,
    healthy_reward: healthy,
    methods: results.map(({ method, runs }, i) => ({
      method,
      rewards: runs.map((episodes) => episodes.map(({ reward }) => reward)),
      damages: runs.map((episodes) => episodes[0].damage.name),
      selected: runs.map((episodes) => episodes.map(({ learned }) => learned?.selected ?? null)),
      likelihoods: runs.map((episodes) =>
        episodes.map(({ learned }) => (learned?.likelihoods ?? []).map(shortNumber))
      ),
      last_5: { mean: summaries[i].last.mean, half_width: summaries[i].last.halfWidth },
      episodes_until_90_percent: summaries[i].recovery,
      stopped_episodes: summaries[i].stopped,
      non_finite_sequences: summaries[i].nonFinite,
    })),
    fewer_episodes_than: tests,
    seconds: run.seconds,
    device: run.device,
    details: options.expDetails ?? null,
    online,
    steps: study.length.steps,
    model: run.model,
    situations: study.models.famle.situations.map(({ name }) => name),
    settings: publishedFamleConfig(study.config),
    machine: { ...machine, memory_gib: memoryGiB },
    metarl_version: VERSION,
    files,
  };
  if (folder !== null) folder.write("adapt.json", `${JSON.stringify(summary, null, 2)}\n`);
  if (options.json) {
    output.line(JSON.stringify(summary));
    return;
  }
  for (const line of resultTable(summaries)) output.line(line);
  if (healthy !== null && healthy <= 0) {
    output.line(`the healthy robot's reward is ${healthy.toFixed(1)}: 90 % of it is no measure`);
  }
  for (const { than, p, pairs } of tests) {
    output.line(
      `FAMLE needs fewer episodes than ${METHOD_LABELS[than]}: p = ${p.toPrecision(2)} (exact ` +
        `paired permutation test, one-sided, ${pairs} seeds)`,
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
