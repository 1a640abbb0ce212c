import assert from "node:assert/strict";
import manifest from "../../deno.json" with { type: "json" };
import { lacks } from "../permissions.ts";
import { inTemporaryFolder, metarl, namesIn } from "./metarl_process.ts";

const NEEDS_PROCESSES = lacks("read", "write", "run");

/**
 * Arguments, the one line on standard error, and its code where that is not `usage`; the exit code
 * is 2 and nothing is written.
 */
const REFUSED: readonly (readonly [args: string[], message: string, code?: string])[] = [
  [["mmmal"], `unknown command 'mmmal'; did you mean mmaml?`],
  [["traain"], `unknown command 'traain'; see metarl --help`],
  [["help", "prmp"], `unknown command 'prmp'; did you mean "promp"?`],
  [["--versio"], `unknown option '--versio'; did you mean --version?`],
  [["mmaml", "--sed", "1"], `unknown option '--sed'; did you mean one of --seed, --set?`],
  [["mmaml", "--overide", "{}"], `unknown option '--overide'; did you mean --overrides?`],
  [["mmaml", "--seed"], `option '--seed <n>' argument missing; see metarl mmaml --help`],
  [
    ["mmaml", "a.json", "b.json"],
    `too many arguments for 'mmaml'. Expected 1 argument but got 2: a.json, b.json; see metarl ` +
    `mmaml --help`,
  ],
  [
    ["promp", "--device", "gpu"],
    `option '--device <name>' argument 'gpu' is invalid. Allowed choices are auto, webgpu, cpu; ` +
    `see metarl promp --help`,
  ],
  [
    ["complete", "csh"],
    `command-argument value 'csh' is invalid for argument 'shell'. Allowed choices are zsh, bash, ` +
    `fish, powershell; see metarl complete --help`,
  ],
  [
    ["mmaml", "none.json"],
    `can't read the configuration none.json: No such file or directory`,
    "config-unreadable",
  ],
  [["mmaml", "."], `can't read the configuration .: Is a directory`, "config-unreadable"],
  [
    ["mmaml", "bad.json"],
    `bad.json: "hiden_sizes" is not a known key; did you mean "hidden_sizes"?`,
    "config-unknown-key",
  ],
  [
    ["mmaml", "--seed", "-1"],
    `--seed: "seed" must be a whole number from 0 to 4294967295; got -1`,
    "config-value",
  ],
  [
    ["mmaml", "--seed", "one"],
    `--seed: "seed" must be a whole number from 0 to 4294967295; got "one"`,
    "config-value",
  ],
  [
    ["mmaml", "--workers", ""],
    `--workers: "workers" must be a whole number from 1 to 1024, or null; got ""`,
    "config-value",
  ],
  [
    ["mmaml", "--iterations", "0"],
    `--iterations: "n_itr" must be a whole number of at least 1; got 0`,
    "config-value",
  ],
  [["mmaml", "--set", "seed"], `--set must be key=value; got "seed"`, "set-syntax"],
  [
    ["mmaml", "--set", "num_inner_grad_steps=0"],
    `--set: "num_inner_grad_steps" must be a whole number from 1 to 100; got 0`,
    "config-value",
  ],
  [
    ["mmaml", "--overrides", "{seed: 1}"],
    `--overrides is not valid JSON: line 1, column 2: unexpected character 's'`,
    "json-syntax",
  ],
  [
    ["mmaml", "--set", "env=MetaPointEnvCorners"],
    `--set: "env": cannot find environment "MetaPointEnvCorners"; did you mean "MetaPointEnvCorner"?`,
    "config-unknown-env",
  ],
  [
    ["mmaml", "--mode", "4"],
    `--mode: "mode" must be from 0 to 3, or null for MetaPointEnvMomentumModes, which has 4 modes; ` +
    `got 4`,
    "config-value",
  ],
  [
    ["mmaml", "--set", "observe_all_velocities=true"],
    `--set: "observe_all_velocities" is not an option of MetaPointEnvMomentumModes; leave it out`,
    "config-value",
  ],
  [
    ["mmaml", "--set", "env=AntRandGoalModeEnv", "--set", "terminate=never"],
    `--set: "terminate" is not an option of AntRandGoalModeEnv; leave it out`,
    "config-value",
  ],
  [
    ["mmaml", "--set", "terminate=fall"],
    `--set: "terminate" must be "fallen" or "never", or null; got "fall"`,
    "config-value",
  ],
  [
    ["mmaml", "--out", "here"],
    `the folder here exists; choose another one with --out, or --force to replace the run in it`,
    "out-exists",
  ],
  [
    ["mmaml", "--out", "bad.json"],
    `bad.json exists and is not a folder; choose another`,
    "out-exists",
  ],
  [
    ["mmaml", "--out", "bad.json/run"],
    `can't create the run folder bad.json/run: bad.json is not a folder; choose another one with ` +
    `--out`,
    "out-not-writable",
  ],
  [
    ["mmaml", "--init", "none"],
    `can't read checkpoint none: No such file or directory`,
    "checkpoint-not-found",
  ],
  [["mmaml", "--init", "here"], `the run folder here has no checkpoint`, "checkpoint-not-found"],
  [
    ["mmaml", "--init", "bad.json"],
    `can't use checkpoint bad.json: it is not a metarl checkpoint`,
    "checkpoint-damaged",
  ],
  [
    ["mmaml", "--resume", "here"],
    `here is not a run folder: there is no params.json in it`,
    "run-not-found",
  ],
  [
    ["mmaml", "--resume", "none"],
    `none is not a run folder: there is no such folder`,
    "run-not-found",
  ],
  [["mmaml", "--resume", "here", "--out", "x"], `--out can't be combined with --resume`],
  [["mmaml", "--resume", "here", "--init", "x"], `--init can't be combined with --resume`],
  [["mmaml", "--resume", "here", "--force"], `--force can't be combined with --resume`],
];

Deno.test({
  name: "metarl answers wrong use with one line and exit code 2, and writes nothing",
  ignore: NEEDS_PROCESSES,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      Deno.writeTextFileSync(`${folder}/bad.json`, '{"env": "x", "hiden_sizes": [1]}');
      Deno.mkdirSync(`${folder}/here`);
      for (const [args, message, errorCode = "usage"] of REFUSED) {
        const { code, stdout, stderr } = await metarl(args, folder);
        assert.deepEqual(
          { code, stdout, stderr },
          { code: 2, stdout: "", stderr: `error: ${message} [${errorCode}]\n` },
          args.join(" "),
        );
      }
      assert.deepEqual(namesIn(folder), ["bad.json", "here"]);
      assert.deepEqual(namesIn(`${folder}/here`), []);
    }),
});

Deno.test({
  name: "metarl --debug adds the stack",
  ignore: NEEDS_PROCESSES,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      const { code, stderr } = await metarl(["mmaml", "none.json", "--debug"], folder);
      assert.equal(code, 2);
      assert.match(stderr, /^error: can't read.*\n[^]*at readConfigFile[^]*NotFound/);
    }),
});

Deno.test({
  name: "metarl --json prints the error as an object too",
  ignore: NEEDS_PROCESSES,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      const { code, stdout, stderr } = await metarl(["mmaml", "none.json", "--json"], folder);
      const message = "can't read the configuration none.json: No such file or directory";
      assert.equal(stderr, `error: ${message} [config-unreadable]\n`);
      const error = { type: "error", code: "config-unreadable", message, exitCode: 2 };
      assert.deepEqual([code, stdout], [2, `${JSON.stringify(error)}\n`]);
    }),
});

Deno.test({
  name: "metarl prints version and help on standard output",
  ignore: NEEDS_PROCESSES,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      for (const flag of ["--version", "-V"]) {
        const { code, stdout, stderr } = await metarl([flag], folder);
        assert.deepEqual({ code, stdout, stderr }, {
          code: 0,
          stdout: `metarl ${manifest.version}\n`,
          stderr: "",
        });
      }
      const general = await metarl(["--help"], folder);
      assert.equal(general.code, 0);
      for (const command of ["mmaml", "promp", "envs", "doctor", "complete", "help"]) {
        assert.match(general.stdout, new RegExp(`^  ${command} `, "m"));
        const { code, stdout } = await metarl([command, "--help"], folder);
        assert.equal(code, 0, command);
        if (command !== "help") assert.match(stdout, /\nExample:\n {2}\$ /, command);
        assert.doesNotMatch(stdout, /undefined|\[object|default: \[\]/);
      }
      assert.deepEqual(await metarl(["help"], folder), general);
      assert.deepEqual(
        await metarl(["help", "promp"], folder),
        await metarl(["promp", "-h"], folder),
      );

      const bare = await metarl([], folder);
      assert.deepEqual(bare, { code: 2, stdout: "", stderr: general.stdout.split("\nExample")[0] });
    }),
});

Deno.test({
  name: "metarl --help loads nothing but the command line",
  ignore: NEEDS_PROCESSES,
  async fn() {
    const main = new URL("../../src/cli/main.ts", import.meta.url);
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", main.pathname],
    }).output();
    interface Module {
      specifier: string;
      dependencies?: { code?: { specifier?: string }; isDynamic?: boolean }[];
    }
    const { modules }: { modules: Module[] } = JSON.parse(new TextDecoder().decode(stdout));
    const bySpecifier = new Map(modules.map((module) => [module.specifier, module]));
    const loaded = new Set<string>();
    const visit = (specifier: string) => {
      if (loaded.has(specifier)) return;
      loaded.add(specifier);
      for (const { code, isDynamic } of bySpecifier.get(specifier)?.dependencies ?? []) {
        if (!isDynamic && code?.specifier !== undefined) visit(code.specifier);
      }
    };
    visit(main.href);
    assert(loaded.size > 5, "the graph was not read");
    const heavy = [...loaded].filter((name) =>
      /zod|momoa|tfjs|src\/(trainer|compute|envs|run)/.test(name)
    );
    assert.deepEqual(heavy, []);
  },
});
