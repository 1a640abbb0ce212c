import assert from "node:assert/strict";
import { envNames } from "../../src/envs/registry.ts";
import { lacks } from "../permissions.ts";
import { inTemporaryFolder, metarl } from "./metarl_process.ts";

const NEEDS_PROCESSES = lacks("read", "write", "run");

function cliTest(name: string, body: (folder: string) => Promise<void>): void {
  Deno.test({ name, ignore: NEEDS_PROCESSES, fn: () => inTemporaryFolder(body) });
}

cliTest("metarl envs lists every environment with its sizes", async (folder) => {
  const { code, stdout, stderr } = await metarl(["envs"], folder);
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  const [head, ...lines] = stdout.trimEnd().split("\n");
  assert.deepEqual(head.split(/ +/), ["name", "observation", "action", "modes", "length", "what"]);
  assert.deepEqual(lines.map((line) => line.split(" ")[0]), envNames());
  const ant = lines.find((line) => line.startsWith("AntRandGoalModeEnv "))!;
  assert.match(ant, / 29 +8 +4 +250 +ant, goal near/);

  const json = JSON.parse((await metarl(["envs", "--json"], folder)).stdout);
  assert.deepEqual(json.map(({ name }: { name: string }) => name), envNames());
  assert.deepEqual(json[0], {
    name: "MetaPointEnvMomentum",
    obsDim: 4,
    actDim: 2,
    taskDim: 2,
    modes: 4,
    maxSteps: 100,
    description: "point mass, goal in one of the 4 corners (+-2, +-2)",
  });
});

cliTest("metarl envs NAME prints the tables of one environment", async (folder) => {
  const { code, stdout } = await metarl(["envs", "MetaPointEnvMomentum"], folder);
  assert.equal(code, 0);
  assert.match(stdout, /^MetaPointEnvMomentum \(version 1\): point mass/);
  assert.match(stdout, /^observation \[4\]$/m);
  assert.match(stdout, /^ {2}2 {2}vx +m\/step +any +velocity of the point$/m);
  assert.match(stdout, /^ {2}0 {2}ax +m\/step +-0.1 \.\. 0.1 /m);
  assert.match(stdout, /^task \[2\]$/m);
  assert.match(stdout, /^ {2}reward_type +dense, dense_squared, sparse +dense /m);

  const ant = await metarl(["envs", "AntRandDirecEnv"], folder);
  assert.match(ant.stdout, /^ {2}terminate +fallen, never +fallen +fallen: an episode ends when /m);

  const json = JSON.parse(
    (await metarl(["envs", "MetaPointEnvMomentum", "--json"], folder)).stdout,
  );
  assert.equal(json.obsDim, 4);
  assert.deepEqual(json.observation[2], {
    name: "vx",
    meaning: "velocity of the point",
    unit: "m/step",
    low: null,
    high: null,
  });
});

cliTest("metarl envs check prints one row per check", async (folder) => {
  const { code, stdout, stderr } = await metarl(["envs", "check", "MetaPointEnvCorner"], folder);
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  assert.deepEqual(
    stdout.trimEnd().split("\n").map((line) => line.split(/ {2,}/).slice(0, 2).join(" ")),
    ["tables", "tasks", "determinism", "bounds", "extreme actions", "reward", "endings", "speed"]
      .map((name) => `ok ${name}`),
  );
  const json = await metarl(["envs", "check", "MetaPointEnvCorner", "--json"], folder);
  const { name, ok, checks } = JSON.parse(json.stdout);
  assert.deepEqual([name, ok, checks.length], ["MetaPointEnvCorner", true, 8]);
});

cliTest("metarl envs refuses what it does not know", async (folder) => {
  const refused = async (args: string[], message: string, errorCode = "usage") => {
    const { code, stdout, stderr } = await metarl(args, folder);
    assert.deepEqual({ code, stdout, stderr }, {
      code: 2,
      stdout: "",
      stderr: `error: ${message} [${errorCode}]\n`,
    });
  };
  const unknown = 'Cannot find environment "RecherEnv"; did you mean "ReacherEnv"?';
  await refused(["envs", "RecherEnv"], unknown, "env-unknown");
  await refused(["envs", "check", "RecherEnv"], unknown, "env-unknown");
  await refused(["envs", "check"], "missing required argument 'env'; see metarl envs check --help");
  await refused(["envs", "--jsn"], "unknown option '--jsn'; did you mean --json?");
  await refused(
    ["envs", "ReacherEnv", "x"],
    "too many arguments for 'envs'. Expected 1 argument but got 2: ReacherEnv, x; see metarl envs " +
      "--help",
  );
});
