/** Environments of one's own through the command line, with real training. */
import assert from "node:assert/strict";
import { lacks } from "../permissions.ts";
import { inTemporaryFolder, metarl, namesIn } from "./metarl_process.ts";

const NEEDS_PROCESSES = lacks("read", "write", "run");
const EXAMPLES = new URL("../../examples/", import.meta.url).pathname;

const TINY = {
  env: "MetaPointEnvCorner",
  meta_batch_size: 3,
  rollouts_per_meta_task: 2,
  max_path_length: 8,
  num_promp_steps: 1,
  hidden_sizes: [4],
  cell_size: 4,
  n_itr: 2,
  device: "cpu",
};

function cliTest(name: string, body: (folder: string) => Promise<void>): void {
  Deno.test({ name, ignore: NEEDS_PROCESSES, fn: () => inTemporaryFolder(body) });
}

/** Result columns of a run's progress.csv: those that measure no time. */
function results(run: string): string[][] {
  const rows = Deno.readTextFileSync(`${run}/progress.csv`).trim().split("\n")
    .map((line) => line.split(","));
  const kept = rows[0].map((name) => !/Time|^Idle-/.test(name));
  return rows.map((row) => row.filter((_, column) => kept[column]));
}

cliTest("metarl trains on a JSON description, named in the configuration", async (folder) => {
  Deno.mkdirSync(`${folder}/configs`);
  Deno.mkdirSync(`${folder}/envs`);
  for (const name of ["pendulum_goal.json", "pendulum.xml"]) {
    Deno.copyFileSync(`${EXAMPLES}${name}`, `${folder}/envs/${name}`);
  }
  // relative to the configuration, not to the current folder
  const config = { ...TINY, env: "../envs/pendulum_goal.json" };
  Deno.writeTextFileSync(`${folder}/configs/c.json`, JSON.stringify(config));
  const first = await metarl(["mmaml", "configs/c.json", "--out", "run"], folder);
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stdout, /mmaml on .*\/envs\/pendulum_goal\.json, seed 1/);

  const params = JSON.parse(Deno.readTextFileSync(`${folder}/run/params.json`));
  assert.equal(params.environment.name, "PendulumGoal");
  assert.match(params.environment.version, /^sha256:[0-9a-f]{16}$/);
  assert.equal(params.config.env, `${Deno.realPathSync(folder)}/envs/pendulum_goal.json`);
  const head = results(`${folder}/run`)[0];
  for (const name of ["Step_0-AverageGoalReturn", "Step_2-AverageCtrlReturn"]) {
    assert.ok(head.includes(name), name);
  }

  // another number of workers, another current folder: the same numbers
  const second = await metarl(
    ["mmaml", "../configs/c.json", "--out", "../run2", "--workers", "1"],
    `${folder}/envs`,
  );
  assert.equal(second.code, 0, second.stderr);
  assert.deepEqual(results(`${folder}/run2`), results(`${folder}/run`));

  const resumed = await metarl(["mmaml", "--resume", "run", "--iterations", "3"], folder);
  assert.equal(resumed.code, 0, resumed.stderr);
  assert.equal(results(`${folder}/run`).length, 1 + 3);

  const model = `${folder}/envs/pendulum.xml`;
  const text = Deno.readTextFileSync(model);
  Deno.writeTextFileSync(model, text.replace('damping="0.05"', 'damping="0.06"'));
  const changed = await metarl(["mmaml", "--resume", "run", "--iterations", "4"], folder);
  assert.deepEqual([changed.code, changed.stdout], [2, ""]);
  assert.match(
    changed.stderr,
    /^error: can't resume run: the environment .*pendulum_goal\.json is another one than it was trained with \(sha256:[0-9a-f]{16}, now sha256:[0-9a-f]{16}\); put the files back, or start a new run \[resume-mismatch\]\n$/,
  );
});

cliTest("metarl trains on a module, named by --env, and checks it", async (folder) => {
  Deno.writeTextFileSync(`${folder}/c.json`, JSON.stringify(TINY));
  const module = `${EXAMPLES}point_wind.ts`;
  const { code, stdout, stderr } = await metarl(["promp", "c.json", "--env", module], folder);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /finished at iteration 2/);
  const [run] = namesIn(`${folder}/runs`);
  assert.match(run, /^promp-point_wind-1-\d+-\d+$/);
  const params = JSON.parse(Deno.readTextFileSync(`${folder}/runs/${run}/params.json`));
  assert.equal(params.environment.name, "PointWind");

  const check = await metarl(["envs", "check", module], folder);
  assert.equal(check.code, 0, check.stdout);
  Deno.writeTextFileSync(
    `${folder}/bad.ts`,
    `import example from ${JSON.stringify(`file://${module}`)};
     const factory = example.configure({});
     export default { configure: () => ({ ...factory, async createInstance() {
       const env = await factory.createInstance();
       const step = env.step.bind(env);
       env.step = (action) => { step(action); env.reward += 1; };
       return env;
     } }) };`,
  );
  const bad = await metarl(["envs", "check", "bad.ts"], folder);
  assert.deepEqual([bad.code, bad.stderr], [1, ""]);
  assert.match(bad.stdout, /^FAILED {2}reward {11}episode 0, step 1: the reward is .* add up to/m);
  assert.match(bad.stdout, /^1 of 8 checks failed$/m);
});

cliTest("metarl refuses files that are no environment, in one line", async (folder) => {
  Deno.writeTextFileSync(`${folder}/c.json`, JSON.stringify(TINY));
  Deno.writeTextFileSync(`${folder}/empty.ts`, "export const x = 1;");
  const refused = async (args: string[], message: RegExp) => {
    const { code, stdout, stderr } = await metarl(args, folder);
    assert.deepEqual([code, stdout], [2, ""], stderr);
    assert.match(stderr, message);
    assert.equal(stderr.trimEnd().split("\n").length, 1);
  };
  await refused(
    ["promp", "c.json", "--env", "./none.ts"],
    /^error: environment: can't read .*none\.ts: No such file or directory \[env-file\]$/m,
  );
  await refused(["promp", "c.json", "--env", "empty.ts"], /empty\.ts exports no environment/);
  await refused(["promp", "c.json", "--env", "./c.json"], /c\.json: "env" is not a known key/);
  await refused(["envs", "check", "empty.ts"], /empty\.ts exports no environment/);
  assert.deepEqual(namesIn(folder), ["c.json", "empty.ts"]);
});
