/** Online control on the real arm, with few sequences: what it does, not how well. */
import assert from "node:assert/strict";
import { CpuDevice } from "../../src/compute/cpu/cpu_device.ts";
import type { FamleEnv, FamleEnvFactory } from "../../src/envs/famle/famle_env.ts";
import {
  type ControlRequest,
  controlRobot,
  type EpisodeReport,
  plannerOptions,
} from "../../src/trainer/online_control.ts";
import { arm, armModel, famleConfig } from "./famle_support.ts";

const CONFIG = famleConfig({ hidden_layers: [12], candidates: 200, horizon: 4, epoch: 2 });

async function control(
  changes: Partial<ControlRequest> = {},
  threads = 1,
): Promise<EpisodeReport[]> {
  const factory = changes.factory ?? await arm();
  const device = await CpuDevice.create({ threads });
  try {
    const reports = await controlRobot(device, {
      factory,
      method: { kind: "meta", model: armModel(await arm(), CONFIG), sample: false },
      config: CONFIG,
      seed: 1,
      damage: factory.testDamage,
      episodes: 3,
      steps: 6,
      online: false,
      adaptSteps: null,
      damageProbability: 0,
      drawDamage: (random) => factory.drawDamage(random, { motor: true, sensor: false }),
      stop: new AbortController().signal,
      onEpisode: () => {},
      ...changes,
    });
    assert.equal(device.liveTensors, 0);
    return reports;
  } finally {
    await device.close();
  }
}

/** Reports without what the clock says. */
function results(reports: readonly EpisodeReport[]): unknown[] {
  return reports.map(({ planSeconds: _plan, stepSeconds: _step, learned, ...rest }) => ({
    ...rest,
    learned: learned === null ? null : { ...learned, seconds: 0 },
  }));
}

Deno.test("controlRobot() gives the same numbers with 1 and 2 threads", async () => {
  assert.deepEqual(results(await control({}, 2)), results(await control({}, 1)));
});

Deno.test("controlRobot() gives other numbers for another seed", async () => {
  const [one] = await control({ episodes: 1 });
  const [two] = await control({ episodes: 1, seed: 2 });
  assert.notDeepEqual(one.observations, two.observations);
});

Deno.test("controlRobot() resets between episodes, and not in a mission", async () => {
  const { spec: { obsDim } } = await arm();
  const start = (report: EpisodeReport) => report.observations.subarray(0, obsDim);
  const end = (report: EpisodeReport) => report.observations.subarray(-obsDim);
  const episodes = await control();
  assert.deepEqual(start(episodes[1]), start(episodes[0]));
  const mission = await control({ online: true });
  assert.deepEqual(start(mission[1]), end(mission[0]));
  assert.notDeepEqual(start(mission[1]), start(mission[0]));
});

Deno.test("controlRobot() adapts from the meta-trained values, lowering the error", async () => {
  const reports = await control({ config: { ...CONFIG, adaptEpochs: 50, adaptLr: 1e-3 } });
  for (const { learned } of reports) {
    assert.ok(learned!.errorAfter! < learned!.errorBefore!);
    const sum = learned!.likelihoods.reduce((total, x) => total + x, 0);
    assert.ok(Math.abs(sum - 1) < 1e-12);
    assert.equal(learned!.likelihoods[learned!.selected!], Math.max(...learned!.likelihoods));
  }
  // what an episode plans with is what was selected before it
  assert.equal(reports[1].plannedWith, reports[0].learned!.selected);
});

Deno.test("controlRobot() plans with any situation first, or with the one asked for", async () => {
  const first = async (seed: number, firstSituation: number | null) => {
    const config = { ...CONFIG, firstSituation };
    const [report] = await control({ episodes: 1, steps: 1, seed, config });
    return report.plannedWith;
  };
  const drawn = new Set<number | null>();
  for (let seed = 0; seed < 8; seed++) {
    drawn.add(await first(seed, null));
    assert.equal(await first(seed, 4), 4);
  }
  assert.ok(drawn.size > 2);
});

Deno.test("controlRobot() learns from the last adaptSteps rows, or from all", async () => {
  const rows = (reports: EpisodeReport[]) => reports.map(({ learned }) => learned!.rows);
  assert.deepEqual(rows(await control()), [6, 12, 18]);
  assert.deepEqual(rows(await control({ adaptSteps: 8 })), [6, 8, 8]);
});

Deno.test("controlRobot() draws situations with their likelihood where asked to", async () => {
  const factory = await arm();
  const method = { kind: "meta", model: armModel(factory, CONFIG), sample: true } as const;
  const drawn = await control({ method, episodes: 12, steps: 2 });
  const best = await control({ episodes: 12, steps: 2 });
  const selected = (reports: EpisodeReport[]) => reports.map(({ learned }) => learned!.selected);
  // an untrained model likes all situations about equally
  assert.ok(new Set(selected(drawn)).size > new Set(selected(best)).size);
});

Deno.test("controlRobot() from scratch acts at random first and then learns", async () => {
  const reports = await control({
    method: { kind: "scratch" },
    config: { ...CONFIG, scratchEpochs: 300, scratchLr: 3e-3 },
  });
  assert.deepEqual(reports.map(({ plannedWith }) => plannedWith), [null, null, null]);
  assert.ok(reports.every(({ learned }) => learned!.selected === null));
  // predicting the mean leaves the variance: 1 for each of at most 12 outputs
  assert.ok(reports[2].learned!.errorAfter! < 3);
});

Deno.test("controlRobot() damages the robot again during a mission", async () => {
  const always = await control({ online: true, damageProbability: 1, episodes: 4 });
  assert.equal(always[0].damage.name, (await arm()).testDamage.name);
  const names = new Set(always.slice(1).map(({ damage }) => damage.name));
  assert.ok(names.size > 1);
  const never = await control({ online: true, damageProbability: 0, episodes: 4 });
  assert.equal(new Set(never.map(({ damage }) => damage.name)).size, 1);
});

Deno.test("controlRobot() stops and counts an episode whose state is not finite", async () => {
  const real = await arm();
  const factory: FamleEnvFactory = {
    ...real,
    createInstance: async () => breakAfter(await real.createInstance(), 3),
  };
  const reports = await control({ factory, episodes: 2 });
  assert.equal(reports[0].steps, 2);
  assert.match(reports[0].stopped!, /^joint0 is NaN$/);
  // the rows before it were learned from
  assert.equal(reports[0].learned!.rows, 2);
  // the next episode starts afresh
  assert.ok(reports[1].observations.every(Number.isFinite));
});

Deno.test("controlRobot() stops an episode that no sequence has a finite return for", async () => {
  const model = armModel(await arm(), CONFIG);
  const method = {
    kind: "meta",
    model: { ...model, params: model.params.map(() => NaN) },
    sample: false,
  } as const;
  const reports = await control({ method, episodes: 1 });
  assert.equal(reports[0].steps, 0);
  assert.match(reports[0].stopped!, /no action sequence has a finite predicted return/);
  assert.equal(reports[0].nonFinite, CONFIG.candidates);
  assert.equal(reports[0].learned, null);
});

Deno.test("plannerOptions() makes every planner evaluate about as many sequences", () => {
  assert.deepEqual(plannerOptions(CONFIG), { candidates: 200 });
  assert.deepEqual(plannerOptions({ ...CONFIG, planner: "cem" }), {
    population: 40,
    elites: 20,
  });
  assert.deepEqual(plannerOptions({ ...CONFIG, planner: "mppi" }), { population: 40 });
  // 60 + 48 + 38 + 31 + 24 = 201
  assert.deepEqual(plannerOptions({ ...CONFIG, planner: "icem" }), {
    population: 60,
    elites: 30,
  });
});

Deno.test("controlRobot() runs with every planner", async () => {
  for (const planner of ["cem", "icem", "mppi"] as const) {
    const config = { ...CONFIG, planner, candidates: 600 };
    const reports = await control({ config, episodes: 1, steps: 2 });
    assert.equal(reports[0].steps, 2, planner);
  }
});

/** The environment, with a state that is not finite at step `at` of its life. */
function breakAfter(env: FamleEnv, at: number): FamleEnv {
  let steps = 0;
  return new Proxy(env, {
    get(target, key) {
      const value = Reflect.get(target, key, target);
      if (key === "step") {
        return (action: Float64Array) => {
          target.step(action);
          if (++steps === at) target.obs[0] = NaN;
        };
      }
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
