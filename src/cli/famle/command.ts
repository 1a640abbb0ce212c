/** `metarl famle`: dynamics models that adapt to damage. */
import { Command, type CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import type { CliContext } from "../context.ts";

function collectSet(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value];
}

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

/** Adds the options that all commands with settings have. */
function settingOptions<Args extends unknown[], Options extends Record<string, unknown>>(
  command: Command<Args, Options>,
) {
  return command
    .addOption(deviceOption())
    .option("--config <file>", "settings, a JSON file with the published key names")
    .option("--set <key=value>", "one setting; repeatable", collectSet)
    .option("--json", "print JSON objects, for scripts")
    .option("--debug", "print a stack trace with an error");
}

function collectCommand(context: CliContext): CommandUnknownOpts {
  return settingOptions(
    new Command("collect")
      .description("collect data of every training situation: random episodes, then planned ones")
      .option("--env <name>", "environment: famle_reacher or famle_ant (default: famle_reacher)")
      .option("--iterations <n>", "episodes of every situation, random ones included")
      .option("--episode-length <n>", "control steps of an episode")
      .option("--random-episodes <n>", "how many of a situation's episodes act at random")
      .option("--data-dir <dir>", "add to the data in this folder; no episode acts at random then")
      .option("--dump-trajects <n>", "write the data every so many episodes (default: 100)")
      .option("--exp-details <text>", "a note for the run's log")
      .option("--seed <n>", "seed of everything random (default: 1)")
      .option("--out <dir>", "folder to create (default: runs/famle-collect-<env>-<seed>-<time>)")
      .option("--resume <run>", "continue a collection exactly where its last dump is"),
  )
    .addHelpText("after", "\nExample:\n  $ metarl famle collect --env famle_reacher --out data")
    .action(async (options) => {
      const { collect } = await import("./collect.ts");
      context.exitCode = await collect(options, context.output);
    });
}

function trainCommand(context: CliContext): CommandUnknownOpts {
  return settingOptions(
    new Command("train")
      .description("meta-train a dynamics model and its embeddings on collected data")
      .argument("[data]", "folder of famle collect, or of the published code")
      .option("--iterations <n>", "meta-iterations")
      .option("--embeddings <n>", "number of embeddings; 1: one shared start (MAML)")
      .option("--seed <n>", "seed of everything random (default: 1)")
      .option("--out <dir>", "run folder to create (default: runs/famle-train-<env>-<seed>-<time>)")
      .option("--resume <run>", "continue a training exactly where its last checkpoint is")
      .option("--no-report", "write no report.html at the end"),
  )
    .addHelpText("after", "\nExample:\n  $ metarl famle train data --out runs/arm")
    .action(async (data, options) => {
      const { trainModel } = await import("./train.ts");
      context.exitCode = await trainModel(data, options, context.output);
    });
}

function adaptCommand(context: CliContext): CommandUnknownOpts {
  return settingOptions(
    new Command("adapt")
      .description("let a damaged robot adapt: select a situation, adapt the model, plan")
      .option("--model <file>", "model: .safetensors, run folder, or .pt (default: built in)")
      .option(
        "--maml-model <file>",
        "model with one embedding, for --baseline maml (default: built in)",
      )
      .option("--env <name>", "environment: famle_reacher or famle_ant (default: the model's)")
      .option("--data <dir>", "data, and the model beside them; trained first where there is none")
      .option(
        "--iterations <n>",
        "episodes (default: 20); with --online control steps in all (default: about 500)",
      )
      .option("--damage <list>", 'factor of every motor "[-1,1,1,0,1]", or random, or none')
      .option("--rand-motor-damage", "a random motor damage that the model was not trained on")
      .option("--rand-orientation-fault", "a random fault of a sensor that it was not trained on")
      .option("--online", "one mission without resets")
      .option("--adapt-steps <n>", "past steps that adapting uses, 2 or more (default: all)")
      .option("--control-steps <n>", "with --online: steps between two adaptations (default: 25)")
      .option("--sample-model", "draw the situation with its likelihood, not the most likely one")
      .option(
        "--online-damage-probability <p>",
        "with --online: probability of another damage before each stretch",
      )
      .addOption(
        new Option("--planner <name>", "how action sequences are searched (default: random)")
          .choices(["random", "cem", "icem", "mppi"] as const),
      )
      .option("--baseline <names>", "run beside it: mbrl (from scratch), maml (one embedding)")
      .option("--seeds <n>", "how many seeds, from --seed on (default: 1)")
      .option("--exp-details <text>", "a note, kept with the results")
      .option("--seed <n>", "first seed (default: 1)")
      .option(
        "--out <dir>",
        "folder for the results (default: runs/famle-adapt-<env>-<seed>-<time>; none with --json)",
      ),
  )
    .addHelpText("after", "\nExample:\n  $ metarl famle adapt --baseline mbrl,maml --seeds 3")
    .action(async (options) => {
      const { adaptRobot } = await import("./adapt.ts");
      context.exitCode = await adaptRobot(options, context.output);
    });
}

/** The command with its subcommands. */
export function famleCommand(context: CliContext): CommandUnknownOpts {
  const famle = new Command("famle")
    .description("dynamics models that adapt to damage: sine, collect, train, adapt")
    .addHelpText("after", "\nExample:\n  $ metarl famle adapt");
  for (const make of [sineCommand, collectCommand, trainCommand, adaptCommand]) {
    famle.addCommand(make(context));
  }
  return famle;
}
