/**
 * What the machine does to a run: the disk fills up, its folder becomes read-only or vanishes, the
 * GPU or the memory of WASM is gone, the clock jumps. Each ends in the same result, or in one clear
 * line with the last good checkpoint kept, from which the run goes on to the same bytes. Workers
 * that die or hang: worker_exit_test.ts.
 */
import assert from "node:assert/strict";
import { CpuDevice } from "../../src/compute/cpu/cpu_device.ts";
import { WebGpuDevice } from "../../src/compute/webgpu/webgpu_device.ts";
import { latestCheckpoint } from "../../src/run/checkpoint.ts";
import { isTimeColumn, type ProgressRow, readProgress } from "../../src/run/log.ts";
import { trainMeta } from "../../src/trainer/meta_trainer.ts";
import type { TrainRequest } from "../../src/trainer/types.ts";
import { RunError } from "../../src/util/errors.ts";
import { denoArguments, inTemporaryFolder, metarl, metarlCommand } from "../cli/metarl_process.ts";
import { gpuTest } from "../compute/webgpu_support.ts";
import { lacks, testNeeding } from "../permissions.ts";
import { MemoryWriter, TINY, tinyConfig, train } from "./tiny.ts";

const test = testNeeding("read", "write", "run");

/** Whether a tool of Linux is there and may do what it is needed for. */
function works(command: string, ...args: string[]): boolean {
  if (lacks("run") || Deno.build.os !== "linux") return false;
  try {
    return new Deno.Command(command, { args, stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

/** Registers a test that needs such a tool, or says that it is skipped. */
function toolTest(name: string, tool: readonly string[], fn: () => Promise<void>): void {
  const [command, ...args] = tool;
  const ignore = lacks("read", "write") || !works(command, ...args);
  if (ignore) addEventListener("unload", () => console.log(`skipped, needs ${command}: ${name}`));
  Deno.test({ name, ignore, fn });
}

const ITERATIONS = 30;
const RUN = [
  ...["promp", "--iterations", `${ITERATIONS}`],
  ...["--overrides", JSON.stringify({ ...TINY, save_steps: 1, max_checkpoints_to_keep: 3 })],
];

/** What a run computed. */
async function resultsOf(run: string): Promise<unknown> {
  const rows = readProgress(`${run}/progress.csv`).rows.map((row) =>
    Object.entries(row).filter(([name]) => !isTimeColumn(name))
  );
  return { rows, last: (await latestCheckpoint(`${run}/checkpoints`))!.checkpoint };
}

/** The run through, without any fault. */
async function wholeRun(folder: string): Promise<unknown> {
  const { code, stderr } = await metarl([...RUN, "--out", "whole"], folder);
  assert.equal(code, 0, stderr);
  return await resultsOf(`${folder}/whole`);
}

/** Goes on with a run that failed, and compares. */
async function goOn(folder: string, run: string): Promise<void> {
  const { code, stderr } = await metarl(["promp", "--resume", run], folder);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /resuming .* at iteration \d+/);
  assert.deepEqual(await resultsOf(`${folder}/${run}`), await wholeRun(folder));
}

/** The line that a run ended with. */
function errorLine(stderr: string): string {
  const lines = stderr.split("\n").filter((line) => line.startsWith("error: "));
  assert.equal(lines.length, 1, stderr);
  return lines[0];
}

toolTest("a full disk ends the run, its newest checkpoint is whole, and it goes on", [
  ...["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
], () =>
  inTemporaryFolder(async (folder) => {
    // metarl is run inside of the mount's namespace, where the disk is seen
    const script = `set -e
      mkdir disk && mount -t tmpfs -o size=320k tmpfs disk
      head -c 250000 /dev/zero > disk/filler
      code=0; "$@" ${RUN.map((word) => `'${word}'`).join(" ")} --out disk/run || code=$?
      cp -r disk/run failed; rm disk/filler; cp -r disk/run kept
      exit $code`;
    const { code, stderr } = await new Deno.Command("unshare", {
      args: ["-m", "sh", "-c", script, "sh", Deno.execPath(), ...denoArguments([])],
      cwd: folder,
      env: { NO_COLOR: "1" },
    }).output();
    const text = new TextDecoder().decode(stderr);
    assert.equal(code, 1, text);
    assert.match(errorLine(text), /can't write disk\/run\/.*: No space left on device/);
    const kept = await latestCheckpoint(`${folder}/failed/checkpoints`);
    assert.ok(kept !== null && kept.checkpoint.iteration > 0 && kept.notices.length === 0);
    assert.ok(kept.checkpoint.iteration < ITERATIONS);
    await goOn(folder, "kept");
  }));

/** Starts a run, does `harm` to its folder after some iterations, and gives how it ended. */
async function harmed(folder: string, command: Deno.Command, harm: () => void): Promise<string> {
  const child = command.spawn();
  const output = child.output();
  let isOver = false;
  const end = () => void (isOver = true);
  output.then(end, end);
  const done = () => {
    try {
      return readProgress(`${folder}/run/progress.csv`).rows.length;
    } catch {
      return 0; // not created yet
    }
  };
  while (!isOver && done() < 3) await new Promise((resolve) => setTimeout(resolve, 2));
  try {
    harm();
  } catch (error) {
    child.kill("SIGKILL");
    await output;
    throw error;
  }
  const { code, stderr } = await output;
  const text = new TextDecoder().decode(stderr);
  assert.equal(code, 1, text);
  return errorLine(text);
}

// without the rights of root, for whom nothing is read-only
const WITHOUT_RIGHTS = ["--bounding-set=-all", "--inh-caps=-all"];

toolTest("a run folder that becomes read-only ends the run, and it goes on once it is writable", [
  ...["setpriv", ...WITHOUT_RIGHTS, "true"],
], () =>
  inTemporaryFolder(async (folder) => {
    const command = new Deno.Command("setpriv", {
      args: [...WITHOUT_RIGHTS, Deno.execPath(), ...denoArguments([...RUN, "--out", "run"])],
      cwd: folder,
      env: { NO_COLOR: "1" },
      stdout: "piped",
      stderr: "piped",
    });
    const checkpoints = `${folder}/run/checkpoints`;
    const line = await harmed(folder, command, () => Deno.chmodSync(checkpoints, 0o555));
    assert.match(
      line,
      /can't write run\/checkpoints\/checkpoint-\d+\.safetensors: Permission denied/,
    );
    Deno.chmodSync(checkpoints, 0o755);
    const kept = await latestCheckpoint(checkpoints);
    assert.ok(kept !== null && kept.notices.length === 0);
    await goOn(folder, "run");
  }));

test("a run folder that vanishes ends the run within an iteration", async () => {
  await inTemporaryFolder(async (folder) => {
    // no checkpoint is due before the end
    const command = metarlCommand([...RUN, "--set", "save_steps=100000", "--out", "run"], folder);
    const line = await harmed(folder, command, () => {
      Deno.renameSync(`${folder}/run`, `${folder}/elsewhere`);
    });
    assert.match(line, /can't write run\/progress\.csv: No such file or directory/);
    assert.ok(readProgress(`${folder}/elsewhere/progress.csv`).rows.length < ITERATIONS);
    // brought back, it is started again, since it had no checkpoint yet
    Deno.renameSync(`${folder}/elsewhere`, `${folder}/run`);
    const { code, stderr } = await metarl(["promp", "--resume", "run"], folder);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /has no checkpoint yet: starting at iteration 0/);
    assert.deepEqual(await resultsOf(`${folder}/run`), await wholeRun(folder));
  });
});

gpuTest("a GPU device that is lost ends the run with a checkpoint, and it goes on", async () => {
  const config = tinyConfig({ device: "webgpu", n_itr: 5 });
  const whole = (await train("promp", config)).writer;

  const create = WebGpuDevice.create;
  let device: WebGpuDevice | null = null;
  WebGpuDevice.create = async (options) => device = await create.call(WebGpuDevice, options);
  const writer = new MemoryWriter();
  const request: TrainRequest = {
    algorithm: "promp",
    ...{ config, writer, resume: null, init: null, workers: 1 },
    stop: new AbortController().signal,
  };
  try {
    await assert.rejects(
      trainMeta(request, {
        onIteration: ({ iteration }) => {
          if (iteration === 1) device!.gpuDevice.destroy();
        },
        onNotice() {},
      }),
      (error: unknown) => {
        assert.ok(error instanceof RunError, String(error));
        assert.equal(error.code, "device-lost");
        assert.match(error.message, /^The GPU device was lost \(destroyed\).*last checkpoint/);
        return true;
      },
    );
  } finally {
    WebGpuDevice.create = create;
  }
  const [resume] = writer.checkpoints;
  assert.equal(resume.iteration, 2);
  const rest = (await train("promp", config, { resume })).writer;
  assert.deepEqual([...writer.rows, ...rest.rows].length, whole.rows.length);
  assert.deepEqual([...writer.results(), ...rest.results()], whole.results());
  assert.deepEqual(await rest.lastBytes(), await whole.lastBytes());
});

test("memory of the cpu device that is exhausted ends the run in one line", async () => {
  const create = CpuDevice.create;
  CpuDevice.create = (options) => create.call(CpuDevice, { ...options, maxBytes: 2 ** 18 });
  try {
    const config = { meta_batch_size: 40, rollouts_per_meta_task: 20 };
    await assert.rejects(
      train("mmaml", tinyConfig(config)),
      /^RunError: Cannot allocate [\d.]+ MiB for .* on the cpu device: .*use a smaller meta-batch/,
    );
  } finally {
    CpuDevice.create = create;
  }
});

test("memory of MuJoCo that is exhausted ends the run in one line", async () => {
  await inTemporaryFolder(async (folder) => {
    const example = (name: string) =>
      Deno.readTextFileSync(new URL(`../../examples/${name}`, import.meta.url));
    // so much for each simulation that four don't fit into 2 GiB
    const mjcf = example("pendulum.xml").replace('memory="128K"', 'memory="700M"');
    Deno.writeTextFileSync(`${folder}/pendulum.xml`, mjcf);
    Deno.writeTextFileSync(`${folder}/env.json`, example("pendulum_goal.json"));
    await assert.rejects(
      train("promp", tinyConfig({ env: `${folder}/env.json`, rollouts_per_meta_task: 4 })),
      /^RunError: Cannot make another simulation of .*; this thread holds [12]$/,
    );
  });
});

test("memory of WASM that is exhausted in the middle of a run keeps a checkpoint", async () => {
  await inTemporaryFolder(async (folder) => {
    const [path, full] = [`${folder}/env.ts`, `${folder}/full`];
    const point = new URL("../../examples/point_wind.ts", import.meta.url).href;
    Deno.writeTextFileSync(
      path,
      `import point from ${JSON.stringify(point)};
      const isFull = () => {
        try { return Deno.statSync(${JSON.stringify(full)}).isFile; } catch { return false; }
      };
      export default {
        configure() {
          const factory = point.configure({});
          return { ...factory, async createInstance() {
            const env = await factory.createInstance();
            const step = env.step.bind(env);
            env.step = (action) => {
              if (isFull()) new WebAssembly.Memory({ initial: 1, maximum: 1 }).grow(1);
              step(action);
            };
            return env;
          } };
        },
      };`,
    );
    const config = tinyConfig({ env: path, n_itr: 5 });
    const whole = (await train("promp", config)).writer;
    class Filling extends MemoryWriter {
      override appendRow(row: ProgressRow): void {
        super.appendRow(row);
        if (row["Itr"] === 1) Deno.writeTextFileSync(full, "");
      }
    }
    const writer = new Filling();
    await assert.rejects(train("promp", config, { writer, workers: 2 }), (error: RunError) => {
      assert.equal(error.code, "worker-job");
      assert.match(
        error.message,
        /^Sampling of iteration 2, task \d failed 3 times, last with: .*WebAssembly\.Memory\.grow/,
      );
      return true;
    });
    const [resume] = writer.checkpoints;
    assert.equal(resume.iteration, 2);
    Deno.removeSync(full);
    const rest = (await train("promp", config, { resume })).writer;
    assert.deepEqual([...writer.results(), ...rest.results()], whole.results());
    assert.deepEqual(await rest.lastBytes(), await whole.lastBytes());
  });
});

test("a clock that jumps back and forth changes nothing", async () => {
  const config = tinyConfig({ n_itr: 4 });
  const whole = (await train("mmaml", config, { workers: 2 })).writer;
  const [now, wall] = [performance.now, Date.now];
  const day = 24 * 3_600_000;
  const jumps = [0, day, -day, 1000 * day, -1000 * day, 3, -3];
  let calls = 0;
  const jump = () => jumps[calls++ % jumps.length];
  performance.now = () => now.call(performance) + jump();
  Date.now = () => wall.call(Date) + jump();
  try {
    const { writer, notices } = await train("mmaml", config, { workers: 2 });
    assert.ok(calls > 20, "it was asked");
    assert.deepEqual(writer.results(), whole.results());
    assert.deepEqual(await writer.lastBytes(), await whole.lastBytes());
    assert.deepEqual(notices.slice(1), [], "no job was taken for one that hangs");
  } finally {
    performance.now = now;
    Date.now = wall;
  }
});
