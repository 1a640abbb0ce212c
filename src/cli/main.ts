/** The command `metarl`. Everything is in `program.ts`; this file only runs it. */
import { catchStrayFailures } from "./failure.ts";
import { ProcessOutput } from "./output.ts";
import { isDebug, runCli } from "./program.ts";

const output = new ProcessOutput();
catchStrayFailures(output, isDebug(Deno.args));
Deno.exit(await runCli(Deno.args, output));
