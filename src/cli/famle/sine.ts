/** `metarl famle sine`: FAMLE on sinusoids, with the picture of the original's example. */
import { ResultDir } from "../../run/result_dir.ts";
import { runSine, type SineResult, sineSpec } from "../../trainer/famle_sine.ts";
import { ExitCode } from "../failure.ts";
import { Interrupt } from "../interrupt.ts";
import type { Output } from "../output.ts";
import { VERSION } from "../version.ts";
import { seedOption, wholeOption } from "../options.ts";
import { type CommonOptions, openDevice } from "./options.ts";

/** What the user typed. */
export interface SineOptions extends CommonOptions {
  readonly tasks?: string;
  readonly points?: string;
}

const DEFAULT_TASKS = 10;
const DEFAULT_POINTS = 3;
/** A curve has at least so many points to choose from. */
const MOST_POINTS = 90;

/** The published picture. */
async function drawSine(result: SineResult): Promise<string> {
  const { lineChart, PALETTE } = await import("../../plot/mod.ts");
  const { training, test, observed, before, after } = result;
  return lineChart({
    title: "FAMLE on a new sinusoid",
    x: { label: "x" },
    y: { label: "y" },
    series: [
      ...training.map(({ x, y }) => ({
        name: "meta-training tasks",
        x,
        y,
        faint: true,
        color: PALETTE[2],
      })),
      { name: "truth", x: test.x, y: test.y, color: PALETTE[1] },
      { name: "before adaptation", x: test.x, y: before, dashed: true, color: PALETTE[0] },
      { name: "after adaptation", x: test.x, y: after, thick: true, color: PALETTE[0] },
    ],
    points: [{ name: "points seen", x: observed.x, y: observed.y, color: "#222" }],
  });
}

/** Runs the command; gives the exit code. */
export async function sine(options: SineOptions, output: Output): Promise<number> {
  const seed = seedOption(options.seed);
  const tasks = wholeOption("--tasks", options.tasks, DEFAULT_TASKS, 2, 1000);
  const points = wholeOption("--points", options.points, DEFAULT_POINTS, 1, MOST_POINTS);
  if (!options.json) {
    output.line(`metarl ${VERSION}: famle sine, seed ${seed}, ${tasks} tasks, ${points} points`);
  }
  // nothing is written for a script that doesn't say where
  using folder = options.out !== undefined
    ? ResultDir.create(options.out)
    : options.json
    ? null
    : ResultDir.createStamped(`famle-sine-${seed}`, new Date());
  using interrupt = new Interrupt(() => output.error("stopping"));
  const device = await openDevice(options, "training", sineSpec(tasks), output);
  let result: SineResult | null;
  try {
    const onProgress = (done: number) => output.status(`meta-training ${Math.round(100 * done)} %`);
    result = await runSine(device, { seed, tasks, points, onProgress, stop: interrupt.signal });
  } finally {
    output.status(null);
    await device.close();
  }
  if (result === null) return ExitCode.INTERRUPTED;

  const { selected, mseBefore, mseAfter, seconds } = result;
  const total = seconds.meta + seconds.adaptation;
  const files: string[] = [];
  if (folder !== null) {
    const svg = await drawSine(result);
    const { toPng } = await import("../../plot/mod.ts");
    files.push(folder.write("sine.svg", svg), folder.write("sine.png", await toPng(svg)));
  }
  const summary = {
    type: "summary",
    seed,
    tasks,
    points,
    selected_task: selected,
    mse_before: mseBefore,
    mse_after: mseAfter,
    seconds: total,
    seconds_meta_training: seconds.meta,
    seconds_adaptation: seconds.adaptation,
    device: device.description,
    files,
  };
  if (folder !== null) folder.write("sine.json", `${JSON.stringify(summary, null, 2)}\n`);
  if (options.json) {
    output.line(JSON.stringify(summary));
    return ExitCode.OK;
  }
  const digits = (value: number) => value.toPrecision(3);
  output.line(`most likely training task: number ${selected + 1} of ${tasks}`);
  output.line(
    `mean squared error on the new task: ${digits(mseBefore)} before, ${digits(mseAfter)} after ` +
      `adaptation`,
  );
  output.line(
    `time: ${digits(total)} s (meta-training ${digits(seconds.meta)} s, selection and ` +
      `adaptation ${digits(seconds.adaptation)} s)`,
  );
  output.line(`picture: ${files.join(", ")}`);
  return ExitCode.OK;
}
