/** `metarl famle`: dynamics models that adapt to damage. */
import { Command, type CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import type { CliContext } from "../context.ts";

function deviceOption() {
  return new Option("--device <name>", "where the kernels run (default: auto)")
    .choices(["auto", "webgpu", "cpu"] as const);
}

function sineCommand(context: CliContext): CommandUnknownOpts {
  return new Command("sine")
    .description("meta-train on sinusoids, adapt to a new one from a few points, draw the picture")
    .option("--seed <n>", "seed of everything random (default: 1)")
    .option("--tasks <n>", "sinusoids to meta-train on (default: 10)")
    .option("--points <n>", "points of the new sinusoid that are seen (default: 3)")
    .option("--out <dir>", "folder for the results (default: runs/famle-sine-<seed>-<time>)")
    .addOption(deviceOption())
    .option("--json", "print one JSON object, for scripts; files only with --out")
    .option("--debug", "print a stack trace with an error")
    .addHelpText("after", "\nExample:\n  $ metarl famle sine --seed 3")
    .action(async (options) => {
      const { sine } = await import("./sine.ts");
      context.exitCode = await sine(options, context.output);
    });
}

/** The command with its subcommands. */
export function famleCommand(context: CliContext): CommandUnknownOpts {
  const famle = new Command("famle")
    .description("dynamics models that adapt to damage: sine, collect, train, adapt")
    .addHelpText("after", "\nExample:\n  $ metarl famle adapt");
  for (const make of [sineCommand]) famle.addCommand(make(context));
  return famle;
}
