/** The command `metarl`. Everything is in `program.ts`; this file only runs it. */
import { catchStrayFailures, errorStyle } from "./failure.ts";
import { ProcessOutput } from "./output.ts";
import { runCli } from "./program.ts";

const output = new ProcessOutput();
catchStrayFailures(output, errorStyle(Deno.args));
Deno.exit(await runCli(Deno.args, output));
