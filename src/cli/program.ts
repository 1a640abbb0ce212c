/**
 * The command line: commands, options, help, exit codes. What a command does is loaded when it
 * runs, so that help and version come at once.
 *
 * Exit codes: 0 done, 1 it failed, 2 asked wrongly, 130 interrupted.
 */
import { Command, CommanderError, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { UserError } from "../util/errors.ts";
import { didYouMean } from "../util/nearest.ts";
import type { CliContext } from "./context.ts";
import { doctorCommand } from "./doctor.ts";
import { embedCommand } from "./embed.ts";
import { envsCommand } from "./envs.ts";
import { evalCommand } from "./eval.ts";
import { famleCommand } from "./famle/command.ts";
import { errorStyle, ExitCode, reportFailure } from "./failure.ts";
import { mmamlCommand } from "./mmaml.ts";
import type { Output } from "./output.ts";
import { prompCommand } from "./promp.ts";
import { renderCommand } from "./render.ts";
import { reportCommand } from "./report.ts";
import { VERSION } from "./version.ts";

/** The command that the arguments name, as a user types it, and the argument behind its name. */
function namedCommand(program: CommandUnknownOpts, args: readonly string[]) {
  const names: string[] = ["metarl"];
  let command = program;
  for (const arg of args) {
    if (arg === "help" && command === program) continue;
    const child = command.commands.find((each) => each.name() === arg);
    if (child === undefined) return { command, typed: names.join(" "), next: arg };
    command = child;
    names.push(arg);
  }
  return { command, typed: names.join(" "), next: null };
}

/** One line out of the library's message, e.g. `unknown option '--sed'; did you mean --seed?`. */
function usageError(error: CommanderError, program: Command, args: readonly string[]): UserError {
  const { command, typed, next } = namedCommand(program as unknown as CommandUnknownOpts, args);
  // `metarl help nonsense`, and a command that lacks one of its own, are answered with help only
  if (error.code === "commander.help") {
    const names = command.commands.map((each) => each.name()).filter((name) => name !== "help");
    return new UserError(
      "usage",
      next === null
        ? `${typed} needs a command: ${names.join(", ")}; see ${typed} --help`
        : `unknown command '${next}'${didYouMean(next, names)}`,
    );
  }
  const message = error.message
    .replace(/^error: /, "")
    .replace(/\.?\n\(Did you mean one of (.*)\?\)$/, "; did you mean one of $1?")
    .replace(/\.?\n\(Did you mean (.*)\?\)$/, "; did you mean $1?")
    .replace(/\.$/, "");
  const end = message.endsWith("?") ? "" : `; see ${typed} --help`;
  return new UserError("usage", message + end, { cause: error });
}

/** Gives a command and those below it the program's settings: how it prints, that it throws. */
function inherit(command: CommandUnknownOpts, parent: CommandUnknownOpts): CommandUnknownOpts {
  command.copyInheritedSettings(parent);
  for (const child of command.commands) inherit(child, command);
  return command;
}

/** The program with all of its commands. */
async function buildProgram(context: CliContext): Promise<Command> {
  const program = new Command("metarl")
    .description("Meta-reinforcement-learning: ProMP, MMAML and FAMLE on WebGPU or CPU")
    .version(`metarl ${VERSION}`, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [command]", "print the help of a command")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.output.line(text.trimEnd()),
      // errors are printed in one place, from what is thrown
      writeErr: () => {},
    })
    .addHelpText(
      "after",
      "\nExample:\n  $ metarl mmaml configs/point_env_momentum_dense.json --seed 2",
    );
  for (
    const make of [
      mmamlCommand,
      prompCommand,
      famleCommand,
      evalCommand,
      embedCommand,
      renderCommand,
      reportCommand,
      envsCommand,
      doctorCommand,
    ]
  ) {
    program.addCommand(inherit(make(context), program));
  }
  const { addCompletion } = await import("./complete.ts");
  addCompletion(program);
  return program;
}

/** Runs `metarl` with these arguments; gives the exit code. */
export async function runCli(args: readonly string[], output: Output): Promise<number> {
  const style = errorStyle(args);
  const context: CliContext = { output, exitCode: ExitCode.OK };
  const program = await buildProgram(context);
  try {
    if (args.length === 0) {
      output.error(program.helpInformation().trimEnd());
      return ExitCode.WRONG_USE;
    }
    await program.parseAsync(args, { from: "user" });
    return context.exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportFailure(error, output, style);
    if (error.exitCode === 0) return ExitCode.OK;
    return reportFailure(usageError(error, program, args), output, style);
  }
}
