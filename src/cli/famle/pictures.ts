/** Pictures of `famle adapt`: reward per episode, and the arm on its way. */
import type { FamleEnvFactory } from "../../envs/famle/famle_env.ts";
import type { ArmPanel, Place } from "../../plot/mod.ts";
import type { EpisodeReport } from "../../trainer/online_control.ts";
import { METHOD_LABELS, type MethodSummary, RECOVERED_TEXT, recoveredReward } from "./results.ts";

/** Reward per episode of all methods, with 95 % intervals where there are several seeds. */
export async function drawRewards(
  title: string,
  summaries: readonly MethodSummary[],
  healthy: number | null,
  online: boolean,
): Promise<string> {
  const { lineChart, PALETTE, GRAY } = await import("../../plot/mod.ts");
  const wanted = recoveredReward(healthy);
  const colors = { healthy: GRAY, famle: PALETTE[0], maml: PALETTE[1], mbrl: PALETTE[2] };
  return lineChart({
    title,
    x: { label: online ? "stretch between two adaptations" : "episode", integer: true },
    y: { label: online ? "reward per stretch" : "reward per episode" },
    series: summaries.map(({ method, perEpisode }) => {
      const bounds = perEpisode.every(({ halfWidth }) => halfWidth !== null);
      return {
        name: METHOD_LABELS[method],
        color: colors[method],
        thick: method === "famle",
        x: perEpisode.map((_, e) => e + 1),
        y: perEpisode.map((point) => point.mean),
        ...bounds
          ? {
            low: perEpisode.map((point) => point.mean - point.halfWidth!),
            high: perEpisode.map((point) => point.mean + point.halfWidth!),
          }
          : {},
      };
    }),
    references: wanted === null ? [] : [{ y: wanted, label: RECOVERED_TEXT }],
  });
}

/** Length of one link of the arm, m. */
const LINK = 0.3;
const JOINTS = 5;
/** Where the fingertip stands in an observation, and the goal in a task row. */
const FINGERTIP = 10;
const GOAL = 10;
const GOAL_RADIUS = 0.08;
/** The arm is drawn every so many control steps. */
const SNAPSHOT_EVERY = 7;

/** Joints of the arm in an observation; the faulty readings' offsets are taken back. */
function armPlaces(observation: Float64Array, offsets: Float64Array): Place[] {
  const places: Place[] = [[0, 0]];
  let angle = 0, x = 0, y = 0;
  for (let j = 0; j < JOINTS; j++) {
    angle += observation[j] / 180 * Math.PI - 2 * Math.PI * offsets[j];
    x += LINK * Math.cos(angle);
    y += LINK * Math.sin(angle);
    places.push([x, y]);
  }
  return places;
}

function armPanel(label: string, report: EpisodeReport, stateDim: number): ArmPanel {
  const { row } = report.damage;
  const offsets = row.subarray(JOINTS, 2 * JOINTS);
  const states: Float64Array[] = [];
  for (let at = 0; at < report.observations.length; at += stateDim) {
    states.push(report.observations.subarray(at, at + stateDim));
  }
  const last = states.length - 1;
  return {
    label,
    snapshots: states
      .filter((_, t) => t % SNAPSHOT_EVERY === 0 || t === last)
      .map((state) => armPlaces(state, offsets)),
    tipPath: states.map((state): Place => [state[FINGERTIP], state[FINGERTIP + 1]]),
    goal: { at: [row[GOAL], row[GOAL + 1]], radius: GOAL_RADIUS },
    damagedJoints: Array.from({ length: JOINTS }, (_, j) => j)
      .filter((j) => row[j] !== 1 || offsets[j] !== 0),
  };
}

/** The arm in the first, an early and the last episode; `null` for robots that are no arm. */
export async function drawArm(
  factory: FamleEnvFactory,
  title: string,
  run: readonly EpisodeReport[],
): Promise<string | null> {
  const { name, obsDim } = factory.spec;
  if (name !== "famle_reacher" || run.length === 0) return null;
  const { armPicture } = await import("../../plot/mod.ts");
  const chosen = [...new Set([0, Math.min(4, run.length - 1), run.length - 1])];
  return armPicture({
    title,
    panels: chosen.map((e) =>
      armPanel(`episode ${e + 1}: reward ${run[e].reward.toFixed(1)}`, run[e], obsDim)
    ),
  });
}
