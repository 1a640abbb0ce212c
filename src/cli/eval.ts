/** `metarl eval`: does a trained policy adapt, and how far. */
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import type { CliContext } from "./context.ts";
import { allowEnvModule } from "./env_option.ts";

/** The command. */
export function evalCommand(context: CliContext): CommandUnknownOpts {
  return new Command("eval")
    .description("sample and adapt in fresh tasks; with several runs, compare them task by task")
    .argument("<run...>", "run folders of mmaml or promp")
    .option("--tasks <n>", "number of fresh tasks (default: 200)")
    .option("--steps <k>", "inner steps, more than in training allowed (default: as in training)")
    .option("--checkpoint <n>", "checkpoint after n iterations (default: the newest)")
    .option("--mode <i>", "tasks of one mode alone, from 0 (default: as in training)")
    .option("--env <file>", "the run's environment, where that is a module (.ts, .js)")
    .option("--seed <n>", "seed of tasks, starts and noise (default: 1)")
    .option("--workers <n>", "sampling workers (default: one per core)")
    .option("--json", "print one JSON object, for scripts")
    .option("--debug", "print a stack trace with an error")
    .addHelpText(
      "after",
      "\nTasks are new to the policy whatever the seed; the same seed gives every run the same ones." +
        "\n\nExample:\n  $ metarl eval runs/promp-1 runs/mmaml-1 --tasks 100",
    )
    .action(async (runs, options) => {
      await allowEnvModule(options.env);
      const { evaluateRuns } = await import("./evaluate_runs.ts");
      await evaluateRuns(runs, options, context.output);
    });
}
