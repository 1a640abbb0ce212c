/** `metarl famle` as a user runs it: the chain from collecting to adapting, and bad input. */
import assert from "node:assert/strict";
import { testNeeding } from "../permissions.ts";
import { inTemporaryFolder, metarl, namesIn } from "./metarl_process.ts";

const test = testNeeding("read", "write", "run", "env", "sys");

/** Settings that make every command take a second. */
const QUICK = [
  ...["--set", "candidates=60", "--set", "horizon=3", "--set", "episode_length=4"],
  ...["--set", "epoch=2", "--set", "scratch_epoch=2", "--device", "cpu"],
];
const COLLECT = [
  ...["famle", "collect", "--iterations", "2", "--random-episodes", "1", "--episode-length", "6"],
  ...["--set", "candidates=60", "--set", "horizon=3", "--device", "cpu"],
];
const TRAIN = ["--iterations", "100", "--set", "inner_iter=1", "--device", "cpu"];

/** The last line as JSON. */
function lastObject(stdout: string): Record<string, unknown> {
  return JSON.parse(stdout.trimEnd().split("\n").at(-1)!);
}

function isPng(path: string): boolean {
  return [0x89, 0x50, 0x4e, 0x47].every((byte, i) => Deno.readFileSync(path)[i] === byte);
}

test("famle sine meta-trains, adapts and draws", async () => {
  await inTemporaryFolder(async (folder) => {
    const { code, stdout, stderr } = await metarl(
      ["famle", "sine", "--seed", "2", "--tasks", "3", "--points", "4", "--json", "--out", "out"],
      folder,
    );
    assert.equal(code, 0, stderr);
    const result = lastObject(stdout);
    assert.equal(result.tasks, 3);
    assert.equal(result.points, 4);
    for (const name of ["mse_before", "mse_after", "seconds"]) {
      assert.ok(Number.isFinite(result[name]) && (result[name] as number) > 0, name);
    }
    // a sinusoid of amplitude 1 has variance 0.5
    assert.ok((result.mse_after as number) < 2);
    assert.deepEqual(namesIn(`${folder}/out`), ["sine.json", "sine.png", "sine.svg"]);
    assert.ok(isPng(`${folder}/out/sine.png`));
    const svg = await Deno.readTextFile(`${folder}/out/sine.svg`);
    for (const text of ["truth", "before adaptation", "after adaptation", "points seen"]) {
      assert.ok(svg.includes(text), text);
    }
  });
});

test("famle collect, train and adapt work on each other's files", async () => {
  await inTemporaryFolder(async (folder) => {
    const run = async (args: readonly string[]) => {
      const result = await metarl(args, folder);
      assert.equal(result.code, 0, `${args.join(" ")}: ${result.stderr}`);
      return result;
    };
    await run([...COLLECT, "--out", "data"]);
    for (const name of ["data.json", "mismatches.npy", "transitions.npz", "progress.csv"]) {
      assert.ok(namesIn(`${folder}/data`).includes(name), name);
    }
    await run(["famle", "train", "data", ...TRAIN, "--out", "model"]);
    await run(["famle", "train", "data", ...TRAIN, "--embeddings", "1", "--out", "maml"]);
    assert.ok(namesIn(`${folder}/model`).includes("model.safetensors"));
    const models = ["--model", "model", "--maml-model", "maml/model.safetensors"];
    const study = ["--baseline", "mbrl,maml", "--iterations", "2", "--seeds", "2"];
    const { stdout } = await run(["famle", "adapt", ...models, ...study, ...QUICK, "--out", "a"]);
    for (const text of ["healthy robot", "FAMLE", "one embedding (MAML)", "from scratch (MBRL)"]) {
      assert.ok(stdout.includes(text), text);
    }
    assert.deepEqual(
      namesIn(`${folder}/a`),
      ["adapt.json", "arm.png", "arm.svg", "rewards.png", "rewards.svg"],
    );
    const summary = JSON.parse(await Deno.readTextFile(`${folder}/a/adapt.json`));
    assert.deepEqual(
      summary.methods.map(({ method, rewards }: { method: string; rewards: number[][] }) => [
        method,
        rewards.map((list) => list.length),
      ]),
      ["healthy", "famle", "mbrl", "maml"].map((method) => [method, [2, 2]]),
    );
    // beside the data there is no model yet: it is trained, and kept
    const fromData = ["famle", "adapt", "--data", "data", "--iterations", "1", "--json"];
    const few = ["--set", "meta_iter=100", "--set", "inner_iter=1"];
    const first = await run([...fromData, ...few, ...QUICK]);
    assert.match(first.stderr, /no model\.safetensors in data: training one/);
    const second = await run([...fromData, ...QUICK]);
    assert.doesNotMatch(second.stderr, /training/);
    const rewards = (text: string) => JSON.stringify(lastObject(text).methods);
    assert.equal(rewards(first.stdout), rewards(second.stdout));
  });
});

test("famle adapt works on the model inside of the program", async () => {
  await inTemporaryFolder(async (folder) => {
    const args = ["famle", "adapt", "--iterations", "1", "--json", ...QUICK];
    const { code, stdout, stderr } = await metarl(args, folder);
    assert.equal(code, 0, stderr);
    const summary = lastObject(stdout);
    assert.equal(summary.env, "famle_reacher");
    assert.equal(summary.damage, "joint 0 reversed, joint 3 dead");
    assert.deepEqual(namesIn(folder), []);
  });
});

test("famle adapt goes on a mission with changing damage", async () => {
  await inTemporaryFolder(async (folder) => {
    const { code, stdout, stderr } = await metarl([
      ...["famle", "adapt", "--online", "--iterations", "12", "--control-steps", "4"],
      ...["--online-damage-probability", "1", "--adapt-steps", "6", "--sample-model"],
      ...["--planner", "cem", "--damage", "random", "--json", ...QUICK],
    ], folder);
    assert.equal(code, 0, stderr);
    const stretches = stdout.trimEnd().split("\n").map((line) => JSON.parse(line))
      .filter(({ type }) => type === "episode");
    assert.equal(stretches.length, 3);
    assert.ok(new Set(stretches.map(({ damage }) => damage)).size > 1);
  });
});

test("famle train is resumed where it was stopped", async () => {
  await inTemporaryFolder(async (folder) => {
    await metarl([...COLLECT, "--out", "data"], folder);
    const args = ["famle", "train", "data", "--device", "cpu", "--set", "inner_iter=1"];
    const whole = await metarl([...args, "--iterations", "300", "--out", "whole"], folder);
    assert.equal(whole.code, 0, whole.stderr);
    const again = await metarl(["famle", "train", "--resume", "whole", "--device", "cpu"], folder);
    // all is done: the model is written once more, the same
    assert.equal(again.code, 0, again.stderr);
    const model = await Deno.readFile(`${folder}/whole/model.safetensors`);
    const other = await metarl([...args, "--iterations", "300", "--out", "other"], folder);
    assert.equal(other.code, 0, other.stderr);
    assert.deepEqual(await Deno.readFile(`${folder}/other/model.safetensors`), model);
  });
});

/** Arguments after `famle`, and what the one line on standard error says. */
const REFUSED: readonly (readonly [string, readonly string[], RegExp])[] = [
  ["tasks", ["sine", "--tasks", "1"], /--tasks must be a whole number 2 to 1000; got 1/],
  ["points", ["sine", "--points", "x"], /--points must be a whole number 1 to 90; got x/],
  ["no data folder", ["train"], /give the folder of the data, or --resume RUN/],
  ["missing data", ["train", "nowhere"], /there are no data in nowhere/],
  ["environment", ["collect", "--env", "famle_recher"], /famle_reacher/],
  ["no FAMLE env", ["collect", "--env", "ReacherEnv"], /take one of famle_reacher, famle_ant/],
  ["setting", ["collect", "--set", "horizn=3"], /"horizn" is not a known key.*"horizon"/],
  ["value", ["collect", "--set", "horizon=0"], /"horizon" must be a whole number/],
  ["damage length", ["adapt", "--damage", "[1,1]"], /damage/],
  ["damage text", ["adapt", "--damage", "broken"], /--damage must be/],
  ["damage range", ["adapt", "--damage", "[2,1,1,1,1]"], /damage|motor|factor/],
  ["model", ["adapt", "--model", "nowhere.safetensors"], /no checkpoint nowhere\.safetensors/],
  ["torch", ["adapt", "--model", "nowhere.pt"], /there is no file nowhere\.pt/],
  ["maml", ["adapt", "--model", "x.pt", "--baseline", "best"], /--baseline must be of/],
  ["both", ["adapt", "--model", "a", "--data", "b"], /--model can't be combined with --data/],
  ["planner", ["adapt", "--planner", "magic"], /--planner/],
  ["control steps", ["adapt", "--control-steps", "5"], /add --online/],
  ["probability", ["adapt", "--online", "--online-damage-probability", "2"], /from 0 to 1/],
];

test("famle refuses bad input in one line and leaves nothing behind", async () => {
  await inTemporaryFolder(async (folder) => {
    for (const [name, args, wanted] of REFUSED) {
      const { code, stderr } = await metarl(["famle", ...args], folder);
      assert.equal(code, 2, `${name}: ${stderr}`);
      assert.match(stderr, wanted, name);
      assert.equal(stderr.trimEnd().split("\n").length, 1, `${name}: ${stderr}`);
      assert.deepEqual(namesIn(folder), [], name);
    }
  });
});

test("famle adapt refuses a model of another environment", async () => {
  await inTemporaryFolder(async (folder) => {
    const model = new URL("../../models/famle_reacher.safetensors", import.meta.url).pathname;
    const args = ["famle", "adapt", "--env", "famle_ant", "--model", model];
    const { code, stderr } = await metarl(args, folder);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /is a model of famle_reacher, not of famle_ant/);
  });
});

test("famle does not write into a folder that has files", async () => {
  await inTemporaryFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/mine.txt`, "mine");
    for (const command of ["sine", "adapt", "collect"]) {
      const { code, stderr } = await metarl(["famle", command, "--out", "."], folder);
      assert.equal(code, 2, `${command}: ${stderr}`);
      assert.match(stderr, /--out/);
      assert.deepEqual(namesIn(folder), ["mine.txt"]);
    }
  });
});
