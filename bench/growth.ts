/**
 * How a training's time grows: seconds of an iteration's work on the learner (five meta-gradients
 * and an evaluation) and of its sampling, against tasks, rollouts, hidden units and inner steps,
 * from the point case of bench/meta_case.ts (MMAML, 40 tasks x 20 rollouts, 64 hidden units, K = 2).
 * Draws docs/assets/growth-NAME.svg and prints a table.
 *
 * Dashed: the first size's time times the number of multiply-adds in matrix products. "per work" is
 * the time relative to that: 1 where it grows with the operations.
 *
 *     deno run -A bench/growth.ts [tasks|rollouts|hidden|inner-steps]... [--quick]
 *
 * --quick: the first three sizes with few repetitions, and no chart.
 */
import { lineChart, type Series } from "../src/plot/mod.ts";
import { CpuDevice } from "../src/compute/cpu/cpu_device.ts";
import { FROM_SOURCE, ROOT, runProgram } from "./process.ts";
import { MetaCase, type MetaShape, POINT } from "./meta_case.ts";
import { timed } from "./clock.ts";
import { type Effort, FULL, QUICK, type Spread, spreadOf, takeTurns } from "./results.ts";

/** Outer steps of the published configurations, each one meta-gradient. */
const OUTER_STEPS = 5;

/** What is varied. */
interface Axis {
  readonly label: string;
  readonly sizes: readonly number[];
  readonly shape: (size: number) => MetaShape;
  /** The configuration's keys for a whole iteration of this size. */
  readonly settings: (size: number) => readonly string[];
}

const AXES: Readonly<Record<string, Axis>> = {
  tasks: {
    label: "tasks",
    sizes: [10, 20, 40, 80, 160, 320],
    shape: (tasks) => ({ ...POINT, tasks }),
    settings: (tasks) => [`meta_batch_size=${tasks}`],
  },
  rollouts: {
    label: "rollouts of a task",
    sizes: [5, 10, 20, 40, 80],
    shape: (rollouts) => ({ ...POINT, rollouts }),
    settings: (rollouts) => [`rollouts_per_meta_task=${rollouts}`],
  },
  hidden: {
    label: "hidden units of both layers",
    sizes: [32, 64, 96, 128, 192, 256],
    shape: (hidden) => ({ ...POINT, hidden }),
    settings: (hidden) => [`hidden_sizes=[${hidden},${hidden}]`],
  },
  "inner-steps": {
    label: "inner steps",
    sizes: [1, 2, 3, 4, 5],
    shape: (innerSteps) => ({ ...POINT, innerSteps }),
    settings: (innerSteps) => [`num_inner_grad_steps=${innerSteps}`],
  },
};

/** Multiply-adds of matrix products, see bench/kernel_cases.ts for the factors. */
function workOf(shape: MetaShape): { learner: number; sampling: number } {
  const { obsDim, actDim, hidden, innerSteps: K, tasks, rollouts, steps } = shape;
  const first = obsDim * hidden, others = hidden * hidden + hidden * actDim;
  const inputs = obsDim + actDim + 1, cells = 64;
  const gradient = 2 * first + 3 * others, pullback = 3 * first + 8 * others;
  const encoder = 3 * cells * (inputs + cells);
  const encoderBack = 3 * cells * (2 * inputs + 3 * cells);
  const samples = tasks * rollouts * steps;
  return {
    learner: samples * ((K + 1) * gradient + K * pullback + encoder + encoderBack),
    sampling: samples * ((K + 1) * (first + others) + K * gradient + encoder),
  };
}

interface Point {
  readonly size: number;
  /** Seconds. */
  readonly learner: Spread;
  readonly sampling: Spread;
  /** Operations relative to those of the first size. */
  readonly work: { readonly learner: number; readonly sampling: number };
}

/** Seconds that the learner works for one iteration: as often as training differentiates. */
async function learner(device: CpuDevice, shape: MetaShape, effort: Effort): Promise<Spread> {
  const metaCase = new MetaCase(shape, "mmaml");
  const objective = metaCase.objective(device);
  const { coefficients } = metaCase;
  const { gradient, evaluation } = await takeTurns({
    gradient: timed(() => objective.gradient(coefficients)),
    evaluation: timed(() => objective.evaluate(coefficients)),
  }, effort);
  objective.close();
  return spreadOf(
    gradient.map(({ ms }, turn) => (OUTER_STEPS * ms + evaluation[turn].ms) / 1000),
  );
}

/** Seconds of sampling, advantages and inner steps in the workers, from whole iterations. */
async function sampling(settings: readonly string[], effort: Effort): Promise<Spread> {
  const folder = await Deno.makeTempDir({ prefix: "metarl-bench-" });
  const { stdout } = await runProgram(Deno.execPath(), [
    ...[...FROM_SOURCE, "mmaml", "configs/point_env_momentum_dense.json", "--json", "--force"],
    ...["--device", "cpu", "--out", `${folder}/run`, "--iterations", effort.quick ? "3" : "6"],
    ...settings.flatMap((setting) => ["--set", setting]),
  ]);
  await Deno.remove(folder, { recursive: true });
  const rows = stdout.trim().split("\n").map((line) => JSON.parse(line))
    .filter(({ type }) => type === "iteration").map(({ row }) => row);
  return spreadOf(rows.slice(1).map((row) => row["Time-TotalInner"]));
}

function chart(label: string, points: readonly Point[]): string {
  const x = points.map(({ size }) => size);
  const curve = (name: string, pick: (point: Point) => Spread): Series => ({
    ...{ name, x, y: points.map((point) => pick(point).median), thick: true },
    low: points.map((point) => pick(point).low),
    high: points.map((point) => pick(point).high),
  });
  const first = points[0];
  const linear = (who: "learner" | "sampling"): Series => ({
    name: `${who}, if it grew with its operations`,
    ...{ x, y: points.map(({ work }) => first[who].median * work[who]), dashed: true, faint: true },
  });
  return lineChart({
    title: `One iteration of MMAML on the point mass, ${navigator.hardwareConcurrency} cores`,
    x: { label },
    y: { label: "seconds" },
    series: [
      curve("learner", ({ learner }) => learner),
      curve("sampling", ({ sampling }) => sampling),
      linear("learner"),
      linear("sampling"),
    ],
    width: 760,
    height: 400,
  });
}

const effort = Deno.args.includes("--quick") ? QUICK : { ...FULL, seconds: 2, least: 5 };
const wanted = Deno.args.filter((arg) => arg !== "--quick");
const strange = wanted.find((name) => !(name in AXES));
if (strange !== undefined) {
  console.error(`error: "${strange}" is none of ${Object.keys(AXES).join(", ")}, --quick`);
  Deno.exit(2);
}
const device = await CpuDevice.create();
console.log(device.description);
for (const name of wanted.length > 0 ? wanted : Object.keys(AXES)) {
  const { label, sizes, shape, settings } = AXES[name];
  console.log(`\n${label.padEnd(28)} learner s  per work  sampling s  per work`);
  const points: Point[] = [];
  for (const size of effort.quick ? sizes.slice(0, 3) : sizes) {
    const [work, unit] = [workOf(shape(size)), workOf(shape(sizes[0]))];
    const point: Point = {
      size,
      learner: await learner(device, shape(size), effort),
      sampling: await sampling(settings(size), effort),
      work: { learner: work.learner / unit.learner, sampling: work.sampling / unit.sampling },
    };
    points.push(point);
    const columns = (["learner", "sampling"] as const).map((who) => {
      const relative = point[who].median / points[0][who].median / point.work[who];
      return `${point[who].median.toFixed(3).padStart(10)}  ${relative.toFixed(2).padStart(8)}`;
    });
    console.log(`${String(size).padEnd(27)} ${columns.join("  ")}`);
  }
  if (effort.quick) continue;
  const path = `docs/assets/growth-${name}.svg`;
  await Deno.writeTextFile(`${ROOT}${path}`, chart(label, points));
  console.log(`  ${path}`);
}
await device.close();
