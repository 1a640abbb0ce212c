/**
 * Run by `train_test.ts`: `slow_run.ts OUT [stuck]` trains with a fake trainer, ten iterations a
 * second, or never done with the first one.
 */
import { catchStrayFailures } from "../../src/cli/failure.ts";
import { ProcessOutput } from "../../src/cli/output.ts";
import { train } from "../../src/cli/train.ts";
import { RunError } from "../../src/util/errors.ts";
import { fakeTrainer } from "./fake_trainer.ts";

const [out, mode] = Deno.args;
const output = new ProcessOutput();
catchStrayFailures(output, { debug: false, json: false });
if (mode === "stray") {
  setTimeout(() => Promise.reject(new RunError("device-lost", "the device is\n  lost")), 150);
}
const trainer = fakeTrainer({
  beforeIteration: () =>
    new Promise((resolve) => setTimeout(resolve, mode === "stuck" ? 20_000 : 100)),
});
Deno.exit(
  await train("promp", undefined, { out, iterations: "100" }, output, trainer),
);
