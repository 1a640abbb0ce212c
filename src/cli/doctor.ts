/** `metarl doctor`: does this machine compute what it should, and how fast. */
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import type { CliContext } from "./context.ts";

/** The command. */
export function doctorCommand(context: CliContext): CommandUnknownOpts {
  return new Command("doctor")
    .description("check hardware, kernels and physics, measure speed, forecast the configurations")
    .option("--quick", "leave out what takes seconds: a software GPU, speed, forecasts")
    .option("--out <folder>", "where runs will go, for the disk (default: runs)")
    .option("--dump-kernels", "print the WGSL of the kernels of the point configuration and stop")
    .option("--json", "print one JSON object, for scripts")
    .option("--debug", "print a stack trace with an error")
    .addHelpText(
      "after",
      "\nEverything that is checked is told in docs/doctor.md. Exit code 0 if all is well, else 1." +
        "\n\nExample:\n  $ metarl doctor --quick",
    )
    .action(async (options) => {
      const { runDoctor } = await import("./doctor/run_doctor.ts");
      context.exitCode = await runDoctor(options, context.output);
    });
}
