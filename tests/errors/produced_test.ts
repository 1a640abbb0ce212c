/** Errors that no other test provokes, one test each. */
import h264 from "h264-mp4-encoder";
import { loadFamleEnv } from "../../src/cli/famle/environment.ts";
import { builtInModel, checkModel, readModel } from "../../src/cli/famle/model.ts";
import { readEpisodes } from "../../src/cli/famle/recorded_episodes.ts";
import { embed } from "../../src/cli/embed_run.ts";
import { wholeOption } from "../../src/cli/options.ts";
import { settleNew } from "../../src/cli/prepare_run.ts";
import { pictureOptions } from "../../src/cli/render_options.ts";
import { train } from "../../src/cli/train.ts";
import { CpuDevice } from "../../src/compute/cpu/cpu_device.ts";
import { openDevice } from "../../src/compute/webgpu/adapter.ts";
import { resolveConfig } from "../../src/config/parse.ts";
import { forgetMujoco, loadMujoco, shareMujocoBinary } from "../../src/envs/mujoco/runtime.ts";
import { loadEnv } from "../../src/envs/registry.ts";
import { adaptToTask } from "../../src/evaluation/evaluate.ts";
import { type LoadedRun, loadRun } from "../../src/evaluation/load_run.ts";
import { recordRollouts } from "../../src/evaluation/recording.ts";
import { builtinFixtures } from "../../src/golden/builtin.ts";
import { Comparison, tolerancesOf } from "../../src/golden/comparison.ts";
import { parseFixture, readFixtures } from "../../src/golden/fixture.ts";
import { checkPhysics } from "../../src/golden/physics.ts";
import { toPng } from "../../src/plot/png.ts";
import { toMp4 } from "../../src/render/mp4.ts";
import { adaptResultOf } from "../../src/report/adapt_result.ts";
import { measureDisk } from "../../src/run/disk.ts";
import { readNpy } from "../../src/run/npy.ts";
import { checkParams, checkReturn } from "../../src/trainer/divergence.ts";
import { readData } from "../../src/trainer/famle_data.ts";
import { SamplerPool } from "../../src/trainer/sampler_pool.ts";
import type { SamplerSetup } from "../../src/trainer/sampler_protocol.ts";
import { TaskRunner } from "../../src/trainer/task_runner.ts";
import { parseJsonText } from "../../src/util/json.ts";
import { KeyedRandom } from "../../src/util/prng.ts";
import { tsne } from "../../src/util/tsne.ts";
import { MemoryOutput } from "../cli/memory_output.ts";
import { inTemporaryFolder } from "../cli/metarl_process.ts";
import { trainInto } from "../evaluation/trained_run.ts";
import { tinyConfig, train as trainTiny } from "../trainer/tiny.ts";
import { produces } from "./produces.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

/** Runs `body` with a property of `owner` replaced. */
async function replaced<T extends object>(
  owner: T,
  name: keyof T & string,
  value: unknown,
  body: () => Promise<unknown>,
): Promise<void> {
  const before = Object.getOwnPropertyDescriptor(owner, name);
  Object.defineProperty(owner, name, { value, configurable: true, writable: true });
  try {
    await body();
  } finally {
    if (before === undefined) delete owner[name];
    else Object.defineProperty(owner, name, before);
  }
}

/** A worker that says it is out of memory instead of starting. */
class FailingWorker extends EventTarget {
  onerror: ((event: { preventDefault(): void; message: string }) => void) | null = null;

  constructor() {
    super();
    setTimeout(() => this.onerror?.({ preventDefault() {}, message: "Out of memory" }));
  }

  postMessage(): void {}
  terminate(): void {}
}

/** Runs `body` with a run of ProMP that was trained for a moment. */
function withRun(body: (run: LoadedRun) => Promise<unknown>): Promise<void> {
  return inTemporaryFolder(async (folder) => {
    await trainInto(`${folder}/run`, "promp");
    await body(await loadRun(`${folder}/run`, { checkpoint: null, version: "0.1.0" }));
  });
}

// ---- options and configurations ----

produces("option-value", () => wholeOption("--tasks", "none", 200, 1));
produces(
  "config-missing-key",
  () => resolveConfig([{ source: "c.json", values: {} }], { checkEnvName: (name) => name }),
);
produces("json-duplicate-key", () => parseJsonText('{"seed": 1, "seed": 2}', "bad.json"));
produces("out-format", () => pictureOptions({ out: "curve.bmp", shadows: true }));

// ---- runs ----

produces(
  "resume-finished",
  () => withRun(({ path }) => train("promp", undefined, { resume: path }, new MemoryOutput())),
);
produces("embed-algorithm", () => withRun(({ path }) => embed(path, {}, new MemoryOutput())));
produces(
  "embed-few",
  () => embed(`${ROOT}models/famle_reacher_maml.safetensors`, {}, new MemoryOutput()),
);
produces("adapt-unreadable", () => adaptResultOf("/none/adapt.json"));
produces("episodes-not-found", () => readEpisodes("/none", "famle", 1));
produces("write-failed", () => measureDisk("/proc/none", 1));
produces("map-not-finite", () => tsne([1, 2, Infinity, 4, 5, 6, 7, 8], 4, new KeyedRandom(1)));

// ---- environments ----

produces("env-description", () =>
  inTemporaryFolder(async (folder) => {
    Deno.writeTextFileSync(`${folder}/empty.json`, "{}");
    await loadEnv(`${folder}/empty.json`);
  }));
produces("env-reward-parts", () =>
  inTemporaryFolder(async (folder) => {
    Deno.copyFileSync(`${ROOT}examples/pendulum.xml`, `${folder}/pendulum.xml`);
    const text = Deno.readTextFileSync(`${ROOT}examples/pendulum_goal.json`);
    Deno.writeTextFileSync(`${folder}/env.json`, text.replace('"ctrl":', '"discounted":'));
    await trainTiny("promp", tinyConfig({ env: `${folder}/env.json` }));
  }));
produces("env-changed", () => {
  const config = tinyConfig();
  return TaskRunner.create(
    { algorithm: "promp", config, envVersion: "another" } as unknown as SamplerSetup,
  );
});
produces("env-no-picture", () =>
  withRun(async (run) => {
    const adapted = await adaptToTask(run, { steps: 1, seed: 1, mode: null, task: 0 });
    const bare = { spec: run.env.spec, close() {} };
    const env = { ...run.env, createInstance: () => Promise.resolve(bare) };
    await recordRollouts({ ...run, env } as unknown as LoadedRun, adapted, 0, [0]);
  }));
produces("replay", () =>
  withRun(async (run) => {
    const adapted = await adaptToTask(run, { steps: 1, seed: 1, mode: null, task: 0 });
    adapted.batches[0].returns[0] += 1;
    await recordRollouts(run, adapted, 0, [0]);
  }));

produces("env-module-unnamed", () =>
  inTemporaryFolder(async (folder) => {
    Deno.writeTextFileSync(`${folder}/c.json`, '{"env": "./code.js"}');
    await settleNew(`${folder}/c.json`, {});
  }));

// ---- FAMLE ----

produces("env-not-famle", () => loadFamleEnv("ReacherEnv"));
produces("model-not-found", () =>
  inTemporaryFolder(async (folder) => {
    await readModel(folder);
  }));
produces("model-mismatch", async () => {
  const [reacher, ant] = await Promise.all(["famle_reacher", "famle_ant"].map(loadFamleEnv));
  checkModel(await builtInModel(reacher, "famle"), ant, "the model");
});
produces("data-not-found", () => readData("/none", () => loadFamleEnv("famle_reacher")));
produces("data-file-damaged", () => readNpy(new Uint8Array(20), "data.npy"));

// ---- while it works ----

produces(
  "diverged",
  () => checkReturn({ count: 1000, average: -5, first: -10, best: -5 }, -1000, 1, 0.5, 3),
);
produces("not-finite", () => {
  const layout = { size: 2, entries: [{ name: "W0", shape: [2], offset: 0, size: 2 }] };
  checkParams({ policy: new Float64Array([1, NaN]), encoder: null }, [["policy", layout]], 12);
});
produces("worker-start", () => {
  const pool = new SamplerPool({} as SamplerSetup, 1, {
    notice: () => {},
    mujoco: Promise.reject(new Error("no memory")),
    createWorker: () => new FailingWorker() as unknown as Worker,
  });
  return pool.run(0, 1, () => {}).finally(() => pool.close());
});
produces("worker-job", () => {
  const script = `onmessage = ({ data: { type } }) =>
    postMessage(type === "setup" ? { type: "ready" } : { type: "crash", message: "always" });`;
  const url = `data:application/javascript,${encodeURIComponent(script)}`;
  const pool = new SamplerPool({} as SamplerSetup, 1, {
    notice: () => {},
    createWorker: (name) => new Worker(url, { type: "module", name }),
  });
  return pool.run(0, 1, () => {}).finally(() => pool.close());
});

// ---- devices ----

produces(
  "worker-failed",
  () => replaced(globalThis, "Worker", FailingWorker, () => CpuDevice.create({ threads: 2 })),
);
produces("device-request", () => {
  const adapter = {
    info: { vendor: "", device: "", description: "a GPU" },
    limits: {},
    requestDevice: () => Promise.reject(new Error("device lost")),
  };
  const gpu = { requestAdapter: () => Promise.resolve(adapter) };
  return replaced(navigator, "gpu", gpu, openDevice);
});

// ---- pictures ----

produces("plot-load", () =>
  replaced(
    WebAssembly,
    "instantiate",
    () => Promise.reject(new Error("no memory")),
    () => toPng("<svg/>"),
  ));
// a class that can't make what it should
produces("mp4", async () => {
  const encoder = await h264.createH264MP4Encoder();
  const made = encoder.constructor as unknown as { prototype: unknown };
  const before = made.prototype;
  made.prototype = {};
  try {
    await toMp4({ width: 2, height: 2, frames: 1, fps: 1, draw: () => Promise.resolve() });
  } finally {
    made.prototype = before;
    encoder.delete();
  }
});

// ---- golden numbers ----

const reacher = () =>
  structuredClone(builtinFixtures().find(({ name }) => name === "physics_reacher")!.content) as {
    facts: { joint: { name: string[] } };
    control: string;
  };
const comparison = () => new Comparison(tolerancesOf("host"));

produces("golden-folder", () => readFixtures("/none"));
produces("golden-file", () => parseFixture("adam", "{", "adam.json"));
produces("golden-schema", () => parseFixture("adam", "{}", "adam.json"));
produces("golden-robot", () => {
  const content = reacher();
  content.facts.joint.name[0] = "elbow";
  return checkPhysics(content, comparison());
});
produces("golden-control", () => checkPhysics({ ...reacher(), control: "0" }, comparison()));

// ---- last, as this thread has no physics afterwards ----

// a program whose import is not there
produces("mujoco-load", async () => {
  await forgetMujoco(await loadMujoco());
  const program = [0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 2, 7, 1, 1, 120, 1, 121, 0, 0];
  shareMujocoBinary(new WebAssembly.Module(new Uint8Array(program)));
  return loadMujoco();
});
