/** `metarl promp`: train ProMP. */
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import type { CliContext } from "./context.ts";
import { trainCommand } from "./train_options.ts";

/** The command. */
export function prompCommand(context: CliContext): CommandUnknownOpts {
  return trainCommand("promp", "train ProMP: one initialisation that adapts in a few steps", {
    context,
    example: "metarl promp configs/point_env_momentum_dense.json --mode 0 --out runs/mode0",
  });
}
