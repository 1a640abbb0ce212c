/** What `metarl render` does: adapts to a fresh task, repeats a rollout of it, draws, writes. */
import { adaptToTask } from "../evaluation/evaluate.ts";
import { loadRun } from "../evaluation/load_run.ts";
import { pictureKind, type Recording, recordRollouts, shownTask } from "../evaluation/recording.ts";
import { returnText } from "../render/caption.ts";
import { buildStage } from "../render/stage.ts";
import { writeFileAtomic } from "../run/files.ts";
import { checkFormat, draw, type Shown } from "./draw.ts";
import { episodeSubject, isAdaptFolder } from "./famle/render_episode.ts";
import {
  checkpointOption,
  modeOption,
  refuseOptions,
  seedOption,
  stepsOption,
  wholeOption,
} from "./options.ts";
import { sizeText } from "./out_file.ts";
import type { Output } from "./output.ts";
import {
  type PictureOptions,
  pictureOptions,
  type RenderRunOptions,
  takesOption,
} from "./render_options.ts";
import { VERSION } from "./version.ts";

/** Something to show and what is said of it. */
export interface Subject {
  readonly shown: Shown;
  /** What it shows, one clause, e.g. `AntRandGoalModeEnv, task 0, mode 2`. */
  readonly title: string;
  /** What it earns, e.g. `return −27.9 -> −14.3`. */
  readonly earned: string;
  /** The same for scripts. */
  readonly facts: Readonly<Record<string, unknown>>;
}

function takeName(innerSteps: number): string {
  if (innerSteps === 0) return "before adaptation";
  return `after ${innerSteps} inner ${innerSteps === 1 ? "step" : "steps"}`;
}

function shownOf(
  recording: Recording,
  title: string,
  { goal, heading, walls }: ReturnType<typeof shownTask>,
): Shown {
  const { scene, takes } = recording;
  const labels = takes.map(({ innerSteps, returns }) => ({ name: takeName(innerSteps), returns }));
  if (scene === null) {
    const paths = takes.map(({ places }, t) => ({ ...labels[t], places }));
    return { kind: "plane", show: { title, paths, goal: goal ?? null, walls } };
  }
  const stage = buildStage({
    shapes: scene.shapes,
    takes: takes.map(({ poses }) => poses),
    goal,
    heading,
  });
  return { kind: "bodies", show: { title, stage, labels, dt: scene.dt } };
}

async function policySubject(
  folder: string,
  options: RenderRunOptions,
  picture: PictureOptions,
  output: Output,
): Promise<Subject> {
  refuseOptions({ method: options.method, episode: options.episode }, "a run of mmaml or promp");
  const which = takesOption(options, picture.format);
  const task = wholeOption("--task", options.task, 0, 0);
  const seed = seedOption(options.seed);
  const checkpoint = checkpointOption(options.checkpoint);
  const asked = stepsOption(options.steps);
  const run = await loadRun(folder, { checkpoint, version: VERSION });
  run.notices.forEach((line) => output.error(line));
  const { env, config } = run;
  const mode = modeOption(options.mode, env.spec) ?? config.mode;
  const rollout = wholeOption("--rollout", options.rollout, 0, 0, config.rolloutsPerTask - 1);
  const steps = asked ?? config.innerSteps;

  // refused before the work
  checkFormat(await pictureKind(run), picture.format);

  output.status("sampling and adapting");
  const adapted = await adaptToTask(run, { task, steps, seed, mode });
  const rounds = [...which.before ? [0] : [], ...which.after ? [steps] : []];
  const recording = await recordRollouts(run, adapted, rollout, rounds);
  output.status(null);

  const shows = shownTask(run, adapted.taskRow);
  const modeText = env.spec.modes > 0 ? `, mode ${adapted.mode}` : "";
  const taskText = shows.text === "" ? "" : `, ${shows.text}`;
  const title = `${env.spec.name}, task ${task}${modeText}${taskText}`;
  const returns = recording.takes.map((take) => take.returns.at(-1)!);
  return {
    shown: shownOf(recording, title, shows),
    title,
    earned: `return ${returns.map(returnText).join(" -> ")} ` +
      (rounds.length > 1 ? takeName(steps) : takeName(rounds[0])),
    facts: {
      env: env.spec.name,
      task,
      mode: env.spec.modes > 0 ? adapted.mode : null,
      taskRow: [...adapted.taskRow],
      checkpoint: run.checkpoint.iteration,
      seed,
      rollout,
      innerSteps: rounds,
      returns,
    },
  };
}

/** Draws a rollout of the run in this folder. @throws UserError for whatever has to be changed */
export async function renderRun(
  folder: string,
  options: RenderRunOptions,
  output: Output,
): Promise<void> {
  const picture = pictureOptions(options);
  const subject = isAdaptFolder(folder)
    ? await episodeSubject(folder, options, picture)
    : await policySubject(folder, options, picture, output);
  const { bytes, device, text, ...size } = await draw(subject.shown, picture, output);
  writeFileAtomic(picture.folder, picture.name, bytes);
  if (options.json) {
    const facts = { ...subject.facts, ...size, device, bytes: bytes.length };
    output.line(JSON.stringify({ out: options.out, ...facts }));
    return;
  }
  output.line(`${subject.title}: ${subject.earned}`);
  output.line(device);
  output.line(`wrote ${options.out}: ${text}, ${sizeText(bytes.length)}`);
}
