/** What the trainer makes of environments of one's own. */
import assert from "node:assert/strict";
import { lacks } from "../permissions.ts";
import { tinyConfig, train } from "./tiny.ts";

const NEEDS_FILES = lacks("read", "write");
const EXAMPLES = new URL("../../examples/", import.meta.url).pathname;

/** Runs `body` with the path of a copy of the pendulum's description, changed. */
async function withPendulum(
  change: (description: string) => string,
  body: (path: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/env.json`;
    Deno.copyFileSync(`${EXAMPLES}pendulum.xml`, `${folder}/pendulum.xml`);
    Deno.writeTextFileSync(path, change(Deno.readTextFileSync(`${EXAMPLES}pendulum_goal.json`)));
    await body(path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test({
  name: "two reward parts whose columns would have one name are refused",
  ignore: NEEDS_FILES,
  fn: () =>
    withPendulum((text) => text.replace('"ctrl":', '"discounted":'), async (path) => {
      await assert.rejects(
        train("promp", tinyConfig({ env: path })),
        /^UserError: .*PendulumGoal: two columns would be named "Step_0-AverageDiscountedReturn"/,
      );
    }),
});

Deno.test({
  name: "the time inside of the environment's step is part of the sampling time",
  ignore: NEEDS_FILES,
  async fn() {
    const { writer } = await train(
      "promp",
      tinyConfig({ env: `${EXAMPLES}pendulum_goal.json`, max_path_length: 50 }),
    );
    for (const row of writer.rows) {
      const [step, sampling] = [row["Time-EnvStep"]!, row["Time-Sampling"]!];
      assert.ok(step > 0 && step < sampling, `${step} of ${sampling}`);
    }
  },
});
