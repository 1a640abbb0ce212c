import assert from "node:assert/strict";
import fc from "fast-check";
import { MAX_HIDDEN_LAYERS } from "../../src/compute/layout.ts";
import {
  type ConfigContext,
  fileLayer,
  optionLayer,
  parseConfig,
  publishedConfig,
  resolveConfig,
  resultConfig,
  setLayer,
} from "../../src/config/parse.ts";
import {
  CONFIG_KEYS,
  configJsonSchema,
  configKeys,
  IGNORED_KEYS,
} from "../../src/config/schema.ts";
import { resolveEnvName } from "../../src/envs/registry.ts";
import { UserError } from "../../src/util/errors.ts";
import antRandGoal from "../../configs/ant_rand_goal.json" with { type: "json" };
import antRandGoalMode from "../../configs/ant_rand_goal_mode.json" with { type: "json" };
import pointMomentum from "../../configs/point_env_momentum_dense.json" with { type: "json" };
import reacher from "../../configs/reacher.json" with { type: "json" };
import { generatedFiles } from "../../tools/gen_schema.ts";
import { lacks } from "../permissions.ts";

const KNOWN_ENV: ConfigContext = { checkEnvName: resolveEnvName };

/** A file that is valid but for one key. */
function fileWith(text: string): string {
  return `{"env": "MetaPointEnvMomentum", ${text}}`;
}

/** File text and the one line that answers it. */
const REFUSED: readonly (readonly [string, string])[] = [
  ["", "c.json is not valid JSON: line 1, column 1: unexpected end of input"],
  ["not json", "c.json is not valid JSON: line 1, column 1: unexpected identifier 'not'"],
  [
    '{\n  "seed": 1,\n  "inner_lr": NaN\n}',
    "c.json is not valid JSON: line 3, column 15: unexpected character 'N'",
  ],
  [
    '{\n  "seed": 1,\n}',
    "c.json is not valid JSON: line 3, column 1: unexpected '}'",
  ],
  ["{'seed': 1}", "c.json is not valid JSON: line 1, column 2: unexpected character '''"],
  ['{"seed": 1} {}', "c.json is not valid JSON: line 1, column 13: unexpected '{'"],
  ['{"seed": 1,\n "seed": 2}', 'c.json: line 2: "seed" is given twice'],
  ["[]", "c.json must be a JSON object; got []"],
  ["null", "c.json must be a JSON object; got null"],
  ["5", "c.json must be a JSON object; got 5"],
  [
    "{}",
    'c.json: "env" is missing; it must be the name of an environment, or the path of one\'s own',
  ],
  [
    '{"hiden_sizes": [64]}',
    'c.json: "hiden_sizes" is not a known key; did you mean "hidden_sizes"?',
  ],
  [
    '{"hiddenSizes": [64]}',
    'c.json: "hiddenSizes" is not a known key; did you mean "hidden_sizes"?',
  ],
  [
    '{"innerSteps": 1}',
    'c.json: "innerSteps" is not a known key; did you mean "num_inner_grad_steps"?',
  ],
  [
    '{"exploratoin": true}',
    'c.json: "exploratoin" is not a known key; did you mean "exploration"?',
  ],
  ['{"temperature": 1}', 'c.json: "temperature" is not a known key'],
  ['{"__proto__": 1}', 'c.json: "__proto__" is not a known key'],
  ['{"toString": 1}', 'c.json: "toString" is not a known key'],
  [
    '{"env": "MetaPointEnvMomentumMods"}',
    'c.json: "env": cannot find environment "MetaPointEnvMomentumMods"; did you mean ' +
    '"MetaPointEnvMomentumModes"?',
  ],
  [
    '{"env": 3}',
    'c.json: "env" must be the name of an environment, or the path of one\'s own; got 3',
  ],
  [
    '{"env": ""}',
    'c.json: "env" must be the name of an environment, or the path of one\'s own; got ""',
  ],
  [
    fileWith('"num_inner_grad_steps": 0'),
    'c.json: "num_inner_grad_steps" must be a whole number from 1 to 100; got 0',
  ],
  [
    fileWith('"hidden_sizes": [64, -64]'),
    'c.json: "hidden_sizes" must be a list of 1 to 4 whole numbers from 1 to 4096; got [64,-64]',
  ],
  [
    fileWith('"hidden_sizes": [1, 2, 3, 4, 5]'),
    'c.json: "hidden_sizes" must be a list of 1 to 4 whole numbers from 1 to 4096; got [1,2,3,4,5]',
  ],
  [
    fileWith('"hidden_sizes": 64'),
    'c.json: "hidden_sizes" must be a list of 1 to 4 whole numbers from 1 to 4096; got 64',
  ],
  [
    fileWith('"meta_batch_size": -1'),
    'c.json: "meta_batch_size" must be a whole number from 1 to 100000; got -1',
  ],
  [
    fileWith('"meta_batch_size": 2.5'),
    'c.json: "meta_batch_size" must be a whole number from 1 to 100000; got 2.5',
  ],
  [
    fileWith('"meta_batch_size": "40"'),
    'c.json: "meta_batch_size" must be a whole number from 1 to 100000; got "40"',
  ],
  [fileWith('"n_itr": 1e99'), 'c.json: "n_itr" must be a whole number of at least 1; got 1e+99'],
  [
    fileWith('"inner_lr": 1e999'),
    'c.json: "inner_lr" must be a number of at least 0; got Infinity',
  ],
  [fileWith('"inner_lr": null'), 'c.json: "inner_lr" must be a number of at least 0; got null'],
  [fileWith('"discount": 1.01'), 'c.json: "discount" must be a number from 0 to 1; got 1.01'],
  [
    fileWith('"clip_eps": 0'),
    'c.json: "clip_eps" must be a number above 0 and at most 1; got 0',
  ],
  [fileWith('"learn_std": 1'), 'c.json: "learn_std" must be true or false; got 1'],
  [
    fileWith('"baseline": "ZeroBaselin"'),
    'c.json: "baseline" must be "LinearFeatureBaseline" or "ZeroBaseline"; got "ZeroBaselin"',
  ],
  [
    fileWith('"workers": 0'),
    'c.json: "workers" must be a whole number from 1 to 1024, or null; got 0',
  ],
  [fileWith('"step_size": -1'), 'c.json: "step_size" must be a number above 0; got -1'],
  [fileWith('"min_std": 2'), 'c.json: "min_std" must be at most "init_std" (1); got 2'],
  [
    fileWith('"adaptive_inner_kl_penalty": true'),
    'c.json: "adaptive_inner_kl_penalty" needs a "target_inner_step" above 0; got 0',
  ],
  [
    fileWith(`"seed": ${JSON.stringify("x".repeat(100))}`),
    `c.json: "seed" must be a whole number from 0 to 4294967295; got "${"x".repeat(56)}...`,
  ],
];

for (const [text, message] of REFUSED) {
  const shown = text.length > 60 ? `${text.slice(0, 57)}...` : text;
  Deno.test(`parseConfig() refuses ${JSON.stringify(shown)}`, () => {
    assert.throws(() => parseConfig(text, "c.json", [], KNOWN_ENV), (error) => {
      assert(error instanceof UserError, String(error));
      assert.equal(error.message, message);
      return true;
    });
  });
}

Deno.test("parseConfig() answers any JSON with a configuration or one line", () => {
  const names = [...configKeys().map(([, key]) => key.published), "seed_", "$schema"];
  const value = fc.oneof(fc.jsonValue(), fc.integer(), fc.double(), fc.string());
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...names), value), (values) => {
      try {
        parseConfig(JSON.stringify({ env: "MetaPointEnvMomentum", ...values }), "c.json");
      } catch (error) {
        assert(error instanceof UserError, String(error));
        assert(error.message.startsWith("c.json"), error.message);
        assert(!error.message.includes("\n"), error.message);
      }
    }),
    { numRuns: 1000 },
  );
});

Deno.test("parseConfig() merges file < overrides < set < options, and names the source", () => {
  const file = '{"env": "a", "seed": 1, "n_itr": 1, "cell_size": 1, "discount": 0.1}';
  const layers = [
    fileLayer('{"seed": 2, "n_itr": 2, "cell_size": 2}', "--overrides"),
    setLayer("seed=3"),
    setLayer("n_itr=3"),
    setLayer("n_itr=4"),
    optionLayer("--seed", "seed", 5),
  ];
  const { config, sourceOf } = parseConfig(file, "c.json", layers);
  assert.deepEqual(
    [config.seed, config.iterations, config.cellSize, config.discount, config.innerSteps],
    [5, 4, 2, 0.1, 2],
  );
  assert.deepEqual(
    [sourceOf("seed"), sourceOf("iterations"), sourceOf("cellSize"), sourceOf("discount")],
    ["--seed", "--set", "--overrides", "c.json"],
  );
  assert.throws(
    () =>
      parseConfig(file, "c.json", [fileLayer('{"seed": -1}', "--overrides"), setLayer("seed=1")]),
    /^UserError: --overrides: "seed" must be/,
    "a refused value is not hidden by a later one",
  );
});

Deno.test("setLayer() reads JSON, and anything else as text", () => {
  const read = (assignment: string) => setLayer(assignment).values;
  assert.deepEqual(read("hidden_sizes=[32,32]"), { hidden_sizes: [32, 32] });
  assert.deepEqual(read("env=MetaPointEnvCorner"), { env: "MetaPointEnvCorner" });
  assert.deepEqual(read("dump_path=a=b"), { dump_path: "a=b" });
  assert.deepEqual(read("mode=null"), { mode: null });
  assert.deepEqual(read("dump_path="), { dump_path: "" });
  for (const wrong of ["seed", "=1", ""]) {
    assert.throws(() => setLayer(wrong), {
      message: `--set must be key=value; got "${wrong}"`,
    });
  }
});

Deno.test("the published configurations are accepted, with one warning line each", () => {
  const common = [
    "num_minibatches, target_outer_step, init_outer_kl_penalty, adaptive_outer_kl_penalty, " +
    "num_embeddings",
  ];
  const withTrpo = [`step_size, exploration, ${common}`];
  const files = { pointMomentum, reacher, antRandGoal, antRandGoalMode };
  const expected: Record<keyof typeof files, string[]> = {
    pointMomentum: withTrpo,
    reacher: withTrpo,
    antRandGoal: common,
    antRandGoalMode: common,
  };
  for (const [name, values] of Object.entries(files)) {
    const { warnings } = parseConfig(JSON.stringify(values), "c.json");
    assert.deepEqual(
      warnings,
      expected[name as keyof typeof files].map((keys) => `c.json: no effect in training: ${keys}`),
    );
  }
});

Deno.test("the published configurations have the published values", () => {
  // facts of the published files, by row: environment, steps, inner and outer rate, iterations,
  // inner steps
  const rows = {
    MetaPointEnvMomentumModes: [pointMomentum, 100, 0.01, 5e-5, 401, 2],
    Reacher3LinkEnv: [reacher, 50, 0.1, 1e-3, 501, 2],
    AntRandGoalEnv: [antRandGoal, 200, 0.1, 1e-3, 1001, 2],
    AntRandGoalModeEnv: [antRandGoalMode, 250, 0.1, 1e-3, 1001, 3],
  } as const;
  for (
    const [env, [values, maxSteps, innerLr, outerLr, iterations, innerSteps]] of Object.entries(
      rows,
    )
  ) {
    const { config } = parseConfig(JSON.stringify(values), "c.json");
    assert.deepEqual(
      { ...config },
      {
        ...resolveConfig([{ source: "defaults", values: { env } }]).config,
        ...{ maxSteps, innerLr, outerLr, iterations, innerSteps },
      },
      "all other keys have the values common to the four files, which are the defaults",
    );
  }
});

Deno.test("every declaration's default passes its own check, and reads back from params.json", () => {
  for (const [name, key] of configKeys()) {
    if (key.default !== undefined) {
      assert(key.schema.safeParse(key.default).success, name);
    }
    assert.match(key.help, /^[A-Z].*[^.]$/s, name);
  }
  const { config } = resolveConfig([{ source: "test", values: { env: "a" } }]);
  const text = JSON.stringify(publishedConfig(config));
  assert.deepEqual({ ...parseConfig(text, "params.json").config }, { ...config });
});

Deno.test("published names are unique and the ignored ones have no effect", () => {
  const names = configKeys().map(([, key]) => key.published);
  assert.equal(
    new Set([...names, ...Object.keys(IGNORED_KEYS)]).size,
    names.length + Object.keys(IGNORED_KEYS).length,
  );
  const values = { env: "a", te_save_path: null, num_embeddings: 5 };
  const { config, warnings } = resolveConfig([{ source: "test", values }]);
  assert.deepEqual(config, resolveConfig([{ source: "test", values: { env: "a" } }]).config);
  assert.deepEqual(
    warnings,
    ["test: no effect in training: num_embeddings"],
    "null asks for nothing",
  );
});

Deno.test("resultConfig() leaves out what changes no result", () => {
  const { config } = resolveConfig([{ source: "test", values: { env: "a" } }]);
  const other = { ...config, iterations: 9, workers: 3, device: "cpu" as const, saveSteps: 1 };
  assert.deepEqual(resultConfig(other), resultConfig(config));
  for (const name of ["seed", "env", "innerSteps", "hiddenSizes", "compat", "learnStd"] as const) {
    assert(Object.hasOwn(resultConfig(config), CONFIG_KEYS[name].published), name);
  }
});

Deno.test("hidden_sizes takes as many layers as the kernels", () => {
  const layers = new Array(MAX_HIDDEN_LAYERS).fill(8);
  const { schema } = CONFIG_KEYS.hiddenSizes;
  assert(schema.safeParse(layers).success);
  assert(!schema.safeParse([...layers, 8]).success);
});

Deno.test("the JSON Schema has every key", () => {
  const schema = configJsonSchema(["one", "two"]);
  const properties = Object.keys(schema.properties as Record<string, unknown>);
  const declared = configKeys().map(([, key]) => key.published);
  assert.deepEqual(properties, ["$schema", ...declared, ...Object.keys(IGNORED_KEYS)]);
  assert.deepEqual(schema.required, ["env"]);
  assert.equal(schema.additionalProperties, false);
  const { env } = schema.properties as Record<
    string,
    { anyOf?: { enum?: string[]; pattern?: string }[] }
  >;
  assert.deepEqual(env.anyOf?.[0].enum, ["one", "two"]);
  const path = new RegExp(env.anyOf?.[1].pattern ?? "");
  for (const name of ["./a.ts", "a/b.json", "a\\b.js", "a.json"]) assert.match(name, path);
  for (const name of ["one", "AntEnv", "json"]) assert.doesNotMatch(name, path);
});

Deno.test({
  name: "configs/metarl.schema.json and docs/configuration.md are what the declaration gives",
  ignore: lacks("read"),
  fn() {
    for (const [file, text] of generatedFiles()) {
      assert.equal(Deno.readTextFileSync(file), text, "run: deno task schema");
    }
  },
});
