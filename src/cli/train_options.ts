/** Options common to the commands that train, and their help. */
import { Command, type CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import type { MetaAlgorithm } from "../trainer/types.ts";
import type { CliContext } from "./context.ts";

/** What the user typed; values are checked where the configuration is. */
export interface TrainOptions {
  readonly out?: string;
  readonly set?: readonly string[];
  readonly overrides?: string;
  readonly env?: string;
  readonly seed?: string;
  readonly iterations?: string;
  readonly workers?: string;
  readonly device?: string;
  readonly mode?: string;
  readonly resume?: string;
  readonly init?: string;
  readonly onDivergence?: string;
  readonly logGradNorm?: true;
  readonly tensorboard?: true;
  /** False with --no-report. */
  readonly report?: boolean;
  readonly force?: true;
  readonly dryRun?: true;
  readonly json?: true;
  readonly debug?: true;
}

const AFTER_HELP = `
Settings are merged in this order, later ones win:
  defaults < CONFIG < --overrides < --set < the options of their own`;

function collect(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value];
}

/** What sets one command that trains apart. */
export interface TrainCommandSetup {
  readonly context: CliContext;
  readonly example: string;
}

/** A command that trains with one algorithm. */
export function trainCommand(
  algorithm: MetaAlgorithm,
  description: string,
  { context, example }: TrainCommandSetup,
): CommandUnknownOpts {
  return new Command(algorithm)
    .description(description)
    .argument("[config]", "configuration file (default: the published point environment's)")
    .option("--out <dir>", "run folder to create (default: runs/<algorithm>-<env>-<seed>-<time>)")
    .option("--set <key=value>", "set one key of the configuration; repeatable", collect)
    .option("--overrides <json>", "set several keys, as a JSON object")
    .option("--env <name>", "environment, or file of one's own (.ts, .js, .json)")
    .option("--seed <n>", "seed of everything random")
    .option("--iterations <n>", "iterations to train; with --resume in all, not in addition")
    .option("--workers <n>", "sampling workers (default: one per core)")
    .addOption(
      new Option("--device <name>", "where the kernels run").choices(["auto", "webgpu", "cpu"]),
    )
    .option("--mode <i>", "restrict a multi-modal environment to mode i, from 0")
    .option("--resume <run>", "continue a run exactly where its last checkpoint is")
    .option("--init <checkpoint>", "start from the parameters of a checkpoint file or run folder")
    .addOption(
      new Option(
        "--on-divergence <what>",
        "what is done in an iteration that diverges (default: stop)",
      )
        .choices(["stop", "rollback", "halve-step"]),
    )
    .option("--log-grad-norm", "log the norms of the outer gradient")
    .option("--tensorboard", "write TensorBoard event files as well, into the run folder")
    .option("--no-report", "write no report.html at the end")
    .option("--force", "with --out: replace the run in an existing folder")
    .option("--dry-run", "measure an iteration, print time and memory of the whole run, no folder")
    .option("--json", "print one JSON object per iteration and a summary, for scripts")
    .option("--debug", "print a stack trace with an error")
    .addHelpText("after", `${AFTER_HELP}\n\nExample:\n  $ ${example}`)
    .action(async (config, options) => {
      if (options.dryRun) {
        const { dryRun } = await import("./dry_run.ts");
        return await dryRun(algorithm, config, options, context.output);
      }
      const { train } = await import("./train.ts");
      context.exitCode = await train(algorithm, config, options, context.output);
    });
}
