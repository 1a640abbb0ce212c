/** What `metarl render` shows of a folder of `famle adapt`: an episode of the damaged robot. */
import type { FamleEnv, FamleEnvFactory } from "../../envs/famle/famle_env.ts";
import { POSE_SIZE } from "../../envs/scene.ts";
import { returnText } from "../../render/caption.ts";
import { buildStage } from "../../render/stage.ts";
import { type AdaptResult, adaptResultOf } from "../../report/adapt_result.ts";
import { RunError, UserError } from "../../util/errors.ts";
import { didYouMean } from "../../util/nearest.ts";
import { KeyedRandom, Purpose } from "../../util/prng.ts";
import { refuseOptions, wholeOption } from "../options.ts";
import { type PictureOptions, type RenderRunOptions, takesOption } from "../render_options.ts";
import type { Subject } from "../render_run.ts";
import { loadFamleEnv } from "./environment.ts";
import { readEpisodes, type RecordedEpisode } from "./recorded_episodes.ts";
import { METHOD_LABELS, type MethodName } from "./results.ts";

/** File of the results of `famle adapt`. */
const ADAPT_FILE = "adapt.json";

/** Whether this is a folder of `famle adapt`. */
export function isAdaptFolder(folder: string): boolean {
  try {
    return Deno.statSync(`${folder}/${ADAPT_FILE}`).isFile;
  } catch {
    return false; // reading it as a run says what is missing
  }
}

/** An episode, repeated. [F] frames: control steps and the start */
interface Take {
  /** [F, G, 12] */
  readonly poses: Float32Array;
  /** [F] */
  readonly returns: Float64Array;
}

function methodOption(folder: string, text: string | undefined, result: AdaptResult) {
  const name = text ?? "famle";
  const found = result.methods.find(({ method }) => method === name);
  if (found !== undefined && Object.hasOwn(METHOD_LABELS, name)) {
    return { name: name as MethodName, rewards: found.rewards[0] };
  }
  const known = result.methods.map(({ method }) => method);
  throw new UserError(
    "option-value",
    `--method: ${folder} has no episodes of "${name}"` +
      (didYouMean(name, known) || `; it has those of ${known.join(", ")}`),
  );
}

/**
 * Repeats episodes in their order, as `trainer/online_control.ts` runs them, and keeps the last one
 * and those asked for; checks that each earns what was recorded.
 */
function repeat(
  env: FamleEnv,
  episodes: readonly RecordedEpisode[],
  wanted: readonly number[],
  rewards: readonly number[],
  { seeds, online, steps }: AdaptResult,
): Map<number, Take> {
  const scene = env.scene!();
  const row = scene.shapes.length * POSE_SIZE;
  const random = new KeyedRandom(seeds[0]);
  const { actDim } = env.spec;
  const takes = new Map<number, Take>();
  let goesOn = false;
  episodes.forEach(({ actions, damage }, e) => {
    // episodes are independent of each other; stretches of a mission are not
    if (!online && !wanted.includes(e)) return;
    const count = actions.length / actDim;
    if (goesOn) {
      env.setDamage(damage);
    } else {
      env.setTask(damage);
      env.reset(random.at(Purpose.ENV_RESET, e));
    }
    const poses = new Float32Array((count + 1) * row);
    const returns = new Float64Array(count + 1);
    scene.writePoses(poses, 0);
    for (let t = 0; t < count; t++) {
      env.step(actions.subarray(t * actDim, (t + 1) * actDim));
      scene.writePoses(poses, (t + 1) * row);
      returns[t + 1] = returns[t] + env.reward;
    }
    if (returns[count] !== rewards[e]) {
      throw new RunError(
        "replay",
        `can't repeat episode ${e + 1} of ${env.spec.name}: it earned ${rewards[e]}, repeated ` +
          `${returns[count]}; the files do not belong together`,
      );
    }
    goesOn = online && count === steps;
    if (wanted.includes(e)) takes.set(e, { poses, returns });
  });
  return takes;
}

function damagedMotors(factory: FamleEnvFactory, row: Float64Array): number[] {
  return Array.from({ length: factory.motors }, (_, i) => i).filter((i) => row[i] !== 1);
}

/** Where the goal of a task row is, where it has one. */
function goalOf({ spec }: FamleEnvFactory, row: Float64Array): [number, number] | undefined {
  const [x, y] = ["goal_x", "goal_y"].map((name) => {
    return spec.task.findIndex((each) => each.name === name);
  });
  return x < 0 || y < 0 ? undefined : [row[x], row[y]];
}

/** The episode that the options ask for. @throws UserError what is wrong with options or files */
export async function episodeSubject(
  folder: string,
  options: RenderRunOptions,
  picture: PictureOptions,
): Promise<Subject> {
  const { task, mode, steps, checkpoint, seed, rollout } = options;
  refuseOptions({ task, mode, steps, checkpoint, seed, rollout }, "a folder of famle adapt");
  const which = takesOption(options, picture.format);
  const result = adaptResultOf(`${folder}/${ADAPT_FILE}`);
  const { name, rewards } = methodOption(folder, options.method, result);
  const last = wholeOption("--episode", options.episode, rewards.length, 1, rewards.length) - 1;
  const factory = await loadFamleEnv(result.env);
  if (factory.spec.version !== result.env_version) {
    throw new UserError(
      "run-environment",
      `can't draw ${folder}: it was made with version ${result.env_version} of ${result.env}, ` +
        `this metarl has version ${factory.spec.version}`,
    );
  }
  const episodes = await readEpisodes(folder, name, last + 1);
  const wanted = [...new Set([...which.before ? [0] : [], ...which.after ? [last] : []])];
  const env = await factory.createInstance();
  try {
    const takes = repeat(env, episodes, wanted, rewards, result);
    const { shapes, dt } = env.scene!();
    const { damage } = episodes[last];
    const stage = buildStage({
      shapes,
      takes: wanted.map((e) => takes.get(e)!.poses),
      goal: goalOf(factory, damage),
      damagedMotors: damagedMotors(factory, damage),
    });
    const what = result.online ? "stretch" : "episode";
    const label = METHOD_LABELS[name];
    const labels = wanted.map((e) => ({
      name: `${label}, ${what} ${e + 1}`,
      returns: takes.get(e)!.returns,
    }));
    const state = name === "healthy" ? "healthy" : result.damage;
    const title = `${result.env}, ${state}`;
    const earned = wanted.map((e) => rewards[e]);
    return {
      shown: { kind: "bodies", show: { title, stage, labels, dt } },
      title,
      earned: `${label}, reward ${earned.map(returnText).join(" -> ")} in ${what} ` +
        wanted.map((e) => e + 1).join(" and "),
      facts: {
        env: result.env,
        method: name,
        damage: [...damage],
        episodes: wanted.map((e) => e + 1),
        rewards: earned,
      },
    };
  } finally {
    env.close();
  }
}
