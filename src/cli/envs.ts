/** `metarl envs`: the environments, their tables, and whether one keeps its promises. */
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import type { CliContext } from "./context.ts";

/** The command. */
export function envsCommand(context: CliContext): CommandUnknownOpts {
  const check = new Command("check")
    .description("check an environment: determinism, bounds, finite numbers, speed")
    .argument("<env>", "name of an environment, or file of one's own (.ts, .js, .json)")
    .option("--json", "print one JSON object, for scripts")
    .option("--debug", "print a stack trace with an error")
    .addHelpText("after", "\nExample:\n  $ metarl envs check ReacherEnv")
    .action(async (name, _options, command) => {
      const { printCheck } = await import("./show_envs.ts");
      context.exitCode = await printCheck(name, command.optsWithGlobals(), context.output);
    });
  return new Command("envs")
    .description("list the environments, or print the tables of one")
    .argument("[env]", "name of an environment, or file of one's own (.ts, .js, .json)")
    .option("--json", "print one JSON object, for scripts")
    .option("--debug", "print a stack trace with an error")
    .addHelpText("after", "\nExample:\n  $ metarl envs AntRandGoalModeEnv")
    .action(async (name, options) => {
      const { printEnv, printEnvs } = await import("./show_envs.ts");
      await (name === undefined
        ? printEnvs(options, context.output)
        : printEnv(name, options, context.output));
    })
    .addCommand(check);
}
