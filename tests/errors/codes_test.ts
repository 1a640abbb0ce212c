/**
 * Every error code of the source is on docs/errors.md with an example and what to do, and a test
 * provokes it: one of `produces(...)` beside this file, or the one that is named below.
 */
import assert from "node:assert/strict";
import { lacks } from "../permissions.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

/** File below tests/, name of the test, codes of errors that it provokes. */
const PROVOKED: readonly (readonly [file: string, test: string, ...codes: string[]])[] = [
  ["cli/envs_test.ts", "metarl envs refuses what it does not know", "env-unknown"],
  [
    "cli/eval_test.ts",
    "eval refuses runs of other tasks, and wrong values, with one line and exit code 2",
    "eval-comparison",
  ],
  [
    "cli/famle_test.ts",
    "famle refuses data that can't be used, and leaves no folder behind",
    "data-mismatch",
    "data-situations",
  ],
  ["cli/own_env_test.ts", "metarl refuses files that are no environment, in one line", "env-file"],
  [
    "cli/own_env_test.ts",
    "metarl trains on a JSON description, named in the configuration",
    "resume-mismatch",
  ],
  [
    "cli/permissions_test.ts",
    "an environment that needs another permission in a step ends the run in one line",
    "permission",
  ],
  [
    "cli/permissions_test.ts",
    "an environment that needs another permission is refused in one line",
    "env-module",
  ],
  [
    "cli/train_test.ts",
    "train() leaves nothing behind when the trainer refuses what was asked",
    "checkpoint-mismatch",
  ],
  [
    "cli/usage_test.ts",
    "metarl answers wrong use with one line and exit code 2, and writes nothing",
    "checkpoint-not-found",
    "config-unknown-env",
    "config-unknown-key",
    "config-unreadable",
    "config-value",
    "json-syntax",
    "out-exists",
    "out-not-writable",
    "run-not-found",
    "set-syntax",
    "usage",
  ],
  [
    "compute/cpu_dynamics_test.ts",
    "dynamics_rollout refuses a reward with more terms than its arguments hold",
    "kernel-arguments",
  ],
  [
    "compute/cpu_heap_test.ts",
    "Heap.allocate() names sizes and purpose where memory is short",
    "out-of-memory",
  ],
  [
    "compute/cpu_test.ts",
    "CpuDevice leaves the calling thread free while its threads work",
    "device-busy",
    "kernel-failed",
  ],
  [
    "compute/cpu_test.ts",
    "CpuDevice.close() ends what runs and refuses what follows",
    "device-closed",
  ],
  [
    "compute/cpu_test.ts",
    "CpuDevice.submit() refuses tensors that do not fit the contract",
    "foreign-tensor",
    "freed-tensor",
    "tensor-range",
  ],
  [
    "compute/webgpu_device_test.ts",
    "a failed submit or read names what failed, and the next one works",
    "gpu",
    "gpu-read",
  ],
  ["compute/webgpu_device_test.ts", "a lost device is an error of the next call", "device-lost"],
  [
    "compute/webgpu_device_test.ts",
    "a shader error names the kernel, its sizes and the WGSL line",
    "shader",
  ],
  [
    "compute/webgpu_device_test.ts",
    "a tensor larger than the GPU can bind is refused with its size",
    "gpu-memory",
  ],
  [
    "compute/webgpu_device_test.ts",
    "create() says no-adapter where there is no WebGPU",
    "no-adapter",
  ],
  [
    "compute/webgpu_device_test.ts",
    "importBuffer() refuses buffers that kernels could not use",
    "buffer-import",
  ],
  [
    "compute/webgpu_device_test.ts",
    "layers that do not fit the workgroup memory are refused with their sizes",
    "workgroup-memory",
  ],
  [
    "compute/webgpu_device_test.ts",
    "unitsPerInvocation() refuses a kernel whose single tile exceeds the limit",
    "loop-limit",
  ],
  [
    "envs/custom/expression_test.ts",
    "parseExpression() refuses what it does not know, in one line",
    "env-expression",
  ],
  [
    "envs/famle/damage_test.ts",
    "damageOf() refuses other lengths and values in one line",
    "damage",
  ],
  [
    "envs/mujoco/simulation_test.ts",
    "contacts that don't fit into memory are an error, and all environments have room",
    "mujoco",
    "mujoco-memory",
  ],
  [
    "envs/mujoco/simulation_test.ts",
    "errors of MJCF are one line with MuJoCo's message and place; MuJoCo lives on",
    "mjcf",
  ],
  [
    "envs/registry_test.ts",
    "loadEnv() refuses unknown options and values, and names what is allowed",
    "env-option",
  ],
  [
    "envs/registry_test.ts",
    "sampleTasks() restricts to one mode and keeps the rest of the draw",
    "env-mode",
  ],
  ["errors/devices_test.ts", "tfjs-backend is what it says", "tfjs-backend"],
  [
    "errors/internal_test.ts",
    "an error that is no message for users is a defect of metarl",
    "internal",
  ],
  [
    "evaluation/embedding_test.ts",
    "embeddingMap() refuses numbers that are not finite, with their place",
    "embedding-not-finite",
  ],
  [
    "evaluation/evaluate_test.ts",
    "loadRun() refuses what can't be evaluated",
    "checkpoint-damaged",
    "run-algorithm",
    "run-environment",
    "run-version",
  ],
  [
    "planning/planner_test.ts",
    "createPlanner() refuses what a planner does not know",
    "planner-option",
    "planner-unknown",
  ],
  ["plot/line_chart_test.ts", "lineChart() refuses what has nothing to show", "plot-empty"],
  [
    "plot/pictures_test.ts",
    "panels() puts charts side by side and below each other, in their sizes",
    "plot-svg",
  ],
  [
    "report/read_run_test.ts",
    "readSource() refuses damaged files of metarl",
    "adapt-damaged",
    "params-damaged",
  ],
  [
    "report/read_run_test.ts",
    "readSource() refuses runs without rows, and of later versions",
    "run-empty",
  ],
  ["report/read_run_test.ts", "readSource() refuses what is no run", "progress-columns"],
  [
    "rollout/processor_test.ts",
    "LinearFeatureBaseline multiplies the regularisation by ten, four times at most",
    "baseline-singular",
  ],
  [
    "rollout/sampler_test.ts",
    "Sampler.sample() fails where nothing finite is left",
    "env-not-finite",
  ],
  [
    "rollout/sampler_test.ts",
    "Sampler.sample() refuses actions that are not finite",
    "policy-not-finite",
  ],
  [
    "rollout/transitions_test.ts",
    "append() refuses rows that are not finite or of another size, and adds nothing",
    "data-not-finite",
    "data-size",
  ],
  ["rollout/transitions_test.ts", "statistics of no rows are refused", "data-empty"],
  [
    "run/checkpoint_test.ts",
    "readCheckpoint() says in one line why a file can't be read",
    "checkpoint-unreadable",
  ],
  [
    "run/log_test.ts",
    "ProgressLog.open() refuses a file with other columns and leaves it alone",
    "progress-mismatch",
  ],
  ["run/log_test.ts", "readProgress() leaves a torn last line out", "progress-unreadable"],
  [
    "run/npy_test.ts",
    "readDataFile() says in one line why it can't",
    "data-file-not-found",
    "data-file-unreadable",
  ],
  [
    "run/run_dir_test.ts",
    "RunDir holds its folder against another process until it is closed",
    "run-locked",
  ],
  [
    "util/prng_test.ts",
    "KeyedRandom refuses seeds and coordinates that have no place in the key",
    "seed-range",
  ],
];

/** Codes that are given by another way than `new UserError("code"`, and where. */
const OTHER_CODES: Readonly<Record<string, string>> = {
  diverged: "trainer/divergence.ts",
  internal: "cli/failure.ts",
  permission: "cli/failure.ts",
};

/**
 * Files that pass a code on which was given elsewhere, or choose between codes that other places
 * give as well.
 */
const PASSED_ON = [
  "cli/report_runs.ts",
  "compute/webgpu/webgpu_device.ts",
  "trainer/meta_trainer.ts",
  "trainer/sampler_pool.ts",
];

function* filesBelow(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(`${ROOT}${folder}`)) {
    if (isDirectory) yield* filesBelow(`${folder}/${name}`);
    else if (name.endsWith(".ts")) yield `${folder}/${name}`;
  }
}

const read = (path: string): string => Deno.readTextFileSync(ROOT + path);

/** Codes in the source, each with a file that gives it. */
function codesOfSource(): Map<string, string> {
  const codes = new Map(Object.entries(OTHER_CODES));
  for (const [code, path] of codes) assert.match(read(`src/${path}`), new RegExp(`"${code}"`));
  for (const path of filesBelow("src")) {
    for (const [, code] of read(path).matchAll(/new (?:User|Run)Error\(\s*([^,\s]+)/g)) {
      const literal = /^"([a-z0-9-]+)"$/.exec(code);
      if (literal !== null) codes.set(literal[1], path);
      else assert(PASSED_ON.includes(path.slice("src/".length)), `${path}: ${code} is no literal`);
    }
  }
  return codes;
}

/** Codes that `produces(...)` provokes. */
function producedCodes(): string[] {
  return [...filesBelow("tests/errors")].flatMap((path) =>
    [...read(path).matchAll(/^produces\(\s*"([a-z0-9-]+)"/gm)].map(([, code]) => code)
  );
}

function fileTest(name: string, fn: () => void): void {
  Deno.test({ name, ignore: lacks("read"), fn });
}

fileTest("every error code is on docs/errors.md, with an example and what to do", () => {
  const [, ...sections] = read("docs/errors.md").split(/^### /m);
  const explained = new Set<string>();
  for (const section of sections) {
    const [code, example, advice] = section.split("\n\n");
    assert(!explained.has(code), `docs/errors.md: ${code} stands twice`);
    explained.add(code);
    assert.match(example, new RegExp(`^ {4}error: .+ \\[${code}\\]$`), `docs/errors.md: ${code}`);
    assert(/^[A-Z`].{8,}/.test(advice), `docs/errors.md: ${code} does not say what to do`);
  }
  const codes = codesOfSource();
  for (const [code, path] of codes) {
    assert(explained.has(code), `docs/errors.md lacks "${code}", which ${path} gives; add it`);
  }
  for (const code of explained) {
    assert(codes.has(code), `docs/errors.md has "${code}", which nothing gives; remove it`);
  }
});

fileTest("every error code is provoked by a test", () => {
  const codes = codesOfSource();
  const provoked = new Set(producedCodes());
  for (const [path, name, ...named] of PROVOKED) {
    const text = read(`tests/${path}`);
    assert(text.includes(name), `tests/${path} has no test "${name}"; name the one that provokes`);
    for (const code of named) {
      assert.match(
        text,
        new RegExp(`["\\[\`]${code}(?:\\\\*\\]|["\`:])`),
        `tests/${path}: ${code}`,
      );
      assert(codes.has(code), `"${code}" is named here, but nothing gives it; remove it`);
      provoked.add(code);
    }
  }
  for (const [code, path] of codes) {
    assert(
      provoked.has(code),
      `no test provokes "${code}", which ${path} gives; add produces("${code}", ...) or name the ` +
        "test above",
    );
  }
});
