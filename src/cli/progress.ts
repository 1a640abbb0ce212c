/**
 * How a training run is shown while it goes on: a status line with bar and time left on a
 * terminal, one line per iteration otherwise, one JSON object per iteration for scripts.
 */
import type { IterationReport, TrainSummary } from "../trainer/types.ts";
import type { Output } from "./output.ts";

/** Shows iterations. */
export interface ProgressView {
  phase(phase: string): void;
  iteration(report: IterationReport): void;
  summary(summary: TrainSummary, runPath: string): void;
}

/** The time left is estimated from so many of the last iterations. */
const ETA_WINDOW = 20;
const BAR_WIDTH = 12;

/** `1:02:03`, `2:03`. */
export function formatDuration(seconds: number): string {
  const whole = Math.round(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const shown = parts[0] === 0 ? parts.slice(1) : parts;
  return shown.map((part, i) => i === 0 ? String(part) : String(part).padStart(2, "0")).join(":");
}

/** `987`, `61.2k`, `1.25M`. */
export function formatRate(perSecond: number): string {
  const [value, suffix] = perSecond >= 1e6
    ? [perSecond / 1e6, "M"]
    : perSecond >= 1e3
    ? [perSecond / 1e3, "k"]
    : [perSecond, ""];
  return `${Number(value.toPrecision(3))}${suffix}`;
}

/** Speed and time left, from the iterations of this process. */
class Pace {
  readonly #seconds: number[] = [];

  constructor(readonly iterations: number) {}

  /** `61k steps/s` and `ETA 12:30` after this iteration. */
  after(report: IterationReport): { readonly rate: string; readonly eta: string } {
    this.#seconds.push(report.seconds);
    if (this.#seconds.length > ETA_WINDOW) this.#seconds.shift();
    const mean = this.#seconds.reduce((sum, value) => sum + value, 0) / this.#seconds.length;
    const left = mean * (this.iterations - report.iteration - 1);
    return {
      rate: `${formatRate(report.environmentSteps / report.seconds)} steps/s`,
      eta: `ETA ${formatDuration(left)}`,
    };
  }
}

/** Average returns of steps 0 .. K. */
function formatReturns(returns: readonly number[], digits: number): string {
  if (returns.length === 0) return "none";
  return returns.map((value) => String(Number(value.toPrecision(digits)))).join(" -> ");
}

/** More digits than a return is certain to. */
const LINE_DIGITS = 5;
/** So that the line fits into 80 characters. */
const STATUS_DIGITS = 4;

function summaryLine(summary: TrainSummary, runPath: string): string {
  const { iteration, seconds, returns } = summary;
  const result = returns === null ? "" : `, returns ${formatReturns(returns, LINE_DIGITS)}`;
  return `${summary.status} at iteration ${iteration} after ${formatDuration(seconds)}${result}; ` +
    `run folder ${runPath}`;
}

/** The part of `text` that fits into one line of a terminal. */
function clip(text: string, columns: number): string {
  return text.length < columns ? text : text.slice(0, columns - 1);
}

/** For people at a terminal. */
export class StatusView implements ProgressView {
  readonly #output: Output;
  readonly #pace: Pace;
  #done: number;
  #last = "";
  #phase = "";

  constructor(output: Output, iterations: number, firstIteration: number) {
    this.#output = output;
    this.#pace = new Pace(iterations);
    this.#done = firstIteration;
    this.#draw();
  }

  phase(phase: string): void {
    this.#phase = phase;
    this.#draw();
  }

  iteration(report: IterationReport): void {
    this.#done = report.iteration + 1;
    const { rate, eta } = this.#pace.after(report);
    this.#last = `${eta}  ${rate}  ${formatReturns(report.returns, STATUS_DIGITS)}`;
    this.#draw();
  }

  summary(summary: TrainSummary, runPath: string): void {
    this.#output.status(null);
    this.#output.line(summaryLine(summary, runPath));
  }

  #draw(): void {
    const { iterations } = this.#pace;
    const filled = Math.floor(BAR_WIDTH * this.#done / iterations);
    const bar = "#".repeat(filled).padEnd(BAR_WIDTH, ".");
    const parts = [`[${bar}] ${this.#done}/${iterations}`, this.#last, this.#phase];
    const text = parts.filter((part) => part !== "").join("  ");
    this.#output.status(clip(text, this.#output.columns));
  }
}

/** One line per iteration: returns, time, speed, predicted end. */
export class IterationLines {
  readonly #pace: Pace;

  constructor(iterations: number) {
    this.#pace = new Pace(iterations);
  }

  /** The line of an iteration, in the order in which they end. */
  of(report: IterationReport): string {
    const { rate, eta } = this.#pace.after(report);
    return `iteration ${report.iteration}: ` +
      `returns ${formatReturns(report.returns, LINE_DIGITS)}, ` +
      `${Number(report.seconds.toPrecision(3))} s, ${rate}, ${eta}`;
  }
}

/** For pipes. */
export class LineView implements ProgressView {
  readonly #output: Output;
  readonly #lines: IterationLines;

  constructor(output: Output, iterations: number) {
    this.#output = output;
    this.#lines = new IterationLines(iterations);
  }

  phase(): void {}

  iteration(report: IterationReport): void {
    this.#output.line(this.#lines.of(report));
  }

  summary(summary: TrainSummary, runPath: string): void {
    this.#output.line(summaryLine(summary, runPath));
  }
}

/** For scripts: newline-delimited JSON. */
export class JsonView implements ProgressView {
  readonly #output: Output;

  constructor(output: Output) {
    this.#output = output;
  }

  phase(): void {}

  iteration(report: IterationReport): void {
    this.#output.line(JSON.stringify({ type: "iteration", ...report }));
  }

  summary(summary: TrainSummary, runPath: string): void {
    this.#output.line(JSON.stringify({ type: "summary", run: runPath, ...summary }));
  }
}
