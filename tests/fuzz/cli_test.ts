/**
 * Any arguments: a command answers or refuses in one line with exit code 2, and writes nothing. Where
 * something would be trained, the folder that it would go to is taken.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { runCli } from "../../src/cli/program.ts";
import { MemoryOutput } from "../cli/memory_output.ts";
import { testNeeding } from "../permissions.ts";
import { effort, laterOutcome, wildText } from "./support.ts";

const test = testNeeding("read", "write", "env", "sys");

/** Commands with the options that they have; nothing that would start for good in spite of --out. */
const COMMANDS: readonly (readonly [string[], string[]])[] = [
  ...["mmaml", "promp"].map((name): [string[], string[]] => [[name], [
    ...["--set", "--overrides", "--env", "--seed", "--iterations", "--workers", "--device"],
    ...["--mode", "--init", "--log-grad-norm", "--json", "--debug", "--resume", "--help"],
  ]]),
  [["famle", "sine"], ["--seed", "--tasks", "--points", "--device", "--json"]],
  [["famle", "collect"], [
    "--env",
    "--iterations",
    "--episode-length",
    "--set",
    "--config",
    "--seed",
  ]],
  [["famle", "train"], ["--iterations", "--embeddings", "--seed", "--set", "--resume"]],
  [["famle", "adapt"], ["--model", "--data", "--env", "--damage", "--planner", "--seeds", "--set"]],
  [["envs"], ["--json", "--debug"]],
  // a right one measures for a second
  [["envs", "check", "FOLDER/x"], ["--json"]],
  [["eval"], ["--tasks", "--steps", "--checkpoint", "--seed", "--mode", "--json"]],
  [["embed"], ["--tasks", "--seed", "--workers"]],
  [["report"], ["--tasks", "--no-eval", "--steps"]],
  [["render"], ["--size", "--task", "--fps", "--camera", "--steps", "--method"]],
  [["doctor", "--no-such-option"], ["--quick", "--json"]],
  [["help"], []],
  [["complete"], []],
  [[], ["--version", "--help", "-V"]],
];

/** Values of options and arguments; `FOLDER` stands for a folder with files to name. */
const values = fc.oneof(
  fc.constantFrom(
    ...["1", "0", "-1", "2.5", "1e9", "Infinity", "0x10", "", " ", "NaN", "cpu", "auto", "random"],
    ...["ReacherEnv", "MetaPointEnvCorner", "famle_reacher", "FOLDER", "FOLDER/c.json", "FOLDER/x"],
    ...[
      "FOLDER/broken.json",
      "FOLDER/evil.json",
      "FOLDER/env.json",
      "FOLDER/run",
      "FOLDER/model.pt",
    ],
    ...[
      "FOLDER/model.safetensors",
      "n_itr=1",
      "seed=x",
      "env=3",
      "{}",
      '{"seed":1}',
      "[1,0]",
      "--",
    ],
    ...["/dev/zero", "/proc/self/mem", "=", "--seed", "none", "320x240", "0x0", "99999x99999"],
  ),
  wildText,
);

const commandLines = fc.constantFrom(...COMMANDS).chain(([command, options]) => {
  const option = options.length === 0
    ? wildText
    : fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...options) }, {
      weight: 1,
      arbitrary: wildText,
    });
  const part = fc.oneof(
    fc.tuple(option, values).map((pair) => [...pair]),
    option.map((one) => [one]),
    values.map((one) => [one]),
  );
  return fc.array(part, { maxLength: 4 }).map((parts) => [...command, ...parts.flat()]);
});

/** Commands that make a folder. */
const MAKES = /^(mmaml|promp|famle)$/;

/** All that lies in a folder, with sizes. */
function listing(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory
      ? listing(`${folder}/${name}`)
      : [`${folder}/${name} ${Deno.lstatSync(`${folder}/${name}`).size}`]
  ).sort();
}

test("runCli() answers any arguments, or refuses them in one line", async () => {
  const folder = Deno.realPathSync(await Deno.makeTempDir());
  const marker = `${folder}/executed`;
  try {
    const module = `Deno.writeTextFileSync(${JSON.stringify(marker)}, "x"); export default {};`;
    const params = {
      ...{ metarl_version: "0.1.0", started: "2026-01-31T23:59:59.000Z", algorithm: "promp" },
      ...{ seed: 1, environment: { name: "Evil", version: "sha256:0" }, device: null },
      config: { env: `${folder}/evil.ts` },
    };
    Deno.mkdirSync(`${folder}/run/checkpoints`, { recursive: true });
    const files: Readonly<Record<string, string>> = {
      "c.json": '{"env": "MetaPointEnvCorner", "hidden_sizes": [4]}',
      "broken.json": '{"env": ',
      "evil.json": '{"env": "./evil.ts"}',
      "evil.ts": module,
      "env.json": '{"description": "x", "model": "../../etc/passwd"}',
      "x": "x",
      "model.pt": "PK\x03\x04",
      "model.safetensors": "\x10\0\0\0\0\0\0\0{}",
      "run/params.json": JSON.stringify(params),
      "run/log.txt": "",
      "run/.lock": "",
    };
    for (const [name, text] of Object.entries(files)) {
      Deno.writeTextFileSync(`${folder}/${name}`, text);
    }
    const before = listing(folder);
    const guard = ["--out", folder, "--out", folder];
    let refused = 0;
    const run = async (given: readonly string[]) => {
      const args = given.map((arg) => arg.replace("FOLDER", folder));
      if (MAKES.test(args[0] ?? "")) args.push(...guard);
      const output = new MemoryOutput();
      const found = await laterOutcome(() => runCli(args, output));
      assert.ok("value" in found);
      const shown = output.errors.filter((line) => !line.startsWith("    at "));
      assert.ok(!shown.some((line) => line.includes("internal error")), shown.join("\n"));
      if (found.value === 0) return;
      assert.ok([1, 2].includes(found.value), `exit code ${found.value}`);
      if (given.length === 0 || args.includes("--debug")) return;
      refused++;
      const errors = shown.filter((line) => line.startsWith("error: "));
      // `envs check` fails by its rows
      if (found.value === 1 && errors.length === 0) return;
      assert.equal(errors.length, 1, shown.join("\n"));
      // deno-lint-ignore no-control-regex -- what a terminal would obey
      assert.doesNotMatch(errors[0], /[\0-\x1f\x7f]/);
    };
    await fc.assert(fc.asyncProperty(commandLines, run), {
      ...effort(),
      examples: [
        [["promp", "FOLDER/evil.json"]],
        [["promp", "--resume", "FOLDER/run"]],
        [["mmaml", "--set", `seed=${"[".repeat(6e4)}${"]".repeat(6e4)}`]],
        [["famle", "collect", "--env", "FOLDER/evil.ts"]],
        [["mmaml", "-\x1b[2J"]],
      ],
    });
    assert.ok(refused > 0);
    // nothing was written, and no file had its code run
    assert.deepEqual(listing(folder), before);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

test("a module runs where the command line names it, and nowhere else", async () => {
  const folder = Deno.realPathSync(await Deno.makeTempDir());
  const marker = `${folder}/executed`;
  const wasRun = () => {
    try {
      Deno.removeSync(marker);
      return true;
    } catch {
      return false;
    }
  };
  let file = 0;
  /** A new module each time: a second import of one runs nothing. */
  const evil = () => {
    const path = `${folder}/evil${file++}.js`;
    const text = `Deno.writeTextFileSync(${JSON.stringify(marker)}, "x"); export default {};`;
    Deno.writeTextFileSync(path, text);
    return path;
  };
  const run = async (...args: string[]) => {
    const output = new MemoryOutput();
    return [await runCli([...args, "--out", folder], output), output.errors.join("\n")] as const;
  };
  try {
    const named = `"env" names the module ${folder}/`;
    Deno.writeTextFileSync(`${folder}/c.json`, JSON.stringify({ env: `${evil()}/.` }));
    const [code, message] = await run("promp", `${folder}/c.json`);
    assert.deepEqual([code, wasRun()], [2, false]);
    assert.ok(message.includes(named) && message.includes("give it with --env"), message);
    for (const option of [["--env", evil()], ["--set", `env=${evil()}`]]) {
      assert.equal((await run("promp", `${folder}/c.json`, ...option))[0], 2);
      assert.equal(wasRun(), true, option[0]);
    }
    const [, famle] = await run("famle", "collect", "--env", evil());
    assert.deepEqual([/has no situations/.test(famle), wasRun()], [true, false]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
