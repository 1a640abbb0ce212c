/** `metarl mmaml`: train MMAML. */
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import type { CliContext } from "./context.ts";
import { trainCommand } from "./train_options.ts";

/** The command. */
export function mmamlCommand(context: CliContext): CommandUnknownOpts {
  return trainCommand("mmaml", "train MMAML: ProMP with a policy that a task encoder modulates", {
    context,
    example: "metarl mmaml configs/point_env_momentum_dense.json --set meta_batch_size=20",
  });
}
