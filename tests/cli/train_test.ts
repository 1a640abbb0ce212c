import assert from "node:assert/strict";
import { train } from "../../src/cli/train.ts";
import type { TrainOptions } from "../../src/cli/train_options.ts";
import { VERSION } from "../../src/cli/version.ts";
import { encodeCheckpoint, readCheckpoint } from "../../src/run/checkpoint.ts";
import { isTimeColumn, readProgress } from "../../src/run/log.ts";
import type { TrainRequest } from "../../src/trainer/types.ts";
import { RunError, UserError } from "../../src/util/errors.ts";
import { lacks } from "../permissions.ts";
import { fakeTrainer } from "./fake_trainer.ts";
import { MemoryOutput } from "./memory_output.ts";
import { inTemporaryFolder, metarl, metarlCommand, namesIn } from "./metarl_process.ts";

const NEEDS_FILES = lacks("read", "write");
const NEEDS_PROCESSES = NEEDS_FILES || lacks("run");

function fileTest(name: string, body: (folder: string) => Promise<void>): void {
  Deno.test({ name, ignore: NEEDS_FILES, fn: () => inTemporaryFolder(body) });
}

async function refusal(attempt: Promise<number>): Promise<string> {
  try {
    await attempt;
  } catch (error) {
    assert(error instanceof UserError, String(error));
    return error.message;
  }
  return "accepted";
}

fileTest(
  "train() hands the trainer a settled request and prints a line per iteration",
  async (folder) => {
    const requests: TrainRequest[] = [];
    const output = new MemoryOutput();
    const out = `${folder}/run`;
    const config = `${folder}/c.json`;
    Deno.writeTextFileSync(config, '{"env": "MetaPointEnvMomentum", "n_itr": 9, "step_size": 1}');
    const options: TrainOptions = {
      out,
      set: ["meta_batch_size=3", "discount=0.5"],
      overrides: '{"discount": 0.4, "gae_lambda": 0.9}',
      iterations: "2",
      workers: "8",
      seed: "7",
      logGradNorm: true,
    };
    assert.equal(await train("promp", config, options, output, fakeTrainer({ requests })), 0);

    const [{ algorithm, config: settled, workers, resume, init }] = requests;
    assert.deepEqual({ algorithm, workers, resume, init }, {
      algorithm: "promp",
      workers: 3, // never more than tasks
      resume: null,
      init: null,
    });
    assert.deepEqual(
      [settled.seed, settled.iterations, settled.discount, settled.gaeLambda, settled.logGradNorm],
      [7, 2, 0.5, 0.9, true],
    );
    assert.deepEqual(output.lines, [
      `metarl ${VERSION}: promp on MetaPointEnvMomentum, seed 7, 2 iterations, 3 workers, run ` +
      `folder ${out}`,
      "iteration 0: returns -1345.3 -> -1344.3 -> -1343.3, 0.5 s, 48k steps/s, ETA 0:01",
      "iteration 1: returns -1344.3 -> -1343.3 -> -1342.3, 0.5 s, 48k steps/s, ETA 0:00",
      `finished at iteration 2 after 0:01, returns -1344.3 -> -1343.3 -> -1342.3; run folder ${out}`,
    ]);
    assert.deepEqual(output.errors, [
      `warning: ${config}: no effect in training: step_size`,
      "fake device",
    ]);
    assert.deepEqual(output.statuses, []);
    const log = Deno.readTextFileSync(`${out}/log.txt`).split("\n");
    assert.deepEqual(log.filter((line) => line.startsWith("iteration")), output.lines.slice(1, 3));

    const params = JSON.parse(Deno.readTextFileSync(`${out}/params.json`));
    assert.equal(params.metarl_version, VERSION);
    assert.deepEqual(params.environment, { name: "MetaPointEnvMomentum", version: 1 });
    assert.equal(params.config.discount, 0.5);
  },
);

fileTest(
  "train() without a configuration takes the published point environment's",
  async (folder) => {
    const requests: TrainRequest[] = [];
    const output = new MemoryOutput();
    const options: TrainOptions = { out: `${folder}/run`, iterations: "1" };
    await train("mmaml", undefined, options, output, fakeTrainer({ requests }));
    const { config } = requests[0];
    assert.deepEqual(
      [config.env, config.outerLr, config.innerLr, config.metaBatchSize],
      ["MetaPointEnvMomentumModes", 5e-5, 0.01, 40],
    );
    assert.deepEqual(output.errors, ["fake device"], "no warnings about a file nobody gave");
  },
);

fileTest(
  "parallel, workers, dump_path and restore_path of a configuration work",
  async (folder) => {
    const requests: TrainRequest[] = [];
    const trainer = fakeTrainer({ requests });
    const run = async (file: Record<string, unknown>) => {
      const path = `${folder}/c.json`;
      Deno.writeTextFileSync(
        path,
        JSON.stringify({ env: "MetaPointEnvMomentum", n_itr: 1, ...file }),
      );
      assert.equal(await train("promp", path, {}, new MemoryOutput(), trainer), 0);
      return requests.at(-1)!;
    };
    const cores = Math.min(navigator.hardwareConcurrency, 40);
    assert.equal((await run({ dump_path: `${folder}/a` })).workers, cores);
    assert.equal((await run({ dump_path: `${folder}/b`, parallel: false })).workers, 1);
    assert.equal((await run({ dump_path: `${folder}/c`, parallel: false, workers: 5 })).workers, 5);
    assert(namesIn(`${folder}/a`).includes("params.json"));
    const fromRun = await run({ dump_path: `${folder}/d`, restore_path: `${folder}/a` });
    assert.equal(fromRun.init?.iteration, 1);
    assert.equal(fromRun.resume, null);
    const file = `${folder}/a/checkpoints/checkpoint-000001.safetensors`;
    assert.equal((await run({ dump_path: `${folder}/e`, restore_path: file })).init?.iteration, 1);
  },
);

fileTest("train() prints newline-delimited JSON and nothing else with --json", async (folder) => {
  const output = new MemoryOutput(true);
  const out = `${folder}/run`;
  await train("mmaml", undefined, { out, iterations: "2", json: true }, output, fakeTrainer());
  const [first, second, summary, ...rest] = output.lines.map((line) => JSON.parse(line));
  assert.deepEqual(rest, []);
  assert.deepEqual([first.type, first.iteration, first.row.Itr], ["iteration", 0, 0]);
  assert.equal(second.iteration, 1);
  assert.deepEqual(
    [summary.type, summary.status, summary.run, summary.iteration],
    ["summary", "finished", out, 2],
  );
  assert.deepEqual(output.statuses, []);
});

fileTest("train() keeps one status line on a terminal, within its width", async (folder) => {
  const output = new MemoryOutput(true, 70);
  const options: TrainOptions = { out: `${folder}/run`, iterations: "4" };
  await train("mmaml", undefined, options, output, fakeTrainer());
  assert.equal(output.lines.length, 2, "headline and summary");
  const shown = output.statuses.filter((text) => text !== null);
  assert.equal(shown[0], "[............] 0/4");
  assert.equal(shown[1], "[............] 0/4  sampling");
  assert.equal(shown[2], "[###.........] 1/4  ETA 0:02  48k steps/s  -1345 -> -1344 -> -1343  s");
  for (const text of shown) assert(text.length < 70, text);
  assert.equal(output.statuses.at(-1), null);
});

fileTest("train() resumes a run with its own configuration", async (folder) => {
  const requests: TrainRequest[] = [];
  const trainer = fakeTrainer({ requests });
  const out = `${folder}/run`;
  const first: TrainOptions = { out, iterations: "3", set: ["hidden_sizes=[8]"], seed: "5" };
  await train("promp", undefined, first, new MemoryOutput(), trainer);

  const output = new MemoryOutput();
  const again: TrainOptions = { resume: out, iterations: "5", workers: "1" };
  assert.equal(await train("promp", undefined, again, output, trainer), 0);
  const { resume, config, workers } = requests[1];
  assert.equal(resume?.iteration, 3);
  assert.deepEqual([config.seed, config.hiddenSizes, config.iterations, workers], [5, [8], 5, 1]);
  assert.deepEqual(readProgress(`${out}/progress.csv`).rows.map((row) => row.Itr), [0, 1, 2, 3, 4]);
  assert(output.errors.includes(`resuming ${out} at iteration 3`), output.errors.join());
  const params = JSON.parse(Deno.readTextFileSync(`${out}/params.json`));
  assert.equal(params.config.n_itr, 5, "the next resume knows the new end");

  const attempt = (options: TrainOptions, algorithm: "promp" | "mmaml" = "promp", path?: string) =>
    refusal(train(algorithm, path, { resume: out, ...options }, new MemoryOutput(), trainer));
  const before = Deno.readTextFileSync(`${out}/params.json`);
  assert.equal(
    await attempt({}),
    "the run has done 5 of 5 iterations; give --iterations with more than 5",
  );
  assert.equal(
    await attempt({ iterations: "6", seed: "6" }),
    `can't resume ${out}: "seed" is 6, the run has 5; leave it out, or start a new run`,
  );
  assert.equal(
    await attempt({ iterations: "6", set: ["hidden_sizes=[16]"] }),
    `can't resume ${out}: "hidden_sizes" is [16], the run has [8]; leave it out, or start a new run`,
  );
  assert.equal(
    await attempt({ iterations: "6" }, "mmaml"),
    `${out} is a run of promp; continue it with: metarl promp --resume ${out}`,
  );
  const config2 = `${folder}/c.json`;
  Deno.writeTextFileSync(config2, '{"env": "MetaPointEnvCorner", "n_itr": 9}');
  assert.equal(
    await attempt({}, "promp", config2),
    `can't resume ${out}: "env" is "MetaPointEnvCorner", the run has "MetaPointEnvMomentumModes"; ` +
      "leave it out, or start a new run",
  );
  assert.equal(Deno.readTextFileSync(`${out}/params.json`), before);
  assert.equal(requests.length, 2);
});

fileTest("train() resumes a run of a metarl that had fewer keys", async (folder) => {
  const out = `${folder}/run`;
  const trainer = fakeTrainer();
  await train("promp", undefined, { out, iterations: "2" }, new MemoryOutput(), trainer);
  const params = JSON.parse(Deno.readTextFileSync(`${out}/params.json`));
  delete params.config.terminate;
  Deno.writeTextFileSync(`${out}/params.json`, JSON.stringify(params));
  const path = `${out}/checkpoints/checkpoint-000002.safetensors`;
  const checkpoint = await readCheckpoint(path);
  const { terminate: _, ...config } = checkpoint.config;
  Deno.writeFileSync(path, await encodeCheckpoint({ ...checkpoint, config }));

  const resume: TrainOptions = { resume: out, iterations: "3" };
  const output = new MemoryOutput();
  assert.equal(await train("promp", undefined, resume, output, trainer), 0);
  assert(output.errors.includes(`resuming ${out} at iteration 2`), output.errors.join());
});

fileTest("train() resumes from the checkpoint before a damaged one", async (folder) => {
  const out = `${folder}/run`;
  const requests: TrainRequest[] = [];
  const trainer = fakeTrainer({ requests });
  await train("promp", undefined, { out, iterations: "2" }, new MemoryOutput(), trainer);
  const resume: TrainOptions = { resume: out, iterations: "4" };
  await train("promp", undefined, resume, new MemoryOutput(), trainer);
  Deno.truncateSync(`${out}/checkpoints/checkpoint-000004.safetensors`, 300);
  const output = new MemoryOutput();
  await train("promp", undefined, resume, output, trainer);
  assert.equal(requests[2].resume?.iteration, 2);
  assert.match(output.errors[0], /checkpoint-000004\.safetensors: .*; taking the one before it$/);
  assert.deepEqual(readProgress(`${out}/progress.csv`).rows.map((row) => row.Itr), [0, 1, 2, 3]);

  // the checkpoint of another run
  const other = `${folder}/other`;
  const options: TrainOptions = { out: other, iterations: "1", seed: "2" };
  await train("promp", undefined, options, new MemoryOutput(), trainer);
  const name = "checkpoints/checkpoint-000001.safetensors";
  Deno.copyFileSync(`${other}/${name}`, `${out}/checkpoints/checkpoint-000009.safetensors`);
  assert.equal(
    await refusal(train("promp", undefined, { resume: out }, new MemoryOutput(), trainer)),
    `the checkpoint ${out}/checkpoints/checkpoint-000009.safetensors is of another run: its ` +
      `"seed" is 2, not 1`,
  );
});

fileTest(
  "train() starts a run again that was killed before its first checkpoint",
  async (folder) => {
    const out = `${folder}/run`;
    const requests: TrainRequest[] = [];
    const dying = fakeTrainer({
      requests,
      beforeIteration(iteration) {
        if (iteration === 2) throw new RunError("device-lost", "the device is lost");
      },
    });
    const options: TrainOptions = { out, iterations: "3" };
    await assert.rejects(train("promp", undefined, options, new MemoryOutput(), dying), RunError);
    assert.match(
      Deno.readTextFileSync(`${out}/log.txt`),
      /\nerror: the device is lost \[device-lost\]\n$/,
    );
    const output = new MemoryOutput();
    const again = fakeTrainer({ requests });
    await train("promp", undefined, { resume: out }, output, again);
    assert.equal(requests[1].resume, null);
    assert.equal(output.errors[0], `${out} has no checkpoint yet: starting at iteration 0`);
    assert.deepEqual(readProgress(`${out}/progress.csv`).rows.map((row) => row.Itr), [0, 1, 2]);
  },
);

fileTest(
  "train() leaves nothing behind when the trainer refuses what was asked",
  async (folder) => {
    const refusing = fakeTrainer({
      beforeIteration() {
        throw new UserError("checkpoint-mismatch", "the checkpoint has other sizes");
      },
    });
    const options: TrainOptions = { out: `${folder}/run` };
    assert.equal(
      await refusal(train("promp", undefined, options, new MemoryOutput(), refusing)),
      "the checkpoint has other sizes",
    );
    assert.deepEqual(namesIn(folder), []);
  },
);

fileTest("train() ends the run when nobody reads its output any more", async (folder) => {
  const output = new MemoryOutput();
  const trainer = fakeTrainer({
    beforeIteration(iteration) {
      if (iteration === 1) output.isClosed = true;
    },
  });
  const options: TrainOptions = { out: `${folder}/run` };
  assert.equal(await train("promp", undefined, options, output, trainer), 130);
  assert.equal(readProgress(`${folder}/run/progress.csv`).rows.length, 2);
});

function processTest(name: string, body: (folder: string) => Promise<void>): void {
  Deno.test({ name, ignore: NEEDS_PROCESSES, fn: () => inTemporaryFolder(body) });
}

const SLOW_RUN = new URL("./slow_run.ts", import.meta.url).pathname;

/** Reads a stream until `wanted` was printed. */
async function readUntil(stream: ReadableStream<Uint8Array>, wanted: string): Promise<string> {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes(wanted)) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`ended without "${wanted}": ${text}`);
    text += value;
  }
  await reader.cancel();
  return text;
}

processTest(
  "Ctrl-C finishes the iteration, writes a checkpoint and tells how to resume",
  async (folder) => {
    if (Deno.build.os === "windows") return; // no signals to send there
    const out = "my run";
    const process = metarlCommand([out], folder, SLOW_RUN).spawn();
    const stderr = new Response(process.stderr).text();
    await readUntil(process.stdout, "iteration 0:");
    process.kill("SIGINT");
    const { code } = await process.status;
    const lines = (await stderr).trim().split("\n");
    assert.equal(code, 130);
    assert.deepEqual(lines.slice(-2), [
      "finishing this iteration, then writing a checkpoint; Ctrl-C again ends at once",
      "continue with: metarl promp --resume 'my run'",
    ]);
    const rows = readProgress(`${folder}/${out}/progress.csv`).rows.length;
    assert(rows >= 1 && rows < 100, `${rows} rows`);
    assert.deepEqual(namesIn(`${folder}/${out}/checkpoints`), [
      `checkpoint-${String(rows).padStart(6, "0")}.safetensors`,
    ]);
  },
);

processTest("a second Ctrl-C ends at once, unless it is the first one's echo", async (folder) => {
  if (Deno.build.os === "windows") return;
  const process = metarlCommand(["run", "stuck"], folder, SLOW_RUN).spawn();
  const started = performance.now();
  const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  const said = readUntil(process.stderr, "Ctrl-C again ends at once");
  await readUntil(process.stdout, "run folder");
  process.kill("SIGINT");
  await said;
  // `deno task` sends the terminal's signal once more
  process.kill("SIGINT");
  let hasEnded = false;
  const status = process.status.finally(() => hasEnded = true);
  await wait(600);
  assert(!hasEnded, "the echo was taken for a second press");
  process.kill("SIGINT");
  const { code } = await status;
  assert.equal(code, 130);
  assert(performance.now() - started < 15_000, "it did not wait for the iteration");
  assert.deepEqual(namesIn(`${folder}/run/checkpoints`), []);
});

processTest("an error that nobody waits for ends the run with one line", async (folder) => {
  const { code, stderr } = await metarlCommand(["run", "stray"], folder, SLOW_RUN).output();
  assert.equal(
    new TextDecoder().decode(stderr),
    "fake device\nerror: the device is lost [device-lost]\n",
  );
  assert.equal(code, 1);
});

const TINY = ["meta_batch_size=3", "rollouts_per_meta_task=2", "max_path_length=8"]
  .concat("hidden_sizes=[8]", "cell_size=4", "num_promp_steps=2", "save_steps=1", "device=cpu")
  .flatMap((assignment) => ["--set", assignment]);

processTest(
  "a run that is killed and resumed gives the bytes of one that is not",
  async (folder) => {
    const whole = await metarl(["mmaml", ...TINY, "--iterations", "6", "--out", "whole"], folder);
    assert.equal(whole.code, 0, whole.stderr);

    // far more iterations than it gets to do
    const args = ["mmaml", ...TINY, "--iterations", "1000000", "--workers", "1", "--out", "cut"];
    const process = metarlCommand(args, folder).spawn();
    const stderr = process.stderr.cancel();
    await readUntil(process.stdout, "iteration 2:");
    process.kill("SIGKILL");
    await Promise.all([process.status, stderr]);
    // back to the third checkpoint, however far it came
    for (const name of namesIn(`${folder}/cut/checkpoints`)) {
      if (name > "checkpoint-000003.safetensors") {
        Deno.removeSync(
          `${folder}/cut/checkpoints/${name}`,
        );
      }
    }
    const resumed = await metarl(["mmaml", "--resume", "cut", "--iterations", "6"], folder);
    assert.equal(resumed.code, 0, resumed.stderr);
    assert.match(resumed.stderr, /^resuming cut at iteration 3$/m);

    const last = "checkpoints/checkpoint-000006.safetensors";
    assert.deepEqual(
      Deno.readFileSync(`${folder}/cut/${last}`),
      Deno.readFileSync(`${folder}/whole/${last}`),
    );
    const results = (run: string) =>
      readProgress(`${folder}/${run}/progress.csv`).rows.map((row) =>
        Object.fromEntries(Object.entries(row).filter(([name]) => !isTimeColumn(name)))
      );
    assert.equal(results("whole").length, 6);
    assert.deepEqual(results("cut"), results("whole"));
  },
);
