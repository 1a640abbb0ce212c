/** What `metarl doctor` does: looks at everything, prints it as it comes, gives the exit code. */
import { objectiveSpec } from "../../trainer/specs.ts";
import { messageOf } from "../../util/errors.ts";
import { mebibytes, roughDuration, seconds } from "../dry_run.ts";
import { ExitCode } from "../failure.ts";
import type { Output } from "../output.ts";
import { settleNew } from "../prepare_run.ts";
import { formatRate } from "../progress.ts";
import { printTable } from "../table.ts";
import { VERSION } from "../version.ts";
import type { Finding } from "./finding.ts";
import type { Forecast } from "./forecast.ts";
import { findDisk, findGpu, findMachine, findMemory, type GpuKind } from "./machine.ts";

/** What the user typed. */
export interface DoctorOptions {
  readonly quick?: true;
  readonly out?: string;
  readonly dumpKernels?: true;
  readonly json?: true;
}

/** Columns of status and name. */
const STATUS_WIDTH = 8;
const NAME_WIDTH = 21;
/** Characters of a text beside its head, however narrow the terminal is. */
const LEAST_ROOM = 30;
/** How long one environment is measured, in s. */
const SPEED_SECONDS = 1;

/** Prints findings as they come and keeps them. */
class Report {
  readonly findings: Finding[] = [];
  readonly forecasts: Forecast[] = [];

  constructor(readonly output: Output, readonly isJson: boolean) {}

  add(finding: Finding): void {
    const { status, name, detail, advice } = finding;
    this.findings.push(finding);
    if (this.isJson) return;
    const head = status.padEnd(STATUS_WIDTH) + name.padEnd(NAME_WIDTH);
    this.#print(head, detail);
    if (advice !== undefined) this.#print("", `what to do: ${advice}`);
  }

  /** A text beside its head, on a terminal in lines of its width. */
  #print(head: string, text: string): void {
    const indent = STATUS_WIDTH + NAME_WIDTH;
    const room = this.output.isTerminal
      ? Math.max(LEAST_ROOM, this.output.columns - indent - 1)
      : Infinity;
    let line = "";
    let start = head.padEnd(indent);
    for (const word of text.split(" ")) {
      if (line !== "" && line.length + 1 + word.length > room) {
        this.output.line(start + line);
        start = " ".repeat(indent);
        line = word;
      } else {
        line += line === "" ? word : ` ${word}`;
      }
    }
    this.output.line(start + line);
  }

  /** Runs a check with a status line; an error is a finding as well. */
  async check(
    name: string,
    run: () => Promise<Finding | Finding[]> | Finding,
    advice: string,
  ): Promise<void> {
    this.output.status(`checking: ${name}`);
    try {
      for (const finding of [await run()].flat()) this.add(finding);
    } catch (error) {
      this.add({ status: "FAILED", name, detail: messageOf(error), advice });
    } finally {
      this.output.status(null);
    }
  }

  get failed(): readonly Finding[] {
    return this.findings.filter(({ status }) => status === "FAILED");
  }
}

/** The WGSL texts of the kernels of the point configuration, one after the other. */
async function dumpKernels(output: Output): Promise<number> {
  const { dumpKernels } = await import("../../compute/webgpu/dump.ts");
  const { config, spec } = await settleNew(undefined, {});
  const { policy, encoder } = objectiveSpec(config, "mmaml", spec);
  for (const { name, wgsl } of dumpKernels(policy, encoder)) {
    output.line(`// ---- ${name} ----\n${wgsl}`);
  }
  return ExitCode.OK;
}

async function checkNumbers(report: Report, gpu: GpuKind, quick: boolean) {
  const { checkHost, checkKernels } = await import("./golden.ts");
  const { builtinFixtures } = await import("../../golden/builtin.ts");
  const fixtures = builtinFixtures();
  const advice = "report this line";
  const kernels = (kind: "reference" | "cpu" | "webgpu") =>
    report.check(`kernels on ${kind}`, () => checkKernels(kind, fixtures), advice);
  await kernels("reference");
  await kernels("cpu");
  if (gpu === "hardware" || (gpu === "software" && !quick)) await kernels("webgpu");
  await report.check("physics", () => checkHost(fixtures), advice);
}

async function measure(report: Report, device: "auto" | "cpu"): Promise<void> {
  const { forecast, measureSpeed, PUBLISHED, SPEED_ENVS, tooLarge } = await import("./forecast.ts");
  const speeds = new Map<string, number>();
  for (const env of SPEED_ENVS) {
    await report.check(`speed of ${env}`, async () => {
      const stepsPerSecond = await measureSpeed(env, SPEED_SECONDS);
      speeds.set(env, stepsPerSecond);
      const detail = `${formatRate(stepsPerSecond)} steps/s of ${env} on one thread`;
      return { status: "ok", name: "speed", detail, data: { env, stepsPerSecond } };
    }, "metarl envs check NAME says more");
  }
  for (const [name, { env }] of Object.entries(PUBLISHED)) {
    report.output.status(`forecast: ${name}`);
    try {
      const speed = speeds.get(env) ?? await measureSpeed(env, SPEED_SECONDS / 4);
      report.forecasts.push(
        await forecast(name, speed, device, (phase) => {
          report.output.status(`forecast: ${name}, ${phase}`);
        }),
      );
    } catch (error) {
      const advice = `metarl mmaml configs/${name}.json --dry-run --debug says more`;
      report.add({
        status: "FAILED",
        name: "forecast",
        detail: `${name}: ${messageOf(error)}`,
        advice,
      });
    } finally {
      report.output.status(null);
    }
  }
  const { total } = Deno.systemMemoryInfo();
  for (const finding of tooLarge(report.forecasts, total)) report.add(finding);
}

function printForecasts({ forecasts, isJson, output }: Report): void {
  if (isJson || forecasts.length === 0) return;
  const [{ workers, device }] = forecasts;
  const kind = device.split(":")[0];
  output.line("");
  output.line(`metarl mmaml CONFIG would take here, an estimate (${workers} workers, ${kind}):`);
  printTable(
    [
      ["", "an iteration", "iterations", "in all", "memory", "measured on"],
      ...forecasts.map((row) => [
        row.config,
        seconds(row.secondsPerIteration),
        String(row.iterations),
        roughDuration(row.expectedSeconds),
        mebibytes(row.residentBytes),
        `${Number((100 * row.measuredShare).toPrecision(2))} %`,
      ]),
    ],
    output,
    "  ",
  );
}

function printVerdict(report: Report): void {
  const { failed, findings, output } = report;
  output.line("");
  output.line(
    failed.length === 0
      ? "All is well."
      : `${failed.length} of ${findings.length} failed: ${
        failed.map(({ name }) => name).join(", ")
      }`,
  );
}

/** Looks at everything; gives the exit code: 0 only if nothing failed. */
export async function runDoctor(options: DoctorOptions, output: Output): Promise<number> {
  if (options.dumpKernels) return await dumpKernels(output);
  const quick = options.quick === true;
  const report = new Report(output, options.json === true);
  if (!report.isJson) output.line(`metarl ${VERSION} doctor${quick ? ", quick" : ""}\n`);

  await report.check("machine", findMachine, "report this line");
  await report.check("memory", findMemory, "report this line");
  await report.check("disk", () => findDisk(options.out ?? "runs", quick), "report this line");
  let gpu = "none" as GpuKind;
  await report.check("GPU", async () => {
    const { kind, findings } = await findGpu();
    gpu = kind;
    return findings;
  }, "update the GPU's driver, or train with --device cpu");
  // first, while the process has little memory of its own
  if (!quick) await measure(report, gpu === "hardware" ? "auto" : "cpu");
  await checkNumbers(report, gpu, quick);
  printForecasts(report);

  const ok = report.failed.length === 0;
  if (report.isJson) {
    const { findings, forecasts } = report;
    const failed = report.failed.map(({ name }) => name);
    output.line(
      JSON.stringify({ type: "doctor", version: VERSION, ok, failed, findings, forecasts }),
    );
  } else {
    printVerdict(report);
  }
  return ok ? ExitCode.OK : ExitCode.FAILED;
}
