/** The sections about FAMLE: what a damaged robot did, how a model was trained, collected data. */
import { mean, meanInterval } from "../util/statistics.ts";
import type { AdaptMethod, AdaptResult } from "./adapt_result.ts";
import { bandText, meanBand } from "./band.ts";
import { settingText } from "./groups.ts";
import {
  type Block,
  type ChartBlock,
  type LineSeries,
  numbered,
  type Reference,
  rounded,
  type Section,
  type TableBlock,
} from "./model.ts";
import { columnOf, type FamleResult, type FamleRun } from "./read_run.ts";
import { formatSeconds } from "./text.ts";
import { keptPlaces, thinnedText } from "./thin.ts";

/** Names of the methods for people. */
const METHODS: Readonly<Record<string, string>> = {
  healthy: "healthy robot",
  famle: "FAMLE",
  maml: "one embedding (MAML)",
  mbrl: "from scratch (MBRL)",
};
/** Their places in the palette. */
const COLORS: Readonly<Record<string, number>> = { famle: 0, maml: 1, mbrl: 2, healthy: 3 };
/** Share of the healthy robot's reward that counts as recovered. */
const RECOVERED = 0.9;
const LAST_EPISODES = 5;

/** What the machine's facts are called, as in the table of other runs. */
const MACHINE: Readonly<Record<string, string>> = {
  platform: "system",
  cpu: "processor",
  memory_gib: "memory (GiB)",
  deno: "Deno",
  v8: "V8",
};

function methodName({ method }: { readonly method: string }): string {
  return METHODS[method] ?? method;
}

/** Place of a method among the others. */
function placeOf({ method }: AdaptMethod): number {
  return COLORS[method] ?? 4;
}

/** Mean over seeds at every episode that all of them have. */
function rewardSeries(method: AdaptMethod): LineSeries {
  const episodes = Math.min(...method.rewards.map((run) => run.length));
  const points = Array.from(
    { length: episodes },
    (_, e) => meanBand(method.rewards.map((run) => run[e])),
  );
  return {
    name: methodName(method),
    color: placeOf(method),
    look: method.method === "healthy" ? "dashed" : "solid",
    dots: episodes <= 40,
    x: points.map((_, e) => e + 1),
    y: points.map((point) => rounded(point.mean)),
    ...method.rewards.length === 1 ? {} : {
      low: points.map((point) => rounded(point.low)),
      high: points.map((point) => rounded(point.high)),
    },
  };
}

function rewardsChart(result: AdaptResult, id: string): ChartBlock {
  const { healthy_reward: healthy, methods, seeds, online } = result;
  const references: Reference[] = healthy === null || healthy <= 0
    ? []
    : [{ y: RECOVERED * healthy, label: "90 % of healthy" }];
  return {
    kind: "chart",
    id,
    caption: `Reward per ${online ? "stretch between two adaptations" : "episode"}; ${
      bandText(seeds.length, "seeds")
    }.`,
    chart: {
      kind: "lines",
      x: { label: online ? "stretch" : "episode", integer: true },
      variants: [{ label: "reward", series: methods.map(rewardSeries), references }],
    },
  };
}

/** Mean, and the half width of its interval where that says something. */
function interval(values: readonly number[]): string {
  const { mean: middle, halfWidth } = meanInterval(values);
  // of two values Student's interval is 13 standard errors wide
  return halfWidth === null || values.length < 3
    ? middle.toFixed(1)
    : `${middle.toFixed(1)} ± ${halfWidth.toFixed(1)}`;
}

function methodsTable({ methods, seeds }: AdaptResult): TableBlock {
  const what = seeds.length < 2
    ? "One seed"
    : seeds.length === 2
    ? "Means of two seeds, too few for an interval"
    : "Means over seeds with 95 % intervals (Student's t)";
  return {
    kind: "table",
    caption: `${what}; a seed that never recovered counts as one episode more than there are.`,
    head: [
      ...["method", "first episode", `last ${LAST_EPISODES} episodes`, "until 90 % of healthy"],
      ...["never", "stopped episodes", "plans without a finite return"],
    ],
    rows: methods.map((method) => {
      const { rewards, episodes_until_90_percent: until } = method;
      return [
        methodName(method),
        interval(rewards.map(([first]) => first)),
        interval(rewards.map((run) => mean(run.slice(-LAST_EPISODES)))),
        until === null
          ? "-"
          : `${interval(until.map((count, s) => count ?? rewards[s].length + 1))} episodes`,
        until === null
          ? "-"
          : `${until.filter((count) => count === null).length} of ${until.length}`,
        String(method.stopped_episodes),
        String(method.non_finite_sequences),
      ];
    }),
  };
}

/** Mean likelihood of each situation after each episode, over the seeds. */
function likelihoodBlocks(result: AdaptResult, method: AdaptMethod, id: string): Block[] {
  const runs = method.likelihoods.filter((run) => run.length > 0 && run[0].length > 1);
  if (runs.length === 0) return [];
  const episodes = Math.min(...runs.map((run) => run.length));
  const count = runs[0][0].length;
  const names = count === result.situations.length
    ? result.situations
    : Array.from({ length: count }, (_, g) => `embedding ${g}`);
  return [
    { kind: "heading", text: `Likelihood of the situations: ${methodName(method)}` },
    {
      kind: "chart",
      id,
      caption: "Likelihood of each training situation by what was observed until the end of the " +
        (result.online ? "stretch" : "episode") +
        `; none without colour, certain in full colour${
          runs.length === 1 ? "." : `; mean over ${runs.length} seeds.`
        }`,
      chart: {
        kind: "heat",
        x: { label: result.online ? "stretch" : "episode" },
        rows: names,
        columns: Array.from({ length: episodes }, (_, e) => e + 1),
        value: "likelihood",
        values: names.map((_, g) =>
          Array.from({ length: episodes }, (_, e) => {
            const values = runs.map((run) => run[e][g]).filter((value) => value !== undefined);
            return values.length === 0 ? null : rounded(mean(values), 4);
          })
        ),
      },
    },
  ];
}

function damageTable({ seeds, methods }: AdaptResult): TableBlock {
  const { damages } = methods.find(({ method }) => method === "famle") ?? methods[0];
  return {
    kind: "table",
    head: ["seed", "damage"],
    rows: seeds.map((seed, s) => [String(seed), damages[s] ?? "-"]),
  };
}

/** Results of `famle adapt`. @param at number of the result in the page, from 0 */
export function adaptSections({ path, result }: FamleResult, at: number): Section[] {
  const { env, damage, seeds, methods, fewer_episodes_than: tests } = result;
  const facts: [string, string][] = [
    ["robot", env],
    ["damage", damage],
    ["seeds", seeds.join(", ")],
    ["steps of an episode", result.steps === null ? "-" : String(result.steps)],
    ["model", result.model ?? "-"],
    ["device", result.device],
    ["time", formatSeconds(result.seconds)],
    ["metarl", result.metarl_version ?? "-"],
    ...Object.entries(result.machine).map(([key, value]): [string, string] => [
      MACHINE[key] ?? key,
      String(value ?? "-"),
    ]),
    ["note", result.details ?? "-"],
    ["folder", path],
  ];
  return [
    {
      id: numbered("rewards", at),
      title: `${env}: ${damage}`,
      blocks: [
        ...result.finished
          ? []
          : [{ kind: "text", text: "This study was stopped before its end." } as const],
        rewardsChart(result, numbered("rewards", at)),
        methodsTable(result),
        ...tests.length === 0 ? [] : [
          {
            kind: "list",
            items: tests.map(({ than, p }) =>
              `FAMLE needs fewer episodes than ${methodName({ method: than })}: p = ${
                p.toPrecision(2)
              } (exact one-sided permutation test, paired by seed)`
            ),
          } as const,
        ],
        // what was damaged first, what was not last
        ...methods.toSorted((a, b) => placeOf(a) - placeOf(b)).flatMap((method) =>
          likelihoodBlocks(result, method, `${numbered("likelihoods", at)}-${method.method}`)
        ),
      ],
    },
    {
      id: numbered("damage", at),
      title: at === 0 ? "Damage and settings" : `Damage and settings (${at + 1})`,
      blocks: [
        damageTable(result),
        { kind: "table", head: ["", ""], rows: facts },
        ...Object.keys(result.settings).length === 0 ? [] : [
          {
            kind: "table",
            folded: "All settings",
            head: ["setting", "value"],
            rows: Object.entries(result.settings).map(([key, value]) => [key, settingText(value)]),
          } as const,
        ],
      ],
    },
  ];
}

/** Points of a curve. */
const MOST_POINTS = 500;

/** Loss over the meta-iterations, its mean and that of each situation. */
function trainingChart(
  { progress: { columns, rows }, situations }: FamleRun,
  id: string,
): ChartBlock {
  const line = (column: string, name: string, color: number): LineSeries => {
    const kept = keptPlaces(columnOf(rows, column), MOST_POINTS).map((place) => rows[place]);
    return {
      ...{ name, color },
      x: columnOf(kept, "MetaIterations").map((value) => value ?? 0),
      y: columnOf(kept, column).map((value) => rounded(value)),
    };
  };
  const losses = columns.filter((name) => /^Loss_\d+$/.test(name));
  return {
    kind: "chart",
    id,
    caption: "Mean squared error per row, normalised, in the last pass over a situation." +
      thinnedText(rows.length, MOST_POINTS),
    chart: {
      kind: "lines",
      x: { label: "meta-iteration" },
      variants: [
        { label: "loss, mean over situations", series: [line("MeanLoss", "mean", 0)] },
        {
          label: "loss of each situation",
          series: losses.map((column, g) => line(column, situations[g] ?? `situation ${g}`, g)),
        },
      ],
    },
  };
}

/** Rewards while data were collected. */
function collectChart(
  { progress: { rows }, situations }: FamleRun,
  id: string,
): ChartBlock {
  const indices = [...new Set(rows.map(({ Situation }) => Situation ?? 0))].sort((a, b) => a - b);
  const episodes = indices.map((g) => rows.filter(({ Situation }) => (Situation ?? 0) === g));
  return {
    kind: "chart",
    id,
    caption: "Reward of every episode; the first ones act at random." +
      thinnedText(Math.max(...episodes.map((own) => own.length)), MOST_POINTS),
    chart: {
      kind: "lines",
      x: { label: "episode of the situation", integer: true },
      variants: [{
        label: "reward",
        series: indices.map((g, place) => {
          const rewards = columnOf(episodes[place], "Reward");
          const kept = keptPlaces(rewards, MOST_POINTS);
          return {
            name: situations[g] ?? `situation ${g}`,
            color: g,
            x: kept.map((episode) => episode + 1),
            y: kept.map((episode) => rounded(rewards[episode])),
          };
        }),
      }],
    },
  };
}

/** A run of `famle train` or `famle collect`. @param at number of the run in the page, from 0 */
export function famleRunSection(run: FamleRun, at: number): Section {
  const id = numbered(run.kind, at);
  const isTraining = run.kind === "famle-train";
  const { params: { environment, seed, config }, progress: { rows }, path } = run;
  return {
    id,
    title: `${isTraining ? "Meta-training" : "Collecting data"}: ${environment.name}, seed ${seed}`,
    blocks: [
      isTraining ? trainingChart(run, id) : collectChart(run, id),
      {
        kind: "text",
        text: isTraining
          ? `${rows.at(-1)!.MetaIterations} meta-iterations. Folder: ${path}`
          : `${rows.length} episodes. Folder: ${path}`,
      },
      {
        kind: "table",
        folded: "All settings",
        head: ["setting", "value"],
        rows: Object.entries(config).map(([key, value]) => [key, settingText(value)]),
      },
    ],
  };
}
