/** `metarl report`: one HTML file about what was trained. */
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import type { CliContext } from "./context.ts";
import { allowEnvModule } from "./env_option.ts";

/** The command. */
export function reportCommand(context: CliContext): CommandUnknownOpts {
  return new Command("report")
    .description("write one HTML file about runs: curves, fresh tasks, settings, machine")
    .argument(
      "<run...>",
      "run folders, results of famle adapt, progress.csv files of the published code",
    )
    .option("--out <file>", "file to write (default: report.html in the first folder)")
    .option("--tasks <n>", "fresh tasks to evaluate each run in (default: 40)")
    .option("--steps <k>", "inner steps, more than in training allowed (default: as in training)")
    .option("--env <file>", "the run's environment, where that is a module (.ts, .js)")
    .option("--seed <n>", "seed of tasks, starts and noise (default: 1)")
    .option("--workers <n>", "sampling workers (default: one per core)")
    .option("--no-eval", "from the files alone: no fresh tasks, fast")
    .option("--tensorboard", "write TensorBoard event files beside each progress.csv instead")
    .option("--force", "replace an existing file given with --out")
    .option("--debug", "print a stack trace with an error")
    .addHelpText(
      "after",
      "\nRuns that differ in nothing but the seed are shown as one curve with its interval. The " +
        "file needs no network.\n\nExample:\n  $ metarl report runs/promp-1 runs/mmaml-1 --out " +
        "report.html",
    )
    .action(async (runs, options) => {
      await allowEnvModule(options.env);
      const { reportRuns } = await import("./report_runs.ts");
      await reportRuns(runs, options, context.output);
    });
}
