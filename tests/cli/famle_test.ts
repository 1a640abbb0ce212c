/** `metarl famle` as a user runs it: the chain from collecting to adapting, and bad input. */
import assert from "node:assert/strict";
import { builtInModel } from "../../src/cli/famle/model.ts";
import { loadFamleEnv } from "../../src/cli/famle/environment.ts";
import { readNpy, writeNpy } from "../../src/run/npy.ts";
import { testNeeding } from "../permissions.ts";
import { inTemporaryFolder, metarl, metarlCommand, namesIn } from "./metarl_process.ts";

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

/** Lines as JSON; every key is in snake case. */
function objectsOf(stdout: string): Record<string, unknown>[] {
  return stdout.trimEnd().split("\n").map((line) =>
    JSON.parse(line, (key, value) => {
      assert.match(key, /^[a-z0-9_]*$/);
      return value;
    })
  );
}

/** Runs until the first line on standard output, then presses Ctrl-C. */
async function interrupted(args: readonly string[], folder: string) {
  const child = metarlCommand(args, folder).spawn();
  const reader = child.stdout.getReader();
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  for (let isFirst = true;; isFirst = false) {
    const { value, done } = await reader.read();
    if (done) break;
    chunks.push(value);
    if (isFirst) child.kill("SIGINT");
  }
  const [{ code }, stderr] = await Promise.all([child.status, new Response(child.stderr).text()]);
  return { code, stderr, stdout: await new Blob(chunks).text() };
}

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
    assert.ok(namesIn(`${folder}/model`).includes("report.html"));
    const models = ["--model", "model", "--maml-model", "maml/model.safetensors"];
    const study = ["--baseline", "mbrl,maml", "--iterations", "2", "--seeds", "2"];
    const { stdout } = await run(["famle", "adapt", ...models, ...study, ...QUICK, "--out", "a"]);
    for (const text of ["healthy robot", "FAMLE", "one embedding (MAML)", "from scratch (MBRL)"]) {
      assert.ok(stdout.includes(text), text);
    }
    assert.deepEqual(
      namesIn(`${folder}/a`),
      ["adapt.json", "arm.png", "arm.svg", "episodes.npz", "rewards.png", "rewards.svg"],
    );
    const summary = JSON.parse(await Deno.readTextFile(`${folder}/a/adapt.json`));
    assert.deepEqual(
      summary.methods.map(({ method, rewards }: { method: string; rewards: number[][] }) => [
        method,
        rewards.map((list) => list.length),
      ]),
      ["healthy", "famle", "mbrl", "maml"].map((method) => [method, [2, 2]]),
    );
    // a model with many embeddings is no baseline of one
    const wrong = ["famle", "adapt", "--baseline", "maml", "--maml-model", "model"];
    const refused = await metarl(wrong, folder);
    assert.equal(refused.code, 2);
    assert.match(
      refused.stderr,
      /model has 11 embeddings, --baseline maml compares with .* of one/,
    );
    // beside the data there is no model yet: it is trained, and kept
    const fromData = ["famle", "adapt", "--data", "data", "--iterations", "1", "--json"];
    const few = ["--set", "meta_iter=100", "--set", "inner_iter=1"];
    const first = await run([...fromData, ...few, ...QUICK]);
    assert.match(first.stderr, /there is no data\/model\.safetensors: training it/);
    const second = await run([...fromData, ...few, ...QUICK]);
    assert.doesNotMatch(second.stderr, /training/);
    assert.match(second.stderr, /warning: --set: no effect here: meta_iter, inner_iter/);
    const rewards = (text: string) => JSON.stringify(lastObject(text).methods);
    assert.equal(rewards(first.stdout), rewards(second.stdout));
  });
});

test("famle adapt works on the model inside of the program", async () => {
  await inTemporaryFolder(async (folder) => {
    const args = ["famle", "adapt", "--iterations", "1", "--json", ...QUICK];
    const { code, stdout, stderr } = await metarl(args, folder);
    assert.equal(code, 0, stderr);
    const objects = objectsOf(stdout);
    const summary = objects.at(-1)!;
    assert.equal(summary.env, "famle_reacher");
    assert.equal(summary.damage, "joint 0 reversed, joint 3 dead");
    assert.equal(summary.finished, true);
    // the likelihoods of the last episode, to four digits, by the names of the situations
    const [, famle] = summary.methods as { likelihoods: number[][][] }[];
    const { likelihoods } = objects[1] as { likelihoods: number[] };
    assert.deepEqual(famle.likelihoods, [[likelihoods.map((p) => Number(p.toPrecision(4)))]]);
    assert.equal((summary.situations as string[]).length, likelihoods.length);
    assert.deepEqual(
      objects.slice(0, -1).map(({ type, method, steps }) => [type, method, steps]),
      [["episode", "healthy", 4], ["episode", "famle", 4]],
    );
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

test("famle train, interrupted and resumed, gives the same model", async () => {
  await inTemporaryFolder(async (folder) => {
    await metarl([...COLLECT, "--out", "data"], folder);
    const args = ["famle", "train", "data", "--device", "cpu", "--set", "inner_iter=1", "--json"];
    const long = [...args, "--iterations", "20000"];
    const whole = await metarl([...long, "--out", "whole"], folder);
    assert.equal(whole.code, 0, whole.stderr);
    const blocks = objectsOf(whole.stdout);
    assert.equal(blocks[0].meta_iterations, 100);
    assert.deepEqual(blocks.at(-1)!.model, "whole/model.safetensors");
    const { code, stderr } = await interrupted([...long, "--out", "cut"], folder);
    assert.equal(code, 130, stderr);
    assert.match(stderr, /continue with: metarl famle train --resume cut/);
    assert.ok(!namesIn(`${folder}/cut`).includes("model.safetensors"));
    const resume = ["famle", "train", "--resume", "cut", "--device", "cpu"];
    // a second time all is done: the model is written once more
    for (let time = 0; time < 2; time++) {
      const again = await metarl(resume, folder);
      assert.equal(again.code, 0, again.stderr);
      assert.deepEqual(
        await Deno.readFile(`${folder}/cut/model.safetensors`),
        await Deno.readFile(`${folder}/whole/model.safetensors`),
      );
    }
  });
});

test("famle collect, interrupted and resumed, has all data", async () => {
  await inTemporaryFolder(async (folder) => {
    const { code, stderr, stdout } = await interrupted(
      [...COLLECT, "--json", "--out", "d"],
      folder,
    );
    assert.equal(code, 130, stderr);
    assert.equal(objectsOf(stdout).at(-1)!.finished, false);
    assert.match(stderr, /continue with: metarl famle collect --resume d/);
    const again = await metarl(["famle", "collect", "--resume", "d", "--json"], folder);
    assert.equal(again.code, 0, again.stderr);
    const summary = objectsOf(again.stdout).at(-1)!;
    assert.equal(summary.finished, true);
    assert.deepEqual(summary.rows, Array(11).fill(12));
  });
});

test("famle adapt, interrupted, shows and keeps what it has", async () => {
  await inTemporaryFolder(async (folder) => {
    const args = ["famle", "adapt", "--iterations", "1000", "--json", "--out", "o", ...QUICK];
    const { code, stderr, stdout } = await interrupted(args, folder);
    assert.equal(code, 130, stderr);
    const summary = objectsOf(stdout).at(-1)!;
    assert.equal(summary.type, "summary");
    assert.equal(summary.finished, false);
    assert.deepEqual(namesIn(`${folder}/o`), [
      "adapt.json",
      "episodes.npz",
      "rewards.png",
      "rewards.svg",
    ]);
    // while it trains a model beside data there is nothing to keep yet
    await metarl([...COLLECT, "--out", "data"], folder);
    const few = ["--set", "inner_iter=1", "--set", "meta_iter=1000000", "--device", "cpu"];
    const train = ["famle", "adapt", "--data", "data", "--json", "--out", "new", ...few];
    const second = await interrupted(train, folder);
    assert.equal(second.code, 130, second.stderr);
    assert.match(second.stderr, /stopped before the model was trained: nothing is kept/);
    assert.deepEqual(namesIn(folder), ["data", "o"]);
    assert.ok(!namesIn(`${folder}/data`).includes("model.safetensors"));
  });
});

test("famle refuses data that can't be used, and leaves no folder behind", async () => {
  await inTemporaryFolder(async (folder) => {
    await metarl([...COLLECT, "--out", "data"], folder);
    const description = JSON.parse(await Deno.readTextFile(`${folder}/data/data.json`));
    const mismatches = readNpy(await Deno.readFile(`${folder}/data/mismatches.npy`), "mismatches");
    await Deno.mkdir(`${folder}/one`);
    await Deno.copyFile(`${folder}/data/transitions.npz`, `${folder}/one/transitions.npz`);
    const [, width] = mismatches.shape;
    const data = Float64Array.from((mismatches.data as Float64Array).subarray(0, width));
    const first = writeNpy({ type: "float64", shape: [1, width], data });
    await Deno.writeFile(`${folder}/one/mismatches.npy`, first);
    const situations = description.situations.slice(0, 1);
    const text = JSON.stringify({ ...description, situations });
    await Deno.writeTextFile(`${folder}/one/data.json`, text);
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [
        ["train", "one", "--out", "new"],
        /Cannot meta-train on 1 situation: at least 2.*\[data-situations\]/,
      ],
      [["train", "data", "--embeddings", "12", "--out", "new"], /got 12 for data of 11/],
      [["collect", "--data-dir", "one", "--out", "new"], /can't add to the data in one/],
      [
        ["collect", "--env", "famle_ant", "--data-dir", "data", "--out", "new"],
        /can't add to the data in data: they are of 11 situations of famle_reacher.*\[data-mismatch\]/,
      ],
      // nothing is trained for a damage that is refused
      [["adapt", "--data", "data", "--damage", "[1]", "--out", "new"], /damage/],
      [["adapt", "--data", "one", "--out", "new"], /Cannot meta-train on 1 situation/],
    ];
    for (const [args, wanted] of cases) {
      const { code, stderr } = await metarl(["famle", ...args], folder);
      assert.equal(code, 2, `${args.join(" ")}: ${stderr}`);
      assert.match(stderr, wanted);
      assert.equal(stderr.trimEnd().split("\n").length, 1, stderr);
      assert.deepEqual(namesIn(folder), ["data", "one"], args.join(" "));
    }
  });
});

test("the models inside are of their environments", async () => {
  for (const env of ["famle_reacher", "famle_ant"]) {
    const factory = await loadFamleEnv(env);
    const { spec, situations } = await builtInModel(factory, "famle");
    assert.equal(spec.situations, factory.situations.length);
    assert.deepEqual(situations.map(({ row }) => row), factory.situations.map(({ row }) => row));
    assert.equal((await builtInModel(factory, "maml")).spec.situations, 1);
  }
});

test("famle's commands have help with an example, and completions", async () => {
  await inTemporaryFolder(async (folder) => {
    await Deno.mkdir(`${folder}/run`);
    await Deno.writeTextFile(`${folder}/run/params.json`, "{}");
    await Deno.writeTextFile(`${folder}/arm.safetensors`, "");
    for (const command of [[], ["sine"], ["collect"], ["train"], ["adapt"]]) {
      const { code, stdout } = await metarl(["famle", ...command, "--help"], folder);
      assert.equal(code, 0, command[0]);
      assert.match(stdout, /\nExample:\n {2}\$ metarl famle /, command[0]);
      assert.doesNotMatch(stdout, /undefined|\[object|default: \[\]/);
    }
    const bare = await metarl(["famle"], folder);
    assert.equal(bare.code, 2);
    assert.match(bare.stderr, /^error: metarl famle needs a command: sine, collect, train, adapt;/);
    const propose = async (...words: string[]) => {
      const { stdout } = await metarl(["complete", "--", "famle", ...words], folder);
      return stdout.trim().split("\n").slice(0, -1).map((line) => line.split("\t")[0]);
    };
    assert.deepEqual(await propose("ad"), ["adapt"]);
    assert.deepEqual(await propose("adapt", "--planner", ""), ["random", "cem", "icem", "mppi"]);
    assert.deepEqual(await propose("adapt", "--env", ""), ["famle_reacher", "famle_ant"]);
    assert.deepEqual(await propose("adapt", "--model", ""), ["run", "arm.safetensors"]);
    assert.deepEqual(await propose("train", ""), ["run"]);
    assert.deepEqual(await propose("collect", "--resume", ""), ["run"]);
  });
});

/** Arguments after `famle`, and what the one line on standard error says. */
const REFUSED: readonly (readonly [string, readonly string[], RegExp])[] = [
  ["tasks", ["sine", "--tasks", "1"], /--tasks must be a whole number from 2 to 1000; got 1/],
  ["points", ["sine", "--points", "x"], /--points must be a whole number from 1 to 90; got x/],
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
  ["maml", ["adapt", "--model", "x.pt", "--baseline", "best"], /--baseline must be mbrl or maml/],
  ["baseline twice", ["adapt", "--baseline", "mbrl,mbrl"], /--baseline must be mbrl or maml/],
  ["first", ["adapt", "--json", "--set", "first_situation=11"], /from 0 to 10, .* got 11/],
  ["maml model", ["adapt", "--maml-model", "x"], /--maml-model is for --baseline maml/],
  [
    "stretches",
    ["adapt", "--online", "--iterations", "30", "--control-steps", "20"],
    /--iterations must be a multiple of the 20 steps/,
  ],
  [
    "random beside data",
    ["collect", "--data-dir", "x", "--random-episodes", "3"],
    /--random-episodes can't be combined with --data-dir/,
  ],
  [
    "resume",
    ["train", "--resume", "x", "--seed", "3"],
    /--seed can't be combined with --resume; leave it out/,
  ],
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
