/** Workers whose environment ends them, breaks or never comes back in the middle of a job. */
import assert from "node:assert/strict";
import { lacks } from "../permissions.ts";
import type { JobDeadline } from "../../src/trainer/types.ts";
import { MemoryWriter, tinyConfig, train } from "./tiny.ts";

const NEEDS_FILES = lacks("read", "write");
const POINT = new URL("../../examples/point_wind.ts", import.meta.url).href;

/** A WASM module with one function that traps: (func (export "f") unreachable). */
const TRAP = "0,97,115,109,1,0,0,0,1,4,1,96,0,0,3,2,1,0,7,5,1,1,102,0,0,10,5,1,3,0,0,11";

/** Small enough for a test; jobs take some milliseconds. */
const DEADLINE: JobDeadline = { timesMedian: 20, atLeastMs: 1500, firstMs: 60_000 };

/** Gives `body` the path of the example's point, whose every step runs `breaking` before. */
async function withBreaking(
  breaking: string,
  body: (path: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/env.ts`;
    Deno.writeTextFileSync(
      path,
      `import process from "node:process";
      import point from ${JSON.stringify(POINT)};
      const trap = () => {
        const module = new WebAssembly.Module(new Uint8Array([${TRAP}]));
        new WebAssembly.Instance(module).exports.f();
      };
      let steps = 0;
      /** Whether this call is the first one of all threads. */
      const isFirst = () => {
        try {
          Deno.openSync(${
        JSON.stringify(`${folder}/done`)
      }, { createNew: true, write: true }).close();
          return true;
        } catch {
          return false;
        }
      };
      /** Deno 2.9 never stops a thread that loops; this one ends with the test, and its folder. */
      const loop = () => {
        try {
          for (;;) Deno.statSync(${JSON.stringify(folder)});
        } catch {
          // gone
        }
      };
      const goOn = () => {
        steps++;
        ${breaking};
      };
      export default {
        configure() {
          const factory = point.configure({});
          return { ...factory, async createInstance() {
            const env = await factory.createInstance();
            const step = env.step.bind(env);
            env.step = (action) => { goOn(); step(action); };
            return env;
          } };
        },
      };`,
    );
    await body(path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function check(path: string, how = "died"): Promise<void> {
  const whole = await train("promp", tinyConfig({ env: new URL(POINT).pathname }), { workers: 2 });
  const options = { workers: 2, deadline: DEADLINE };
  const broken = await train("promp", tinyConfig({ env: path }), options);
  assert.equal(broken.summary.status, "finished");
  assert.deepEqual(broken.writer.results(), whole.writer.results());
  const deaths = broken.notices.filter((line) => line.includes(how));
  assert.equal(deaths.length, 1, String(broken.notices));
  assert.match(
    deaths[0],
    new RegExp(`^sampling worker \\d ${how} \\(.*\\); iteration 0, task \\d is sampled again$`),
  );
  assert.ok(broken.writer.notes.includes(deaths[0]));
}

const WAYS: Readonly<Record<string, string>> = {
  "Deno.exit()": "Deno.exit(3)",
  "process.exit()": "process.exit(3)",
  "close()": "self.close()",
  "a trap in WASM": "trap()",
  "an exception": "throw new Error('broken')",
};

for (const [name, code] of Object.entries(WAYS)) {
  Deno.test({
    name: `a job that ${name} ends is run again on a new worker with the same result`,
    ignore: NEEDS_FILES,
    fn: () => withBreaking(`if (steps === 20 && isFirst()) { ${code}; }`, check),
  });
}

Deno.test({
  name: "a job that never ends is run again on a new worker with the same result",
  ignore: NEEDS_FILES,
  fn: () => withBreaking("if (steps === 20 && isFirst()) loop();", (path) => check(path, "hangs")),
});

Deno.test({
  name: "a job that never ends three times ends the run with its name, a checkpoint kept",
  ignore: NEEDS_FILES,
  async fn() {
    const breaking = "if (steps > 540 || (steps === 1 && !isFirst())) loop()";
    await withBreaking(breaking, async (path) => {
      const writer = new MemoryWriter();
      const config = tinyConfig({ env: path, n_itr: 3 });
      await assert.rejects(
        train("promp", config, { workers: 1, writer, deadline: DEADLINE }),
        /^RunError: Sampling of iteration 1, task 0 failed 3 times, last with: not done after/,
      );
      assert.deepEqual(writer.checkpoints.map(({ iteration }) => iteration), [1]);
      assert.equal(writer.notes.filter((line) => /task 0 is sampled again/.test(line)).length, 2);
    });
  },
});

Deno.test({
  name: "a job that ends its worker three times ends the run with its name, a checkpoint kept",
  ignore: NEEDS_FILES,
  async fn() {
    // iteration 0: 5 tasks x 3 rounds x 3 rollouts x 12 steps; later threads break at once
    const breaking = "if (steps > 540 || (steps === 1 && !isFirst())) Deno.exit(3)";
    await withBreaking(breaking, async (path) => {
      const writer = new MemoryWriter();
      const run = train("promp", tinyConfig({ env: path, n_itr: 3 }), { workers: 1, writer });
      await assert.rejects(
        run,
        /^RunError: Sampling of iteration 1, task 0 failed 3 times, last with: Deno\.exit\(\) was/,
      );
      assert.deepEqual(writer.checkpoints.map(({ iteration }) => iteration), [1]);
      assert.equal(writer.notes.filter((line) => /task 0 is sampled again/.test(line)).length, 2);
    });
  },
});

Deno.test({
  name: "a worker that finds another environment than the learner's ends the run",
  ignore: NEEDS_FILES,
  async fn() {
    // changes its own file, then dies: the worker that follows loads what is there now
    const change = `Deno.writeTextFileSync(new URL(import.meta.url), "\\n", { append: true })`;
    const breaking = `if (steps === 20 && isFirst()) { ${change}; Deno.exit(3); }`;
    await withBreaking(breaking, async (path) => {
      await assert.rejects(
        train("promp", tinyConfig({ env: path }), { workers: 1 }),
        /^RunError: The files of PointWind were changed while the run goes on \(sha256:\w+, now sha256/,
      );
    });
  },
});
