import assert from "node:assert/strict";
import { checkEnv, type CheckRow } from "../../src/envs/check.ts";
import { drawTasks, type Env, type EnvFactory, envSpec } from "../../src/envs/env.ts";
import { envNames, loadEnv } from "../../src/envs/registry.ts";
import type { KeyedRandom } from "../../src/util/prng.ts";
import { testNeeding } from "../permissions.ts";

const BRIEF = { episodes: 2, extremeSteps: 5, seconds: 0.01 };
const row = (name: string) => ({ name, meaning: "test", unit: "1", low: -1, high: 1 });

/** An environment that keeps all promises, and how to break one. */
class Line implements Env {
  readonly spec = SPEC;
  readonly obs = new Float64Array(1);
  reward = 0;
  readonly rewardParts = new Float64Array(2);
  terminated = false;
  task: ArrayLike<number> = [];

  setTask(task: ArrayLike<number>): void {
    this.task = Float64Array.from(task);
  }

  reset(random: KeyedRandom): void {
    this.obs[0] = random.uniformRange(-0.5, 0.5);
  }

  step(action: Float64Array): void {
    this.obs[0] = Math.min(Math.max(this.obs[0] + 0.1 * action[0], -1), 1);
    this.rewardParts[0] = -Math.abs(this.obs[0] - this.task[0]);
    this.rewardParts[1] = -action[0] * action[0];
    this.reward = this.rewardParts[0] + this.rewardParts[1];
  }

  close(): void {}
}

const TABLES = {
  name: "Line",
  version: 1,
  description: "a line",
  observation: [row("x")],
  action: [row("dx")],
  rewardParts: [row("goal"), row("ctrl")],
  task: [row("goal")],
  modes: 2,
  maxSteps: 20,
  options: [],
};
const SPEC = envSpec(TABLES);

function factory(create: () => Env, changes: Partial<EnvFactory> = {}): EnvFactory {
  return {
    spec: SPEC,
    sampleTasks: (random, iteration, count, mode) =>
      drawTasks(
        SPEC,
        (random, _m, asked, task) => {
          const drawn = random.integer(2);
          task[0] = (asked ?? drawn) - 0.5;
          return asked ?? drawn;
        },
        random,
        iteration,
        count,
        mode,
      ),
    createInstance: () => Promise.resolve(create()),
    ...changes,
  };
}

/** The checks that fail. */
async function failures(env: EnvFactory): Promise<CheckRow[]> {
  return (await checkEnv(env, BRIEF)).filter(({ ok }) => !ok);
}

/** The environment fails this check, with this detail, and no check but those named too. */
async function fails(env: EnvFactory, check: string, detail: RegExp, ...others: string[]) {
  const failed = await failures(env);
  assert.deepEqual(failed.map(({ name }) => name).sort(), [check, ...others].sort());
  assert.match(failed.find(({ name }) => name === check)!.detail, detail);
}

const test = testNeeding("read");

test("checkEnv() passes every registered environment", async () => {
  for (const name of envNames()) {
    const brief = { episodes: 1, extremeSteps: 10, seconds: 0.01 };
    const rows = await checkEnv(await loadEnv(name), brief);
    assert.equal(rows.length, 8, name);
    for (const { name: check, ok, detail } of rows) assert.ok(ok, `${name}: ${check}: ${detail}`);
  }
});

Deno.test("checkEnv() passes an environment that keeps its promises", async () => {
  assert.deepEqual(await failures(factory(() => new Line())), []);
});

Deno.test("checkEnv() finds what is left over from the last episode", async () => {
  class Leaky extends Line {
    #steps = 0;
    override step(action: Float64Array): void {
      super.step(action);
      this.#steps++;
      this.obs[0] += 1e-15 * this.#steps;
    }
  }
  await fails(
    factory(() => new Leaky()),
    "determinism",
    /episode 0, step 1, played again: observation 0 \(x\) is/,
  );
});

Deno.test("checkEnv() finds instances that differ and numbers that are not keyed", async () => {
  let instances = 0;
  class Own extends Line {
    readonly #shift = 1e-9 * instances++;
    override reset(random: KeyedRandom): void {
      super.reset(random);
      this.obs[0] += this.#shift;
    }
  }
  await fails(factory(() => new Own()), "determinism", /step 0, in a second instance/);
});

Deno.test("checkEnv() finds a task row that is kept instead of copied", async () => {
  class Keeping extends Line {
    override setTask(task: ArrayLike<number>): void {
      this.task = task;
    }
  }
  // the checker's row is overwritten after setTask
  const failed = await failures(factory(() => new Keeping()));
  assert.match(
    failed.find(({ name }) => name === "bounds")!.detail,
    /reward part 0 \(goal\) is NaN/,
  );
});

Deno.test("checkEnv() finds numbers out of range and not finite", async () => {
  class Wide extends Line {
    override step(action: Float64Array): void {
      super.step(action);
      this.obs[0] *= 100;
    }
  }
  await fails(factory(() => new Wide()), "bounds", /observation 0 \(x\) is .*, its range -1 to 1/);
  class Fragile extends Line {
    override step(action: Float64Array): void {
      super.step(action);
      if (Math.abs(action[0]) === 1) this.obs[0] = NaN;
    }
  }
  await fails(
    factory(() => new Fragile()),
    "extreme actions",
    /actions all lowest, step 1: observation 0 \(x\) is NaN/,
  );
});

Deno.test("checkEnv() finds a reward that is not the sum of its parts", async () => {
  class Bonus extends Line {
    override step(action: Float64Array): void {
      super.step(action);
      this.reward += 0.01;
    }
  }
  await fails(factory(() => new Bonus()), "reward", /the reward is .*, its parts add up to/);
});

Deno.test("checkEnv() finds a changed action and an environment that throws", async () => {
  class Clipping extends Line {
    override step(action: Float64Array): void {
      action[0] = 0;
      super.step(action);
    }
  }
  const everyEpisode = ["bounds", "extreme actions", "reward", "endings", "speed"];
  await fails(
    factory(() => new Clipping()),
    "determinism",
    /step\(\) changes its argument/,
    ...everyEpisode,
  );
  class Throwing extends Line {
    override reset(): void {
      throw new Error("no such thing");
    }
  }
  await fails(
    factory(() => new Throwing()),
    "determinism",
    /^it threw: no such thing$/,
    ...everyEpisode,
  );
});

Deno.test("checkEnv() finds tasks that depend on more than their keys", async () => {
  let draws = 0;
  const env = factory(() => new Line(), {
    sampleTasks: (_random, _iteration, count) => ({
      count,
      taskDim: 1,
      rows: new Float64Array(count).fill(0.001 * draws++),
      modes: new Int32Array(count),
    }),
  });
  const failed = await failures(env);
  assert.match(
    failed.find(({ name }) => name === "tasks")!.detail,
    /task 0 drawn again: value 0 \(goal\) is 0.001, was 0/,
  );
  const wrongMode = factory(() => new Line(), {
    sampleTasks: (_random, _iteration, count) => ({
      count,
      taskDim: 1,
      rows: new Float64Array(count),
      modes: new Int32Array(count),
    }),
  });
  await fails(wrongMode, "tasks", /mode 1 was asked for, 0 drawn/);
});

Deno.test("checkEnv() finds tables that are not those of the instances", async () => {
  const wrong = (changes: Partial<typeof TABLES>) => ({
    ...factory(() => new Line()),
    spec: envSpec({ ...TABLES, ...changes }),
  });
  await assertTables(
    wrong({ rewardParts: [row("goal")] }),
    /have 1 and 2 numbers, the tables 1 and 1/,
  );
  await assertTables(wrong({ rewardParts: [row("goal"), row("goal")] }), /"goal" stands twice/);
  await assertTables(wrong({ observation: [{ ...row("x"), unit: "" }] }), /an empty name/);
  await assertTables(
    wrong({ action: [{ ...row("dx"), high: Infinity }] }),
    /"dx" needs a finite range/,
  );
});

async function assertTables(env: EnvFactory, detail: RegExp): Promise<void> {
  const failed = await failures(env);
  assert.match(failed.find(({ name }) => name === "tables")?.detail ?? "passed", detail);
}
