/** `metarl embed`: what the task encoder makes of tasks. */
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import type { CliContext } from "./context.ts";
import { allowEnvModule } from "./env_option.ts";

/** The command. */
export function embedCommand(context: CliContext): CommandUnknownOpts {
  return new Command("embed")
    .description("embeddings of fresh tasks as numbers and as a map, and how well modes separate")
    .argument("<run>", "run folder of mmaml or famle train, or a FAMLE model")
    .option("--tasks <n>", "number of fresh tasks (default: 200)")
    .option("--checkpoint <n>", "checkpoint after n iterations (default: the newest)")
    .option("--env <file>", "the run's environment, where that is a module (.ts, .js)")
    .option("--seed <n>", "seed of tasks, starts, noise and map (default: 1)")
    .option("--workers <n>", "sampling workers (default: one per core)")
    .option("--out <dir>", "folder of the results (default: embed in the run's folder)")
    .option("--force", "replace results that are there")
    .option("--json", "print one JSON object, for scripts; files are written with --out alone")
    .option("--debug", "print a stack trace with an error")
    .addHelpText(
      "after",
      "\nWrites embeddings.npy, tasks.npy, modes.npy, pca.npy, tsne.npy, embedding.svg, " +
        "embedding.png and embed.json." +
        "\n\nExample:\n  $ metarl embed runs/mmaml-1 --tasks 200",
    )
    .action(async (run, options) => {
      await allowEnvModule(options.env);
      const { embed } = await import("./embed_run.ts");
      await embed(run, options, context.output);
    });
}
