import assert from "node:assert/strict";
import { listCheckpoints } from "../../src/run/checkpoint.ts";
import { progressColumns } from "../../src/run/log.ts";
import { defaultRunName, RunDir } from "../../src/run/run_dir.ts";
import { UserError } from "../../src/util/errors.ts";
import { lacks } from "../permissions.ts";
import { checkpointOf, CONFIG, PARAMS, RETENTION } from "./sample_run.ts";

const NEEDS_FILES = lacks("read", "write");
const NEEDS_PROCESSES = NEEDS_FILES || lacks("run");

async function inTemporaryFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

/** Runs a script of this folder with all permissions; gives its standard output by lines. */
async function runScript(name: string, ...args: string[]): Promise<string[]> {
  const path = new URL(name, import.meta.url).pathname;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", path, ...args],
    env: { NO_COLOR: "1" },
  }).output();
  return (new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr)).trim().split("\n");
}

Deno.test("defaultRunName() has algorithm, environment, mode, seed and time", () => {
  const now = new Date("2026-01-31T23:59:58.999Z");
  assert.equal(defaultRunName("promp", CONFIG, now), "promp-TestEnv-1-20260131-235958");
  assert.equal(
    defaultRunName("promp", { ...CONFIG, mode: 0, seed: 7 }, now),
    "promp-TestEnv-mode0-7-20260131-235958",
  );
});

Deno.test({
  name: "RunDir.create() makes params.json, log.txt, progress.csv and checkpoints/",
  ignore: NEEDS_FILES,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      const path = `${folder}/deep/er/run`;
      {
        using run = await RunDir.create(`${path}//`, PARAMS, false);
        assert.equal(run.path, path);
        assert.equal(await run.latestCheckpoint(), null);
        run.startProgress(["Itr"], 0);
        run.appendRow({ Itr: 0 });
        run.recordDevice("cpu: SIMD");
        assert.equal(
          await run.saveCheckpoint(checkpointOf(1), RETENTION),
          `${path}/checkpoints/checkpoint-000001.safetensors`,
        );
      }
      assert.deepEqual(names(path), [
        ".lock",
        "checkpoints",
        "log.txt",
        "params.json",
        "progress.csv",
      ]);
      const params = JSON.parse(Deno.readTextFileSync(`${path}/params.json`));
      assert.equal(params.metarl_version, PARAMS.metarlVersion);
      assert.equal(params.device, "cpu: SIMD");
      assert.equal(params.config.max_path_length, 100);
      using again = await RunDir.open(path);
      assert.deepEqual(again.params, { ...PARAMS, device: "cpu: SIMD" });
      assert.equal((await again.latestCheckpoint())?.checkpoint.iteration, 1);
    }),
});

Deno.test({
  name: "RunDir.create() overwrites nothing without force, and only a run with it",
  ignore: NEEDS_FILES,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      const path = `${folder}/run`;
      {
        using run = await RunDir.create(path, PARAMS, false);
        run.startProgress(["Itr"], 0);
        await run.saveCheckpoint(checkpointOf(1), RETENTION);
      }
      Deno.writeTextFileSync(`${path}/notes.txt`, "mine");
      Deno.writeTextFileSync(`${path}/checkpoints/best.safetensors`, "mine");
      const before = Deno.readTextFileSync(`${path}/params.json`);
      await assert.rejects(RunDir.create(path, { ...PARAMS, seed: 2 }, false), {
        code: "out-exists",
        message: `the folder ${path} exists; choose another one with --out, or --force to ` +
          "replace the run in it",
      });
      assert.equal(Deno.readTextFileSync(`${path}/params.json`), before);

      using run = await RunDir.create(path, { ...PARAMS, seed: 2 }, true);
      assert.equal(run.params.seed, 2);
      assert.deepEqual(names(path), [
        ".lock",
        "checkpoints",
        "log.txt",
        "notes.txt",
        "params.json",
      ]);
      assert.deepEqual(names(`${path}/checkpoints`), ["best.safetensors"]);

      Deno.writeTextFileSync(`${folder}/file`, "");
      for (const force of [false, true]) {
        await assert.rejects(RunDir.create(`${folder}/file`, PARAMS, force), {
          code: "out-exists",
        });
        await assert.rejects(RunDir.create(`${folder}/file/run`, PARAMS, force), {
          code: "out-not-writable",
        });
      }
    }),
});

Deno.test({
  name: "RunDir.create() says in one line that a folder can't be written",
  // permissions of files don't hold root back, so a place that nobody can write to
  ignore: NEEDS_FILES || Deno.build.os !== "linux",
  fn: async () => {
    await assert.rejects(RunDir.create("/proc/metarl/run", PARAMS, false), (error) => {
      assert(error instanceof UserError);
      assert.match(error.message, /^can't create the run folder \/proc\/metarl\/run: [^\n]+$/);
      return true;
    });
  },
});

Deno.test({
  name: "RunDir.open() refuses what is no run folder",
  ignore: NEEDS_FILES,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      const message = `${folder} is not a run folder: there is no params.json in it`;
      await assert.rejects(RunDir.open(folder), { code: "run-not-found", message });
      await assert.rejects(RunDir.open(`${folder}/nothing`), {
        message: `${folder}/nothing is not a run folder: there is no such folder`,
      });
      Deno.writeTextFileSync(`${folder}/file`, "");
      await assert.rejects(RunDir.open(`${folder}/file`), {
        message: `${folder}/file is not a run folder: it is a file`,
      });
      const damaged = ["", "{", "[]", "null", '{"algorithm":"mmaml"}', '{"config":{}}'];
      for (const text of damaged) {
        Deno.writeTextFileSync(`${folder}/params.json`, text);
        await assert.rejects(RunDir.open(folder), (error) => {
          assert(error instanceof UserError, String(error));
          assert(error.message.includes(`${folder}/params.json`), error.message);
          return true;
        });
        assert.equal(Deno.readTextFileSync(`${folder}/params.json`), text);
      }
    }),
});

Deno.test({
  name: "RunDir gives its folder back at once, also where a child process is just being started",
  ignore: NEEDS_PROCESSES,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      const path = `${folder}/run`;
      (await RunDir.create(path, PARAMS, false))[Symbol.dispose]();
      const workers = Array.from(
        { length: 2 },
        () => new Worker(new URL("spawn_worker.ts", import.meta.url), { type: "module" }),
      );
      try {
        // every start is a short moment in which the child has what this process has open
        const end = performance.now() + 1500;
        while (performance.now() < end) {
          using run = await RunDir.open(path);
          assert.equal(run.path, path);
        }
        const counts = await Promise.all(workers.map((worker) => {
          const { promise, resolve } = Promise.withResolvers<number>();
          worker.onmessage = ({ data }) => resolve(data);
          worker.postMessage("stop");
          return promise;
        }));
        assert(counts.every((count) => count > 0), `${counts} processes were started`);
      } finally {
        for (const worker of workers) worker.terminate();
      }
    }),
});

Deno.test({
  name: "RunDir holds its folder against another process until it is closed",
  ignore: NEEDS_PROCESSES,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      const path = `${folder}/run`;
      {
        using _run = await RunDir.create(path, PARAMS, false);
        assert.deepEqual(await runScript("open_run.ts", path), [
          `run-locked: the run ${path} is in use by process ${Deno.pid}; wait for it or choose ` +
          "another folder",
        ]);
      }
      assert.deepEqual(await runScript("open_run.ts", path), ["opened"]);
      // the other process ended without closing: its lock went with it
      using _again = await RunDir.open(path);
    }),
});

Deno.test({
  name: "RunDir.discard() leaves nothing of a run that did nothing, and everything else",
  ignore: NEEDS_FILES,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      const run = await RunDir.create(`${folder}/run`, PARAMS, false);
      run.note("hello");
      run.discard();
      run[Symbol.dispose]();
      assert.deepEqual(names(folder), []);

      Deno.mkdirSync(`${folder}/mine`);
      Deno.writeTextFileSync(`${folder}/mine/notes.txt`, "mine");
      (await RunDir.create(`${folder}/mine`, PARAMS, true)).discard();
      assert.deepEqual(names(`${folder}/mine`), ["notes.txt"]);
    }),
});

Deno.test({
  name: "RunDir.saveCheckpoint() keeps the newest N, every n-th and one per so many hours",
  ignore: NEEDS_FILES,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      /** Saves 1 .. 12, the i-th written i hours after the start; gives the iterations kept. */
      const kept = async (name: string, retention: Partial<typeof RETENTION>) => {
        using run = await RunDir.create(`${folder}/${name}`, PARAMS, false);
        for (let i = 1; i <= 12; i++) {
          const path = await run.saveCheckpoint(checkpointOf(i), { ...RETENTION, ...retention });
          const time = new Date(Date.parse(PARAMS.started) + i * 3_600_000);
          Deno.utimeSync(path, time, time);
        }
        return listCheckpoints(run.checkpointFolder).map(([iteration]) => iteration);
      };
      assert.deepEqual(await kept("newest", { maxCheckpoints: 3, keepEveryHours: 100 }), [
        10,
        11,
        12,
      ]);
      assert.deepEqual(
        await kept("nth", { maxCheckpoints: 2, keepEveryHours: 100, keepEveryIterations: 5 }),
        [5, 10, 11, 12],
      );
      // 4 is the first one 4 hours after the start, 8 the first one 4 hours after 4
      assert.deepEqual(await kept("hours", { maxCheckpoints: 2, keepEveryHours: 4 }), [
        4,
        8,
        11,
        12,
      ]);
    }),
});

Deno.test({
  name: "RunDir.saveCheckpoint() keeps what it has to when the clock jumps",
  ignore: NEEDS_FILES,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      const hour = 3_600_000;
      /** Saves 1 .. 12, the i-th written at `hourOf(i)` after the start. */
      const kept = async (name: string, hourOf: (i: number) => number) => {
        using run = await RunDir.create(`${folder}/${name}`, PARAMS, false);
        const retention = { maxCheckpoints: 2, keepEveryHours: 4, keepEveryIterations: 6 };
        for (let i = 1; i <= 12; i++) {
          const path = await run.saveCheckpoint(checkpointOf(i), { ...RETENTION, ...retention });
          const time = new Date(Date.parse(PARAMS.started) + hourOf(i) * hour);
          Deno.utimeSync(path, time, time);
        }
        return listCheckpoints(run.checkpointFolder).map(([iteration]) => iteration);
      };
      // the newest two and those at a multiple of six stay whatever the clock says
      for (const jump of [1e5, -1e5]) {
        const all = await kept(`jump ${jump}`, (i) => i < 5 ? i : i + jump);
        for (const i of [6, 11, 12]) assert.ok(all.includes(i), `${jump}: ${all}`);
      }
      // set back by a day after the fourth: hours are counted from the sixth on, the next that stays
      assert.deepEqual(await kept("back", (i) => i <= 4 ? i : i - 24), [4, 6, 10, 11, 12]);
    }),
});

Deno.test({
  name: "RunDir fails with one line and keeps what was there when the disk is full",
  ignore: NEEDS_PROCESSES || Deno.build.os !== "linux",
  fn: () =>
    inTemporaryFolder(async (folder) => {
      assert.deepEqual(await runScript("full_disk.ts", folder), [
        "RunError: can't write FOLDER/a/checkpoints/checkpoint-000001.safetensors: No space left " +
        "on device",
        "mmaml",
        "checkpoint-000001.safetensors",
        "RunError: can't write FOLDER/b/log.txt: No space left on device",
        "RunError: can't write FOLDER/b/params.json: No space left on device",
        "null",
      ]);
    }),
});

Deno.test({
  name: "RunDir.startProgress() cuts rows of iterations that are repeated",
  ignore: NEEDS_FILES,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      const columns = progressColumns(1);
      const rowOf = (i: number) =>
        Object.fromEntries(columns.map((name) => [name, name === "Itr" ? i : 0]));
      using run = await RunDir.create(`${folder}/run`, PARAMS, false);
      assert.throws(() => run.appendRow(rowOf(0)), /before startProgress/);
      run.startProgress(columns, 0);
      for (let i = 0; i < 5; i++) run.appendRow(rowOf(i));
      run.startProgress(columns, 3);
      run.appendRow(rowOf(3));
      const lines = Deno.readTextFileSync(`${folder}/run/progress.csv`).trim().split("\n");
      assert.deepEqual(lines.map((line) => line.split(",")[0]), ["Itr", "0", "1", "2", "3"]);
    }),
});
