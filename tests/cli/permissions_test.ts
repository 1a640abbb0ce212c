/** What metarl may not do, tried by environments that do it: the network, programs, libraries. */
import assert from "node:assert/strict";
import { lacks } from "../permissions.ts";
import { inTemporaryFolder, metarl, TASK_FLAGS } from "./metarl_process.ts";

const NEEDS_PROCESSES = lacks("read", "write", "run");
const EXAMPLE = new URL("../../examples/point_wind.ts", import.meta.url).href;

/** What a module does, and what is missing for it. */
const FORBIDDEN: readonly (readonly [code: string, missing: RegExp])[] = [
  [`await fetch("http://example.com/")`, /net access to "example\.com:80"/],
  [`await Deno.connect({ hostname: "127.0.0.1", port: 1 })`, /net access to "127\.0\.0\.1:1"/],
  [`new Deno.Command("ls").outputSync()`, /run access to "ls"/],
  [`Deno.dlopen("libm.so.6", {})`, /ffi access to "libm\.so\.6"/],
  [`Deno.env.get("HOME")`, /env access to "HOME"/],
  [`Deno.hostname()`, /sys access to "hostname"/],
];

Deno.test("deno task metarl grants files, a few names, and no network", () => {
  assert.deepEqual(TASK_FLAGS, [
    "--allow-read",
    "--allow-write",
    "--allow-env=XDG_RUNTIME_DIR,NO_COLOR,FORCE_COLOR,CLICOLOR_FORCE",
    "--allow-sys=systemMemoryInfo,statfs,cpus",
    "--no-prompt",
    "--no-remote",
  ]);
});

Deno.test({
  name: "an environment that needs another permission is refused in one line",
  ignore: NEEDS_PROCESSES,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      for (const [code, missing] of FORBIDDEN) {
        Deno.writeTextFileSync(`${folder}/bad.js`, `${code};\nexport default {};`);
        const result = await metarl(["envs", "bad.js"], folder);
        assert.deepEqual([result.code, result.stdout], [2, ""], code);
        assert.match(result.stderr, missing);
        assert.match(
          result.stderr,
          /^error: Cannot load bad\.js: Requires .*, a permission that metarl does not have \[env-module\]\n$/,
        );
      }
      Deno.writeTextFileSync(`${folder}/bad.js`, 'import "https://esm.sh/x";');
      const remote = await metarl(["envs", "bad.js"], folder);
      assert.equal(remote.code, 2);
      assert.match(remote.stderr, /^error: Cannot load bad\.js: A remote specifier was requested/);
    }),
});

Deno.test({
  name: "an environment that needs another permission in a step ends the run in one line",
  ignore: NEEDS_PROCESSES,
  fn: () =>
    inTemporaryFolder(async (folder) => {
      const sizes = ["meta_batch_size=2", "rollouts_per_meta_task=2", "max_path_length=5"]
        .flatMap((size) => ["--set", size]);
      for (
        const [code, missing] of [
          [`fetch("http://example.com/")`, "net access"],
          [`new Deno.Command("ls").outputSync()`, "run access"],
        ]
      ) {
        Deno.writeTextFileSync(
          `${folder}/bad.ts`,
          `import example from ${JSON.stringify(EXAMPLE)};
           const factory = example.configure({});
           export default { configure: () => ({ ...factory, async createInstance() {
             const env = await factory.createInstance();
             const step = env.step.bind(env);
             env.step = (action) => { ${code}; step(action); };
             return env;
           } }) };`,
        );
        const args = ["promp", "--env", "bad.ts", "--device", "cpu", "--out", "run", "--force"];
        const result = await metarl([...args, ...sizes], folder);
        assert.equal(result.code, 1, result.stderr);
        const errors = result.stderr.split("\n").filter((line) => line.startsWith("error: "));
        assert.equal(errors.length, 1, result.stderr);
        assert.match(
          errors[0],
          new RegExp(`Requires ${missing} to .* a permission .* \\[permission\\]$`),
        );
      }
    }),
});
