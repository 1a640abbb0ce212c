/**
 * Recorded rollouts of one task as what a picture needs: where everything was after each control
 * step, and what had been earned by then. The environment repeats the rollout; that it earns what
 * was recorded is checked.
 *
 * Axis letters: F frames (control steps and the start), G shapes.
 */
import type { Env, RoundWall } from "../envs/env.ts";
import { POSE_SIZE, type Scene } from "../envs/scene.ts";
import { replayRollout } from "../rollout/replay.ts";
import { RunError, UserError } from "../util/errors.ts";
import { KeyedRandom } from "../util/prng.ts";
import type { AdaptedTask } from "./evaluate.ts";
import type { LoadedRun } from "./load_run.ts";

/** One rollout. */
export interface RecordedTake {
  /** Inner steps that had been taken. */
  readonly innerSteps: number;
  /** [F] sum of rewards up to each frame, 0 at the start */
  readonly returns: Float64Array;
  /** [F, G, 12] poses of the scene's shapes; empty where the environment has no bodies */
  readonly poses: Float32Array;
  /** [F, 2] x, y of what has to reach the goal; empty where the environment has bodies */
  readonly places: Float64Array;
}

/** Rollouts of one task. */
export interface Recording {
  /** `null` where the environment has no bodies: then there are places in the plane. */
  readonly scene: Pick<Scene, "shapes" | "dt"> | null;
  readonly takes: readonly RecordedTake[];
}

/** Grows while an episode goes on whose length is not known. */
class Frames {
  readonly returns: number[] = [];
  readonly poses: Float32Array[] = [];
  readonly places: number[] = [];
  readonly #place = new Float64Array(2);

  constructor(readonly env: Env, readonly scene: Scene | null) {}

  add(): void {
    const earned = this.returns.at(-1);
    this.returns.push(earned === undefined ? 0 : earned + this.env.reward);
    if (this.scene === null) {
      this.env.tracePosition!(this.#place);
      this.places.push(...this.#place);
      return;
    }
    const pose = new Float32Array(this.scene.shapes.length * POSE_SIZE);
    this.scene.writePoses(pose, 0);
    this.poses.push(pose);
  }

  take(innerSteps: number): RecordedTake {
    const row = (this.scene?.shapes.length ?? 0) * POSE_SIZE;
    const poses = new Float32Array(this.poses.length * row);
    this.poses.forEach((pose, f) => poses.set(pose, f * row));
    return {
      innerSteps,
      returns: Float64Array.from(this.returns),
      poses,
      places: Float64Array.from(this.places),
    };
  }
}

/** What an environment can show. @throws UserError `env-no-picture` where it has neither. */
function sceneOf(env: Env): Scene | null {
  const scene = env.scene?.() ?? null;
  if (scene !== null || env.tracePosition !== undefined) return scene;
  throw new UserError(
    "env-no-picture",
    `can't draw ${env.spec.name}: it has neither bodies nor a place in the plane; give its ` +
      "instances scene() or tracePosition()",
  );
}

/** Whether pictures of the run show bodies, or ways in the plane. @throws UserError `env-no-picture` */
export async function pictureKind({ env }: Pick<LoadedRun, "env">): Promise<"bodies" | "plane"> {
  const instance = await env.createInstance();
  try {
    return sceneOf(instance) === null ? "plane" : "bodies";
  } finally {
    instance.close();
  }
}

/**
 * Records rollouts of a task.
 *
 * @param rollout which of the task's rollouts
 * @param rounds numbers of inner steps after which rollouts are shown
 * @throws UserError `env-no-picture`
 * @throws RunError `replay` where the environment does not repeat what was recorded
 */
export async function recordRollouts(
  run: LoadedRun,
  adapted: AdaptedTask,
  rollout: number,
  rounds: readonly number[],
): Promise<Recording> {
  const env = await run.env.createInstance();
  try {
    const scene = sceneOf(env);
    const random = new KeyedRandom(adapted.seed);
    const takes = rounds.map((round) => {
      const frames = new Frames(env, scene);
      const batch = adapted.batches[round];
      const { taskRow, iteration, task } = adapted;
      const recorded = { batch, rollout, taskRow, iteration, task, round };
      replayRollout(env, recorded, random, () => frames.add());
      const take = frames.take(round);
      const [wanted, found] = [batch.returns[rollout], take.returns.at(-1)!];
      if (wanted !== found) {
        throw new RunError(
          "replay",
          `can't repeat a rollout of ${env.spec.name}: it earned ${wanted}, repeated ${found}; ` +
            "the environment depends on more than its task, its start and its actions",
        );
      }
      return take;
    });
    return { scene: scene === null ? null : { shapes: scene.shapes, dt: scene.dt }, takes };
  } finally {
    env.close();
  }
}

/** What of a task shows in a picture. */
export interface ShownTask {
  /** Where the goal is, m; z where the task has one. */
  readonly goal?: readonly [x: number, y: number, z?: number];
  /** Direction to go in the plane. */
  readonly heading?: readonly [x: number, y: number];
  readonly walls: readonly RoundWall[];
  /** Numbers that nothing in the picture shows, e.g. `speed 1.24 m/s`; "" for none. */
  readonly text: string;
}

/** Tasks of more numbers than this are not written out. */
const MOST_NUMBERS = 2;

/** What of a task [D] shows, as its table tells. */
export function shownTask({ env }: Pick<LoadedRun, "env">, row: ArrayLike<number>): ShownTask {
  const { spec: { task }, goalOf, wallsOf } = env;
  const at = (name: string) => task.findIndex((each) => each.name === name);
  const walls = wallsOf?.(row) ?? [];
  const [gx, gy, gz] = ["goal_x", "goal_y", "goal_z"].map(at);
  // two numbers that the environment does not call a place may be x and z, or anything else
  const place = goalOf?.(row) ?? (gx >= 0 && gy < 0 ? [row[gx], 0] as const : null);
  if (place !== null) {
    return { goal: gz < 0 ? place : [...place, row[gz]], walls, text: "" };
  }
  const [dx, dy] = [at("direction_x"), at("direction_y")];
  if (dx >= 0 && dy >= 0) return { heading: [row[dx], row[dy]], walls, text: "" };
  const along = at("direction");
  if (along >= 0) return { heading: [row[along], 0], walls, text: "" };
  if (task.length > MOST_NUMBERS) return { walls, text: "" };
  const text = task.map(({ name, unit }, i) => {
    return `${name} ${Number(row[i].toPrecision(3))}${unit === "1" ? "" : ` ${unit}`}`;
  }).join(", ");
  return { walls, text };
}
