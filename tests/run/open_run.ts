/** Run by `run_dir_test.ts`: opens the run folder in its argument and ends without closing it. */
import { RunDir } from "../../src/run/run_dir.ts";
import { UserError } from "../../src/util/errors.ts";

try {
  await RunDir.open(Deno.args[0]);
  console.log("opened");
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  console.log(`${error.code}: ${error.message}`);
}
Deno.exit(0);
