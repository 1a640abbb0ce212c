/** The command `metarl`. Everything is in `program.ts`; this file only runs it. */
import { runCli } from "./program.ts";

Deno.exit(await runCli(Deno.args));
