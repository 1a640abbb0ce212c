/** `metarl render`: a rollout of a trained policy, to be looked at. */
import { Command, type CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import type { CliContext } from "./context.ts";
import { allowEnvModule } from "./env_option.ts";

/** The command. */
export function renderCommand(context: CliContext): CommandUnknownOpts {
  return new Command("render")
    .description("draw a rollout in a fresh task, before or after adapting to it")
    .argument("<run>", "run folder of mmaml or promp, or a folder of famle adapt")
    .requiredOption("--out <file>", "picture: .gif, .mp4, .png, .html; .svg in the plane")
    .option("--task <i>", "number of the fresh task, as in metarl eval (default: 0)")
    .option("--mode <i>", "tasks of one mode alone, from 0 (default: as in training)")
    .option("--adapted", "after the inner steps (default; .html: before and after)")
    .option("--before", "before the inner steps")
    .option("--side-by-side", "before at the left, after at the right")
    .option("--steps <k>", "inner steps, more than in training allowed (default: as in training)")
    .option("--checkpoint <n>", "checkpoint after n iterations (default: the newest)")
    .option("--env <file>", "the run's environment, where that is a module (.ts, .js)")
    .option("--seed <n>", "seed of task, start and noise (default: 1)")
    .option("--rollout <e>", "which of the task's rollouts, from 0 (default: 0)")
    .option("--size <WxH>", "of one picture in px (default: 320x240; .mp4: 640x480)")
    .option("--fps <n>", "frames per second, at most (default: 25)")
    .option("--speed <x>", "1: real time (default: slower where it would last less than 3 s)")
    .option("--moments <n>", "pictures on a .png; 1: the last one (default: 6)")
    .addOption(
      new Option("--camera <what>", "follow the robot, or show the whole task")
        .choices(["follow", "whole"] as const),
    )
    .option("--azimuth <degrees>", "from where the camera looks, about the vertical")
    .option("--elevation <degrees>", "from how far above, 0 to 90")
    .option("--no-shadows", "draw no shadows")
    .addOption(
      new Option("--device <name>", "what draws (default: auto, a GPU where there is one)")
        .choices(["auto", "webgpu", "cpu"] as const),
    )
    .option("--method <name>", "famle adapt: healthy, famle, mbrl or maml (default: famle)")
    .option("--episode <n>", "famle adapt: episode, from 1 (default: the last)")
    .option("--force", "replace the file where it exists")
    .option("--json", "print one JSON object, for scripts")
    .option("--debug", "print a stack trace with an error")
    .addHelpText(
      "after",
      "\nExample:\n  $ metarl render runs/mmaml-1 --task 3 --side-by-side --out ant.gif",
    )
    .action(async (run, options) => {
      await allowEnvModule(options.env);
      const { renderRun } = await import("./render_run.ts");
      await renderRun(run, options, context.output);
    });
}
