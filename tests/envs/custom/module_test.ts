import assert from "node:assert/strict";
import { checkEnv } from "../../../src/envs/check.ts";
import { isEnvPath, loadEnv } from "../../../src/envs/registry.ts";
import { UserError } from "../../../src/util/errors.ts";
import { lacks } from "../../permissions.ts";

const NEEDS_FILES = lacks("read", "write");
const EXAMPLE = new URL("../../../examples/point_wind.ts", import.meta.url);

async function withFile(
  text: string,
  body: (path: string) => Promise<void>,
  name = "env.ts",
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    Deno.writeTextFileSync(`${folder}/${name}`, text);
    await body(`${folder}/${name}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function fileTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: NEEDS_FILES, fn });
}

/** A module whose environment is the example's with a change. */
function changed(code: string): string {
  return `import example from ${JSON.stringify(EXAMPLE.href)};
    const factory = { ...example.configure({}) };
    const environment = { configure: () => factory };
    ${code}`;
}

Deno.test("isEnvPath() tells paths from names", () => {
  for (const path of ["./env.ts", "envs/a", "a\\b", "env.json", "env.js", "env.mjs", "/x/y"]) {
    assert.ok(isEnvPath(path), path);
  }
  for (const name of ["ReacherEnv", "MetaPointEnvMomentum", "env.xml", "json"]) {
    assert.ok(!isEnvPath(name), name);
  }
});

fileTest("the example keeps its promises", async () => {
  const factory = await loadEnv(EXAMPLE.pathname);
  assert.equal(factory.spec.name, "PointWind");
  assert.match(String(factory.spec.version), /^sha256:/);
  const rows = await checkEnv(factory, { episodes: 2, seconds: 0.01 });
  for (const { name, ok, detail } of rows) assert.ok(ok, `${name}: ${detail}`);
});

fileTest(
  "a module may export its environment by name",
  () =>
    withFile(changed("export { environment };"), async (path) => {
      assert.equal((await loadEnv(path)).spec.name, "PointWind");
    }),
);

fileTest("a module that lacks something is refused with file and member", async () => {
  const refused: [string, RegExp][] = [
    ["export const x = 1;", /env\.ts exports no environment; export an EnvDefinition as default/],
    ["export default 3;", /the exported environment must be an object; got number$/],
    ["export default {};", /needs a member "configure" \(function\); it is missing$/],
    ["export default { configure: () => null };", /what configure\(\) returns must be an object/],
    [
      changed("delete factory.sampleTasks; export default environment;"),
      /what configure\(\) returns needs a member "sampleTasks" \(function\); it is missing$/,
    ],
    [
      changed("factory.spec = { ...factory.spec, maxSteps: '50' }; export default environment;"),
      /the spec needs a member "maxSteps" \(number\); got string$/,
    ],
    [
      changed("factory.spec = { ...factory.spec, actionLow: [0] }; export default environment;"),
      /the spec needs a member "actionLow" \(Float64Array\); got array$/,
    ],
    ["export default {", /^Cannot load .*env\.ts: /],
    ["throw new Error('not today');", /^Cannot load .*env\.ts: not today$/],
    ["import './none.ts';", /can't read .*none\.ts: No such file/],
  ];
  for (const [text, message] of refused) {
    await withFile(text, async (path) => {
      await assert.rejects(loadEnv(path), (error) => {
        assert.ok(error instanceof UserError, `${text}: ${error}`);
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /\n/);
        return true;
      });
    });
  }
});

fileTest("an instance that lacks something is refused", () =>
  withFile(
    changed(`factory.createInstance = async () => ({ spec: factory.spec, obs: [0, 0] });
      export default environment;`),
    async (path) => {
      await assert.rejects(
        (await loadEnv(path)).createInstance(),
        /an instance needs a member "obs" \(Float64Array\); got array$/,
      );
    },
  ));

fileTest("files that are none are refused", async () => {
  await assert.rejects(loadEnv("./none.ts"), /environment: can't read .*none\.ts: No such file/);
  await assert.rejects(loadEnv("./none.json"), /environment: can't read .*none\.json: No such/);
  await assert.rejects(loadEnv("./model.xml"), /Cannot use \.\/model\.xml as an environment; give/);
});
